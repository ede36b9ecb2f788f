"""Orders of the responses on a page, held as text such as ``"B>A=C"``, best first.

A letter is a place on the page: A is the first response, B the second. ``=`` joins responses that
share a place, in the order of the letters, so that one order has one text only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.items.item import Item, Table
from study.protocol.scale import Scale

# Heights, about standard normal, within which a simulated rater sees no difference.
_LEAST_SEEN = 0.3


class RankingItem(Item):
    """The responses on the page in an order."""

    listed: ClassVar[int] = 8
    elsewhere: ClassVar = {"ties": "; ties can be allowed in rankings (a pair has them)"}
    pages: ClassVar[tuple[str, ...]] = ("all",)
    compares: ClassVar[bool] = True
    reads_responses: ClassVar[bool] = True
    is_text: ClassVar[bool] = True
    table: ClassVar[Table | None] = "ranking"
    widget: ClassVar[str] = "ranking"

    kind: Literal["ranking"] = Field(
        description=(
            "The responses on the page in an order; held as text such as B>A=C, best first."
        )
    )
    ties: bool = Field(default=False, description="Several responses may share a place.")

    def value_fault(self, value: int | str, scale: Scale, responses: Sequence[str]) -> str | None:
        """It takes an order in which each response has a place."""
        letters = [place_letter(place) for place in range(1, len(responses) + 1)]
        expected = f"expected each of {', '.join(letters)} once, best first, for example "
        expected += repr(">".join(reversed(letters)))
        if not isinstance(value, str):
            return f"{value!r} is no order for {self.label!r}; {expected}."
        steps = read_ranking(value)
        if sorted(letter for step in steps for letter in step) != letters:
            return f"{value!r} is no order for {self.label!r}; {expected}."
        if any(step != sorted(step) for step in steps):
            return f"{value!r} has responses on one place out of the order of their letters."
        if len(steps) < len(letters) and not self.ties:
            return f"{value!r} has two responses on one place, which {self.label!r} does not allow."
        return None

    def chosen(self, value: int | str, shown: Sequence[str]) -> str:
        """The same order in systems."""
        return ranking_of_systems(str(value), shown)

    def variables(self, systems: Sequence[str]) -> dict[str, str]:
        """One for each system: its mid-rank."""
        return {f"{self.id}.{system}": f"Rank of {system}: {self.text}" for system in systems}

    def numbers(self, value: int | str, shown: Sequence[str]) -> Mapping[str, float]:
        """The mid-rank of each system."""
        ranks = mid_ranks(self.chosen(value, shown))
        return {f"{self.id}.{system}": rank for system, rank in ranks.items()}

    def codebook_remarks(self) -> Iterator[str]:
        """How an order is held."""
        yield (
            "an order of the places on the page in the column text, best first, such as B>A=C; the "
            "columns shown and chosen hold the systems there"
        )

    def simulated(
        self, scale: Scale, seen: Sequence[float], responses: Sequence[str], draws: random.Random
    ) -> str:
        """Best first; where ties are allowed, those share a place between which no difference is seen."""
        heights = [round(height / _LEAST_SEEN) if self.ties else height for height in seen]
        return write_ranking({place_letter(i): -h for i, h in enumerate(heights, start=1)})


def place_letter(place: int) -> str:
    """The letter of a place on the page, counted from 1."""
    return chr(ord("A") + place - 1)


def write_ranking(ranks: Mapping[str, float]) -> str:
    """The text of an order, from each letter's rank (1 is best; equal ranks share a place)."""
    steps = sorted(set(ranks.values()))
    return ">".join("=".join(sorted(k for k in ranks if ranks[k] == step)) for step in steps)


def read_ranking(text: str) -> list[list[str]]:
    """The letters of each place, best first."""
    return [step.split("=") for step in text.split(">")]


def ranking_of_systems(text: str, systems: Sequence[str]) -> str:
    """The same order in systems, which are given by place."""
    steps = [[systems[ord(letter) - ord("A")] for letter in step] for step in read_ranking(text)]
    return ">".join("=".join(step) for step in steps)


def mid_ranks(text: str) -> dict[str, float]:
    """Letter (or system) -> its rank; 1 is best, those on one place share the mean of their ranks."""
    ranks: dict[str, float] = {}
    for step in read_ranking(text):
        ranks |= dict.fromkeys(step, len(ranks) + (len(step) + 1) / 2)
    return ranks
