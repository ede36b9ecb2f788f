"""Agreement of ratings taken as numbers: intraclass correlations and Kendall's W."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from analysis.results import Estimate, undefined
from analysis.validation import FloatArray, confidence_level, one_of, ratings_matrix

MISSING = ("complete", "mixed_model")
_FORMS = ("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")
_TINY = 1e-12
_NEGATIVE = "the units do not differ in their means, so there is nothing to be reliable about"


@dataclass(frozen=True)
class IntraclassCorrelations:
    """The six forms of Shrout and Fleiss.

    Parameters
    ----------
    icc1, icc2, icc3 : Estimate
        Reliability of a single rater: raters differ from unit to unit; raters are a random sample
        and their levels count (absolute agreement); just these raters and their levels do not
        count (consistency).
    icc1k, icc2k, icc3k : Estimate
        The same for the mean of all k raters.
    """

    icc1: Estimate
    icc2: Estimate
    icc3: Estimate
    icc1k: Estimate
    icc2k: Estimate
    icc3k: Estimate


@dataclass(frozen=True)
class _MeanSquares:
    units: int
    raters: int
    between: float
    within: float
    rater: float
    error: float
    rows_left_out: int
    method: str


def icc(
    ratings: ArrayLike, *, missing: str = "complete", level: float = 0.95
) -> IntraclassCorrelations:
    """Six intraclass correlations with F tests and intervals.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
        Missing as nan.
    missing : {"complete", "mixed_model"}
        ``"complete"`` drops every unit with a gap and takes mean squares from the analysis of
        variance. ``"mixed_model"`` keeps all ratings: variance components by restricted maximum
        likelihood with crossed random units and raters, and the mean squares that they imply for
        the full table, as R's psych does; with complete ratings the two agree unless a component
        is estimated as zero.
    level : float

    Returns
    -------
    IntraclassCorrelations
        ``details`` of each: ``f``, ``df1``, ``df2``, ``raters``; of icc2 and icc2k also the p of
        the same F with Satterthwaite degrees of freedom (``p_value_satterthwaite``). The interval
        of icc2k is that of icc2 carried over by the Spearman-Brown formula, which is McGraw and
        Wong's; irr's differs, since it puts the mean's coefficient where theirs has the single's.

    References
    ----------
    .. [1] Shrout, P. E., & Fleiss, J. L. (1979). Intraclass correlations: uses in assessing rater
       reliability.
    .. [2] McGraw, K. O., & Wong, S. P. (1996). Forming inferences about some intraclass
       correlation coefficients.
    """
    confidence_level(level)
    one_of(missing, MISSING, "missing")
    table = ratings_matrix(ratings)
    squares = _complete_squares(table) if missing == "complete" else _mixed_squares(table)
    if isinstance(squares, Estimate):
        from dataclasses import replace

        return IntraclassCorrelations(*(replace(squares, statistic=name) for name in _FORMS))
    one, three = _f_forms(squares, level)
    two = _agreement_forms(squares, level)
    return IntraclassCorrelations(one[0], two[0], three[0], one[1], two[1], three[1])


def _refused(table: FloatArray, kept: FloatArray) -> Estimate | None:
    n, n_missing, k = kept.shape[0], table.shape[0] - kept.shape[0], kept.shape[1]
    because = ""
    if k < 2:
        because = "there is a single rater; an intraclass correlation needs at least two"
    elif n < 2:
        because = f"{n} usable units; an intraclass correlation needs at least two"
    elif np.nanmax(kept) == np.nanmin(kept):
        because = "all ratings are equal, so there is no variance to share out"
    elif (~np.isnan(kept)).sum() < n + k:
        because = "there are too few ratings to tell units, raters and error apart"
    elif _additive_residual(kept) < _TINY:
        because = "units and raters account for every rating, so there is no error to compare with"
    return undefined("icc", because, n=n, n_missing=n_missing, unit="item") if because else None


def _additive_residual(table: FloatArray) -> float:
    """Sum of squares that unit and rater effects leave over."""
    present = (~np.isnan(table)).astype(np.float64)
    y = np.where(present > 0, table - np.nanmean(table), 0.0)
    if present.all():
        # The table is balanced, so both effects are plain means and no system is to be solved.
        residual = y - y.mean(axis=1)[:, None] - y.mean(axis=0)[None, :] + y.mean()
        return float((residual**2).sum())
    by_unit = present.sum(axis=1)
    reduced = np.diag(present.sum(axis=0)) - (present / by_unit[:, None]).T @ present
    right = y.sum(axis=0) - present.T @ (y.sum(axis=1) / by_unit)
    explained = (y.sum(axis=1) ** 2 / by_unit).sum()
    explained += right @ np.linalg.pinv(reduced, hermitian=True) @ right
    return float((y * y).sum() - explained)


def _complete_squares(table: FloatArray) -> _MeanSquares | Estimate:
    kept = table[~np.isnan(table).any(axis=1)]
    refused = _refused(table, kept)
    if refused:
        return refused
    n, k = kept.shape
    grand, units, raters = kept.mean(), kept.mean(axis=1), kept.mean(axis=0)
    residual = kept - units[:, None] - raters[None, :] + grand
    between = k * ((units - grand) ** 2).sum() / (n - 1)
    rater = n * ((raters - grand) ** 2).sum() / (k - 1)
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    within = ((kept - units[:, None]) ** 2).sum() / (n * (k - 1))
    left_out = table.shape[0] - n
    return _MeanSquares(
        n, k, float(between), float(within), float(rater), float(error), left_out, "anova"
    )


def _mixed_squares(table: FloatArray) -> _MeanSquares | Estimate:
    kept = table[~np.isnan(table).all(axis=1)] if table.shape[1] else table[:0]
    kept = kept[:, ~np.isnan(kept).all(axis=0)] if len(kept) else kept
    refused = _refused(table, kept)
    if refused:
        return refused
    unit, rater, error = crossed_variances(kept)
    n, k = kept.shape
    return _MeanSquares(
        n,
        k,
        k * unit + error,
        error + rater,
        n * rater + error,
        error,
        table.shape[0] - n,
        "reml",
    )


def crossed_variances(table: FloatArray) -> tuple[float, float, float]:
    """Variances of units, raters and error by restricted maximum likelihood.

    Parameters
    ----------
    table : ndarray, shape (units, raters)
        Missing as nan; every row and column has a rating.

    Returns
    -------
    unit, rater, error : float

    Notes
    -----
    The model is rating = mean + unit + rater + error, all three normal. The deviance is profiled
    over mean and error variance; the units' block is diagonal, so one factorisation of size
    (raters, raters) is left.
    """
    from scipy import optimize

    present = (~np.isnan(table)).astype(np.float64)
    centre = float(np.nanmean(table))
    y = np.where(present > 0, table - centre, 0.0)
    n = float(present.sum())
    sides = (present.sum(axis=1), present.sum(axis=0))
    sums = (y.sum(axis=1), y.sum(axis=0), float(y.sum()), float((y * y).sum()))

    def profile(theta: FloatArray) -> tuple[float, float]:
        a, b = np.abs(theta)
        top = a**2 * sides[0] + 1.0
        cross = a * b * present
        schur = np.diag(b**2 * sides[1] + 1.0) - (cross / top[:, None]).T @ cross
        right = (
            np.stack([a * sides[0], a * sums[0]], axis=1),
            np.stack([b * sides[1], b * sums[1]], axis=1),
        )
        lower = right[1] - cross.T @ (right[0] / top[:, None])
        explained = right[0].T @ (right[0] / top[:, None]) + lower.T @ np.linalg.solve(schur, lower)
        ones = n - explained[0, 0]
        residual = sums[3] - explained[1, 1] - (sums[2] - explained[0, 1]) ** 2 / ones
        variance = max(float(residual), 1e-300) / (n - 1.0)
        logdet = np.log(top).sum() + np.linalg.slogdet(schur)[1] + np.log(ones)
        return float(logdet + (n - 1.0) * np.log(variance)), variance

    best = optimize.minimize(
        lambda theta: profile(theta)[0],
        np.array([1.0, 0.5]),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 2000},
    )
    variance = profile(best.x)[1]
    return float(best.x[0] ** 2 * variance), float(best.x[1] ** 2 * variance), float(variance)


def _estimate(
    name: str,
    value: float,
    limits: tuple[float, float],
    test: dict[str, float],
    squares: _MeanSquares,
    level: float,
) -> Estimate:
    from scipy import stats

    method = "F distribution"
    if name.startswith("icc2"):
        method = "F distribution, Satterthwaite degrees of freedom"
    return Estimate(
        name,
        value,
        limits[0],
        min(1.0, limits[1]),
        level,
        method,
        float(stats.f.sf(test["f"], test["df1"], test["df2"])),
        squares.units,
        squares.rows_left_out,
        "item",
        details=MappingProxyType({**test, "raters": squares.raters, "method": squares.method}),
    )


def _f_forms(
    squares: _MeanSquares, level: float
) -> tuple[tuple[Estimate, Estimate], tuple[Estimate, Estimate]]:
    """ICC(1) and ICC(3), single and mean, whose intervals are those of an F ratio."""
    from scipy import stats

    n, k = squares.units, squares.raters
    pairs = []
    for number, noise, df2 in (
        ("1", squares.within, n * (k - 1)),
        ("3", squares.error, (n - 1) * (k - 1)),
    ):
        f, df1 = squares.between / noise, n - 1
        low = f / stats.f.ppf((1 + level) / 2, df1, df2)
        high = f * stats.f.ppf((1 + level) / 2, df2, df1)
        test = {"f": f, "df1": df1, "df2": df2}
        single = _estimate(
            f"icc{number}",
            (f - 1) / (f + k - 1),
            (float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1))),
            test,
            squares,
            level,
        )
        if f < _TINY or low < _TINY:
            pairs.append((single, undefined(f"icc{number}k", _NEGATIVE, n=n, unit="item")))
            continue
        limits = (float(1 - 1 / low), float(1 - 1 / high))
        pairs.append((single, _estimate(f"icc{number}k", 1 - 1 / f, limits, test, squares, level)))
    return pairs[0], pairs[1]


def _satterthwaite(squares: _MeanSquares, a: float, b: float) -> float:
    n, k = squares.units, squares.raters
    first, second = a * squares.rater, b * squares.error
    return (first + second) ** 2 / (first**2 / (k - 1) + second**2 / ((n - 1) * (k - 1)))


def _agreement_forms(squares: _MeanSquares, level: float) -> tuple[Estimate, Estimate]:
    """ICC(2), single and mean."""
    from scipy import stats

    n, k = squares.units, squares.raters
    between, rater, error = squares.between, squares.rater, squares.error
    tail = (1 + level) / 2
    test: dict[str, float] = {"f": between / error, "df1": n - 1, "df2": (n - 1) * (k - 1)}
    below = between + (k - 1) * error + k * (rater - error) / n
    if between < _TINY or below < _TINY:
        gone = undefined("icc2", _NEGATIVE, n=n, unit="item")
        return gone, undefined("icc2k", _NEGATIVE, n=n, unit="item")
    single = (between - error) / below
    df = _satterthwaite(
        squares, k * single / (n * (1 - single)), 1 + k * single * (n - 1) / (n * (1 - single))
    )
    upper, lower = float(stats.f.ppf(tail, n - 1, df)), float(stats.f.ppf(tail, df, n - 1))
    rest = k * rater + (k * n - k - n) * error
    low = n * (between - upper * error) / (upper * rest + n * between)
    high = n * (lower * between - error) / (rest + n * lower * between)
    test["p_value_satterthwaite"] = float(stats.f.sf(test["f"], n - 1, df))
    first = _estimate("icc2", single, (low, high), test, squares, level)
    whole = between + (rater - error) / n
    if whole < _TINY or 1 + low * (k - 1) < _TINY:
        return first, undefined("icc2k", _NEGATIVE, n=n, unit="item")
    carried = (low * k / (1 + low * (k - 1)), high * k / (1 + high * (k - 1)))
    return first, _estimate("icc2k", (between - error) / whole, carried, test, squares, level)


def kendall_w(ratings: ArrayLike) -> Estimate:
    """Kendall's coefficient of concordance, corrected for ties.

    Do the raters order the units alike? 0 to 1. Units with a gap are left out.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)

    Returns
    -------
    Estimate
        p-value from the chi-square approximation; ``details``: ``chi_square``, ``df``,
        ``raters``, ``mean_spearman`` (mean rank correlation of pairs of raters).

    References
    ----------
    .. [1] Siegel, S., & Castellan, N. J. (1988). Nonparametric statistics (2nd ed.).
    """
    from scipy import stats

    table = ratings_matrix(ratings)
    kept = table[~np.isnan(table).any(axis=1)] if table.shape[1] else table[:0]
    (n, m), n_missing = kept.shape, table.shape[0] - kept.shape[0]
    because = ""
    if m < 2:
        because = "there is a single rater; concordance needs at least two"
    elif n < 2:
        because = f"{n} units rated by all; concordance needs at least two"
    elif (kept.max(axis=0) == kept.min(axis=0)).all():
        because = "every rater gave all units the same rating, so there is no order to compare"
    if because:
        return undefined("kendall_w", because, n=n, n_missing=n_missing, unit="item")
    ranks = stats.rankdata(kept, axis=0)
    ties = 0.0
    for column in kept.T:
        _, counts = np.unique(column, return_counts=True)
        ties += float((counts**3 - counts).sum())
    totals = ranks.sum(axis=1)
    spread = float(((totals - totals.mean()) ** 2).sum())
    w = 12.0 * spread / (m**2 * (n**3 - n) - m * ties)
    chi = m * (n - 1) * w
    details = {"chi_square": chi, "df": n - 1, "raters": m, "mean_spearman": (m * w - 1) / (m - 1)}
    return Estimate(
        "kendall_w",
        w,
        ci_method="none: take it from the bootstrap",
        p_value=float(stats.chi2.sf(chi, n - 1)),
        n=n,
        n_missing=n_missing,
        unit="item",
        details=MappingProxyType(details),
    )
