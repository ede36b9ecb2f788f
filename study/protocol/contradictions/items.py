"""Contradictions between an item's fields, its kind and its instrument's scale."""

from __future__ import annotations

from collections.abc import Iterator

from study.protocol.scale import NO_SCALE, Scale
from study.protocol.schema import Protocol
from study.protocol.yaml_tree import Location


def item_contradictions(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    """Fields that an item's kind needs and lacks, or has and cannot use."""
    for i, instrument in enumerate(protocol.instruments):
        for j, item in enumerate(instrument.items):
            place = ("instruments", i, "items", j)
            for field, what in item.faults():
                yield (*place, field), f"item {item.id!r} {what}"
            if instrument.scale == NO_SCALE and item.adds():
                yield (
                    ("instruments", i, "scale"),
                    f"item {item.id!r} is of kind {item.kind} and needs a scale",
                )
        yield from _unlabelled(("instruments", i, "scale", "points"), instrument.scale)


def _unlabelled(where: Location, scale: Scale) -> Iterator[tuple[Location, str]]:
    for end in (0, len(scale.points) - 1):
        if not scale.points[end].label:
            yield (
                (*where, end),
                f"the end {scale.points[end].value} has no label; give it an anchor",
            )
