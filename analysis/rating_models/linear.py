"""Linear mixed model of ratings: crossed random raters and prompts, fitted by REML.

The points are taken as equally spaced numbers here; the cumulative-link mixed model does without.

Written here on purpose: statsmodels' ``MixedLM`` takes crossed factors only as variance components of one
group that holds all ratings, with matrices as long as there are ratings, and has neither Satterthwaite's
nor Kenward and Roger's degrees of freedom. The oracles are lme4, lmerTest and pbkrtest.

References
----------
1. Bates D, Maechler M, Bolker B, Walker S. Fitting linear mixed-effects models using lme4.
   J Stat Softw 2015;67(1):1-48.
2. Kuznetsova A, Brockhoff PB, Christensen RHB. lmerTest package. J Stat Softw 2017;82(13):1-26.
3. Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum
   likelihood. Biometrics 1997;53:983-997.
4. Clark HH. The language-as-fixed-effect fallacy. J Verbal Learning Verbal Behav 1973;12:335-359.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.rating_models.crossed_effects import RandomTerm, without_slopes
from analysis.rating_models.degrees_of_freedom import (
    FTest,
    KenwardRoger,
    Satterthwaite,
    UndefinedTestError,
    kenward_roger,
    satterthwaite,
)
from analysis.rating_models.maximum import Maximum, maximise
from analysis.rating_models.random_terms import (
    RESPONSE_UNIT,
    estimate_unit,
    inference_unit,
    random_terms,
    slope_obstacle,
)
from analysis.rating_models.ratings import CrossedRatings, Floats
from analysis.rating_models.restricted_likelihood import LinearMixedLikelihood, LinearState
from analysis.rating_models.results import (
    Coefficient,
    CoefficientDetails,
    Ends,
    FTestDetails,
    LikelihoodRatio,
    ModelFit,
    Sample,
    Variance,
    likelihood_ratio,
    wald_estimate,
)
from analysis.rating_models.variance_components import (
    few_raters,
    for_these_raters_only,
    variance_components,
)
from analysis.results import Assumption, Estimate, undefined

METHOD = "restricted maximum likelihood (REML)"


@dataclass(frozen=True)
class LinearFit:
    """Maximum of a linear mixed model's likelihood, with its state there."""

    likelihood: LinearMixedLikelihood
    maximum: Maximum
    state: LinearState

    @property
    def sigma(self) -> float:
        """Residual SD."""
        return float(np.sqrt(self.state.penalized / self.likelihood.degrees))

    def covariance(self, term: str) -> Floats | None:
        """Covariance matrix of a term's random effects; None when the term is not in the model.

        Responses ("response") are further columns of the prompts' term, all with one variance.
        """
        name = "prompt" if term == "response" else term
        for known, factor in zip(self.likelihood.terms, self.state.system.factors, strict=True):
            if known.name != name:
                continue
            whole = np.asarray(self.sigma**2 * (factor @ factor.T))
            if not known.tied:
                return None if term == "response" else whole
            return whole[1:2, 1:2] if term == "response" else whole[:1, :1]
        return None


def fit_linear(y: Floats, x: Floats, terms: list[RandomTerm], *, reml: bool = True) -> LinearFit:
    """Fit y (n,) on x (n, p), intercept included, with one or two random terms."""
    likelihood = LinearMixedLikelihood(y, x, terms, reml=reml)
    start = np.concatenate([t.start(0.5) for t in likelihood.terms])
    spread = [np.full(t.n_parameters, 0.5 / t.n_levels) for t in likelihood.terms]
    maximum = maximise(likelihood, start, np.diag(np.concatenate(spread)))
    return LinearFit(likelihood, maximum, likelihood.state(maximum.parameters))


def fit_lmm(
    ratings: CrossedRatings,
    *,
    random_slopes: bool = False,
    random_responses: bool = False,
    ci_level: float = 0.95,
    profile: bool = False,
) -> ModelFit:
    """Linear mixed model with crossed random raters and prompts, as ``lme4::lmer`` fits it.

    Every system answers a prompt with one response, which all raters judge. A random prompt
    intercept is the same for all systems and cancels out of their differences; only
    ``random_responses`` makes the results speak to other responses than these, and so to other
    prompts [4]_.

    Parameters
    ----------
    ratings : CrossedRatings
    random_slopes : bool
        Let the difference of each level from the reference vary between raters (correlated with
        the rater's intercept).
    random_responses : bool
        Let each response (prompt by level) have a random intercept, as ``(1 | prompt:system)``
        beside ``(1 | prompt)`` in R.
    ci_level : float
        Between 0 and 1; t intervals with Satterthwaite's degrees of freedom.
    profile : bool
        Give the variances profile-likelihood intervals, as R's ``confint`` of an ``lmer`` fit does;
        seconds of work.

    Returns
    -------
    ModelFit
        Coefficients are mean differences in points. ``details`` of each carry Kenward-Roger's
        standard error, degrees of freedom and p-value too, or say why there are none
        (``kenward_roger_undefined_because``).
    """
    because = (
        ratings.obstacle()
        or ratings.rater_obstacle()
        or slope_obstacle(ratings, random_slopes)
        or (ratings.response_obstacle() if random_responses else "")
    )
    bare = _unfitted(ratings, random_slopes, random_responses)
    if because:
        return replace(bare, undefined_because=because)
    terms, no_prompt = random_terms(ratings, random_slopes, random_responses)
    x = np.column_stack([np.ones(ratings.n), ratings.contrasts()])
    if ratings.n <= x.shape[1] + 1:
        said = f"{ratings.n} ratings are too few for {x.shape[1]} means and an error"
        return replace(bare, undefined_because=said)
    fit = fit_linear(ratings.value, x, terms)
    if not fit.maximum.converged or fit.state.penalized <= fit.likelihood.negligible:
        said = (
            "the fit did not converge: levels, raters and prompts explain these ratings without "
            "error or the likelihood has no clear maximum"
        )
        return replace(bare, undefined_because=said)
    found = _model_fit(ratings, fit, bare, no_prompt, ci_level)
    if because := few_raters(ratings):
        found = for_these_raters_only(found, because)
    if not profile:
        return found
    return replace(found, variances=_profiled(ratings, fit, found.variances, ci_level))


def _profiled(
    ratings: CrossedRatings, fit: LinearFit, variances: tuple[Variance, ...], ci_level: float
) -> tuple[Variance, ...]:
    """Variances with intervals; covariances and what is undefined stay as they are."""
    from analysis.rating_models.profiles import METHOD_ML, VarianceProfile

    x = np.column_stack([np.ones(ratings.n), ratings.contrasts()])
    terms = list(fit.likelihood.terms)
    profile = VarianceProfile(ratings.value, x, terms, fit.maximum.parameters, fit.sigma)
    made = []
    for e in variances:
        if e.estimate is None or not e.statistic.endswith("_variance"):
            made.append(e)
            continue
        term = e.statistic.removesuffix("_variance").removesuffix("_slope")
        level = e.details.level
        row = ratings.levels.index(level) if level else 0
        if term == "response":
            # The responses' columns follow the prompts' own.
            term, row = "prompt", 1
        low, high = profile.interval(term, row, level=ci_level)
        made.append(
            replace(
                e,
                ci_low=None if low is None else low**2,
                ci_high=None if high is None else high**2,
                ci_level=ci_level,
                ci_method=METHOD_ML,
                details=replace(e.details, profile=Ends("std_dev", low, high)),
            )
        )
    return tuple(made)


def _unfitted(ratings: CrossedRatings, random_slopes: bool, random_responses: bool) -> ModelFit:
    slopes = " and slopes" if random_slopes else ""
    crossed = "" if ratings.prompt_obstacle() else " and crossed random prompt intercepts"
    if random_responses:
        crossed = ", crossed random prompt and response (prompt by system) intercepts"
    return ratings.unfitted(
        "linear_mixed"
        + ("_slopes" if random_slopes else "")
        + ("_responses" if random_responses else ""),
        title=f"Linear mixed model, random rater intercepts{slopes}{crossed}",
        unit_of_inference=RESPONSE_UNIT if random_responses else inference_unit(ratings),
        method=METHOD,
    )


def _model_fit(
    ratings: CrossedRatings, fit: LinearFit, bare: ModelFit, no_prompt: str, ci_level: float
) -> ModelFit:
    responses = fit.covariance("response") is not None
    unit = "rater and response" if responses else estimate_unit(ratings)
    parameters, sigma = fit.maximum.parameters, fit.sigma
    spread = satterthwaite(fit.likelihood, parameters, sigma)
    adjusted = kenward_roger(fit.likelihood, parameters, sigma)
    components = variance_components(
        ratings,
        fit.covariance,
        no_prompt,
        fit.maximum.value,
        lambda: _log_likelihood_without_slopes(ratings, fit),
        sigma**2,
    )
    notes = components.notes
    contrasts = _joint_contrasts(fit.likelihood)
    joint = spread.f_test(contrasts, fit.state.beta)
    tests: list[Estimate] = [_f_estimate("f_satterthwaite_effect", joint, ratings, unit)]
    if adjusted is None:
        notes = (*notes, "Kenward-Roger is left out: more than 1,000 random effects")
    else:
        tests.append(_kenward_roger_effect(adjusted, contrasts, fit, ratings, unit))
    tests.append(_effect_test(ratings, fit, unit))
    return replace(
        bare,
        coefficients=_coefficients(ratings, fit, spread, adjusted, unit, ci_level),
        variances=components.estimates,
        tests=(*tests, *components.tests),
        log_likelihood=fit.maximum.value,
        n_parameters=fit.likelihood.p + fit.likelihood.n_parameters + 1,
        converged=True,
        notes=notes,
        assumptions=(
            Assumption("the points are equally spaced", None, "not tested"),
            Assumption("rater effects, prompt effects and errors are normal", None, "not tested"),
        ),
    )


def _log_likelihood_without_slopes(ratings: CrossedRatings, fit: LinearFit) -> float | None:
    """Restricted, with the same means; None when the fit does not converge."""
    x = np.column_stack([np.ones(ratings.n), ratings.contrasts()])
    terms = [without_slopes(t) if t.name == "rater" else t for t in fit.likelihood.terms]
    smaller = fit_linear(ratings.value, x, terms)
    return smaller.maximum.value if smaller.maximum.converged else None


def _joint_contrasts(likelihood: LinearMixedLikelihood) -> Floats:
    """Rows that are zero together when all levels are equal, as lmerTest's anova chooses them.

    Any basis gives the same F, but Satterthwaite's denominator depends on it a little; this is the
    unit upper-triangular factor of X'X.
    """
    upper = np.linalg.cholesky(likelihood.both[: likelihood.p, : likelihood.p]).T
    return np.asarray((upper / np.diag(upper)[:, None])[1:])


def _coefficients(
    ratings: CrossedRatings,
    fit: LinearFit,
    spread: Satterthwaite,
    adjusted: KenwardRoger | None,
    unit: str,
    ci_level: float,
) -> tuple[Coefficient, ...]:
    found = []
    for index, row in enumerate(np.eye(fit.likelihood.p)):
        details = CoefficientDetails(
            std_error=float(np.sqrt(spread.covariance[index, index])),
            df=spread.degrees(row),
            term=ratings.terms[index - 1] if index else "(Intercept)",
            level=ratings.levels[index],
            reference=ratings.levels[0] if index else None,
        )
        if adjusted is not None:
            details = _with_kenward_roger(details, adjusted, row, fit.state.beta)
        found.append(
            wald_estimate(
                "mean_difference" if index else "intercept",
                float(fit.state.beta[index]),
                details,
                ratings.sample(unit),
                ci_level=ci_level,
                ci_method="t, Satterthwaite degrees of freedom",
            )
        )
    return tuple(found)


def _with_kenward_roger(
    details: CoefficientDetails, adjusted: KenwardRoger, row: Floats, beta: Floats
) -> CoefficientDetails:
    try:
        test = adjusted.f_test(row[None, :], beta)
    except UndefinedTestError as reason:
        return replace(details, kenward_roger_undefined_because=str(reason))
    return replace(
        details,
        kenward_roger_std_error=float(np.sqrt(row @ adjusted.adjusted @ row)),
        kenward_roger_df=test.denominator,
        kenward_roger_p_value=test.p_value,
    )


def kenward_roger_estimate(e: Coefficient, *, level: float) -> Coefficient:
    """The same coefficient with Kenward and Roger's interval and test in place of Satterthwaite's.

    Parameters
    ----------
    e : Coefficient
        Of `fit_lmm`.
    level : float

    Returns
    -------
    Coefficient
        Undefined, with the reason, where their method gives none for these data.
    """
    error, df = e.details.kenward_roger_std_error, e.details.kenward_roger_df
    if e.estimate is None or error is None or df is None:
        because = (
            e.undefined_because
            or e.details.kenward_roger_undefined_because
            or e.details.no_test_because
            or "Kenward and Roger's method is left out: more than 1,000 random effects"
        )
        details = e.details
        n, gone = e.n, e.n_missing
        return undefined(e.statistic, because, n=n, n_missing=gone, unit=e.unit, details=details)
    details = replace(e.details, std_error=error, df=df, z_value=None, t_value=None)
    sample = Sample(e.n, e.n_missing, e.unit)
    method = "t, Kenward-Roger degrees of freedom"
    return wald_estimate(e.statistic, e.estimate, details, sample, ci_level=level, ci_method=method)


def _kenward_roger_effect(
    adjusted: KenwardRoger, contrasts: Floats, fit: LinearFit, ratings: CrossedRatings, unit: str
) -> Estimate[FTestDetails]:
    name = "f_kenward_roger_effect"
    try:
        test = adjusted.f_test(contrasts, fit.state.beta)
    except UndefinedTestError as reason:
        return undefined(name, str(reason), n=ratings.n, n_missing=ratings.n_missing, unit=unit)
    return _f_estimate(name, test, ratings, unit)


def _f_estimate(
    name: str, test: FTest, ratings: CrossedRatings, unit: str
) -> Estimate[FTestDetails]:
    return Estimate(
        name,
        test.statistic,
        p_value=test.p_value,
        n=ratings.n,
        n_missing=ratings.n_missing,
        unit=unit,
        details=FTestDetails(test.numerator, test.denominator),
    )


def _effect_test(ratings: CrossedRatings, fit: LinearFit, unit: str) -> LikelihoodRatio:
    """Likelihood-ratio test of all levels, both models refitted by full maximum likelihood."""
    ones = np.ones((ratings.n, 1))
    terms = list(fit.likelihood.terms)
    x = np.column_stack([ones, ratings.contrasts()])
    # Restricted likelihoods of different means are of different data, and no ratio.
    larger = fit_linear(ratings.value, x, terms, reml=False)
    smaller = fit_linear(ratings.value, ones, terms, reml=False)
    if not (larger.maximum.converged and smaller.maximum.converged):
        said, missing = "a refit by full maximum likelihood did not converge", ratings.n_missing
        return undefined("likelihood_ratio_effect", said, n=ratings.n, n_missing=missing, unit=unit)
    return likelihood_ratio(
        "likelihood_ratio_effect",
        smaller.maximum.value,
        larger.maximum.value,
        len(ratings.levels) - 1,
        ratings.sample(unit),
        f"{ratings.effect} makes no difference",
    )
