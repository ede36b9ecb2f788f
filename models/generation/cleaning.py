"""Output cleaning: training markers, leaked turns and repetition, with a record of what was done.

Small fine-tuned models write their training format into a reply, go on to write the other side's
turn, or loop. What raters see is the cleaned text; the raw text is kept beside it, so that a reader
can see what was taken away. A text without such faults is not changed, and cleaning twice is the
same as cleaning once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

# Tokens and headings of the chat and training formats in use (ChatML, Llama, Alpaca, Gemma ...).
_MARKER = re.compile(
    r"<\|[^<>|\n]{1,40}\|>|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>|\[/?INST\]"
    r"|<</?SYS>>|\[(?:PAD|UNK|CLS|SEP|EOS|BOS)\]"
    r"|^[ \t]*#{2,3}[ \t]*(?:Instruction|Input|Response|Output|System|Assistant|User|Human):?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
# Only the "^" of a heading's line goes; that of a character class stays.
_LEADING_MARKERS = re.compile(
    r"(?:\s|(?!<\|(?:im_start|start_header_id|user|system)\|>)"
    rf"(?:{_MARKER.pattern.replace('|^[', '|[')}))*",
    re.IGNORECASE,
)
# Thinking blocks; an unclosed block has no reply after it.
_THINKING = re.compile(r"<(think|thinking)>.*?(?:</\1>|\Z)", re.IGNORECASE | re.DOTALL)
_OWN_ROLE = re.compile(
    r"\A\s*(?:assistant|therapist|counsell?or|chatbot|bot|ai|response|supporter)\s*:\s*",
    re.IGNORECASE,
)
# Names of the other side that a reply may open with by mistake; it is a reply all the same. "User:" is no
# such name: it stands in chat formats, before what the other side says.
_MISTAKEN_ROLE = re.compile(
    r"\A\s*(?:client|patient|(?:help-)?seeker|student)[ \t]*:\s*", re.IGNORECASE
)
_OWN_TURN = re.compile(
    r"\n[ \t]*(?:assistant|therapist|counsell?or|chatbot|supporter)[ \t]*:", re.IGNORECASE
)
# A new turn inside the text: what follows is a conversation that nobody had.
_OTHER_TURN = re.compile(
    r"(?:^|\n)[ \t]*(?P<name>user|human|client|patient|seeker|help-seeker|student|system|assistant"
    r"|therapist|counsell?or|chatbot)[ \t]*:|<\|(?:im_start|start_header_id|user|system)\|>"
    r"|<start_of_turn>|\[INST\]|^[ \t]*#{2,3}[ \t]*(?:Instruction|Input|User|Human|System)\b",
    re.IGNORECASE | re.MULTILINE,
)
# A line that offers an example, and so ends with a colon: the names below it are part of the example.
_OFFERS_EXAMPLE = re.compile(
    r"\b(?:you (?:could|can|might|may)|write|note down|jot|practi[sc]e"
    r"|try|imagine|picture|for (?:example|instance)|like this|such as"
    r"|here(?:['’]s| is| are)|let['’]?s|e\.g\.|examples?|sample|template|draft|script|role[- ]?play"
    r"|dialogue|zum beispiel|etwa so|k[oö]nnten? (?:sie|du)|du k[oö]nntest|por ejemplo"
    r"|(?:podr[ií]a|puede)s?)"
    r"\b[^\n]*[:：][*_\"'“„« \t]*\Z",
    re.IGNORECASE,
)
_NAMED_LINE = re.compile(r"[ \t]*[A-Z][\w -]{0,20}:[ \t]*\S")
# What steps of an exercise are made of; they come again, and so do its sentences and runs of words.
_EXERCISE = re.compile(
    r"\b(?:breathe?|breath|inhale|exhale|hold|pause|tense|relax|release|let go|tap|count|left|right"
    r"|step|ein(?:atmen)?|aus(?:atmen)?|atmen?|halten?|anspannen|loslassen|links|rechts|inspir[ae]"
    r"|espir[ae]|inhal[ae]|exhal[ae]|respir[ae]|sost[eé]n|sostenga|mant[eé]n|mantenga|izquierda"
    r"|derecha)\b|شهيق|زفير|تنفس|احبس|استنشق|ازفر",
    re.IGNORECASE,
)
_MOST_ROUNDS = 4
_LIST_NUMBER = re.compile(r"\s*\(?\d{1,3}[.)]\s*")
_LIST_ITEM = re.compile(r"\s*(?:[-*•–]|\(?\d{1,3}\)|(?:step|schritt|paso) \d+:?)\s+", re.IGNORECASE)
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
    mistaken = _MISTAKEN_ROLE.match(text[body:])
    if own:
        body += own.end()
    elif mistaken and not _OWN_TURN.search(text, body):
        body += mistaken.end()
    for found in _OTHER_TURN.finditer(text, body):
        if not (found["name"] and _is_part_of_example(text[: found.start()])):
            return text[: found.start()]
    return text


def _is_part_of_example(before: str) -> bool:
    """Whether a name that follows belongs to an example: "You could write:", and named lines below."""
    lines = before.split("\n")
    named = False
    while lines and _NAMED_LINE.match(lines[-1]) and not _OFFERS_EXAMPLE.search(lines[-1]):
        lines.pop()
        named = True
    # Blank lines may stand between the offer and the example, not within it.
    while lines and not lines[-1].strip() and (not named or len(lines) > 1):
        lines.pop()
    return bool(lines) and _OFFERS_EXAMPLE.search(lines[-1]) is not None


def _without_markers(text: str) -> str:
    return _MARKER.sub(" ", text) if _MARKER.search(text) else text


def _without_own_role(text: str) -> str:
    return _MISTAKEN_ROLE.sub("", _OWN_ROLE.sub("", text))


def _without_loops(text: str) -> str:
    return _WORD_LOOP.sub(_once, _LOOP.sub(_once, text))


def _once(loop: re.Match[str]) -> str:
    """The first round of a loop; all of it where it is a few rounds of an exercise."""
    words, unit = loop.group().split(), loop.group(1).split()
    if _EXERCISE.search(loop.group(1)) and len(words) <= _MOST_ROUNDS * len(unit):
        return loop.group()
    return loop.group(1)


def _without_repeated_sentences(text: str) -> str:
    """Drop a sentence of three words or more that already stood in the text.

    Items of a list and steps of an exercise come again (breathe in, hold, breathe out, hold): they
    are dropped only right after the same one, or after a few rounds.
    """
    times: Counter[str] = Counter()
    before = ""
    kept: list[str] = []
    for sentence in _SENTENCE.findall(text):
        if _LIST_NUMBER.fullmatch(sentence):
            kept.append(sentence)
            continue
        key = " ".join(re.findall(r"[\w'’]+", _LIST_ITEM.sub("", sentence, count=1).lower()))
        numbered = bool(kept) and _LIST_NUMBER.fullmatch(kept[-1]) is not None
        comes_again = numbered or _LIST_ITEM.match(sentence) or _EXERCISE.match(sentence.strip())
        allowed = _MOST_ROUNDS if comes_again and key != before else 1
        if len(key.split()) >= 3 and times[key] >= allowed:
            if numbered:
                kept.pop()
            continue
        times[key] += 1
        before = key
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
