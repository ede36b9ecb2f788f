"""Frequency tables of rating items, and totals per rater.

Every percentage comes from counts, the cumulative ones too: adding up rounded percentages gives
16.38 and 99.99 where 16.39 and 100.00 is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.description.proportions import NO_ANSWERS, simultaneous_intervals, wilson_share
from analysis.results import Assumption, Estimate, undefined
from analysis.validation import (
    FloatArray,
    columns_present,
    confidence_level,
    floats,
    on_scale,
    scale_points,
    vector,
)
from study.entities import NO_REASON
from study.errors import AnalysisError

if TYPE_CHECKING:
    import pandas as pd

NOT_RECORDED = "no record of this answer"
_INDEPENDENT = Assumption(
    "answers are independent of one another",
    None,
    "not checked; several answers by one rater are not, and then the interval is too narrow",
)


@dataclass(frozen=True)
class About:
    """What a frequency table is about; ``group`` None stands for all raters."""

    item: str = ""
    system: str = ""
    group: str | None = None


@dataclass(frozen=True)
class FrequencyRow:
    """One scale point of a frequency table.

    Parameters
    ----------
    point : float
    frequency : int
        0 for a point that nobody used.
    percent, cumulative_percent : float or None
        Of the valid answers, unrounded; None without any.
    share : Estimate
        The same share with its Wilson interval.
    simultaneous_low, simultaneous_high : float or None
        Interval of the share such that all points' intervals hold together at the level.
    """

    point: float
    frequency: int
    percent: float | None
    cumulative_percent: float | None
    share: Estimate
    simultaneous_low: float | None
    simultaneous_high: float | None


@dataclass(frozen=True)
class FrequencyTable:
    """The answers to one item about one system, by one group or by all.

    Parameters
    ----------
    item, system : str
    group : str or None
        None stands for all raters.
    rows : tuple of FrequencyRow
        A row for every point of the scale, ascending.
    n, n_missing : int
    missing_by_reason : mapping of str to int
    top_share : Estimate
        Share of answers on the highest points (two of them unless told otherwise).
    mean, median, sd : Estimate
    """

    item: str
    system: str
    group: str | None
    rows: tuple[FrequencyRow, ...]
    n: int
    n_missing: int
    missing_by_reason: Mapping[str, int]
    top_share: Estimate
    mean: Estimate
    median: Estimate
    sd: Estimate


@dataclass(frozen=True)
class RaterTotal:
    """The sum of one rater's answers about one system.

    Parameters
    ----------
    rater, system : str
    group : str or None
    total : float or None
        None exactly when ``missing_because`` is given: a sum with a gap is no total.
    n_answers, n_expected : int
    missing_because : str
        Empty, or how many answers are missing for which reasons.
    """

    rater: str
    system: str
    group: str | None
    total: float | None
    n_answers: int
    n_expected: int
    missing_because: str


def frequency_table(
    values: ArrayLike,
    points: Sequence[float],
    *,
    about: About | None = None,
    missing_reasons: Sequence[str | None] | None = None,
    top: int = 2,
    simultaneous: str = "goodman",
    level: float = 0.95,
) -> FrequencyTable:
    """Frequencies, percentages and location of one item's answers.

    Parameters
    ----------
    values : array-like, shape (answers,)
        Missing as nan.
    points : sequence of float
        All points of the scale.
    about : About, optional
        Labels of the table.
    missing_reasons : sequence of str, optional
        Aligned with ``values``; only looked at where the value is missing.
    top : int
        How many of the highest points count as the top share; below the number of points.
    simultaneous : {"goodman", "sison_glaz"}
    level : float

    Returns
    -------
    FrequencyTable

    Raises
    ------
    AnalysisError
        When a value is not on the scale.

    Examples
    --------
    >>> table = frequency_table([1, 2, 2, 5], [1, 2, 3, 4, 5])
    >>> [row.cumulative_percent for row in table.rows]
    [25.0, 75.0, 75.0, 75.0, 100.0]
    """
    confidence_level(level)
    scale = scale_points(points)
    if not 1 <= top < scale.size:
        raise AnalysisError(f"top: {top}; expected between 1 and {scale.size - 1} points")
    about = about or About()
    array = on_scale(vector(values), scale, about.item or "values")
    gaps = np.isnan(array)
    counts = np.bincount(np.searchsorted(scale, array[~gaps]), minlength=scale.size)
    reasons: list[str] = []
    if gaps.any():
        given = list(missing_reasons) if missing_reasons is not None else [None] * array.size
        if len(given) != array.size:
            raise AnalysisError(
                f"missing_reasons: {len(given)} for {array.size} values; give one per value"
            )
        reasons = [_reason(given[i]) for i in np.flatnonzero(gaps)]
    by_reason = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    return _from_counts(scale, counts, by_reason, about, top, simultaneous, level)


def _reason(given: Any) -> str:
    return given if isinstance(given, str) and given else NO_REASON


def _from_counts(
    scale: FloatArray,
    counts: Any,
    by_reason: Mapping[str, int],
    about: About,
    top: int,
    simultaneous: str,
    level: float,
) -> FrequencyTable:
    n, n_missing = int(counts.sum()), sum(by_reason.values())
    cumulated = np.cumsum(counts)
    together = simultaneous_intervals(counts, method=simultaneous, level=level) if n else []
    rows = tuple(
        FrequencyRow(
            float(point),
            int(counts[k]),
            100.0 * float(counts[k]) / n if n else None,
            100.0 * float(cumulated[k]) / n if n else None,
            wilson_share(int(counts[k]), n, level=level, assumptions=(_INDEPENDENT,)),
            together[k][0] if n else None,
            together[k][1] if n else None,
        )
        for k, point in enumerate(scale)
    )
    top_share = wilson_share(
        int(counts[-top:].sum()),
        n,
        statistic=f"top_{top}_share",
        level=level,
        n_missing=n_missing,
        assumptions=(_INDEPENDENT,),
    )
    mean, median, sd = _location(scale, counts, n_missing, level)
    return FrequencyTable(
        about.item,
        about.system,
        about.group,
        rows,
        n,
        n_missing,
        MappingProxyType(dict(by_reason)),
        top_share,
        mean,
        median,
        sd,
    )


def _location(
    scale: FloatArray, counts: Any, n_missing: int, level: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Mean, median and standard deviation from the counts of the points."""
    from scipy import special

    n = int(counts.sum())
    if n == 0:
        first, second, third = (
            undefined(name, NO_ANSWERS, n_missing=n_missing, unit="rating")
            for name in ("mean", "median", "sd")
        )
        return first, second, third
    mean = float(counts @ scale) / n
    cumulated = np.cumsum(counts)
    middle = [scale[np.searchsorted(cumulated, k, "right")] for k in ((n - 1) // 2, n // 2)]
    common: dict[str, Any] = {"n": n, "n_missing": n_missing, "unit": "rating"}
    median = Estimate("median", float(np.mean(middle)), ci_method="none", **common)
    if n == 1:
        because = "a single answer has no spread"
        return (
            Estimate("mean", mean, ci_method="none: a single answer", **common),
            median,
            undefined("sd", because, **common),
        )
    sd = float(np.sqrt(counts @ (scale - mean) ** 2 / (n - 1)))
    half = float(special.stdtrit(n - 1, (1 + level) / 2)) * sd / float(np.sqrt(n))
    located = Estimate(
        "mean", mean, mean - half, mean + half, level, "t", assumptions=(_INDEPENDENT,), **common
    )
    if np.count_nonzero(counts) == 1:
        # Equal answers would make an interval of one point, as if the mean were known.
        located = Estimate("mean", mean, ci_method="none: all answers are equal", **common)
    return located, median, Estimate("sd", sd, ci_method="none", **common)


def frequency_tables(
    ratings: pd.DataFrame,
    points: Sequence[float] | Mapping[str, Sequence[float]],
    *,
    by_group: bool = False,
    top: int = 2,
    simultaneous: str = "goodman",
    level: float = 0.95,
) -> tuple[FrequencyTable, ...]:
    """A frequency table for every item and system, and by group if wanted.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer that was asked for. Columns ``item``, ``system``, ``value`` (missing
        where there is no answer); ``group`` when ``by_group``; ``missing_reason`` where known.
    points : sequence of float, or mapping from item to sequence of float
        All points of the scale, or of each item's scale.
    by_group : bool
        Tables of each group instead of all raters together.
    top, simultaneous, level
        As in `frequency_table`.

    Returns
    -------
    tuple of FrequencyTable
        Sorted as items, systems and groups first appear.

    Raises
    ------
    AnalysisError
        When a column is missing, an item has no scale, or a value is not on it.
    """
    confidence_level(level)
    keys = ["item", "system", *(["group"] if by_group else [])]
    columns_present(list(ratings.columns), [*keys, "value"], "frequency table")
    tables = []
    for labels, rows in ratings.groupby(keys, sort=False, dropna=False, observed=True):
        item = labels[0]
        scale = points.get(str(item)) if isinstance(points, Mapping) else points
        if scale is None:
            raise AnalysisError(f"item {item!r} has no scale; give the points of every item")
        reasons = rows["missing_reason"].tolist() if "missing_reason" in rows else None
        tables.append(
            frequency_table(
                floats(rows["value"], f"item {item}"),
                scale,
                about=About(str(item), str(labels[1]), str(labels[2]) if by_group else None),
                missing_reasons=reasons,
                top=top,
                simultaneous=simultaneous,
                level=level,
            )
        )
    return tuple(tables)


def rater_totals(ratings: pd.DataFrame) -> tuple[RaterTotal, ...]:
    """The sum of each rater's answers about each system.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer that was asked for. Columns ``rater``, ``prompt``, ``system``, ``item``,
        ``value``; optionally ``group`` and ``missing_reason``.

    Returns
    -------
    tuple of RaterTotal
        For every rater and every system he has rows for. Expected are all combinations of prompt
        and item that any rater has for that system, so that totals are sums over the same
        questions; a rater with a gap has no total, and the reason is given.

    Raises
    ------
    AnalysisError
        When a column is missing or an answer is recorded twice.
    """
    columns_present(
        list(ratings.columns), ["rater", "prompt", "system", "item", "value"], "totals per rater"
    )
    key = ["rater", "system", "prompt", "item"]
    twice = ratings.duplicated(key)
    if twice.any():
        shown = ", ".join(str(v) for v in ratings.loc[twice, key].iloc[0])
        raise AnalysisError(
            f"totals per rater: {int(twice.sum())} answers are recorded twice, the first is "
            f"{shown}; keep the last revision of each"
        )
    values = ratings.assign(value=floats(ratings["value"], "value"))
    asked = values[["system", "prompt", "item"]].drop_duplicates().groupby("system").size()
    by_rater = values.groupby(["rater", "system"], sort=False, observed=True)
    sums = by_rater["value"].agg(["sum", "count", "size"])
    groups = by_rater["group"].first() if "group" in values else None
    gaps = _gap_reasons(values)
    totals = []
    for (rater, system), row in zip(sums.index, sums.to_numpy(), strict=True):
        expected = int(asked[system])
        because = dict(gaps.get((rater, system), {}))
        if expected > row[2]:
            because[NOT_RECORDED] = expected - int(row[2])
        totals.append(
            RaterTotal(
                str(rater),
                str(system),
                None if groups is None else str(groups[(rater, system)]),
                None if because else float(row[0]),
                int(row[1]),
                expected,
                "; ".join(f"{count} answers: {reason}" for reason, count in because.items()),
            )
        )
    return tuple(totals)


def _gap_reasons(values: pd.DataFrame) -> dict[tuple[Any, Any], dict[str, int]]:
    """Missing answers of each rater about each system, counted by reason."""
    missing = values[values["value"].isna()]
    found: dict[tuple[Any, Any], dict[str, int]] = {}
    reasons = missing["missing_reason"] if "missing_reason" in missing else [None] * len(missing)
    for rater, system, reason in zip(missing["rater"], missing["system"], reasons, strict=True):
        counted = found.setdefault((rater, system), {})
        counted[_reason(reason)] = counted.get(_reason(reason), 0) + 1
    return found
