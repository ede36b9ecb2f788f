"""Fits on the edge of the model: what they say, their tests, and two raters."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.chapters.models import models_of_table
from analysis.rating_models.linear import fit_lmm
from analysis.rating_models.ordinal_mixed import fit_clmm
from analysis.rating_models.ratings import CrossedRatings, RatingColumns, prepare_ratings
from analysis.rating_models.results import ModelFit
from analysis.rating_models.variance_components import chi_bar_squared

FOLDER = Path(__file__).parent / "reference" / "edges"
ORACLE = pd.read_csv(FOLDER / "edges.csv").set_index(["data", "model", "quantity"])["value"]
# What the sentence of the first version said, whatever lay on the edge.
FALSE = "no such variation beyond chance"


@lru_cache
def _ratings(name: str) -> CrossedRatings:
    return prepare_ratings(
        pd.read_csv(FOLDER / f"{name}.csv"),
        RatingColumns("y", "model", "rater", "topic"),
        reference="A",
        points=range(1, 6),
    )


@lru_cache
def _fit(name: str, model: str, slopes: bool = True) -> ModelFit:
    return {"lmer": fit_lmm, "clmm": fit_clmm}[model](_ratings(name), random_slopes=slopes)


def _note(fit: ModelFit) -> str:
    return next(note for note in fit.notes if note.startswith(("the raters", "the variance")))


@pytest.mark.parametrize(
    ("name", "model", "sign"),
    [("no_slope", "clmm", "-1"), ("plus_one", "lmer", "1"), ("plus_one", "clmm", "1")],
)
def test_a_correlation_at_one_is_said_to_be_that_and_no_variance_of_zero(
    name: str, model: str, sign: str
) -> None:
    """Oracle: R's lmer and clmm (make_edges.R): SDs above .3 there beside a correlation of 1 or -1."""
    fit = _fit(name, model)
    note = _note(fit)
    theirs = ORACLE[name, model, "rater_std_dev"]
    deviation = fit.find("rater_variance").details.std_dev
    assert theirs > 0.3 and deviation == pytest.approx(theirs, rel=5e-3)
    assert f"correlation is estimated at {sign}," in note
    assert "does not mean that a variance is zero" in note and f"{deviation:.2g}" in note
    assert not any(FALSE in said for said in fit.notes)


@pytest.mark.parametrize(
    ("name", "model"),
    [("no_slope", "clmm"), ("plus_one", "lmer"), ("plus_one", "clmm"), ("three_levels", "lmer"),
     ("two_raters", "lmer")],
)  # fmt: skip
def test_the_likelihood_ratio_at_the_edge_is_r_s_and_its_p_the_mixture_s(
    name: str, model: str
) -> None:
    """Oracle: twice the difference of R's log-likelihoods; for 1 and 2 df the mixture's tail is
    (exp(-x / 2) + erfc(sqrt(x / 2))) / 2."""
    test = _fit(name, model).find("likelihood_ratio_rater_slopes")
    assert test.estimate == pytest.approx(ORACLE[name, model, "likelihood_ratio"], abs=2e-3)
    assert test.estimate is not None and test.p_value is not None
    if name == "three_levels":
        assert test.details.df == 5 and "upper bound" in test.details.reference_distribution
    else:
        half = test.estimate / 2
        assert test.details.df == 2
        assert test.p_value == pytest.approx(
            0.5 * (math.exp(-half) + math.erfc(math.sqrt(half))), rel=1e-10
        )
    assert f"p = {test.p_value:.3f}" in _note(_fit(name, model))
    assert test.p_value <= test.details.p_value_chi_square


def test_a_covariance_matrix_without_full_rank_names_no_single_correlation() -> None:
    """Oracle: R's isSingular on three_levels.csv; all three SDs of its fit are above .3."""
    assert ORACLE["three_levels", "lmer", "singular"] == 1
    fit = _fit("three_levels", "lmer")
    assert "correlations of theirs are at the edge" in _note(fit) and "of C" in _note(fit)
    spread = [e for e in fit.variances if e.statistic in ("rater_variance", "rater_slope_variance")]
    assert len(spread) == 3 and all(e.details.std_dev > 0.3 for e in spread)


def test_a_variance_at_zero_beside_one_that_is_not() -> None:
    """Oracle: R's lmer of two_raters.csv: singular, likelihood ratio of the slopes 0, intercepts' SD
    .62."""
    fit = _fit("two_raters", "lmer")
    assert ORACLE["two_raters", "lmer", "singular"] == 1
    assert fit.find("rater_slope_variance").estimate == 0.0
    theirs = ORACLE["two_raters", "lmer", "rater_std_dev"]
    assert f"SD of the rater intercepts {theirs:.2g}" in _note(fit)
    assert "own effects of B is estimated at zero" in _note(fit)


@pytest.mark.parametrize("model", ["lmer", "clmm"])
def test_a_variance_at_zero_is_tested_and_not_taken_for_proof(model: str) -> None:
    """Oracle: shuffled answers; a likelihood ratio of 0 has p = 1 (a chi-square without degrees of
    freedom is 0 itself)."""
    fit = _fit("zero_rater", model, False)
    assert fit.find("rater_variance").estimate == 0.0
    test = fit.find("likelihood_ratio_rater_variance")
    assert (test.estimate, test.p_value) == (0.0, 1.0)
    note = _note(fit)
    assert "estimated at zero" in note and "8 raters that does not show that it is zero" in note


def test_no_test_at_the_edge_and_no_note_where_nothing_lies_on_it() -> None:
    """Property: an interior fit has neither (no_slope.csv with intercepts only)."""
    fit = _fit("no_slope", "lmer", False)
    assert not fit.notes
    assert not any("rater" in test.statistic for test in fit.tests)


def test_the_mixture_holds_its_level_in_simulation() -> None:
    """Oracle: 4,000 simulated boundary problems of one variance in closed form: the ratio is Z^2 where
    Z > 0 and else 0, so P(ratio > c) is half a chi-square's. Five standard errors of the share."""
    z = np.random.default_rng(5).standard_normal(4000)
    ratio = np.where(z > 0, z**2, 0.0)
    rejected = np.mean([chi_bar_squared(float(x), 1) < 0.05 for x in ratio])
    assert rejected == pytest.approx(0.05, abs=5 * math.sqrt(0.05 * 0.95 / 4000))
    assert chi_bar_squared(0.0, 1) == 1.0


@pytest.mark.parametrize("model", ["lmer", "clmm"])
@pytest.mark.parametrize("slopes", [False, True])
def test_two_raters_give_no_interval_test_or_degrees_of_freedom(model: str, slopes: bool) -> None:
    """Oracle: arithmetic of the design: two raters, one degree of freedom between them; the estimate
    of a balanced design is the difference of the means."""
    ratings, fit = _ratings("two_raters"), _fit("two_raters", model, slopes)
    assert "other raters" not in fit.unit_of_inference
    for e in (*fit.coefficients, *fit.thresholds):
        assert e.estimate is not None and e.ci_low is None and e.p_value is None
        assert not {"df", "t_value", "z_value"} & set(e.details.to_dict())
        assert "2 raters are no sample" in e.ci_method
    effects = [t for t in fit.tests if t.statistic.endswith("_effect")]
    assert effects and all("2 raters" in t.undefined_because for t in effects)
    assert any("2 raters are no sample of raters" in note for note in fit.notes)
    if model == "lmer":
        means = [ratings.value[ratings.level == k].mean() for k in (0, 1)]
        assert fit.coefficients[1].estimate == pytest.approx(means[1] - means[0])


def test_two_raters_in_the_model_of_responses_and_three_raters() -> None:
    """Property: the same in the model with random responses; with a third rater the interval is back."""
    fits = models_of_table(
        pd.read_csv(FOLDER / "two_raters.csv"),
        RatingColumns("y", "model", "rater", "topic"),
        profile=True,
    )
    assert fits.models["lmer_response"].coefficients[1].p_value is None
    assert fits.models["clmm"].coefficients[0].details.profile is None
    frame = pd.read_csv(FOLDER / "no_slope.csv")
    third = frame[frame["rater"].isin(["R000", "R001", "R002"])]
    ratings = prepare_ratings(third, RatingColumns("y", "model", "rater", "topic"), reference="A")
    assert fit_lmm(ratings).coefficients[1].ci_low is not None
