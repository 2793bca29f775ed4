// The launch page follows the start of a workspace and goes there when it is ready. Events:
//   step    {step, state, text, position, elapsed_ms, usual_ms, wait_ms, percent}
//   ready   {url}
//   failed  {text, retry}
// A broken stream connects again and is told everything from the beginning, so every event may come twice.

const words = { todo: "to do", now: "in progress", done: "done", failed: "failed" };

function seconds(ms) {
  return ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

function launch(box) {
  const bar = box.querySelector("progress");
  const now = box.querySelector("[data-launch-now]");
  const elapsed = box.querySelector("[data-launch-elapsed]");
  const ordinary = box.querySelector("[data-launch-usual]");
  let began = performance.now();
  let usual = 0; // of a start, without the queue
  let queued = 0; // so long in the queue until now
  let whole = 0; // what it will take from the click, about
  let told = 0;

  // Between events the bar moves by the expected time, but never to the end: only the server knows that it is ready.
  const clock = setInterval(() => {
    const ms = performance.now() - began;
    elapsed.textContent = seconds(ms);
    // Who had to wait in line has been told how long; what is usual would only puzzle.
    ordinary.textContent = usual > 0 && queued < 1000 ? ` · usually ${seconds(usual)}` : "";
    if (whole > 0) bar.value = Math.max(told, Math.min(95, (100 * ms) / whole));
  }, 200);

  const source = new EventSource(box.dataset.launch);
  const stop = () => {
    clearInterval(clock);
    source.close();
  };

  // A stream that was refused does not connect again by itself; the page says why, or goes on.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });

  source.addEventListener("step", (event) => {
    const e = JSON.parse(event.data);
    const items = [...box.querySelectorAll("[data-step]")];
    const at = items.findIndex((li) => li.dataset.step === e.step);
    if (at < 0) return;
    items.slice(0, at).forEach((li) => mark(li, "done"));
    const item = items[at];
    mark(item, e.state);
    const place = e.position > 0 ? `Number ${e.position} in the queue` : "";
    item.querySelector("[data-step-text]").textContent = e.text || place;
    if (e.state === "now") now.textContent = item.querySelector(".name").textContent;
    if (e.elapsed_ms >= 0) began = performance.now() - e.elapsed_ms;
    if (e.usual_ms > 0) usual = e.usual_ms;
    if (e.position > 0) {
      queued = Math.max(1000, e.elapsed_ms);
      whole = e.wait_ms > 0 ? e.elapsed_ms + e.wait_ms : 0;
    } else if (usual > 0) {
      whole = queued + usual;
    }
    if (e.percent >= 0) bar.value = told = Math.max(told, e.percent);
  });

  source.addEventListener("ready", (event) => {
    stop();
    for (const li of box.querySelectorAll("[data-step]")) mark(li, "done");
    bar.value = 100;
    now.textContent = "Ready";
    const { url } = JSON.parse(event.data);
    const link = box.querySelector("[data-launch-ready]");
    link.querySelector("a").href = url;
    link.hidden = false;
    location.replace(url);
  });

  source.addEventListener("failed", (event) => {
    stop();
    const { text, retry } = JSON.parse(event.data);
    for (const li of box.querySelectorAll('[data-state="now"]')) mark(li, "failed");
    now.textContent = "Stopped";
    box.querySelector("[data-launch-reason]").textContent = text;
    if (retry) box.querySelector("[data-launch-retry]").action = retry;
    box.querySelector("[data-launch-failure]").hidden = false;
    bar.classList.add("bad");
  });

  window.addEventListener("pagehide", stop);
}

function mark(item, state) {
  item.dataset.state = state;
  item.querySelector("[data-step-word]").textContent = words[state] ?? "";
}

for (const box of document.querySelectorAll("[data-launch]")) {
  if (box.dataset.launch) launch(box);
}
