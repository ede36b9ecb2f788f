"""Linear mixed model and GEE: R's fits of simulated data of other shapes, and exact cases."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.rating_models.crossed_effects import prompt_and_response_term, random_term
from analysis.rating_models.degrees_of_freedom import UndefinedTestError, _matched_f
from analysis.rating_models.gee import fit_exchangeable, fit_gee
from analysis.rating_models.linear import fit_lmm
from analysis.rating_models.ratings import CrossedRatings, RatingColumns, prepare_ratings
from analysis.rating_models.restricted_likelihood import LinearMixedLikelihood
from analysis.rating_models.results import ModelFit

FOLDER = Path(__file__).parent / "reference" / "models"
REFERENCE = pd.read_csv(FOLDER / "reference.csv", keep_default_na=False)
RESPONSES = pd.read_csv(FOLDER / "random_responses_reference.csv", keep_default_na=False)
LINEAR = REFERENCE[REFERENCE["model"].isin(["lmer_intercept", "lmer_slope"])]
CLUSTERED = REFERENCE[REFERENCE["model"] == "gee"]


def _ratings(name: str) -> CrossedRatings:
    frame = pd.read_csv(FOLDER / f"{name}.csv")
    return prepare_ratings(frame, RatingColumns("y", "model", "rater", "topic"), reference="Phi4")


@lru_cache
def _fit(name: str, model: str) -> ModelFit:
    if model == "gee":
        return fit_gee(_ratings(name))
    return fit_lmm(
        _ratings(name), random_slopes="slope" in model, random_responses="response" in model
    )


def _figure(fit: ModelFit, quantity: str, term: str) -> float:
    if quantity == "log_likelihood":
        return fit.log_likelihood or 0.0
    if quantity.startswith("f_"):
        test = fit.find(quantity)
        return float(test.estimate or 0.0) if term == "F" else float(test.details.df2)
    if not term:
        return fit.find(quantity).estimate or 0.0
    rows = [row for row in fit.coefficients if row.details.term == term]
    # geepack has the uncorrected errors, which are not the main ones with few raters.
    row = next((row for row in rows if row.statistic.endswith("_uncorrected")), rows[0])
    if quantity == "estimate":
        return row.estimate or 0.0
    return (
        float(row.p_value or 0.0)
        if quantity == "p_value"
        else float(getattr(row.details, quantity))
    )


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


@pytest.mark.parametrize(
    ("data", "model", "quantity", "term", "value"),
    list(RESPONSES.itertuples(index=False, name=None)),
)
def test_random_responses_and_small_data_equal_lmer(
    data: str, model: str, quantity: str, term: str, value: float
) -> None:
    """Oracle: lmerTest and pbkrtest (tests/reference/models/make_random_responses.R): an intercept of
    each response beside that of its prompt, three systems, gaps; and five raters by three prompts,
    where Kenward-Roger has exactly four degrees of freedom; to 1e-4."""
    ours = _figure(_fit(data, model), quantity, term)
    assert ours == pytest.approx(float(value), rel=1e-4, abs=1e-6)


def test_gradient_with_random_responses_is_that_of_the_value() -> None:
    """Oracle: the restricted likelihood with V built in full, and its central differences."""
    ratings = _ratings("random_responses")
    x = np.column_stack([np.ones(ratings.n), ratings.contrasts()])
    terms = [
        random_term("rater", ratings.rater, len(ratings.raters)),
        prompt_and_response_term(
            ratings.prompt, len(ratings.prompts), ratings.level, ratings.levels
        ),
    ]
    likelihood = LinearMixedLikelihood(ratings.value, x, terms)
    by_name = {"prompt": [0.4, 0.7], "rater": [0.5]}
    point = np.concatenate([by_name[t.name] for t in likelihood.terms])
    same_rater = ratings.rater[:, None] == ratings.rater
    same_prompt = ratings.prompt[:, None] == ratings.prompt
    same_response = same_prompt & (ratings.level[:, None] == ratings.level)
    sigma = 0.9
    v = sigma**2 * (
        0.25 * same_rater + 0.16 * same_prompt + 0.49 * same_response + np.eye(ratings.n)
    )
    inverse = np.linalg.inv(v)
    info = x.T @ inverse @ x
    residual = ratings.value - x @ np.linalg.solve(info, x.T @ inverse @ ratings.value)
    dense = -0.5 * (
        np.linalg.slogdet(v)[1]
        + np.linalg.slogdet(info)[1]
        + residual @ inverse @ residual
        + (ratings.n - x.shape[1]) * np.log(2 * np.pi)
    )
    assert likelihood.at_sigma(np.append(point, sigma))[0] == pytest.approx(float(dense), rel=1e-12)
    gradient = likelihood(point)[1]
    for index in range(point.size):
        shift = np.zeros(point.size)
        shift[index] = 1e-5
        slope = (likelihood(point + shift)[0] - likelihood(point - shift)[0]) / 2e-5
        assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-5)


@lru_cache
def _differing_responses(response_sd: float, prompts: int = 10) -> CrossedRatings:
    """Thirty raters of two equal systems, whose responses differ by so much."""
    draw = np.random.default_rng(8)
    rater, prompt, level = np.indices((30, prompts, 2)).reshape(3, -1)
    value = draw.normal(0, 0.5, 30)[rater] + draw.normal(0, 0.3, prompts)[prompt]
    value = value + draw.normal(0, 1, (prompts, 2))[prompt, level] * response_sd
    frame = pd.DataFrame(
        {"r": rater.astype(str), "p": prompt.astype(str), "s": np.where(level == 0, "A", "B")}
    ).assign(v=value + draw.normal(size=value.size))
    return prepare_ratings(frame, RatingColumns("v", "s", "r", "p"), reference="A")


def test_random_responses_equal_the_paired_t_of_prompts_on_balanced_data() -> None:
    """Oracle: with complete data the contrast of systems over random prompts and responses is the
    paired t-test on each prompt's two means (Clark's by-item analysis), prompts - 1 df."""
    ratings = _differing_responses(0.6)
    fit = fit_lmm(ratings, random_responses=True)
    ours = fit.find("mean_difference", "B")
    cell = ratings.prompt * 2 + ratings.level
    means = (np.bincount(cell, ratings.value) / np.bincount(cell)).reshape(-1, 2)
    gaps = means[:, 1] - means[:, 0]
    assert ours.estimate == pytest.approx(gaps.mean(), abs=1e-9)
    assert ours.details.std_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(10), rel=1e-5)
    assert ours.details.df == pytest.approx(9, rel=1e-3)
    assert "other prompts and other responses" in fit.unit_of_inference
    assert ours.unit == "rater and response"


def test_a_random_prompt_intercept_alone_claims_no_other_prompts() -> None:
    """Property: the prompt intercept cancels out of the contrast, so its size does not change the
    standard error, and the sentences and units say these very responses."""
    ratings = _differing_responses(0.6)
    moved = replace(ratings, value=ratings.value + 5.0 * ratings.prompt)
    fit, other = fit_lmm(ratings), fit_lmm(moved)
    effects = [f.find("mean_difference", "B") for f in (fit, other)]
    errors = [e.details.std_error for e in effects]
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)
    assert "these very responses" in fit.unit_of_inference
    assert "other prompts" not in fit.unit_of_inference
    assert effects[0].unit == "rater"
    wider = fit_lmm(ratings, random_responses=True).find("mean_difference", "B")
    assert wider.details.std_error > 1.5 * errors[0]


def test_four_prompts_are_too_few_for_random_responses() -> None:
    """Property: the reason names the number there is and the number needed."""
    fit = fit_lmm(_differing_responses(0.6, prompts=4), random_responses=True)
    assert "4 prompts" in fit.undefined_because and "5 are needed" in fit.undefined_because


def test_responses_without_two_systems_for_a_prompt_are_their_prompt() -> None:
    """Property: prompts nested in systems: the prompt intercept is the response's and stays in the
    contrast, so that model does speak to other prompts, and the other one says why it is not."""
    draw = np.random.default_rng(3)
    rater, prompt = np.indices((8, 12)).reshape(2, -1)
    frame = pd.DataFrame(
        {"r": rater.astype(str), "p": prompt.astype(str), "v": draw.normal(size=96)}
    )
    frame["s"] = np.where(prompt < 6, "A", "B")
    ratings = prepare_ratings(frame, RatingColumns("v", "s", "r", "p"), reference="A")
    assert "other raters and other prompts" in fit_lmm(ratings).unit_of_inference
    assert "one level only" in fit_lmm(ratings, random_responses=True).undefined_because


@pytest.mark.parametrize(("raters", "systems"), [(5, 2), (2, 3)])
def test_tiny_random_data_never_break_kenward_roger(raters: int, systems: int) -> None:
    """Property, forty seeded draws: every model of few raters by three prompts is fitted or says why
    not; Kenward-Roger's numbers are there or undefined with a reason, and no p is outside 0 to 1."""
    undefined = 0
    for seed in range(40):
        draw = np.random.default_rng([systems, seed])
        rater, prompt, level = np.indices((raters, 3, systems)).reshape(3, -1)
        frame = pd.DataFrame(
            {
                "r": rater.astype(str),
                "p": prompt.astype(str),
                "s": np.array(list("ABC"))[level],
                "v": draw.integers(1, 6, rater.size),
            }
        )
        ratings = prepare_ratings(frame, RatingColumns("v", "s", "r", "p"), reference="A")
        for slopes in (False, True):
            fit = fit_lmm(ratings, random_slopes=slopes)
            for test in fit.tests:
                assert test.undefined_because or 0 <= (test.p_value or 0.0) <= 1
                undefined += test.statistic == "f_kenward_roger_effect" and test.estimate is None
            for row in fit.coefficients:
                told = row.details.kenward_roger_undefined_because
                assert told or 0 <= row.details.kenward_roger_p_value <= 1
    # One contrast has a number always; two need not have one.
    assert (undefined > 0) == (systems == 3)


@pytest.mark.parametrize("degrees", [1.0, 2.0, 4.0, 7.5])
def test_one_contrast_has_scale_one_at_two_and_four_degrees_too(degrees: float) -> None:
    """Oracle: arithmetic; with q = 1 the two moments match at 2 / a2 degrees and scale 1."""
    assert _matched_f(2 / degrees, 2 / degrees, 1) == pytest.approx((degrees, 1.0))


def test_no_f_distribution_is_said_and_not_a_number() -> None:
    """Oracle: Kenward and Roger's formulas by hand for q = 2, a1 = 8, a2 = 4: 1 - a2 / q is -1, and
    g = 0, b = 8, c = (0, 1/4, 1/2): V = (1, -1, -3), rho q = -1 / 3, df = 4 - 3 = 1, scale = 1; with
    a1 = a2 = 2 the mean has no value (1 - a2 / q = 0)."""
    assert _matched_f(8.0, 4.0, 2) == pytest.approx((1.0, 1.0))
    with pytest.raises(UndefinedTestError, match="no F distribution"):
        _matched_f(2.0, 2.0, 2)


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
    ratings = prepare_ratings(frame, RatingColumns("v", "s", "r", "p"), reference="A")
    ours = fit_lmm(ratings, random_slopes=True).find("mean_difference", "B")
    means = frame.groupby(["r", "s"])["v"].mean().unstack()
    gaps = (means["B"] - means["A"]).to_numpy()
    assert ours.estimate == pytest.approx(gaps.mean(), abs=1e-9)
    assert ours.details.std_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(14), rel=1e-6)
    assert ours.details.df == pytest.approx(13, rel=1e-4)
    assert ours.details.kenward_roger_df == pytest.approx(13, rel=1e-4)


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
        frame, RatingColumns("y", "model", "rater", "topic"), reference="Phi4"
    )
    fit = fit_lmm(ratings, random_slopes=True)
    intercept, effect = fit.coefficients
    assert fit.log_likelihood is not None
    assert -2 * fit.log_likelihood == pytest.approx(1864.2206748025, abs=1e-7)
    assert intercept.details.df == pytest.approx(24.92063845, rel=1e-5)
    assert intercept.details.std_error == pytest.approx(0.10731858595, rel=1e-6)
    assert effect.details.df == pytest.approx(35.59938604, rel=1e-5)
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


def test_few_raters_show_the_corrected_error_first_and_the_other_beside_it() -> None:
    """Oracle: Mancl and DeRouen by hand for balanced clusters: the difference of two systems that each
    rater judged equally often has the paired t-test's errors times n / (n - 1) / sqrt((n - 1) / n),
    and the sandwich those times sqrt((n - 1) / n)."""
    draw = np.random.default_rng(4)
    rater, prompt, level = np.indices((6, 4, 2)).reshape(3, -1)
    value = draw.normal(size=6)[rater] + draw.normal(0, 0.5, (6, 2))[rater, level] + 0.6 * level
    frame = pd.DataFrame(
        {"r": rater.astype(str), "p": prompt.astype(str), "s": np.where(level == 0, "A", "B")}
    ).assign(v=value + draw.normal(size=value.size))
    ratings = prepare_ratings(frame, RatingColumns("v", "s", "r", "p"), reference="A")
    fit = fit_gee(ratings)
    means = frame.groupby(["r", "s"])["v"].mean().unstack()
    gaps = (means["B"] - means["A"]).to_numpy()
    paired = gaps.std(ddof=1) / np.sqrt(6)
    main, plain = fit.find("mean_difference", "B"), fit.find("mean_difference_uncorrected", "B")
    assert main.estimate == plain.estimate == pytest.approx(gaps.mean())
    assert plain.details.std_error == pytest.approx(paired * np.sqrt(5 / 6))
    assert main.details.std_error == pytest.approx(paired * np.sqrt(5 / 6) * 6 / 5)
    assert main.details.df == 4
    expected = 2 * stats.t.sf(abs(gaps.mean()) / main.details.std_error, 4)
    assert main.p_value == pytest.approx(expected)
    assert main.p_value == main.details.mancl_derouen_p_value
    assert "6 raters only" in fit.notes[0] and "uncorrected" in fit.notes[0]


@pytest.mark.parametrize(("raters", "corrected"), [(49, True), (50, False)])
def test_from_fifty_raters_on_the_sandwich_error_is_the_main_one(
    raters: int, corrected: bool
) -> None:
    """Property: one set of rows from fifty raters on, two below."""
    draw = np.random.default_rng(1)
    rater, prompt, level = np.indices((raters, 2, 2)).reshape(3, -1)
    frame = pd.DataFrame(
        {"r": rater.astype(str), "p": prompt.astype(str), "s": np.where(level == 0, "A", "B")}
    ).assign(v=draw.normal(size=raters)[rater] + draw.normal(size=rater.size))
    ratings = prepare_ratings(frame, RatingColumns("v", "s", "r", "p"), reference="A")
    fit = fit_gee(ratings)
    assert (fit.find("mean_difference", "B").details.df is not None) == corrected
    assert len(fit.coefficients) == (4 if corrected else 2)
    assert bool(fit.notes) == corrected
