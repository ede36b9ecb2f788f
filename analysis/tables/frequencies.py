"""Frequencies from a table with a row per rating, or per kind of rating with its count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.chapters.answers.frequencies import counted_answers
from analysis.description.frequencies import FrequencyTable
from analysis.tables.blocks import Listing, ResultBlock, noted
from analysis.tables.rating_table import RatingTable, names_in
from analysis.tables.reading import described, numeric_columns
from analysis.tables.repeated_raters import Repeats, refuse_two_roles
from analysis.tables.values_on_scale import check_values
from analysis.validation import columns_present

_NO_MEANS = "A mean has no frequency: count the answers of the single raters."


@dataclass(frozen=True, kw_only=True)
class FrequencyBlock(ResultBlock):
    """A frequency table."""

    table: FrequencyTable

    def facts(self) -> dict[str, Any]:
        """Counts, and a row for each point of the scale."""
        return {
            "n": self.table.n,
            "n_missing": self.table.n_missing,
            "missing_by_reason": dict(self.table.missing_by_reason),
            "frequencies": self._rows(),
        }

    def listings(self) -> Sequence[Listing]:
        """The table itself."""
        rows = self._rows()
        title = f"{self.title} (n = {self.table.n}, missing {self.table.n_missing})"
        names = [name.replace("_", " ") for name in rows[0]]
        return (Listing(title, names, [list(row.values()) for row in rows]),)

    def _rows(self) -> list[dict[str, float | None]]:
        return [
            {
                "point": row.point,
                "frequency": row.frequency,
                "percent": row.percent,
                "cumulative_percent": row.cumulative_percent,
                "ci_low": row.share.ci_low,
                "ci_high": row.share.ci_high,
            }
            for row in self.table.rows
        ]


def frequencies_by(
    frame: pd.DataFrame,
    value: str,
    points: Sequence[float],
    *,
    by: str | None = None,
    repeats: Repeats,
    level: float = 0.95,
) -> list[ResultBlock]:
    """Frequency tables, with intervals by rater where raters repeat.

    Counts and percentages are the same with and without the rater. Rows whose cell in ``by`` is empty
    make a table of their own, called missing.

    Parameters
    ----------
    frame : DataFrame
    value : str
        Column with the answers.
    points : sequence of float
        All points of the scale.
    by : str, optional
        Column whose values get a table each.
    repeats : Repeats
    level : float

    Raises
    ------
    AnalysisError
        When a column is missing, a value is none of the points, a count is none, or raters repeat and
        nothing was said of them.
    """
    refuse_two_roles(value=value, by=by, rater=repeats.rater, weight=repeats.weight)
    used = [value, *([by] if by else [])]
    columns_present([*frame.columns], used, described(frame))
    check_values(RatingTable("", frame, frame, (value,)), points, averaged=False, remedy=_NO_MEANS)
    repeats.settle(frame, used, by, within=True)
    rows, notes = repeats.rows(frame)
    systems = pd.Series("all", index=rows.index) if by is None else _groups_with_missing(rows[by])
    ratings = pd.DataFrame(
        {"item": value, "system": systems, "value": numeric_columns(rows, [value])[value]}
    )
    if repeats.rater is not None:
        ratings = ratings.assign(rater=names_in(rows, repeats.rater).tolist())
    blocks = [
        FrequencyBlock(
            f"{value}, {by} {table.system}" if by else value,
            (table.top_share, table.mean, table.median, table.sd),
            table=table,
        )
        for table in counted_answers(ratings, points, level=level)
    ]
    return noted(blocks, notes)


def _groups_with_missing(column: pd.Series) -> pd.Series:
    """The groups as text; the rows without one make a group that no other is called."""
    groups = column.astype(str)
    given = set(groups[column.notna()])
    name = "missing" if "missing" not in given else "missing (empty cells)"
    return groups.where(column.notna(), name)
