"""Cumulative-link (proportional odds) model without random effects, and the check of its main idea.

P(Y <= j) = F(theta_j - x' beta) with F the logistic function: beta is the log of how many times the
odds of a higher rating are multiplied. Every rating counts as independent here, which repeated
ratings are not; the model stands beside the mixed one to show what that costs.

References
----------
1. McCullagh P. Regression models for ordinal data. J R Stat Soc B 1980;42(2):109-142.
2. Christensen RHB. ordinal: regression models for ordinal data. R package (``clm``).
3. Albert A, Anderson JA. On the existence of maximum likelihood estimates in logistic regression
   models. Biometrika 1984;71(1):1-10.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from analysis.rating_models.ordinal_likelihood import MOST_STEPS, fit_counts, level_counts
from analysis.rating_models.profiles import slope_profiles
from analysis.rating_models.ratings import CrossedRatings, Floats, point_name
from analysis.rating_models.results import (
    Coefficient,
    CoefficientDetails,
    Ends,
    LikelihoodRatio,
    ModelFit,
    likelihood_ratio,
    wald_estimate,
)
from analysis.results import Assumption, Details, undefined

# Each point is a threshold: with a slider from 0 to 100 most would rest on one rating or none.
_MOST_POINTS = 20
TITLE = "Cumulative-link model (logit), fixed effects only"
UNIT = (
    "rating (every rating counts as independent; raters who rate more than once make these "
    "intervals too narrow or too wide)"
)


@dataclass(frozen=True)
class FixedFitDetails(Details):
    """Covariance matrix of thresholds and slopes, and their names in its order."""

    covariance: list[list[float]]
    terms: list[str]


def ordinal_obstacle(ratings: CrossedRatings) -> str:
    """Why no cumulative-link model can be fitted; empty when one can."""
    because = ratings.obstacle()
    if because:
        return because
    if len(ratings.used_points) > _MOST_POINTS:
        return (
            f"the ratings take {len(ratings.used_points)} different values; an ordinal model is "
            f"for a scale of at most {_MOST_POINTS} points"
        )
    if is_separated(ratings):
        return (
            f"the levels of {ratings.effect} ({', '.join(ratings.levels)}) are separated on the "
            "scale (one level's ratings never fall on the other side of another's), so the "
            "likelihood has no maximum at finite odds"
        )
    return ""


def is_separated(ratings: CrossedRatings) -> bool:
    """Whether some direction of (thresholds, slopes) raises the likelihood without end.

    Such a direction moves no rating's upper bound down and no lower bound up, and at least one
    strictly; a linear programme over the level-by-point cells that occur finds it (after [3]_).
    """
    from scipy.optimize import linprog

    counts = level_counts(ratings)
    n_levels, n_points = counts.shape
    rows: list[Floats] = []
    for level, point in zip(*np.nonzero(counts), strict=True):
        bounds = np.zeros((2, n_points - 1 + n_levels - 1))
        if point < n_points - 1:
            bounds[0, point] = 1.0
        if point > 0:
            bounds[1, point - 1] = -1.0
        if level > 0:
            slope = n_points - 2 + level
            bounds[0, slope] = -1.0 if point < n_points - 1 else 0.0
            bounds[1, slope] = 1.0 if point > 0 else 0.0
        rows.extend(bounds)
    gains = np.unique(np.array(rows), axis=0)
    found = linprog(
        -gains.sum(axis=0),
        A_ub=np.vstack([-gains, gains]),
        b_ub=np.concatenate([np.zeros(len(gains)), np.ones(len(gains))]),
        bounds=(None, None),
        method="highs",
    )
    return bool(found.status == 0 and -found.fun > 1e-7)


def fit_clm(ratings: CrossedRatings, *, ci_level: float = 0.95) -> ModelFit:
    """Cumulative-link model of the ratings on the compared levels, as R's ``ordinal::clm``.

    Parameters
    ----------
    ratings : CrossedRatings
    ci_level : float
        Between 0 and 1; the intervals are Wald intervals, and ``details.profile`` of each coefficient
        holds the profile-likelihood interval.

    Returns
    -------
    ModelFit
        Coefficients are cumulative log odds ratios: above zero where the level is rated higher.
    """
    because = ordinal_obstacle(ratings)
    bare = ratings.unfitted(
        "cumulative_link", title=TITLE, unit_of_inference=UNIT, method="maximum likelihood"
    )
    if because:
        return replace(bare, undefined_because=because)
    fit = fit_counts(level_counts(ratings))
    if not fit.converged:
        said = f"the fit did not converge in {MOST_STEPS} steps"
        return replace(bare, undefined_because=said)
    errors = np.sqrt(np.diag(fit.covariance))
    check = proportional_odds_test(ratings)
    slopes, thresholds = odds_estimates(
        ratings, np.append(fit.thresholds, fit.slopes), errors, "rating", ci_level
    )
    profiles = slope_profiles(level_counts(ratings), fit, level=ci_level)
    return replace(
        bare,
        coefficients=tuple(with_profile(e, p) for e, p in zip(slopes, profiles, strict=True)),
        thresholds=thresholds,
        tests=(effect_test(ratings, fit.log_likelihood), check),
        log_likelihood=fit.log_likelihood,
        n_parameters=errors.size,
        converged=True,
        notes=unused_note(ratings),
        assumptions=(
            Assumption("ratings are independent", *_independence(ratings)),
            proportional_odds_assumption(check),
        ),
        details=FixedFitDetails(fit.covariance.tolist(), [*_names(ratings), *ratings.terms]),
    )


def with_profile(e: Coefficient, ends: tuple[float | None, float | None]) -> Coefficient:
    """The estimate with the profile-likelihood interval beside Wald's."""
    return replace(e, details=replace(e.details, profile=Ends("profile_ci", *ends)))


def _independence(ratings: CrossedRatings) -> tuple[bool, str]:
    repeated = ratings.n > len(ratings.raters)
    return not repeated, f"{ratings.n} ratings by {len(ratings.raters)} raters"


def _names(ratings: CrossedRatings) -> list[str]:
    named = [point_name(point) for point in ratings.used_points]
    return [f"{low}|{high}" for low, high in pairwise(named)]


def odds_estimates(
    ratings: CrossedRatings, parameters: Floats, errors: Floats, unit: str, ci_level: float
) -> tuple[tuple[Coefficient, ...], tuple[Coefficient, ...]]:
    """Coefficients and thresholds of a cumulative-link model.

    Parameters
    ----------
    parameters, errors : ndarray
        Thresholds between the points that occur, then the slopes of the levels; more may follow.

    Returns
    -------
    slopes, thresholds : tuple of Coefficient
        Cumulative log odds ratios of each level against the reference; thresholds, named as R names
        them (``1|2``).
    """
    names, reference = _names(ratings), ratings.levels[0]
    about = [CoefficientDetails(term=name) for name in names]
    about += [
        CoefficientDetails(term=term, level=level, reference=reference)
        for term, level in zip(ratings.terms, ratings.levels[1:], strict=True)
    ]
    found = []
    for details, value, error in zip(about, parameters, errors, strict=False):
        slope = details.level is not None
        odds = float(np.exp(value)) if slope else None
        found.append(
            wald_estimate(
                "cumulative_log_odds_ratio" if slope else "threshold",
                float(value),
                replace(details, std_error=float(error), odds_ratio=odds),
                ratings.sample(unit),
                ci_level=ci_level,
            )
        )
    return tuple(found[len(names) :]), tuple(found[: len(names)])


def unused_note(ratings: CrossedRatings) -> tuple[str, ...]:
    """A note on points of the scale that nobody used."""
    unused = [point_name(p) for p in ratings.points if p not in ratings.used_points]
    if not unused:
        return ()
    return (
        f"nobody used {', '.join(unused)}: there is no threshold beside such a point, and its "
        "predicted probability is 0",
    )


def saturated_log_likelihood(counts: Floats) -> float:
    """Sum of n log(n / row total): the likelihood when each level has its own distribution."""
    positive = counts[counts > 0]
    totals = counts.sum(axis=1)
    totals = totals[totals > 0]
    return float(np.sum(positive * np.log(positive)) - np.sum(totals * np.log(totals)))


def effect_test(ratings: CrossedRatings, log_likelihood: float) -> LikelihoodRatio:
    """Likelihood-ratio test that all levels have the same distribution, under proportional odds."""
    # One distribution for all levels has its maximum at the pooled shares, so nothing is to be searched.
    null = saturated_log_likelihood(level_counts(ratings).sum(axis=0, keepdims=True))
    return likelihood_ratio(
        "likelihood_ratio_effect",
        null,
        log_likelihood,
        len(ratings.levels) - 1,
        ratings.sample("rating"),
        f"{ratings.effect} makes no difference",
    )


def proportional_odds_test(ratings: CrossedRatings) -> LikelihoodRatio:
    """Whether one odds ratio serves all thresholds: likelihood-ratio test of nominal effects.

    The larger model lets each level have its own thresholds. With one factor that model is
    saturated, so its maximum is known in closed form; R's ``nominal_test`` iterates to the same.
    Ratings count as independent.
    """
    statistic = "likelihood_ratio_proportional_odds"
    because = ordinal_obstacle(ratings)
    if not because and len(ratings.used_points) < 3:
        because = "with two points in use there is one threshold, and nothing to be proportional"
    if because:
        return undefined(
            statistic, because, n=ratings.n, n_missing=ratings.n_missing, unit="rating"
        )
    counts = level_counts(ratings)
    fit = fit_counts(counts)
    df = (counts.shape[0] - 1) * (counts.shape[1] - 2)
    null = "the odds ratio is the same at every threshold"
    larger = saturated_log_likelihood(counts)
    return likelihood_ratio(
        statistic, fit.log_likelihood, larger, df, ratings.sample("rating"), null
    )


def proportional_odds_assumption(test: LikelihoodRatio) -> Assumption:
    """The check in words, for the table of assumptions."""
    name = "proportional odds: one odds ratio serves all thresholds"
    if test.estimate is None or test.p_value is None:
        return Assumption(name, None, f"not checked: {test.undefined_because}")
    return Assumption(
        name,
        test.p_value >= 0.05,
        f"nominal-effects likelihood ratio = {test.estimate:.3f}, df = {test.details.df}, "
        f"p = {test.p_value:.4f} (ratings taken as independent)",
    )
