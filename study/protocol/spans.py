"""Parts of a response that a rater marked with a label, and the sentences that can be marked.

Held as JSON, for example ``[{"start": 0, "end": 14, "label": "empathy"}]``: places count characters
(Unicode code points) of the stored response from 0, the end is the first character after the part.
Parts of one label do not overlap; parts of different labels may. An empty list says that the rater
found nothing to mark; it is an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from study.protocol.instruments import Item

# The end of a sentence, with the quotes and brackets that close it. Latin, Arabic, Indic and Chinese.
_END = re.compile(r"[.!?…؟۔।。！？]+[\"'”’»)\]]*(?=\s|$)")


@dataclass(frozen=True, order=True)
class Span:
    """One marked part of a response."""

    start: int
    end: int
    label: str


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, in order; line ends and spaces between them belong to none.

    A piece without a letter, such as the number of a list's item, belongs to what follows it.
    """
    found: list[tuple[int, int]] = []
    for line in re.finditer(r"[^\r\n]+", text):
        start = line.start()
        for end in [*(m.end() + line.start() for m in _END.finditer(line.group())), line.end()]:
            piece = text[start:end]
            if not any(character.isalpha() for character in piece) and end < line.end():
                continue
            left, right = start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
            if left < right:
                found.append((left, right))
            start = end
    return found


def write_spans(spans: Iterable[Span]) -> str:
    """The JSON of marked parts, in their order in the text."""
    return json.dumps([asdict(span) for span in sorted(spans)], separators=(",", ":"))


def read_spans(text: str) -> list[Span]:
    """Marked parts from their JSON.

    Raises
    ------
    ValueError
        When it is not a list of parts.
    """
    plain = json.loads(text)
    if not isinstance(plain, list):
        raise ValueError("expected a list")
    return [_span(entry) for entry in plain]


def _span(entry: Any) -> Span:
    if not isinstance(entry, dict) or set(entry) != {"start", "end", "label"}:
        raise ValueError("expected start, end and label")
    start, end, label = entry["start"], entry["end"], entry["label"]
    if type(start) is not int or type(end) is not int or not isinstance(label, str):
        raise ValueError("expected two whole numbers and a label")
    return Span(start, end, label)


def spans_fault(item: Item, responses: Sequence[str], answer: object) -> str | None:
    """What is wrong with the marked parts of the one response shown; None when they fit."""
    if len(responses) != 1:
        return f"{item.label!r} marks parts of one response; found {len(responses)} responses."
    try:
        spans = read_spans(answer if isinstance(answer, str) else "")
    except ValueError as error:
        return f"{answer!r} does not mark parts for {item.label!r}: {error}."
    length, labels = len(responses[0]), [label.id for label in item.labels]
    for span in spans:
        if not 0 <= span.start < span.end <= length:
            return (
                f"the part from {span.start} to {span.end} is not in the response, which has "
                f"{length} characters."
            )
        if span.label not in labels:
            return f"{span.label!r} is no label of {item.label!r}; expected {', '.join(labels)}."
    for label in labels:
        own = sorted(span for span in spans if span.label == label)
        for before, after in pairwise(own):
            if after.start < before.end:
                return f"two parts with the label {label!r} overlap at character {after.start}."
    return None
