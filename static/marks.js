// A table of marks is typed like a spreadsheet: Enter and the arrows go to the next student, Ctrl+Enter saves, and what
// is not saved yet is counted. Without this file it is a form like any other.

const form = () => document.querySelector("form[data-marks]");
const changed = (field) => field.value !== field.defaultValue;
let leaving = false;

function tally() {
  const f = form();
  if (!f) return;
  let n = 0;
  for (const row of f.querySelectorAll("tbody tr")) {
    const is = [...row.querySelectorAll(".input")].some(changed);
    row.classList.toggle("unsaved", is);
    if (is) n++;
  }
  f.querySelector("[data-unsaved]").textContent = n === 0 ? "" : `${n} ${n === 1 ? "student" : "students"} not saved yet`;
}

// beside is the same field of a student further down or up; undefined at the ends.
function beside(field, step) {
  const all = [...form().querySelectorAll(field.matches(".points") ? ".points" : ".comment")];
  return all[all.indexOf(field) + step];
}

document.addEventListener("keydown", (event) => {
  const field = event.target;
  const f = form();
  if (!f || !(field instanceof HTMLElement) || !field.matches(".marks .input") || event.isComposing || event.altKey) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    f.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || !field.matches(".points")) return;
  const step = { Enter: event.shiftKey ? -1 : 1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = beside(field, step);
  next?.focus();
  next?.select();
});

document.addEventListener("input", (event) => {
  if (event.target.matches?.(".marks .input")) tally();
});
document.addEventListener("submit", (event) => {
  if (event.target === form()) leaving = true;
});
window.addEventListener("beforeunload", (event) => {
  const f = form();
  if (f && !leaving && [...f.querySelectorAll(".input")].some(changed)) event.preventDefault();
});
window.addEventListener("pageshow", () => {
  leaving = false;
  form()?.querySelector(".save-bar").classList.add("ready");
  tally();
});
