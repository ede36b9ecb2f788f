"""Semantic differentials: a place on the instrument's scale between two words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from study.protocol.block import Block, ShownText
from study.protocol.items.on_scale import OnScale
from study.protocol.scale import Scale


class Poles(Block):
    """The two words between which a semantic differential asks for a place."""

    low: ShownText = Field(description="Word at the scale's lowest value.")
    high: ShownText = Field(description="Word at the scale's highest value.")


class SemanticDifferentialItem(OnScale):
    """A point of the instrument's scale, between two poles."""

    listed: ClassVar[int] = 2
    elsewhere: ClassVar = {**OnScale.elsewhere, "poles": " without poles"}

    kind: Literal["semantic-differential"] = Field(
        description="A point of the instrument's scale between two poles; held as its value."
    )
    poles: Poles | None = Field(default=None, description="Its two ends; needed.")

    def faults(self) -> Iterator[tuple[str, str]]:
        """It needs poles."""
        if self.poles is None:
            yield "poles", "needs two poles"
        yield from super().faults()

    def anchors(self, scale: Scale) -> dict[int, str]:
        """The poles at the ends, whatever the scale's own anchors are."""
        found = dict.fromkeys(scale.values, "")
        if self.poles is not None:
            found[scale.values[0]], found[scale.values[-1]] = self.poles.low, self.poles.high
        return found
