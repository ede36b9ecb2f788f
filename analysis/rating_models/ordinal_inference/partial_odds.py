"""Partial proportional odds: a system's effect may differ from threshold to threshold.

P(Y_i <= j) = F(theta_j - delta_{system(i), j} - random effects): each level has its own thresholds, the
effects of raters, prompts and responses stay one shift of the whole scale. The proportional-odds model is
the case in which a level's deltas are all equal, so a likelihood ratio of the two tests that assumption with
the same random effects in both; the test that takes ratings as independent is too quick to reject.

References
----------
1. Peterson B, Harrell FE. Partial proportional odds models for ordinal response variables. J R Stat
   Soc C 1990;39:205-217.
2. Christensen RHB. ordinal: regression models for ordinal data. R package (``clmm2`` with ``nominal``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.rating_models.crossed_effects import RandomTerm
from analysis.rating_models.laplace import LaplaceLikelihood
from analysis.rating_models.laplace_fit import LaplaceFit, guessed_spread
from analysis.rating_models.maximum import maximise
from analysis.rating_models.ordinal_likelihood import fit_counts, level_counts
from analysis.rating_models.ratings import CrossedRatings, Floats, point_name
from analysis.rating_models.results import (
    Coefficient,
    CoefficientDetails,
    LikelihoodRatio,
    likelihood_ratio,
    wald_estimate,
)
from analysis.results import undefined

STATISTIC = "likelihood_ratio_partial_proportional_odds"
AT_THRESHOLD = "cumulative_log_odds_ratio_at_threshold"
_NULL = "the odds ratio is the same at every threshold, raters, prompts and responses being random"


@dataclass(frozen=True)
class PartialOdds:
    """The model with an effect of its own at each threshold, beside the one with a single effect.

    Parameters
    ----------
    test : LikelihoodRatio
        Of proportional odds; undefined where the larger model does not exist.
    effects : tuple of Coefficient
        Log odds ratios of each level at each threshold; ``details.term`` names both.
    fit : LaplaceFit or None
    """

    test: LikelihoodRatio
    effects: tuple[Coefficient, ...] = ()
    fit: LaplaceFit | None = None

    @property
    def fails(self) -> bool:
        """Whether proportional odds is rejected at 5 %."""
        return self.test.p_value is not None and self.test.p_value < 0.05

    def of_level(self, level: str) -> tuple[Coefficient, ...]:
        """The effects of one level, from the lowest threshold up."""
        return tuple(e for e in self.effects if e.details.level == level)


def what_changes(
    partial: PartialOdds, common: Sequence[Coefficient], names: Mapping[str, str]
) -> str:
    """What a failed check of proportional odds changes, in words; empty where it did not fail.

    Parameters
    ----------
    common : sequence of Coefficient
        The effects of the model with one odds ratio for all thresholds.
    names : mapping of str to str
        What the levels are called.
    """
    test = partial.test
    if not partial.fails or test.estimate is None:
        return ""
    told = [
        f"Proportional odds does not hold (likelihood ratio {test.estimate:.2f}, df = "
        f"{test.details.df}, p = {test.p_value:.3f}): the effect is not the same at every threshold, "
        "and one odds ratio is an average of these log odds ratios."
    ]
    for e in common:
        level, one = e.details.level or "", e.estimate or 0.0
        own = partial.of_level(level)
        shown = ", ".join(f"{f.details.term.split('.')[0]}: {f.estimate:.2f}" for f in own)
        against = [f.details.term.split(".")[0] for f in own if (f.estimate or 0.0) * one < 0]
        way = (
            "all point the way of the one effect"
            if not against
            else f"at {', '.join(against)} it points the other way, so that who is rated higher "
            "depends on which points are compared"
        )
        told.append(f"{names.get(level, level)}, {one:.2f} as one effect; {shown}; {way}.")
    return " ".join(told)


def partial_obstacle(ratings: CrossedRatings) -> str:
    """Why an effect at each threshold cannot be estimated; empty when it can."""
    if len(ratings.used_points) < 3:
        return "with two points in use there is one threshold, and nothing to be proportional"
    counts = level_counts(ratings)
    for level, own in zip(ratings.levels, counts, strict=True):
        unused = [point_name(p) for p, n in zip(ratings.used_points, own, strict=True) if n == 0]
        if unused:
            return (
                f"{level} was never rated {', '.join(unused)}, so its threshold beside such a point "
                "lies at infinity"
            )
    return ""


def partial_odds(
    ratings: CrossedRatings, terms: list[RandomTerm], common: LaplaceFit, *, ci_level: float
) -> PartialOdds:
    """Fit an effect for each threshold and test whether one would do.

    Parameters
    ----------
    terms : list of RandomTerm
    common : LaplaceFit
        The proportional-odds model with the same terms.
    """
    because = partial_obstacle(ratings)
    fit = None if because else _fit(ratings, terms)
    if fit is not None and not fit.settled:
        because = "the model with an effect at each threshold did not converge"
    if fit is None or because:
        n, gone = ratings.n, ratings.n_missing
        return PartialOdds(undefined(STATISTIC, because, n=n, n_missing=gone, unit="rating"))
    df = (len(ratings.levels) - 1) * (len(ratings.used_points) - 2)
    low, high = common.maximum.value, fit.maximum.value
    test = likelihood_ratio(STATISTIC, low, high, df, ratings.sample("rating"), _NULL)
    return PartialOdds(test, _effects(ratings, fit, ci_level), fit)


def _fit(ratings: CrossedRatings, terms: list[RandomTerm]) -> LaplaceFit:
    nothing = np.empty((ratings.n, 0))
    likelihood = LaplaceLikelihood(ratings.category, nothing, terms, ratings.level)
    first = [fit_counts(own[None, :]) for own in level_counts(ratings)]
    thresholds = np.concatenate([one.thresholds for one in first])
    start = np.concatenate([thresholds, *(t.start(0.5) for t in likelihood.terms)])
    scale = np.diag(np.concatenate([np.ones(thresholds.size), *guessed_spread(likelihood)]))
    place = 0
    for one in first:
        end = place + one.thresholds.size
        scale[place:end, place:end] = one.covariance
        place = end
    return LaplaceFit(likelihood, maximise(likelihood, start, scale))


def level_thresholds(fit: LaplaceFit) -> Floats:
    """Thresholds of each level, shape (levels, k - 1)."""
    likelihood = fit.likelihood
    own = fit.maximum.parameters[: likelihood.n_thresholds]
    return np.asarray(own.reshape(likelihood.n_groups, -1))


def _effects(ratings: CrossedRatings, fit: LaplaceFit, ci_level: float) -> tuple[Coefficient, ...]:
    covariance = fit.maximum.covariance()
    names = [f"{a}|{b}" for a, b in pairwise(map(point_name, ratings.used_points))]
    thresholds, found = level_thresholds(fit), []
    for code, level in enumerate(ratings.levels[1:], start=1):
        for place, name in enumerate(names):
            at, base = code * len(names) + place, place
            variance = covariance[at, at] + covariance[base, base] - 2 * covariance[at, base]
            value = float(thresholds[0, place] - thresholds[code, place])
            details = CoefficientDetails(
                std_error=float(np.sqrt(variance)),
                term=f"{name}.{ratings.terms[code - 1]}",
                level=level,
                reference=ratings.levels[0],
                odds_ratio=float(np.exp(value)),
            )
            sample = ratings.sample("rater and response")
            found.append(wald_estimate(AT_THRESHOLD, value, details, sample, ci_level=ci_level))
    return tuple(found)
