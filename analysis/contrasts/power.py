"""How many raters or items a study needs: t tests and Cohen's kappa."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.contrasts.effect_sizes import noncentral_t_cdf
from analysis.validation import positive
from study.errors import AnalysisError

_MOST = 1e9


@dataclass(frozen=True)
class PowerAnalysis:
    """What a test of this size and effect can find.

    Parameters
    ----------
    design : str
        ``"paired"``, ``"two_sample"`` or ``"cohen_kappa"``.
    n : float
        Pairs; raters per group; items. Not rounded: round up.
    effect : float
        d_z of the paired design, d of the two samples, kappa under the alternative.
    alpha, power : float
    """

    design: str
    n: float
    effect: float
    alpha: float
    power: float


def _probability(value: float, name: str) -> float:
    if not 0.0 < value < 1.0:
        raise AnalysisError(f"{name}: {value}; expected a number between 0 and 1")
    return float(value)


def _t_power(ncp: float, df: float, alpha: float) -> float:
    """Probability that a two-sided t test rejects, in either direction."""
    from scipy import stats

    critical = float(stats.t.isf(alpha / 2, df))
    return 1.0 - noncentral_t_cdf(critical, df, ncp) + noncentral_t_cdf(-critical, df, ncp)


def paired_t_power(n: float, d_z: float, *, alpha: float = 0.05) -> PowerAnalysis:
    """Power of the two-sided paired t test.

    Parameters
    ----------
    n : float
        Pairs, at least 2.
    d_z : float
        Mean difference over the standard deviation of the differences.
    alpha : float

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical power analysis for the behavioral sciences (2nd ed.).

    Examples
    --------
    >>> round(paired_t_power(34, 0.5).power, 3)
    0.808
    """
    _probability(alpha, "alpha")
    _at_least_two(n, "n")
    power = _t_power(abs(d_z) * np.sqrt(n), n - 1, alpha)
    return PowerAnalysis("paired", n, d_z, alpha, power)


def two_sample_t_power(n1: float, n2: float, d: float, *, alpha: float = 0.05) -> PowerAnalysis:
    """Power of Student's two-sided t test with two independent groups.

    Parameters
    ----------
    n1, n2 : float
        Group sizes, each at least 2; the result's ``n`` is their harmonic mean.
    d : float
        Difference of means over the common standard deviation.
    alpha : float
    """
    _probability(alpha, "alpha")
    _at_least_two(n1, "n1")
    _at_least_two(n2, "n2")
    half = n1 * n2 / (n1 + n2)
    power = _t_power(abs(d) * np.sqrt(half), n1 + n2 - 2, alpha)
    return PowerAnalysis("two_sample", 2 * half, d, alpha, power)


def _at_least_two(n: float, name: str) -> None:
    if not (np.isfinite(n) and n >= 2):
        raise AnalysisError(f"{name}: {n}; expected at least 2")


def paired_t_n(d_z: float, *, power: float = 0.8, alpha: float = 0.05) -> PowerAnalysis:
    """Pairs that the two-sided paired t test needs for the power (round up)."""
    return _needed("paired", lambda n: paired_t_power(n, d_z, alpha=alpha).power, d_z, power, alpha)


def two_sample_t_n(d: float, *, power: float = 0.8, alpha: float = 0.05) -> PowerAnalysis:
    """Raters per group that Student's two-sided t test needs for the power (round up)."""
    return _needed(
        "two_sample", lambda n: two_sample_t_power(n, n, d, alpha=alpha).power, d, power, alpha
    )


def _needed(
    design: str, power_at: Callable[[float], float], effect: float, power: float, alpha: float
) -> PowerAnalysis:
    from scipy import optimize

    _probability(power, "power")
    _probability(alpha, "alpha")
    positive(abs(effect), "effect")
    if power_at(2.0) >= power:
        return PowerAnalysis(design, 2.0, effect, alpha, power_at(2.0))
    high = 4.0
    while power_at(high) < power:
        high *= 2
        if high > _MOST:
            raise AnalysisError(
                f"effect: {effect}; more than {_MOST:g} would be needed, expect a larger effect"
            )
    n = float(optimize.brentq(lambda n: power_at(n) - power, 2.0, high, xtol=1e-10))
    return PowerAnalysis(design, n, effect, alpha, power)


def cohen_kappa_n(
    rate1: float,
    rate2: float,
    kappa: float,
    kappa_null: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    two_sided: bool = False,
) -> PowerAnalysis:
    """Items that two raters must judge to tell one kappa from another, two categories.

    Parameters
    ----------
    rate1, rate2 : float
        How often each rater gives the first category.
    kappa, kappa_null : float
        Cohen's kappa expected, and the one to be ruled out.
    alpha, power : float
    two_sided : bool

    Raises
    ------
    AnalysisError
        When no cross-table with these rates has that kappa.

    References
    ----------
    .. [1] Cantor, A. B. (1996). Sample-size calculations for Cohen's kappa.
    """
    from scipy import special

    for value, name in ((rate1, "rate1"), (rate2, "rate2"), (alpha, "alpha"), (power, "power")):
        _probability(value, name)
    positive(abs(kappa - kappa_null), "kappa minus kappa_null")
    spread = _kappa_spread(rate1, rate2, kappa)
    spread_null = _kappa_spread(rate1, rate2, kappa_null)
    tail = alpha / 2 if two_sided else alpha
    distance = float(special.ndtri(1 - tail)) * spread_null + float(special.ndtri(power)) * spread
    n = (distance / (kappa - kappa_null)) ** 2
    return PowerAnalysis("cohen_kappa", n, kappa, alpha, power)


def _kappa_spread(rate1: float, rate2: float, kappa: float) -> float:
    """Large-sample standard deviation of kappa per item, at this kappa (two categories)."""
    rows, columns = np.array([rate1, 1 - rate1]), np.array([rate2, 1 - rate2])
    chance = float(rows @ columns)
    observed = kappa * (1 - chance) + chance
    both = (observed - 1 + rate1 + rate2) / 2
    table = np.array([[both, rate1 - both], [rate2 - both, 1 - rate1 - rate2 + both]])
    if (table < -1e-12).any():
        raise AnalysisError(
            f"kappa: {kappa} is impossible with the rates {rate1} and {rate2}; expected a kappa "
            "that some cross-table has"
        )
    credit = columns[:, None] + rows[None, :]
    inner = (table * (np.eye(2) - credit * (1 - kappa)) ** 2).sum()
    variance = inner - (kappa - chance * (1 - kappa)) ** 2
    return float(np.sqrt(max(0.0, variance)) / (1 - chance))
