// What makes a page readable: texts that are cut say so, widgets run in the page's direction and speak
// its language, and questions of several widgets are named as one.
(() => {
  "use strict";
  const here = document.documentElement;
  const root = document.getElementById("root");

  // Streamlit's widgets take direction and digits from the browser's language, which is not always the
  // page's. This is how their library (React Aria) is told; it reads it once, when it starts.
  window[Symbol.for("react-aria.i18n.locale")] = here.lang === "ar" ? "ar-u-nu-latn" : here.lang;

  function setText(element, words) {
    if (element && words && element.textContent !== words) element.textContent = words;
  }
  function translate() {
    setText(document.querySelector("[data-testid=stSkipToContent]"), root.dataset.skip);
  }

  function nameGroups() {
    for (const group of document.querySelectorAll("[class*=st-key-several-]:not([role])")) {
      const question = group.querySelector(".evenhand-question");
      if (!question) continue;
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", question.textContent);
    }
  }

  // Beside the questions, the texts are as high as the page leaves room for: less what stands above them.
  // Far below a long text above, they are in sight only when that is scrolled away.
  const NEAR = 0.35;
  function fitTexts() {
    const texts = document.querySelector(".st-key-texts .evenhand-texts");
    const column = texts && texts.closest(".st-key-texts");
    const grid = texts && texts.closest(".st-key-rating, .st-key-comparing");
    const scroller = document.querySelector("[data-testid=stMain]");
    if (!grid || !scroller) return;
    const inside = texts.getBoundingClientRect().top - column.getBoundingClientRect().top;
    const start = grid.getBoundingClientRect().top + scroller.scrollTop;
    const above = Math.round(inside + (start < window.innerHeight * NEAR ? start : 12) + 12);
    if (here.style.getPropertyValue("--evenhand-above") !== `${above}px`) {
      here.style.setProperty("--evenhand-above", `${above}px`);
    }
  }

  // A screen of touch shows no scroll bar: a part of which something lies below says so at its foot.
  function markCut() {
    for (const part of document.querySelectorAll("[data-evenhand-more]")) {
      const scrolls = getComputedStyle(part).overflowY === "auto";
      const left = part.scrollHeight - part.scrollTop - part.clientHeight;
      const cut = scrolls && left > 4;
      if (part.hasAttribute("data-cut") !== cut) part.toggleAttribute("data-cut", cut);
    }
  }

  let asked = false;
  function soon() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; translate(); nameGroups(); fitTexts(); markCut(); });
  }
  document.addEventListener("scroll", soon, { capture: true, passive: true });
  window.addEventListener("resize", soon);
  if (document.fonts) document.fonts.addEventListener("loadingdone", soon);
  new MutationObserver(soon).observe(root, { subtree: true, childList: true, characterData: true });
})();
