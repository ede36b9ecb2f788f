"""Ordinal models: R's fits of simulated data of other shapes, derivatives, limits, predictions."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from analysis.calibration.models_speed import simulated_ratings
from analysis.rating_models.crossed_effects import (
    BlockSystem,
    cross_products,
    order_for_elimination,
    random_term,
)
from analysis.rating_models.laplace import LaplaceLikelihood
from analysis.rating_models.laplace_fit import fit_laplace
from analysis.rating_models.ordinal_mixed import fit_clmm
from analysis.rating_models.predictions import point_probabilities
from analysis.rating_models.random_terms import random_terms
from analysis.rating_models.ratings import CrossedRatings, RatingColumns, prepare_ratings

FOLDER = Path(__file__).parent / "reference" / "models"
REFERENCE = pd.read_csv(FOLDER / "reference.csv", keep_default_na=False)
FIXED = REFERENCE[REFERENCE["model"].isin(["clmm_intercept", "clmm_slope"])]


def _ratings(name: str) -> CrossedRatings:
    frame = pd.read_csv(FOLDER / f"{name}.csv")
    return prepare_ratings(frame, RatingColumns("y", "model", "rater", "topic"), reference="Phi4")


@lru_cache
def _figures(name: str, slopes: bool) -> dict[tuple[str, str], float]:
    fit = fit_clmm(_ratings(name), random_slopes=slopes)
    found: dict[tuple[str, str], float] = {("log_likelihood", ""): fit.log_likelihood or 0.0}
    for row in (*fit.thresholds, *fit.coefficients):
        found["estimate", row.details.term] = row.estimate or 0.0
        found["std_error", row.details.term] = row.details.std_error
    for name_of in ("rater_variance", "prompt_variance"):
        found[name_of, ""] = fit.find(name_of).estimate or 0.0
    return found


@pytest.mark.parametrize(
    ("data", "model", "quantity", "term", "value"),
    list(FIXED.itertuples(index=False, name=None)),
)
def test_clmm_of_other_shapes_equals_r(
    data: str, model: str, quantity: str, term: str, value: float
) -> None:
    """Oracle: R's clmm (tests/reference/models/make_reference.R): three systems, more prompts than
    raters, a correlation at minus one; to 1e-4."""
    ours = _figures(data, model == "clmm_slope")[quantity, term]
    assert ours == pytest.approx(float(value), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("slopes", [False, True])
@pytest.mark.parametrize("data", ["three_systems", "many_prompts"])
def test_gradient_is_that_of_the_value(data: str, slopes: bool) -> None:
    """Oracle: central differences of the Laplace log-likelihood itself."""
    ratings = _ratings(data)
    likelihood = LaplaceLikelihood(
        ratings.category, ratings.contrasts(), random_terms(ratings, slopes)[0]
    )
    thresholds = np.linspace(-2, 2, len(ratings.used_points) - 1)
    rest = 0.3 + 0.1 * np.arange(likelihood.n_parameters - thresholds.size)
    point = np.concatenate([thresholds, rest])
    gradient = likelihood(point)[1]
    for index in range(point.size):
        shift = np.zeros(point.size)
        shift[index] = 1e-4
        slope = (likelihood(point + shift)[0] - likelihood(point - shift)[0]) / 2e-4
        assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("slopes", [False, True])
def test_block_algebra_equals_dense_algebra(slopes: bool) -> None:
    """Oracle: the same matrix built and inverted in full by numpy."""
    ratings = _ratings("three_systems")
    terms = order_for_elimination(random_terms(ratings, slopes)[0])
    draw = np.random.default_rng(1)
    weights = draw.uniform(0.1, 0.3, ratings.n)
    factors = [np.tril(draw.normal(size=(t.width, t.width))) for t in terms]
    system = BlockSystem(cross_products(terms, weights), factors)
    columns = []
    for term, factor in zip(terms, factors, strict=True):
        for level in range(term.n_levels):
            mine = (term.codes == level) * term.columns
            columns.extend((factor.T @ mine).tolist())
    z = np.array(columns).T
    full = np.eye(z.shape[1]) + (z * weights[:, None]).T @ z
    assert system.log_determinant == pytest.approx(np.linalg.slogdet(full)[1], rel=1e-12)
    inverse = np.linalg.inv(full)
    np.testing.assert_allclose(system.dense_inverse(), inverse, atol=1e-12)
    np.testing.assert_allclose(
        system.leverages(terms), np.einsum("ij,jk,ik->i", z, inverse, z), atol=1e-12
    )
    right = [draw.normal(size=(t.n_levels, t.width, 2)) for t in terms]
    solved = np.concatenate([part.reshape(-1, 2) for part in system.solve(right)])
    flat = np.concatenate([part.reshape(-1, 2) for part in right])
    np.testing.assert_allclose(solved, inverse @ flat, atol=1e-12)


def _laplace_error(zeros: int, ones: int) -> float:
    """Laplace value minus the integral on a fine grid, one rater with ratings on two points."""
    from scipy.special import expit

    theta, spread = 0.2, 0.8
    category = np.repeat([0, 1], [zeros, ones])
    term = random_term("rater", np.zeros(category.size, dtype=np.int64), 1)
    likelihood = LaplaceLikelihood(category, np.empty((category.size, 0)), [term])
    grid, step = np.linspace(-8, 8, 16_001, retstep=True)
    low = expit(theta - spread * grid)
    log_terms = zeros * np.log(low) + ones * np.log1p(-low) - grid**2 / 2
    top = float(log_terms.max())
    area = float(np.sum(np.exp(log_terms - top))) * float(step) / np.sqrt(2 * np.pi)
    return float(likelihood(np.array([theta, spread]))[0] - top - np.log(area))


def test_laplace_error_shrinks_as_one_over_the_ratings() -> None:
    """Oracle: numerical integration; the approximation's error is of order 1 / ratings of a rater
    (Tierney and Kadane 1986), so with many of them four times as many leave a quarter of it."""
    errors = [abs(_laplace_error(9 * size, 11 * size)) for size in (2, 8, 32, 128, 512)]
    assert errors[0] < 0.01
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[4] == pytest.approx(errors[3] / 4, rel=0.05)


def test_probabilities_averaged_over_raters_match_simulation() -> None:
    """Oracle: 20,000 draws of the random effect (standard error below 0.002)."""
    thresholds = np.array([-2.0, -0.5, 0.7, 1.9])
    draws = np.random.default_rng(8).normal(0, 1.3, 20_000)
    simulated = np.mean([point_probabilities(thresholds, 0.4 + d, 0.0) for d in draws], axis=0)
    averaged = point_probabilities(thresholds, 0.4, 1.3)
    np.testing.assert_allclose(averaged, simulated, atol=5e-3)
    assert averaged.sum() == pytest.approx(1.0, abs=1e-12)


def test_predictions_cover_the_full_scale_and_are_labelled() -> None:
    """Property: a point that nobody used has probability 0, each distribution adds up to 1."""
    frame = pd.read_csv(FOLDER / "many_prompts.csv")
    ratings = prepare_ratings(
        frame, RatingColumns("y", "model", "rater", "topic"), reference="Phi4", points=range(1, 8)
    )
    fit = fit_clmm(ratings)
    kinds = {prediction.kind for prediction in fit.predictions}
    assert kinds == {"typical_rater", "population_averaged"}
    assert any("nobody used 5, 6, 7" in note for note in fit.notes)
    for prediction in fit.predictions:
        chances = [row.estimate or 0.0 for row in prediction.probabilities]
        assert len(chances) == 7
        assert chances[4:] == [0.0, 0.0, 0.0]
        assert sum(chances) == pytest.approx(1.0, abs=1e-9)
        for row in prediction.probabilities[:4]:
            assert row.ci_low is not None and row.ci_high is not None
            assert 0 < row.ci_low < (row.estimate or 0.0) < row.ci_high < 1


def test_true_effect_is_found_in_large_data() -> None:
    """Property: 80 raters, 30 prompts: the simulated log odds of 0.5 within 3 standard errors."""
    frame = simulated_ratings(seed=3, n_raters=80, n_prompts=30)
    ratings = prepare_ratings(
        frame, RatingColumns("value", "system", "rater", "prompt"), reference="A"
    )
    effect = fit_clmm(ratings).find("cumulative_log_odds_ratio", "B")
    assert effect.estimate == pytest.approx(0.5, abs=3 * effect.details.std_error)


def test_doubled_data_halve_the_variance_of_the_fixed_fit() -> None:
    """Property: without random effects, every rating twice gives standard errors over root two."""
    from analysis.rating_models.ordinal_likelihood import fit_counts, level_counts

    counts = level_counts(_ratings("three_systems"))
    once, twice = fit_counts(counts), fit_counts(2 * counts)
    np.testing.assert_allclose(once.slopes, twice.slopes, atol=1e-9)
    np.testing.assert_allclose(once.covariance, 2 * twice.covariance, rtol=1e-7)


def test_a_maximum_is_not_improved_from_another_start() -> None:
    """Property: a hundred random steps away from the fit never have a higher likelihood."""
    ratings = _ratings("boundary")
    fit = fit_laplace(ratings, ratings.contrasts(), random_terms(ratings, False)[0])
    draw = np.random.default_rng(2)
    for scale in (1e-3, 1e-2, 1e-1):
        for _ in range(15):
            step = draw.normal(0, scale, fit.maximum.parameters.size)
            assert fit.likelihood(fit.maximum.parameters + step)[0] <= fit.maximum.value + 1e-9


@pytest.mark.parametrize(
    ("data", "quantity", "term", "value"),
    [
        row[:1] + row[2:]
        for row in REFERENCE[REFERENCE["model"] == "clm"].itertuples(index=False, name=None)
    ],
)
def test_clm_of_other_shapes_equals_r(data: str, quantity: str, term: str, value: float) -> None:
    """Oracle: R's clm and nominal_test (make_reference.R), to 1e-6."""
    from analysis.rating_models.ordinal import fit_clm

    fit = fit_clm(_ratings(data))
    if quantity == "log_likelihood":
        ours = fit.log_likelihood
    elif quantity == "likelihood_ratio_proportional_odds":
        ours = fit.find(quantity).estimate
    else:
        rows = (*fit.thresholds, *fit.coefficients)
        row = next(row for row in rows if row.details.term == term)
        ours = row.estimate if quantity == "estimate" else row.details.std_error
    assert ours == pytest.approx(float(value), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("spread", [0.3, 2.0, 8.0, 20.0])
def test_averaged_probabilities_are_exact_for_raters_who_differ_widely(spread: float) -> None:
    """Oracle: scipy's adaptive quadrature, told where the logistic function has its step."""
    thresholds, shift = np.array([-3.0, -1.0, 0.5, 2.0]), 0.3
    below = [
        integrate.quad(
            lambda z, t=t: special.expit(t - shift - spread * z) * stats.norm.pdf(z),
            -12, 12, points=[(t - shift) / spread], epsabs=1e-13, limit=500,
        )[0]
        for t in thresholds
    ]  # fmt: skip
    found = point_probabilities(thresholds, shift, spread)
    np.testing.assert_allclose(found, np.diff([0.0, *below, 1.0]), rtol=0, atol=1e-8)
