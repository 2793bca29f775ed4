// Forms: sent once, say that they are on their way, and uploads show how far they are. Without this file every form
// is sent by the browser as it stands.

const size = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

function bytes(n) {
  for (const [unit, of] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (n >= of) return `${size.format(n / of)} ${unit}`;
  }
  return `${n} bytes`;
}

// Files that were dropped or chosen, by form control: [{file, path}]. A control cannot hold paths, so they wait here.
const chosen = new WeakMap();

function busy(form, submitter) {
  form.dataset.sent = "yes";
  const button = submitter ?? form.querySelector('button[type="submit"], button:not([type])');
  if (!button) return;
  button.setAttribute("aria-busy", "true");
  const label = button.querySelector("span:not(.icon)") ?? button;
  button.dataset.idle = label.textContent;
  if (button.dataset.busy) label.textContent = button.dataset.busy;
}

function idle(form) {
  delete form.dataset.sent;
  for (const button of form.ownerDocument.querySelectorAll('button[aria-busy="true"]')) {
    if (button.form !== form) continue;
    button.removeAttribute("aria-busy");
    const label = button.querySelector("span:not(.icon)") ?? button;
    if (button.dataset.idle) label.textContent = button.dataset.idle;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || event.submitter?.getAttribute("formmethod") === "dialog" || form.getAttribute("method") === "dialog") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post") return;
  if (form.hasAttribute("data-upload")) {
    event.preventDefault();
    upload(form, event.submitter);
  }
  busy(form, event.submitter);
  // The answer is a file: the page stays, and its button must come back.
  if (form.hasAttribute("data-download")) setTimeout(() => idle(form), 3000);
});

// A page that comes back from the browser's memory must not stay "on its way".
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.forms) idle(form);
});

function upload(form, submitter) {
  const data = new FormData(form, submitter);
  for (const input of form.querySelectorAll('[data-drop] input[type="file"]')) {
    const list = chosen.get(input.closest("[data-drop]"));
    if (!list) continue;
    data.delete(input.name);
    for (const { file, path } of list) data.append(input.name, file, path);
  }
  const box = form.querySelector("[data-upload-progress]");
  const bar = box?.querySelector("progress");
  const text = box?.querySelector(".text");
  if (box) box.hidden = false;
  const started = Date.now();
  const request = new XMLHttpRequest();
  request.open("POST", submitter?.hasAttribute("formaction") ? submitter.formAction : form.getAttribute("action") || location.href);
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable || !bar) return;
    bar.value = (100 * event.loaded) / event.total;
    const rate = event.loaded / Math.max(1, (Date.now() - started) / 1000);
    const left = Math.ceil((event.total - event.loaded) / rate);
    text.textContent = event.loaded < event.total
      ? `${bytes(event.loaded)} of ${bytes(event.total)}${left > 2 ? `, about ${left} s left` : ""}`
      : "Received. Checking…";
    if (event.loaded === event.total) bar.removeAttribute("value");
  });
  const failed = (why) => {
    idle(form);
    if (box) box.hidden = true;
    document.dispatchEvent(new CustomEvent("lectern:say", { detail: { text: why, kind: "bad" } }));
  };
  request.addEventListener("error", () => failed("The connection broke. Nothing was stored; your choice is still here, so try again."));
  request.addEventListener("load", () => {
    if ((request.getResponseHeader("Content-Type") ?? "").startsWith("text/html")) {
      turnTo(request.responseText, request.responseURL);
    } else {
      failed(request.responseText.slice(0, 300) || "The upload was refused.");
    }
  });
  request.send(data);
}

// turnTo shows a page that was already fetched, as if the browser had gone there itself.
function turnTo(html, url) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const have = new Set([...document.querySelectorAll("script[src], link[rel=stylesheet]")].map((el) => el.src ?? el.href));
  for (const el of page.head.querySelectorAll("script[src], link[rel=stylesheet]")) {
    const address = el.src ?? el.href;
    if (have.has(address)) continue;
    const copy = document.createElement(el.localName);
    for (const { name, value } of el.attributes) copy.setAttribute(name, value);
    document.head.append(copy);
  }
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
  if (url !== location.href) history.pushState({ turned: true }, "", url);
  scrollTo(0, 0);
  document.dispatchEvent(new Event("lectern:swapped"));
  if (!document.activeElement || document.activeElement === document.body) document.getElementById("main")?.focus();
}

window.addEventListener("popstate", () => location.reload());

function redraw(zone) {
  const list = chosen.get(zone) ?? [];
  const ul = zone.querySelector("[data-drop-list]");
  const first = zone.querySelector('input[type="file"]');
  zone.dataset.required ??= String(first.required);
  first.required = zone.dataset.required === "true" && list.length === 0;
  ul.replaceChildren(...list.map(({ file, path }, i) => {
    const li = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = path;
    const amount = document.createElement("span");
    amount.className = "size";
    amount.textContent = bytes(file.size);
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "copy";
    drop.textContent = "×";
    drop.setAttribute("aria-label", `Leave out ${path}`);
    drop.addEventListener("click", () => {
      chosen.set(zone, list.toSpliced(i, 1));
      redraw(zone);
    });
    const mark = document.createElement("span");
    mark.setAttribute("aria-hidden", "true");
    mark.textContent = "•";
    li.append(mark, name, amount, drop);
    return li;
  }));
}

function add(zone, entries) {
  const multiple = zone.querySelector('input[type="file"]').multiple;
  const byPath = new Map(multiple ? (chosen.get(zone) ?? []).map((e) => [e.path, e]) : []);
  for (const e of multiple ? entries : entries.slice(0, 1)) byPath.set(e.path, e);
  chosen.set(zone, [...byPath.values()]);
  redraw(zone);
}

// walk reads a dropped folder to its leaves.
async function walk(entry, prefix = "") {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    return [{ file, path: prefix + file.name }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) break;
    for (const child of some) found.push(...(await walk(child, `${prefix}${entry.name}/`)));
  }
  return found;
}

const zoneOf = (event) => (event.target instanceof Element ? event.target.closest("form[data-upload] [data-drop]") : null);

document.addEventListener("dragover", (event) => {
  const zone = zoneOf(event);
  if (!zone || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  zone.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  const zone = zoneOf(event);
  if (zone && !zone.contains(event.relatedTarget)) zone.classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  const zone = zoneOf(event);
  if (!zone) return;
  event.preventDefault();
  zone.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...event.dataTransfer.files].map((file) => ({ file, path: file.name }));
  try {
    add(zone, entries.length > 0 ? (await Promise.all(entries.map((e) => walk(e)))).flat() : plain);
  } catch {
    document.dispatchEvent(new CustomEvent("lectern:say", { detail: { text: "Some of these could not be read. Choose them again.", kind: "bad" } }));
  }
});
document.addEventListener("change", (event) => {
  const zone = zoneOf(event);
  if (!zone || event.target.type !== "file" || event.target.files.length === 0) return;
  add(zone, [...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
  event.target.value = "";
});

// ready puts buttons in place of the browser's own controls, which cannot show what was dropped.
function ready() {
  for (const zone of document.querySelectorAll("form[data-upload] [data-drop]")) {
    for (const el of zone.querySelectorAll("[data-drop-text], [data-drop-pick]")) el.hidden = false;
    for (const el of zone.querySelectorAll("[data-drop-plain]")) el.hidden = true;
    for (const el of zone.querySelectorAll('input[type="file"]')) el.classList.add("visually-hidden");
  }
}
document.addEventListener("lectern:swapped", ready);
ready();
