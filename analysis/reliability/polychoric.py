"""Polychoric correlations: what normal variables behind ordered answers would correlate.

Two steps: thresholds from each item's margin, then each correlation by maximum likelihood. The
large-sample variances are those of Muthen's estimator, which diagonally weighted least squares
needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from analysis.validation import FloatArray, IntArray, ratings_matrix, scale_points

# Integration over the correlation: exact to about 1e-12 up to |r| = .99.
_NODES = 96
# At 1 the density has no height.
_LARGEST = 0.9999
# Beyond this the search was still on its way to 1: the likelihood has no maximum within, mostly because
# cells of the cross-table are empty, and the figure is where the search was told to end.
BOUNDARY = 0.9985


@dataclass(frozen=True)
class PolychoricCorrelations:
    """Correlations behind ordered answers.

    Parameters
    ----------
    correlation : ndarray, shape (items, items)
    variance : ndarray, shape (items, items)
        Large-sample variance of each correlation; 0 on the diagonal.
    thresholds : tuple of tuple of float
        Of each item, where the used points part.
    n : int
        People with answers to all items.
    n_missing : int
        People left out.
    undefined_because : str
        Empty, or why there are no correlations (which are then empty arrays).
    """

    correlation: FloatArray
    variance: FloatArray
    thresholds: tuple[tuple[float, ...], ...]
    n: int
    n_missing: int
    undefined_because: str = ""

    @property
    def at_bound(self) -> tuple[tuple[int, int], ...]:
        """Pairs of items whose correlation ended at the bound of the search (1 or -1)."""
        below = np.argwhere(np.tril(np.abs(self.correlation) > BOUNDARY, -1))
        return tuple((int(i), int(j)) for j, i in below)


def polychoric(items: ArrayLike, points: Sequence[float] | None = None) -> PolychoricCorrelations:
    """Polychoric correlation of every pair of items.

    Parameters
    ----------
    items : array-like, shape (people, items)
        Missing as nan; people with a gap are left out.
    points : sequence of float, optional
        The full scale, to refuse answers that are not on it. Points that nobody used have no
        threshold and change nothing.

    Returns
    -------
    PolychoricCorrelations

    References
    ----------
    .. [1] Olsson, U. (1979). Maximum likelihood estimation of the polychoric correlation
       coefficient.
    .. [2] Muthen, B. (1984). A general structural equation model with dichotomous, ordered
       categorical, and continuous latent variable indicators.
    """
    table = ratings_matrix(items, None if points is None else scale_points(points))
    kept = table[~np.isnan(table).any(axis=1)]
    n, n_missing, k = len(kept), len(table) - len(kept), table.shape[1]
    used = [np.unique(column) for column in kept.T]
    because = ""
    if k < 2:
        because = "there is a single item"
    elif n < 2:
        because = f"{n} people answered all items"
    elif any(u.size < 2 for u in used):
        because = "everybody gave the same answer to at least one item"
    if because:
        empty = np.empty((0, 0))
        return PolychoricCorrelations(empty, empty, (), n, n_missing, because)
    codes = [np.searchsorted(u, c).astype(np.int64) for u, c in zip(used, kept.T, strict=True)]
    cuts = [_thresholds(c, u.size) for c, u in zip(codes, used, strict=True)]
    correlation, variance = np.eye(k), np.zeros((k, k))
    for i in range(k):
        for j in range(i):
            r = _correlation(codes[i], codes[j], cuts[i], cuts[j])
            correlation[i, j] = correlation[j, i] = r
            variance[i, j] = variance[j, i] = _variance(codes[i], codes[j], cuts[i], cuts[j], r)
    thresholds = tuple(tuple(c.tolist()) for c in cuts)
    return PolychoricCorrelations(correlation, variance, thresholds, n, n_missing)


def _thresholds(codes: IntArray, q: int) -> FloatArray:
    from scipy import special

    below = np.cumsum(np.bincount(codes, minlength=q))[:-1] / codes.size
    return np.asarray(special.ndtri(below))


@cache
def _legendre() -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(_NODES)


def bivariate_normal(h: FloatArray, k: FloatArray, r: float) -> FloatArray:
    """P(X < h, Y < k) of standard normals with correlation r, over a grid of finite h and k.

    Plackett's identity: the derivative by r is the density, integrated here over the arcsine of r.
    """
    from scipy import special

    nodes, weights = _legendre()
    # With the arcsine the density's 1 / sqrt(1 - r^2) falls out of the integral.
    end = np.arcsin(r)
    angle = end * (nodes + 1) / 2
    a, b = h[:, None, None], k[None, :, None]
    inner = np.exp(-(a**2 + b**2 - 2 * a * b * np.sin(angle)) / (2 * np.cos(angle) ** 2))
    below = (inner * weights).sum(axis=-1) * end / 2 / (2 * np.pi)
    return np.asarray(special.ndtr(h)[:, None] * special.ndtr(k)[None, :] + below)


def _cells(cuts_i: FloatArray, cuts_j: FloatArray, r: float) -> FloatArray:
    from scipy import special

    grid = np.zeros((cuts_i.size + 2, cuts_j.size + 2))
    grid[1:-1, 1:-1] = bivariate_normal(cuts_i, cuts_j, r)
    grid[1:-1, -1], grid[-1, 1:-1] = special.ndtr(cuts_i), special.ndtr(cuts_j)
    grid[-1, -1] = 1.0
    # Differences of nearly equal probabilities can come out at zero or below, and go into a logarithm.
    return np.asarray(np.maximum(np.diff(np.diff(grid, axis=0), axis=1), 1e-300))


def _correlation(
    codes_i: IntArray, codes_j: IntArray, cuts_i: FloatArray, cuts_j: FloatArray
) -> float:
    from scipy import optimize

    q = cuts_j.size + 1
    counts = np.bincount(codes_i * q + codes_j, minlength=(cuts_i.size + 1) * q).reshape(-1, q)

    def deviance(r: float) -> float:
        return -float((counts * np.log(_cells(cuts_i, cuts_j, r))).sum())

    best = optimize.minimize_scalar(
        deviance, bounds=(-_LARGEST, _LARGEST), method="bounded", options={"xatol": 1e-10}
    )
    return float(best.x)


def _density(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def _variance(
    codes_i: IntArray, codes_j: IntArray, cuts_i: FloatArray, cuts_j: FloatArray, r: float
) -> float:
    """Variance of one correlation, the thresholds' own uncertainty included."""
    from scipy import special

    cells = _cells(cuts_i, cuts_j, r)
    root = np.sqrt(1 - r * r)
    a, b = cuts_i[:, None], cuts_j[None, :]
    grid = np.zeros((cuts_i.size + 2, cuts_j.size + 2))
    grid[1:-1, 1:-1] = np.exp(-(a**2 + b**2 - 2 * r * a * b) / (2 * root**2)) / (2 * np.pi * root)
    by_r = np.diff(np.diff(grid, axis=0), axis=1) / cells
    score_r = by_r[codes_i, codes_j]
    influence = score_r.copy()
    for codes, other, cuts, other_cuts, turned in (
        (codes_i, codes_j, cuts_i, cuts_j, False),
        (codes_j, codes_i, cuts_j, cuts_i, True),
    ):
        table = cells.T if turned else cells
        edges = np.concatenate([[-np.inf], other_cuts, [np.inf]])
        beyond = np.diff(special.ndtr((edges[None, :] - r * cuts[:, None]) / root), axis=1)
        slope = _density(cuts)[:, None] * beyond
        margin = np.bincount(codes, minlength=cuts.size + 1) / codes.size
        pair = np.zeros((codes.size, cuts.size))
        alone = np.zeros((codes.size, cuts.size))
        for t in range(cuts.size):
            for side, sign in ((t, 1.0), (t + 1, -1.0)):
                at = codes == side
                pair[at, t] = sign * slope[t, other[at]] / table[side, other[at]]
                alone[at, t] = sign * _density(cuts[t]) / margin[side]
        influence -= alone @ np.linalg.solve(alone.T @ alone, pair.T @ score_r)
    return float((influence**2).sum() / (score_r**2).sum() ** 2)
