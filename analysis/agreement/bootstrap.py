"""Cluster bootstrap of agreement: whole units, whole raters, or both are drawn again.

Ratings of one unit, and ratings by one rater, hang together, so single ratings must not be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.agreement.coefficients import agreement_weights, point_indices
from analysis.agreement.krippendorff import METRICS, alphas, krippendorff_alpha
from analysis.agreement.two_raters import light_kappa
from analysis.resampling import (
    DEFAULT_BOOTSTRAP,
    FEWEST_CLUSTERS,
    Bootstrap,
    Drawn,
    blocks,
    bootstrap_interval,
    drawn_counts,
)
from analysis.results import Estimate
from analysis.validation import (
    FloatArray,
    IntArray,
    one_of,
    ratings_matrix,
    scale_points,
)
from study.errors import AnalysisError

RESAMPLED = ("items", "raters", "both")

# Drawn again, two raters are the same two or one alone: nothing could vary. Of four, a third of all
# draws have two raters or fewer.
FEWEST_RATERS_DRAWN = FEWEST_CLUSTERS

_TINY = 1e-12


def bootstrap_alpha(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    metric: str = "ordinal",
    resample: str = "items",
    clusters: ArrayLike | None = None,
    cluster: str = "cluster",
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Estimate:
    """Krippendorff's alpha with a percentile interval from a cluster bootstrap.

    Only value counts per unit enter: drawing units again is a weighted sum of their coincidence
    matrices, so all replicates are one matrix product. Where raters are drawn again, two copies of
    one rater are never paired, since they would agree by construction.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
    points : sequence of float
    metric : {"nominal", "ordinal", "interval", "ratio"}
    resample : {"items", "raters", "both"}
        Raters are drawn again only where five or more gave ratings.
    clusters : array-like, shape (units,), optional
        What each unit belongs to, where units hang together (items about one response); whole
        clusters are then drawn in place of units.
    cluster : str
        What a cluster is called, in the singular.
    bootstrap : Bootstrap

    Returns
    -------
    Estimate
        The estimate of `krippendorff_alpha`. ``details``: ``standard_error`` (standard deviation
        of the replicates), ``replicates``, ``replicates_undefined``, ``seed``. No interval, with
        the reason, where raters are to be drawn and there are fewer than five.

    Raises
    ------
    AnalysisError
        When a rating is not on the scale.

    References
    ----------
    .. [1] Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application.
    """
    one_of(metric, METRICS, "metric")
    one_of(resample, RESAMPLED, "resample")
    point = krippendorff_alpha(ratings, points, metric=metric, level=bootstrap.level)
    if point.estimate is None:
        return point
    scale = scale_points(points)
    table = ratings_matrix(ratings, scale)
    if refused := _too_few_raters(point, table, resample):
        return refused
    rng, of = np.random.default_rng(bootstrap.seed), cluster_indices(clusters, table.shape[0])
    values = []
    cells = table.shape[0] * (1 if resample == "items" else scale.size)
    for block in blocks(bootstrap.replicates, cells):
        coincidences = _drawn_coincidences(table, scale, resample, of, block, rng)
        values.append(alphas(coincidences, scale, metric))
    units = "items" if clusters is None else f"{cluster}s"
    drawn = _drawn(table, of, resample, units, bootstrap.seed)
    return bootstrap_interval(point, np.concatenate(values), drawn, level=bootstrap.level)


def cluster_indices(clusters: ArrayLike | None, units: int) -> IntArray:
    """Cluster of each unit, numbered from 0; every unit is its own where none are given.

    Raises
    ------
    AnalysisError
        When there is not one cluster for each unit.
    """
    if clusters is None:
        return np.arange(units)
    named = np.asarray(clusters)
    if named.shape != (units,):
        raise AnalysisError(
            f"clusters: shape {named.shape}; expected one for each of the {units} units (rows)"
        )
    return np.unique(named, return_inverse=True)[1].astype(np.int64)


def _too_few_raters(point: Estimate, table: FloatArray, resample: str) -> Estimate | None:
    """The estimate without an interval where too few raters could be drawn again."""
    raters = int((~np.isnan(table)).any(axis=0).sum())
    if resample == "items" or raters >= FEWEST_RATERS_DRAWN:
        return None
    why = f"none: {raters} raters are too few to be drawn again, at least {FEWEST_RATERS_DRAWN} are needed"
    return replace(point, ci_low=None, ci_high=None, ci_method=why, p_value=None)


def _drawn_units(of: IntArray, replicates: int, rng: np.random.Generator) -> FloatArray:
    """How often each unit is drawn with its cluster, shape (replicates, units)."""
    return drawn_counts(int(of.max()) + 1, replicates, rng)[:, of]


def _drawn_coincidences(
    table: FloatArray,
    scale: FloatArray,
    resample: str,
    of: IntArray,
    replicates: int,
    rng: np.random.Generator,
) -> FloatArray:
    index, q = point_indices(table, scale), scale.size
    units, raters = table.shape
    indicators = np.ascontiguousarray(
        (index.T[:, :, None] == np.arange(q)).reshape(raters, units * q), dtype=np.float64
    )
    if resample == "items":
        counts = indicators.sum(axis=0).reshape(units, q)
        by_unit = _pairs_of_raters(counts[None], counts[None])[0].reshape(units, q * q)
        return np.asarray((_drawn_units(of, replicates, rng) @ by_unit).reshape(replicates, q, q))
    weight = drawn_counts(raters, replicates, rng)
    counts = (weight @ indicators).reshape(replicates, units, q)
    # A rater drawn w times is w of the counts, and w squared of the pairs of copies that agree because they
    # are one person: these are taken out below.
    squares = (weight**2 @ indicators).reshape(replicates, units, q)
    of_unit = np.ones((replicates, units))
    if resample == "both":
        of_unit = _drawn_units(of, replicates, rng)
    factor = of_unit * _per_pair(counts, squares)
    coincidences = np.matmul((counts * factor[:, :, None]).transpose(0, 2, 1), counts)
    same = (squares * factor[:, :, None]).sum(axis=1)
    coincidences[:, np.arange(q), np.arange(q)] -= same
    return np.asarray(coincidences)


def _per_pair(counts: FloatArray, squares: FloatArray) -> FloatArray:
    """Ratings over pairs of different raters in each unit; 0 where no two raters met."""
    m = counts.sum(axis=-1)
    pairs = m**2 - squares.sum(axis=-1)
    return np.asarray(np.divide(m, pairs, out=np.zeros_like(m), where=pairs > 0.5))


def _pairs_of_raters(counts: FloatArray, squares: FloatArray) -> FloatArray:
    q = counts.shape[-1]
    pairs = counts[..., :, None] * counts[..., None, :]
    pairs[..., np.arange(q), np.arange(q)] -= squares
    return np.asarray(pairs * _per_pair(counts, squares)[..., None, None])


def bootstrap_light_kappa(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    clusters: ArrayLike | None = None,
    cluster: str = "cluster",
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Estimate:
    """Light's kappa with a percentile interval from drawing units again.

    What each pair of raters has in common and each one's margins are sums over units, so the
    replicates are matrix products.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
        Missing as nan; every pair of raters takes the units that both rated.
    points : sequence of float
    weights : {"unweighted", "linear", "quadratic", "ordinal"}
    clusters, cluster, bootstrap
        As in `bootstrap_alpha`.

    Returns
    -------
    Estimate
        The estimate of `light_kappa`; pairs whose kappa is undefined in a replicate are left out
        of its mean.
    """
    point = light_kappa(ratings, points, weights=weights)
    if point.estimate is None:
        return point
    scale = scale_points(points)
    table = ratings_matrix(ratings, scale)
    rng, of = np.random.default_rng(bootstrap.seed), cluster_indices(clusters, table.shape[0])
    cells = table.shape[1] ** 2 * scale.size
    values = []
    for block in blocks(bootstrap.replicates, max(cells, table.shape[0])):
        counts = _drawn_units(of, block, rng)
        values.append(_light_of(table, scale, agreement_weights(points, weights), counts))
    units = "items" if clusters is None else f"{cluster}s"
    drawn = _drawn(table, of, "items", units, bootstrap.seed)
    return bootstrap_interval(point, np.concatenate(values), drawn, level=bootstrap.level)


def _light_of(
    table: FloatArray, scale: FloatArray, weights: FloatArray, drawn: FloatArray
) -> FloatArray:
    """Mean kappa over pairs of raters for each row of ``drawn``; nan where no pair has one."""
    index = point_indices(table, scale)
    given = (index >= 0).astype(np.float64)
    one, two = np.triu_indices(table.shape[1], 1)
    credit = weights[index[:, one], index[:, two]] * given[:, one] * given[:, two]
    points = (index[:, :, None] == np.arange(scale.size)).astype(np.float64)
    units, pairs = credit.shape
    first = (points[:, one] * given[:, two, None]).reshape(units, -1)
    second = (points[:, two] * given[:, one, None]).reshape(units, -1)
    n = drawn @ (given[:, one] * given[:, two])
    size = np.maximum(n, 1.0)
    observed = (drawn @ credit) / size
    shape = (drawn.shape[0], pairs, scale.size)
    rows, columns = (drawn @ first).reshape(shape), (drawn @ second).reshape(shape)
    chance = np.einsum("bpk,kl,bpl->bp", rows, weights, columns, optimize=True) / size**2
    # Chance is near 1 where both raters of a drawn pair used one point only.
    defined = (1.0 - chance > _TINY) & (n >= 2)
    kappa = np.divide(observed - chance, 1.0 - chance, out=np.zeros_like(chance), where=defined)
    known = defined.sum(axis=1)
    return np.asarray(
        np.divide(kappa.sum(axis=1), known, out=np.full(known.shape, np.nan), where=known > 0)
    )


def _drawn(table: FloatArray, of: IntArray, resample: str, units: str, seed: int) -> Drawn:
    """What there is to draw: units or raters with ratings, of both the fewer."""
    given = ~np.isnan(table)
    n, raters = np.unique(of[given.any(axis=1)]).size, int(given.any(axis=0).sum())
    what, clusters = {
        "items": (units, n),
        "raters": ("raters", raters),
        "both": (f"{units} and raters", min(n, raters)),
    }[resample]
    return Drawn(what, clusters, "percentile cluster bootstrap", seed)
