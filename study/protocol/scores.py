"""Scores of an instrument, and what contradicts its items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from study.protocol.block import Block, Identifier, Text
from study.protocol.yaml_tree import Location

if TYPE_CHECKING:
    from study.protocol.instruments import Instrument
    from study.protocol.schema import Protocol

# Kinds whose answers are numbers that can be added.
ADDED = ("likert", "semantic-differential", "slider")


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


def scored_items(instrument: Instrument, score: Score) -> tuple[str, ...]:
    """Items that a score adds, in the order of the questionnaire."""
    added = [item.id for item in instrument.items if item.kind in ADDED]
    return tuple(item for item in added if not score.items or item in score.items)


def score_contradictions(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    """Scores with the same name, over strange items or over none, and ranges the wrong way round."""
    seen: set[str] = set()
    for i, instrument in enumerate(protocol.instruments):
        kinds = {item.id: item.kind for item in instrument.items}
        for j, score in enumerate(instrument.scores):
            place = ("instruments", i, "scores", j)
            if score.id in seen:
                yield (*place, "id"), f"the score {score.id!r} is declared twice; names must differ"
            seen.add(score.id)
            for k, item in enumerate(score.items):
                if item not in kinds:
                    yield (
                        (*place, "items", k),
                        f"the instrument {instrument.id!r} has no item {item!r}; it has "
                        f"{', '.join(kinds)}",
                    )
                elif kinds[item] not in ADDED:
                    yield (
                        (*place, "items", k),
                        f"item {item!r} is of kind {kinds[item]}, which cannot be added; expected "
                        f"one of {', '.join(ADDED)}",
                    )
            if not score.items and not any(kind in ADDED for kind in kinds.values()):
                yield (*place, "items"), "no item of the instrument is answered with a number"
            if score.range is not None and score.range.low >= score.range.high:
                yield (
                    (*place, "range", "low"),
                    f"found {score.range.low:g}, expected less than high, which is "
                    f"{score.range.high:g}",
                )
