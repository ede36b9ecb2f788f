"""Parts of a response that a rater marked with a label, and the sentences that can be marked.

Held as JSON, for example ``[{"start": 0, "end": 14, "label": "empathy"}]``: places count characters
(Unicode code points) of the stored response from 0, the end is the first character after the part.
Parts of one label do not overlap; parts of different labels may. An empty list says that the rater
found nothing to mark; it is an answer.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import Field

from study.protocol.block import Block, Identifier, ShownText
from study.protocol.items.item import Item, Table
from study.protocol.scale import Scale

# The end of a sentence, with the quotes and brackets that close it. Latin, Arabic, Indic and Chinese.
_END = re.compile(r"[.!?…؟۔।。！？]+[\"'”’»)\]]*(?=\s|$)")


class SpanLabel(Block):
    """One label with which parts of a response are marked."""

    id: Identifier = Field(description="What the data hold, for example harmful-advice.")
    label: ShownText = Field(description="What the rater reads.")


class SpansItem(Item):
    """Sentences of the response on the page, marked with labels."""

    listed: ClassVar[int] = 9
    elsewhere: ClassVar = {"labels": " and takes no labels"}
    pages: ClassVar[tuple[str, ...]] = ("response",)
    reads_responses: ClassVar[bool] = True
    is_text: ClassVar[bool] = True
    table: ClassVar[Table | None] = "spans"
    widget: ClassVar[str] = "spans"

    kind: Literal["spans"] = Field(
        description=(
            "Sentences of the response marked with labels; held as a JSON list of start, end "
            "(characters, from 0) and label."
        )
    )
    labels: tuple[SpanLabel, ...] = Field(
        default=(), description="The labels, at least one. One sentence may have several."
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """It needs labels that differ."""
        if not self.labels:
            yield "labels", "marks spans and needs at least one label"
        names = [label.id for label in self.labels]
        if len(set(names)) < len(names):
            yield "labels", f"has the labels {', '.join(names)}; their ids must differ"
        yield from super().faults()

    @property
    def marks(self) -> dict[str, str]:
        """The labels."""
        return {label.id: label.label for label in self.labels}

    def value_fault(self, value: int | str, scale: Scale, responses: Sequence[str]) -> str | None:
        """It takes parts of the one response on the page."""
        if len(responses) != 1:
            return f"{self.label!r} marks parts of one response; found {len(responses)} responses."
        try:
            spans = read_spans(value if isinstance(value, str) else "")
        except ValueError as error:
            return f"{value!r} does not mark parts for {self.label!r}: {error}."
        length, labels = len(responses[0]), [label.id for label in self.labels]
        for span in spans:
            if not 0 <= span.start < span.end <= length:
                return (
                    f"the part from {span.start} to {span.end} is not in the response, which has "
                    f"{length} characters."
                )
            if span.label not in labels:
                return (
                    f"{span.label!r} is no label of {self.label!r}; expected {', '.join(labels)}."
                )
        for label in labels:
            own = sorted(span for span in spans if span.label == label)
            for before, after in pairwise(own):
                if after.start < before.end:
                    return f"two parts with the label {label!r} overlap at character {after.start}."
        return None

    def variables(self, systems: Sequence[str]) -> dict[str, str]:
        """One for each label: the number of parts."""
        return {
            f"{self.id}.{label.id}": f"Parts marked {label.label}: {self.text}"
            for label in self.labels
        }

    def numbers(self, value: int | str, shown: Sequence[str]) -> Mapping[str, float]:
        """How many parts have each label."""
        marked = Counter(span.label for span in read_spans(str(value)))
        return {f"{self.id}.{label.id}": marked[label.id] for label in self.labels}

    def codebook_remarks(self) -> Iterator[str]:
        """How parts are held, and the labels."""
        yield (
            "a JSON list in the column text: start and end count characters of the response from 0, "
            "the end is the first character after the part; [] is nothing to mark"
        )
        for label in self.labels:
            yield f"label {label.id}: {label.label}"

    def simulated(
        self, scale: Scale, seen: Sequence[float], responses: Sequence[str], draws: random.Random
    ) -> str:
        """About one sentence in four, each with one of the labels."""
        return write_spans(
            Span(start, end, draws.choice(self.labels).id)
            for start, end in sentences(responses[0])
            if draws.random() < 0.25
        )


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
