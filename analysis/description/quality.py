"""Signs of careless answering, order effects, and where answers are missing.

Nothing here excludes anybody: the protocol declares which of these count, and the report shows
the result with and without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from analysis.contrasts.effect_sizes import TDetails, Units, t_estimate
from analysis.contrasts.two_groups import compare_groups
from analysis.description.proportions import wilson_share
from analysis.results import Details, Estimate, undefined
from analysis.validation import (
    FloatArray,
    columns_present,
    confidence_level,
    floats,
    positive,
    vector,
)
from study.entities import NO_REASON
from study.errors import AnalysisError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SlopeDetails(Details):
    """Of a slope without a test: all raters have this one."""

    slope: float


@dataclass(frozen=True)
class Straightlining:
    """How much one rater varies.

    Parameters
    ----------
    rater : str
    n : int
        Answers given.
    longest_run : int
        Longest row of equal answers, in the order of answering; a gap ends a run.
    variance : float or None
        Of all answers as shares of their scale's range (0 to 1 each); None with fewer than two.
    uniform_responses, responses : int
        Rated responses whose items all got the same answer, and rated responses with at least two
        answers.
    """

    rater: str
    n: int
    longest_run: int
    variance: float | None
    uniform_responses: int
    responses: int


@dataclass(frozen=True)
class Missingness:
    """Missing answers of one rater or one item.

    Parameters
    ----------
    label : str
    n, n_missing : int
        Answers given and missing.
    by_reason : mapping of str to int
    """

    label: str
    n: int
    n_missing: int
    by_reason: Mapping[str, int]


def longest_run(values: ArrayLike) -> int:
    """Length of the longest row of equal values; nan ends a run and is in none.

    Examples
    --------
    >>> longest_run([3, 3, 4, 4, 4, 3])
    3
    """
    array = vector(values)
    if not array.size:
        return 0
    breaks = np.flatnonzero(array[1:] != array[:-1]) + 1
    edges = np.concatenate([[0], breaks, [array.size]])
    lengths = np.diff(edges)
    return int(lengths[~np.isnan(array[edges[:-1]])].max(initial=0))


def shares_of_range(ratings: pd.DataFrame, ranges: Mapping[str, tuple[float, float]]) -> FloatArray:
    """Each answer as a share of its item's scale: 0 at the lowest point, 1 at the highest.

    Answers on 1 to 5 and on 0 to 100 can only be taken together after this; in points the item
    with the longest scale decides.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``item``, ``value``.
    ranges : mapping from item to (float, float)
        Lowest and highest point of every item that occurs.

    Returns
    -------
    array of float, shape (rows,)
        nan where the answer is missing.

    Raises
    ------
    AnalysisError
        When an item has no range, its range is empty, or an answer lies outside it.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"item": ["clear", "slider"], "value": [4, 75]})
    >>> shares_of_range(answers, {"clear": (1, 5), "slider": (0, 100)}).tolist()
    [0.75, 0.75]
    """
    columns_present(list(ratings.columns), ["item", "value"], "shares of the range")
    codes, named = ratings["item"].factorize()
    items = [str(item) for item in named]
    for item in items:
        low, high = ranges.get(item, (np.nan, np.nan))
        if not low < high:
            raise AnalysisError(
                f"item {item!r}: found the range {low} to {high}, expected a lowest and a higher highest "
                "point; give the ends of its scale"
            )
    ends = np.array([ranges[item] for item in items], dtype=np.float64).reshape(-1, 2)[codes]
    values = floats(ratings["value"], "value")
    shares = (values - ends[:, 0]) / (ends[:, 1] - ends[:, 0])
    outside = np.flatnonzero((shares < 0) | (shares > 1))
    if outside.size:
        row = int(outside[0])
        raise AnalysisError(
            f"item {items[codes[row]]!r}, row {row + 1}: found {values[row]:g}, expected a number from "
            f"{ends[row, 0]:g} to {ends[row, 1]:g}; correct it or give the full scale"
        )
    return np.asarray(shares, dtype=np.float64)


def straightlining(
    ratings: pd.DataFrame, ranges: Mapping[str, tuple[float, float]]
) -> tuple[Straightlining, ...]:
    """Runs and variance of each rater's answers.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer asked for, in the order of answering within each rater (sort by position
        and item first). Columns ``rater``, ``prompt``, ``system``, ``item``, ``value``.
    ranges : mapping from item to (float, float)
        Ends of the items' scales, see `shares_of_range`. Runs are of equal values as given, the
        variance is of shares of the range.

    Returns
    -------
    tuple of Straightlining
        One per rater. Long runs can be honest when all responses are alike: look at the variance
        too.

    References
    ----------
    .. [1] Meade, A. W., & Craig, S. B. (2012). Identifying careless responses in survey data.
    """
    columns_present(
        list(ratings.columns), ["rater", "prompt", "system", "item", "value"], "straightlining"
    )
    found = []
    shared = ratings.assign(share=shares_of_range(ratings, ranges))
    shared = shared.assign(value=floats(ratings["value"], "value"))
    pages = shared.groupby(["rater", "prompt", "system"], observed=True)["value"]
    spread = pages.agg(["min", "max", "count"])
    full = spread[spread["count"] >= 2]
    equal = (full["min"] == full["max"]).groupby(level="rater", observed=True).agg(["sum", "size"])
    counted = equal.to_dict("index")
    for rater, rows in shared.groupby("rater", sort=False, observed=True):
        values, shares = floats(rows["value"], "value"), floats(rows["share"])
        given = shares[~np.isnan(shares)]
        of_rater = counted.get(rater, {"sum": 0, "size": 0})
        found.append(
            Straightlining(
                str(rater),
                int(given.size),
                longest_run(values),
                float(given.var(ddof=1)) if given.size > 1 else None,
                int(of_rater["sum"]),
                int(of_rater["size"]),
            )
        )
    return tuple(found)


def too_fast(
    pages: pd.DataFrame, *, minimum_seconds: float, level: float = 0.95
) -> Mapping[str, Estimate]:
    """Share of each rater's pages that were answered faster than reading allows.

    Parameters
    ----------
    pages : DataFrame
        One row per page shown. Columns ``rater``, ``seconds``; optionally ``words`` (of the
        response shown), and then ``minimum_seconds`` is per 100 words.
    minimum_seconds : float
        Declared in the protocol; for silent reading of English, 238 words a minute are the mean
        and twice that is hardly possible.
    level : float

    Returns
    -------
    mapping from rater to Estimate
        Statistic ``too_fast_share``.

    References
    ----------
    .. [1] Brysbaert, M. (2019). How many words do we read per minute?
    """
    confidence_level(level)
    positive(minimum_seconds, "minimum_seconds")
    columns_present(list(pages.columns), ["rater", "seconds"], "speed")
    shares = {}
    for rater, rows in pages.groupby("rater", sort=False, observed=True):
        seconds = floats(rows["seconds"], "seconds")
        needed = np.full(seconds.size, float(minimum_seconds))
        if "words" in rows:
            needed = needed * floats(rows["words"], "words") / 100.0
        known = ~(np.isnan(seconds) | np.isnan(needed))
        shares[str(rater)] = wilson_share(
            int((seconds[known] < needed[known]).sum()),
            int(known.sum()),
            statistic="too_fast_share",
            level=level,
            n_missing=int((~known).sum()),
            unit="page",
        )
    return MappingProxyType(shares)


def attention_checks(
    answers: pd.DataFrame, expected: Mapping[str, Sequence[float]], *, level: float = 0.95
) -> Mapping[str, Estimate]:
    """Share of attention checks that each rater failed.

    Parameters
    ----------
    answers : DataFrame
        Columns ``rater``, ``item``, ``value``; rows of other items are ignored.
    expected : mapping from item to sequence of float
        The answers that pass each check. A missing answer neither passes nor fails.
    level : float

    Returns
    -------
    mapping from rater to Estimate
        Statistic ``failed_check_share``; raters who saw no check have none.
    """
    confidence_level(level)
    columns_present(list(answers.columns), ["rater", "item", "value"], "attention checks")
    checks = answers[answers["item"].isin(list(expected))]
    shares = {}
    for rater, rows in checks.groupby("rater", sort=False, observed=True):
        values = floats(rows["value"], "value")
        given = ~np.isnan(values)
        passed = [
            float(v) in [float(e) for e in expected[item]]
            for v, item in zip(values[given], rows["item"][given], strict=True)
        ]
        shares[str(rater)] = wilson_share(
            len(passed) - sum(passed),
            len(passed),
            statistic="failed_check_share",
            level=level,
            n_missing=int((~given).sum()),
            unit="check",
        )
    return MappingProxyType(shares)


def position_effect(
    ratings: pd.DataFrame, ranges: Mapping[str, tuple[float, float]], *, level: float = 0.95
) -> Estimate:
    """Do ratings drift while a rater works? Mean slope per position over raters.

    Each rater's ratings are regressed on position, and the slopes are tested against zero with t:
    the unit is the rater, so repeated ratings do no harm. With balanced orders, systems and prompts
    cancel out.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``position`` (1, 2, ...), ``item``, ``value``.
    ranges : mapping from item to (float, float)
        Ends of the items' scales, see `shares_of_range`.
    level : float

    Returns
    -------
    Estimate
        Share of the scale's range per position (0.01: a hundredth of the way from the lowest point
        to the highest).
    """
    confidence_level(level)
    columns_present(
        list(ratings.columns), ["rater", "position", "item", "value"], "position effect"
    )
    slopes, without = [], 0
    shared = ratings.assign(share=shares_of_range(ratings, ranges))
    for _, rows in shared.groupby("rater", sort=False, observed=True):
        values, position = floats(rows["share"]), floats(rows["position"], "position")
        known = ~(np.isnan(values) | np.isnan(position))
        values, position = values[known], position[known]
        if position.size < 2 or position.min() == position.max():
            without += 1
            continue
        centred = position - position.mean()
        slopes.append(float(centred @ values / (centred @ centred)))
    return _mean_over_raters("position_slope", np.array(slopes), without, level)


def place_effect(
    ratings: pd.DataFrame, ranges: Mapping[str, tuple[float, float]], *, level: float = 0.95
) -> Estimate:
    """Does an item's place on the page change its ratings? Mean slope per place over raters.

    Only where items stand in another order on every page can place and item be told apart. Ratings
    and places are taken as differences from their item's mean; each rater's differences are
    regressed on each other with an intercept, and the slopes are tested against zero with t.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``item``, ``place`` (1, 2, ... on the page), ``value``.
    ranges : mapping from item to (float, float)
        Ends of the items' scales, see `shares_of_range`.
    level : float

    Returns
    -------
    Estimate
        Share of the scale's range per place.
    """
    confidence_level(level)
    columns_present(list(ratings.columns), ["rater", "item", "place", "value"], "place effect")
    shared = ratings.assign(value=shares_of_range(ratings, ranges))
    known = shared[shared["value"].notna() & shared["place"].notna()]
    if not len(known):
        return undefined("place_slope", "no place on the page is recorded", unit="rater")
    by_item = known.groupby("item", observed=True)
    if int(by_item["place"].nunique().max()) < 2:
        because = "every item stands at the same place on all pages, so place and item are one"
        return undefined("place_slope", because, unit="rater")
    value = known["value"] - by_item["value"].transform("mean")
    place = known["place"] - by_item["place"].transform("mean")
    slopes, without = [], 0
    for _, rows in known.groupby("rater", sort=False, observed=True).groups.items():
        x, y = floats(place.loc[rows], "place"), floats(value.loc[rows])
        x, y = x - x.mean(), y - y.mean()
        # Without a rating at two places the slope is noise over nothing.
        if float(x @ x) < 1e-12:
            without += 1
            continue
        slopes.append(float(x @ y / (x @ x)))
    return _mean_over_raters("place_slope", np.array(slopes), without, level)


def _mean_over_raters(
    name: str, values: FloatArray, n_missing: int, level: float
) -> Estimate[TDetails | SlopeDetails]:
    n = int(values.size)
    units = Units(n, n_missing, "rater")
    if n < 2:
        because = f"{n} raters have ratings at two positions or more; at least two are needed"
        return undefined(name, because, **vars(units))
    error = float(values.std(ddof=1) / np.sqrt(n))
    if error < 1e-15:
        because = "all raters have the same slope, so there is no variance to test with"
        return undefined(name, because, **vars(units), details=SlopeDetails(float(values.mean())))
    return t_estimate(name, float(values.mean()), error, n - 1, level, units)


def order_effect(
    difference: ArrayLike, first_shown: Sequence[str], *, level: float = 0.95
) -> Estimate:
    """Does the contrast of two systems depend on which one came first?

    Parameters
    ----------
    difference : array-like, shape (raters,)
        Each rater's difference of the two systems.
    first_shown : sequence of str
        The system that the rater saw first, two different ones.
    level : float

    Returns
    -------
    Estimate
        Difference of the two mean contrasts (Welch), in the order in which the systems first
        appear in ``first_shown``.
    """
    confidence_level(level)
    values = vector(difference, "difference")
    shown = [str(s) for s in first_shown]
    orders = list(dict.fromkeys(shown))
    if len(orders) != 2 or len(shown) != values.size:
        because = f"{len(orders)} orders occur; a comparison needs exactly two, one per rater"
        return undefined("order_effect", because, n=int(values.size), unit="rater")
    from dataclasses import replace

    came_first = np.array([s == orders[0] for s in shown])
    result = compare_groups(
        values[came_first], values[~came_first], names=(orders[0], orders[1]), level=level
    )
    return replace(result.welch, statistic="order_effect")


def missingness(ratings: pd.DataFrame, by: str) -> tuple[Missingness, ...]:
    """Missing answers by rater, by item, or by any other column.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer asked for. Column ``value`` and the one named by ``by``; optionally
        ``missing_reason``.
    by : str
        For example ``"rater"`` or ``"item"``.
    """
    columns_present(list(ratings.columns), [by, "value"], "missingness")
    found = []
    for label, rows in ratings.groupby(by, sort=False, observed=True):
        gaps = np.isnan(floats(rows["value"], "value"))
        reasons = rows["missing_reason"] if "missing_reason" in rows else [None] * len(rows)
        counted: dict[str, int] = {}
        for reason, gap in zip(reasons, gaps, strict=True):
            if gap:
                name = reason if isinstance(reason, str) and reason else NO_REASON
                counted[name] = counted.get(name, 0) + 1
        n_missing = int(gaps.sum())
        found.append(
            Missingness(
                str(label),
                len(rows) - n_missing,
                n_missing,
                MappingProxyType(counted),
            )
        )
    return tuple(found)
