"""The cumulative-link mixed model with random responses, against R, by quadrature and at its edges."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.rating_models.laplace import LaplaceLikelihood
from analysis.rating_models.laplace_fit import fit_laplace
from analysis.rating_models.ordinal_inference.partial_odds import (
    level_thresholds,
    partial_obstacle,
    partial_odds,
)
from analysis.rating_models.ordinal_inference.quadrature import (
    quadrature_check,
    quadrature_log_likelihood,
)
from analysis.rating_models.ordinal_inference.small_sample import (
    f_of_ratio,
    highest_ratio,
    profile_interval,
)
from analysis.rating_models.ordinal_mixed import LaplaceDetails, fit_clmm
from analysis.rating_models.random_terms import random_terms
from analysis.rating_models.ratings import CrossedRatings, RatingColumns, prepare_ratings

FOLDER = Path(__file__).parent / "reference" / "models"
REFERENCE = pd.read_csv(FOLDER / "clmm_reference.csv", keep_default_na=False)
MODELS = ("clmm_response", "clmm_slope_response", "glmer_response")
COLUMNS = RatingColumns("y", "model", "rater", "topic")


def _ratings(name: str) -> CrossedRatings:
    frame = pd.read_csv(FOLDER / f"clmm_{name}.csv")
    return prepare_ratings(frame, COLUMNS, reference="Phi4")


def _rs(data: str, model: str) -> dict[tuple[str, str], float]:
    rows = REFERENCE[(REFERENCE["data"] == data) & (REFERENCE["model"] == model)]
    return {(r.quantity, r.term): float(r.value) for r in rows.itertuples()}


@lru_cache
def _figures(name: str, slopes: bool) -> dict[tuple[str, str], float]:
    fit = fit_clmm(_ratings(name), random_slopes=slopes, random_responses=True)
    found: dict[tuple[str, str], float] = {("log_likelihood", ""): fit.log_likelihood or 0.0}
    for row in (*fit.thresholds, *fit.coefficients):
        found["estimate", row.details.term] = row.estimate or 0.0
        found["std_error", row.details.term] = row.details.std_error or 0.0
    for variance in ("rater_variance", "prompt_variance", "response_variance"):
        found[variance, ""] = fit.find(variance).estimate or 0.0
    return found


@pytest.mark.parametrize(
    ("data", "model", "quantity", "term", "value"),
    [
        r
        for r in REFERENCE.itertuples(index=False, name=None)
        if r[1] in MODELS and r[:3] != ("binary", "clmm_response", "std_error")
    ],
)
def test_random_responses_equal_r(
    data: str, model: str, quantity: str, term: str, value: float
) -> None:
    """Oracle: R's clmm, and glmer on two points (make_clmm_responses.R), to 1e-4: two and three systems,
    seven points with gaps, rater slopes, variances at zero. On two points R's packages differ by 4e-4
    in the standard errors; glmer's are held, which are ours to 1e-5."""
    ours = _figures(data, model == "clmm_slope_response")
    # glmer has an intercept where the ordinal model has a threshold.
    place = "1|2" if term == "(Intercept)" else term
    sign = -1.0 if quantity == "estimate" and place != term else 1.0
    assert sign * ours[quantity, place] == pytest.approx(float(value), rel=1e-4, abs=1e-4)


def test_quadrature_equals_r_and_has_laplace_at_one_node() -> None:
    """Oracle: clmm with nAGQ = 15, to 1e-4; with one node the value is Laplace's, to rounding."""
    ratings = _ratings("one_prompt")
    fit = fit_laplace(ratings, ratings.contrasts(), random_terms(ratings, False)[0])
    one = quadrature_log_likelihood(fit.likelihood, fit.maximum.parameters, 1)
    assert one == pytest.approx(fit.maximum.value, abs=1e-10)
    found, r = quadrature_check(fit), _rs("one_prompt", "clmm_15")
    assert found is not None
    assert found.log_likelihood == pytest.approx(r["log_likelihood", ""], abs=1e-4)
    theirs = [r["estimate", t] for t in ("1|2", "2|3", "3|4", "4|5", "modelEAI", "modelZed")]
    np.testing.assert_allclose(found.parameters[:6], theirs, atol=1e-4)
    assert found.parameters[6] ** 2 == pytest.approx(r["rater_variance", ""], abs=1e-4)


def test_the_fit_says_what_quadrature_finds_where_it_can_be_had() -> None:
    """Property: raters of one prompt have it, crossed raters and prompts have none."""
    one, crossed = fit_clmm(_ratings("one_prompt")), fit_clmm(_ratings("binary"))
    assert isinstance(one.details, LaplaceDetails) and one.details.quadrature is not None
    assert one.details.to_dict()["quadrature_nodes"] == 15
    assert isinstance(crossed.details, LaplaceDetails) and crossed.details.quadrature is None


def test_an_effect_at_each_threshold_equals_r() -> None:
    """Oracle: clmm2 with nominal effects and a random rater, to 1e-4 (standard errors to 1e-3, clmm2's
    own differences)."""
    ratings, r = _ratings("one_prompt"), _rs("one_prompt", "clmm2_nominal")
    terms = random_terms(ratings, False)[0]
    common = fit_laplace(ratings, ratings.contrasts(), terms)
    found = partial_odds(ratings, terms, common, ci_level=0.95)
    assert found.fit is not None
    assert found.fit.maximum.value == pytest.approx(r["log_likelihood", ""], abs=1e-4)
    for name, ours in zip(
        ("1|2", "2|3", "3|4", "4|5"), level_thresholds(found.fit)[0], strict=True
    ):
        assert ours == pytest.approx(r["estimate", f"{name}.(Intercept)"], abs=1e-4)
    for e in found.effects:
        # clmm2 adds what it calls an effect to the threshold; here it is taken from it.
        assert -(e.estimate or 0.0) == pytest.approx(r["estimate", e.details.term], abs=1e-4)
        assert e.details.std_error == pytest.approx(r["std_error", e.details.term], abs=1e-3)
    laplace = _rs("one_prompt", "clmm_1")["log_likelihood", ""]
    ratio = 2 * (r["log_likelihood", ""] - laplace)
    assert found.test.estimate == pytest.approx(ratio, abs=2e-4)
    assert found.test.details.df == 6
    assert found.fails


def test_gradient_with_thresholds_of_each_level_is_that_of_the_value() -> None:
    """Oracle: central differences of the Laplace log-likelihood itself."""
    ratings = _ratings("three")
    likelihood = LaplaceLikelihood(
        ratings.category,
        np.empty((ratings.n, 0)),
        random_terms(ratings, True, True)[0],
        ratings.level,
    )
    thresholds = np.concatenate([np.linspace(-2, 2, 4) + shift for shift in (0.0, 0.3, -0.2)])
    rest = 0.3 + 0.1 * np.arange(likelihood.n_parameters - thresholds.size)
    point = np.concatenate([thresholds, rest])
    gradient = likelihood(point)[1]
    for index in range(point.size):
        shift = np.zeros(point.size)
        shift[index] = 1e-4
        slope = (likelihood(point + shift)[0] - likelihood(point - shift)[0]) / 2e-4
        assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_a_ratio_is_the_f_of_a_balanced_linear_model() -> None:
    """Oracle: the ratio of two sums of squares by hand: 6 blocks, 3 treatments, so 2 and 10 degrees of
    freedom and n log(1 + q F / nu) with n = 12; and the chi-square as the degrees of freedom grow."""
    f = 3.7
    assert f_of_ratio(12 * math.log1p(2 * f / 10), 2, 10) == pytest.approx(f, rel=1e-12)
    assert highest_ratio(0.95, 1e8) == pytest.approx(3.841458821, abs=1e-5)
    assert f_of_ratio(highest_ratio(0.95, 9.0), 1, 9.0) == pytest.approx(2.262157163**2, rel=1e-8)


def test_interval_and_p_value_are_of_one_test() -> None:
    """Property: at the level 1 - p the profile interval ends at zero."""
    ratings = _ratings("binary")
    fit = fit_clmm(ratings, random_responses=True)
    e = fit.find("cumulative_log_odds_ratio", "EAI")
    assert e.p_value is not None and e.details.df is not None
    whole = fit_laplace(ratings, ratings.contrasts(), random_terms(ratings, False, True)[0])
    low, high = profile_interval(whole, 0, level=1 - e.p_value, denominator=e.details.df)
    assert low == pytest.approx(0.0, abs=1e-4)
    assert high is not None and high > (e.estimate or 0.0)
    assert e.details.df < 9
    assert fit.find("f_likelihood_ratio_effect").p_value == pytest.approx(e.p_value, abs=1e-6)


def _study(counts: dict[str, list[int]], raters: int = 6, prompts: int = 6) -> CrossedRatings:
    """Ratings whose values go around the given list, level by level."""
    rows = [
        {
            "rater": f"R{r}",
            "topic": f"T{p}",
            "model": m,
            "y": values[(r * prompts + p) % len(values)],
        }
        for m, values in counts.items()
        for r in range(raters)
        for p in range(prompts)
    ]
    return prepare_ratings(pd.DataFrame(rows), COLUMNS, reference="A", points=range(1, 6))


@pytest.mark.parametrize(
    ("counts", "prompts", "said"),
    [
        ({"A": [1, 2, 1], "B": [4, 5, 4]}, 6, "separated on the scale"),
        ({"A": [3], "B": [3]}, 6, "have the value 3"),
        ({"A": [1, 2, 3]}, 6, "one level only"),
        ({"A": [1, 2, 3], "B": [2, 3, 4]}, 4, "4 prompts have responses of several levels; 5"),
    ],
)
def test_what_cannot_be_fitted_says_why(
    counts: dict[str, list[int]], prompts: int, said: str
) -> None:
    """Property: separation, no variation, one system, few prompts are reasons and no numbers."""
    fit = fit_clmm(_study(counts, prompts=prompts), random_responses=True)
    assert said in fit.undefined_because
    assert not fit.coefficients


def test_one_rating_a_response_says_so() -> None:
    """Property: with one rater a response there is no telling response and error apart."""
    frame = pd.DataFrame(
        {
            "rater": [f"R{i % 4}" for i in range(16)],
            "topic": [f"T{i // 2}" for i in range(16)],
            "model": ["A", "B"] * 8,
            "y": [1, 2, 3, 4, 2, 3, 1, 5, 4, 2, 3, 3, 1, 2, 4, 5],
        }
    )
    fit = fit_clmm(prepare_ratings(frame, COLUMNS, reference="A"), random_responses=True)
    assert "without a response that was rated twice" in fit.undefined_because


def test_a_level_that_lacks_a_point_has_no_threshold_there() -> None:
    """Property: the larger model does not exist, the smaller one does, and the reason names the point."""
    draw = np.random.default_rng(4)
    values = {"A": draw.integers(1, 5, 36).tolist(), "B": draw.integers(2, 5, 36).tolist()}
    ratings = _study(values)
    assert "B was never rated 1" in partial_obstacle(ratings)
    fit = fit_clmm(ratings, random_responses=True)
    assert fit.converged
    test = fit.find("likelihood_ratio_partial_proportional_odds")
    assert "threshold beside such a point lies at infinity" in test.undefined_because
    assert any("nobody used 5" in note for note in fit.notes)


def test_a_variance_at_zero_is_said() -> None:
    """Property: R's response variance of `seven` is 4e-12; here it is zero and a note says what that is."""
    fit = fit_clmm(_ratings("seven"), random_responses=True)
    assert fit.find("response_variance").estimate == 0.0
    assert any("response intercepts is estimated at zero" in note for note in fit.notes)
    assert "other prompts and other responses" in fit.unit_of_inference


LIVE = """
suppressMessages(library(ordinal))
d <- read.csv(commandArgs(TRUE)[1])
d$o <- factor(d$y, ordered = TRUE); d$model <- relevel(factor(d$model), "Phi4")
d$rater <- factor(d$rater); d$topic <- factor(d$topic)
m <- clmm(o ~ model + (1 | rater) + (1 | topic) + (1 | topic:model), d)
cat(sprintf('{"effect": %.10g, "log_likelihood": %.10g}', coef(m)[["modelEAI"]], logLik(m)))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R with the package ordinal")
def test_random_responses_equal_r_in_the_same_run(tmp_path: Path) -> None:
    """Oracle: R's clmm where it is installed, on data that no stored number knows, to 1e-4."""
    draw = np.random.default_rng(915)
    r, t, m = np.indices((16, 7, 2)).reshape(3, -1)
    latent = draw.normal(0, 0.8, 16)[r] + draw.normal(0, 0.7, (7, 2))[t, m] + 0.6 * m
    frame = pd.DataFrame(
        {
            "rater": [f"R{k}" for k in r],
            "topic": [f"T{k}" for k in t],
            "model": np.where(m == 0, "Phi4", "EAI"),
            "y": np.digitize(latent + draw.logistic(size=r.size), [-2, -0.5, 1, 2.2]) + 1,
        }
    )
    table, script = tmp_path / "ratings.csv", tmp_path / "live.R"
    frame.to_csv(table, index=False)
    script.write_text(LIVE, encoding="utf-8")
    done = subprocess.run(
        ["Rscript", "--vanilla", str(script), str(table)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"R ended with an error: {done.stderr[-200:]}")
    theirs = json.loads(done.stdout)
    ours = fit_clmm(prepare_ratings(frame, COLUMNS, reference="Phi4"), random_responses=True)
    effect = ours.find("cumulative_log_odds_ratio", "EAI").estimate
    assert effect == pytest.approx(theirs["effect"], abs=1e-4)
    assert ours.log_likelihood == pytest.approx(theirs["log_likelihood"], abs=1e-4)
