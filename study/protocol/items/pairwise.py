"""Comparisons of the two responses on a page, with a box for the reason beside them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.items.item import Item, Table
from study.protocol.items.text import TextItem
from study.protocol.scale import Scale

FIRST_BETTER, SECOND_BETTER, TIE = 1, 2, 0
# Of two heights, about standard normal, that a simulated rater sees no difference between.
_LEAST_SEEN = 0.3


class PairwiseItem(Item):
    """Which of the two responses on the page, or a tie."""

    listed: ClassVar[int] = 7
    elsewhere: ClassVar = {"reasons": "; reasons go with pairwise items"}
    pages: ClassVar[tuple[str, ...]] = ("pair",)
    compares: ClassVar[bool] = True
    table: ClassVar[Table | None] = "pairwise"
    widget: ClassVar[str] = "pair"

    kind: Literal["pairwise"] = Field(
        description=(
            "Which of the two responses on the page; held as 1 for A, 2 for B and 0 for a tie."
        )
    )
    reasons: bool = Field(
        default=False,
        description=(
            "A box for a reason beside the question, which may be left open. Its answer is "
            "an item of its own in the data, named like this one with .reason at the end."
        ),
    )

    @property
    def asked(self) -> tuple[Item, ...]:
        """The comparison and, where reasons are asked for, the box beside it."""
        return (self, ReasonItem.beside(self)) if self.reasons else (self,)

    def anchors(self, scale: Scale) -> dict[int, str]:
        """The places on the page, the tie between them."""
        return {FIRST_BETTER: "A", TIE: "tie", SECOND_BETTER: "B"}

    def chosen(self, value: int | str, shown: Sequence[str]) -> str:
        """The better of the two systems, or ``"tie"``."""
        return {FIRST_BETTER: shown[0], SECOND_BETTER: shown[1], TIE: "tie"}[int(value)]

    def codebook_remarks(self) -> Iterator[str]:
        """What A and B are."""
        yield (
            "A and B are the places on the page; the columns shown and chosen hold the systems there"
        )

    def simulated(
        self, scale: Scale, seen: Sequence[float], responses: Sequence[str], draws: random.Random
    ) -> int:
        """A tie where the difference is too small to be seen; else what is seen as better."""
        if abs(seen[0] - seen[1]) < _LEAST_SEEN:
            return TIE
        return FIRST_BETTER if seen[0] > seen[1] else SECOND_BETTER


class ReasonItem(TextItem):
    """The box for a reason beside a comparison. Protocols write ``reasons``, not this."""

    widget: ClassVar[str] = "reason"
    # There may be one for every question of a page.
    longest: ClassVar[int] = 300

    @classmethod
    def beside(cls, item: Item) -> ReasonItem:
        """The box of this item."""
        return cls(
            id=f"{item.id}.reason"[-64:],
            label=f"{item.label}, reason",
            text=item.label,
            kind="text",
            optional=True,
        )
