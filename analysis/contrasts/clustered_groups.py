"""Two groups of ratings where one rater has given several: the rater is what is independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.contrasts.cluster_means import (
    cluster_codes,
    cluster_variance_of_mean,
    sums_by_cluster,
)
from analysis.contrasts.effect_sizes import TDetails, Units, t_estimate, welch_df
from analysis.results import Details, Estimate, undefined
from analysis.validation import BoolArray, FloatArray, IntArray, confidence_level, vector

STATISTIC = "cluster_robust_difference"
# Below this a variance is what rounding left of equal values.
_TINY = 1e-24


@dataclass(frozen=True)
class ClusteredDifferenceDetails(Details):
    """Of a difference with clusters.

    Parameters
    ----------
    test : TDetails or None
        None where there is no test.
    clusters, clusters_first, clusters_second, clusters_in_both : int or None
        How many there are, with values in each group and in both; None where a group has no value.
    """

    test: TDetails | None = None
    clusters: int | None = None
    clusters_first: int | None = None
    clusters_second: int | None = None
    clusters_in_both: int | None = None


def cluster_difference(
    values: ArrayLike,
    in_first: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any],
    *,
    level: float = 0.95,
    unit: str = "rater",
) -> Estimate[ClusteredDifferenceDetails]:
    """Mean of the first group minus mean of the second, every rating once, raters as clusters.

    Where no cluster has ratings in both groups, the variance is the sum of the two groups' own
    (``G / (G - 1)`` times the sum of squared cluster totals of x - mean, over n²) with Welch's
    degrees of freedom over clusters: with equally many ratings of each rater it is Welch's t test of
    the raters' means. Otherwise a cluster's total is its part of the difference, so that what a rater
    does to both groups cancels; the degrees of freedom are G - 1.

    Parameters
    ----------
    values : array-like, shape (n,)
        Missing as nan; left out and counted.
    in_first : array-like of bool, shape (n,)
    clusters : sequence, shape (n,)
        Name of each value's cluster.
    level : float
    unit : str
        What a cluster is.

    Returns
    -------
    Estimate
        ``n`` counts values. Undefined where a group has no value, a group has one cluster and shares
        none, or the clusters do not differ.

    Notes
    -----
    Assumes that clusters are independent and many; below about ten in a group the interval is too
    narrow, more so where they differ in size.

    References
    ----------
    .. [1] Cameron, A. C., & Miller, D. L. (2015). A practitioner's guide to cluster-robust
       inference.
    .. [2] Donner, A., & Klar, N. (2000). Design and analysis of cluster randomization trials in
       health research, chapter 6 (the t test of cluster means).

    Examples
    --------
    >>> result = cluster_difference([1, 2, 3, 4, 3, 5], [1, 1, 1, 1, 0, 0], ["a", "a", "b", "b", "c", "d"])
    >>> result.estimate, result.details.clusters
    (-1.5, 4)
    """
    confidence_level(level)
    array = vector(values)
    codes, _ = cluster_codes(clusters, array.size)
    side = np.asarray(in_first, dtype=bool)
    present = ~np.isnan(array)
    x, side, codes = array[present], side[present], codes[present]
    n_missing = int((~present).sum())
    told: dict[str, Any] = {"n": int(x.size), "n_missing": n_missing, "unit": unit}
    if side.all() or not side.any():
        because = "a group has no value"
        return undefined(STATISTIC, because, **told, details=ClusteredDifferenceDetails())
    first, second = np.unique(codes[side]), np.unique(codes[~side])
    shared = np.intersect1d(first, second).size
    details = ClusteredDifferenceDetails(
        None,
        int(np.union1d(first, second).size),
        int(first.size),
        int(second.size),
        int(shared),
    )
    if not shared and min(first.size, second.size) < 2:
        because = f"each group needs two {unit}s; there are {first.size} and {second.size}"
        return undefined(STATISTIC, because, **told, details=details)
    if details.clusters == 1:
        because = f"all ratings are by one {unit}"
        return undefined(STATISTIC, because, **told, details=details)
    variance, df = (_shared if shared else _nested)(x, side, codes)
    if variance < _TINY * max(1.0, float((x**2).mean())):
        because = f"the {unit}s do not differ, so there is no variance to test with"
        return undefined(STATISTIC, because, **told, details=details)
    difference = float(x[side].mean() - x[~side].mean())
    error = float(np.sqrt(variance))
    tested = t_estimate(STATISTIC, difference, error, df, level, Units(**told))
    return tested.with_details(
        replace(details, test=tested.details), ci_method=f"cluster-robust by {unit}, t"
    )


def _nested(x: FloatArray, side: BoolArray, codes: IntArray) -> tuple[float, float]:
    """Variance and Welch's degrees of freedom where each cluster is in one group."""
    parts = []
    for group in (side, ~side):
        kept, own = np.unique(codes[group], return_inverse=True)
        parts.append((kept.size, cluster_variance_of_mean(x[group], own.reshape(-1), kept.size)))
    (n1, v1), (n2, v2) = parts
    return v1 + v2, welch_df(n1, v1 * n1, n2, v2 * n2)


def _shared(x: FloatArray, side: BoolArray, codes: IntArray) -> tuple[float, float]:
    """Variance and G - 1 where clusters are in both groups: their parts in both are one total."""
    part = np.where(side, (x - x[side].mean()) / side.sum(), (x[~side].mean() - x) / (~side).sum())
    kept, own = np.unique(codes, return_inverse=True)
    totals = sums_by_cluster(part, own.reshape(-1), kept.size)
    return kept.size / (kept.size - 1.0) * float((totals**2).sum()), kept.size - 1.0
