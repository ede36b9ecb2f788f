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
  let held = false;
  // The draft that the document before this one could not hand in, nor this one before it asked for its
  // page: the page was opened without it.
  let late = null;

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
    if (waiting === null || sending || held) return;
    const draft = waiting;
    sending = true;
    let status = 0;
    try { status = (await post(draft)).status; } catch { /* no connection: see below */ }
    sending = false;
    const answered = isAnswer(status);
    if (answered && waiting === draft) {
      waiting = null;
      sessionStorage.removeItem(UNSENT);
    }
    if (waiting !== null) sendIn(answered ? 0 : AGAIN_MS);
    else if (status === 200) showLate(draft);
  }
  // Refused is answered, too, and so is 204, nothing kept: that page is saved by now, or somebody else's.
  const isAnswer = (status) => status >= 200 && status < 500;

  // Gives what the widgets hold and what they held when the page was opened, by their keys. What the rater
  // has not changed since is what the late draft says, though the page does not show it yet.
  function keep(page, values, opened = null) {
    const same = (key) => opened !== null && JSON.stringify(values[key]) === JSON.stringify(opened[key]);
    const ofLate = late !== null && late.page === page ? Object.entries(late.values) : [];
    const unchanged = ofLate.filter(([key]) => same(key));
    waiting = { page, values: { ...values, ...Object.fromEntries(unchanged) }, writer, number: ++number };
    sendIn(WAIT_MS);
  }
  // Opened again, the page shows it. The chat, which has no such title, has shown it from the start; a page
  // that is still being drawn may have been asked for before the draft was there.
  function showLate(draft) {
    if (late === null || late.page !== draft.page || !document.getElementById("root")) return;
    const title = document.querySelector("[data-evenhand-page]");
    if (!title || title.dataset.evenhandPage === late.page) location.reload();
  }
  // While a message is on its way, its draft waits: it would come after it, and be refused.
  function hold(on) {
    held = on;
    if (!on && waiting !== null) sendIn(WAIT_MS);
  }
  // What is saved is no draft any more.
  function forget() {
    waiting = late = null;
    sessionStorage.removeItem(UNSENT);
  }

  // The last draft of the document before this one, before anything of this one asks for drafts.
  let unsent = null;
  const left = sessionStorage.getItem(UNSENT);
  if (left !== null) {
    const request = new XMLHttpRequest();
    request.open("POST", ADDRESS, false);
    request.setRequestHeader("Content-Type", "application/json");
    try { request.send(left); } catch { /* no connection: status is 0 */ }
    if (request.status === 200) unsent = JSON.parse(left);
    // The database was busy, or the line cut: it stays where a reload finds it, and is sent until it is taken.
    if (isAnswer(request.status)) sessionStorage.removeItem(UNSENT);
    else {
      unsent = late = waiting = JSON.parse(left);
      sendIn(AGAIN_MS);
    }
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
  window.evenhandDrafts = { keep, hold, forget, unsent, waiting: () => waiting };
})();
