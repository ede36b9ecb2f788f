"""Krippendorff's alpha from value counts per unit.

Alpha compares the disagreement within units with the disagreement of all pairable values paired at
random. The point estimate needs only how many raters gave each unit each point, which makes it
fast enough to be bootstrapped (`analysis.agreement.bootstrap`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.agreement.coefficients import NO_PAIRS, ONE_UNIT, t_limits, value_counts
from analysis.results import Details, Estimate, undefined
from analysis.validation import (
    FloatArray,
    confidence_level,
    one_of,
    ratings_matrix,
    scale_points,
)

METRICS = ("nominal", "ordinal", "interval", "ratio")
NO_VARIATION = "all pairable ratings fall on one point, so no disagreement could be expected"


# An error below this is what rounding leaves where no unit differs from the others.
_STEADY = 1e-14


@dataclass(frozen=True)
class AlphaDetails(Details):
    """Of Krippendorff's alpha; an error is None where leaving out or moving a unit changes nothing."""

    pairable_ratings: int
    observed_disagreement: float
    expected_disagreement: float
    standard_error_jackknife: float | None
    standard_error: float | None


def squared_differences(points: FloatArray, totals: FloatArray, metric: str) -> FloatArray:
    """Krippendorff's squared difference between every two points.

    Parameters
    ----------
    points : ndarray, shape (q,)
    totals : ndarray, shape (..., q)
        Pairable ratings at each point; only the ordinal metric looks at them.
    metric : {"nominal", "ordinal", "interval", "ratio"}

    Returns
    -------
    ndarray, shape (q, q), or (..., q, q) for the ordinal metric
    """
    if metric == "nominal":
        return 1.0 - np.eye(points.size)
    if metric == "ordinal":
        middle = np.cumsum(totals, axis=-1) - totals / 2.0
        return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2)
    difference = points[:, None] - points[None, :]
    if metric == "interval":
        return np.asarray(difference**2)
    total = points[:, None] + points[None, :]
    ratio = np.divide(difference, total, out=np.zeros_like(difference), where=total != 0)
    return np.asarray(ratio**2)


def alphas(coincidences: FloatArray, points: FloatArray, metric: str) -> FloatArray:
    """Alpha of each coincidence matrix, shape (..., q, q); nan where nothing could disagree."""
    totals = coincidences.sum(axis=-1)
    n = totals.sum(axis=-1)
    delta = squared_differences(points, totals, metric)
    observed = (coincidences * delta).sum(axis=(-2, -1))
    paired = totals[..., :, None] * totals[..., None, :]
    expected = (paired * delta).sum(axis=(-2, -1))
    ratio = np.divide(observed, expected, out=np.full_like(expected, np.nan), where=expected > 0)
    # n - 1, as the pairs of chance are drawn without replacement: a kappa draws with it, and in large
    # tables the two meet. The diagonal of `paired` would be n_c (n_c - 1), but its difference is 0 in every
    # metric.
    return np.asarray(1.0 - (n - 1.0) * ratio)


def unit_coincidences(counts: FloatArray) -> FloatArray:
    """Coincidence matrix of each unit, shape (units, q, q); zero where nothing can be paired."""
    m = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    q = counts.shape[1]
    # A rating is not paired with itself.
    pairs[:, np.arange(q), np.arange(q)] -= counts
    return np.asarray(pairs / np.maximum(m - 1.0, 1.0)[:, None, None])


def krippendorff_alpha(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    metric: str = "ordinal",
    level: float = 0.95,
) -> Estimate[AlphaDetails]:
    """Krippendorff's alpha with missing ratings.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
        Missing as nan. Units with fewer than two ratings count in ``n_missing``.
    points : sequence of float
        All points of the scale. The ratio metric needs points of one sign.
    metric : {"nominal", "ordinal", "interval", "ratio"}
        For a rating scale: ordinal. This is Krippendorff's ordinal metric, which depends on how
        often the points between two were used, not Gwet's ordinal weights.
    level : float

    Returns
    -------
    Estimate
        1 is perfect, 0 what chance gives. The interval takes Gwet's linearised standard error
        over units for the metrics that do not depend on the ratings, and a jackknife over units
        for the ordinal metric, which does; both with t. The cluster bootstrap is
        `analysis.agreement.bootstrap.bootstrap_alpha`. ``details``: ``standard_error``,
        ``standard_error_jackknife``, ``observed_disagreement``, ``expected_disagreement``,
        ``pairable_ratings``.

    Raises
    ------
    AnalysisError
        When a rating is not on the scale.

    References
    ----------
    .. [1] Krippendorff, K. (2019). Content analysis (4th ed.), chapter 12.
    .. [2] Gwet, K. L. (2014). Handbook of inter-rater reliability (4th ed.).

    Examples
    --------
    >>> round(krippendorff_alpha([[1, 1], [2, 2], [1, 2]], [1, 2], metric="nominal").estimate, 3)
    0.444
    """
    from scipy import stats

    confidence_level(level)
    one_of(metric, METRICS, "metric")
    scale = scale_points(points)
    table = ratings_matrix(ratings, scale)
    counts = value_counts(table, scale)
    # A unit with one rating leaves altogether, from chance too: the other coefficients keep it there.
    counts = counts[counts.sum(axis=1) >= 2]
    n, n_missing = counts.shape[0], table.shape[0] - counts.shape[0]
    name = f"krippendorff_alpha_{metric}"
    if n < 2:
        because = ONE_UNIT if n else NO_PAIRS
        return undefined(name, because, n=n, n_missing=n_missing, unit="item")
    by_unit = unit_coincidences(counts)
    coincidences = by_unit.sum(axis=0)
    totals = coincidences.sum(axis=1)
    if np.count_nonzero(totals) < 2:
        return undefined(name, NO_VARIATION, n=n, n_missing=n_missing, unit="item")
    estimate = float(alphas(coincidences, scale, metric))
    delta = squared_differences(scale, totals, metric)
    pairable = float(totals.sum())
    without = alphas(coincidences[None, :, :] - by_unit, scale, metric)
    jackknife = None
    if not np.isnan(without).any():
        spread = ((without - without.mean()) ** 2).sum()
        jackknife = float(np.sqrt((n - 1.0) / n * spread))
    # Ordinal differences depend on how often each point was given and move with every unit; the linearised
    # error takes differences that stand still, and would leave that part out.
    if metric == "ordinal":
        error, method = jackknife or 0.0, "jackknife over units, t"
    else:
        error = _linearised_error(counts, delta)
        method = "linearised standard error over units, t"
    known = error > _STEADY
    details = AlphaDetails(
        int(pairable),
        float((coincidences * delta).sum() / pairable),
        float(totals @ delta @ totals / (pairable * (pairable - 1.0))),
        jackknife,
        error if known else None,
    )
    half = error * float(stats.t.ppf((1.0 + level) / 2.0, n - 1))
    limits, method = t_limits(estimate, half, -1.0, f"{n} units", method)
    if not known:
        limits = (None, None)
        method = "none: no unit differs from the others, or all hangs on one unit"
    return Estimate(
        name,
        estimate,
        limits[0],
        limits[1],
        level,
        method,
        float(2.0 * stats.t.sf(abs(estimate) / error, n - 1)) if known else None,
        n,
        n_missing,
        "item",
        details=details,
    )


def _linearised_error(counts: FloatArray, delta: FloatArray) -> float:
    """Gwet's standard error of alpha for weights that do not depend on the ratings."""
    weights = 1.0 - delta / delta.max()
    n, m = counts.shape[0], counts.sum(axis=1)
    mean_m = float(m.mean())
    shares = counts.mean(axis=0) / mean_m
    surplus = (m - mean_m) / mean_m
    agreeing = (counts * (counts @ weights - 1.0)).sum(axis=1) / (mean_m * (m - 1.0))
    observed = float(agreeing.mean())
    chance = float(shares @ weights @ shares)
    estimate = (observed - chance) / (1.0 - chance)
    # The small-sample term of alpha's observed agreement, as in Gwet's own software.
    corrected = observed + (1.0 - observed) / float(m.sum())
    unit_observed = agreeing - corrected * surplus
    unit_chance = counts @ (weights @ shares) / mean_m - chance * surplus
    units = (unit_observed - chance) / (1.0 - chance)
    units = units - 2.0 * (1.0 - estimate) * (unit_chance - chance) / (1.0 - chance)
    return float(np.sqrt(((units - estimate) ** 2).sum() / (n * (n - 1.0))))
