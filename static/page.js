// What every page can do: dialogs and menus, copying, relative times, notices. Everything hangs on the document, so
// that content swapped in later works without being set up.

const units = [["day", 86400], ["h", 3600], ["min", 60]];

// inWords says how far an instant is away, in the words the server uses: "in 3 h 20 min", "2 days ago", "just now".
export function inWords(then, now = Date.now()) {
  const seconds = Math.round((then - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 60) return seconds > 0 ? "in less than a minute" : "just now";
  let words = "";
  for (let i = 0; i < units.length; i++) {
    const [name, length] = units[i];
    const n = Math.floor(size / length);
    if (n === 0) continue;
    words = name === "day" ? `${n} ${n === 1 ? "day" : "days"}` : `${n} ${name}`;
    const next = units[i + 1];
    const rest = next ? Math.floor((size % length) / next[1]) : 0;
    if (rest > 0 && n < 3) words += ` ${rest} ${next[0]}`;
    break;
  }
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

function tick() {
  for (const away of document.querySelectorAll("time[datetime] .away")) {
    const time = away.closest("time");
    const then = Date.parse(time.dateTime);
    away.textContent = inWords(then);
    if (then < Date.now()) delete time.dataset.soon;
  }
}

// say shows a short notice at the corner and reads it out; kind is "good", "info", "warn" or "bad".
export function say(text, kind = "info") {
  const tone = { good: "good", warn: "warn", bad: "bad" }[kind] ?? "busy";
  const box = document.createElement("div");
  box.className = `notice tone-${tone}`;
  const dot = document.createElement("span");
  dot.textContent = { good: "✓", warn: "!", bad: "!" }[kind] ?? "i";
  dot.setAttribute("aria-hidden", "true");
  const line = document.createElement("div");
  const p = document.createElement("p");
  p.textContent = text;
  line.append(p);
  box.append(dot, line);
  document.querySelector(".toasts")?.append(box);
  setTimeout(() => box.remove(), kind === "bad" ? 12000 : 5000);
}

// unveil shows the controls that only make sense with scripts.
function unveil() {
  const canCopy = Boolean(navigator.clipboard);
  for (const el of document.querySelectorAll("[data-dismiss], [data-select-all]")) el.hidden = false;
  for (const el of document.querySelectorAll("[data-copy]")) el.hidden = !canCopy;
  document.querySelector("[data-focus]")?.focus();
  for (const here of document.querySelectorAll(".rail [aria-current], .tabs [aria-current]")) {
    const row = here.closest("ol, .tabs");
    row.scrollLeft = here.offsetLeft + here.offsetWidth / 2 - row.clientWidth / 2;
  }
  tick();
}

async function copy(button) {
  const label = button.querySelector("span");
  const before = button.dataset.label ?? label.textContent;
  button.dataset.label = before;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Not copied";
  }
  setTimeout(() => { label.textContent = before; }, 2000);
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;

  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(target)) menu.open = false;
  }

  const asks = target.closest("[data-dialog]");
  const dialog = asks && document.getElementById(asks.dataset.dialog);
  if (dialog instanceof HTMLDialogElement && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    dialog.showModal();
    return;
  }
  if (target instanceof HTMLDialogElement) {
    const r = target.getBoundingClientRect();
    const inside = event.clientX >= r.left && event.clientX <= r.right && event.clientY >= r.top && event.clientY <= r.bottom;
    if (!inside) target.close();
  }

  const copier = target.closest("[data-copy]");
  if (copier) copy(copier);

  target.closest("[data-dismiss]")?.closest(".notice").remove();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

document.addEventListener("change", (event) => {
  const all = event.target.closest?.("[data-select-all]");
  if (!all) return;
  const name = CSS.escape(all.dataset.selectAll);
  for (const box of all.closest("table").querySelectorAll(`tbody input[type="checkbox"][name="${name}"]`)) {
    box.checked = all.checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }
});

document.addEventListener("lectern:say", (event) => say(event.detail.text, event.detail.kind));
document.addEventListener("lectern:swapped", unveil);
setInterval(tick, 20000);
unveil();
