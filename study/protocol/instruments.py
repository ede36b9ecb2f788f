"""The instrument block of a protocol: a questionnaire, its items and scores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.protocol.block import Block, Identifier, Text
from study.protocol.items import AnyItem, Item
from study.protocol.scale import NO_SCALE, Scale
from study.protocol.scores import Score


class Instrument(Block):
    """A questionnaire that is answered for every response."""

    id: Identifier = Field(description="Name of the instrument.")
    title: Text = Field(description="Full name, for the report.")
    licence: Text = Field(description="Under which terms this wording may be used.")
    source: Text = Field(description="Where the instrument comes from.")
    wording: Literal["verbatim", "reconstructed", "own"] = Field(
        description="verbatim: as published; reconstructed: from descriptions; own: written afresh."
    )
    scale: Scale = Field(
        default=NO_SCALE,
        description=(
            "The points of its likert items; for sliders, the two ends with their anchors. Other "
            "kinds of items need none."
        ),
    )
    order: Literal["fixed", "random"] = Field(
        default="fixed",
        description=(
            "random: another order of its items for every rater and response, drawn with study.key "
            "and recorded with each answer."
        ),
    )
    items: tuple[AnyItem, ...] = Field(
        min_length=1, description="In the order of the questionnaire."
    )
    scores: tuple[Score, ...] = Field(
        default=(), description="Scores that the report gives, such as SUS from 0 to 100."
    )

    @property
    def asked(self) -> tuple[Item, ...]:
        """The items with the boxes for reasons, in the order of the questionnaire."""
        return tuple(asked for item in self.items for asked in item.asked)


def scored_items(instrument: Instrument, score: Score) -> tuple[str, ...]:
    """Items that a score adds, in the order of the questionnaire."""
    added = [item.id for item in instrument.items if item.adds()]
    return tuple(item for item in added if not score.items or item in score.items)
