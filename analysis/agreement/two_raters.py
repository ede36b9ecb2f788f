"""Agreement of two raters: confusion table, Cohen's kappa, marginal tests, and all pairs at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.agreement.coefficients import (
    NO_PAIRS,
    NO_VARIATION,
    ONE_UNIT,
    agreement_weights,
    point_indices,
    t_limits,
)
from analysis.results import Details, Estimate, undefined
from analysis.validation import (
    FloatArray,
    IntArray,
    complete_pairs,
    confidence_level,
    on_scale,
    ratings_matrix,
    scale_points,
)

_TINY = 1e-12
# Agreement no further from chance than this is a kappa of 0: the rest is rounding.
_ROUNDING = 1e-14
_EMPTY = "no unit was rated by both raters"


@dataclass(frozen=True)
class KappaDetails(Details):
    """Of Cohen's kappa.

    Parameters
    ----------
    observed_agreement, chance_agreement : float
        Weighted.
    percent_agreement : float
        Without weights.
    standard_error, standard_error_null : float
        At the estimate, and under no agreement beyond chance.
    z : float or None
        None where the error under no agreement is zero.
    """

    observed_agreement: float
    chance_agreement: float
    percent_agreement: float
    standard_error: float
    standard_error_null: float
    z: float | None = None


@dataclass(frozen=True)
class PairDetails(Details):
    """Those of a kappa, and which two raters it is of."""

    kappa: Details
    first: str
    second: str


@dataclass(frozen=True)
class LightDetails(Details):
    """Of Light's kappa: pairs with and without a kappa, and the least and greatest."""

    pairs: int
    pairs_undefined: int
    lowest: float
    highest: float


@dataclass(frozen=True)
class MarginsDetails(Details):
    """Of Stuart and Maxwell's test, with Bhapkar's version, None where it is infinite."""

    df: int
    bhapkar_chi_square: float | None = None
    bhapkar_p_value: float | None = None


@dataclass(frozen=True)
class Confusion:
    """Which point the second rater gave where the first gave which.

    Parameters
    ----------
    points : tuple of float
        Row and column heads, all points of the scale.
    counts : tuple of tuple of int
        ``counts[i][j]``: units with the first rater's point i and the second's j.
    n, n_missing : int
        Units rated by both, and units left out.
    """

    points: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    n: int
    n_missing: int


@dataclass(frozen=True)
class Prevalence:
    """How often each point was given, overall and by rater: what kappa depends on.

    Parameters
    ----------
    points : tuple of float
    counts : tuple of int
        Ratings at each point, all raters together; unused points are 0.
    shares : tuple of float
        The same over all ratings given; empty when there is none.
    by_rater : tuple of tuple of int
        Counts of each rater, in the order of the columns.
    n, n_missing : int
        Ratings given and ratings missing.
    """

    points: tuple[float, ...]
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    by_rater: tuple[tuple[int, ...], ...]
    n: int
    n_missing: int


@dataclass(frozen=True)
class PairwiseKappas:
    """Weighted kappa of every pair of raters.

    Parameters
    ----------
    weights : str
    kappa : ndarray, shape (raters, raters)
        Symmetric; masked where undefined and on the diagonal.
    n : ndarray, shape (raters, raters)
        Units rated by both.
    """

    weights: str
    kappa: np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float64]]
    n: IntArray


def confusion(first: ArrayLike, second: ArrayLike, points: Sequence[float]) -> Confusion:
    """Cross-table of two raters over the full scale.

    Parameters
    ----------
    first, second : array-like, shape (units,)
        Missing as nan; a unit counts when both are present.
    points : sequence of float
        All points of the scale.

    Raises
    ------
    AnalysisError
        When the lengths differ or a rating is not on the scale.
    """
    scale = scale_points(points)
    table, n_missing = _table(first, second, scale)
    return Confusion(
        tuple(scale.tolist()),
        tuple(tuple(int(c) for c in row) for row in table),
        int(table.sum()),
        n_missing,
    )


def _table(first: ArrayLike, second: ArrayLike, scale: FloatArray) -> tuple[FloatArray, int]:
    a, b, n_missing = complete_pairs(first, second, ("first rater", "second rater"))
    i = point_indices(on_scale(a, scale, "first rater"), scale)
    j = point_indices(on_scale(b, scale, "second rater"), scale)
    q = scale.size
    table = np.bincount(i * q + j, minlength=q * q).reshape(q, q).astype(np.float64)
    return table, n_missing


def prevalence(ratings: ArrayLike, points: Sequence[float]) -> Prevalence:
    """Counts and shares of each scale point, overall and by rater (columns)."""
    scale = scale_points(points)
    table = ratings_matrix(ratings, scale)
    index = point_indices(table, scale)
    by_rater = [np.bincount(column[column >= 0], minlength=scale.size) for column in index.T]
    counts = np.sum(by_rater, axis=0) if by_rater else np.zeros(scale.size)
    n = int(counts.sum())
    return Prevalence(
        tuple(scale.tolist()),
        tuple(int(c) for c in counts),
        tuple(float(c / n) for c in counts) if n else (),
        tuple(tuple(int(c) for c in column) for column in by_rater),
        n,
        int(table.size - n),
    )


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    level: float = 0.95,
) -> Estimate[KappaDetails]:
    """Cohen's kappa of two raters, unweighted or weighted.

    kappa = (observed - chance) / (1 - chance), chance from the two raters' own distributions.
    The interval takes the large-sample standard error at the estimate; the p-value is of the z
    test that there is no agreement beyond chance, with the standard error under that hypothesis
    (two different errors: the interval and the test may disagree at the margin).

    Parameters
    ----------
    first, second : array-like, shape (units,)
        Missing as nan; units with both ratings count.
    points : sequence of float
        All points of the scale.
    weights : {"unweighted", "linear", "quadratic", "ordinal"}
    level : float

    Returns
    -------
    Estimate
        ``details``: ``z``, ``standard_error`` (at the estimate), ``standard_error_null``,
        ``observed_agreement``, ``chance_agreement``, and ``percent_agreement`` without weights.

    Raises
    ------
    AnalysisError
        When the lengths differ or a rating is not on the scale.

    References
    ----------
    .. [1] Fleiss, J. L., Cohen, J., & Everitt, B. S. (1969). Large sample standard errors of
       kappa and weighted kappa.

    Examples
    --------
    >>> round(cohen_kappa([1, 1, 2, 2], [1, 1, 2, 1], [1, 2]).estimate, 2)
    0.5
    """
    confidence_level(level)
    scale = scale_points(points)
    matrix = agreement_weights(points, weights)
    name = "cohen_kappa" if weights == "unweighted" else f"cohen_kappa_{weights}"
    table, n_missing = _table(first, second, scale)
    n = int(table.sum())
    if n < 2:
        because = ONE_UNIT if n else _EMPTY
        return undefined(name, because, n=n, n_missing=n_missing, unit="item")
    p = table / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, chance = float((matrix * p).sum()), float(rows @ matrix @ columns)
    if 1.0 - chance < _TINY:
        return undefined(name, NO_VARIATION, n=n, n_missing=n_missing, unit="item")
    above = observed - chance
    kappa = above / (1.0 - chance) if abs(above) > _ROUNDING else 0.0
    row_credit, column_credit = matrix @ columns, matrix.T @ rows
    credit = row_credit[:, None] + column_credit[None, :]
    null = _root((np.outer(rows, columns) * (matrix - credit) ** 2).sum() - chance**2)
    at = (p * (matrix - credit * (1.0 - kappa)) ** 2).sum()
    error = _root(at - (kappa - chance * (1.0 - kappa)) ** 2)
    scaling = (1.0 - chance) * float(np.sqrt(n))
    details = KappaDetails(observed, chance, float(np.trace(p)), error / scaling, null / scaling)
    return _kappa_estimate(name, kappa, details, level, n, n_missing)


def _root(variance: float) -> float:
    return float(np.sqrt(max(0.0, variance)))


def _kappa_estimate(
    name: str, kappa: float, details: KappaDetails, level: float, n: int, n_missing: int
) -> Estimate[KappaDetails]:
    from scipy import stats

    null, error = details.standard_error_null, details.standard_error
    z = kappa / null if null > _TINY else None
    half = float(stats.norm.ppf((1.0 + level) / 2.0)) * error
    limits, method = t_limits(
        kappa, half, -1.0, f"{n} units", "large-sample standard error at the estimate, normal"
    )
    if error <= _TINY:
        limits, method = (None, None), "none: the large-sample standard error is zero"
    return Estimate(
        name,
        kappa,
        limits[0],
        limits[1],
        level,
        method,
        None if z is None else float(2.0 * stats.norm.sf(abs(z))),
        n,
        n_missing,
        "item",
        details=replace(details, z=z),
    )


def pairwise_kappas(
    ratings: ArrayLike, points: Sequence[float], *, weights: str = "quadratic"
) -> PairwiseKappas:
    """Kappa of every pair of raters at once, pairwise complete.

    Quadratic kappa is 2 cov / (var + var + squared difference of means), so all pairs come from
    one matrix product (four with missing ratings); other weights from two products of indicator
    columns for each point.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
    points : sequence of float
    weights : {"unweighted", "linear", "quadratic", "ordinal"}

    Returns
    -------
    PairwiseKappas
    """
    scale = scale_points(points)
    matrix = agreement_weights(points, weights)
    table = ratings_matrix(ratings, scale)
    if weights == "quadratic":
        disagreement, by_chance, n = _quadratic_products(table, scale)
    else:
        disagreement, by_chance, n = _indicator_products(table, scale, matrix)
    defined = (by_chance > _TINY) & (n >= 2)
    # A rater beside himself is no pair, and would count as perfect agreement.
    np.fill_diagonal(defined, False)
    kappa = 1.0 - np.divide(disagreement, by_chance, out=np.zeros_like(by_chance), where=defined)
    kappa[np.abs(by_chance - disagreement) <= _ROUNDING] = 0.0
    return PairwiseKappas(weights, np.ma.MaskedArray(kappa, mask=~defined), n)


def _quadratic_products(
    table: FloatArray, scale: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Mean squared differences of pairs of raters: observed, and if they were independent."""
    # About the middle of the scale, so that little is lost where the squares are subtracted: points such as
    # 1001 to 1005 would cost six digits.
    z = table - scale.mean()
    present = ~np.isnan(z)
    complete = bool(present.all())
    if not complete:
        z[~present] = 0.0
    cross = z.T @ z
    if complete:
        units = np.full(cross.shape, float(table.shape[0]))
        sums = np.repeat(z.sum(axis=0)[:, None], cross.shape[0], axis=1)
        squares = np.repeat(np.diag(cross)[:, None], cross.shape[0], axis=1)
    else:
        mask = present.astype(np.float64)
        units, sums, squares = mask.T @ mask, z.T @ mask, (z * z).T @ mask
    n = np.maximum(units, 1.0)
    mean_square = (squares + squares.T) / n
    return (
        mean_square - 2.0 * cross / n,
        mean_square - 2.0 * sums * sums.T / n**2,
        units.astype(np.int64),
    )


def _indicator_products(
    table: FloatArray, scale: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    index, points = point_indices(table, scale), range(scale.size)
    # Point by point and not all in one array: half the time and less memory with hundreds of raters.
    chosen = [(index == k).astype(np.float64) for k in points]
    present = (index >= 0).astype(np.float64)
    n = present.T @ present
    agreeing = np.zeros_like(n)
    for at, column in enumerate(chosen):
        weighted = sum(weights[k, at] * chosen[k] for k in points if weights[k, at])
        agreeing += np.asarray(weighted).T @ column
    # How often a rater gave a point where the other rated, too.
    margins = [column.T @ present for column in chosen]
    by_chance = np.zeros_like(n)
    for k, at in itertools.product(points, points):
        if weights[k, at] < 1.0:
            by_chance += (1.0 - weights[k, at]) * margins[k] * margins[at].T
    units = np.maximum(n, 1.0)
    disagreement = np.where(n > 0, 1.0 - agreeing / units, 0.0)
    return disagreement, by_chance / units**2, n.astype(np.int64)


def light_kappa(
    ratings: ArrayLike, points: Sequence[float], *, weights: str = "unweighted"
) -> Estimate[LightDetails]:
    """Light's kappa: the mean of Cohen's kappa over all pairs of raters, pairwise complete.

    Pairs whose kappa is undefined are left out and counted in the details.
    Take the interval from `analysis.agreement.bootstrap.bootstrap_light_kappa`.

    References
    ----------
    .. [1] Light, R. J. (1971). Measures of response agreement for qualitative data.
    """
    name = "light_kappa" if weights == "unweighted" else f"light_kappa_{weights}"
    pairs = pairwise_kappas(ratings, points, weights=weights)
    raters = pairs.n.shape[0]
    above = np.triu_indices(raters, 1)
    values = np.ma.compressed(pairs.kappa[above])
    table = ratings_matrix(ratings)
    n = int(((~np.isnan(table)).sum(axis=1) >= 2).sum())
    n_missing = int(table.shape[0] - n)
    if values.size == 0:
        because = NO_PAIRS if n == 0 else ONE_UNIT if n == 1 else NO_VARIATION
        return undefined(name, because, n=n, n_missing=n_missing, unit="item")
    undefined_pairs = int(above[0].size - values.size)
    details = LightDetails(
        int(values.size), undefined_pairs, float(values.min()), float(values.max())
    )
    return Estimate(
        name,
        float(values.mean()),
        ci_method="none: take it from the bootstrap",
        n=n,
        n_missing=n_missing,
        unit="item",
        details=details,
    )


def stuart_maxwell(
    first: ArrayLike, second: ArrayLike, points: Sequence[float]
) -> Estimate[MarginsDetails]:
    """Do two raters use the scale's points equally often? Stuart and Maxwell's chi-square.

    The estimate is the chi-square itself; with two points it is McNemar's test without
    continuity correction. ``details`` carries Bhapkar's version of the same question
    (``bhapkar_chi_square``, ``bhapkar_p_value``), which is never smaller.

    References
    ----------
    .. [1] Stuart, A. (1955). A test for homogeneity of the marginal distributions in a two-way
       classification.
    .. [2] Bhapkar, V. P. (1966). A note on the equivalence of two test criteria for hypotheses in
       categorical data.
    """
    from scipy import stats

    scale = scale_points(points)
    table, n_missing = _table(first, second, scale)
    n = int(table.sum())
    name = "stuart_maxwell_chi_square"
    if n == 0:
        return undefined(name, _EMPTY, n_missing=n_missing, unit="item")
    used = (table.sum(axis=0) + table.sum(axis=1)) > 0
    table = table[np.ix_(used, used)]
    # The differences of all points add up to zero, so that their covariance matrix is singular: one is left
    # out, and the chi-square is the same whichever it is.
    difference = (table.sum(axis=1) - table.sum(axis=0))[:-1]
    spread = np.diag(table.sum(axis=1) + table.sum(axis=0)) - table - table.T
    spread = spread[:-1, :-1]
    if difference.size == 0 or np.linalg.matrix_rank(spread) < difference.size:
        because = "some points that were used were never a point of disagreement"
        return undefined(name, because, n=n, n_missing=n_missing, unit="item")
    chi = float(difference @ np.linalg.solve(spread, difference))
    df = int(difference.size)
    details = MarginsDetails(df)
    # Bhapkar's denominator is 0 or less from here on.
    if chi < n:
        bhapkar = chi / (1.0 - chi / n)
        details = MarginsDetails(df, bhapkar, float(stats.chi2.sf(bhapkar, df)))
    return Estimate(
        name,
        chi,
        ci_method="none: a test statistic",
        p_value=float(stats.chi2.sf(chi, df)),
        n=n,
        n_missing=n_missing,
        unit="item",
        details=details,
    )
