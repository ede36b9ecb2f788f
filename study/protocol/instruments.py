"""The instrument block of a protocol: a questionnaire, its scale and its items."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from study.protocol.block import Block, Identifier, Option, ShownLabel, ShownText, Text
from study.protocol.scores import ADDED, Score


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


class Poles(Block):
    """The two words between which a semantic differential asks for a place."""

    low: ShownText = Field(description="Word at the scale's lowest value.")
    high: ShownText = Field(description="Word at the scale's highest value.")


class SpanLabel(Block):
    """One label with which parts of a response are marked."""

    id: Identifier = Field(description="What the data hold, for example harmful-advice.")
    label: ShownText = Field(description="What the rater reads.")


class Item(Block):
    """One statement or question."""

    id: Identifier = Field(description="Name of the item in the data; once in the study.")
    label: Text = Field(description="Short name for tables and figures.")
    text: ShownText = Field(description="What the rater reads.")
    measures: str = Field(default="", description="What the item is meant to measure.")
    kind: Literal[
        "likert",
        "semantic-differential",
        "slider",
        "yes-no-unsure",
        "choice",
        "text",
        "pairwise",
        "ranking",
        "spans",
    ] = Field(
        default="likert",
        description=(
            "likert: a point of the instrument's scale; semantic-differential: the same between two "
            "poles; slider: a whole number from the scale's first to its last value, with no answer "
            "until it is touched; yes-no-unsure: held as 1, 0 and 2; choice: one of the options; "
            "text: free text; pairwise: which of the two responses on the page, held as 1 for A, 2 "
            "for B and 0 for a tie; ranking: the responses on the page in an order, held as text "
            "such as B>A=C, best first; spans: sentences of the response marked with labels, held as "
            "a JSON list of start, end (characters, from 0) and label."
        ),
    )
    poles: Poles | None = Field(default=None, description="semantic-differential: its two ends.")
    options: tuple[Option, ...] = Field(
        default=(), description="choice: the answers, at least two, in the order on the page."
    )
    labels: tuple[SpanLabel, ...] = Field(
        default=(), description="spans: the labels, at least one. One sentence may have several."
    )
    reasons: bool = Field(
        default=False,
        description=(
            "pairwise: a box for a reason beside the question, which may be left open. Its answer is "
            "an item of its own in the data, named like this one with .reason at the end."
        ),
    )
    ties: bool = Field(default=False, description="ranking: several responses may share a place.")
    reversed: bool = Field(
        default=False,
        description=(
            "A high answer is unfavourable. Data and exports hold the answer as given; the report "
            "turns it round and says so."
        ),
    )
    may_be_not_applicable: bool = Field(
        default=False, description="Offer 'not applicable', which is held as a missing reason."
    )
    optional: bool = Field(
        default=False, description="May be left open; then the missing reason is 'skipped'."
    )


class ReasonItem(Item):
    """The box for a reason beside a pairwise question. Protocols write ``reasons``, not this."""

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


NO_SCALE = Scale(
    id="none", points=(ScalePoint(value=0, label="none"), ScalePoint(value=1, label="none"))
)


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
    items: tuple[Item, ...] = Field(min_length=1, description="In the order of the questionnaire.")
    scores: tuple[Score, ...] = Field(
        default=(), description="Scores that the report gives, such as SUS from 0 to 100."
    )

    @property
    def asked(self) -> tuple[Item, ...]:
        """The items with the boxes for reasons, in the order of the questionnaire."""
        found: list[Item] = []
        for item in self.items:
            found += [item, ReasonItem.beside(item)] if item.reasons else [item]
        return tuple(found)


def scored_items(instrument: Instrument, score: Score) -> tuple[str, ...]:
    """Items that a score adds, in the order of the questionnaire."""
    added = [item.id for item in instrument.items if item.kind in ADDED]
    return tuple(item for item in added if not score.items or item in score.items)
