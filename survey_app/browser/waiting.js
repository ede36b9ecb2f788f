// While a tap on "save" is on its way for more than a second, the page says so.
(() => {
  "use strict";
  const root = document.getElementById("root");
  const sign = document.createElement("p");
  sign.className = "evenhand-saving";
  sign.setAttribute("role", "status");
  document.body.append(sign);

  // The run that a tap causes begins when the server has heard of it: on a slow line, later than that.
  let waits = null;
  const state = () => {
    const app = document.querySelector("[data-testid=stApp]");
    return app ? app.dataset.testScriptState : "notRunning";
  };
  function end() {
    clearTimeout(waits.timer);
    waits = null;
    if (sign.textContent !== "") sign.textContent = "";
  }
  function begin(event) {
    const button = event.target.closest && event.target.closest("[data-testid=stFormSubmitButton] button");
    if (!button || waits !== null) return;
    const says = button.getAttribute("kind").startsWith("primary") ? root.dataset.saving : root.dataset.waiting;
    waits = { running: false, timer: setTimeout(() => { sign.textContent = says; }, 1000) };
  }
  function watch() {
    if (waits === null) return;
    if (state() !== "notRunning") waits.running = true;
    // Without a line to the server, the sentence about that takes this one's place.
    else if (waits.running || document.querySelector(".evenhand-offline:not(:empty)")) end();
  }
  // On the way down: buttons keep a click from coming up.
  document.addEventListener("click", begin, true);
  new MutationObserver(watch).observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-test-script-state"],
  });
})();
