"""Scores of an instrument."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.protocol.block import Block, Identifier, Text


class ScoreRange(Block):
    """What the lowest and the highest possible answers become."""

    low: float = Field(description="Score of the least favourable answers.")
    high: float = Field(description="Score of the most favourable answers.")


class Score(Block):
    """A number that is made from the answers to one response; reversed items are turned round."""

    id: Identifier = Field(description="Name of the score in the data.")
    label: Text = Field(description="Name of the score in the report.")
    combine: Literal["sum", "mean"] = Field(
        default="sum", description="Sum or mean of the items' answers."
    )
    items: tuple[Identifier, ...] = Field(
        default=(), description="Items of the instrument; all that are answered with a number."
    )
    range: ScoreRange | None = Field(
        default=None,
        description=(
            "Stretch the sum or mean linearly, so that the least favourable answers give low and the "
            "most favourable give high; none leaves it as it is."
        ),
    )
