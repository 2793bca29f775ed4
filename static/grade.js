// Grading: a mark is saved the moment it changes, and says so. Without this file the form is sent by its buttons.

const page = () => document.querySelector("[data-grading]");
const form = () => document.querySelector("form[data-grade]");

function status(kind, text) {
  const el = document.querySelector("[data-status]");
  el.dataset.kind = kind;
  el.textContent = text;
}

// What was last saved, so that nothing is sent twice and leaving is safe.
const content = (f) => {
  const data = new FormData(f);
  data.delete("event");
  return new URLSearchParams(data).toString();
};
let saved = "";
let running = Promise.resolve(true);
let timer = 0;
let busy = 0; // saves on their way

function errors(found) {
  const f = form();
  for (const el of f.querySelectorAll("[data-error]")) {
    const text = found[el.dataset.error] ?? "";
    el.textContent = text;
    const input = f.elements[el.dataset.error];
    if (!input) continue;
    if (text) {
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", el.id);
    } else {
      input.removeAttribute("aria-invalid");
    }
  }
}

// show says what the mark is now, here and in the queue.
function show(now) {
  const f = form();
  f.elements.event.value = now.event;
  f.querySelector("[data-mark]").textContent = now.mark || "—";
  for (const el of document.querySelectorAll("[data-event]")) el.value = now.event; // of a form beside the mark
  for (const el of document.querySelectorAll("[data-now]")) el.textContent = now.mark || "—";
  f.querySelector("[data-word]").textContent = now.word;
  const comment = f.querySelector("[data-comment]");
  comment.innerHTML = now.comment; // as the page itself has it: made safe by the server
  comment.hidden = now.comment === "";
  const here = document.querySelector(".queue [aria-current]");
  if (here) here.querySelector(".num").textContent = now.mark;
  for (const sign of document.querySelectorAll("[data-verdict] .mark, .queue [aria-current] .mark")) sign.outerHTML = now.sign;
  document.querySelector("[data-group]").innerHTML = now.group;
  for (const a of document.querySelectorAll("[data-group] a")) {
    const row = document.querySelector(`.queue a[href="${CSS.escape(a.getAttribute("href"))}"]`);
    if (!row) continue;
    row.querySelector(".mark").outerHTML = a.querySelector(".mark").outerHTML;
    row.querySelector(".num").textContent = a.parentElement.querySelector(".num").textContent;
  }
  document.querySelector("[data-left]").textContent = now.left;
  const bar = document.querySelector(".queue progress"), left = parseInt(now.left, 10);
  if (bar && left >= 0) bar.value = bar.max - left;
  status("saved", now.status);
}

async function send() {
  const f = form();
  if (!f || f.dataset.sent) return false;
  const what = content(f);
  if (what === saved) return true;
  status("saving", "Saving…");
  try {
    const answer = await fetch(f.action, { method: "POST", body: new URLSearchParams(new FormData(f)), headers: { Accept: "application/json" } });
    if (answer.status === 409) {
      f.dataset.native = "yes";
      f.requestSubmit(); // the page that shows both marks
      return false;
    }
    if (answer.status === 422) {
      const found = (await answer.json()).errors;
      errors(found);
      status("bad", "Not saved: " + Object.values(found)[0]);
      return false;
    }
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    errors({});
    show(await answer.json());
    saved = what;
    return true;
  } catch {
    status("bad", "Not saved: no answer. Press Save to try again.");
    return false;
  }
}

// save waits for what is on its way: each form must know the event before it.
function save() {
  clearTimeout(timer);
  busy++;
  running = running.then(send, send).finally(() => busy--);
  return running;
}

// preview shows what the chosen items come to.
function preview() {
  const f = form();
  const box = f.querySelector(".rubric");
  if (f.elements.points.value.trim() !== "") return;
  const chosen = [...box.querySelectorAll("[data-points]:checked")];
  if (chosen.length === 0) return;
  const max = Number(box.dataset.max);
  let sum = chosen.reduce((n, el) => n + Number(el.dataset.points), 0);
  if (box.dataset.mode === "deduct") sum = max - sum;
  sum = Math.min(Math.max(Math.round(sum * 1e5) / 1e5, 0), max);
  f.querySelector("[data-mark]").textContent = String(Math.round(sum * 100) / 100);
}

const ours = (event) => event.target instanceof Element && event.target.closest("form[data-grade]") && event.target.form === form();

document.addEventListener("change", (event) => {
  if (!ours(event)) return;
  preview();
  save();
});

document.addEventListener("input", (event) => {
  if (!ours(event) || event.target.name !== "comment") return;
  status("saving", "Typing…");
  clearTimeout(timer);
  timer = setTimeout(save, 1500);
});

document.addEventListener("click", async (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const f = form();
  if (!target || !f) return;
  const fill = target.closest("[data-fill]");
  if (fill) {
    f.elements.points.value = fill.dataset.fill;
    save();
    return;
  }
  const insert = target.closest("[data-insert]");
  if (insert) {
    event.preventDefault();
    const box = f.elements.comment;
    box.value = [box.value.trim(), insert.dataset.insert].filter(Boolean).join("\n\n");
    save();
    return;
  }
  const go = target.closest("a[data-go], .queue a");
  if (go && content(f) !== saved && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    if (await save()) location.href = go.href;
  }
});

// Forms beside the mark go on their way once it is saved.
document.addEventListener("submit", async (event) => {
  const f = form();
  const other = event.target;
  if (!f) return;
  if (other === f) {
    if (event.submitter?.matches("[data-save]") && !f.dataset.native) {
      event.preventDefault();
      saved = ""; // pressed, it is sent again whatever was said
      save();
    } else if (busy > 0 && !f.dataset.native) {
      event.preventDefault(); // after the save on its way, or the mark would be in conflict with itself
      event.stopImmediatePropagation();
      running.then(() => { if (!f.dataset.native) f.requestSubmit(event.submitter); });
    } else {
      clearTimeout(timer);
      saved = content(f);
    }
    return;
  }
  if (!other.closest?.("[data-grading]") && other.id !== "add-item") return;
  if (content(f) === saved || other.dataset.flushed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await save()) {
    other.dataset.flushed = "yes";
    other.requestSubmit(event.submitter);
  }
}, true);

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && ours(event)) {
    event.preventDefault();
    save();
  } else if (event.key === "Escape" && ours(event)) {
    event.target.blur(); // the keys work again
  } else if (event.key === "Enter" && ours(event) && event.target instanceof HTMLInputElement) {
    event.preventDefault();
    save().then((ok) => { if (ok) event.target.blur(); });
  }
});

// Keys pressed in the frame do not come here: it gives the focus back when the pointer leaves it.
document.addEventListener("pointerover", (event) => {
  const at = document.activeElement;
  if (at instanceof HTMLIFrameElement && event.target !== at) at.blur();
});

window.addEventListener("beforeunload", (event) => {
  const f = form();
  if (f && !f.dataset.sent && content(f) !== saved) event.preventDefault();
});

// A sign of life every two minutes while somebody looks.
async function hold() {
  const box = page();
  if (!box || document.visibilityState !== "visible") return;
  try {
    await fetch(box.dataset.hold, { method: "POST", body: new URLSearchParams({ question: box.dataset.question }), headers: { Accept: "application/json" } });
  } catch {
    // The next one may get through; a save says it louder.
  }
}

window.addEventListener("pageshow", () => {
  const f = form();
  if (!f) return;
  for (const el of document.querySelectorAll("[data-fill]")) el.hidden = false;
  // What the browser kept of another visit, or a form that came back, is not saved yet.
  const fresh = !document.querySelector("[aria-invalid], .conflict-box");
  if (fresh) {
    f.reset();
    saved = content(f);
  }
  if (matchMedia("(max-width: 56rem)").matches) document.querySelector("[data-queue]")?.removeAttribute("open");
  document.querySelector(".queue [aria-current]")?.scrollIntoView({ block: "nearest" });
  hold();
});
setInterval(hold, 120_000);
