// What everybody should see — announcements, and that one's workspace is about to be stopped — is asked for again every
// minute, so that a page left open learns of it. The tab's title says so too while a stop is near.

const every = 60_000;
const title = document.title;

function mark() {
  const near = document.querySelector("#notes .near");
  document.title = near ? `⏰ ${title}` : title;
}

async function look() {
  const box = document.getElementById("notes");
  if (!box) return;
  const answer = await fetch(box.dataset.notes, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  const fresh = template.content.getElementById("notes");
  // A minute counted down is no news to a screen reader, and focus stays where it is.
  if (!fresh || fresh.innerHTML === box.innerHTML || box.contains(document.activeElement)) return;
  box.innerHTML = fresh.innerHTML;
  mark();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches?.("[data-stay]")) return;
  const next = document.createElement("input");
  next.type = "hidden";
  next.name = "next";
  next.value = location.pathname + location.search;
  form.append(next);
}, true);

mark();
setInterval(look, every);
