"""The items and scores of a protocol as the report needs them."""

from __future__ import annotations

import pandas as pd

from study.entities import Named
from study.protocol import Item, Scale
from study.protocol.instruments import scored_items
from study.protocol.items.item import Table
from study.protocol.schema import Protocol
from study.report_view.data import ReportItem, ReportScore


def numeric_items(protocol: Protocol) -> tuple[ReportItem, ...]:
    """Items on points and sliders, in the order of the questionnaire.

    On a page with several responses such an answer is about none of them alone, so it has no place
    in totals and tables by system.
    """
    return () if _several(protocol) else _items(protocol, "points", "numeric")


def nominal_items(protocol: Protocol) -> tuple[ReportItem, ...]:
    """Items with options that have no order; none on a page with several responses, either."""
    return () if _several(protocol) else _items(protocol, "nominal")


def comparing_items(protocol: Protocol) -> tuple[ReportItem, ...]:
    """Items that compare responses, order them, or mark parts of one."""
    return _items(protocol, "pairwise", "ranking", "spans")


def _several(protocol: Protocol) -> bool:
    return protocol.design.shows in ("pair", "all")


def _items(protocol: Protocol, *tables: Table) -> tuple[ReportItem, ...]:
    """The items whose answers stand in these tables."""
    return tuple(
        ReportItem(
            item.id,
            f"{item.label} (reversed)" if item.high_is_unfavourable else item.label,
            item.text,
            instrument.title,
            _points(item, instrument.scale),
            table,
            tuple(Named(mark, label) for mark, label in item.marks.items()),
        )
        for instrument in protocol.instruments
        for item in instrument.items
        for table in tables
        if item.table == table
    )


def left_out(protocol: Protocol) -> tuple[str, ...]:
    """Labels of the items whose answers stand in no table of the report."""
    counted = (numeric_items(protocol), nominal_items(protocol), comparing_items(protocol))
    known = {item.id for items in counted for item in items}
    return tuple(item.label for item in protocol.items if item.id not in known)


def report_scores(protocol: Protocol) -> tuple[ReportScore, ...]:
    """Scores of all instruments."""
    return tuple(
        ReportScore(
            score.id,
            score.label,
            instrument.title,
            scored_items(instrument, score),
            score.combine,
            None if score.range is None else (score.range.low, score.range.high),
        )
        for instrument in protocol.instruments
        for score in instrument.scores
    )


def _points(item: Item, scale: Scale) -> tuple[tuple[int, str], ...]:
    """All points with their anchors, of a reversed item in reverse; none of a comparison's places."""
    if item.compares:
        return ()
    labels = item.anchors(scale)
    texts = list(labels.values())
    return tuple(zip(labels, reversed(texts) if item.high_is_unfavourable else texts, strict=True))


def turn_round(protocol: Protocol, rows: pd.DataFrame) -> None:
    """Have the favourable answer high in every item, so that totals mean something."""
    for item in protocol.items:
        if item.high_is_unfavourable:
            values = protocol.scale_of(item.id).values
            mirror = dict(zip(values, reversed(values), strict=True))
            chosen = rows["item"] == item.id
            rows.loc[chosen, "value"] = rows.loc[chosen, "value"].map(mirror)
