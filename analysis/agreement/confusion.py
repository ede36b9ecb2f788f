"""Which points raters take for which others: the cross-table of all pairs of raters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.agreement.coefficients import value_counts
from analysis.agreement.two_raters import Confusion
from analysis.resampling import (
    DEFAULT_BOOTSTRAP,
    Bootstrap,
    Drawn,
    bootstrap_interval,
    resampled,
)
from analysis.results import Details, Estimate, undefined
from analysis.validation import ratings_matrix, scale_points


@dataclass(frozen=True)
class PointDetails(Details):
    """Of the agreement on one point, and how often it was given."""

    point: float
    given: int


def pooled_confusion(ratings: ArrayLike, points: Sequence[float]) -> Confusion:
    """Cross-table of every rater with every other one, all pairs added up.

    Each pair of ratings is counted from both sides, so the table is symmetric and its sum is twice
    the number of pairs. The diagonal over the sum is the share of agreeing pairs, not weighted by
    unit: the table shows what percent agreement is made of.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
        Missing as nan; a unit counts when it has two or more ratings.
    points : sequence of float
        All points of the scale.

    Returns
    -------
    Confusion
        ``counts[i][j]``: ordered pairs of ratings of one unit, the first of point i, the second,
        by another rater, of point j; ``n``: units with two or more ratings.

    Raises
    ------
    AnalysisError
        When a rating is not on the scale.

    Examples
    --------
    >>> pooled_confusion([[1, 1, 2]], [1, 2]).counts
    ((2, 2), (2, 0))
    """
    scale = scale_points(points)
    table = ratings_matrix(ratings, scale)
    counts = value_counts(table, scale)
    pairs = counts.T @ counts - np.diag(counts.sum(axis=0))
    n = int((counts.sum(axis=1) >= 2).sum())
    return Confusion(
        tuple(scale.tolist()),
        tuple(tuple(int(c) for c in row) for row in pairs),
        n,
        int(table.shape[0]) - n,
    )


def specific_agreement(
    ratings: ArrayLike,
    points: Sequence[float],
    *,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> tuple[Estimate, ...]:
    """Agreement on each point: of the other ratings where one rater gave it, the share that did too.

    For point k: sum over units of c (c - 1) over the sum of c (m - 1), where c of the unit's m
    ratings are k. With two raters it is F1 of one against the other, whichever is the reference.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
        Missing as nan.
    points : sequence of float
    bootstrap : Bootstrap
        Of units.

    Returns
    -------
    tuple of Estimate
        One for each point, ascending; undefined for a point that nobody gave beside another
        rating, and without an interval where all draws agree. Its details say how often it was
        given.

    References
    ----------
    .. [1] Cicchetti, D. V., & Feinstein, A. R. (1990). High agreement but low kappa: II. Resolving
       the paradoxes.

    Examples
    --------
    >>> [round(e.estimate, 3) for e in specific_agreement([[1, 1], [1, 2], [2, 2]], [1, 2])]
    [0.667, 0.667]
    """
    scale = scale_points(points)
    table = ratings_matrix(ratings, scale)
    counts = value_counts(table, scale)
    per_unit = counts.sum(axis=1, keepdims=True)
    same, beside = counts * (counts - 1), counts * np.maximum(per_unit - 1, 0)
    units = int((per_unit >= 2).sum())
    n_missing = int(table.shape[0]) - units
    size, q = table.shape[0], scale.size
    sums = np.hstack([same, beside])
    # One set of draws for all points, so that their intervals can be set side by side.
    drawn = resampled(size, bootstrap, lambda w: w @ sums) if size else None
    results = []
    for k, point in enumerate(scale):
        whole = float(beside[:, k].sum())
        given = int(counts[:, k].sum())
        if drawn is None or whole == 0:
            why = f"no unit with point {point:g} has a second rating"
            results.append(
                undefined("specific_agreement", why, n=units, n_missing=n_missing, unit="item")
            )
            continue
        above, below = drawn[:, k], drawn[:, q + k]
        shares = np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
        found = Estimate(
            "specific_agreement",
            float(same[:, k].sum()) / whole,
            n=units,
            n_missing=n_missing,
            unit="item",
            details=PointDetails(float(point), given),
        )
        results.append(
            bootstrap_interval(
                found, shares, Drawn("items", units, seed=bootstrap.seed), level=bootstrap.level
            )
        )
    return tuple(results)
