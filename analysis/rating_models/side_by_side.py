"""What models of the same ratings share: one thread, a reason for each that breaks down, a test of two."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib import import_module
from typing import Any

from analysis.rating_models.linear import fit_lmm
from analysis.rating_models.ordinal_mixed import fit_clmm
from analysis.rating_models.random_terms import slope_obstacle
from analysis.rating_models.ratings import CrossedRatings
from analysis.rating_models.results import LikelihoodRatio, ModelFit, Sample, likelihood_ratio
from analysis.rating_models.variance_components import with_mixture
from analysis.results import undefined


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


def fit_ordinal_response_model(
    ratings: CrossedRatings,
    *,
    ci_level: float = 0.95,
    profile: bool = False,
    most_ratings: int | None = None,
) -> ModelFit:
    """Cumulative-link mixed model with random responses, and rater slopes where the data allow them."""
    return fit_clmm(
        ratings,
        random_slopes=not slope_obstacle(ratings, True),
        random_responses=True,
        ci_level=ci_level,
        profile=profile,
        most_ratings=most_ratings,
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
