"""A list of numbers in a few: for answers that are places on a line and not points of a scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from analysis.contrasts.effect_sizes import Units, t_estimate
from analysis.results import Estimate, undefined
from analysis.rounding import standard_deviation
from analysis.validation import FloatArray, confidence_level, vector
from study.entities import NO_REASON

_NOTHING = "there is no number"


@dataclass(frozen=True)
class NumberSummary:
    """Where numbers lie and how far they spread.

    Parameters
    ----------
    mean : Estimate
        With a t interval, which takes the numbers as independent.
    sd, lower_quartile, median, upper_quartile, lowest, highest : Estimate
        The median has the interval of the order statistics; quartiles interpolate linearly.
    n, n_missing : int
    missing_by_reason : mapping of str to int
    """

    mean: Estimate
    sd: Estimate
    lower_quartile: Estimate
    median: Estimate
    upper_quartile: Estimate
    lowest: Estimate
    highest: Estimate
    n: int
    n_missing: int
    missing_by_reason: Mapping[str, int]

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """All of them, in the order of a table."""
        return (
            self.mean, self.sd, self.lowest, self.lower_quartile, self.median, self.upper_quartile,
            self.highest,
        )  # fmt: skip


def number_summary(
    values: ArrayLike,
    *,
    missing_reasons: Sequence[str | None] | None = None,
    level: float = 0.95,
    unit: str = "rating",
) -> NumberSummary:
    """Summarise numbers, nan where missing.

    Parameters
    ----------
    values : array-like, shape (n,)
    missing_reasons : sequence of str or None, optional
        Why a value is missing, in the order of ``values``.
    level : float
    unit : str
        What one number is.

    Returns
    -------
    NumberSummary

    References
    ----------
    .. [1] Hyndman, R. J., & Fan, Y. (1996). Sample quantiles in statistical packages (type 7).
    .. [2] David, H. A., & Nagaraja, H. N. (2003). Order statistics (3rd ed.), section 7.1.

    Examples
    --------
    >>> number_summary([10, 20, 90]).median.estimate
    20.0
    """
    confidence_level(level)
    given = vector(values)
    gaps = np.isnan(given)
    reasons = missing_reasons if missing_reasons is not None else [None] * given.size
    counted: dict[str, int] = {}
    for reason, gap in zip(reasons, gaps, strict=True):
        if gap:
            name = reason or NO_REASON
            counted[name] = counted.get(name, 0) + 1
    known = np.sort(given[~gaps])
    n, n_missing = int(known.size), int(gaps.sum())
    names = ("lower_quartile", "upper_quartile", "lowest", "highest")
    if n == 0:
        gone = {
            x: undefined(x, _NOTHING, n_missing=n_missing, unit=unit) for x in (*names, "median")
        }
    else:
        at = np.quantile(known, [0.25, 0.75, 0.0, 1.0])
        gone = {
            name: Estimate(
                name, float(value), ci_method="none", n=n, n_missing=n_missing, unit=unit
            )
            for name, value in zip(names, at, strict=True)
        }
        gone["median"] = _median(known, n_missing, level, unit)
    mean, sd = _mean_and_sd(known, n_missing, level, unit)
    return NumberSummary(
        mean, sd, gone["lower_quartile"], gone["median"], gone["upper_quartile"], gone["lowest"],
        gone["highest"], n, n_missing, MappingProxyType(counted),
    )  # fmt: skip


def _mean_and_sd(
    known: FloatArray, n_missing: int, level: float, unit: str
) -> tuple[Estimate, Estimate]:
    n = int(known.size)
    if n == 0:
        gone = [undefined(x, _NOTHING, n_missing=n_missing, unit=unit) for x in ("mean", "sd")]
        return gone[0], gone[1]
    mean = float(known.mean())
    if n == 1:
        return (
            Estimate("mean", mean, ci_method="none: a single number", n=1, n_missing=n_missing,
                     unit=unit),
            undefined("sd", "a single number has no spread", n=1, n_missing=n_missing, unit=unit),
        )  # fmt: skip
    spread = standard_deviation(known)
    sd = Estimate("sd", spread, ci_method="none", n=n, n_missing=n_missing, unit=unit)
    if spread == 0.0:
        method = "none: all numbers are equal"
        return Estimate("mean", mean, ci_method=method, n=n, n_missing=n_missing, unit=unit), sd
    units = Units(n, n_missing, unit)
    located = t_estimate("mean", mean, spread / np.sqrt(n), n - 1, level, units)
    # The test against zero answers no question about a mean rating.
    return (
        Estimate(
            "mean", mean, located.ci_low, located.ci_high, level, "t", n=n, n_missing=n_missing,
            unit=unit,
        ),
        sd,
    )  # fmt: skip


def _median(known: FloatArray, n_missing: int, level: float, unit: str) -> Estimate:
    """Interval between two order statistics: at least the level, whatever the distribution."""
    from scipy import stats

    n, middle = int(known.size), float(np.median(known))
    rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
    if rank < 1:
        method = f"none: {n} numbers are too few for the interval of the order statistics"
        return Estimate("median", middle, ci_method=method, n=n, n_missing=n_missing, unit=unit)
    return Estimate(
        "median",
        middle,
        float(known[rank - 1]),
        float(known[n - rank]),
        level,
        "order statistics",
        n=n,
        n_missing=n_missing,
        unit=unit,
    )
