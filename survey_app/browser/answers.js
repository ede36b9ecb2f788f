// What the widgets of a rating page hold, for the drafts. The widgets themselves send nothing before
// "save"; what they show is read here.
(() => {
  "use strict";
  const root = document.getElementById("root");
  const PREFIX = "st-key-";

  const places = (parts, chosen) => parts.map((part, place) => (chosen(part) ? place : -1)).filter((place) => place >= 0);
  function held(box) {
    const find = (selector) => [...box.querySelectorAll(selector)];
    const [tick] = find("input[type=checkbox]");
    if (tick) return tick.checked;
    const [slide] = find("input[type=range]");
    if (slide) return Number(slide.value);
    const [several] = find("[role=toolbar]");
    if (several) return places(find("[role=toolbar] button"), (button) => button.getAttribute("aria-pressed") === "true");
    const row = find("[role=radio]");
    if (row.length > 0) return places(row, (radio) => radio.getAttribute("aria-checked") === "true")[0] ?? null;
    const list = find("input[type=radio]");
    if (list.length > 0) return places(list, (radio) => radio.checked)[0] ?? null;
    const [field] = find("textarea, input");
    return field ? field.value : undefined;
  }
  function values() {
    const found = {};
    for (const box of root.querySelectorAll(`[data-testid=stForm] [data-testid=stElementContainer][class*="${PREFIX}"]`)) {
      const key = [...box.classList].find((name) => name.startsWith(PREFIX)).slice(PREFIX.length);
      const value = held(box);
      if (value !== undefined) found[key] = value;
    }
    return found;
  }

  let page = null;
  let last = "";
  let opened = null;
  function pageNow() {
    const title = document.querySelector("[data-evenhand-page]");
    return title && title.dataset.evenhandPage;
  }
  // Before a touch does anything: a page on which nothing is changed has no draft.
  function begin() {
    if (page === pageNow()) return;
    page = pageNow();
    opened = values();
    last = JSON.stringify(opened);
  }
  function look(at) {
    if (at === null || at !== pageNow()) return; // the touch was on the page before
    if (at !== page) { page = at; last = ""; opened = null; } // neither touch nor key: dictated, or filled in
    const found = values(), text = JSON.stringify(found);
    if (text === last) return;
    last = text;
    window.evenhandDrafts.keep(page, found, opened);
  }
  for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, begin, true);
  let touched = null;
  for (const name of ["pointerup", "click", "keyup", "input", "change"]) {
    // After the widgets' own handlers, and once more after what they do a little later.
    document.addEventListener(name, () => {
      const at = touched = pageNow();
      for (const wait of [0, 150]) setTimeout(() => look(at), wait);
    }, true);
  }
  // A page that is left at once, or a busy one, is gone before those looks: what it shows is kept all the
  // same. On the way down, so that the drafts' own listener finds it waiting.
  window.addEventListener("pagehide", () => look(touched), true);
})();
