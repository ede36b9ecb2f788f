"""Shares and their intervals: one share, or all points of a scale together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results import Assumption, Details, Estimate, undefined
from analysis.validation import FloatArray, confidence_level, one_of
from study.errors import AnalysisError

SIMULTANEOUS = ("goodman", "sison_glaz")
NO_ANSWERS = "there is no answer"


@dataclass(frozen=True)
class ShareDetails(Details):
    """Of a share: how many there are of what it is the share of."""

    count: int


def wilson_share(
    count: int,
    n: int,
    *,
    statistic: str = "share",
    level: float = 0.95,
    n_missing: int = 0,
    unit: str = "rating",
    assumptions: tuple[Assumption, ...] = (),
) -> Estimate[ShareDetails]:
    """A share with Wilson's score interval, which stays within 0 and 1.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference.

    Examples
    --------
    >>> round(wilson_share(9, 10).ci_low, 4)
    0.5958
    """
    from scipy import special

    confidence_level(level)
    if not 0 <= count <= n:
        raise AnalysisError(f"count: {count} of {n}; expected between 0 and n")
    if n == 0:
        return undefined(statistic, NO_ANSWERS, n_missing=n_missing, unit=unit)
    low, high = _score_interval(np.array([count / n]), n, float(special.ndtri((1 + level) / 2)))
    return Estimate(
        statistic,
        count / n,
        float(low[0]),
        float(high[0]),
        level,
        "Wilson",
        n=n,
        n_missing=n_missing,
        unit=unit,
        assumptions=assumptions,
        details=ShareDetails(count),
    )


def _score_interval(shares: FloatArray, n: int, z: float) -> tuple[FloatArray, FloatArray]:
    below = 1 + z**2 / n
    middle = (shares + z**2 / (2 * n)) / below
    half = z * np.sqrt(shares * (1 - shares) / n + z**2 / (4 * n**2)) / below
    low = np.where(shares == 0.0, 0.0, np.maximum(0.0, middle - half))
    return low, np.where(shares == 1.0, 1.0, np.minimum(1.0, middle + half))


def simultaneous_intervals(
    counts: Sequence[int], *, method: str = "goodman", level: float = 0.95
) -> list[tuple[float, float]]:
    """Intervals of multinomial shares that hold all together at the level.

    Parameters
    ----------
    counts : sequence of int
        One per scale point, the unused ones too; at least one answer in all.
    method : {"goodman", "sison_glaz"}
    level : float

    References
    ----------
    .. [1] Goodman, L. A. (1965). On simultaneous confidence intervals for multinomial proportions.
    .. [2] Sison, C. P., & Glaz, J. (1995). Simultaneous confidence intervals and sample size
       determination for multinomial proportions.
    """
    from scipy import special

    confidence_level(level)
    one_of(method, SIMULTANEOUS, "method")
    array = np.asarray(counts)
    n = int(array.sum())
    if n == 0 or (array < 0).any():
        raise AnalysisError(f"counts: {list(counts)}; expected counts with at least one answer")
    if method == "goodman":
        z = float(special.ndtri(1 - (1 - level) / (2 * array.size)))
        low, high = _score_interval(array / n, n, z)
        return list(zip(low.tolist(), high.tolist(), strict=True))
    from statsmodels.stats.proportion import multinomial_proportions_confint

    limits = multinomial_proportions_confint(array, alpha=1 - level, method="sison-glaz")
    return [(float(low), float(high)) for low, high in limits]
