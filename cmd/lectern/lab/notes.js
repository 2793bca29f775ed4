// What Lectern has to say, as notifications of JupyterLab itself: announcements, and that the workspace is about to be
// stopped, with a button that keeps it. It is an extension of JupyterLab (a module-federation container written by
// hand, so that nothing needs to be built) and asks Lectern at the workspace's own host.
(() => {
  const every = 30_000;
  const url = "/.lectern/notes";
  const most = 140; // longer messages are cut by JupyterLab
  let shared;

  // One of JupyterLab's own modules, as the page has loaded it.
  async function module(name) {
    const version = Object.values(shared[name])[0];
    return (await version.get())();
  }

  async function activate() {
    const { Notification, showDialog, Dialog } = await module("@jupyterlab/apputils");
    const shown = new Map(); // by what is said: the notification's id

    function here() {
      return fetch(url, { method: "POST" }).then(look);
    }

    function show(note) {
      const text = (note.from && !note.stop ? note.from + ": " : "") + note.text;
      const actions = [];
      if (note.may_stay) actions.push({ label: "I’m still here", displayType: "accent", callback: () => void here() });
      if (text.length > most) {
        actions.push({ label: "Read all", callback: (event) => {
          event.preventDefault();
          void showDialog({ title: note.stop ? "Your workspace" : "Announcement", body: text, buttons: [Dialog.okButton()] });
        } });
      }
      return Notification.emit(text, note.stop ? "warning" : "info", { autoClose: false, actions });
    }

    async function look() {
      const answer = await fetch(url, { cache: "no-store" }).catch(() => null);
      if (!answer?.ok) return;
      const notes = await answer.json();
      const keys = new Set(notes.map((n) => n.key));
      for (const [key, id] of shown) {
        if (keys.has(key)) continue;
        Notification.dismiss(id);
        shown.delete(key);
      }
      for (const note of notes) {
        if (!shown.has(note.key)) shown.set(note.key, show(note));
      }
    }

    await look();
    setInterval(look, every);
  }

  const plugin = { id: "lectern-notes:plugin", autoStart: true, activate: () => void activate() };
  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["lectern-notes"] = {
    init(scope) { shared = scope; },
    async get() { return () => ({ __esModule: true, default: plugin }); },
  };
})();
