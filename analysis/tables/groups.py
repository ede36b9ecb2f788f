"""Two groups, or two columns of the same raters, from a table with a row per rating, rater or group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.chapters.contrast import paired_columns
from analysis.chapters.subgroups import compare_repeated
from analysis.contrasts.effect_sizes import Summary
from analysis.contrasts.two_groups import GroupComparison, compare_groups, compare_summaries
from analysis.results import Assumption
from analysis.tables.blocks import ResultBlock, estimates_in, noted, short
from analysis.tables.rating_table import names_in
from analysis.tables.reading import cell_at, described, numeric_columns
from analysis.tables.repeated_raters import Repeats, refuse_two_roles
from analysis.tables.summary_rows import refuse_summary_rows
from analysis.validation import columns_present, place_of
from study.entities import DEFAULT_TWO_GROUP_TEST, TwoGroupTest
from study.errors import AnalysisError


@dataclass(frozen=True, kw_only=True)
class PublishedBlock(ResultBlock):
    """Two groups by their published numbers; first minus second."""

    first: str
    second: str
    planned_test: str


@dataclass(frozen=True, kw_only=True)
class _WithGroups(ResultBlock):
    """A comparison with the numbers of its groups and the checks of its assumptions."""

    groups: tuple[Summary, Summary]
    assumptions: tuple[Assumption, ...]

    def facts(self) -> dict[str, Any]:
        """What is compared, its groups and its checks."""
        own = super().facts()
        del own["groups"], own["assumptions"]
        groups = [
            {"name": g.name, "n": g.n, "mean": g.mean, "sd": g.sd, "n_missing": g.n_missing}
            for g in self.groups
        ]
        return {**own, "groups": groups, "assumptions": [vars(a) for a in self.assumptions]}

    def lines(self) -> Sequence[str]:
        """The groups."""
        return [_group_line(group) for group in self.groups]

    def checks(self) -> Sequence[Assumption]:
        """Of normality and equal variances; they chose nothing."""
        return self.assumptions


@dataclass(frozen=True, kw_only=True)
class TwoGroupsBlock(_WithGroups):
    """Two independent groups of values; first minus second."""

    first: str
    second: str
    planned_test: str


@dataclass(frozen=True, kw_only=True)
class PairBlock(_WithGroups):
    """Two columns of the same raters; minuend minus subtrahend."""

    minuend: str
    subtrahend: str


@dataclass(frozen=True, kw_only=True)
class ClusteredBlock(ResultBlock):
    """Two groups of ratings with raters as clusters; first minus second."""

    first: str
    second: str
    unit_of_inference: str

    def lines(self) -> Sequence[str]:
        """What is independent."""
        return (f"Unit of inference: {self.unit_of_inference}",)


def _group_line(group: Summary) -> str:
    mean = "undefined (there is no value)" if group.n == 0 else short(group.mean)
    few = "a standard deviation needs two values"
    spread = f"undefined ({few})" if group.n < 2 else short(group.sd)
    return f"{group.name}: n = {group.n}, mean {mean}, SD {spread}"


def compare_by(
    frame: pd.DataFrame,
    value: str,
    by: str,
    *,
    repeats: Repeats,
    planned: TwoGroupTest = DEFAULT_TWO_GROUP_TEST,
    level: float = 0.95,
) -> list[ResultBlock]:
    """Two groups of values, by rater where raters repeat.

    With the rater there are two answers, see `analysis.chapters.subgroups.compare_repeated`: every rating
    once with the raters as clusters, and the mean of each rater's ratings as one value. Where raters have
    ratings in both groups the second is left out with a note.

    Parameters
    ----------
    frame : DataFrame
    value, by : str
        Columns with the values and with the two groups.
    repeats : Repeats
    planned, level
        As in `analysis.contrasts.two_groups.compare_groups`.

    Raises
    ------
    AnalysisError
        When there are not two groups, a count is none, or raters repeat and nothing was said of them.
    """
    refuse_two_roles(value=value, by=by, rater=repeats.rater, weight=repeats.weight)
    numbers = numeric_columns(frame, [value])
    _two_groups(frame, by)
    if not repeats.rows_independent:
        refuse_summary_rows(frame, numbers)
    repeats.settle(frame, [value, by], by, within=False)
    rows, notes = repeats.rows(frame)
    if repeats.rater is not None:
        return noted(_compared_by_rater(rows, value, by, repeats.rater, planned, level), notes)
    values, names = numeric_columns(rows, [value])[value], _two_groups(rows, by)
    first, second = (values[rows[by] == group].to_numpy() for group in names)
    result = compare_groups(first, second, names=names, planned=planned, level=level, unit="row")
    left_out = int(rows[by].isna().sum())
    said = (f"Rows without a value in {by}, left out: {left_out}.",) if left_out else None
    return noted([_compared(f"{value}: {names[0]} minus {names[1]}", result, said)], notes)


def _two_groups(frame: pd.DataFrame, by: str) -> tuple[str, str]:
    """The two groups that a column names, in the order of their names.

    Raises
    ------
    AnalysisError
        When there is no such column, or it does not name two groups.
    """
    columns_present(list(frame.columns), [by], described(frame))
    groups = sorted(frame[by].dropna().unique().tolist(), key=str)
    if len(groups) != 2:
        raise AnalysisError(
            f"Column {by!r} has {len(groups)} groups ({', '.join(map(str, groups[:6]))}), expected two. "
            "Filter the file, or use `analyse mixed` for several."
        )
    return groups[0], groups[1]


def _compared(
    title: str, result: GroupComparison, notes: tuple[str, ...] | None = None
) -> TwoGroupsBlock:
    return TwoGroupsBlock(
        title,
        estimates_in(result),
        notes,
        first=result.groups[0].name,
        second=result.groups[1].name,
        planned_test=result.planned,
        groups=result.groups,
        assumptions=result.assumptions,
    )


def _compared_by_rater(
    rows: pd.DataFrame, value: str, by: str, rater: str, planned: TwoGroupTest, level: float
) -> list[ResultBlock]:
    first, second = _two_groups(rows, by)
    grouped = rows[by].notna()
    raters = names_in(rows, rater)[grouped].to_numpy()
    values = numeric_columns(rows, [value])[value][grouped].to_numpy()
    in_first = (rows[by][grouped] == first).to_numpy()
    found = compare_repeated(
        values, in_first, raters, names=(str(first), str(second)), planned=planned, level=level
    )
    title = f"{value}: {first} minus {second}"
    left_out = int((~grouped).sum())
    notes = [f"Rows without a value in {by}, left out: {left_out}."] if left_out else []
    if found.n_in_both:
        notes.append(
            f"{found.n_in_both} of {found.n_raters} raters have ratings in both groups, so the groups are "
            "not independent and no test of independent groups is given. `analyse paired` tests one column "
            "of each rater against another, `analyse mixed` models single ratings."
        )
    clustered = ClusteredBlock(
        f"{title}, every rating, raters as clusters",
        (found.clustered,),
        tuple(notes),
        first=first,
        second=second,
        unit_of_inference=f"the rater, {found.n_raters} in column {rater!r}",
    )
    if found.by_means is None:
        return [clustered]
    return [clustered, _compared(f"{title}, the mean of each rater", found.by_means)]


def paired_by(
    frame: pd.DataFrame,
    columns: tuple[str, str],
    *,
    repeats: Repeats,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> list[ResultBlock]:
    """Two columns of the same raters, each rater once.

    With the rater a rater's pair is the two means over the rows of that rater in which both columns
    have a value, so that both speak of the same rows.

    Parameters
    ----------
    frame : DataFrame
    columns : pair of str
        The first minus the second.
    repeats : Repeats
    bounds : pair of float, optional
        Of equivalence, see `analysis.contrasts.paired.equivalence`.
    level : float
    seed : int
        Of the bootstrap.

    Raises
    ------
    AnalysisError
        When a column is missing, or raters repeat and nothing was said of them.
    """
    rater = repeats.rater
    if columns[0] == columns[1] or rater in columns:
        raise AnalysisError(
            f"Found {', '.join(filter(None, (*columns, rater)))}: one column twice, expected two different "
            "ones and another one for the rater."
        )
    numbers = numeric_columns(frame, columns)
    if not repeats.rows_independent:
        refuse_summary_rows(frame, numbers)
    repeats.settle(frame, columns, None, within=False)
    notes: tuple[str, ...] | None = None
    if rater is not None:
        complete = numbers.notna().all(axis=1)
        raters = names_in(frame, rater).to_numpy()
        numbers = numbers.where(complete).groupby(raters, sort=False).mean()
        notes = (
            f"Each rater once, by the means of the rows with both values: {int(complete.sum())} rows, "
            f"{len(numbers)} raters.",
        )
    minuend, subtrahend = (numbers[column].to_numpy() for column in columns)
    found = paired_columns(
        subtrahend,
        minuend,
        names=(columns[1], columns[0]),
        bounds=bounds,
        level=level,
        seed=seed,
        unit="row" if rater is None else "rater",
    )
    block = PairBlock(
        f"{columns[0]} minus {columns[1]}",
        (*estimates_in(found.contrast), *found.redrawn),
        notes,
        minuend=columns[0],
        subtrahend=columns[1],
        groups=found.contrast.groups,
        assumptions=found.contrast.assumptions,
    )
    return [block]


def groups_of(
    frame: pd.DataFrame, *, planned: TwoGroupTest = DEFAULT_TWO_GROUP_TEST, level: float = 0.95
) -> list[ResultBlock]:
    """Published n, mean and SD: columns group, n, mean, sd; other columns name the comparison.

    Raises
    ------
    AnalysisError
        When a comparison has not two groups with different names, or a cell does not hold what a
        paper prints: a whole n of 1 or more, a mean, and a standard deviation of 0 or more (which
        may be empty for n = 1).
    """
    needed = ["group", "n", "mean", "sd"]
    columns_present(list(frame.columns), needed, described(frame))
    numbers = numeric_columns(frame, needed[1:])
    keys = [c for c in ("table", "outcome", "item", "system", "measure") if c in frame.columns]
    grouped = frame.groupby(keys, sort=False, dropna=False) if keys else [((), frame)]
    blocks: list[ResultBlock] = []
    for key, rows in grouped:
        labels = key if isinstance(key, tuple) else (key,)
        title = ", ".join(f"{name} {label}" for name, label in zip(keys, labels, strict=True))
        if len(rows) != 2:
            raise AnalysisError(
                f"{title or 'The table'} has {len(rows)} groups, expected two rows for a comparison."
            )
        first, second = (
            _published(frame, at, numbers.iloc[at])
            for at in frame.index.get_indexer(rows.index).tolist()
        )
        if first.name == second.name:
            raise AnalysisError(
                f"{described(frame)}, {place_of(rows, 0)} and {place_of(rows, 1)}: both groups are called "
                f"{first.name!r}, expected two different names. Give one of them another name, or name "
                "the comparisons in a column such as outcome."
            )
        result = compare_summaries(first, second, planned=planned, level=level)
        blocks.append(
            PublishedBlock(
                f"{title}: {first.name} minus {second.name}".removeprefix(": "),
                estimates_in(result),
                first=first.name,
                second=second.name,
                planned_test=planned,
            )
        )
    return blocks


def _published(frame: pd.DataFrame, at: int, numbers: pd.Series) -> Summary:
    """One row of published numbers, once each of them is what a paper can print."""
    name = frame["group"].iloc[at]
    n, mean, sd = (float(numbers[column]) for column in ("n", "mean", "sd"))
    if pd.isna(name):
        raise AnalysisError(
            f"{cell_at(frame, at, 'group')}: the cell is empty, expected the name of the group."
        )
    if np.isnan(n) or not n.is_integer() or n < 1:
        raise AnalysisError(
            f"{cell_at(frame, at, 'n')}: found {_cell(n)}, expected a whole number of 1 or more. Give the "
            f"number of people in group {str(name)!r}."
        )
    if np.isnan(mean):
        raise AnalysisError(
            f"{cell_at(frame, at, 'mean')}: the cell is empty, expected the published mean."
        )
    if n > 1 and (np.isnan(sd) or sd < 0):
        raise AnalysisError(
            f"{cell_at(frame, at, 'sd')}: found {_cell(sd)}, expected a standard deviation of 0 or more. "
            f"Give the published one of group {str(name)!r}."
        )
    return Summary(str(name), int(n), mean, None if n == 1 else sd)


def _cell(value: float) -> str:
    return "an empty cell" if np.isnan(value) else f"{value:g}"
