"""How often each point of the scale was given, per item and system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray
from analysis.description.frequencies import (
    About,
    FrequencyTable,
    frequency_table,
    frequency_tables,
)
from analysis.description.frequencies_by_rater import frequency_tables_by_rater

if TYPE_CHECKING:
    import pandas as pd

# Of the highest points whose share is given, where no plan says how many.
TOP_POINTS = 2


@dataclass(frozen=True)
class FrequencyChapter:
    """The answers to the items on points, of one sample of raters.

    Parameters
    ----------
    key, label : str
        Of the sample.
    tables : mapping of (item, system) to FrequencyTable
        By their places in the study; empty without an item on points.
    """

    key: str
    label: str
    tables: Mapping[tuple[int, int], FrequencyTable]

    @property
    def items(self) -> tuple[int, ...]:
        """Places of the items that were counted, in the study's order."""
        return tuple(sorted({i for i, _ in self.tables}))


def frequency_chapters(context: ReportContext) -> tuple[FrequencyChapter, ...]:
    """All raters together, then each group when there are several."""
    return tuple(
        FrequencyChapter(key, label, _tables(context, raters))
        for key, label, raters in context.samples
    )


def _tables(context: ReportContext, raters: BoolArray) -> dict[tuple[int, int], FrequencyTable]:
    counted = {}
    for i, item in enumerate(context.data.items):
        if item.kind != "points":
            continue
        for s, system in enumerate(context.data.systems):
            values, reasons = context.shaped.answers(i, s, raters)
            counted[i, s] = frequency_table(
                values,
                context.points(item),
                about=About(item.id, system.id),
                missing_reasons=reasons,
                top=top_points(context.points(item), context.data.plan.top_points),
                level=context.level,
            )
    return counted


def top_points(points: Sequence[float], wanted: int = TOP_POINTS) -> int:
    """How many of the highest points make up the top share: never all points of the scale."""
    return min(wanted, len(points) - 1)


def counted_answers(
    ratings: pd.DataFrame, points: Sequence[float], *, level: float
) -> tuple[FrequencyTable, ...]:
    """Frequency tables of answers that were collected elsewhere.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer: ``item``, ``system``, ``value``, and ``rater`` where raters repeat. Then the
        intervals take raters as clusters, else every answer as independent.
    points : sequence of float
        All points of the scale.
    level : float
    """
    count = frequency_tables_by_rater if "rater" in ratings else frequency_tables
    return count(ratings, points, top=top_points(points), level=level)
