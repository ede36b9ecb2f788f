"""Does the judge contradict itself: in another order, from the first place, in a repeat?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.contrasts.cluster_means import (
    ClusteredShareDetails,
    cluster_codes,
    cluster_mean,
    clustered_share,
)
from analysis.contrasts.preference import TIE, Comparison
from analysis.judge_worth.resampling import JudgedUnits, draw_together, drawn_estimate
from analysis.resampling import DEFAULT_BOOTSTRAP, Bootstrap
from analysis.results import Details, Estimate, undefined
from analysis.validation import FloatArray, confidence_level, ratings_matrix, scale_points

_ONE_ORDER = "nothing was compared in more than one order"
_ONE_REPLICATE = "no verdict was repeated"
_ONE_POINT = "all repeated verdicts fall on one point"


@dataclass(frozen=True)
class FlipDetails(Details):
    """Of a flip rate.

    Parameters
    ----------
    share : ClusteredShareDetails
    reversed : float
        Share in which both orders name a winner, and not the same.
    """

    share: ClusteredShareDetails
    reversed: float


@dataclass(frozen=True)
class FirstPlaceDetails(Details):
    """Of a first-place rate.

    Parameters
    ----------
    share : ClusteredShareDetails
    expected : float
        Without a preference for places: one over the number shown.
    """

    share: ClusteredShareDetails
    expected: float


@dataclass(frozen=True)
class OrderEffects:
    """What the order does to comparisons.

    Parameters
    ----------
    flip_rate : Estimate[FlipDetails]
        Share of pairs of orders of the same responses whose results differ, a tie against a winner
        included.
    first_place_rate : Estimate[FirstPlaceDetails]
        Share of comparisons with a winner that the response shown first wins.
    """

    flip_rate: Estimate[FlipDetails]
    first_place_rate: Estimate[FirstPlaceDetails]


@dataclass(frozen=True)
class SelfAgreement:
    """The judge's agreement with itself over replicates.

    Parameters
    ----------
    identical : Estimate
        Share of pairs of repeats with the same result.
    alpha : Estimate
        Krippendorff's alpha over repeats, ordinal; undefined for comparisons.
    spread : Estimate
        Root of the mean variance within repeats, in points; undefined for comparisons.
    """

    identical: Estimate
    alpha: Estimate
    spread: Estimate


def order_effects(comparisons: Sequence[Comparison], *, level: float = 0.95) -> OrderEffects:
    """Flip rate and first-place rate, with Wilson intervals that count prompts as clusters.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Those without a result are counted as missing. Orders are compared within a replicate.

    Notes
    -----
    A judge without any preference for places has a first-place rate of one over the number shown
    when every response stands at every place equally often. A flip rate is never zero for a judge
    that samples: compare it with the disagreement of replicates in the same order.

    References
    ----------
    .. [1] Wang, P., and others (2024). Large language models are not fair evaluators. ACL 2024.
    """
    confidence_level(level)
    groups: dict[Hashable, list[Comparison]] = {}
    for c in comparisons:
        groups.setdefault((c.cluster, frozenset(c.shown), c.replicate), []).append(c)
    flips, reversals, clusters, lost = [], [], [], 0
    for group in groups.values():
        for one, other in combinations(group, 2):
            if one.shown == other.shown:
                continue
            if one.winner is None or other.winner is None:
                lost += 1
                continue
            flips.append(float(one.winner != other.winner))
            reversals.append(flips[-1] * (TIE not in (one.winner, other.winner)))
            clusters.append(one.cluster)
    return OrderEffects(
        _flip_rate(flips, reversals, clusters, lost, level), _first_place(comparisons, level)
    )


def _flip_rate(
    flips: list[float], reversals: list[float], clusters: list[str], lost: int, level: float
) -> Estimate[FlipDetails]:
    if not flips:
        return undefined("flip_rate", _ONE_ORDER, n_missing=lost, unit="pair of orders")
    rate = clustered_share(
        flips, clusters, statistic="flip_rate", level=level, unit="pair of orders"
    )
    details = FlipDetails(rate.details, float(np.mean(reversals)))
    return rate.with_details(details, n_missing=lost)


def _first_place(comparisons: Sequence[Comparison], level: float) -> Estimate[FirstPlaceDetails]:
    decided = [c for c in comparisons if c.winner not in (None, TIE)]
    name, missing = "first_place_rate", len(comparisons) - len(decided)
    if not decided:
        return undefined(name, "no comparison has a winner", n_missing=missing, unit="comparison")
    rate = clustered_share(
        [float(c.winner == c.shown[0]) for c in decided],
        [c.cluster for c in decided],
        statistic=name,
        level=level,
        unit="comparison",
    )
    expected = float(np.mean([1.0 / len(c.shown) for c in decided]))
    return rate.with_details(FirstPlaceDetails(rate.details, expected), n_missing=missing)


def score_self_agreement(
    repeats: ArrayLike,
    points: Sequence[float],
    *,
    prompts: Sequence[Any] | NDArray[Any] | None = None,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> SelfAgreement:
    """Agreement of repeated scores.

    Parameters
    ----------
    repeats : array-like, shape (responses, repeats)
        Missing as nan. Scores between points are rounded for alpha.
    points : sequence of float
    prompts : sequence, optional
        Prompt of each response.
    bootstrap : Bootstrap
        Of alpha, which draws prompts; its level is that of all intervals.
    """
    level = bootstrap.level
    scale, table = scale_points(points), ratings_matrix(repeats)
    codes, _ = cluster_codes(prompts, table.shape[0])
    kept = (~np.isnan(table)).sum(axis=1) >= 2
    table, codes = table[kept], codes[kept]
    n_missing = int((~kept).sum())
    if not len(table):
        gone = undefined("self_agreement", _ONE_REPLICATE, n_missing=n_missing, unit="response")
        return SelfAgreement(gone, gone, gone)
    same = [
        float(np.mean([a == b for a, b in combinations(row[~np.isnan(row)], 2)])) for row in table
    ]
    variances = np.nanvar(table, axis=1, ddof=1)
    return SelfAgreement(
        clustered_share(same, codes, statistic="self_identical", level=level, unit="response"),
        _alpha(table, scale, codes, bootstrap),
        _root(cluster_mean(variances, codes, statistic="self_spread", level=level)),
    )


def _alpha(
    table: FloatArray,
    scale: FloatArray,
    codes: NDArray[np.int64],
    bootstrap: Bootstrap,
) -> Estimate:
    from analysis.agreement.coefficients import value_counts
    from analysis.agreement.krippendorff import alphas, unit_coincidences

    nearest = np.abs(np.nan_to_num(table)[..., None] - scale).argmin(axis=-1)
    rounded = np.where(np.isnan(table), np.nan, scale[nearest])
    prompt = np.unique(codes, return_inverse=True)[1].reshape(-1)
    # Repeats of one judge are no raters to be drawn: two columns stand for "enough of them".
    units = JudgedUnits(rounded[:, :2], rounded[:, 0], scale, prompt)
    draws = draw_together(units, bootstrap)
    by_unit = unit_coincidences(value_counts(rounded, scale))
    q = scale.size
    drawn = (draws.units @ by_unit.reshape(len(table), q * q)).reshape(-1, q, q)
    values = np.asarray(alphas(drawn, scale, "ordinal"))
    return drawn_estimate(
        "self_alpha_ordinal", values, units, draws, _ONE_POINT, clusters=units.n_prompts
    )


def _root(variance: Estimate) -> Estimate:
    """Standard deviation from a mean variance, ends of the interval as well."""
    from dataclasses import replace

    ends = [
        None if e is None else float(np.sqrt(max(0.0, e)))
        for e in (variance.ci_low, variance.ci_high)
    ]
    value = float(np.sqrt(variance.estimate or 0.0))
    return replace(variance, estimate=value, ci_low=ends[0], ci_high=ends[1], p_value=None)


def comparison_self_agreement(
    comparisons: Sequence[Comparison], *, level: float = 0.95
) -> SelfAgreement:
    """Share of repeats of one comparison, in the same order, with the same result."""
    confidence_level(level)
    groups: dict[Hashable, list[Comparison]] = {}
    for c in comparisons:
        groups.setdefault((c.cluster, c.shown), []).append(c)
    same, clusters = [], []
    for group in groups.values():
        results = [c.winner for c in group if c.winner is not None]
        if len(results) >= 2:
            same.append(float(np.mean([a == b for a, b in combinations(results, 2)])))
            clusters.append(group[0].cluster)
    scores = undefined("self_alpha_ordinal", "comparisons have no scores", unit="comparison")
    if not same:
        gone = undefined("self_identical", _ONE_REPLICATE, unit="comparison")
        return SelfAgreement(gone, scores, scores)
    share = clustered_share(
        same, clusters, statistic="self_identical", level=level, unit="comparison"
    )
    return SelfAgreement(share, scores, scores)
