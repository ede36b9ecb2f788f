"""Prediction-powered inference. Oracles: ppi-python's numbers, hand arithmetic, OLS, simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.calibration.judge_worth import (
    SCENARIOS,
    JudgeScenario,
    simulate_coverage,
    simulate_study,
    true_mean,
)
from analysis.judge_worth.prediction_powered import (
    NOTHING_TO_ADD,
    prediction_powered_difference,
    prediction_powered_mean,
)
from study.errors import AnalysisError

REFERENCE = json.loads(
    (Path(__file__).parent / "reference/judge/prediction_powered.json").read_text()
)


def _columns(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    people = [*case["people"], *[np.nan] * len(case["judge_only"])]
    return np.array(people), np.array([*case["judge"], *case["judge_only"]])


@pytest.mark.parametrize("case", REFERENCE["cases"])
@pytest.mark.parametrize("variant", ["ppi", "ppi_plus_plus"])
def test_estimate_and_standard_error_are_those_of_ppi_python(
    case: dict[str, Any], variant: str
) -> None:
    result = prediction_powered_mean(*_columns(case))
    ours = result.untuned if variant == "ppi" else result.corrected
    assert ours.estimate == pytest.approx(case[variant]["estimate"], rel=1e-12)
    # Theirs divides by n where ours divides by n - 1, and takes the normal where ours takes t.
    n, m = len(case["people"]), len(case["judge_only"])
    theirs = (case[variant]["high"] - case[variant]["low"]) / 2 / 1.959963984540054
    d = ours.details
    assert np.sqrt(d.people_part * (n - 1) / n + d.judge_part * (m - 1) / m) == pytest.approx(
        theirs, rel=1e-9
    )


def test_by_hand() -> None:
    """Y = 2, 4; f = 3, 4; judge alone 3, 5. PPI: 4 + mean(-1, 0) = 3.5.

    Variance: s²(3, 5) / 2 = 1, s²(-1, 0) / 2 = 0.25, so the standard error is sqrt(1.25).
    Lambda: covariance (1/n) of Y and f is 0.5; variance of 3, 4, 3, 5 is 11/12; 0.5 / (2 x 11/12).
    """
    result = prediction_powered_mean([2, 4, None, None], [3, 4, 3, 5])
    assert result.untuned.estimate == pytest.approx(3.5)
    assert result.untuned.details.standard_error == pytest.approx(np.sqrt(1.25))
    assert result.corrected.details.lambda_1 == pytest.approx(0.5 / (2 * 11 / 12))
    assert result.people_only.estimate == 3.0
    assert result.judge_only.estimate == 3.75


def test_clusters_of_one_change_nothing_but_lambda_s_formula() -> None:
    people, judge = _columns(REFERENCE["cases"][0])
    plain = prediction_powered_mean(people, judge).untuned
    named = prediction_powered_mean(people, judge, clusters=np.arange(people.size)).untuned
    assert named.details.standard_error == pytest.approx(plain.details.standard_error)


def test_the_standard_error_with_clusters_is_that_of_a_regression() -> None:
    """PPI with disjoint prompts: two independent cluster-robust means, by statsmodels."""
    rng = np.random.default_rng(1)
    prompts = np.repeat(np.arange(30), 4)
    people = rng.normal(size=30)[prompts] + rng.normal(size=120)
    judge = people + 0.5 + rng.normal(0, 0.4, 120)
    people[prompts >= 12] = np.nan
    result = prediction_powered_mean(people, judge, clusters=prompts).untuned
    variance = 0.0
    for rows, values, groups in (
        (prompts < 12, people - judge, 12),
        (prompts >= 12, judge, 18),
    ):
        fit = sm.OLS(values[rows], np.ones(int(rows.sum()))).fit(
            cov_type="cluster", cov_kwds={"groups": prompts[rows], "use_correction": False}
        )
        variance += float(fit.bse[0]) ** 2 * groups / (groups - 1)
    assert result.details.standard_error == pytest.approx(np.sqrt(variance))


def test_lambda_with_clusters_has_the_least_variance() -> None:
    rng = np.random.default_rng(2)
    prompts = np.tile(np.arange(25), 6)
    people = rng.normal(size=25)[prompts] + rng.normal(size=150)
    judge = people + rng.normal(0, 1.0, 150)
    people[rng.random(150) < 0.6] = np.nan
    result = prediction_powered_mean(people, judge, clusters=prompts)
    best = result.corrected.details.standard_error
    assert 0 < result.corrected.details.lambda_1 < 1
    for other in (0.9, 1.1):
        scaled = prediction_powered_mean(
            people, judge * other * result.corrected.details.lambda_1, clusters=prompts
        )
        assert scaled.untuned.details.standard_error >= best - 1e-12


def test_a_difference_within_prompts_gains_from_the_pairing() -> None:
    scenario = JudgeScenario("paired", systems=2)
    people, judge, prompt, system = simulate_study(scenario, np.random.default_rng(3))
    paired = prediction_powered_difference(people, judge, system == 0, clusters=prompt).corrected
    apart = prediction_powered_difference(people, judge, system == 0).corrected
    assert paired.details.standard_error < apart.details.standard_error
    assert paired.p_value is not None
    means = [prediction_powered_mean(people[system == s], judge[system == s]) for s in (0, 1)]
    assert apart.estimate == pytest.approx(
        (means[0].corrected.estimate or 0) - (means[1].corrected.estimate or 0)
    )
    assert apart.details.standard_error == pytest.approx(
        np.hypot(*(m.corrected.details.standard_error for m in means))
    )


def test_a_judge_that_says_one_thing_leaves_people_alone() -> None:
    result = prediction_powered_mean([1, 2, 4, None, None], [3, 3, 3, 3, 3])
    assert result.corrected.details.lambda_1 == 0.0
    assert result.corrected.estimate == result.people_only.estimate


def test_the_true_mean_is_that_of_many_simulated_ratings() -> None:
    rng = np.random.default_rng(4)
    latent = rng.normal(0.3, np.hypot(0.8, 0.8), 400_000)
    rated = 1 + np.digitize(latent, [-1.5, -0.5, 0.5, 1.5])
    assert true_mean(0.3) == pytest.approx(rated.mean(), abs=0.01)


def test_the_interval_covers_the_truth_and_a_good_judge_narrows_it() -> None:
    rows = simulate_coverage(200, seed=9, scenarios=SCENARIOS[:1])["scenarios"]
    # Three Monte Carlo errors of 200 runs around 95 %.
    assert 0.90 <= rows[0]["coverage"] <= 0.99
    assert rows[0]["coverage_judge"] < 0.05 and rows[0]["bias_judge"] > 0.4
    assert rows[0]["narrower"] > 0.95


@pytest.mark.slow
def test_in_2000_simulated_studies_coverage_is_between_93_and_97_percent() -> None:
    found = simulate_coverage(2000)
    for row in found["scenarios"]:
        assert 0.93 <= row["coverage"] <= 0.97, row
        if row["scenario"].startswith("good judge"):
            assert row["width"] < 0.9 * row["width_people"], row
    worthless = found["scenarios"][2]
    assert worthless["width"] == pytest.approx(worthless["width_people"], rel=0.02)


@pytest.mark.parametrize(
    ("people", "judge", "because"),
    [
        ([1, 2, 3], [1, 2, 3], NOTHING_TO_ADD),
        ([1, None, None], [1, 2, 3], "1 response with scores by people and judge"),
        ([None, None], [1, 2], "0 responses"),
        ([1, 2, None], [1, 3, 2], "1 response with scores by the judge alone"),
        ([1, 2], [None, None], "0 responses"),
        ([], [], "0 responses"),
    ],
)
def test_what_cannot_be_corrected_says_why(
    people: list[Any], judge: list[Any], because: str
) -> None:
    result = prediction_powered_mean(people, judge)
    assert result.corrected.estimate is None
    assert because in result.corrected.undefined_because


def test_one_prompt_is_too_few_clusters() -> None:
    result = prediction_powered_mean(
        [1, 2, None, None], [1, 2, 3, 2], clusters=["p", "p", "q", "r"]
    )
    assert "1 prompt with" in result.corrected.undefined_because
    assert result.people_only.estimate == 1.5 and result.people_only.ci_low is None


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(AnalysisError, match="people has 2"):
        prediction_powered_mean([1, 2], [1])
    with pytest.raises(AnalysisError, match="first: 1"):
        prediction_powered_difference([1, 2], [1, 2], [True])
