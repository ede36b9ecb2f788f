"""Rank statistics of two independent groups, each with its own interval.

All take the values of both groups without gaps; `analysis.contrasts.two_groups.compare_groups` calls them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.contrasts.effect_sizes import TDetails, Units, t_estimate, welch_df
from analysis.results import Details, Estimate, undefined
from analysis.validation import FloatArray, IntArray

# R's rule: without ties the exact distribution counts while both groups are smaller than this.
_EXACT_BELOW = 50
# With ties the normal approximation is poor in small groups; R uses it at any size, having no other.
_EXACT_WITH_TIES = 20
EXACT = "exact permutation"
NORMAL = "normal approximation with continuity correction"
EXACT_WHERE = (
    f"without ties where both groups have fewer than {_EXACT_BELOW} values, with ties where there are "
    f"at most {_EXACT_WITH_TIES} in all"
)


@dataclass(frozen=True)
class MannWhitneyDetails(Details):
    """Of a rank-sum test.

    Parameters
    ----------
    z, p_value_normal_continuity : float
        Of the normal approximation with continuity correction.
    z_without_continuity, p_value_without_continuity : float
    p_value_method : str
        `EXACT` or `NORMAL`: where the p value of the estimate comes from.
    p_value_exact : float or None
        None where it was not counted.
    """

    z: float
    z_without_continuity: float
    p_value_normal_continuity: float
    p_value_without_continuity: float
    p_value_method: str
    p_value_exact: float | None = None


@dataclass(frozen=True)
class CliffDetails(Details):
    """Of Cliff's delta."""

    standard_error: float


def _rank_refusal(x: FloatArray, y: FloatArray) -> str:
    if not x.size or not y.size:
        return f"each group needs values; there are {x.size} and {y.size}"
    both = np.concatenate([x, y])
    if both.min() == both.max():
        return "all values of both groups are equal, so nothing can be ranked"
    return ""


def _superiority(x: FloatArray, y: FloatArray) -> float:
    """U of x: pairs in which x is larger, ties counting half."""
    from scipy import stats

    ranks = stats.rankdata(np.concatenate([x, y]))
    return float(ranks[: x.size].sum() - x.size * (x.size + 1) / 2)


def mann_whitney(
    x: FloatArray, y: FloatArray, n_missing: int, unit: str
) -> Estimate[MannWhitneyDetails]:
    """U of x, and its test that all ways to part the values into these groups are equally likely.

    The p-value is exact without ties when both groups have fewer than 50 values, as in R, and with
    ties when there are at most 20 values in all; elsewhere it comes from the normal approximation
    with corrections for ties and continuity, as in R.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Without gaps.
    n_missing : int
    unit : str

    Returns
    -------
    Estimate

    References
    ----------
    .. [1] Mann, H. B., & Whitney, D. R. (1947). On a test of whether one of two random variables is
       stochastically larger than the other.
    .. [2] Lehmann, E. L. (2006). Nonparametrics: statistical methods based on ranks, section 1.4
       (the exact distribution with midranks).
    """
    from scipy import stats

    n = int(x.size + y.size)
    because = _rank_refusal(x, y)
    if because:
        return undefined("mann_whitney_u", because, n=n, n_missing=n_missing, unit=unit)
    u = _superiority(x, y)
    both = np.concatenate([x, y])
    _, ties = np.unique(both, return_counts=True)
    tied = float((ties.astype(float) ** 3 - ties).sum())
    error = float(np.sqrt(x.size * y.size / 12 * ((n + 1) - tied / (n * (n - 1)))))
    distance = u - x.size * y.size / 2
    corrected = float(np.sign(distance)) * max(abs(distance) - 0.5, 0.0)
    normal = float(2 * stats.norm.sf(abs(corrected) / error))
    exact = n <= _EXACT_WITH_TIES if tied else max(x.size, y.size) < _EXACT_BELOW
    counted = _exact_p_value(stats.rankdata(both), x.size) if exact else None
    return Estimate(
        "mann_whitney_u",
        u,
        ci_method="none: a test statistic; see Brunner-Munzel for an effect with interval",
        p_value=normal if counted is None else counted,
        n=n,
        n_missing=n_missing,
        unit=unit,
        details=MannWhitneyDetails(
            corrected / error,
            distance / error,
            normal,
            float(2 * stats.norm.sf(abs(distance) / error)),
            NORMAL if counted is None else EXACT,
            counted,
        ),
    )


def _exact_p_value(ranks: FloatArray, n_first: int) -> float:
    """Two-sided: share of all choices of n_first ranks whose sum is as far from its mean, or further.

    ``ranks`` has those of the first group in front. Mean ranks are halves, so doubled ranks are whole
    and the choices with each sum can be counted one rank at a time.
    """
    doubled = np.rint(2 * ranks).astype(int)
    # ways[i, s]: choices of i of the ranks seen so far whose doubled sum is s.
    ways = np.zeros((n_first + 1, int(doubled.sum()) + 1))
    ways[0, 0] = 1.0
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    mean = n_first * (ranks.size + 1)
    distances = np.abs(np.arange(ways.shape[1]) - mean)
    seen = abs(int(doubled[:n_first].sum()) - mean)
    return float(min(1.0, ways[-1, distances >= seen].sum() / ways[-1].sum()))


def brunner_munzel(
    x: FloatArray, y: FloatArray, level: float, n_missing: int, unit: str
) -> Estimate[TDetails]:
    """P(x > y) + P(x = y) / 2 with the test and interval of Brunner and Munzel."""
    from scipy import stats

    name, n = "probability_of_superiority", int(x.size + y.size)
    because = _rank_refusal(x, y)
    if not because and min(x.size, y.size) < 2:
        because = f"each group needs at least two values; there are {x.size} and {y.size}"
    if because:
        return undefined(name, because, n=n, n_missing=n_missing, unit=unit)
    ranks = stats.rankdata(np.concatenate([x, y]))
    # Each value's share of the other group that lies below it.
    above = (ranks[: x.size] - stats.rankdata(x)) / y.size
    below = (ranks[x.size :] - stats.rankdata(y)) / x.size
    estimate = float(above.mean())
    v1, v2 = float(above.var(ddof=1)), float(below.var(ddof=1))
    error = float(np.sqrt(v1 / x.size + v2 / y.size))
    if error < 1e-12:
        return Estimate(
            name,
            estimate,
            ci_method="none: the groups do not overlap, so the variance is estimated as zero",
            n=n,
            n_missing=n_missing,
            unit=unit,
        )
    df = welch_df(x.size, v1, y.size, v2)
    test = t_estimate(name, estimate - 0.5, error, df, level, Units(n, n_missing, unit))
    half = float(stats.t.ppf((1 + level) / 2, df)) * error
    return Estimate(
        name,
        estimate,
        max(0.0, estimate - half),
        min(1.0, estimate + half),
        level,
        "Brunner-Munzel, t",
        test.p_value,
        n,
        n_missing,
        unit,
        details=test.details,
    )


def cliffs_delta(
    x: FloatArray, y: FloatArray, level: float, n_missing: int, unit: str
) -> Estimate[CliffDetails]:
    """P(x > y) - P(x < y) with Cliff's asymmetric interval."""
    from scipy import stats

    name, n = "cliffs_delta", int(x.size + y.size)
    because = _rank_refusal(x, y)
    if not because and min(x.size, y.size) < 2:
        because = f"each group needs at least two values; there are {x.size} and {y.size}"
    if because:
        return undefined(name, because, n=n, n_missing=n_missing, unit=unit)
    x_over, x_under = _over_and_under(x, y)
    y_over, y_under = _over_and_under(y, x)
    rows, columns = (x_over - x_under) / y.size, (y_under - y_over) / x.size
    delta, pairs = float(rows.mean()), x.size * y.size
    spread_cells = float(x_over.sum() + x_under.sum()) - pairs * delta**2
    variance = (
        x.size**2 * ((columns - delta) ** 2).sum()
        + y.size**2 * ((rows - delta) ** 2).sum()
        - spread_cells
    ) / (pairs * (x.size - 1) * (y.size - 1))
    # The unbiased variance can be zero or negative; this floor is Cliff's own. Oracle: effsize.
    variance = max(float(variance), (1 - delta**2) / (pairs - 1))
    z = float(stats.t.ppf((1 + level) / 2, n - 2))
    if abs(delta) == 1.0:
        return Estimate(
            name,
            delta,
            ci_method="none: the groups do not overlap",
            n=n,
            n_missing=n_missing,
            unit=unit,
        )
    middle = delta - delta**3
    half = z * float(np.sqrt(variance) * np.sqrt((1 - delta**2) ** 2 + z**2 * variance))
    below = 1 - delta**2 + z**2 * variance
    return Estimate(
        name,
        delta,
        (middle - half) / below,
        (middle + half) / below,
        level,
        "Cliff's asymmetric, unbiased variance, t",
        n=n,
        n_missing=n_missing,
        unit=unit,
        details=CliffDetails(float(np.sqrt(variance))),
    )


def _over_and_under(values: FloatArray, others: FloatArray) -> tuple[IntArray, IntArray]:
    """How many of the others each value exceeds, and how many exceed it."""
    ordered = np.sort(others)
    over = np.searchsorted(ordered, values, "left")
    under = others.size - np.searchsorted(ordered, values, "right")
    return over.astype(np.int64), under.astype(np.int64)


def fisher_z_interval(r: float, error: float, level: float) -> tuple[float, float] | None:
    """Interval of a rank correlation through Fisher's z; None at plus or minus one."""
    from scipy import stats

    if abs(r) >= 1.0:
        return None
    half = float(stats.norm.ppf((1 + level) / 2)) * error
    return float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def rank_biserial(
    x: FloatArray, y: FloatArray, level: float, n_missing: int, unit: str
) -> Estimate:
    """P(x > y) - P(x < y) as a rank correlation, interval through Fisher's z.

    The same number as `cliffs_delta`; its interval, R's effectsize's, has the
    standard error of groups that do not differ.
    """
    name, n = "rank_biserial", int(x.size + y.size)
    because = _rank_refusal(x, y)
    if because:
        return undefined(name, because, n=n, n_missing=n_missing, unit=unit)
    r = 2 * _superiority(x, y) / (x.size * y.size) - 1
    error = float(np.sqrt((n + 1) / (3 * x.size * y.size)))
    limits = fisher_z_interval(r, error, level)
    return Estimate(
        name,
        r,
        limits[0] if limits else None,
        limits[1] if limits else None,
        level,
        "Fisher z, standard error under no difference"
        if limits
        else "none: the groups do not overlap",
        n=n,
        n_missing=n_missing,
        unit=unit,
    )
