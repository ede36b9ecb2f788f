// The chat page. The server says what stands on it; here are only what is written, what was sent and not
// yet acknowledged, and the connection. Nothing is reckoned from the speed of a reply.
(() => {
  "use strict";
  const settings = JSON.parse(document.getElementById("chat-settings").textContent);
  const part = (name) => document.getElementById(`chat-${name}`);
  const say = (key, values = {}) =>
    settings.words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const text = part("text");
  let state = null;
  let sending = null;
  let busy = false;
  let sure = false;
  let shownNumbers = new Set();
  let first = true;

  // What is being written is kept on the server until the message is: a reload finds it, and so does
  // another device. How many messages there were says which one it is.
  const pageOf = (turns) => `${settings.page}-t${turns.filter((turn) => turn.who === "rater").length}`;
  const unsent = window.evenhandDrafts.unsent;
  const ours = unsent !== null && unsent.page.startsWith(`${settings.page}-t`);
  text.value = ours ? unsent.values.text : settings.draft;
  function keepDraft() {
    if (state !== null) window.evenhandDrafts.keep(pageOf(state.turns), { text: text.value });
  }
  function grow() {
    text.style.height = "auto";
    text.style.height = `${Math.min(text.scrollHeight + 2, 160)}px`;
  }
  text.addEventListener("input", () => { keepDraft(); grow(); });

  function notice(sentence, warning = false) {
    const box = part("notice");
    if (box.textContent !== sentence) box.textContent = sentence;
    box.classList.toggle("chat-warning", warning);
    box.hidden = sentence === "";
  }

  // --- drawing ---------------------------------------------------------------------------------
  function bubble(turn) {
    const item = document.createElement("li");
    item.className = `chat-turn chat-${turn.who}`;
    item.dataset.number = turn.number;
    const name = document.createElement("span");
    name.className = "chat-name";
    name.textContent = turn.who === "rater" ? say("you") : settings.partner;
    const body = document.createElement("div");
    body.className = "chat-bubble";
    body.dir = "auto";
    item.append(name, body);
    return item;
  }

  function fill(item, turn) {
    const body = item.querySelector(".chat-bubble");
    // Safe: the server escaped the text and added elements without attributes.
    if (body.innerHTML !== turn.html) body.innerHTML = turn.html;
    body.hidden = turn.html === "";
    let mark = item.querySelector(".chat-mark");
    const words = turn.broken ? say("broken") : turn.stopped ? say("stopped") : "";
    if (words && !mark) {
      mark = document.createElement("span");
      mark.className = "chat-mark";
      item.append(mark);
    }
    if (mark) mark.textContent = words;
  }

  const log = part("log");
  let atEnd = true;
  // A keyboard that opens, or a tablet that is turned, changes the size first: a scroll event that was
  // on its way then would measure the old place in the new size, and the last reply would go out of sight.
  let size = "";
  const sizeNow = () => `${log.clientWidth}x${log.clientHeight}`;
  log.addEventListener("scroll", () => { if (sizeNow() === size) atEnd = nearEnd(); });
  new ResizeObserver(() => { size = sizeNow(); if (atEnd) toEnd(); }).observe(log);
  const nearEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 120;
  function toEnd() { log.scrollTop = log.scrollHeight; }

  function drawTurns(turns) {
    const list = part("turns");
    const stay = nearEnd() || first;
    const wanted = new Set(turns.map((turn) => String(turn.number)));
    for (const item of [...list.children]) if (!wanted.has(item.dataset.number)) item.remove();
    for (const turn of turns) {
      let item = [...list.children].find((e) => e.dataset.number === String(turn.number));
      if (!item) {
        item = bubble(turn);
        const after = [...list.children].find((e) => Number(e.dataset.number) > turn.number);
        list.insertBefore(item, after || null);
      }
      fill(item, turn);
    }
    if (stay) toEnd();
  }

  function drawReply(reply) {
    drawTurns([...state.turns, { ...reply, who: "system" }].filter((turn) => turn.html || turn.who === "rater" || turn.broken || turn.stopped));
    part("typing").hidden = reply.html !== "";
    if (reply.html === "" && nearEnd()) toEnd();
  }

  function speakNewReplies() {
    for (const turn of state.turns) {
      if (turn.who !== "system" || shownNumbers.has(turn.number)) continue;
      shownNumbers.add(turn.number);
      if (first) continue;
      const item = part("turns").querySelector(`[data-number="${turn.number}"]`);
      // What is drawn, and not the text alone: that has no space between paragraphs.
      const words = item ? item.querySelector(".chat-bubble").innerText.replace(/\s+/g, " ").trim() : "";
      // A reply that failed before its first word: the notice says so.
      if (words) part("spoken").textContent = `${settings.partner}: ${words}`;
    }
  }

  function drawBudget() {
    const turns = state.turns_left === 1 ? say("last_turn") : say("turns_left", { number: state.turns_left });
    let time = "";
    if (clock !== null) {
      const minutes = Math.ceil(secondsLeft() / 60);
      time = minutes <= 1 ? say("last_minute") : say("minutes_left", { number: minutes });
    }
    const line = [time, turns].filter(Boolean).join(" · ");
    if (part("budget").textContent !== line) part("budget").textContent = line;
  }

  let clock = null;
  const secondsLeft = () => Math.max(0, clock - performance.now() / 1000);
  setInterval(() => { if (state) drawBudget(); }, 5000);

  let slow = null;
  function watchForSlowness() {
    if (state.phase === "reply" && !(state.reply && state.reply.html)) {
      if (slow === null) slow = setTimeout(() => notice(say("slow")), settings.slow_s * 1000);
    } else {
      clearTimeout(slow);
      slow = null;
    }
  }

  // Texts that do not fit say so: a screen of touch shows no scroll bar.
  for (const name of ["topic", "support"]) {
    const fold = part(name);
    const mark = () => fold.toggleAttribute("data-cut", fold.scrollHeight - fold.scrollTop - fold.clientHeight > 4);
    fold.addEventListener("scroll", mark, { passive: true });
    fold.addEventListener("toggle", mark);
    new ResizeObserver(mark).observe(fold);
  }

  // Once, where they take room from the conversation: at once, or when the tablet is turned.
  const beside = matchMedia("(min-width: 900px)");
  let folded = false;
  function foldTexts() {
    if (folded || beside.matches || !state || state.turns.length === 0) return;
    folded = true;
    for (const name of ["topic", "support"]) part(name).open = false;
  }
  beside.addEventListener("change", foldTexts);

  function draw() {
    const { phase } = state;
    foldTexts();
    if (phase === "ended") { leave(); return; }
    const replying = phase === "reply";
    part("typing").hidden = !(replying && !(state.reply && state.reply.html));
    if (replying && state.reply) drawReply(state.reply); else drawTurns(state.turns);
    speakNewReplies();
    drawBudget();
    part("composer").hidden = phase === "over" || phase === "ask again";
    part("send").hidden = replying;
    part("stop").hidden = !replying;
    part("stop").disabled = false;
    part("again-row").hidden = phase !== "ask again";
    part("again").disabled = false;
    if (phase === "ask again") notice(say("failed"), true);
    else if (phase === "over") notice(say("over"));
    else if (sending === null) notice("");
    if (!state.may_end) sure = phase === "over";
    part("sure").hidden = !(phase === "over" || (sure && state.may_end));
    part("stay").hidden = phase === "over";
    part("sure").querySelector("p").hidden = phase === "over";
    part("end").hidden = !state.may_end || !part("sure").hidden;
    watchForSlowness();
    if (first) {
      first = false;
      text.disabled = false;
      part("send").disabled = false;
      toEnd();
    }
    quietAtNewButtons();
  }

  // Where "send" was there is "stop" now, and "go on" comes up below "end": a second tap is for neither.
  let buttonsSeen = "";
  function quietAtNewButtons() {
    const shown = [...document.querySelectorAll("button")].filter((button) => !button.closest("[hidden]"));
    const names = shown.map((button) => button.id).join();
    if (names !== buttonsSeen) window.evenhandQuiet.changed();
    buttonsSeen = names;
  }

  // What stands in the box was sent just before the page was left, or from another device; or else
  // another window was quicker, and it is a draft of the next message.
  function settleDraft(isFirst) {
    const said = state.turns.filter((turn) => turn.who === "rater").map((turn) => turn.text);
    if (said.at(-1) === text.value.trim()) {
      text.value = "";
      window.evenhandDrafts.forget();
      grow();
    } else if (!isFirst) keepDraft();
  }

  function take(next) {
    const before = state === null ? null : pageOf(state.turns);
    state = next;
    clock = next.seconds_left === null ? null : performance.now() / 1000 + next.seconds_left;
    if (sending !== null) {
      const there = next.turns.find((turn) => turn.number === sending.number);
      if (there && there.text === sending.text) kept();
    }
    if (before !== pageOf(state.turns) && text.value) settleDraft(before === null);
    draw();
  }

  function kept() {
    if (text.value.trim() === sending.text) { text.value = ""; window.evenhandDrafts.forget(); grow(); }
    sending = null;
    busy = false;
    part("send").disabled = false;
    notice("");
  }

  // --- what a rater does -----------------------------------------------------------------------
  async function post(name, body) {
    const answer = await fetch(`/chat/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ page: settings.page, ...body }),
      signal: AbortSignal.timeout(15000),
    });
    return answer.status;
  }

  async function send() {
    if (busy || state === null || state.phase !== "write") return;
    const message = text.value.trim();
    if (!message) { notice(say("empty"), true); text.focus(); return; }
    if (message.length > settings.longest) {
      notice(say("too_long", { number: settings.longest }), true);
      return;
    }
    busy = true;
    sending = { number: state.next, text: message };
    part("send").disabled = true;
    let status = 0;
    window.evenhandDrafts.hold(true);
    try { status = await post("turn", sending); } catch { /* no connection: see below */ }
    window.evenhandDrafts.hold(false);
    if (sending === null) return; // its state came first
    if (status === 200) { kept(); part("spoken").textContent = say("sent"); return; }
    busy = false;
    part("send").disabled = false;
    sending = status === 0 ? sending : null;
    if (status === 403) leave();
    notice(say(status === 409 ? "elsewhere" : "not_saved"), status !== 409);
    if (status === 409) listen();
  }

  async function press(button, name, body = {}) {
    button.disabled = true;
    let status = 0;
    try { status = await post(name, body); } catch { /* no connection */ }
    button.disabled = false;
    if (status === 403) { leave(); return; }
    if (status !== 200) { notice(say("not_done"), true); listen(); }
  }

  part("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  text.addEventListener("keydown", (event) => {
    // A screen keyboard's Enter makes a new line; a real one's sends.
    const real = matchMedia("(hover: hover) and (pointer: fine)").matches;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && (real || event.ctrlKey)) {
      event.preventDefault();
      send();
    }
  });
  part("stop").addEventListener("click", () => press(part("stop"), "stop", { number: state.reply ? state.reply.number : 0 }));
  part("again").addEventListener("click", () => press(part("again"), "again"));
  part("end").addEventListener("click", () => { sure = true; draw(); part("go").focus(); });
  part("stay").addEventListener("click", () => { sure = false; draw(); text.focus(); });
  part("go").addEventListener("click", () => press(part("go"), "end"));

  let leaving = false;
  function leave() {
    if (leaving) return;
    leaving = true;
    if (events) events.close();
    window.evenhandDrafts.forget();
    location.replace("/");
  }

  // --- the connection --------------------------------------------------------------------------
  const banner = document.createElement("p");
  banner.className = "evenhand-offline";
  banner.setAttribute("role", "status");
  document.body.append(banner);
  let events = null;
  let heard = performance.now();
  let again = null;
  let lost = null;

  function connected() {
    heard = performance.now();
    clearTimeout(lost);
    lost = null;
    if (banner.textContent !== "") banner.textContent = "";
  }
  function disconnected() {
    // A short gap mends itself and would only worry.
    if (lost === null) lost = setTimeout(() => { banner.textContent = say("offline"); }, 2000);
    if (again === null) again = setTimeout(() => { again = null; listen(); }, 1500);
  }
  function listen() {
    if (leaving) return;
    if (events) events.close();
    events = new EventSource(`/chat/events?page=${encodeURIComponent(settings.page)}`);
    heard = performance.now();
    events.addEventListener("state", (event) => { connected(); take(JSON.parse(event.data)); });
    events.addEventListener("reply", (event) => {
      connected();
      const reply = JSON.parse(event.data);
      if (state === null || state.phase !== "reply") return;
      state.reply = reply;
      drawReply(reply);
      watchForSlowness();
    });
    events.addEventListener("beat", connected);
    events.addEventListener("gone", leave);
    events.onerror = () => { events.close(); disconnected(); };
  }
  // A tablet that slept, or a line that died without a word: the server beats every five seconds.
  setInterval(() => { if (performance.now() - heard > 14000) { heard = performance.now(); disconnected(); } }, 2000);
  window.addEventListener("offline", () => { events.close(); disconnected(); });
  window.addEventListener("online", () => { if (lost !== null) listen(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  listen();
  grow();
  part("title").focus({ preventScroll: true });
})();
