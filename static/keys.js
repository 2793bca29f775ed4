// Single-key shortcuts: an element with data-key="n" is pressed (or focused, if it takes text) by that key, and listed
// under "?" by its data-key-text or its own text. They rest while one types, in dialogs, and when the account says so.

const on = document.documentElement.dataset.keys !== "off";
const help = document.getElementById("keys");

const typing = (el) =>
  el instanceof HTMLElement &&
  (el.isContentEditable || el instanceof HTMLTextAreaElement || el instanceof HTMLSelectElement ||
    (el instanceof HTMLInputElement && !["checkbox", "radio", "button", "submit"].includes(el.type)));

const bound = () => [...document.querySelectorAll("[data-key]")].filter((el) => !el.hidden && !el.disabled);

function show() {
  const rows = help.querySelector("tbody");
  rows.replaceChildren();
  const list = bound().map((el) => [el.dataset.key, el.dataset.keyText ?? el.textContent.trim()]);
  for (const [key, text] of [...list, ["?", "This list"], ["Esc", "Close what is open"]]) {
    const tr = rows.insertRow();
    const th = document.createElement("th");
    th.scope = "row";
    const kbd = document.createElement("kbd");
    kbd.textContent = key;
    th.append(kbd);
    tr.append(th);
    tr.insertCell().textContent = text;
  }
  help.showModal();
}

function press(el) {
  if (typing(el)) {
    el.focus();
    el.select?.();
  } else {
    el.click();
  }
}

if (on && help) {
  const button = document.querySelector("[data-keys-help]");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", show);
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "?") {
      event.preventDefault();
      show();
      return;
    }
    const el = bound().find((candidate) => candidate.dataset.key === event.key);
    if (!el) return;
    event.preventDefault();
    press(el);
  });
}
