"""Two groups and frequencies from a table with a row per rating, or per kind of rating with its count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.contrasts.clustered_groups import cluster_difference
from analysis.tables.rating_table import RatingTable, names_in
from analysis.tables.ratings import ResultBlock, compare_of, frequencies_of, paired_of, two_groups
from analysis.tables.reading import described, numeric_columns
from analysis.tables.repeated_raters import counts_of_rows, refuse_repeated_raters
from analysis.tables.summary_rows import refuse_summary_rows
from analysis.tables.values_on_scale import check_values
from analysis.validation import columns_present
from study.errors import AnalysisError

_NO_MEANS = "A mean has no frequency: count the answers of the single raters."


def compare_by(
    frame: pd.DataFrame,
    value: str,
    by: str,
    *,
    rater: str | None = None,
    weight: str | None = None,
    rows_independent: bool = False,
    planned: str = "welch",
    level: float = 0.95,
) -> list[ResultBlock]:
    """Two groups of values, by rater where raters repeat.

    With ``rater`` there are two answers. The first takes every rating once and the raters as clusters
    (`analysis.contrasts.clustered_groups.cluster_difference`). The second takes the mean of each rater's
    ratings as one value and gives all tests and effect sizes of independent groups; where raters have
    ratings in both groups these are not independent, and it is left out with a note.

    Parameters
    ----------
    frame : DataFrame
    value, by : str
        Columns with the values and with the two groups.
    rater : str, optional
        Column with the rater.
    weight : str, optional
        Column with the number of ratings that a row stands for.
    rows_independent : bool
        Rows are units of their own, whatever their columns are called.
    planned, level
        As in `analysis.contrasts.two_groups.compare_groups`.

    Raises
    ------
    AnalysisError
        When there are not two groups, a count is none, or raters repeat and nothing was said of them.
    """
    _differ(value=value, by=by, rater=rater, weight=weight)
    numbers = numeric_columns(frame, [value])
    two_groups(frame, by)
    if not rows_independent:
        refuse_summary_rows(frame, numbers)
    _settle(frame, [value, by], by, rater, weight, rows_independent, within=False)
    rows, notes = _rows(frame, weight)
    if rater is None:
        blocks = compare_of(rows, value, by, planned=planned, level=level, unit="row")
    else:
        blocks = _compared_by_rater(rows, value, by, rater, planned, level)
    return _noted(blocks, notes)


def frequencies_by(
    frame: pd.DataFrame,
    value: str,
    points: Sequence[float],
    *,
    by: str | None = None,
    rater: str | None = None,
    weight: str | None = None,
    rows_independent: bool = False,
    level: float = 0.95,
) -> list[ResultBlock]:
    """Frequency tables, with intervals by rater where raters repeat.

    Parameters and errors as `compare_by`; ``points`` are all points of the scale. Counts and
    percentages are the same with and without ``rater``.
    """
    _differ(value=value, by=by, rater=rater, weight=weight)
    columns_present([*frame.columns], [value, *([by] if by else [])], described(frame))
    check_values(RatingTable("", frame, frame, (value,)), points, averaged=False, remedy=_NO_MEANS)
    _settle(frame, [value, *([by] if by else [])], by, rater, weight, rows_independent, within=True)
    rows, notes = _rows(frame, weight)
    raters = None if rater is None else names_in(rows, rater).tolist()
    return _noted(frequencies_of(rows, value, points, by=by, level=level, raters=raters), notes)


def paired_by(
    frame: pd.DataFrame,
    columns: tuple[str, str],
    *,
    rater: str | None = None,
    rows_independent: bool = False,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> list[ResultBlock]:
    """Two columns of the same raters, each rater once.

    With ``rater`` a rater's pair is the two means over the rows of that rater in which both columns
    have a value, so that both speak of the same rows.

    Parameters
    ----------
    frame : DataFrame
    columns : pair of str
        The first minus the second.
    rater, rows_independent
        As in `compare_by`.
    bounds, level, seed
        As in `analysis.tables.ratings.paired_of`.

    Raises
    ------
    AnalysisError
        When a column is missing, or raters repeat and nothing was said of them.
    """
    if columns[0] == columns[1] or rater in columns:
        raise AnalysisError(
            f"Found {', '.join(filter(None, (*columns, rater)))}: one column twice, expected two different "
            "ones and another one for the rater."
        )
    numbers = numeric_columns(frame, columns)
    if not rows_independent:
        refuse_summary_rows(frame, numbers)
    _settle(frame, columns, None, rater, None, rows_independent, within=False)
    if rater is None:
        return paired_of(frame, columns, bounds=bounds, level=level, seed=seed)
    raters = names_in(frame, rater).to_numpy()
    complete = numbers.where(numbers.notna().all(axis=1))
    means = complete.groupby(raters, sort=False).mean()
    blocks = paired_of(means, columns, bounds=bounds, level=level, seed=seed, unit="rater")
    used = int(numbers.notna().all(axis=1).sum())
    note = f"Each rater once, by the means of the rows with both values: {used} rows, {len(means)} raters."
    return _noted(blocks, [note])


def _differ(**named: str | None) -> None:
    """Refuse one column for two roles."""
    given = {role: column for role, column in named.items() if column is not None}
    for role, column in given.items():
        other = next((r for r, c in given.items() if c == column and r != role), None)
        if other is not None:
            raise AnalysisError(
                f"Column {column!r} is named by --{role} and by --{other}, expected different columns."
            )


def _settle(
    frame: pd.DataFrame,
    used: Sequence[str],
    by: str | None,
    rater: str | None,
    weight: str | None,
    rows_independent: bool,
    *,
    within: bool,
) -> None:
    if rater is None and not rows_independent:
        weights = [weight] if weight is not None else []
        refuse_repeated_raters(frame, [*used, *weights], by, within=within)


def _rows(frame: pd.DataFrame, weight: str | None) -> tuple[pd.DataFrame, list[str]]:
    """A row for each rating: each row as often as its count says."""
    if weight is None:
        return frame, []
    counts = counts_of_rows(frame, weight)
    rows = frame.iloc[np.repeat(np.arange(len(frame)), counts)]
    rows.attrs = dict(frame.attrs)
    return rows, [
        f"Each row counts as often as {weight} says: {len(rows)} ratings in {len(frame)} rows."
    ]


def _noted(blocks: list[ResultBlock], notes: list[str]) -> list[ResultBlock]:
    if not notes:
        return blocks
    return [
        replace(b, facts={**b.facts, "notes": [*notes, *b.facts.get("notes", [])]}) for b in blocks
    ]


def _compared_by_rater(
    rows: pd.DataFrame, value: str, by: str, rater: str, planned: str, level: float
) -> list[ResultBlock]:
    first, second = two_groups(rows, by)
    raters = names_in(rows, rater)
    grouped = rows[by].notna()
    numbers = numeric_columns(rows, [value])[value][grouped]
    raters, sides = raters[grouped], rows[by][grouped]
    difference = cluster_difference(
        numbers.to_numpy(), (sides == first).to_numpy(), raters.to_numpy(), level=level
    )
    details = difference.details
    facts: dict[str, Any] = {
        "first": first,
        "second": second,
        "unit_of_inference": f"the rater, {raters.nunique()} in column {rater!r}",
        "notes": [f"Rows without a value in {by}, left out: {int((~grouped).sum())}."]
        if not grouped.all()
        else [],
    }
    title = f"{value}: {first} minus {second}"
    both = int(details.get("clusters_in_both", 0))
    clustered = ResultBlock(f"{title}, every rating, raters as clusters", (difference,), facts)
    if both:
        facts["notes"].append(
            f"{both} of {raters.nunique()} raters have ratings in both groups, so the groups are not "
            "independent and no test of independent groups is given. `analyse paired` tests one column of "
            "each rater against another, `analyse mixed` models single ratings."
        )
        return [clustered]
    means = numbers.groupby(raters.to_numpy(), sort=False).mean()
    groups = sides.groupby(raters.to_numpy(), sort=False).first()
    one_each = pd.DataFrame({value: means, by: groups.astype(str)})
    blocks = compare_of(one_each, value, by, planned=planned, level=level, unit="rater")
    return [clustered, *(replace(b, title=f"{title}, the mean of each rater") for b in blocks)]
