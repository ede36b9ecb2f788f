"""Contradictions between an instrument's scores and its items."""

from __future__ import annotations

from collections.abc import Iterator

from study.protocol.items import KINDS
from study.protocol.schema import Protocol
from study.protocol.yaml_tree import Location


def score_contradictions(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    """Scores with the same name, over strange items or over none, and ranges the wrong way round."""
    seen: set[str] = set()
    for i, instrument in enumerate(protocol.instruments):
        items = {item.id: item for item in instrument.items}
        for j, score in enumerate(instrument.scores):
            place = ("instruments", i, "scores", j)
            if score.id in seen:
                yield (*place, "id"), f"the score {score.id!r} is declared twice; names must differ"
            seen.add(score.id)
            for k, item in enumerate(score.items):
                if item not in items:
                    yield (
                        (*place, "items", k),
                        f"the instrument {instrument.id!r} has no item {item!r}; it has "
                        f"{', '.join(items)}",
                    )
                elif not items[item].adds():
                    yield (
                        (*place, "items", k),
                        f"item {item!r} is of kind {items[item].kind}, which cannot be added; expected "
                        f"one of {', '.join(name for name, kind in KINDS.items() if kind.adds())}",
                    )
            if not score.items and not any(item.adds() for item in items.values()):
                yield (*place, "items"), "no item of the instrument is answered with a number"
            if score.range is not None and score.range.low >= score.range.high:
                yield (
                    (*place, "range", "low"),
                    f"found {score.range.low:g}, expected less than high, which is "
                    f"{score.range.high:g}",
                )
