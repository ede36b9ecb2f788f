"""The statistics for data collected elsewhere: what each kind of analysis gives for one table.

Every function takes a data frame and returns one or more named blocks of results, which the command
``evenhand analyse`` prints as tables or as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.contrasts.effect_sizes import Summary
from analysis.results import Assumption, Estimate
from analysis.tables.reading import cell_at, described, numeric_columns
from analysis.validation import columns_present, place_of
from study.errors import AnalysisError


@dataclass(frozen=True)
class ResultBlock:
    """Results that belong together, with what they are about.

    Parameters
    ----------
    title : str
        For example ``"26 a, 10 b: y"``.
    estimates : tuple of Estimate
    facts : mapping of str to plain values
        What is not an estimate: the rows of a frequency table, numbers of units.
    """

    title: str
    estimates: tuple[Estimate, ...]
    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form with full precision."""
        return {
            "title": self.title,
            **self.facts,
            "results": [estimate.to_dict() for estimate in self.estimates],
        }


def under(name: str, block: ResultBlock) -> ResultBlock:
    """The block as one of several, of the table with that name; itself where there is no name."""
    if not name:
        return block
    return replace(block, title=f"{name}: {block.title}", facts={"by": name, **block.facts})


def compare_of(
    frame: pd.DataFrame,
    value: str,
    by: str,
    *,
    planned: str = "welch",
    level: float = 0.95,
    unit: str = "row",
) -> list[ResultBlock]:
    """Two independent groups of values; first minus second in the order of the groups' names."""
    from analysis.contrasts.two_groups import compare_groups

    numbers = numeric_columns(frame, [value])[value]
    names = two_groups(frame, by)
    first, second = (numbers[frame[by] == group].to_numpy() for group in names)
    result = compare_groups(first, second, names=names, planned=planned, level=level, unit=unit)
    facts = {"first": names[0], "second": names[1], "planned_test": planned, **_summaries(result)}
    left_out = int(frame[by].isna().sum())
    if left_out:
        facts["notes"] = [f"Rows without a value in {by}, left out: {left_out}."]
    return [ResultBlock(f"{value}: {names[0]} minus {names[1]}", estimates_in(result), facts)]


def two_groups(frame: pd.DataFrame, by: str) -> tuple[str, str]:
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


def paired_of(
    frame: pd.DataFrame,
    columns: tuple[str, str],
    *,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
    unit: str = "row",
) -> list[ResultBlock]:
    """Two columns of the same raters; the first column minus the second."""
    from analysis.contrasts.paired import INTERVALS, bootstrap_differences, paired_contrast

    numbers = numeric_columns(frame, columns)
    minuend, subtrahend = (numbers[column].to_numpy() for column in columns)
    names = (columns[1], columns[0])
    result = paired_contrast(
        subtrahend, minuend, names=names, bounds=bounds, level=level, unit=unit
    )
    drawn = bootstrap_differences(subtrahend, minuend, level=level, seed=seed, unit="row")
    intervals = tuple(
        _renamed(found, f"mean_difference_bootstrap_{method}")
        for found, method in zip(drawn, INTERVALS, strict=True)
    )
    facts = {"minuend": columns[0], "subtrahend": columns[1], **_summaries(result)}
    title = f"{columns[0]} minus {columns[1]}"
    return [ResultBlock(title, estimates_in(result) + intervals, facts)]


def groups_of(
    frame: pd.DataFrame, *, planned: str = "welch", level: float = 0.95
) -> list[ResultBlock]:
    """Published n, mean and SD: columns group, n, mean, sd; other columns name the comparison.

    Raises
    ------
    AnalysisError
        When a comparison has not two groups with different names, or a cell does not hold what a
        paper prints: a whole n of 1 or more, a mean, and a standard deviation of 0 or more (which
        may be empty for n = 1).
    """
    from analysis.contrasts.two_groups import compare_summaries

    needed = ["group", "n", "mean", "sd"]
    columns_present(list(frame.columns), needed, described(frame))
    numbers = numeric_columns(frame, needed[1:])
    keys = [c for c in ("table", "outcome", "item", "system", "measure") if c in frame.columns]
    grouped = frame.groupby(keys, sort=False, dropna=False) if keys else [((), frame)]
    blocks = []
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
        facts = {"first": first.name, "second": second.name, "planned_test": planned}
        blocks.append(
            ResultBlock(
                f"{title}: {first.name} minus {second.name}".removeprefix(": "),
                estimates_in(result),
                facts,
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


def frequencies_of(
    frame: pd.DataFrame,
    value: str,
    points: Sequence[float],
    *,
    by: str | None = None,
    level: float = 0.95,
    raters: Sequence[str] | None = None,
) -> list[ResultBlock]:
    """A frequency table of a column, for each value of another column if wanted.

    Rows whose cell in that column is empty make a table of their own, called missing. With the
    rater of each row the intervals are by rater.
    """
    from analysis.description.frequencies import frequency_tables
    from analysis.description.frequencies_by_rater import frequency_tables_by_rater

    numbers = numeric_columns(frame, [value])[value]
    if by is not None:
        columns_present(list(frame.columns), [by], described(frame))
    systems = pd.Series("all", index=frame.index) if by is None else _groups_with_missing(frame[by])
    ratings = pd.DataFrame({"item": value, "system": systems, "value": numbers})
    top = min(2, len(points) - 1)
    if raters is None:
        tables = frequency_tables(ratings, points, top=top, level=level)
    else:
        ratings = ratings.assign(rater=raters)
        tables = frequency_tables_by_rater(ratings, points, top=top, level=level)
    return [
        ResultBlock(
            f"{value}, {by} {table.system}" if by else value,
            (table.top_share, table.mean, table.median, table.sd),
            {
                "n": table.n,
                "n_missing": table.n_missing,
                "missing_by_reason": dict(table.missing_by_reason),
                "frequencies": [
                    {
                        "point": row.point,
                        "frequency": row.frequency,
                        "percent": row.percent,
                        "cumulative_percent": row.cumulative_percent,
                        "ci_low": row.share.ci_low,
                        "ci_high": row.share.ci_high,
                    }
                    for row in table.rows
                ],
            },
        )
        for table in tables
    ]


def _groups_with_missing(column: pd.Series) -> pd.Series:
    """The groups as text; the rows without one make a group that no other is called."""
    groups = column.astype(str)
    given = set(groups[column.notna()])
    name = "missing" if "missing" not in given else "missing (empty cells)"
    return groups.where(column.notna(), name)


def _summaries(result: Any) -> dict[str, Any]:
    return {
        "groups": [
            {"name": g.name, "n": g.n, "mean": g.mean, "sd": g.sd, "n_missing": g.n_missing}
            for g in result.groups
        ],
        "assumptions": [
            vars(a) for a in getattr(result, "assumptions", ()) if isinstance(a, Assumption)
        ],
    }


def estimates_in(result: Any) -> tuple[Estimate, ...]:
    """All estimates that are fields of a frozen result, in the order of its fields."""
    if not is_dataclass(result):
        raise TypeError(f"expected a result, found {type(result).__name__}")
    values = [getattr(result, field.name) for field in fields(result)]
    return tuple(value for value in values if isinstance(value, Estimate))


def _renamed(estimate: Estimate, name: str) -> Estimate:
    return replace(estimate, statistic=name)
