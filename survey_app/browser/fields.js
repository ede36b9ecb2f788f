// Fields that say beside themselves what they cannot take: a number out of range, a text that is too
// long. Of a long text that is pasted, what fits is kept. The server looks at every answer anew.
(() => {
  "use strict";

  // --- texts -------------------------------------------------------------------------------------
  function limitOf(field) {
    const block = field.closest("[class*=st-key-text-]");
    return block && block.querySelector(".evenhand-limit");
  }
  function sayCut(limit, cut) {
    const words = cut ? limit.dataset.said : "";
    if (limit.textContent !== words) limit.textContent = words;
  }
  // With the attribute, the browser itself shortens what is pasted, dropped or dictated, and leaves what
  // stood there alone. Streamlit would throw the whole change away.
  function bound(field) {
    const limit = limitOf(field);
    if (!limit) return;
    const most = Number(limit.dataset.most);
    if (field.maxLength !== most) field.maxLength = most;
  }
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("textarea")) bound(event.target);
  });
  document.addEventListener("beforeinput", (event) => {
    const field = event.target;
    const limit = field.matches("textarea") && limitOf(field);
    if (!limit || !event.inputType.startsWith("insert")) return;
    bound(field);
    const given = event.data !== null ? event.data : event.dataTransfer ? event.dataTransfer.getData("text/plain") : "\n";
    const kept = field.value.length - (field.selectionEnd - field.selectionStart);
    // Line ends of other systems become one character.
    sayCut(limit, kept + given.replace(/\r\n/g, "\n").length > field.maxLength);
  }, true);
  document.addEventListener("input", (event) => {
    const field = event.target;
    const limit = field.matches("textarea") && limitOf(field);
    if (!limit) return;
    if (String(event.inputType || "").startsWith("delete")) sayCut(limit, false);
    const most = Number(limit.dataset.most);
    if (field.value.length <= most) return;
    // Put there by a program, for example a keyboard's own suggestions: the browser does not shorten that.
    const whole = field.value.slice(0, most).replace(/[\uD800-\uDBFF]$/, "");
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, whole);
    sayCut(limit, true);
  }, true);

  // --- numbers -----------------------------------------------------------------------------------
  const ZEROS = [0x30, 0x660, 0x6F0, 0x966]; // of the digits that keyboards of our languages write
  function digits(text) {
    return text.replace(/\p{Nd}/gu, (digit) => {
      const zero = ZEROS.find((z) => digit.codePointAt(0) >= z && digit.codePointAt(0) < z + 10);
      return zero === undefined ? digit : String(digit.codePointAt(0) - zero);
    });
  }
  function fits(text, range) {
    const plain = digits(text);
    if (!/^[+-]?\d+$/.test(plain)) return false;
    const number = Number(plain);
    return !(number < Number(range.dataset.low ?? -Infinity) || number > Number(range.dataset.high ?? Infinity));
  }
  function rangeOf(field) {
    const block = field.closest("[class*=st-key-number-]");
    return block && block.querySelector(".evenhand-range");
  }
  function sayRange(field, range, wrong) {
    range.dataset.hint ??= range.textContent;
    const words = wrong ? range.dataset.unfit.replace("{value}", () => field.value.trim().slice(0, 40)) : range.dataset.hint;
    if (range.textContent !== words) range.textContent = words;
    range.classList.toggle("evenhand-unfit", wrong);
    range.id = `range-${field.id || field.name || "number"}`;
    field.setAttribute("aria-describedby", range.id);
    if (wrong) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
  }
  document.addEventListener("focusin", (event) => {
    const range = event.target.matches("input") && rangeOf(event.target);
    if (!range) return;
    if (Number(range.dataset.low) >= 0) event.target.inputMode = "numeric";
    sayRange(event.target, range, range.classList.contains("evenhand-unfit"));
  });
  document.addEventListener("input", (event) => {
    const range = event.target.matches("input") && rangeOf(event.target);
    if (!range) return;
    sayRange(event.target, range, false);
    // What the server said of the number that stood there before.
    const after = event.target.closest("[class*=st-key-number-]").parentElement.nextElementSibling;
    const mark = after && after.querySelector(".evenhand-open");
    if (mark) mark.hidden = true;
  }, true);
  document.addEventListener("focusout", (event) => {
    const range = event.target.matches("input") && rangeOf(event.target);
    if (!range) return;
    const text = event.target.value.trim();
    sayRange(event.target, range, text !== "" && !fits(text, range));
  });
})();
