"""Standardised mean differences with exact intervals from the noncentral t distribution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.results import Details, Estimate, undefined
from analysis.rounding import standard_deviation
from analysis.validation import FloatArray

EXACT = "exact, noncentral t"

_NODES = 200
# Standard normal mass beyond this is below 1e-18.
_REACH = 9.0


@dataclass(frozen=True)
class TDetails(Details):
    """Of a t test; ``standard_error`` in units of the estimate."""

    t: float
    df: float
    standard_error: float


@dataclass(frozen=True)
class StandardisedDetails(Details):
    """Of a standardised difference: what it was divided by, and Hedges' J (1 without correction)."""

    standardiser: float
    df: float
    correction: float


@dataclass(frozen=True)
class Units:
    """What an estimate rests on.

    Parameters
    ----------
    n, n_missing : int
        Units that entered, and those left out because of missing values.
    unit : str
        What one is.
    """

    n: int
    n_missing: int
    unit: str


@dataclass(frozen=True)
class Standardiser:
    """What a mean difference is measured in.

    Parameters
    ----------
    scale, standard_error : float
        In units of the outcome; the standard error is that of the difference.
    df : float
        Degrees of freedom of the scale.
    """

    scale: float
    standard_error: float
    df: float


@dataclass(frozen=True)
class Summary:
    """One group as a paper prints it.

    Parameters
    ----------
    name : str
    n : int
    mean, sd : float or None
        None when n is 0, and for the standard deviation when n is 1.
    median : float or None
        None when only the mean and standard deviation are known.
    n_missing : int
    """

    name: str
    n: int
    mean: float | None
    sd: float | None
    median: float | None = None
    n_missing: int = 0


def summarised(name: str, values: FloatArray, n_missing: int) -> Summary:
    """A group from its values, shape (n,), which have no gaps any more."""
    n = int(values.size)
    return Summary(
        name,
        n,
        float(values.mean()) if n else None,
        standard_deviation(values) if n > 1 else None,
        float(np.median(values)) if n else None,
        n_missing,
    )


@cache
def _legendre() -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(_NODES)


def noncentral_t_cdf(t: float, df: float, ncp: float) -> float:
    """P(T <= t) of the noncentral t, to about 1e-12 in absolute terms.

    scipy's own gives nan in far tails, where a large effect puts the search for a limit. T is a
    shifted normal Z over an independent s = sqrt(chi-square / df), and the integral over s is
    smooth when t is small, the one over Z when it is large.

    References
    ----------
    .. [1] Johnson, N. L., Kotz, S., & Balakrishnan, N. (1995). Continuous univariate
       distributions, volume 2, chapter 31.
    """
    from scipy import special

    if t < 0:
        return 1.0 - noncentral_t_cdf(-t, df, -ncp)
    nodes, weights = _legendre()
    if t < np.sqrt(2.0 * df):
        low = np.sqrt(2.0 * special.gammaincinv(df / 2, 1e-17) / df)
        high = np.sqrt(2.0 * special.gammainccinv(df / 2, 1e-17) / df)
        # The fourth root takes the kink out of s ** (df - 1) at 0.
        low, high = low**0.25, high**0.25
        x = low + (high - low) * (nodes + 1) / 2
        s = x**4
        log_density = (
            np.log(8.0) + (df / 2) * np.log(df / 2) - special.gammaln(df / 2)
            + (4 * df - 1) * np.log(x) - df * s * s / 2
        )  # fmt: skip
        inner = np.exp(log_density) * special.ndtr(t * s - ncp)
        return float(min(1.0, (inner * weights).sum() * (high - low) / 2))
    start = max(-_REACH, -ncp)
    if start >= _REACH:
        return 1.0
    z = start + (_REACH - start) * (nodes + 1) / 2
    beyond = special.gammaincc(df / 2, df * ((z + ncp) / t) ** 2 / 2)
    inner = np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * beyond
    total = special.ndtr(-ncp) + (inner * weights).sum() * (_REACH - start) / 2
    return float(min(1.0, total))


def noncentrality_interval(t: float, df: float, level: float) -> tuple[float, float]:
    """Noncentralities for which the observed t is at the upper and the lower tail.

    Parameters
    ----------
    t : float
    df : float
        Above 0.
    level : float

    Returns
    -------
    low, high : float
        P(T >= t) = (1 - level) / 2 at ``low`` and P(T <= t) = (1 - level) / 2 at ``high``.

    References
    ----------
    .. [1] Steiger, J. H., & Fouladi, R. T. (1997). Noncentrality interval estimation and the
       evaluation of statistical models.
    """
    from scipy import optimize

    def limit(probability: float) -> float:
        def gap(ncp: float) -> float:
            return noncentral_t_cdf(t, df, ncp) - probability

        # The limit lies within a few standard errors of t; the error of t grows with t itself.
        reach = 10.0 * float(np.sqrt(1.0 + t * t / (2.0 * df)))
        low, high = t - reach, t + reach
        while gap(low) < 0.0:
            low -= reach
        while gap(high) > 0.0:
            high += reach
        return float(optimize.brentq(gap, low, high, xtol=1e-12, rtol=1e-13))

    return limit((1.0 + level) / 2.0), limit((1.0 - level) / 2.0)


def small_sample_factor(df: float) -> float:
    """Hedges' exact correction J, which takes the bias out of Cohen's d.

    References
    ----------
    .. [1] Hedges, L. V. (1981). Distribution theory for Glass's estimator of effect size.
    """
    from scipy import special

    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def t_estimate(
    name: str, difference: float, error: float, df: float, level: float, units: Units
) -> Estimate[TDetails]:
    """A difference with its t interval and two-sided t test."""
    from scipy import stats

    t = difference / error
    half = float(stats.t.ppf((1 + level) / 2, df)) * error
    return Estimate(
        name,
        difference,
        difference - half,
        difference + half,
        level,
        "t",
        float(2 * stats.t.sf(abs(t), df)),
        units.n,
        units.n_missing,
        units.unit,
        details=TDetails(t, df, error),
    )


def standardised(
    name: str,
    difference: float,
    by: Standardiser,
    level: float,
    units: Units,
    *,
    method: str = EXACT,
    corrected: bool = False,
) -> Estimate[StandardisedDetails]:
    """A mean difference over a standard deviation, its interval from the noncentral t.

    Parameters
    ----------
    difference : float
        In units of the outcome.
    by : Standardiser
    level : float
    units : Units
    method : str
        Name of the interval.
    corrected : bool
        Multiply estimate and limits by Hedges' J.
    """
    if by.scale <= 0 or by.standard_error <= 0:
        because = "the values do not vary, so there is no standard deviation to measure in"
        return undefined(name, because, **vars(units))
    if corrected and by.df <= 1:
        because = "the correction for small samples needs more than one degree of freedom"
        return undefined(name, because, **vars(units))
    factor = small_sample_factor(by.df) if corrected else 1.0
    low, high = noncentrality_interval(difference / by.standard_error, by.df, level)
    per_ncp = factor * by.standard_error / by.scale
    return Estimate(
        name,
        factor * difference / by.scale,
        low * per_ncp,
        high * per_ncp,
        level,
        method,
        **vars(units),
        details=StandardisedDetails(by.scale, by.df, factor),
    )


def two_group_effects(
    first: Summary, second: Summary, level: float, unit: str
) -> dict[str, Estimate[StandardisedDetails]]:
    """Cohen's d, Hedges' g (pooled and average variance) and Glass' delta of two groups.

    Keys: ``cohens_d``, ``hedges_g``, ``hedges_g_average_variance``, ``glass_delta`` (standard
    deviation of the second group). Both groups need n of 2 or more.
    """
    names = ("cohens_d", "hedges_g", "hedges_g_average_variance", "glass_delta")
    units = Units(first.n + second.n, first.n_missing + second.n_missing, unit)
    if first.mean is None or second.mean is None or first.sd is None or second.sd is None:
        because = f"each group needs at least two values; there are {first.n} and {second.n}"
        return {k: undefined(k, because, **vars(units)) for k in names}
    n1, n2, v1, v2 = first.n, second.n, first.sd**2, second.sd**2
    difference = first.mean - second.mean
    pooled = ((n1 - 1) * v1 + (n2 - 1) * v2) / (n1 + n2 - 2)
    apart = v1 / n1 + v2 / n2
    pooled_error = float(np.sqrt(pooled * (1 / n1 + 1 / n2)))
    by_pooled = Standardiser(float(np.sqrt(pooled)), pooled_error, n1 + n2 - 2.0)
    by_average = Standardiser(
        float(np.sqrt((v1 + v2) / 2)), float(np.sqrt(apart)), welch_df(n1, v1, n2, v2)
    )
    by_second = Standardiser(second.sd, float(np.sqrt(v2 / n2 + v1 / n1)), n2 - 1.0)
    kinds = zip(names, (by_pooled, by_pooled, by_average, by_second), strict=True)
    return {
        name: standardised(name, difference, by, level, units, corrected=name.startswith("hedges"))
        for name, by in kinds
    }


def welch_df(n1: int, v1: float, n2: int, v2: float) -> float:
    """Satterthwaite's degrees of freedom; 0 when neither group varies."""
    a, b = v1 / n1, v2 / n2
    below = a**2 / (n1 - 1) + b**2 / (n2 - 1)
    return (a + b) ** 2 / below if below > 0 else 0.0
