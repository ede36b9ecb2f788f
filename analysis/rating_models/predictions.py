"""Predicted distributions over the points of the scale, with intervals.

A cumulative-link mixed model speaks of one rater and one prompt. For a rater and a prompt in the
middle of their populations the probabilities come from the thresholds alone; averaged over raters
and prompts they are flatter, because people differ. The two are not the same and are labelled.

References
----------
1. Agresti A. Analysis of ordinal categorical data. 2nd ed. 2010, section 10.1.
2. Zeger SL, Liang KY, Albert PS. Models for longitudinal data: a generalized estimating equation
   approach. Biometrics 1988;44:1049-1060.
3. Trefethen LN, Weideman JAC. The exponentially convergent trapezoidal rule. SIAM Rev
   2014;56:385-458.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analysis.rating_models.ordinal_likelihood import padded
from analysis.rating_models.ratings import CrossedRatings, Floats, point_name
from analysis.rating_models.results import PredictedDistribution, Prediction, PredictionDetails
from analysis.results import Estimate

TYPICAL = "typical_rater"
AVERAGED = "population_averaged"
_CAPTIONS = {
    TYPICAL: "for a rater and a prompt in the middle of their populations (random effects at zero)",
    AVERAGED: "averaged over the populations of raters and prompts",
}
# Standard normal mass beyond is below 1e-18. With this step the sum is exact to 1e-14 where raters and
# prompts differ by an SD of 8 logits, and to 1e-5 at 40, where the search for the maximum ends.
_REACH = 9.0
_STEP = 0.05


def point_probabilities(thresholds: Floats, shift: float, spread: float) -> Floats:
    """Probabilities of the used points, averaged over a normal effect with SD ``spread``.

    By the trapezoidal rule over the sum of the random effects, which is normal too: for a smooth function
    that is zero at both ends it converges faster than any power of the step [3]_. Gauss-Hermite's nodes lie
    too far apart for a wide effect, which makes the logistic function a step: 61 are 1e-3 off at 8 logits.
    """
    from scipy.special import expit

    if spread == 0.0:
        return np.diff(expit(padded(thresholds) - shift))
    nodes = np.linspace(-_REACH, _REACH, round(2 * _REACH / _STEP) + 1)
    weights = np.exp(-(nodes**2) / 2)
    bounds = padded(thresholds)[:, None] - shift - spread * nodes
    averaged: Floats = np.diff(expit(bounds), axis=0) @ (weights / weights.sum())
    return averaged


def predicted_distributions(
    ratings: CrossedRatings,
    parameters: Floats,
    covariance: Floats,
    spread_of: Callable[[Floats, int], float],
    *,
    ci_level: float,
    unit: str,
    kinds: Sequence[str] = (TYPICAL, AVERAGED),
) -> tuple[PredictedDistribution, ...]:
    """Distributions of every level, for each kind.

    Parameters
    ----------
    parameters : ndarray, shape (q,)
        Thresholds, slopes, then whatever ``spread_of`` reads.
    covariance : ndarray, shape (q, q)
    spread_of : callable
        SD of the sum of the random effects from the parameters and the level's code.
    """
    found = []
    for kind in kinds:
        for code, level in enumerate(ratings.levels):

            def predict(p: Floats, code: int = code, kind: str = kind) -> Floats:
                k = len(ratings.used_points) - 1
                shift = 0.0 if code == 0 else float(p[k + code - 1])
                spread = spread_of(p, code) if kind == AVERAGED else 0.0
                return point_probabilities(p[:k], shift, spread)

            probabilities, mean = _with_intervals(
                ratings, predict, parameters, covariance, ci_level, unit
            )
            found.append(PredictedDistribution(level, kind, _CAPTIONS[kind], probabilities, mean))
    return tuple(found)


def _with_intervals(
    ratings: CrossedRatings,
    predict: Callable[[Floats], Floats],
    parameters: Floats,
    covariance: Floats,
    ci_level: float,
    unit: str,
) -> tuple[tuple[Prediction, ...], Prediction]:
    """Delta method: on the logit of each probability, so that no interval leaves 0 to 1."""
    from scipy import stats

    z = float(stats.norm.ppf(0.5 + ci_level / 2))
    centre = predict(parameters)
    slopes = np.empty((centre.size, parameters.size))
    for index in range(parameters.size):
        shift = np.zeros(parameters.size)
        shift[index] = 1e-5
        slopes[:, index] = (predict(parameters + shift) - predict(parameters - shift)) / 2e-5
    spread = slopes @ covariance @ slopes.T
    facts: dict[str, Any] = {
        "ci_level": ci_level,
        "n": ratings.n,
        "n_missing": ratings.n_missing,
        "unit": unit,
    }
    used = np.asarray(ratings.used_points)
    by_point = {}
    for point, chance, variance in zip(used, centre, np.diag(spread), strict=True):
        error = float(np.sqrt(max(float(variance), 0.0)))
        logit = np.log(chance / (1 - chance))
        half = z * error / (chance * (1 - chance))
        by_point[float(point)] = Estimate(
            "predicted_probability",
            float(chance),
            ci_low=float(1 / (1 + np.exp(half - logit))),
            ci_high=float(1 / (1 + np.exp(-half - logit))),
            ci_method="delta method on the logit",
            details=PredictionDetails(point=point_name(float(point)), std_error=error),
            **facts,
        )
    probabilities = tuple(
        by_point.get(point)
        or Estimate(
            "predicted_probability",
            0.0,
            details=PredictionDetails(point=point_name(point), note="nobody used this point"),
            **facts,
        )
        for point in ratings.points
    )
    expected = float(used @ centre)
    error = float(np.sqrt(max(float(used @ spread @ used), 0.0)))
    mean = Estimate(
        "predicted_mean",
        expected,
        ci_low=expected - z * error,
        ci_high=expected + z * error,
        ci_method="delta method",
        details=PredictionDetails(std_error=error),
        **facts,
    )
    return probabilities, mean
