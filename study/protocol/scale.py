"""The scale of an instrument: its ordered points with their anchors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from study.protocol.block import Block, Identifier, ShownLabel


class ScalePoint(Block):
    """One point of a scale with its anchor."""

    value: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        description="What the data hold, for example 1."
    )
    label: ShownLabel = Field(
        default="",
        description="Anchor that the rater reads; a point between anchors may have none.",
    )


class Scale(Block):
    """Ordered points, lowest value first."""

    id: Identifier = Field(description="Name of the scale.")
    points: tuple[ScalePoint, ...] = Field(
        min_length=2, description="Lowest value first; values may skip numbers."
    )

    @property
    def values(self) -> tuple[int, ...]:
        """All values of the scale, used or not."""
        return tuple(point.value for point in self.points)


NO_SCALE = Scale(
    id="none", points=(ScalePoint(value=0, label="none"), ScalePoint(value=1, label="none"))
)
