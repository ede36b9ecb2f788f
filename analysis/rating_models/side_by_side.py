"""All models of one set of ratings, side by side: what the report and ``analyse mixed`` show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.rating_models.gee import fit_gee
from analysis.rating_models.linear import fit_lmm
from analysis.rating_models.ordinal import fit_clm, proportional_odds_test
from analysis.rating_models.ordinal_mixed import fit_clmm, slope_obstacle
from analysis.rating_models.ratings import (
    CrossedRatings,
    Floats,
    RatingColumns,
    prepare_ratings,
    refuse_repeats,
)
from analysis.rating_models.results import (
    Coefficient,
    CoefficientDetails,
    LikelihoodRatio,
    ModelFit,
    Sample,
    likelihood_ratio,
    wald_estimate,
)
from analysis.rating_models.variance_components import with_mixture
from analysis.results import undefined

if TYPE_CHECKING:
    import pandas as pd


def one_thread() -> AbstractContextManager[object]:
    """Keep the linear algebra on one thread while models are fitted.

    Their matrices are small: on a busy machine threads that wait for one another were measured to
    make a fit five times slower, and their number changes the last digits.
    """
    try:
        pools: Any = import_module("threadpoolctl")
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = pools.threadpool_limits(limits=1, user_api="blas")
    return limits


@dataclass(frozen=True)
class RatingModels:
    """The models of one set of ratings, from the simplest to the fullest.

    Parameters
    ----------
    paired_t : ModelFit
        Paired t-test on each rater's mean.
    gee : ModelFit
    clm, clmm, clmm_slope : ModelFit
        Ordinal: without random effects, with random intercepts, with random rater slopes.
    lmer_intercept, lmer_slope : ModelFit
        Linear: random intercepts, with random rater slopes.
    lmer_response : ModelFit
        Linear, with random responses (prompt by level) and, where the data allow, random rater
        slopes: the one that speaks to other prompts and responses.
    proportional_odds : LikelihoodRatio
        Likelihood-ratio test of the ordinal models' main idea.
    comparisons : tuple of LikelihoodRatio
        Likelihood-ratio tests of the random slopes.
    levels : tuple of str
        What is compared, the reference first.
    points : tuple of float
        The scale in full.
    missing : mapping
        Missing values by column.
    """

    paired_t: ModelFit
    gee: ModelFit
    clm: ModelFit
    clmm: ModelFit
    clmm_slope: ModelFit
    lmer_intercept: ModelFit
    lmer_slope: ModelFit
    lmer_response: ModelFit
    proportional_odds: LikelihoodRatio
    comparisons: tuple[LikelihoodRatio, ...]
    effect: str
    levels: tuple[str, ...]
    points: tuple[float, ...]
    n: int
    n_missing: int
    n_raters: int
    n_prompts: int
    missing: Mapping[str, int]

    @property
    def models(self) -> dict[str, ModelFit]:
        """The models by the name that ``to_dict`` uses."""
        return {
            "lmer_intercept": self.lmer_intercept,
            "lmer_slope": self.lmer_slope,
            "lmer_response": self.lmer_response,
            "clm": self.clm,
            "clmm": self.clmm,
            "clmm_slope": self.clmm_slope,
            "gee": self.gee,
            "paired_t": self.paired_t,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form with full precision."""
        return {
            "effect": self.effect,
            "reference": self.levels[0],
            "levels": list(self.levels),
            "points": list(self.points),
            "n": self.n,
            "n_missing": self.n_missing,
            "n_raters": self.n_raters,
            "n_prompts": self.n_prompts,
            "missing": dict(self.missing),
            "models": {name: model.to_dict() for name, model in self.models.items()},
            "proportional_odds": self.proportional_odds.to_dict(),
            "comparisons": [test.to_dict() for test in self.comparisons],
        }


def fit_all(
    frame: pd.DataFrame,
    columns: RatingColumns,
    *,
    reference: str | None = None,
    points: Sequence[float] | None = None,
    ci_level: float = 0.95,
    most_ratings_for_clmm: int | None = 200_000,
    profile: bool = False,
) -> RatingModels:
    """Fit every model to a long data frame of ratings (one row a rating).

    Parameters
    ----------
    frame : DataFrame
    columns : RatingColumns
        Rows with a missing value in any of them are left out and counted.
    reference : str, optional
        Level of ``effect`` against which the others are compared; the first when left out.
    points : sequence of float, optional
        The scale in full; the observed values when left out.
    ci_level : float
        Between 0 and 1.
    most_ratings_for_clmm : int or None
        With more ratings than this the cumulative-link mixed models are left out, which is said
        (the one with random slopes already above a quarter of it); None fits them always.
    profile : bool
        Profile-likelihood intervals for the variances of the linear mixed models and the effects of
        the cumulative-link mixed model with random intercepts; seconds of work.

    Returns
    -------
    RatingModels
        A model that does not exist for these data says why in ``undefined_because``.

    Raises
    ------
    AnalysisError
        The columns, the reference or a rating do not fit, or a rater rated a response twice.

    Examples
    --------
    >>> columns = RatingColumns("y", "model", "rater", "topic")
    >>> fits = fit_all(frame, columns, reference="Phi4", points=range(1, 6))  # doctest: +SKIP
    >>> fits.clmm.find("cumulative_log_odds_ratio", "EAI").estimate  # doctest: +SKIP
    """
    ratings = prepare_ratings(frame, columns, reference=reference, points=points)
    refuse_repeats(frame, columns)
    with one_thread():
        return _fit_all(ratings, ci_level, most_ratings_for_clmm, profile)


def _fit_all(
    ratings: CrossedRatings, ci_level: float, most: int | None, profile: bool
) -> RatingModels:
    most_slopes = None if most is None else most // 4
    level: dict[str, Any] = {"ci_level": ci_level}
    clmm = fit_or_reason(fit_clmm, ratings, most_ratings=most, profile=profile, **level)
    clmm_slope = fit_or_reason(
        fit_clmm, ratings, random_slopes=True, most_ratings=most_slopes, **level
    )
    lmer = fit_or_reason(fit_lmm, ratings, profile=profile, **level)
    lmer_slope = fit_or_reason(fit_lmm, ratings, random_slopes=True, profile=profile, **level)
    return RatingModels(
        paired_t=fit_or_reason(fit_paired_t, ratings, **level),
        gee=fit_or_reason(fit_gee, ratings, **level),
        clm=fit_or_reason(fit_clm, ratings, **level),
        clmm=clmm,
        clmm_slope=clmm_slope,
        lmer_intercept=lmer,
        lmer_slope=lmer_slope,
        lmer_response=fit_or_reason(fit_response_model, ratings, profile=profile, **level),
        proportional_odds=proportional_odds_test(ratings),
        comparisons=(compare_slopes(lmer, lmer_slope), compare_slopes(clmm, clmm_slope)),
        effect=ratings.effect,
        levels=ratings.levels,
        points=ratings.points,
        n=ratings.n,
        n_missing=ratings.n_missing,
        n_raters=len(ratings.raters),
        n_prompts=len(ratings.prompts),
        missing=ratings.missing,
    )


def fit_response_model(
    ratings: CrossedRatings, *, ci_level: float = 0.95, profile: bool = False
) -> ModelFit:
    """Linear mixed model with random responses, and random rater slopes where the data allow them.

    Where each rater judged one response of each system, a rater's own difference is part of the
    error and needs no term.
    """
    return fit_lmm(
        ratings,
        random_slopes=not slope_obstacle(ratings, True),
        random_responses=True,
        ci_level=ci_level,
        profile=profile,
    )


def fit_or_reason(
    fit: Callable[..., ModelFit], ratings: CrossedRatings, **options: Any
) -> ModelFit:
    """A model, or one that is undefined because its arithmetic broke down on these data.

    The other models, and the report around them, go on.
    """
    try:
        return fit(ratings, **options)
    except (ArithmeticError, ValueError) as error:
        name = fit.__name__.removeprefix("fit_")
        slopes = " with random slopes" if options.get("random_slopes") else ""
        because = (
            f"its arithmetic broke down on these {ratings.n} ratings "
            f"({type(error).__name__}: {error})"
        )
        bare = ratings.unfitted(
            name, title=f"Model {name}{slopes}", unit_of_inference="rater", method="none"
        )
        return replace(bare, undefined_because=because)


def compare_slopes(smaller: ModelFit, larger: ModelFit) -> LikelihoodRatio:
    """Likelihood-ratio test of random rater slopes.

    The slopes' variance is zero under the null hypothesis, on the edge of what is possible, so the
    chi-square p-value, which is that of R's ``anova``, is conservative. ``details`` give the p-value
    of the mixture of chi-squares that `analysis.rating_models.variance_components.chi_bar_squared` describes.
    Both models have the same fixed effects, so restricted likelihoods may be compared.
    """
    statistic = f"likelihood_ratio_random_slopes_{smaller.model}"
    unit = "rater"
    for fit in (smaller, larger):
        if fit.log_likelihood is None:
            said = f"{fit.title}: {fit.undefined_because}"
            return undefined(statistic, said, n=fit.n, n_missing=fit.n_missing, unit=unit)
    low, high = smaller.log_likelihood or 0.0, larger.log_likelihood or 0.0
    df = larger.n_parameters - smaller.n_parameters
    return with_mixture(
        likelihood_ratio(
            statistic,
            low,
            high,
            df,
            Sample(larger.n, larger.n_missing, unit),
            "the effect is the same for all raters (p is conservative)",
        )
    )


def fit_paired_t(ratings: CrossedRatings, *, ci_level: float = 0.95) -> ModelFit:
    """Paired t-test of each level against the reference, on each rater's mean of the two.

    A rater who lacks one of the two levels cannot be paired and is counted as missing.
    """
    because = ratings.obstacle() or ratings.rater_obstacle()
    bare = ratings.unfitted(
        "paired_t",
        title="Paired t-test on each rater's mean",
        unit_of_inference="rater (each rater's mean counts once; prompts are fixed)",
        method="Student's t",
    )
    if because:
        return replace(bare, undefined_because=because)
    means = _rater_means(ratings)
    found = tuple(
        _paired(ratings, means[:, code] - means[:, 0], code, ci_level)
        for code in range(1, len(ratings.levels))
    )
    reasons = {estimate.undefined_because for estimate in found}
    if "" not in reasons:
        return replace(bare, coefficients=found, undefined_because=found[0].undefined_because)
    return replace(bare, coefficients=found, n_parameters=len(found), converged=True)


def _rater_means(ratings: CrossedRatings) -> Floats:
    """Mean of every rater for every level; nan where a rater has none, shape (raters, levels)."""
    shape = (len(ratings.raters), len(ratings.levels))
    cell = ratings.rater * shape[1] + ratings.level
    counts = np.bincount(cell, minlength=shape[0] * shape[1])
    sums = np.bincount(cell, ratings.value, minlength=counts.size)
    means = np.full(counts.size, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means.reshape(shape)


def _paired(
    ratings: CrossedRatings, differences: Floats, code: int, ci_level: float
) -> Coefficient:
    paired = differences[~np.isnan(differences)]
    sample = Sample(paired.size, int(np.isnan(differences).sum()), "rater")
    level, reference = ratings.levels[code], ratings.levels[0]
    details = CoefficientDetails(term=ratings.terms[code - 1], level=level, reference=reference)
    if sample.n < 2:
        said = (
            f"{sample.n} of {len(ratings.raters)} raters rated both {level} and {reference}; "
            "2 needed"
        )
        return undefined(
            "mean_difference",
            said,
            n=sample.n,
            n_missing=sample.n_missing,
            unit="rater",
            details=details,
        )
    spread = float(paired.std(ddof=1))
    # Equal differences have a spread of rounding only.
    if spread <= 1e-12 * max(1.0, float(np.max(np.abs(paired)))):
        spread = 0.0
    error = spread / float(np.sqrt(sample.n))
    return wald_estimate(
        "mean_difference",
        float(paired.mean()),
        replace(details, std_error=error, df=float(sample.n - 1)),
        sample,
        ci_level=ci_level,
        ci_method="Student's t",
    )
