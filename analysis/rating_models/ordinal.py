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

from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from analysis.rating_models.ordinal_likelihood import MOST_STEPS, fit_counts, level_counts
from analysis.rating_models.profiles import slope_profiles
from analysis.rating_models.ratings import CrossedRatings, Floats, point_name
from analysis.rating_models.results import ModelFit, wald_estimate
from analysis.results import Assumption, Estimate, undefined

_MOST_POINTS = 20
TITLE = "Cumulative-link model (logit), fixed effects only"
UNIT = (
    "rating (every rating counts as independent; raters who rate more than once make these "
    "intervals too narrow or too wide)"
)


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
        Between 0 and 1; the intervals are Wald intervals, and ``details`` of each coefficient hold
        the profile-likelihood interval (``profile_ci_low``, ``profile_ci_high``).

    Returns
    -------
    ModelFit
        Coefficients are cumulative log odds ratios: above zero where the level is rated higher.
    """
    because = ordinal_obstacle(ratings)
    facts: dict[str, Any] = {
        "model": "cumulative_link",
        "title": TITLE,
        "unit_of_inference": UNIT,
        "method": "maximum likelihood",
        "n": ratings.n,
        "n_missing": ratings.n_missing,
        "n_raters": len(ratings.raters),
        "n_prompts": len(ratings.prompts),
    }
    if because:
        return ModelFit(**facts, undefined_because=because)
    fit = fit_counts(level_counts(ratings))
    if not fit.converged:
        said = f"the fit did not converge in {MOST_STEPS} steps"
        return ModelFit(**facts, undefined_because=said)
    errors = np.sqrt(np.diag(fit.covariance))
    k = fit.thresholds.size
    check = proportional_odds_test(ratings)
    return ModelFit(
        coefficients=tuple(
            with_profile(e, ends)
            for e, ends in zip(
                odds_estimates(ratings, fit.slopes, errors[k:], "rating", ci_level),
                slope_profiles(level_counts(ratings), fit, level=ci_level),
                strict=True,
            )
        ),
        thresholds=threshold_estimates(ratings, fit.thresholds, errors[:k], "rating", ci_level),
        tests=(effect_test(ratings, fit.log_likelihood), check),
        log_likelihood=fit.log_likelihood,
        n_parameters=k + fit.slopes.size,
        **facts,
        converged=True,
        notes=unused_note(ratings),
        assumptions=(
            Assumption("ratings are independent", *_independence(ratings)),
            proportional_odds_assumption(check),
        ),
        details=MappingProxyType(
            {"covariance": fit.covariance.tolist(), "terms": [*_names(ratings), *ratings.terms]}
        ),
    )


def with_profile(e: Estimate, ends: tuple[float | None, float | None]) -> Estimate:
    """The estimate with the profile-likelihood interval beside Wald's."""
    details = {**e.details, "profile_ci_low": ends[0], "profile_ci_high": ends[1]}
    return replace(e, details=MappingProxyType(details))


def _independence(ratings: CrossedRatings) -> tuple[bool, str]:
    repeated = ratings.n > len(ratings.raters)
    return not repeated, f"{ratings.n} ratings by {len(ratings.raters)} raters"


def _names(ratings: CrossedRatings) -> list[str]:
    named = [point_name(point) for point in ratings.used_points]
    return [f"{low}|{high}" for low, high in pairwise(named)]


def threshold_estimates(
    ratings: CrossedRatings, thresholds: Floats, errors: Floats, unit: str, ci_level: float
) -> tuple[Estimate, ...]:
    """Thresholds between the points that occur, named as R names them (``1|2``)."""
    return tuple(
        wald_estimate(
            "threshold",
            float(threshold),
            float(error),
            ci_level=ci_level,
            n=ratings.n,
            n_missing=ratings.n_missing,
            unit=unit,
            term=name,
        )
        for name, threshold, error in zip(_names(ratings), thresholds, errors, strict=True)
    )


def odds_estimates(
    ratings: CrossedRatings, slopes: Floats, errors: Floats, unit: str, ci_level: float
) -> tuple[Estimate, ...]:
    """Cumulative log odds ratios of each level against the reference."""
    return tuple(
        wald_estimate(
            "cumulative_log_odds_ratio",
            float(slope),
            float(error),
            ci_level=ci_level,
            n=ratings.n,
            n_missing=ratings.n_missing,
            unit=unit,
            term=term,
            level=level,
            reference=ratings.levels[0],
            odds_ratio=float(np.exp(slope)),
        )
        for term, level, slope, error in zip(
            ratings.terms, ratings.levels[1:], slopes, errors, strict=True
        )
    )


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


def effect_test(ratings: CrossedRatings, log_likelihood: float) -> Estimate:
    """Likelihood-ratio test that all levels have the same distribution, under proportional odds."""
    null = saturated_log_likelihood(level_counts(ratings).sum(axis=0, keepdims=True))
    return likelihood_ratio(
        "likelihood_ratio_effect",
        null,
        log_likelihood,
        len(ratings.levels) - 1,
        n=ratings.n,
        n_missing=ratings.n_missing,
        unit="rating",
        null_hypothesis=f"{ratings.effect} makes no difference",
    )


def likelihood_ratio(
    statistic: str,
    smaller: float,
    larger: float,
    df: int,
    *,
    n: int,
    n_missing: int,
    unit: str,
    null_hypothesis: str,
) -> Estimate:
    """Likelihood-ratio chi-square of two nested models from their log-likelihoods."""
    from scipy import stats

    # Two fits to the same maximum may differ by rounding: a ratio below zero is then zero.
    ratio = max(0.0, 2.0 * (larger - smaller))
    details = {
        "df": df,
        "log_likelihood_smaller": smaller,
        "log_likelihood_larger": larger,
        "null_hypothesis": null_hypothesis,
    }
    return Estimate(
        statistic,
        ratio,
        p_value=float(stats.chi2.sf(ratio, df)),
        n=n,
        n_missing=n_missing,
        unit=unit,
        details=MappingProxyType(details),
    )


def proportional_odds_test(ratings: CrossedRatings) -> Estimate:
    """Whether one odds ratio serves all thresholds: likelihood-ratio test of nominal effects.

    The larger model lets each level have its own thresholds. With one factor that model is
    saturated, so its maximum is known in closed form; R's ``nominal_test`` iterates to the same.
    Ratings count as independent.
    """
    statistic = "likelihood_ratio_proportional_odds"
    facts: dict[str, Any] = {"n": ratings.n, "n_missing": ratings.n_missing, "unit": "rating"}
    because = ordinal_obstacle(ratings)
    if not because and len(ratings.used_points) < 3:
        because = "with two points in use there is one threshold, and nothing to be proportional"
    if because:
        return undefined(statistic, because, **facts)
    counts = level_counts(ratings)
    fit = fit_counts(counts)
    df = (counts.shape[0] - 1) * (counts.shape[1] - 2)
    null = "the odds ratio is the same at every threshold"
    larger = saturated_log_likelihood(counts)
    return likelihood_ratio(
        statistic, fit.log_likelihood, larger, df, **facts, null_hypothesis=null
    )


def proportional_odds_assumption(test: Estimate) -> Assumption:
    """The check in words, for the table of assumptions."""
    name = "proportional odds: one odds ratio serves all thresholds"
    if test.estimate is None or test.p_value is None:
        return Assumption(name, None, f"not checked: {test.undefined_because}")
    return Assumption(
        name,
        test.p_value >= 0.05,
        f"nominal-effects likelihood ratio = {test.estimate:.3f}, df = {test.details['df']}, "
        f"p = {test.p_value:.4f} (ratings taken as independent)",
    )
