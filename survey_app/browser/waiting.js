// While a tap on "save" is on its way for more than a second, the page says so.
(() => {
  "use strict";
  const root = document.getElementById("root");
  const sign = document.createElement("p");
  sign.className = "evenhand-saving";
  sign.setAttribute("role", "status");
  document.body.append(sign);

  // The run that a tap causes begins when the server has heard of it: on a slow line, later than that. A
  // quick one begins and ends between two looks; then what it drew is all there is to see of it.
  const DRAWN = "[data-evenhand-page], [data-evenhand-at]";
  let waits = null;
  const state = () => {
    const app = document.querySelector("[data-testid=stApp]");
    return app ? app.dataset.testScriptState : "notRunning";
  };
  const isDrawn = (node) => node instanceof Element && (node.matches(DRAWN) || node.querySelector(DRAWN) !== null);
  function end() {
    clearTimeout(waits.timer);
    waits = null;
    if (sign.textContent !== "") sign.textContent = "";
  }
  function begin(event) {
    const button = event.target.closest && event.target.closest("[data-testid=stFormSubmitButton] button");
    if (!button || waits !== null) return;
    const says = button.getAttribute("kind").startsWith("primary") ? root.dataset.saving : root.dataset.waiting;
    waits = { ran: false, timer: setTimeout(() => { sign.textContent = says; }, 1000) };
  }
  function watch(records) {
    if (waits === null) return;
    const drew = records.some((record) => record.type === "childList" && [...record.addedNodes].some(isDrawn));
    waits.ran = waits.ran || drew || state() !== "notRunning";
    // Without a line to the server, the sentence about that takes this one's place.
    const cut = document.querySelector(".evenhand-offline:not(:empty)") !== null;
    if (cut || (waits.ran && state() === "notRunning")) end();
  }
  // On the way down: buttons keep a click from coming up.
  document.addEventListener("click", begin, true);
  new MutationObserver(watch).observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-test-script-state"],
  });
})();
