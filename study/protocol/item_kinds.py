"""Kinds of items: which answers each of them takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from study.entities import MissingReason
from study.protocol.block import Option
from study.protocol.instruments import NO_SCALE, Item, ReasonItem, Scale
from study.protocol.rankings import ranking_fault
from study.protocol.schema import Protocol
from study.protocol.spans import spans_fault
from study.protocol.yaml_tree import Location

Answer = int | str | MissingReason

YES_NO_UNSURE = (
    Option(value=1, label="Yes"),
    Option(value=0, label="No"),
    Option(value=2, label="Not sure"),
)
# A draft is kept in the page's address, and servers take addresses up to about 16,000 bytes.
LONGEST_TEXT = 1000
# There may be one for every question of a page.
LONGEST_REASON = 300

FIRST_BETTER, SECOND_BETTER, TIE = 1, 2, 0
PAIRWISE = (
    Option(value=FIRST_BETTER, label="A"),
    Option(value=TIE, label="tie"),
    Option(value=SECOND_BETTER, label="B"),
)


def chosen_system(value: int, systems: Sequence[str]) -> str:
    """The better of two systems, which are given by place, or ``"tie"``."""
    return {FIRST_BETTER: systems[0], SECOND_BETTER: systems[1], TIE: "tie"}[value]


def is_text(item: Item) -> bool:
    """Whether the answer is held as text and not as a number."""
    return item.kind in ("text", "ranking", "spans")


def longest_text(item: Item) -> int:
    """Number of characters that a free text may have."""
    return LONGEST_REASON if isinstance(item, ReasonItem) else LONGEST_TEXT


def on_scale(item: Item) -> bool:
    """Whether the item is answered on the ordered points of its instrument's scale."""
    return item.kind in ("likert", "semantic-differential")


def rated_points(protocol: Protocol) -> list[int]:
    """Number of points of every scale on which an item is answered."""
    return [
        len(instrument.scale.points)
        for instrument in protocol.instruments
        if any(on_scale(item) for item in instrument.items)
    ]


def anchors(item: Item, scale: Scale) -> dict[int, str]:
    """Value -> what it means; for a slider its two ends, for what is held as text nothing.

    Points without an anchor have an empty text.
    """
    if is_text(item):
        return {}
    if item.kind == "pairwise":
        return {option.value: option.label for option in PAIRWISE}
    if item.kind == "choice":
        return {option.value: option.label for option in item.options}
    if item.kind == "yes-no-unsure":
        return {option.value: option.label for option in YES_NO_UNSURE}
    found = {point.value: point.label for point in scale.points}
    if item.kind == "semantic-differential" and item.poles is not None:
        found = dict.fromkeys(found, "")
        found[scale.values[0]], found[scale.values[-1]] = item.poles.low, item.poles.high
    if item.kind == "slider":
        found = {value: found[value] for value in (scale.values[0], scale.values[-1])}
    return found


def answer_fault(
    item: Item, scale: Scale, answer: Answer, responses: Sequence[str] = ("",)
) -> str | None:
    """What is wrong with an answer to an item; None when it fits.

    ``responses`` are the texts on the page, by place: a ranking orders them, spans lie within them.
    """
    if isinstance(answer, MissingReason):
        # Other reasons are not offered on a page for every item, but a coordinator may have them.
        refused = answer is MissingReason.NOT_APPLICABLE and not item.may_be_not_applicable
        what = f"{item.label!r} does not take 'not applicable'; the protocol does not offer it."
        return what if refused else None
    if item.kind == "ranking":
        return ranking_fault(item, responses, answer)
    if item.kind == "spans":
        return spans_fault(item, responses, answer)
    if item.kind == "text":
        longest = longest_text(item)
        if isinstance(answer, str) and answer.strip() and len(answer) <= longest:
            return None
        found = f"{len(answer)} characters" if isinstance(answer, str) else repr(answer)
        return f"{found} is no text for {item.label!r}; expected 1 to {longest} characters."
    if item.kind == "slider":
        low, high = scale.values[0], scale.values[-1]
        # True is equal to 1 and would pass for it.
        if isinstance(answer, int) and answer is not True and low <= answer <= high:
            return None
        return f"{answer!r} is not a place on {item.label!r}; expected {low} to {high}."
    points = anchors(item, scale)
    if isinstance(answer, int) and answer is not True and answer in points:
        return None
    return (
        f"{answer!r} is not a point of the scale of {item.label!r}; expected one of "
        f"{', '.join(map(str, points))}."
    )


def item_contradictions(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    """Fields that an item's kind needs and lacks, or has and cannot use."""
    for i, instrument in enumerate(protocol.instruments):
        for j, item in enumerate(instrument.items):
            place = ("instruments", i, "items", j)
            for field, what in _item_faults(item):
                yield (*place, field), f"item {item.id!r} {what}"
            if instrument.scale == NO_SCALE and (on_scale(item) or item.kind == "slider"):
                yield (
                    ("instruments", i, "scale"),
                    f"item {item.id!r} is of kind {item.kind} and needs a scale",
                )
        yield from _unlabelled(("instruments", i, "scale", "points"), instrument.scale)


def _item_faults(item: Item) -> Iterator[tuple[str, str]]:
    if (item.kind == "semantic-differential") != (item.poles is not None):
        has = "needs two poles" if item.poles is None else f"is of kind {item.kind} without poles"
        yield "poles", has
    if item.kind == "choice" and len(item.options) < 2:
        yield "options", "is a choice and needs at least two options"
    if item.kind != "choice" and item.options:
        yield "options", f"is of kind {item.kind} and takes no options"
    values = [option.value for option in item.options]
    if len(set(values)) < len(values):
        yield "options", f"has the values {values}; values must differ"
    if item.reversed and not on_scale(item):
        yield "reversed", f"is of kind {item.kind}; only items on a scale can be reversed"
    if item.may_be_not_applicable and is_text(item):
        yield "may_be_not_applicable", f"is of kind {item.kind}; let it be optional instead"
    if item.kind == "spans" and not item.labels:
        yield "labels", "marks spans and needs at least one label"
    if item.kind != "spans" and item.labels:
        yield "labels", f"is of kind {item.kind} and takes no labels"
    names = [label.id for label in item.labels]
    if len(set(names)) < len(names):
        yield "labels", f"has the labels {', '.join(names)}; their ids must differ"
    if item.reasons and item.kind != "pairwise":
        yield "reasons", f"is of kind {item.kind}; reasons go with pairwise items"
    if item.ties and item.kind != "ranking":
        yield "ties", f"is of kind {item.kind}; ties can be allowed in rankings (a pair has them)"


def _unlabelled(where: Location, scale: Scale) -> Iterator[tuple[Location, str]]:
    for end in (0, len(scale.points) - 1):
        if not scale.points[end].label:
            yield (
                (*where, end),
                f"the end {scale.points[end].value} has no label; give it an anchor",
            )
