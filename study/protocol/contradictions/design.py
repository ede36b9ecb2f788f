"""Contradictions between what a page shows, the systems, the items and the analysis plan."""

from __future__ import annotations

from collections.abc import Iterator

from study.protocol.items import KINDS
from study.protocol.schema import Protocol
from study.protocol.yaml_tree import Location

_MOST_RESPONSES = 6


def design_contradictions(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    """Too few or too many systems for a page, items that do not fit it, plans without a contrast."""
    shows, number = protocol.design.shows, len(protocol.systems)
    several = shows in ("pair", "all")
    if several and number < 2:
        yield ("systems",), f"found one system, expected at least two, because pages show {shows!r}"
    if shows == "all" and number > _MOST_RESPONSES:
        yield (
            ("design", "shows"),
            f"a page would show {number} responses, expected at most {_MOST_RESPONSES}; show pairs",
        )
    for i, instrument in enumerate(protocol.instruments):
        for j, item in enumerate(instrument.items):
            if shows not in item.pages:
                yield (
                    ("instruments", i, "items", j, "kind"),
                    f"item {item.id!r} is of kind {item.kind}, which needs design.shows: "
                    f"{' or '.join(item.pages)}; found {shows}",
                )
    comparing = [name for name, kind in KINDS.items() if kind.compares and shows in kind.pages]
    if several and all(item.kind not in comparing for item in protocol.items):
        yield (
            ("design", "shows"),
            f"pages show {shows!r}, but no item is of kind {' or '.join(comparing)}, so no answer would say "
            "which of the responses it is about; add such an item, or rate the responses one at a "
            "time with 'response'",
        )
    shown = {"pair": 2, "all": number}.get(shows, 1)
    for i, practice in enumerate(protocol.instructions.practice):
        if len(practice.responses) != shown:
            yield (
                ("instructions", "practice", i, "further"),
                f"the example has {len(practice.responses)} responses, expected {shown} as on every "
                "page of the study",
            )
    yield from _plan_without_totals(protocol, several)


def _plan_without_totals(protocol: Protocol, several: bool) -> Iterator[tuple[Location, str]]:
    """A primary contrast compares the raters' totals of two systems, each response rated alone."""
    plan, number = protocol.analysis, len(protocol.systems)
    totals = any(item.adds() for item in protocol.items)
    if plan.primary is None and not several and number > 1 and totals:
        yield (
            ("analysis", "primary"),
            f"there is none, but raters give {number} systems points that can be compared; name the "
            "two systems",
        )
    if plan.primary is not None and several:
        yield (
            ("analysis", "primary"),
            "it compares totals of responses that are rated one at a time; this study shows several "
            "at once, so leave it out",
        )
    if plan.primary is None:
        for field in ("equivalence", "exclusions"):
            if getattr(plan, field) is not None:
                yield (
                    ("analysis", field),
                    "it is about the primary contrast, which is missing; leave it out",
                )
