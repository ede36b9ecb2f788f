"""Quadratic kappa of two raters under both of its readings, for any values, averaged ones too.

Cohen's weights for quadratic kappa are squared distances, and there are two readings of distance:
between the *values* of two categories, or between their *places* among the categories that the two
raters happened to use. On a scale whose points were all used they are one number. They part as soon
as a point stays unused or a rater is the mean of several people: 2.5 and 3 are neighbours by place,
as far apart as 3 and 5 where 4 was never used. Published tables have either, often without saying so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from analysis.agreement.two_raters import PairDetails, cohen_kappa
from analysis.results import Estimate
from analysis.rounding import without_rounding
from analysis.validation import FloatArray, complete_pairs, ratings_matrix
from study.errors import AnalysisError

BY_VALUE = "cohen_kappa_quadratic"
BY_PLACE = "cohen_kappa_quadratic_used_categories"
WHICH_IS_WHICH = (
    f"{BY_VALUE} weighs by the values of the categories; {BY_PLACE} by their places among the "
    "categories that the two raters used, as software does that is not told the scale. Where the used "
    "categories are not evenly spaced (averaged ratings, unused points) only the first compares with "
    "other data."
)
# A cell for every two values: a table of this width takes 32 MB a copy.
MOST_VALUES = 2000


def quadratic_kappas(
    first: ArrayLike,
    second: ArrayLike,
    points: Sequence[float] | None = None,
    *,
    level: float = 0.95,
) -> tuple[Estimate, Estimate]:
    """Quadratic kappa weighted by value, and by place among the used categories.

    kappa = 1 - sum w o / sum w e with o the observed and e the independent shares of each pair of
    categories; w is the squared difference of their values, or of their places 0, 1, ... in the
    ascending order of the values that either rater used. By value the scale's unused points do not
    matter, and neither does its unit.

    Parameters
    ----------
    first, second : array-like, shape (units,)
        Any real values, missing as nan; units with both count. Values that only rounding parts are
        one category (`analysis.rounding`).
    points : sequence of float, optional
        All points of the scale, where the ratings are on one: the span that the weights by value
        are shares of, which changes ``observed_agreement`` and not kappa. Default: the used values.
    level : float

    Returns
    -------
    by_value, by_place : Estimate
        ``cohen_kappa_quadratic`` and ``cohen_kappa_quadratic_used_categories``, interval and test as
        `analysis.agreement.two_raters.cohen_kappa`. Both undefined where all ratings are equal.

    Raises
    ------
    AnalysisError
        When the lengths differ, a rating is not one of ``points``, or there are more than 2,000
        different values.

    References
    ----------
    .. [1] Cohen, J. (1968). Weighted kappa: nominal scale agreement with provision for scaled
       disagreement or partial credit.

    Examples
    --------
    >>> by_value, by_place = quadratic_kappas([1, 2.5, 3, 5], [1, 3, 2.5, 3])
    >>> round(by_value.estimate, 3), round(by_place.estimate, 3)
    (0.621, 0.625)
    """
    a, b, n_missing = complete_pairs(first, second, ("first rater", "second rater"))
    if points is None:
        a, b = np.split(without_rounding(np.concatenate([a, b])), [a.size])
    # By place goes by what these two used, not by what the whole table did: a third rater changes nothing.
    used = np.unique(np.concatenate([a, b]))
    if used.size > MOST_VALUES:
        raise AnalysisError(
            f"ratings: {used.size} different values of two raters, expected up to {MOST_VALUES} "
            "categories; round them, or take an intraclass correlation of measurements"
        )
    scale = _two_or_more(used) if points is None else list(points)
    by_value = cohen_kappa(a, b, scale, weights="quadratic", level=level)
    places = _two_or_more(np.arange(used.size, dtype=np.float64))
    by_place = cohen_kappa(
        np.searchsorted(used, a), np.searchsorted(used, b), places, weights="quadratic", level=level
    )
    return (
        replace(by_value, statistic=BY_VALUE, n_missing=n_missing),
        replace(by_place, statistic=BY_PLACE, n_missing=n_missing),
    )


def _two_or_more(used: FloatArray) -> list[float]:
    """The used categories as a scale: one of them leaves kappa undefined whatever the second is."""
    if used.size > 1:
        return [float(value) for value in used]
    only = float(used[0]) if used.size else 0.0
    return [only, only + max(1.0, abs(only))]


def all_quadratic_kappas(
    ratings: ArrayLike,
    names: Sequence[str],
    points: Sequence[float] | None = None,
    *,
    level: float = 0.95,
) -> list[Estimate]:
    """Both quadratic kappas of every two raters, the pair named in ``details``.

    Parameters
    ----------
    ratings : array-like, shape (units, raters)
        Missing as nan.
    names : sequence of str, shape (raters,)
    points, level
        As in `quadratic_kappas`.

    Returns
    -------
    list of Estimate
        By value and by place for each pair in the order of the columns; ``details`` hold ``first``
        and ``second``.
    """
    table = ratings_matrix(ratings)
    kappas = []
    for one, two in combinations(range(table.shape[1]), 2):
        first, second = str(names[one]), str(names[two])
        for kappa in quadratic_kappas(table[:, one], table[:, two], points, level=level):
            kappas.append(kappa.with_details(PairDetails(kappa.details, first, second)))
    return kappas
