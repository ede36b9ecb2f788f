"""The layout of the paper by which `eai-2025` goes: frequencies by item, mean totals, totals by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.contrasts.two_groups import compare_groups
from analysis.description.frequencies import (
    About,
    FrequencyTable,
    RaterTotal,
    frequency_table,
    rater_totals,
)
from analysis.p_values import p_text
from analysis.results import Estimate
from analysis.tables.blocks import Listing, ResultBlock, estimates_in
from analysis.tables.rating_table import RatingTable
from analysis.tables.reading import cell_at, described, numeric_columns
from analysis.tables.repeated_raters import counts_of_rows
from analysis.tables.values_on_scale import check_values
from analysis.validation import columns_present
from study.errors import AnalysisError

# What the columns are called, where the command is not told; the first that is there.
_CALLED = {
    "value": ("value", "y", "rating", "score"),
    "item": ("item", "question"),
    "system": ("system", "model"),
    "rater": ("rater", "participant"),
    "prompt": ("prompt", "topic"),
    "weight": ("frequency", "count", "n"),
}


@dataclass(frozen=True)
class PaperColumns:
    """Names of the columns; None for those that are found by their usual names or are not there."""

    value: str | None = None
    item: str | None = None
    system: str | None = None
    rater: str | None = None
    prompt: str | None = None
    weight: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ItemsBlock(ResultBlock):
    """The frequency tables of one system's items."""

    system: str
    tables: tuple[FrequencyTable, ...]

    def facts(self) -> dict[str, Any]:
        """A row for each item and point, with full precision."""
        rows = [
            {
                "item": table.item,
                "value": row.point,
                "frequency": row.frequency,
                "percent": row.percent,
                "cumulative_percent": row.cumulative_percent,
            }
            for table in self.tables
            for row in table.rows
        ]
        return {"system": self.system, "frequencies": rows}

    def listings(self) -> Sequence[Listing]:
        """As printed in the paper: two decimals, points that nobody used left out."""
        rows: list[list[float | str | None]] = [
            [
                table.item,
                f"{row.point:g}",
                row.frequency,
                _two(row.percent),
                _two(row.cumulative_percent),
            ]
            for table in self.tables
            for row in table.rows
            if row.frequency
        ]
        names = ("item", "value", "frequency", "percent", "cumulative percent")
        return (Listing(self.title, names, rows),)


@dataclass(frozen=True, kw_only=True)
class TotalsBlock(ResultBlock):
    """The mean total of every system, and of every group."""

    rows: tuple[dict[str, float | str | None], ...]

    def listings(self) -> Sequence[Listing]:
        """Means and standard deviations to two decimals, p to three."""
        names = list(self.rows[0])
        cells = [[_cell(name, row[name]) for name in names] for row in self.rows]
        return (Listing(self.title, [name.replace("_", " ") for name in names], cells),)


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _cell(name: str, value: float | str | None) -> float | str | None:
    if isinstance(value, float):
        return p_text(value) if name.startswith("p_") else f"{value:.2f}"
    return value


def papers_layout(
    frame: pd.DataFrame, columns: PaperColumns, points: Sequence[float]
) -> list[ResultBlock]:
    """Frequencies by item and system, mean totals, and totals by group, as the paper prints them.

    Parameters
    ----------
    frame : DataFrame
        A row per rating, or per value with its count.
    columns : PaperColumns
    points : sequence of float
        All points of the scale.

    Returns
    -------
    list of ResultBlock
        Totals only where raters and prompts are known: a sum over all answers of a rater to a system.

    Raises
    ------
    AnalysisError
        When a column is missing, a value is none of the points, or an answer is there twice.
    """
    found = _found(frame, columns)
    value = found.value
    if value is None:
        raise AnalysisError(
            f"{described(frame)}: no column is called value, y, rating or score; found "
            f"{', '.join(map(str, frame.columns))}. Name it with --value."
        )
    named = [c for c in (found.item, found.system, found.rater, found.prompt, found.weight) if c]
    columns_present([*frame.columns], [value, *named, *found.groups], described(frame))
    remedy = "Give the single answers, and all points of the scale with --points."
    check_values(RatingTable("", frame, frame, (value,)), points, averaged=False, remedy=remedy)
    ratings = _ratings(frame, found, value)
    blocks: list[ResultBlock] = list(_items(ratings, points))
    if found.rater and found.prompt and not found.weight:
        blocks += _totals(ratings, found.groups, frame)
    return blocks


def _found(frame: pd.DataFrame, told: PaperColumns) -> PaperColumns:
    named = {**vars(told)}
    for role, names in _CALLED.items():
        if named[role] is None:
            named[role] = next((c for c in frame.columns if str(c).lower() in names), None)
    if named["rater"] is not None and told.weight is None:
        named["weight"] = None  # a row per rating: a column n is something else
    return PaperColumns(**named)


def _ratings(frame: pd.DataFrame, found: PaperColumns, value: str) -> pd.DataFrame:
    """A row per rating with the columns that the statistics know."""
    rows = frame
    if found.weight is not None:
        rows = frame.iloc[np.repeat(np.arange(len(frame)), counts_of_rows(frame, found.weight))]

    def names(column: str | None, otherwise: str) -> list[str]:
        if column is None:
            return [otherwise] * len(rows)
        empty = np.flatnonzero(frame[column].isna())
        if empty.size:
            raise AnalysisError(
                f"{cell_at(frame, int(empty[0]), column)}: found an empty cell, expected a name. Fill it in, "
                "or take the row out."
            )
        return [str(name) for name in rows[column].tolist()]

    return pd.DataFrame(
        {
            "item": names(found.item, value),
            "system": names(found.system, "all"),
            "rater": names(found.rater, ""),
            "prompt": names(found.prompt, ""),
            "value": numeric_columns(rows, [value])[value].to_numpy(),
        }
    )


def _items(ratings: pd.DataFrame, points: Sequence[float]) -> list[ItemsBlock]:
    blocks = []
    for system, own in ratings.groupby("system", sort=False):
        tables = tuple(
            frequency_table(
                answers["value"].to_numpy(), points, about=About(str(item), str(system)), top=1
            )
            for item, answers in own.groupby("item", sort=False)
        )
        blocks.append(ItemsBlock(f"Frequencies, {system}", (), system=str(system), tables=tables))
    return blocks


def _totals(ratings: pd.DataFrame, groups: Sequence[str], frame: pd.DataFrame) -> list[ResultBlock]:
    totals = rater_totals(ratings)
    systems = list(dict.fromkeys(total.system for total in totals))
    rows: list[dict[str, float | str | None]] = []
    for system in systems:
        own = ratings[ratings["system"] == system]
        known = [t.total for t in totals if t.system == system and t.total is not None]
        rows.append(
            {
                "system": system,
                "n_raters": len(known),
                "raters_with_gaps": own["rater"].nunique() - len(known),
                "topics": own["prompt"].nunique(),
                "items": own["item"].nunique(),
                "mean_total": float(np.mean(known)) if known else None,
                "sd_total": float(np.std(known, ddof=1)) if len(known) > 1 else None,
            }
        )
    blocks: list[ResultBlock] = [TotalsBlock("Mean totals", (), rows=tuple(rows))]
    for group in groups:
        of_rater = _groups_of(frame, ratings["rater"], group)
        blocks += [_by_group(totals, system, group, of_rater) for system in systems]
    return blocks


def _groups_of(frame: pd.DataFrame, raters: pd.Series, group: str) -> dict[str, str]:
    named = pd.DataFrame({"rater": raters.to_numpy(), "group": frame[group].to_numpy()}).dropna()
    once = named.drop_duplicates()
    twice = once[once["rater"].duplicated()]
    if len(twice):
        raise AnalysisError(
            f"{described(frame)}, column {group!r}: rater {twice['rater'].iloc[0]!r} is in several groups, "
            "expected one. Correct it in the file, or name another column."
        )
    return {str(rater): str(name) for rater, name in zip(once["rater"], once["group"], strict=True)}


def _by_group(
    totals: Sequence[RaterTotal], system: str, group: str, of_rater: dict[str, str]
) -> ResultBlock:
    """n, mean and spread of each group; with two, p by Student's test as in the paper and by Welch's."""
    values: dict[str, list[float]] = {}
    for total in totals:
        if total.system == system and total.total is not None and total.rater in of_rater:
            values.setdefault(of_rater[total.rater], []).append(total.total)
    estimates: tuple[Estimate, ...] = ()
    tests: dict[str, float | str | None] = {}
    if len(values) == 2:
        (first, one), (second, two) = values.items()
        compared = compare_groups(one, two, names=(first, second), planned="student")
        estimates = tuple(
            e
            for e in estimates_in(compared)
            if e.statistic.endswith("t_difference") or e.statistic == "hedges_g"
        )
        tests = {"p_student": compared.student.p_value, "p_welch": compared.welch.p_value}
    rows: list[dict[str, float | str | None]] = []
    for name, own in values.items():
        spread = float(np.std(own, ddof=1)) if len(own) > 1 else None
        rows.append(
            {"group": name, "n": len(own), "mean": float(np.mean(own)), "sd": spread, **tests}
        )
    return TotalsBlock(f"Total by {group}, {system}", estimates, rows=tuple(rows))
