// Drafts: what stands on the page and is not saved yet goes to the server, so that a reload and another
// device find it again. Nothing of it is put into an address, and on this device only what the server
// could not take before the page was left, until the next page has handed it in.
(() => {
  "use strict";
  const ADDRESS = "/draft";
  const UNSENT = "evenhand-unsent";
  const WAIT_MS = 400;
  const AGAIN_MS = 2000;
  // Of two drafts of one document the later one counts, in whatever order they arrive.
  const writer = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 10)}`;
  let number = 0;
  let waiting = null;
  let sending = false;
  let timer = null;

  function sendIn(ms) {
    clearTimeout(timer);
    timer = setTimeout(send, ms);
  }
  function post(draft) {
    const body = JSON.stringify(draft);
    // A browser holds back no more than 64 kB for pages that are left.
    const keepalive = body.length < 20000;
    return fetch(ADDRESS, { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive });
  }
  async function send() {
    if (waiting === null || sending) return;
    const draft = waiting;
    sending = true;
    let status = 0;
    try { status = (await post(draft)).status; } catch { /* no connection: see below */ }
    sending = false;
    const answered = status >= 200 && status < 500;
    // Refused is answered, too: that page is saved by now, or somebody else's.
    if (answered && waiting === draft) waiting = null;
    if (waiting !== null) sendIn(answered ? 0 : AGAIN_MS);
  }
  function keep(page, values) {
    waiting = { page, values, writer, number: ++number };
    sendIn(WAIT_MS);
  }
  // What is saved is no draft any more.
  function forget() {
    waiting = null;
    sessionStorage.removeItem(UNSENT);
  }

  // The last draft of the document before this one, before anything of this one asks for drafts.
  let unsent = null;
  const left = sessionStorage.getItem(UNSENT);
  if (left !== null) {
    sessionStorage.removeItem(UNSENT);
    const request = new XMLHttpRequest();
    request.open("POST", ADDRESS, false);
    request.setRequestHeader("Content-Type", "application/json");
    try { request.send(left); } catch { /* no connection: there will hardly be a page either */ }
    // Refused: what it was a draft of is saved.
    if (request.status === 200 || request.status === 0) unsent = JSON.parse(left);
  }
  window.addEventListener("pagehide", () => {
    if (waiting === null) return;
    // The request may come later than what the next page asks for.
    sessionStorage.setItem(UNSENT, JSON.stringify(waiting));
    post(waiting).catch(() => {});
  });
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    sessionStorage.removeItem(UNSENT);
    send();
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) send(); });
  window.addEventListener("online", send);
  window.evenhandDrafts = { keep, forget, unsent, waiting: () => waiting };
})();
