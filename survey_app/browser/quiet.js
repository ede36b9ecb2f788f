// The moments after a page has changed: what was meant for the page before must do nothing on this one.
// A second tap on "save" comes 50 to 600 ms after the first, and by then something else may lie under
// the finger. The survey's pages and the chat say when they have changed; everything else is here.
(() => {
  "use strict";
  const QUIET_MS = 600;
  const ACTIVATING = ["Enter", " ", "Spacebar"];
  const POINTER = ["pointerdown", "pointerup", "mousedown", "mouseup", "click", "dblclick", "auxclick", "contextmenu"];
  // A listener that may refuse these would make every scrolling wait for it.
  const TOUCH = ["touchstart", "touchend"];
  const here = document.documentElement;
  let until = 0;
  let timer = null;
  let pressed = false;
  // A press that began before or within the quiet time: its end must do nothing either, however late.
  let spoiled = false;

  const quietNow = () => performance.now() < until;
  function hold(ms) {
    until = performance.now() + ms;
    here.toggleAttribute("data-evenhand-quiet", true);
    clearTimeout(timer);
    timer = setTimeout(end, ms);
  }
  function end() {
    // A timer may come a little early by the clock of the events.
    if (quietNow()) { timer = setTimeout(end, until - performance.now()); return; }
    here.removeAttribute("data-evenhand-quiet");
  }
  function changed() {
    spoiled = spoiled || pressed;
    hold(QUIET_MS);
    // Nobody can have seen the change before it was painted; a page of many items takes its time.
    requestAnimationFrame(() => setTimeout(() => hold(QUIET_MS), 0));
  }

  // The chat goes on by itself, and its text can be written and scrolled all the while: there, only what
  // acts is quiet.
  const acts = document.currentScript.dataset.quiet;
  const concerned = (event) =>
    !acts || (event.target instanceof Element && event.target.closest(acts) !== null);
  const typing = (target) =>
    target instanceof Element && target.closest("textarea, input[type=text], input[type=number]") !== null;
  function swallow(event) {
    event.stopImmediatePropagation();
    if (!TOUCH.includes(event.type)) event.preventDefault();
  }
  // The time of an event is that of the touch. A busy page hears of it later, and may be quiet no more.
  const early = (event) => event.timeStamp < until;
  // Keys and screen readers press without a pointer: theirs is no end of a spoiled press.
  const byPointer = (event) => event.type !== "click" || event.detail > 0;

  for (const name of [...POINTER, ...TOUCH]) {
    window.addEventListener(name, (event) => {
      if (!event.isTrusted) return; // a script's, not a hand's
      if (name === "pointerdown") { pressed = true; spoiled = early(event); }
      const swallowed = concerned(event) && (early(event) || (spoiled && byPointer(event)));
      if (name === "pointerup") pressed = false;
      if (swallowed) swallow(event);
    }, { capture: true, passive: TOUCH.includes(name) });
  }
  window.addEventListener("pointercancel", () => { pressed = false; }, true);
  for (const name of ["keydown", "keyup"]) {
    window.addEventListener(name, (event) => {
      if (!event.isTrusted || !ACTIVATING.includes(event.key) || !concerned(event) || typing(event.target)) return;
      // A key that is held down is one press.
      if (early(event) || event.repeat) swallow(event);
    }, true);
  }

  window.evenhandQuiet = { changed };
  changed();
})();
