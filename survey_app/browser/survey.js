// What the pages cannot do by themselves: go to the top of a new page and to the first open question,
// say that the connection is gone, give sliders an untouched state, copy a receipt. No answer is sent
// or kept here.
(() => {
  "use strict";
  const root = document.getElementById("root");

  let shownPage = null;
  let drawing = false;
  function goToNewPage() {
    const title = document.querySelector("[data-evenhand-page]");
    const isNew = title && title.dataset.evenhandPage !== shownPage;
    quietWhileDrawing(isNew);
    if (!isNew) return;
    const first = shownPage === null;
    shownPage = title.dataset.evenhandPage;
    if (first) return;
    const scroller = document.querySelector("[data-testid=stMain]");
    if (scroller) scroller.scrollTop = 0;
    window.scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }

  // The heading comes first, its questions later, on a slow line much later.
  function quietWhileDrawing(isNew) {
    drawing = drawing || isNew;
    if (!drawing) return;
    window.evenhandQuiet.changed();
    const app = document.querySelector("[data-testid=stApp]");
    const running = !app || app.dataset.testScriptState !== "notRunning";
    drawing = running || document.querySelector("[data-stale=true], [data-testid=stSkeleton]") !== null;
  }

  // A rater whose next step is a conversation goes to its page, which is a document of its own.
  function goToChat() {
    if (document.querySelector("[data-evenhand-chat]")) location.replace("/chat");
  }

  const banner = document.createElement("p");
  banner.className = "evenhand-offline";
  banner.setAttribute("role", "status");
  document.body.append(banner);
  let wasConnected = false;
  let timer = null;
  function watchConnection() {
    const app = document.querySelector("[data-test-connection-state]");
    const connected = app !== null && app.dataset.testConnectionState === "CONNECTED";
    if (connected) {
      wasConnected = true;
      clearTimeout(timer);
      timer = null;
      if (banner.textContent !== "") banner.textContent = "";
    } else if (wasConnected && timer === null) {
      // A short gap mends itself and would only worry.
      timer = setTimeout(() => { banner.textContent = root.dataset.offline; }, 2000);
    }
  }

  // A slider's first place, one below its scale, means "not touched". Who puts the thumb there by
  // hand means the scale's lowest value.
  function atFirstPlace(input) { return Number(input.value) <= Number(input.min); }
  function markUntouched() {
    for (const input of document.querySelectorAll("[data-testid=stSlider] input[type=range]")) {
      const slider = input.closest("[data-testid=stSlider]");
      slider.classList.toggle("evenhand-untouched", atFirstPlace(input));
      if (atFirstPlace(input)) input.setAttribute("aria-valuetext", "–");
    }
  }
  function leaveFirstPlace(event) {
    const slider = event.target.closest && event.target.closest("[data-testid=stSlider]");
    const input = slider && slider.querySelector("input[type=range]");
    if (!input) return;
    // After the slider's own handlers.
    setTimeout(() => {
      if (atFirstPlace(input)) {
        // As if by keyboard: a value that a script sets is shown but not sent.
        input.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true }));
      }
      markUntouched();
    }, 50);
  }
  const moving = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];
  document.addEventListener("pointerup", leaveFirstPlace);
  document.addEventListener("keyup", (event) => { if (moving.includes(event.key)) leaveFirstPlace(event); });
  document.addEventListener("input", markUntouched);

  // After a tap on "save" with open questions: the view and the focus go to the first of them. Each is
  // tied to the sentence below it as long as that is there.
  const ANSWERED_BY = "[role=radiogroup], [role=toolbar], textarea, input";
  let marksSeen = new Set();
  function questionOf(mark) {
    let place = mark;
    while (place && !(place.previousElementSibling && place.previousElementSibling.querySelector(ANSWERED_BY))) {
      place = place.parentElement;
    }
    return place && place.previousElementSibling;
  }
  function tieToMark(question, mark) {
    const open = mark.getClientRects().length > 0;
    question.toggleAttribute("data-evenhand-open", open);
    for (const part of question.querySelectorAll(ANSWERED_BY)) {
      // The buttons of a group speak through the group; a toolbar cannot be called invalid.
      if (part.parentElement.closest("[role=radiogroup], [role=toolbar]")) continue;
      if (open) part.setAttribute("aria-describedby", mark.id); else part.removeAttribute("aria-describedby");
      if (part.getAttribute("role") === "toolbar") continue;
      if (open) part.setAttribute("aria-invalid", "true"); else part.removeAttribute("aria-invalid");
    }
  }
  function tieQuestions() {
    const marks = [...document.querySelectorAll(".evenhand-open")];
    const questions = new Map(marks.map((mark) => [questionOf(mark), mark]));
    for (const question of document.querySelectorAll("[data-evenhand-open]")) {
      if (!questions.has(question)) tieToMark(question, { id: "", getClientRects: () => [] });
    }
    questions.forEach((mark, question) => {
      mark.id = `open-${mark.dataset.evenhandAt}`;
      if (question) tieToMark(question, mark);
    });
    return questions;
  }
  function goToOpenQuestion() {
    const app = document.querySelector("[data-testid=stApp]");
    if (!app || app.dataset.testScriptState !== "notRunning") return;
    const marks = [...document.querySelectorAll(".evenhand-open")];
    const fresh = marks.some((mark) => !marksSeen.has(mark.dataset.evenhandAt));
    marksSeen = new Set(marks.map((mark) => mark.dataset.evenhandAt));
    if (!fresh && !document.querySelector("[data-evenhand-open]")) return;
    const questions = tieQuestions();
    const question = fresh && [...questions.keys()].find((found) => found && found.hasAttribute("data-evenhand-open"));
    if (!question) return;
    const first = [...question.querySelectorAll("[role=radio], button, textarea, input")].find((part) => part.tabIndex >= 0 && part.getClientRects().length > 0);
    if (first) first.focus({ preventScroll: true });
    // A question with all its rows can be higher than the page: its beginning must be in sight.
    window.evenhandQuiet.changed();
    const high = question.offsetHeight > window.innerHeight * 0.6;
    question.scrollIntoView({ block: high ? "start" : "center" });
  }
  const afterAnswer = () => setTimeout(() => { if (document.querySelector("[data-evenhand-open]")) tieQuestions(); }, 100);
  for (const name of ["pointerup", "keyup", "input", "change"]) document.addEventListener(name, afterAnswer, true);

  // What is said to be missing in several widgets goes with the next choice in one of them.
  function hideMark(event) {
    const group = event.target.closest && event.target.closest("[class*=st-key-several-]");
    const after = group && group.parentElement.nextElementSibling;
    const mark = after && after.querySelector(".evenhand-open");
    if (mark) mark.hidden = true;
  }
  // On the way down: the widgets keep these events from coming up.
  document.addEventListener("pointerup", hideMark, true);
  document.addEventListener("keydown", (event) => { if (event.key === " ") hideMark(event); }, true);

  // The clipboard's own interface is only there over https; a selection can be copied anywhere.
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button.evenhand-copy");
    if (!button) return;
    const range = document.createRange();
    range.selectNodeContents(button.previousElementSibling);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    if (document.execCommand("copy")) button.textContent = button.dataset.evenhandCopied;
  });

  new MutationObserver(() => { goToNewPage(); goToChat(); watchConnection(); markUntouched(); goToOpenQuestion(); }).observe(root, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["data-evenhand-page", "data-test-connection-state", "data-test-script-state"],
  });
})();
