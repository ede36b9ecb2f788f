"""Cumulative-link mixed model: ordinal ratings by raters who each meet the same prompts.

P(Y_i <= j) = F(theta_j - x_i' beta - a_rater(i) - b_prompt(i)) with normal rater and prompt effects,
and on request a rater's own effect of each compared level and an effect of each response (prompt by
level), without which the results speak to these responses only. Fitted by the Laplace approximation, as
R's ``ordinal::clmm`` does, with the random effects' block structure used (``crossed_effects``).
Written here on purpose: no Python package fits this model by maximum likelihood. The oracle is R.

References
----------
1. Christensen RHB. ordinal: regression models for ordinal data. R package (``clmm``).
2. Self SG, Liang KY. Asymptotic properties of maximum likelihood estimators and likelihood ratio
   tests under nonstandard conditions. J Am Stat Assoc 1987;82:605-610.
3. Barr DJ, Levy R, Scheepers C, Tily HJ. Random effects structure for confirmatory hypothesis
   testing: keep it maximal. J Mem Lang 2013;68:255-278.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.rating_models.crossed_effects import without_slopes
from analysis.rating_models.laplace import LaplaceLikelihood
from analysis.rating_models.laplace_fit import LaplaceFit, fit_laplace
from analysis.rating_models.ordinal import (
    odds_estimates,
    ordinal_obstacle,
    proportional_odds_assumption,
    proportional_odds_test,
    unused_note,
    with_profile,
)
from analysis.rating_models.ordinal_inference.effects import small_sample_effects
from analysis.rating_models.ordinal_inference.partial_odds import PartialOdds, partial_odds
from analysis.rating_models.ordinal_inference.quadrature import QuadratureCheck, quadrature_check
from analysis.rating_models.ordinal_likelihood import fit_counts, level_counts
from analysis.rating_models.predictions import predicted_distributions
from analysis.rating_models.profiles import laplace_slope_profiles
from analysis.rating_models.random_terms import (
    RESPONSE_UNIT,
    estimate_unit,
    inference_unit,
    random_terms,
    slope_obstacle,
)
from analysis.rating_models.ratings import CrossedRatings, Floats
from analysis.rating_models.results import LikelihoodRatio, ModelFit, likelihood_ratio
from analysis.rating_models.variance_components import (
    few_raters,
    for_these_raters_only,
    variance_components,
    with_mixture,
)
from analysis.results import Assumption, Details, undefined

METHOD = "maximum likelihood, Laplace approximation"


@dataclass(frozen=True)
class LaplaceDetails(Details):
    """How often the likelihood was evaluated, and what the fit was held to.

    Parameters
    ----------
    evaluations : int
    quadrature : QuadratureCheck or None
        The same model by adaptive quadrature, where its one random intercept allows that.
    partial : PartialOdds or None
        With random responses: the model with an effect of its own at each threshold.
    """

    evaluations: int
    quadrature: QuadratureCheck | None = None
    partial: PartialOdds | None = None

    def to_dict(self) -> dict[str, Any]:
        """The figures alone."""
        told: dict[str, Any] = {"evaluations": self.evaluations}
        if self.quadrature is not None:
            told["quadrature_nodes"] = self.quadrature.nodes
            told["quadrature_log_likelihood"] = self.quadrature.log_likelihood
            told["quadrature_largest_shift"] = self.quadrature.largest_shift
        if self.partial is not None and self.partial.fails:
            told["effects_by_threshold"] = [e.to_dict() for e in self.partial.effects]
        return told


def fit_clmm(
    ratings: CrossedRatings,
    *,
    random_slopes: bool = False,
    random_responses: bool = False,
    ci_level: float = 0.95,
    most_ratings: int | None = None,
    profile: bool = False,
) -> ModelFit:
    """Cumulative-link mixed model with crossed random raters and prompts.

    Parameters
    ----------
    ratings : CrossedRatings
    random_slopes : bool
        Let the effect of each level differ between raters (correlated with the rater's intercept).
    random_responses : bool
        Let each response (prompt by level) have a random intercept, as ``(1 | prompt:system)`` beside
        ``(1 | prompt)`` in R. Tests and intervals of the effects are then those of
        `analysis.rating_models.ordinal_inference.small_sample`, and proportional odds is tested
        against effects that differ between thresholds, with the same random effects.
    ci_level : float
        Between 0 and 1; Wald intervals, whose standard errors carry the uncertainty of the
        variances, as in R's ``clmm``.
    most_ratings : int, optional
        Leave the model out, and say so, with more ratings than this (its time grows with them).
    profile : bool
        Put profile-likelihood intervals into ``details.profile`` of the coefficients; a dozen fits
        for each. With random responses they are the intervals.

    Returns
    -------
    ModelFit
        Coefficients are cumulative log odds ratios within a rater and a prompt, which lie farther
        from zero than population-averaged ones.
    """
    because = ""
    if most_ratings is not None and ratings.n > most_ratings:
        because = (
            f"not fitted, to save time: {ratings.n} ratings are more than the limit of "
            f"{most_ratings} that was set for this model"
        )
    because = (
        because
        or ordinal_obstacle(ratings)
        or ratings.rater_obstacle()
        or slope_obstacle(ratings, random_slopes)
        or (ratings.response_obstacle() if random_responses else "")
    )
    bare = _unfitted(ratings, random_slopes, random_responses)
    if because:
        return replace(bare, undefined_because=because)
    terms, no_prompt = random_terms(ratings, random_slopes, random_responses)
    fit = fit_laplace(ratings, ratings.contrasts(), terms)
    if not fit.settled:
        said = (
            "the fit did not converge: the likelihood has no clear maximum for these data "
            f"(last promised rise {fit.maximum.decrement / 2:.2g})"
        )
        return replace(bare, undefined_because=said)
    found = _model_fit(ratings, fit, bare, no_prompt, ci_level)
    if because := few_raters(ratings):
        return for_these_raters_only(found, because)
    if random_responses:
        return small_sample_effects(ratings, fit, found, ci_level=ci_level, profile=profile)
    if not profile:
        return found
    ends = laplace_slope_profiles(fit, level=ci_level)
    pairs = zip(found.coefficients, ends, strict=True)
    return replace(found, coefficients=tuple(with_profile(e, both) for e, both in pairs))


def _unfitted(ratings: CrossedRatings, random_slopes: bool, random_responses: bool) -> ModelFit:
    slopes = " and slopes" if random_slopes else ""
    crossed = "" if ratings.prompt_obstacle() else " and crossed random prompt intercepts"
    if random_responses:
        crossed = ", crossed random prompt and response (prompt by system) intercepts"
    return ratings.unfitted(
        "cumulative_link_mixed"
        + ("_slopes" if random_slopes else "")
        + ("_responses" if random_responses else ""),
        title=f"Cumulative-link mixed model (logit), random rater intercepts{slopes}{crossed}",
        unit_of_inference=RESPONSE_UNIT if random_responses else inference_unit(ratings),
        method=METHOD,
    )


def _model_fit(
    ratings: CrossedRatings, fit: LaplaceFit, bare: ModelFit, no_prompt: str, ci_level: float
) -> ModelFit:
    parameters = fit.maximum.parameters
    covariance = fit.maximum.covariance()
    responses = fit.covariance("response") is not None
    unit = "rater and response" if responses else estimate_unit(ratings)
    partial = _partial_odds(ratings, fit, ci_level) if responses else None
    slopes, thresholds = odds_estimates(
        ratings, parameters, np.sqrt(np.diag(covariance)), unit, ci_level
    )
    components = variance_components(
        ratings,
        fit.covariance,
        no_prompt,
        fit.maximum.value,
        lambda: _log_likelihood_without_slopes(ratings, fit),
    )
    check = proportional_odds_test(ratings)
    return replace(
        bare,
        coefficients=slopes,
        thresholds=thresholds,
        variances=components.estimates,
        tests=(
            _effect_test(ratings, fit, unit),
            _random_effects_test(ratings, fit, unit),
            check,
            *(() if partial is None else (partial.test,)),
            *components.tests,
        ),
        predictions=predicted_distributions(
            ratings,
            parameters,
            covariance,
            lambda p, code: _spread(fit.likelihood, p, code),
            ci_level=ci_level,
            unit=unit,
        ),
        log_likelihood=fit.maximum.value,
        n_parameters=parameters.size,
        converged=True,
        notes=(*unused_note(ratings), *components.notes),
        assumptions=(
            proportional_odds_assumption(check),
            Assumption("rater and prompt effects are normal", None, "not tested"),
        ),
        details=LaplaceDetails(fit.likelihood.evaluations, quadrature_check(fit), partial),
    )


def _partial_odds(ratings: CrossedRatings, fit: LaplaceFit, ci_level: float) -> PartialOdds:
    return partial_odds(ratings, list(fit.likelihood.terms), fit, ci_level=ci_level)


def _spread(likelihood: LaplaceLikelihood, parameters: Floats, code: int) -> float:
    """SD of rater plus prompt effect at a level: a slope adds to the intercept of its level."""
    total = 0.0
    for term, factor in zip(likelihood.terms, likelihood.factors(parameters), strict=True):
        row = np.zeros(term.width)
        row[0] = 1.0
        if term.tied:
            # Columns of a response follow the prompt's own, one for each level.
            row[1 + code] = 1.0
        elif term.width > 1 and code > 0:
            row[code] = 1.0
        total += float(np.sum((row @ factor) ** 2))
    return float(np.sqrt(total))


def _effect_test(ratings: CrossedRatings, fit: LaplaceFit, unit: str) -> LikelihoodRatio:
    """Likelihood-ratio test of all levels together, the random effects kept."""
    null = fit_laplace(ratings, np.empty((ratings.n, 0)), fit.likelihood.terms)
    if not null.settled:
        said, missing = "the model without the effect did not converge", ratings.n_missing
        return undefined("likelihood_ratio_effect", said, n=ratings.n, n_missing=missing, unit=unit)
    return likelihood_ratio(
        "likelihood_ratio_effect",
        null.maximum.value,
        fit.maximum.value,
        len(ratings.levels) - 1,
        ratings.sample(unit),
        f"{ratings.effect} makes no difference",
    )


def _log_likelihood_without_slopes(ratings: CrossedRatings, fit: LaplaceFit) -> float | None:
    """Of the model in which raters have no effects of their own; None when it does not converge."""
    terms = [without_slopes(t) if t.name == "rater" else t for t in fit.likelihood.terms]
    smaller = fit_laplace(ratings, ratings.contrasts(), terms)
    return smaller.maximum.value if smaller.settled else None


def _random_effects_test(ratings: CrossedRatings, fit: LaplaceFit, unit: str) -> LikelihoodRatio:
    """Against the model without random effects; the p-value is conservative (variances at zero)."""
    fixed = fit_counts(level_counts(ratings))
    test = likelihood_ratio(
        "likelihood_ratio_random_effects",
        fixed.log_likelihood,
        fit.maximum.value,
        fit.maximum.parameters.size - fit.likelihood.n_fixed,
        ratings.sample(unit),
        "raters and prompts do not differ (on the boundary: p is conservative)",
    )
    return with_mixture(test)
