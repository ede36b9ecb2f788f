"""Likelihood of the cumulative-link (proportional odds) model, and its maximum by Newton's method.

P(Y <= j) = F(theta_j - x' beta) with F the logistic function. The mixed model, the predictions and the
profile intervals start from here too, so this module knows nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.rating_models.ratings import Codes, CrossedRatings, Floats

MOST_STEPS = 100


@dataclass(frozen=True)
class CumulativeLinkFit:
    """Maximum-likelihood fit: thresholds (k - 1), slopes (p), covariance of both, log-likelihood."""

    thresholds: Floats
    slopes: Floats
    covariance: Floats
    log_likelihood: float
    converged: bool


def level_counts(ratings: CrossedRatings) -> Floats:
    """Ratings of each level on each point that occurs, shape (levels, used points)."""
    size = (len(ratings.levels), len(ratings.used_points))
    cell = ratings.level * size[1] + ratings.category
    return np.bincount(cell, minlength=size[0] * size[1]).reshape(size).astype(float)


def padded(thresholds: Floats) -> Floats:
    """Thresholds between minus and plus infinity."""
    return np.concatenate([[-np.inf], thresholds, [np.inf]])


def gap_terms(thresholds: Floats) -> tuple[Floats, Floats, Floats]:
    """Value, first and second derivative of log(1 - exp(-d)) for each point's gap d.

    With the logistic function the log-probability of a point with bounds a > b is
    log F(a) + log(1 - F(b)) + log(1 - exp(-(a - b))), and the last term depends on the thresholds
    alone: so nothing cancels, however far out the bounds are.
    """
    gap = np.diff(padded(thresholds))
    return np.log(-np.expm1(-gap)), 1.0 / np.expm1(gap), -0.25 / np.sinh(gap / 2.0) ** 2


def fit_cumulative_link(category: Codes, x: Floats, weights: Floats) -> CumulativeLinkFit:
    """Newton's method with the exact Hessian.

    Parameters
    ----------
    category : ndarray of int, shape (m,)
        0 to k - 1, each of which occurs.
    x : ndarray, shape (m, p)
        Without an intercept column.
    weights : ndarray, shape (m,)
        How many ratings a row stands for.
    """
    share = np.bincount(category, weights)
    cumulative = np.cumsum(share)[:-1] / share.sum()
    # The maximum where no level differs; it is inside the ordered thresholds, as every point occurs.
    parameters = np.concatenate([np.log(cumulative / (1 - cumulative)), np.zeros(x.shape[1])])
    upper, lower = bound_rows(category, x, share.size)
    value, score, information = log_likelihood(parameters, category, upper, lower, weights)
    converged = False
    for _ in range(MOST_STEPS):
        step = np.linalg.solve(information, score)
        decrement = float(score @ step)
        length = 1.0
        while length > 1e-10:
            trial = log_likelihood(parameters + length * step, category, upper, lower, weights)
            if trial[0] >= value - 1e-12 * abs(value):
                break
            length /= 2.0
        else:
            break
        parameters = parameters + length * step
        value, score, information = trial
        if decrement < 1e-16 * max(1.0, abs(value)):
            converged = True
            break
    k = share.size - 1
    covariance = np.linalg.inv(information)
    return CumulativeLinkFit(parameters[:k], parameters[k:], covariance, value, converged)


def bound_rows(category: Codes, x: Floats, n_points: int) -> tuple[Floats, Floats]:
    """Rows that give each rating's upper and lower bound from the parameters."""
    identity = np.eye(n_points - 1)
    above = np.vstack([identity, np.zeros((1, n_points - 1))])
    below = np.vstack([np.zeros((1, n_points - 1)), identity])
    inner = (category < n_points - 1)[:, None]
    upper = np.hstack([above[category], -x * inner])
    lower = np.hstack([below[category], -x * (category > 0)[:, None]])
    return upper, lower


def log_likelihood(
    parameters: Floats, category: Codes, upper: Floats, lower: Floats, weights: Floats
) -> tuple[float, Floats, Floats]:
    """Log-likelihood, score and observed information; minus infinity off the ordered thresholds."""
    from scipy.special import expit

    thresholds = parameters[: int(category.max())]
    size = parameters.size
    if np.any(np.diff(thresholds) <= 0):
        return -np.inf, np.zeros(size), np.eye(size)
    last = thresholds.size
    a = np.where(category < last, upper @ parameters, np.inf)
    b = np.where(category > 0, lower @ parameters, -np.inf)
    below, above = expit(a), expit(-b)
    gap, first, second = (term[category] for term in gap_terms(thresholds))
    tiny = np.finfo(float).tiny
    value = float(weights @ (np.log(np.maximum(below * above, tiny)) + gap))
    score = upper.T @ (weights * (1 - below + first)) - lower.T @ (weights * (1 - above + first))
    own_a = weights * (below * (1 - below) - second)
    own_b = weights * (above * (1 - above) - second)
    mixed = weights * second
    both = (upper * mixed[:, None]).T @ lower
    information = (upper * own_a[:, None]).T @ upper + (lower * own_b[:, None]).T @ lower
    return value, score, information + both + both.T


def fit_counts(counts: Floats) -> CumulativeLinkFit:
    """The model of one factor from its level-by-point counts."""
    level, category = (index.astype(np.int64) for index in np.nonzero(counts))
    x = (level[:, None] == np.arange(1, counts.shape[0])).astype(float)
    return fit_cumulative_link(category, x, counts[level, category])
