"""Linear mixed model and GEE: R's fits of simulated data of other shapes, and exact cases."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.crossed_effects import random_term
from analysis.gee import fit_exchangeable, fit_gee
from analysis.linear_mixed import fit_lmm
from analysis.model_results import ModelFit
from analysis.ratings_frame import CrossedRatings, prepare_ratings
from analysis.restricted_likelihood import LinearMixedLikelihood

FOLDER = Path(__file__).parent / "reference" / "models"
REFERENCE = pd.read_csv(FOLDER / "reference.csv", keep_default_na=False)
LINEAR = REFERENCE[REFERENCE["model"].isin(["lmer_intercept", "lmer_slope"])]
CLUSTERED = REFERENCE[REFERENCE["model"] == "gee"]


def _ratings(name: str) -> CrossedRatings:
    frame = pd.read_csv(FOLDER / f"{name}.csv")
    return prepare_ratings(
        frame, value="y", effect="model", reference="Phi4", rater="rater", prompt="topic"
    )


@lru_cache
def _fit(name: str, model: str) -> ModelFit:
    if model == "gee":
        return fit_gee(_ratings(name))
    return fit_lmm(_ratings(name), random_slopes=model == "lmer_slope")


def _figure(fit: ModelFit, quantity: str, term: str) -> float:
    if quantity == "log_likelihood":
        return fit.log_likelihood or 0.0
    if quantity.startswith("f_"):
        test = fit.find(quantity)
        return float(test.estimate or 0.0) if term == "F" else float(test.details["df2"])
    if not term:
        return fit.find(quantity).estimate or 0.0
    row = next(row for row in fit.coefficients if row.details["term"] == term)
    if quantity == "estimate":
        return row.estimate or 0.0
    return float(row.p_value or 0.0) if quantity == "p_value" else float(row.details[quantity])


@pytest.mark.parametrize(
    ("data", "model", "quantity", "term", "value"),
    list(LINEAR.itertuples(index=False, name=None)),
)
def test_lmm_of_other_shapes_equals_lmer(
    data: str, model: str, quantity: str, term: str, value: float
) -> None:
    """Oracle: lmerTest and pbkrtest (tests/reference/models/make_reference.R): three systems, more
    prompts than raters, a correlation at minus one; estimates, errors, both df, F; to 1e-4."""
    ours = _figure(_fit(data, model), quantity, term)
    assert ours == pytest.approx(float(value), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("data", "model", "quantity", "term", "value"),
    list(CLUSTERED.itertuples(index=False, name=None)),
)
def test_gee_of_other_shapes_equals_geepack(
    data: str, model: str, quantity: str, term: str, value: float
) -> None:
    """Oracle: geepack on unbalanced data (make_reference.R), to 1e-6."""
    assert _figure(_fit(data, model), quantity, term) == pytest.approx(float(value), rel=1e-6)


def test_balanced_data_give_the_classical_analysis_of_variance() -> None:
    """Oracle: the paired t-test of the raters' means, to which the slope model reduces when every
    rater rates every prompt with both systems and no prompt variance is in the model."""
    draw = np.random.default_rng(12)
    rater, _, level = np.indices((14, 6, 2)).reshape(3, -1)
    value = draw.normal(0, 1, 14)[rater] + draw.normal(0, 1, (14, 2))[rater, level] + 0.5 * level
    value = value + draw.normal(size=value.size)
    frame = pd.DataFrame(
        {"v": value, "s": np.where(level == 0, "A", "B"), "r": rater.astype(str), "p": "only"}
    )
    ratings = prepare_ratings(frame, value="v", effect="s", reference="A", rater="r", prompt="p")
    ours = fit_lmm(ratings, random_slopes=True).find("mean_difference", "B")
    means = frame.groupby(["r", "s"])["v"].mean().unstack()
    gaps = (means["B"] - means["A"]).to_numpy()
    assert ours.estimate == pytest.approx(gaps.mean(), abs=1e-9)
    assert ours.details["std_error"] == pytest.approx(gaps.std(ddof=1) / np.sqrt(14), rel=1e-6)
    assert ours.details["df"] == pytest.approx(13, rel=1e-4)
    assert ours.details["kenward_roger_df"] == pytest.approx(13, rel=1e-4)


@pytest.mark.parametrize("reml", [True, False])
def test_gradient_is_that_of_the_value(reml: bool) -> None:
    """Oracle: central differences of the profiled likelihood itself."""
    ratings = _ratings("three_systems")
    x = np.column_stack([np.ones(ratings.n), ratings.contrasts()])
    terms = [
        random_term("rater", ratings.rater, len(ratings.raters), ratings.contrasts()),
        random_term("prompt", ratings.prompt, len(ratings.prompts)),
    ]
    likelihood = LinearMixedLikelihood(ratings.value, x, terms, reml=reml)
    point = np.linspace(0.2, 0.8, likelihood.n_parameters)
    gradient = likelihood(point)[1]
    for index in range(point.size):
        shift = np.zeros(point.size)
        shift[index] = 1e-5
        slope = (likelihood(point + shift)[0] - likelihood(point - shift)[0]) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_restricted_likelihood_equals_the_dense_formula() -> None:
    """Oracle: the multivariate normal restricted likelihood with V built in full."""
    ratings = _ratings("boundary")
    x = np.column_stack([np.ones(ratings.n), ratings.contrasts()])
    terms = [
        random_term("rater", ratings.rater, len(ratings.raters)),
        random_term("prompt", ratings.prompt, len(ratings.prompts)),
    ]
    likelihood = LinearMixedLikelihood(ratings.value, x, terms)
    rater_sd, prompt_sd, sigma = 0.4, 0.7, 1.2
    same_rater = ratings.rater[:, None] == ratings.rater
    same_prompt = ratings.prompt[:, None] == ratings.prompt
    v = rater_sd**2 * same_rater + prompt_sd**2 * same_prompt + sigma**2 * np.eye(ratings.n)
    inverse = np.linalg.inv(v)
    info = x.T @ inverse @ x
    residual = ratings.value - x @ np.linalg.solve(info, x.T @ inverse @ ratings.value)
    dense = -0.5 * (
        np.linalg.slogdet(v)[1]
        + np.linalg.slogdet(info)[1]
        + residual @ inverse @ residual
        + (ratings.n - x.shape[1]) * np.log(2 * np.pi)
    )
    parameters = np.array([rater_sd / sigma, prompt_sd / sigma, sigma])
    assert likelihood.at_sigma(parameters)[0] == pytest.approx(float(dense), rel=1e-12)


def test_tight_lmer_figures_of_the_slope_model_on_long_missing() -> None:
    """Oracle: lmer with optimizer bobyqa, rhoend 1e-9 (typed from R's output), to 1e-6.

    mixed.out holds lmer's default fit, whose criterion 1864.22067492868 is above this one's.
    """
    frame = pd.read_csv(FOLDER.parent / "stats" / "long_missing.csv")
    ratings = prepare_ratings(
        frame, value="y", effect="model", reference="Phi4", rater="rater", prompt="topic"
    )
    fit = fit_lmm(ratings, random_slopes=True)
    intercept, effect = fit.coefficients
    assert fit.log_likelihood is not None
    assert -2 * fit.log_likelihood == pytest.approx(1864.2206748025, abs=1e-7)
    assert intercept.details["df"] == pytest.approx(24.92063845, rel=1e-5)
    assert intercept.details["std_error"] == pytest.approx(0.10731858595, rel=1e-6)
    assert effect.details["df"] == pytest.approx(35.59938604, rel=1e-5)
    assert fit.find("rater_variance").estimate == pytest.approx(0.14549818355, rel=1e-5)


def test_gee_equals_statsmodels_on_balanced_data() -> None:
    """Oracle: statsmodels, robust and bias-reduced (Mancl and DeRouen) standard errors."""
    import statsmodels.api as sm

    draw = np.random.default_rng(6)
    cluster = np.repeat(np.arange(30), 4)
    x = np.column_stack([np.ones(120), np.tile([0.0, 1.0], 60)])
    y = draw.normal(size=30)[cluster] + 0.3 * x[:, 1] + draw.normal(size=120)
    ours = fit_exchangeable(y, x, cluster)
    theirs = sm.GEE(y, x, groups=cluster, cov_struct=sm.cov_struct.Exchangeable()).fit()
    np.testing.assert_allclose(ours.beta, theirs.params, atol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(ours.robust)), theirs.bse, rtol=1e-6)
    reduced = sm.GEE(y, x, groups=cluster, cov_struct=sm.cov_struct.Exchangeable()).fit(
        cov_type="bias_reduced"
    )
    assert ours.small_sample is not None
    np.testing.assert_allclose(np.sqrt(np.diag(ours.small_sample)), reduced.bse, rtol=1e-6)
