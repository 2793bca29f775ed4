// While somebody looks at a page with the button that opens their workspace, the site may make it ready. An element
// with data-prestart="/url" says where to ask. The answer does not matter: the button works as it does without this.

function ask() {
  const at = document.querySelector("[data-prestart]");
  if (at) fetch(at.dataset.prestart, { method: "POST", keepalive: true }).catch(() => {});
}

// A tab that was only opened in the background, or fetched in case, is not being looked at.
if (document.visibilityState === "visible" && !document.prerendering) {
  ask();
} else {
  document.addEventListener("visibilitychange", function once() {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", once);
    ask();
  });
}
