"""Agreement of two or more raters beyond chance, with missing ratings and any weights.

The coefficients differ in what they call chance. All use the full scale, so a point that nobody
used still counts; all take a table of units (rows) by raters (columns) and leave gaps as gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Never

import numpy as np
from numpy.typing import ArrayLike

from analysis.results import Details, Estimate, undefined
from analysis.validation import (
    FloatArray,
    IntArray,
    confidence_level,
    one_of,
    ratings_matrix,
    scale_points,
)

WEIGHTS = ("unweighted", "linear", "quadratic", "ordinal")

# Below this a chance-corrected coefficient divides by rounding noise.
_NO_ROOM_ABOVE_CHANCE = 1e-12
# Of a difference of two shares.
_ROUNDING = 1e-14

NO_PAIRS = "no unit has ratings by two raters, so there is no agreement to measure"
ONE_UNIT = "only one unit has ratings by two raters; agreement beyond chance needs at least two"
NO_VARIATION = (
    "all ratings fall on one point, so chance alone predicts perfect agreement and nothing is "
    "left above chance"
)


@dataclass(frozen=True)
class CoefficientDetails(Details):
    """Of a coefficient made of observed agreement and agreement by chance.

    Parameters
    ----------
    observed_agreement, chance_agreement : float or None
        None for the share of agreeing pairs, which is itself the observed agreement.
    standard_error : float
        Linearised over units.
    df : int
    z_null, standard_error_null, p_value_null : float or None
        Fleiss' z test under no agreement, of unweighted complete ratings only.
    """

    observed_agreement: float | None
    chance_agreement: float | None
    standard_error: float
    df: int
    z_null: float | None = None
    standard_error_null: float | None = None
    p_value_null: float | None = None


@dataclass(frozen=True)
class ObservedDetails(Details):
    """Of a coefficient that does not exist: the agreement that was observed all the same."""

    observed: float


def agreement_weights(points: Sequence[float], weights: str) -> FloatArray:
    """How much a pair of ratings agrees, 1 on the diagonal.

    Parameters
    ----------
    points : sequence of float
        All points of the scale, q of them.
    weights : str
        ``"unweighted"`` (identity); ``"linear"`` and ``"quadratic"`` (one minus the absolute or
        squared difference over its largest value); ``"ordinal"`` (one minus the number of pairs
        of points within the span of the two, over its largest value: Gwet's ordinal weights,
        which are not Krippendorff's ordinal metric).

    Returns
    -------
    ndarray, shape (q, q)

    References
    ----------
    .. [1] Gwet, K. L. (2014). Handbook of inter-rater reliability (4th ed.), chapter 3.
    """
    scale = scale_points(points)
    one_of(weights, WEIGHTS, "weights")
    if weights == "unweighted":
        return np.eye(scale.size)
    if weights == "ordinal":
        rank = np.arange(scale.size)
        span = np.abs(rank[:, None] - rank[None, :])
        within = span * (span + 1) / 2
        return np.asarray(1.0 - within / within.max())
    distance = np.abs(scale[:, None] - scale[None, :]) / (scale[-1] - scale[0])
    return np.asarray(1.0 - (distance if weights == "linear" else distance**2))


def point_indices(ratings: FloatArray, points: FloatArray) -> IntArray:
    """Position of each rating on the scale; -1 where it is missing."""
    index = np.searchsorted(points, np.nan_to_num(ratings, nan=points[0]))
    return np.where(np.isnan(ratings), -1, index).astype(np.int64)


def value_counts(ratings: FloatArray, points: FloatArray) -> FloatArray:
    """How many raters gave each unit each point, shape (units, points)."""
    return _counts(point_indices(ratings, points), points.size)


def _counts(index: IntArray, q: int) -> FloatArray:
    rated = index >= 0
    cells = (index + q * np.arange(index.shape[0])[:, None])[rated]
    counted = np.bincount(cells, minlength=index.shape[0] * q)
    return counted.reshape(index.shape[0], q).astype(np.float64)


@dataclass(frozen=True)
class _Rated:
    """The ratings as the coefficients use them: units without any rating are gone."""

    index: IntArray
    counts: FloatArray
    per_unit: FloatArray
    paired: FloatArray
    """1 where a unit has two or more ratings, else 0."""
    n_units: int
    n_missing: int

    @property
    def n_paired(self) -> int:
        return int(self.paired.sum())

    @property
    def shares(self) -> FloatArray:
        """Mean over units of each point's share among the unit's ratings."""
        return np.asarray((self.counts / self.per_unit[:, None]).mean(axis=0))


def _rated(ratings: ArrayLike, points: Sequence[float]) -> _Rated:
    scale = scale_points(points)
    table = ratings_matrix(ratings, scale)
    n_units = table.shape[0]
    table = table[~np.isnan(table).all(axis=1)] if table.size else table[:0]
    index = point_indices(table, scale)
    counts = _counts(index, scale.size)
    per_unit = counts.sum(axis=1)
    paired = (per_unit >= 2).astype(np.float64)
    return _Rated(
        index,
        counts,
        per_unit,
        paired,
        n_units,
        n_units - int(paired.sum()),
    )


def _unit_agreement(rated: _Rated, weights: FloatArray) -> FloatArray:
    """Share of agreeing pairs of raters in each unit; 0 where there is no pair."""
    # A rating agrees with itself with weight 1: that is the pair that is taken out.
    agreeing = (rated.counts * (rated.counts @ weights.T - 1.0)).sum(axis=1)
    pairs = rated.per_unit * (rated.per_unit - 1.0)
    return np.asarray(np.divide(agreeing, pairs, out=np.zeros_like(agreeing), where=pairs > 0))


def t_limits(
    estimate: float, half: float, lowest: float, clusters: str, method: str
) -> tuple[tuple[float, float] | tuple[None, None], str]:
    """Limits within a coefficient's own range, and how they were made.

    Parameters
    ----------
    estimate, half : float
        The coefficient and half the width of its interval.
    lowest : float
        The least value that the coefficient can take; the highest is 1.
    clusters : str
        What the interval rests on, in words, for example ``"3 units"``.
    method : str

    Returns
    -------
    limits : (low, high) or (None, None)
        None where the interval holds every value that there is, so says nothing.
    method : str
        The method, or ``"none: ..."`` with the reason.
    """
    if estimate - half <= lowest and estimate + half >= 1.0:
        return (None, None), f"none: {clusters} are too few, the interval would hold every value"
    return (max(lowest, estimate - half), min(1.0, estimate + half)), method


@dataclass(frozen=True)
class _Linearised:
    """A coefficient with the value that each unit contributes to it (infinitely many units).

    ``lowest`` is the least value that the coefficient can take; the highest is 1. ``chance`` is None
    where nothing is corrected for.
    """

    name: str
    estimate: float
    units: FloatArray
    observed: float | None = None
    chance: float | None = None
    lowest: float = -1.0

    @property
    def room(self) -> float:
        """What the values were divided by."""
        return 1.0 if self.chance is None else 1.0 - self.chance


def _from_units(found: _Linearised, rated: _Rated, level: float) -> Estimate[CoefficientDetails]:
    """Interval, and a test of agreement beyond chance, from the values of the units."""
    from scipy import stats

    n, estimate = found.units.size, found.estimate
    error = float(np.sqrt(((found.units - estimate) ** 2).sum() / (n * (n - 1.0))))
    # Rounding leaves about 1e-17 where every unit has the same value, and more of it after a division by
    # little room above chance: a quadratic kappa of 0 had an interval of 1e-13 and a p value.
    steady = error < _ROUNDING / found.room
    half = 0.0 if steady else error * float(stats.t.ppf((1.0 + level) / 2.0, n - 1))
    untested = steady or found.chance is None
    p_value = None if untested else float(2 * stats.t.sf(abs(estimate) / error, n - 1))
    limits, method = t_limits(
        estimate, half, found.lowest, f"{n} units", "linearised standard error over units, t"
    )
    if steady:
        limits, method = (None, None), "none: every unit gives the same value"
    return Estimate(
        found.name,
        estimate,
        limits[0],
        limits[1],
        level,
        method,
        p_value,
        rated.n_paired,
        rated.n_missing,
        "item",
        details=CoefficientDetails(found.observed, found.chance, error, n - 1),
    )


def _begun(
    name: str, ratings: ArrayLike, points: Sequence[float], weights: str, level: float
) -> tuple[_Rated, FloatArray, Estimate[Never] | None]:
    """The ratings, the weights of every two points, and the refusal of too few units."""
    confidence_level(level)
    rated, matrix = _rated(ratings, points), agreement_weights(points, weights)
    refused = None
    if rated.n_paired < 2:
        because = ONE_UNIT if rated.n_paired else NO_PAIRS
        refused = undefined(name, because, n=rated.n_paired, n_missing=rated.n_missing, unit="item")
    return rated, matrix, refused


def _named(coefficient: str, weights: str) -> str:
    return coefficient if weights == "unweighted" else f"{coefficient}_{weights}"


def _corrected(
    name: str,
    rated: _Rated,
    weights: FloatArray,
    chance: float,
    unit_chance: FloatArray,
    level: float,
) -> Estimate[CoefficientDetails | ObservedDetails]:
    """(agreement - chance) / (1 - chance) with Gwet's linearised variance.

    ``unit_chance`` is each unit's contribution to chance agreement; a constant array where chance
    does not depend on the ratings.
    """
    agreement = _unit_agreement(rated, weights)
    n, n_paired = rated.counts.shape[0], rated.n_paired
    observed = float(agreement.sum() / n_paired)
    if 1.0 - chance < _NO_ROOM_ABOVE_CHANCE:
        return undefined(
            name,
            NO_VARIATION,
            n=n_paired,
            n_missing=rated.n_missing,
            unit="item",
            details=ObservedDetails(observed),
        )
    above = observed - chance
    # Agreement that is just that of chance, but for rounding, is a coefficient of 0.
    estimate = above / (1.0 - chance) if abs(above) > _ROUNDING else 0.0
    # A unit with one rating tells which points are used, so it is in chance and in n, but not in agreement.
    # Oracle: irrCAC on S_sparse, where 12 of 40 units are such.
    units = (n / n_paired) * (agreement - chance * rated.paired) / (1.0 - chance)
    units = units - 2.0 * (1.0 - estimate) * (unit_chance - chance) / (1.0 - chance)
    # With weights and points that are not used, chance can be so high that agreement lies below -1.
    lowest = -1.0 if estimate >= -1.0 else -chance / (1.0 - chance)
    return _from_units(_Linearised(name, estimate, units, observed, chance, lowest), rated, level)


def percent_agreement(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    level: float = 0.95,
) -> Estimate[CoefficientDetails | ObservedDetails]:
    """Share of pairs of ratings of the same unit that agree, averaged over units.

    Not corrected for chance: with one popular point it is high whatever the raters do.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
        Missing as nan. Units with fewer than two ratings count in ``n_missing``.
    points : sequence of float
        All points of the scale.
    weights : {"unweighted", "linear", "quadratic", "ordinal"}
        Partial credit, see `agreement_weights`.
    level : float
        Confidence level.

    Returns
    -------
    Estimate
        Between 0 and 1; no p-value, since no agreement at all is not a hypothesis of interest.

    Raises
    ------
    AnalysisError
        When a rating is not on the scale.

    References
    ----------
    .. [1] Gwet, K. L. (2014). Handbook of inter-rater reliability (4th ed.).

    Examples
    --------
    >>> round(percent_agreement([[1, 1], [2, 2], [1, 2]], [1, 2]).estimate, 3)
    0.667
    """
    name = _named("percent_agreement", weights)
    rated, matrix, refused = _begun(name, ratings, points, weights, level)
    if refused:
        return refused
    agreement = _unit_agreement(rated, matrix)
    n, n_paired = agreement.size, rated.n_paired
    observed = float(agreement.sum() / n_paired)
    found = _Linearised(name, observed, agreement * n / n_paired, lowest=0.0)
    return _from_units(found, rated, level)


def fleiss_kappa(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    level: float = 0.95,
) -> Estimate[CoefficientDetails | ObservedDetails]:
    """Fleiss' kappa, generalised to weights and missing ratings.

    Chance: two ratings drawn from the pooled distribution of points. With complete ratings and no
    weights ``details`` also carries Fleiss' z test under no agreement (``z_null``,
    ``p_value_null``).

    Parameters, return value and errors as `percent_agreement`; undefined without variation.

    References
    ----------
    .. [1] Fleiss, J. L. (1971). Measuring nominal scale agreement among many raters.
    .. [2] Gwet, K. L. (2014). Handbook of inter-rater reliability (4th ed.).
    """
    name = _named("fleiss_kappa", weights)
    rated, matrix, refused = _begun(name, ratings, points, weights, level)
    if refused:
        return refused
    shares = rated.shares
    chance = float(shares @ matrix @ shares)
    either_side = (matrix @ shares + matrix.T @ shares) / 2.0
    unit_chance = (rated.counts @ either_side) / rated.per_unit
    result = _corrected(name, rated, matrix, chance, unit_chance, level)
    found = result.details
    # Without a value the details are `ObservedDetails`.
    if not isinstance(found, CoefficientDetails) or weights != "unweighted":
        return result
    # Fleiss' error is that of a table in which every unit has as many ratings as any other.
    if np.ptp(rated.per_unit) > 0:
        return result
    return result.with_details(_with_fleiss_z(found, float(result.estimate or 0.0), shares, rated))


def _with_fleiss_z(
    found: CoefficientDetails, kappa: float, shares: FloatArray, rated: _Rated
) -> CoefficientDetails:
    from scipy import stats

    n, m = rated.counts.shape[0], float(rated.per_unit[0])
    spread = shares * (1.0 - shares)
    inner = spread.sum() ** 2 - (spread * (1.0 - 2.0 * shares)).sum()
    error = float(np.sqrt(2.0 * inner / (n * m * (m - 1.0))) / spread.sum())
    z = kappa / error
    p_value = float(2 * stats.norm.sf(abs(z)))
    return replace(found, z_null=z, standard_error_null=error, p_value_null=p_value)


def gwet_ac(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    level: float = 0.95,
) -> Estimate[CoefficientDetails | ObservedDetails]:
    """Gwet's AC1 (unweighted) or AC2 (weighted).

    Chance depends on how evenly the points are used, so the coefficient stays high when one point
    dominates, where kappa falls. All ratings on one point give 1, with no interval. It depends on
    the number of points: always the full scale.

    Parameters, return value and errors as `percent_agreement`.

    References
    ----------
    .. [1] Gwet, K. L. (2008). Computing inter-rater reliability and its variance in the presence
       of high agreement.
    """
    name = "gwet_ac1" if weights == "unweighted" else f"gwet_ac2_{weights}"
    rated, matrix, refused = _begun(name, ratings, points, weights, level)
    if refused:
        return refused
    shares, q = rated.shares, matrix.shape[0]
    factor = float(matrix.sum() / (q * (q - 1.0)))
    chance = float(factor * (shares * (1.0 - shares)).sum())
    unit_chance = factor * (rated.counts @ (1.0 - shares)) / rated.per_unit
    return _corrected(name, rated, matrix, chance, unit_chance, level)


def brennan_prediger(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    level: float = 0.95,
) -> Estimate[CoefficientDetails | ObservedDetails]:
    """Brennan and Prediger's coefficient: chance is every point being equally likely.

    Parameters, return value and errors as `percent_agreement`. All ratings on one point give 1,
    with no interval, since chance does not depend on the ratings.

    References
    ----------
    .. [1] Brennan, R. L., & Prediger, D. J. (1981). Coefficient kappa: some uses, misuses, and
       alternatives.
    """
    name = _named("brennan_prediger", weights)
    rated, matrix, refused = _begun(name, ratings, points, weights, level)
    if refused:
        return refused
    chance = float(matrix.mean())
    constant = np.full(rated.counts.shape[0], chance)
    return _corrected(name, rated, matrix, chance, constant, level)


def conger_kappa(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    level: float = 0.95,
) -> Estimate[CoefficientDetails | ObservedDetails]:
    """Conger's kappa: Cohen's kappa for several raters, each with a distribution of his own.

    Chance: two different raters, each drawing from his own distribution of points. Columns
    without any rating are left out. With two raters and no missing it is Cohen's kappa.

    Parameters, return value and errors as `percent_agreement`; undefined without variation.

    References
    ----------
    .. [1] Conger, A. J. (1980). Integration and generalization of kappas for multiple raters.
    .. [2] Gwet, K. L. (2014). Handbook of inter-rater reliability (4th ed.).
    """
    name = _named("conger_kappa", weights)
    rated, matrix, refused = _begun(name, ratings, points, weights, level)
    if refused:
        return refused
    index = rated.index[:, (rated.index >= 0).any(axis=0)]
    given = index >= 0
    shares = np.stack(
        [(index == k).sum(axis=0) / given.sum(axis=0) for k in range(matrix.shape[0])], axis=1
    )
    r = shares.shape[0]
    total = shares.sum(axis=0)
    # Pairs of two different raters: all pairs less those of a rater with himself.
    same_rater = np.einsum("gk,kl,gl->", shares, matrix, shares)
    chance = float((total @ matrix @ total - same_rater) / (r * (r - 1.0)))
    unit_chance = _conger_unit_chance(index, shares, (matrix + matrix.T) / 2.0)
    return _corrected(name, rated, matrix, chance, unit_chance, level)


def _conger_unit_chance(index: IntArray, shares: FloatArray, weights: FloatArray) -> FloatArray:
    """Each unit's contribution to Conger's chance agreement (influence of its ratings)."""
    given = (index >= 0).astype(np.float64)
    coverage = given.mean(axis=0)
    r = shares.shape[0]
    others = shares.sum(axis=0)[None, :] - shares
    expected = np.einsum("gk,kl,gl->g", others, weights, shares)
    # Credit of a rating at point l against all other raters' distributions.
    credit = others @ weights
    own = credit[np.arange(r)[None, :], np.maximum(index, 0)] * given
    centred = own - (given - coverage[None, :]) * expected[None, :]
    return np.asarray((centred / coverage[None, :]).sum(axis=1) / (r * (r - 1.0)))
