// Pages that follow work under way. An element with data-events="/url" listens to that stream of server-sent events:
//   fragment  HTML of our own server, put in place of the element that has the id of its outermost element
//   progress  {"id", "value", "max", "text"}: moves the bar of the Progress component with that id
//   reload    the page has changed altogether
//   done      nothing more will come
// EventSource connects again by itself after a break.

const streams = new Map();

function json(event) {
  try {
    return JSON.parse(event.data);
  } catch {
    return {};
  }
}

function swap(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const id = template.content.firstElementChild?.id;
  const old = id && document.getElementById(id);
  if (!old) return;
  const holds = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(template.content);
  if (holds) document.getElementById(holds)?.focus();
  document.dispatchEvent(new Event("lectern:swapped"));
}

function move({ id, value, max, text }) {
  const box = id && document.getElementById(id);
  if (!box) return;
  const bar = box.querySelector("progress");
  if (max > 0) {
    bar.max = max;
    bar.value = value;
  } else {
    bar.removeAttribute("value");
  }
  const words = box.querySelector("[data-progress-text]");
  if (words && text !== undefined) words.textContent = text;
}

function follow() {
  for (const [el, source] of streams) {
    if (el.isConnected) continue;
    source.close();
    streams.delete(el);
  }
  for (const el of document.querySelectorAll("[data-events]")) {
    if (streams.has(el)) continue;
    const source = new EventSource(el.dataset.events);
    streams.set(el, source);
    source.addEventListener("fragment", (event) => swap(event.data));
    source.addEventListener("progress", (event) => move(json(event)));
    source.addEventListener("reload", () => location.reload());
    source.addEventListener("done", () => source.close());
  }
}

document.addEventListener("lectern:swapped", follow);
window.addEventListener("pagehide", () => {
  for (const source of streams.values()) source.close();
});
follow();
