"""Output cleaning: training markers, leaked turns and repetition, with a record of what was done.

Small fine-tuned models write their training format into a reply, go on to write the other side's
turn, or loop. What raters see is the cleaned text; the raw text is kept beside it, so that a reader
can see what was taken away. A text without such faults is not changed, and cleaning twice is the
same as cleaning once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# Tokens and headings of the chat and training formats in use (ChatML, Llama, Alpaca, Gemma ...).
_MARKER = re.compile(
    r"<\|[^<>|\n]{1,40}\|>|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>|\[/?INST\]"
    r"|<</?SYS>>|\[(?:PAD|UNK|CLS|SEP|EOS|BOS)\]"
    r"|^[ \t]*#{2,3}[ \t]*(?:Instruction|Input|Response|Output|System|Assistant|User|Human):?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_LEADING_MARKERS = re.compile(rf"(?:\s|{_MARKER.pattern.replace('^', '')})*", re.IGNORECASE)
# Thinking blocks; an unclosed block has no reply after it.
_THINKING = re.compile(r"<(think|thinking)>.*?(?:</\1>|\Z)", re.IGNORECASE | re.DOTALL)
_OWN_ROLE = re.compile(
    r"\A\s*(?:assistant|therapist|counsell?or|chatbot|bot|ai|response|supporter)\s*:\s*",
    re.IGNORECASE,
)
# A new turn inside the text: what follows is a conversation that nobody had.
_OTHER_TURN = re.compile(
    r"(?:^|\n)[ \t]*(?:user|human|client|patient|seeker|help-seeker|student|system|assistant"
    r"|therapist|counsell?or|chatbot)[ \t]*:|<\|(?:im_start|start_header_id|user|system)\|>"
    r"|<start_of_turn>|\[INST\]|^[ \t]*#{2,3}[ \t]*(?:Instruction|Input|User|Human|System)\b",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE = re.compile(r"[^.!?\n]*[.!?]+[\"')\]]*\s*|[^.!?\n]+\n*|\n+")
# A run of 2 to 12 words, three times or more in a row: two can be a figure of speech.
_LOOP = re.compile(r"\b((?:[\w'’-]+[\s,;]+){2,12}?)\1{2,}", re.IGNORECASE)
# Arabic and full-width marks stand here too. No end: a list's number, an initial, an abbreviation.
_SENTENCE_END = re.compile(
    r"[.!?\u2026\u061f\u3002\uff01\uff1f]+[\"')\]*\u201d\u2019\u00bb]*(?=\s|\Z)"
)
_NO_END = re.compile(
    r"(?:(?:^|\n)[ \t]*\d{1,3}|\b(?:[A-Z]|e\.g|i\.e|cf|vs|approx|Dr|Mr|Mrs|Ms|Prof|St))\Z",
)
_WORD_LOOP = re.compile(r"\b([\w'’-]+)(?:[\s,]+\1\b){3,}", re.IGNORECASE)


@dataclass(frozen=True)
class CleanedText:
    """A reply before and after cleaning.

    Attributes
    ----------
    text, raw_text : str
        After and before.
    changes : tuple of str
        What was done, in order; empty when nothing but outer white space changed.
    """

    text: str
    raw_text: str
    changes: tuple[str, ...]


def clean_response(raw_text: str) -> CleanedText:
    """Remove training markers, leaked turns and repeated phrases from a reply.

    Parameters
    ----------
    raw_text : str

    Returns
    -------
    CleanedText
        The text may be empty: then the reply held nothing but such faults.
    """
    changes: dict[str, None] = {}
    text = raw_text.strip()
    while True:
        # One step can lay bare what another removes; every change shortens, so this ends.
        before = text
        for what, step in _STEPS.items():
            cleaned = step(text).strip()
            if cleaned != text:
                changes[what] = None
                text = cleaned
        if changes:
            text = re.sub(r"[ \t]{2,}", " ", re.sub(r"[ \t]*\n{3,}", "\n\n", text))
        if text == before:
            return CleanedText(text=text, raw_text=raw_text, changes=tuple(changes))


def cut_to_whole_sentences(cleaned: CleanedText) -> CleanedText:
    """Cut a reply that was stopped while it was being written back to its last whole sentence.

    Parameters
    ----------
    cleaned : CleanedText
        Of a reply that ran into a limit and did not end by itself.

    Returns
    -------
    CleanedText
        The text is empty when it holds no whole sentence. It is as it was when it ends with one, or
        when a leaked turn was cut off: then it was not the reply that the limit broke off.
    """
    if "leaked turn cut off" in cleaned.changes:
        return cleaned
    ends = [
        found.end()
        for found in _SENTENCE_END.finditer(cleaned.text)
        if found[0] != "." or not _NO_END.search(cleaned.text, 0, found.start())
    ]
    whole = cleaned.text[: ends[-1]] if ends else ""
    if whole == cleaned.text:
        return cleaned
    changes = (*cleaned.changes, "unfinished sentence cut off")
    return CleanedText(text=whole, raw_text=cleaned.raw_text, changes=changes)


def _without_thinking(text: str) -> str:
    return _THINKING.sub("", text)


def _before_other_turn(text: str) -> str:
    # A marker at the very start opens the reply itself and is removed by the later steps.
    start = _LEADING_MARKERS.match(text)
    body = start.end() if start else 0
    own = _OWN_ROLE.match(text[body:])
    if own:
        body += own.end()
    found = _OTHER_TURN.search(text, body)
    return text if found is None else text[: found.start()]


def _without_markers(text: str) -> str:
    return _MARKER.sub(" ", text) if _MARKER.search(text) else text


def _without_own_role(text: str) -> str:
    return _OWN_ROLE.sub("", text)


def _without_loops(text: str) -> str:
    shortened = _LOOP.sub(lambda match: match.group(1), text)
    return _WORD_LOOP.sub(lambda match: match.group(1), shortened)


def _without_repeated_sentences(text: str) -> str:
    """Drop a sentence of three words or more that already stood in the text."""
    seen: set[str] = set()
    kept = []
    for sentence in _SENTENCE.findall(text):
        words = re.findall(r"[\w'’]+", sentence.lower())
        key = " ".join(words)
        if len(words) >= 3 and key in seen:
            continue
        seen.add(key)
        kept.append(sentence)
    shorter = "".join(kept)
    return shorter if len(shorter) < len(text) else text


def _without_broken_characters(text: str) -> str:
    return text.replace("\ufffd", "")


_STEPS: dict[str, Callable[[str], str]] = {
    "thinking block removed": _without_thinking,
    "leaked turn cut off": _before_other_turn,
    "training markers removed": _without_markers,
    "role name removed": _without_own_role,
    "repeated phrase removed": _without_loops,
    "repeated sentence removed": _without_repeated_sentences,
    "broken characters removed": _without_broken_characters,
}
