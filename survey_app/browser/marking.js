// Marking parts of a response: a tap on one of its sentences gives it the label that is chosen above, or
// takes it back. What is marked is held by a widget that is not seen, an option for each sentence and label
// (survey_app/drawing/widgets/spans.py): it is tapped here, and what is drawn is what it holds.
(() => {
  "use strict";
  const root = document.getElementById("root");
  let chosen = null; // "GROUP NUMBER" of the label in hand

  const groups = () => [...document.querySelectorAll("[data-evenhand-marks]")];
  const pensOf = (group) => [...group.querySelectorAll("[data-evenhand-pen]")];
  const nameOf = (pen) => `${pen.parentElement.dataset.evenhandMarks} ${pen.dataset.evenhandPen}`;
  function options(group) {
    const held = document.querySelector(`.st-key-${group.dataset.evenhandMarks}`);
    return held ? [...held.querySelectorAll("button")] : [];
  }
  const holds = (option) => option.getAttribute("aria-pressed") === "true" || option.getAttribute("aria-checked") === "true";

  // Label by label: which sentence has it, and the option that says so.
  function optionOf(pen, part) {
    const group = pen.parentElement;
    return options(group)[(part - 1) * pensOf(group).length + Number(pen.dataset.evenhandPen)];
  }
  const allPens = () => groups().flatMap(pensOf);
  const penInHand = () => allPens().find((pen) => nameOf(pen) === chosen);

  function set(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
  function draw() {
    const pens = allPens();
    if (pens.length === 0) return;
    // One label needs no choice.
    if (!penInHand()) chosen = pens.length === 1 ? nameOf(pens[0]) : null;
    for (const pen of pens) set(pen, "aria-pressed", String(nameOf(pen) === chosen));
    for (const part of document.querySelectorAll("[data-evenhand-part]")) drawPart(part, pens);
  }
  function drawPart(part, pens) {
    const number = Number(part.dataset.evenhandPart);
    const has = pens.filter((pen) => { const option = optionOf(pen, number); return option && holds(option); });
    const pen = penInHand();
    set(part, "aria-pressed", String(pen ? has.includes(pen) : has.length > 0));
    if (part.hasAttribute("data-marked") !== has.length > 0) part.toggleAttribute("data-marked", has.length > 0);
    const drawn = [...part.querySelectorAll(".evenhand-tag")];
    if (drawn.map((tag) => tag.dataset.evenhandTag).join() === has.map(nameOf).join()) return;
    drawn.forEach((tag) => { if (tag.previousSibling && tag.previousSibling.data === " ") tag.previousSibling.remove(); tag.remove(); });
    for (const label of has) {
      const tag = document.createElement("span");
      tag.className = `evenhand-tag ${[...label.classList].find((name) => name.startsWith("evenhand-ink-"))}`;
      tag.dataset.evenhandTag = nameOf(label);
      tag.textContent = label.textContent;
      // A space, or the label would be read as the sentence's last word.
      part.append(" ", tag);
    }
  }

  function say(asks) {
    const line = document.querySelector(".evenhand-pen-first");
    const words = asks ? line.dataset.said : "";
    if (line.textContent !== words) line.textContent = words;
  }
  function take(pen) {
    chosen = nameOf(pen);
    say(false);
    draw();
  }
  function mark(part) {
    const pen = penInHand();
    if (!pen) { say(true); return; }
    const option = optionOf(pen, Number(part.dataset.evenhandPart));
    if (!option) return;
    option.click();
    // What was said to be missing goes with the next mark.
    const after = option.closest("[class*=st-key-several-]").parentElement.nextElementSibling;
    const open = after && after.querySelector(".evenhand-open");
    if (open) open.hidden = true;
  }
  document.addEventListener("click", (event) => {
    const target = event.target.closest && event.target.closest("[data-evenhand-pen], [data-evenhand-part]");
    // A selection of text with the mouse ends with a click as well.
    if (!target || String(window.getSelection()) !== "") return;
    if (target.hasAttribute("data-evenhand-pen")) take(target); else mark(target);
  });
  document.addEventListener("keydown", (event) => {
    if ((event.key !== "Enter" && event.key !== " ") || event.repeat) return;
    if (!event.target.matches("[data-evenhand-part]")) return;
    event.preventDefault();
    mark(event.target);
  });

  new MutationObserver(draw).observe(root, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["aria-pressed", "aria-checked"],
  });
})();
