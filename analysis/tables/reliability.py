"""Reliability of the items of a table, long or wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.chapters.reliability import table_reliability
from analysis.reliability.consistency import Consistency, ItemReliability
from analysis.reliability.polychoric import PolychoricCorrelations
from analysis.samples import different_samples
from analysis.tables.blocks import Listing, ResultBlock
from analysis.tables.rating_table import RatingTable, Roles
from analysis.tables.reading import cell_at, numeric_columns
from analysis.tables.scales import Scales
from analysis.tables.values_on_scale import check_values
from analysis.validation import FloatArray
from study.errors import AnalysisError

_REMEDY = (
    "Take the single persons' answers instead, leave the averaged item out by --raters, or give --averaged "
    "to leave out what needs categories."
)
AVERAGED_NOTE = (
    "Averaged answers: the ordinal omega and the polychoric correlations, which need categories, are left "
    "out. A mean of several answers is more reliable than one of them."
)


@dataclass(frozen=True, kw_only=True)
class ReliabilityBlock(ResultBlock):
    """Alpha and the omegas of a scale, with what each item does to it."""

    persons: int
    items: tuple[ItemReliability, ...]
    scale: Consistency | None
    reversed_items: tuple[str, ...]
    polychoric: PolychoricCorrelations | None

    def facts(self) -> dict[str, Any]:
        return {
            "persons": self.persons,
            "items": [asdict(item) for item in self.items],
            "scale": asdict(self.scale) if self.scale else None,
            "reversed_items": list(self.reversed_items),
            "polychoric": _plain(asdict(self.polychoric)) if self.polychoric else None,
        }

    def listings(self) -> Sequence[Listing]:
        names = ("item", "n", "mean", "sd", "r_rest", "r_corrected", "alpha without")
        rows = [
            (i.item, i.n, i.mean, i.sd, i.r_rest, i.r_corrected, _alpha_of(i.without))
            for i in self.items
        ]
        return [Listing("Items", names, rows)] if rows else []


def _alpha_of(rest: Consistency | None) -> float | None:
    return None if rest is None else rest.raw_alpha


def item_roles(roles: Roles) -> Roles:
    """Roles of a long table of a scale, whose columns become the items.

    The items are in ``by`` where it is given, and a row of the scale is then one rater's answers about
    one unit, whichever of the two are said. Otherwise they are in ``rater``.
    """
    if roles.by is None:
        return roles
    persons = ",".join(filter(None, (roles.unit, roles.rater)))
    return replace(roles, unit=persons or None, rater=roles.by, by=None)


def reliability_by(
    tables: Sequence[RatingTable],
    scales: Scales,
    *,
    averaged: bool = False,
    level: float = 0.95,
) -> list[ResultBlock]:
    """Reliability of the items in each table.

    Parameters
    ----------
    tables : sequence of RatingTable
        Persons in rows, items in columns.
    scales, averaged, level
        As in `analysis.tables.agreement.agreement_by`.

    Raises
    ------
    AnalysisError
        When a value is not on the scale, or lies between its points and ``averaged`` is not said.
    """
    blocks: list[ResultBlock] = []
    for table in tables:
        points = scales.of(table.name)
        check_values(table, points, averaged=averaged, remedy=_REMEDY)
        block = reliability_of(table.cells, None if averaged else points, level=level)
        blocks.append(
            replace(block, notes=(AVERAGED_NOTE, *(block.notes or ()))) if averaged else block
        )
    return blocks


def reliability_of(
    frame: pd.DataFrame, points: Sequence[float] | None, *, level: float = 0.95
) -> ReliabilityBlock:
    """Reliability of a scale: one row per person, one column per item; see `table_reliability`.

    Raises
    ------
    AnalysisError
        When there is a single column, or an answer is not one of the points.
    """
    if frame.shape[1] < 2:
        raise AnalysisError(
            f"The table has {frame.shape[1]} column, expected a column for each item (at least two)."
        )
    items = numeric_columns(frame, list(frame.columns))
    if points is not None:
        _on_scale(items.to_numpy(), frame, points)
    found = table_reliability(items, points, level=level)
    estimates = (found.scale.alpha, found.scale.alpha_standardised, *found.omegas)
    return ReliabilityBlock(
        "Reliability of the scale",
        estimates,
        (*different_samples(estimates), *_impossible(found.scale.items)),
        persons=len(items),
        items=found.scale.items,
        scale=found.scale.scale,
        reversed_items=found.scale.reversed_items,
        polychoric=found.correlations,
    )


def _impossible(items: Sequence[ItemReliability]) -> list[str]:
    gone = [item.item for item in items if item.r_rest is None]
    if not gone:
        return []
    return [
        f"No correlation of {', '.join(gone)} with the rest: the covariances, each from the people who "
        "answered both items, contradict each other."
    ]


def _on_scale(table: FloatArray, frame: pd.DataFrame, points: Sequence[float]) -> None:
    off = ~np.isnan(table) & ~np.isin(table, list(points))
    if off.any():
        row, column = (int(i) for i in np.argwhere(off)[0])
        raise AnalysisError(
            f"{cell_at(frame, row, frame.columns[column])}: found {table[row, column]:g}, expected one "
            f"of the points {', '.join(f'{p:g}' for p in points)}."
        )


def _plain(value: Any) -> Any:
    """Arrays as lists, nan as None."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and np.isnan(value):
        return None
    return value
