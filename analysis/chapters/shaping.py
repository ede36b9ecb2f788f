"""The ratings as arrays: one axis each for raters, systems, prompts and items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from study.entities import NO_REASON
from study.errors import AnalysisError
from study.protocol.raters import Group
from study.report_view.data import ReportData

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


def _codes(column: pd.Series, known: Sequence[str], what: str) -> IntArray:
    """Place of each entry in ``known``."""
    codes = np.asarray(
        pd.Index(list(known), dtype=str).get_indexer(pd.Index(column)), dtype=np.intp
    )
    if (codes < 0).any():
        stranger = column.iloc[int(np.argmax(codes < 0))]
        raise AnalysisError(
            f"the ratings name the {what} {stranger!r}, which the study does not have (it has "
            f"{', '.join(list(known)[:8])}); check the file that the ratings came from"
        )
    return codes


@dataclass(frozen=True)
class ShapedRatings:
    """The study's ratings with their axes.

    Parameters
    ----------
    data : ReportData
    rater_ids, prompt_ids : tuple of str
        In the order of the axes; systems and items are in the order of ``data``.
    values : ndarray, shape (raters, systems, prompts, items)
        nan where there is no value.
    reason : ndarray of int, same shape
        -1 where an answer was not planned, 0 where there is a value, else 1 + place in ``reasons``.
    reasons : tuple of str
        Reasons for missing answers, in the order of first appearance by name.
    seconds, position : ndarray, shape (raters, systems, prompts)
        For the page of one response; nan when unknown.
    """

    data: ReportData
    rater_ids: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    values: FloatArray
    reason: NDArray[np.int8]
    reasons: tuple[str, ...]
    seconds: FloatArray
    position: FloatArray

    @cached_property
    def rater_groups(self) -> NDArray[np.str_]:
        """Group of each rater, in the order of the axis."""
        by_rater = self.data.raters.set_index("rater")["group"]
        return np.asarray([str(by_rater[r]) for r in self.rater_ids], dtype=np.str_)

    @cached_property
    def planned(self) -> BoolArray:
        """Which answers the design asked for."""
        return np.asarray(self.reason >= 0)

    @cached_property
    def with_ratings(self) -> BoolArray:
        """Which raters gave at least one rating; the others have only missing ones."""
        return np.asarray(~np.isnan(self.values).all(axis=(1, 2, 3)))

    @cached_property
    def with_answers(self) -> BoolArray:
        """Which raters gave at least one answer of any kind."""
        data, given = self.data, set()
        for table in (
            data.ratings, data.choice_ratings, data.comparisons, data.rankings, data.spans,
        ):  # fmt: skip
            if "rater" not in table:
                continue
            there = table["missing_reason"].fillna("") == "" if "missing_reason" in table else ...
            given |= set(table["rater"] if there is ... else table.loc[there, "rater"])
        return np.array([rater in given for rater in self.rater_ids], dtype=bool)

    def in_group(self, group: str | None) -> BoolArray:
        """Which raters belong to a group; all of them for None."""
        if group is None:
            return np.ones(len(self.rater_ids), dtype=bool)
        return np.asarray(self.rater_groups == group)

    @cached_property
    def groups_with_raters(self) -> tuple[Group, ...]:
        """Declared groups that have at least one rater among the ratings."""
        return tuple(g for g in self.data.protocol.groups if self.in_group(g.id).any())

    @cached_property
    def rater_item_means(self) -> FloatArray:
        """Mean over the prompts that were answered, shape (raters, systems, items)."""
        answered = ~np.isnan(self.values)
        n = answered.sum(axis=2)
        sums = np.where(answered, self.values, 0.0).sum(axis=2)
        return np.asarray(np.divide(sums, n, out=np.full(sums.shape, np.nan), where=n > 0))

    @cached_property
    def total_places(self) -> tuple[int, ...]:
        """Items that a total adds: those on points, or the numeric ones when there are no others.

        A slider from 0 to 100 beside a scale of five points would make the total its own.
        """
        items = self.data.items
        on_points = tuple(i for i, item in enumerate(items) if item.kind == "points")
        return on_points or tuple(range(len(items)))

    @cached_property
    def total_range(self) -> tuple[float, float]:
        """Lowest and highest total that a complete rater can give."""
        prompts = len(self.prompt_ids)
        items = [self.data.items[i] for i in self.total_places]
        low = sum(item.points[0][0] for item in items) * prompts
        high = sum(item.points[-1][0] for item in items) * prompts
        return low, high

    def answers(
        self, item: int, system: int, raters: BoolArray
    ) -> tuple[FloatArray, list[str | None]]:
        """Planned answers to one item for one system, nan where missing, and their reasons."""
        codes = self.reason[raters, system, :, item]
        asked = codes >= 0
        words = np.array([None, *self.reasons], dtype=object)
        return self.values[raters, system, :, item][asked], words[codes[asked]].tolist()

    def units_by_raters(self, item: int, raters: BoolArray) -> FloatArray:
        """Ratings of one item, shape (responses, raters), the form that agreement needs."""
        chosen = self.values[raters][..., item]
        return np.ascontiguousarray(
            chosen.reshape(chosen.shape[0], chosen.shape[1] * chosen.shape[2]).T
        )


def shape_ratings(data: ReportData) -> ShapedRatings:
    """Lay the long table out along its axes.

    Raises
    ------
    AnalysisError
        When a rating names something that the study does not have, or the same rater has two
        ratings of one item for one response.
    """
    table = data.ratings
    rater_ids = tuple(dict.fromkeys(data.raters["rater"].astype(str)))
    rated = set(table["rater"].unique())
    for other in (data.choice_ratings, data.comparisons, data.rankings, data.spans):
        rated |= set(other["rater"].unique()) if "rater" in other else set()
    rater_ids = tuple(r for r in rater_ids if r in rated)
    prompt_ids = tuple(dict.fromkeys(data.responses["prompt"].astype(str)))
    if not prompt_ids:
        prompt_ids = tuple(dict.fromkeys(table["prompt"].astype(str)))
    axes = (
        (_codes(table["rater"], rater_ids, "rater"), len(rater_ids)),
        (_codes(table["system"], [s.id for s in data.systems], "system"), len(data.systems)),
        (_codes(table["prompt"], prompt_ids, "prompt"), len(prompt_ids)),
        (_codes(table["item"], [i.id for i in data.items], "item"), len(data.items)),
    )
    shape = tuple(length for _, length in axes)
    flat = np.ravel_multi_index(tuple(codes for codes, _ in axes), shape) if len(table) else None
    values = np.full(shape, np.nan)
    reason = np.full(shape, -1, dtype=np.int8)
    pages = np.full(shape, np.nan)
    position = np.full(shape, np.nan)
    reasons: tuple[str, ...] = ()
    if flat is not None:
        _refuse_twice(flat, table)
        given = table["value"].to_numpy(dtype=np.float64, na_value=np.nan)
        missing, reasons = _reason_codes(table["missing_reason"], np.isnan(given))
        values.reshape(-1)[flat] = given
        reason.reshape(-1)[flat] = missing
        pages.reshape(-1)[flat] = table["seconds"].to_numpy(dtype=np.float64, na_value=np.nan)
        position.reshape(-1)[flat] = table["position"].to_numpy(dtype=np.float64, na_value=np.nan)
    return ShapedRatings(
        data,
        rater_ids,
        prompt_ids,
        values,
        reason,
        reasons,
        _first_known(pages),
        _first_known(position),
    )


def _refuse_twice(flat: IntArray, table: pd.DataFrame) -> None:
    order = np.sort(flat)
    twice = np.flatnonzero(order[1:] == order[:-1])
    if twice.size:
        row = table.iloc[int(np.flatnonzero(flat == order[twice[0]])[0])]
        raise AnalysisError(
            f"rater {row['rater']!r} has two ratings of item {row['item']!r} for prompt "
            f"{row['prompt']!r} and system {row['system']!r}; one was expected, so remove one"
        )


def _reason_codes(
    column: pd.Series, missing: BoolArray
) -> tuple[NDArray[np.int8], tuple[str, ...]]:
    """0 where there is a value, else 1 + place among the reasons found, which are sorted."""
    named = column.fillna("").astype(str)
    kinds = pd.Categorical(named.where(missing, ""))
    labels = [str(label) or NO_REASON for label in kinds.categories]
    found = sorted({labels[code] for code in np.unique(kinds.codes[missing])})
    place = np.asarray([found.index(x) + 1 if x in found else 0 for x in labels], dtype=np.int8)
    codes = place[kinds.codes] if labels else np.zeros(len(named), dtype=np.int8)
    return np.where(missing, codes, np.int8(0)).astype(np.int8), tuple(found)


def _first_known(pages: FloatArray) -> FloatArray:
    """All items of a page share its time and place; take it from any of them."""
    if pages.shape[-1] == 0:
        return np.full(pages.shape[:-1], np.nan)
    filled = np.where(np.isnan(pages), -np.inf, pages).max(axis=-1)
    return np.where(np.isneginf(filled), np.nan, filled)
