"""What is answered on the ordered points of the instrument's scale."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from study.protocol.items.item import Item, Table
from study.protocol.scale import Scale


class OnScale(Item):
    """An item that is answered with a point of its instrument's scale."""

    table: ClassVar[Table | None] = "points"
    elsewhere: ClassVar = {"reversed": "; only items on a scale can be reversed"}

    reversed: bool = Field(
        default=False,
        description=(
            "A high answer is unfavourable. Data and exports hold the answer as given; the report "
            "turns it round and says so."
        ),
    )

    @property
    def high_is_unfavourable(self) -> bool:
        """As the protocol says."""
        return self.reversed

    def anchors(self, scale: Scale) -> dict[int, str]:
        """Every point of the scale."""
        return {point.value: point.label for point in scale.points}

    def simulated(
        self, scale: Scale, seen: Sequence[float], responses: Sequence[str], draws: random.Random
    ) -> int:
        """The point at the height of the latent variable."""
        return point_at(scale.values, -seen[0] if self.reversed else seen[0])


def point_at(points: Sequence[int], height: float) -> int:
    """The point of a scale at a height that is about standard normal; 0 is its middle."""
    index = round((len(points) - 1) / 2 + height * len(points) / 5)
    return points[min(max(index, 0), len(points) - 1)]
