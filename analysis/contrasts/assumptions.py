"""Checks of normality and of equal variances: figures to look at, which choose no test."""

from __future__ import annotations

import numpy as np

from analysis.p_values import p_phrase
from analysis.results import Assumption
from analysis.rounding import standard_deviation, without_rounding
from analysis.validation import FloatArray

# Below or at this p value a check is said to speak against the assumption; nothing depends on it.
_CHECK_LEVEL = 0.05
_FEWEST = 4
# Royston's approximation of the p value was made for samples up to this size.
_MOST = 5000
_ROLE = "shown, not used to choose the test"


def normality(values: FloatArray, what: str) -> Assumption:
    """Shapiro and Wilk's test of the values.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Without gaps.
    what : str
        What the values are, for example ``"System B minus System A"``.

    Returns
    -------
    Assumption
        ``holds`` is None, and ``evidence`` says why, below 4 and above 5,000 values and when they are
        equal: of three values W tells only where the middle one lies between the others.

    References
    ----------
    .. [1] Royston, P. (1995). Remark AS R94: A remark on algorithm AS 181: the W-test for normality.
    """
    from scipy import stats

    name, n = f"normality of {what}", int(values.size)
    because = ""
    if n < _FEWEST:
        few = "1 value is" if n == 1 else f"{n} values are"
        because = f"{few} too few to tell a distribution by (at least {_FEWEST} are needed)"
    elif n > _MOST:
        because = f"its p value is known for up to {_MOST} values, and there are {n}"
    elif standard_deviation(values) == 0.0:
        because = "all values are equal"
    if because:
        return Assumption(name, None, f"Shapiro-Wilk test undefined, because {because}")
    w, p = stats.shapiro(values)
    evidence = f"Shapiro-Wilk W = {w:.3f}, {p_phrase(float(p))} ({_ROLE})"
    return Assumption(name, bool(p > _CHECK_LEVEL), evidence)


def equal_variances(names: tuple[str, str], x: FloatArray, y: FloatArray) -> Assumption:
    """Levene's test about the medians (Brown and Forsythe) of two groups.

    Parameters
    ----------
    names : pair of str
    x, y : ndarray, shape (n,)
        Without gaps.

    Returns
    -------
    Assumption
        ``holds`` is None, and ``evidence`` says why, when a group has fewer than two values or no
        value lies at another distance from its group's median than the rest.

    References
    ----------
    .. [1] Brown, M. B., & Forsythe, A. B. (1974). Robust tests for the equality of variances.
    """
    from scipy import stats

    name, because = f"equal variances of {names[0]} and {names[1]}", ""
    if min(x.size, y.size) < 2:
        because = f"each group needs at least two values; there are {x.size} and {y.size}"
    elif not any(np.ptp(without_rounding(np.abs(v - np.median(v)))) > 0 for v in (x, y)):
        because = "within each group all values lie equally far from the median"
    if because:
        return Assumption(name, None, f"Levene's test undefined, because {because}")
    f, p = stats.levene(x, y, center="median")
    evidence = f"Levene (Brown-Forsythe) F = {f:.3f}, {p_phrase(float(p))} ({_ROLE})"
    return Assumption(name, bool(p > _CHECK_LEVEL), evidence)
