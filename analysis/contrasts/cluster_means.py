"""Means and shares of observations that hang together in clusters: responses to one prompt, say.

Single observations of a cluster are not independent, so the cluster is what gives information about
the error of a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.results import Details, Estimate, undefined
from analysis.validation import FloatArray, IntArray, confidence_level, vector
from study.errors import AnalysisError

# Below this a sum of squares is rounding noise.
_TINY = 1e-24


@dataclass(frozen=True)
class ClusterMeanDetails(Details):
    """Of a mean of clusters; no error and degrees of freedom from a single cluster."""

    clusters: int
    standard_error: float | None = None
    df: int | None = None


@dataclass(frozen=True)
class ClusteredShareDetails(Details):
    """Of a share of clusters.

    Parameters
    ----------
    n_effective : float
        How many independent observations the clusters are worth.
    clusters : int
    count : float
        Sum of the hits.
    """

    n_effective: float
    clusters: int
    count: float


def cluster_codes(clusters: Sequence[Any] | NDArray[Any] | None, n: int) -> tuple[IntArray, int]:
    """Codes 0, 1, ... of the clusters and their number; every observation its own for None.

    Raises
    ------
    AnalysisError
        When there are not as many cluster names as observations.
    """
    if clusters is None:
        return np.arange(n, dtype=np.int64), n
    names = np.asarray(clusters).astype(str)
    if names.shape != (n,):
        raise AnalysisError(
            f"clusters: {names.size} names for {n} observations; give one name for each, in order"
        )
    found, codes = np.unique(names, return_inverse=True)
    return codes.astype(np.int64).reshape(-1), int(found.size)


def sums_by_cluster(values: FloatArray, codes: IntArray, n_clusters: int) -> FloatArray:
    """Sum of the values in each cluster."""
    return np.bincount(codes, weights=values, minlength=n_clusters).astype(np.float64)


def cluster_variance_of_mean(values: FloatArray, codes: IntArray, n_clusters: int) -> float:
    """Variance of the mean: G / (G - 1) times the sum of squared cluster totals of x - mean, over n².

    With every observation its own cluster it is the usual s² / n.
    """
    totals = sums_by_cluster(values - values.mean(), codes, n_clusters)
    squares = float((totals**2).sum())
    if squares < _TINY * max(1.0, float((values**2).sum())):
        return 0.0
    return n_clusters / (n_clusters - 1.0) * squares / values.size**2


def cluster_mean(
    values: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    *,
    statistic: str = "mean",
    level: float = 0.95,
    unit: str = "response",
) -> Estimate[ClusterMeanDetails]:
    """Mean with an interval from the differences between clusters.

    Parameters
    ----------
    values : array-like, shape (n,)
        Missing as nan.
    clusters : sequence, shape (n,), optional
        Name of each value's cluster.
    statistic : str
    level : float
    unit : str
        What one value is.

    Returns
    -------
    Estimate
        Student's t with clusters - 1 degrees of freedom; p-value of a mean of zero.

    Notes
    -----
    Assumes that the clusters are independent and many; below about ten the interval is too narrow.

    References
    ----------
    .. [1] Cameron, A. C., & Miller, D. L. (2015). A practitioner's guide to cluster-robust
       inference.

    Examples
    --------
    >>> result = cluster_mean([1.0, 2.0, 3.0])
    >>> result.estimate, round(result.details.standard_error, 4)
    (2.0, 0.5774)
    """
    from scipy import stats

    confidence_level(level)
    array = vector(values)
    codes, _ = cluster_codes(clusters, array.size)
    present = ~np.isnan(array)
    x, n_missing = array[present], int((~present).sum())
    if x.size == 0:
        return undefined(statistic, "there is no value", n_missing=n_missing, unit=unit)
    kept, group = np.unique(codes[present], return_inverse=True)
    mean, n_clusters = float(x.mean()), int(kept.size)
    details = ClusterMeanDetails(n_clusters)
    low = high = p_value = None
    method = "none: a single cluster tells nothing about the differences between clusters"
    if n_clusters >= 2:
        error = float(np.sqrt(cluster_variance_of_mean(x, group.reshape(-1), n_clusters)))
        details = ClusterMeanDetails(n_clusters, error, n_clusters - 1)
        method = "none: the clusters do not differ"
        if error > 0:
            half = error * float(stats.t.ppf((1 + level) / 2, n_clusters - 1))
            low, high = mean - half, mean + half
            p_value = float(2 * stats.t.sf(abs(mean) / error, n_clusters - 1))
            method = "cluster-robust, t"
    return Estimate(
        statistic,
        mean,
        low,
        high,
        level,
        method,
        p_value,
        int(x.size),
        n_missing,
        unit,
        details=details,
    )


def clustered_share(
    hits: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    *,
    statistic: str = "share",
    level: float = 0.95,
    unit: str = "verdict",
) -> Estimate[ClusteredShareDetails]:
    """A share with Wilson's interval for as many observations as the clusters are worth.

    Wilson's formula takes the effective n: the n of independent observations whose share has the
    cluster-robust variance, at most the real n, times (z / t)² with t of clusters - 1 degrees of
    freedom. Where the variance is zero (all or none) each cluster counts as one observation.

    Parameters
    ----------
    hits : array-like, shape (n,)
        0 or 1 for a yes or no; values between for observations that are shares themselves. Missing
        as nan.
    clusters, statistic, level, unit
        As in `cluster_mean`.

    Returns
    -------
    Estimate

    References
    ----------
    .. [1] Korn, E. L., & Graubard, B. I. (1998). Confidence intervals for proportions with small
       expected number of positive counts estimated from survey data.
    .. [2] Dean, N., & Pagano, M. (2015). Evaluating confidence interval methods for binomial
       proportions in clustered surveys.
    """
    from scipy import special, stats

    mean = cluster_mean(hits, clusters, statistic=statistic, level=level, unit=unit)
    if mean.estimate is None:
        return undefined(statistic, mean.undefined_because, n_missing=mean.n_missing, unit=unit)
    share, groups = mean.estimate, mean.details.clusters
    if not 0.0 <= share <= 1.0:
        raise AnalysisError(f"hits: their mean is {share:g}; expected values between 0 and 1")
    z = float(special.ndtri((1 + level) / 2))
    error = mean.details.standard_error or 0.0
    spread = share * (1.0 - share)
    effective = float(groups)
    if groups < mean.n:
        if error > 0 and spread > 0:
            # Clusters whose observations differ more within than by chance would be worth more than their
            # number.
            effective = min(float(mean.n), spread / error**2)
        if groups >= 2:
            effective *= (z / float(stats.t.ppf((1 + level) / 2, groups - 1))) ** 2
    below = 1 + z**2 / effective
    middle = (share + z**2 / (2 * effective)) / below
    half = z * float(np.sqrt(spread / effective + z**2 / (4 * effective**2))) / below
    return Estimate(
        statistic,
        share,
        # Wilson's limit is 0 or 1 there, and rounding leaves 1e-17 of it.
        0.0 if share == 0.0 else max(0.0, middle - half),
        1.0 if share == 1.0 else min(1.0, middle + half),
        level,
        "Wilson with the effective n of the clusters" if groups < mean.n else "Wilson",
        n=mean.n,
        n_missing=mean.n_missing,
        unit=unit,
        details=ClusteredShareDetails(effective, groups, float(np.nansum(vector(hits)))),
    )
