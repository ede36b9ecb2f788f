"""Two systems rated by the same raters: the paired contrast, its effect sizes and equivalence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.contrasts.assumptions import normality
from analysis.contrasts.effect_sizes import (
    StandardisedDetails,
    Standardiser,
    Summary,
    TDetails,
    Units,
    standardised,
    summarised,
    t_estimate,
)
from analysis.contrasts.ranks import fisher_z_interval
from analysis.contrasts.signed_rank import SignedRankDetails, signed_rank_test, signed_ranks
from analysis.resampling import (
    DEFAULT_BOOTSTRAP,
    Bootstrap,
    Drawn,
    bootstrap_interval,
    resampled_means,
)
from analysis.results import Assumption, Details, Estimate, undefined
from analysis.rounding import differences
from analysis.validation import (
    FloatArray,
    complete_pairs,
    confidence_level,
    one_of,
)
from study.errors import AnalysisError

INTERVALS = ("percentile", "bca")
_FEW = "a difference needs at least two complete pairs; there are {n}"
_STILL = "all differences are equal, so there is no variance to test with"


@dataclass(frozen=True)
class RankBiserialDetails(Details):
    """Of a rank-biserial correlation: the pairs that do not differ."""

    zeros: int


@dataclass(frozen=True)
class EquivalenceDetails(Details):
    """Of two one-sided tests.

    Parameters
    ----------
    bound_low, bound_high : float
    p_above_low, p_below_high : float
        Of the test that the difference is above the lower bound, and of that it is below the higher.
    alpha : float
        Level of each.
    equivalent : str
        ``"yes"`` or ``"not shown"``.
    """

    bound_low: float
    bound_high: float
    p_above_low: float
    p_below_high: float
    alpha: float
    equivalent: str


@dataclass(frozen=True)
class PairedContrast:
    """Second minus first, pair by pair.

    Parameters
    ----------
    groups : pair of Summary
        Each system over the complete pairs.
    t_test : Estimate
        Mean difference, t interval and test.
    wilcoxon : Estimate
        V: the rank sum of positive differences, zeros ranked and dropped (Pratt); see
        `analysis.contrasts.signed_rank.signed_rank_test`.
    d_z, hedges_d_z : Estimate
        Mean difference over the standard deviation of the differences; the second with Hedges'
        correction for small samples.
    d_av : Estimate
        Mean difference over the root mean variance of the two systems, which is comparable with
        d of independent groups.
    rank_biserial : Estimate
        Share of rank sum in favour minus share against.
    equivalence : Estimate or None
        None when no bounds were given.
    assumptions : tuple of Assumption
    """

    groups: tuple[Summary, Summary]
    t_test: Estimate[TDetails]
    wilcoxon: Estimate[SignedRankDetails]
    d_z: Estimate[StandardisedDetails]
    hedges_d_z: Estimate[StandardisedDetails]
    d_av: Estimate[StandardisedDetails]
    rank_biserial: Estimate[RankBiserialDetails]
    equivalence: Estimate[EquivalenceDetails] | None
    assumptions: tuple[Assumption, ...]


def paired_contrast(
    first: ArrayLike,
    second: ArrayLike,
    *,
    names: tuple[str, str] = ("first", "second"),
    bounds: tuple[float, float] | None = None,
    alpha: float = 0.05,
    level: float = 0.95,
    unit: str = "rater",
) -> PairedContrast:
    """Compare two systems that the same raters judged, one total per rater and system.

    Parameters
    ----------
    first, second : array-like, shape (raters,)
        Row by row the same rater; a row with a gap is left out and counted. Differences that only
        rounding parts are taken as equal (`analysis.rounding`).
    names : pair of str
    bounds : pair of float, optional
        Smallest differences that matter, in units of the outcome, for `equivalence`.
    alpha : float
        Level of the equivalence test.
    level : float
    unit : str
        What one pair stands for.

    Returns
    -------
    PairedContrast

    Raises
    ------
    AnalysisError
        When the columns differ in length or the bounds are not low < high.

    References
    ----------
    .. [1] Pratt, J. W. (1959). Remarks on zeros and ties in the Wilcoxon signed rank procedures.
    .. [2] Cumming, G. (2012). Understanding the new statistics, chapter 11.
    .. [3] Algina, J., & Keselman, H. J. (2003). Approximate confidence intervals for effect sizes.
    .. [4] Kerby, D. S. (2014). The simple difference formula.

    Examples
    --------
    >>> paired_contrast([1, 2, 3, 4], [2, 4, 3, 6]).t_test.estimate
    1.25
    """
    confidence_level(level)
    a, b, n_missing = complete_pairs(first, second, names)
    groups = (summarised(names[0], a, n_missing), summarised(names[1], b, n_missing))
    difference, units = differences(a, b), Units(int(a.size), n_missing, unit)
    what = f"{names[1]} minus {names[0]}"
    return PairedContrast(
        groups,
        _paired_t(difference, level, units),
        signed_rank_test(difference, n_missing=n_missing, unit=unit),
        _d_z("d_z", difference, level, units),
        _d_z("hedges_d_z", difference, level, units),
        _d_av(a, b, level, units),
        _rank_biserial(difference, level, units),
        None
        if bounds is None
        else equivalence(a, b, bounds, alpha=alpha, unit=unit, n_missing=n_missing),
        (normality(difference, what),),
    )


def _refusal(difference: FloatArray) -> str:
    if difference.size < 2:
        return _FEW.format(n=difference.size)
    return _STILL if difference.max() == difference.min() else ""


def _paired_t(difference: FloatArray, level: float, units: Units) -> Estimate[TDetails]:
    name, because = "paired_t_difference", _refusal(difference)
    if because:
        return undefined(name, because, **vars(units))
    error = float(difference.std(ddof=1) / np.sqrt(units.n))
    return t_estimate(name, float(difference.mean()), error, units.n - 1, level, units)


def _d_z(
    name: str, difference: FloatArray, level: float, units: Units
) -> Estimate[StandardisedDetails]:
    because = _refusal(difference)
    if because:
        return undefined(name, because, **vars(units))
    spread = float(difference.std(ddof=1))
    by = Standardiser(spread, spread / float(np.sqrt(units.n)), units.n - 1.0)
    corrected = name.startswith("hedges")
    return standardised(name, float(difference.mean()), by, level, units, corrected=corrected)


def _d_av(
    a: FloatArray, b: FloatArray, level: float, units: Units
) -> Estimate[StandardisedDetails]:
    difference = differences(a, b)
    because = _refusal(difference)
    if because:
        return undefined("d_av", because, **vars(units))
    by = Standardiser(
        float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)),
        float(difference.std(ddof=1) / np.sqrt(units.n)),
        units.n - 1.0,
    )
    method = "noncentral t of the paired test (Algina and Keselman)"
    return standardised("d_av", float(difference.mean()), by, level, units, method=method)


def _rank_biserial(
    difference: FloatArray, level: float, units: Units
) -> Estimate[RankBiserialDetails]:
    name, moved = "rank_biserial_paired", difference[difference != 0]
    if not moved.size:
        because = "no pair differs" if units.n else _FEW.format(n=0)
        return undefined(name, because, **vars(units))
    up, down, _ = signed_ranks(moved)
    r, m = (up - down) / (up + down), float(moved.size)
    error = float(np.sqrt((2 * m**3 + 3 * m**2 + m) / 6) / ((m**2 + m) / 2))
    limits = fisher_z_interval(r, error, level)
    return Estimate(
        name,
        r,
        limits[0] if limits else None,
        limits[1] if limits else None,
        level,
        "Fisher z" if limits else "none: all differences have one sign",
        **vars(units),
        details=RankBiserialDetails(units.n - int(m)),
    )


def equivalence(
    first: ArrayLike,
    second: ArrayLike,
    bounds: tuple[float, float],
    *,
    alpha: float = 0.05,
    unit: str = "rater",
    n_missing: int = 0,
) -> Estimate[EquivalenceDetails]:
    """Two one-sided t tests (TOST): is the paired difference within the bounds?

    Parameters
    ----------
    first, second : array-like, shape (raters,)
    bounds : pair of float
        Lowest and highest difference (second minus first) that would still count as the same.
    alpha : float
        Level of each one-sided test.
    unit : str
    n_missing : int
        Pairs that were left out before.

    Returns
    -------
    Estimate
        The mean difference with its 1 - 2 alpha interval; p is the larger of the two one-sided
        p-values.

    Raises
    ------
    AnalysisError
        When the bounds are not low < high.

    References
    ----------
    .. [1] Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure.
    """
    from scipy import stats

    low, high = float(bounds[0]), float(bounds[1])
    if not low < high:
        raise AnalysisError(f"bounds: {low:g} to {high:g}; expected the lower one first")
    level = confidence_level(1.0 - 2.0 * alpha)
    a, b, gaps = complete_pairs(first, second)
    n_missing += gaps
    difference, n = differences(a, b), int(a.size)
    because = _refusal(difference)
    if because:
        return undefined("tost_difference", because, n=n, n_missing=n_missing, unit=unit)
    mean, error = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n))
    above = float(stats.t.sf((mean - low) / error, n - 1))
    below = float(stats.t.cdf((mean - high) / error, n - 1))
    half = float(stats.t.ppf(1 - alpha, n - 1)) * error
    p_value = max(above, below)
    verdict = "yes" if p_value < alpha else "not shown"
    return Estimate(
        "tost_difference",
        mean,
        mean - half,
        mean + half,
        level,
        "t, 1 - 2 alpha",
        p_value,
        n,
        n_missing,
        unit,
        details=EquivalenceDetails(low, high, above, below, alpha, verdict),
    )


def bootstrap_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    method: str = "bca",
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    unit: str = "rater",
) -> Estimate:
    """Mean paired difference with a bootstrap interval that assumes no distribution.

    Parameters
    ----------
    first, second : array-like, shape (raters,)
    method : {"bca", "percentile"}
        ``"bca"`` corrects for bias and skewness.
    bootstrap : Bootstrap
        Of the pairs.
    unit : str

    Returns
    -------
    Estimate

    References
    ----------
    .. [1] Efron, B. (1987). Better bootstrap confidence intervals.
    """
    return bootstrap_differences(first, second, (method,), bootstrap=bootstrap, unit=unit)[0]


# scipy.stats.bootstrap draws the same means, and its limits are Efron's plain percentiles. Ours are those of
# `analysis.resampling`: wider for few raters (for 20 normal differences [-0.29, 0.51] in place of
# [-0.26, 0.48]), none for fewer than five or without width, and both methods from the same draws.
def bootstrap_differences(
    first: ArrayLike,
    second: ArrayLike,
    methods: Sequence[str] = INTERVALS,
    *,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
    unit: str = "rater",
) -> tuple[Estimate, ...]:
    """The same by several methods, from the same draws; see `bootstrap_difference`."""
    for method in methods:
        one_of(method, INTERVALS, "method")
    a, b, n_missing = complete_pairs(first, second)
    difference, n = differences(a, b), int(a.size)
    because, name = _refusal(difference), "bootstrap_mean_difference"
    if because:
        gone = undefined(name, because, n=n, n_missing=n_missing, unit=unit)
        return (gone,) * len(methods)
    drawn = resampled_means(difference, bootstrap)
    point = Estimate(name, float(difference.mean()), n=n, n_missing=n_missing, unit=unit)
    return tuple(
        bootstrap_interval(
            point,
            drawn,
            Drawn(f"{unit}s", n, f"{method} bootstrap", bootstrap.seed),
            level=bootstrap.level,
            corrected=_bias_corrected(difference, drawn) if method == "bca" else None,
        )
        for method in methods
    )


def _bias_corrected(difference: FloatArray, drawn: FloatArray) -> Callable[[float], float]:
    """Efron's change of a normal quantile for bias and skewness of the draws of a mean."""
    from scipy import stats

    mean, n, share = difference.mean(), difference.size, 1 / drawn.size
    # Draws equal to the mean, of which scales of few points have many, count half on either side.
    below = float(((drawn < mean).mean() + (drawn <= mean).mean()) / 2)
    bias = float(stats.norm.ppf(np.clip(below, share, 1 - share)))
    without = mean - (difference - mean) / (n - 1)
    gap = without.mean() - without
    skew = float((gap**3).sum() / (6 * (gap**2).sum() ** 1.5))
    return lambda z: bias + (bias + z) / (1 - skew * (bias + z))
