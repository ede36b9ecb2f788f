"""Sliders: any whole number from one end of the instrument's scale to the other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.items.item import Item, Table
from study.protocol.items.on_scale import point_at
from study.protocol.scale import Scale


class SliderItem(Item):
    """A whole number from the scale's first to its last value, with no answer until it is touched."""

    listed: ClassVar[int] = 3
    table: ClassVar[Table | None] = "numeric"
    widget: ClassVar[str] = "slider"

    kind: Literal["slider"] = Field(
        description="A whole number from the scale's first to its last value; held as that number."
    )

    def anchors(self, scale: Scale) -> dict[int, str]:
        """The two ends; most values between them have no anchor."""
        return {end.value: end.label for end in (scale.points[0], scale.points[-1])}

    def value_fault(self, value: int | str, scale: Scale, responses: Sequence[str]) -> str | None:
        """It takes whole numbers between the ends."""
        low, high = scale.values[0], scale.values[-1]
        # True is equal to 1 and would pass for it.
        if isinstance(value, int) and value is not True and low <= value <= high:
            return None
        return f"{value!r} is not a place on {self.label!r}; expected {low} to {high}."

    def codebook_remarks(self) -> Iterator[str]:
        """The labels are those of the ends."""
        yield "any whole number between them"

    def simulated(
        self, scale: Scale, seen: Sequence[float], responses: Sequence[str], draws: random.Random
    ) -> int:
        """The place at the height of the latent variable."""
        return point_at(range(scale.values[0], scale.values[-1] + 1), seen[0])
