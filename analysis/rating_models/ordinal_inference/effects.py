"""Effects of a cumulative-link mixed model with random responses, tested and bounded for few prompts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.rating_models.laplace_fit import LaplaceFit
from analysis.rating_models.ordinal_inference.small_sample import (
    LinearReference,
    effect_test,
    f_of_ratio,
    linear_reference,
    profile_interval,
)
from analysis.rating_models.ratings import CrossedRatings
from analysis.rating_models.results import Coefficient, FTestDetails, ModelFit
from analysis.results import Estimate, undefined

JOINT = "f_likelihood_ratio_effect"
_OPEN = "an end that the likelihood does not have"


def small_sample_effects(
    ratings: CrossedRatings, fit: LaplaceFit, found: ModelFit, *, ci_level: float, profile: bool
) -> ModelFit:
    """The fit with tests by the likelihood ratio and its F distribution in place of Wald's z.

    Parameters
    ----------
    fit : LaplaceFit
    found : ModelFit
        The same fit with Wald's tests.
    ci_level : float
    profile : bool
        Profile-likelihood intervals; else Wald's with Student's t.
    """
    reference = linear_reference(ratings, list(fit.likelihood.terms))
    if reference.undefined_because:
        because = f"no small-sample reference distribution: {reference.undefined_because}"
        return replace(
            found,
            coefficients=tuple(_untested(e, because) for e in found.coefficients),
            notes=(*found.notes, because),
        )
    effects = tuple(
        _effect(fit, (e, slope), reference, ci_level=ci_level, profile=profile)
        for slope, e in enumerate(found.coefficients)
    )
    return replace(found, coefficients=effects, tests=(*found.tests, _joint(found, reference)))


def _untested(e: Coefficient, because: str) -> Coefficient:
    details = replace(e.details, z_value=None, no_test_because=because)
    bare = replace(e, ci_low=None, ci_high=None, p_value=None)
    return replace(bare, ci_method=f"none: {because}", details=details)


def _effect(
    fit: LaplaceFit,
    numbered: tuple[Coefficient, int],
    reference: LinearReference,
    *,
    ci_level: float,
    profile: bool,
) -> Coefficient:
    from scipy import stats

    e, slope = numbered
    nu = reference.slopes[slope] or 0.0
    f, p_value = effect_test(fit, slope, nu)
    best, error = e.estimate or 0.0, e.details.std_error or 0.0
    t = float(np.copysign(np.sqrt(f), best))
    half = float(stats.t.ppf(0.5 + ci_level / 2, nu)) * error
    how = f"t with {reference.method} degrees of freedom of the linear model"
    low: float | None = best - half
    high: float | None = best + half
    if profile:
        low, high = profile_interval(fit, slope, level=ci_level, denominator=nu)
        how = f"profile likelihood, F with {reference.method} degrees of freedom"
    if low is None or high is None:
        how += f" ({_OPEN} is left out)"
    return replace(
        e,
        p_value=p_value,
        ci_low=low,
        ci_high=high,
        ci_level=ci_level,
        ci_method=how,
        details=replace(e.details, z_value=None, t_value=t, df=nu),
    )


def _joint(found: ModelFit, reference: LinearReference) -> Estimate[FTestDetails]:
    """All levels together, from the likelihood ratio that the fit already has."""
    from scipy import stats

    told = found.find("likelihood_ratio_effect")
    if told.estimate is None or reference.joint is None:
        because = told.undefined_because or "there are no degrees of freedom"
        return undefined(JOINT, because, n=told.n, n_missing=told.n_missing, unit=told.unit)
    q = len(found.coefficients)
    f = f_of_ratio(told.estimate, q, reference.joint)
    return Estimate(
        JOINT,
        f,
        p_value=float(stats.f.sf(f, q, reference.joint)),
        n=told.n,
        n_missing=told.n_missing,
        unit=told.unit,
        details=FTestDetails(q, reference.joint),
    )
