// Two things that the pages cannot do by themselves: go to the top of a new page, and say that the
// connection is gone. No answer passes through here.
(() => {
  "use strict";
  const root = document.getElementById("root");

  let shownPage = null;
  function goToNewPage() {
    const title = document.querySelector("[data-evenhand-page]");
    if (!title || title.dataset.evenhandPage === shownPage) return;
    const first = shownPage === null;
    shownPage = title.dataset.evenhandPage;
    if (first) return;
    const scroller = document.querySelector("[data-testid=stMain]");
    if (scroller) scroller.scrollTop = 0;
    window.scrollTo(0, 0);
    title.focus({ preventScroll: true });
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

  new MutationObserver(() => { goToNewPage(); watchConnection(); }).observe(root, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["data-evenhand-page", "data-test-connection-state"],
  });
})();
