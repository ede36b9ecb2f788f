"""How many prompts each rater must meet, and how many raters each response needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.contrasts.power import paired_t_power
from analysis.validation import positive
from study.errors import AnalysisError

_LARGEST_D = 1e3


@dataclass(frozen=True)
class PromptsNeeded:
    """Prompts that each rater must rate for both systems.

    Parameters
    ----------
    prompts : float
        Not rounded: round up.
    d_z : float
        Effect that this many raters find with the power asked for.
    raters : float
    difference, sd_slope, sd_error, alpha, power : float
        As given.
    """

    prompts: float
    d_z: float
    raters: float
    difference: float
    sd_slope: float
    sd_error: float
    alpha: float
    power: float


@dataclass(frozen=True)
class OverlapNeeded:
    """Raters that must rate the same response.

    Parameters
    ----------
    raters : float
        Not rounded: round up.
    icc, reliability : float
        Of one rater, and of the mean of these raters.
    """

    raters: float
    icc: float
    reliability: float


def detectable_d_z(n: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest d_z that the two-sided paired t test finds with this power among n pairs.

    Examples
    --------
    >>> round(detectable_d_z(34, power=0.8078), 2)
    0.5
    """
    from scipy import optimize

    if not 0 < power < 1:
        raise AnalysisError(f"power: {power}; expected a number between 0 and 1")
    if paired_t_power(n, 0.0, alpha=alpha).power >= power:
        raise AnalysisError(
            f"power: {power} is not more than alpha {alpha}; expected a power that an effect can add to"
        )
    high = 1.0
    while paired_t_power(n, high, alpha=alpha).power < power:
        high *= 2
        if high > _LARGEST_D:
            raise AnalysisError(
                f"n: {n}; no effect is found with power {power}, expected more raters"
            )
    return float(
        optimize.brentq(lambda d: paired_t_power(n, d, alpha=alpha).power - power, 0.0, high)
    )


def prompts_needed(
    difference: float,
    sd_slope: float,
    sd_error: float,
    raters: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
) -> PromptsNeeded:
    """Prompts per rater, so that the paired contrast of two systems has the power.

    A rater's mean difference over P prompts has variance sd_slope^2 + 2 sd_error^2 / P; the raters
    are a sample, the prompts are given.

    Parameters
    ----------
    difference : float
        Between the systems, in points of the scale.
    sd_slope : float
        How raters differ in that difference, in points; of a mixed model with random slopes.
    sd_error : float
        Of one rating around its rater and prompt, in points.
    raters : float
    power, alpha : float

    Raises
    ------
    AnalysisError
        When no number of prompts is enough for so few raters.

    References
    ----------
    .. [1] Westfall, J., Kenny, D. A., & Judd, C. M. (2014). Statistical power and optimal design in
       experiments in which samples of participants respond to samples of stimuli.

    Examples
    --------
    >>> round(prompts_needed(0.3, 0.4, 0.9, 36).prompts, 1)
    7.0
    """
    positive(abs(difference), "difference")
    positive(sd_error, "sd_error")
    if sd_slope < 0 or not np.isfinite(sd_slope):
        raise AnalysisError(f"sd_slope: {sd_slope}; expected 0 or more")
    d_z = detectable_d_z(raters, power=power, alpha=alpha)
    room = (difference / d_z) ** 2 - sd_slope**2
    if room <= 0:
        raise AnalysisError(
            f"raters: {raters:g}; no number of prompts is enough, because raters differ by "
            f"{sd_slope:g} points and only a d_z of {d_z:.3g} is found; expected more raters"
        )
    prompts = 2 * sd_error**2 / room
    return PromptsNeeded(prompts, d_z, raters, difference, sd_slope, sd_error, alpha, power)


def raters_per_response(icc: float, *, reliability: float = 0.8) -> OverlapNeeded:
    """Raters whose mean has the reliability, from that of one rater (Spearman and Brown).

    k = R (1 - icc) / (icc (1 - R)).

    References
    ----------
    .. [1] Shrout, P. E., & Fleiss, J. L. (1979). Intraclass correlations.

    Examples
    --------
    >>> round(raters_per_response(0.4).raters, 6)
    6.0
    """
    for value, name in ((icc, "icc"), (reliability, "reliability")):
        if not 0 < value < 1:
            raise AnalysisError(f"{name}: {value}; expected a number between 0 and 1")
    raters = reliability * (1 - icc) / (icc * (1 - reliability))
    return OverlapNeeded(raters, icc, reliability)
