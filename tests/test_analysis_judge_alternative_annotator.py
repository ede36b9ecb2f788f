"""The alternative-annotator test. Oracles: the authors' own program, hand arithmetic, statsmodels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.judge_worth.alternative_annotator import AnnotatorRule, alternative_annotator_test
from study.errors import AnalysisError

REFERENCE = json.loads(
    (Path(__file__).parent / "reference/judge/alternative_annotator.json").read_text()
)
RATINGS = np.array(
    [[np.nan if v is None else v for v in row] for row in REFERENCE["ratings"]], dtype=float
)
JUDGE = np.array(REFERENCE["judge"], dtype=float)


@pytest.mark.parametrize(
    "expected", REFERENCE["results"], ids=lambda r: f"{r['alignment']}-{r['epsilon']}"
)
def test_it_gives_what_the_authors_program_gives(expected: dict[str, object]) -> None:
    result = alternative_annotator_test(
        RATINGS,
        JUDGE,
        rule=AnnotatorRule(
            alignment=str(expected["alignment"]), epsilon=float(str(expected["epsilon"]))
        ),
    )
    assert result.winning_rate.estimate == pytest.approx(expected["winning_rate"])
    assert result.average_advantage.estimate == pytest.approx(expected["average_advantage"])
    assert [c.p_value for c in result.comparisons] == pytest.approx(expected["p_values"])
    assert (result.answer == "yes") == (float(str(expected["winning_rate"])) >= 0.5)


def test_clusters_change_the_standard_error_as_in_statsmodels() -> None:
    clusters = np.repeat(np.arange(12), 5)
    result = alternative_annotator_test(
        RATINGS, JUDGE, clusters=clusters, rule=AnnotatorRule(epsilon=0.1)
    )
    first = result.comparisons[0]
    rated = ~np.isnan(RATINGS[:, 0])
    rest = RATINGS[rated][:, 1:]
    human = np.nanmean((RATINGS[rated, :1] - rest) ** 2, axis=1)
    judge = np.nanmean((JUDGE[rated, None] - rest) ** 2, axis=1)
    d = (human <= judge).astype(float) - (judge <= human).astype(float)
    groups = clusters[rated]
    fit = sm.OLS(d, np.ones(d.size)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    t = (d.mean() - 0.1) / (float(fit.bse[0]) * np.sqrt(12 / 11))
    assert first.t == pytest.approx(t)
    assert first.p_value == pytest.approx(float(stats.t.cdf(t, 11)))
    assert first.n_clusters == 12


def test_one_item_by_hand() -> None:
    """Raters 1, 2, 4; judge 2. Against the rater with 4: others 1 and 2.

    Mean squared distances: judge (1 + 0) / 2 = 0.5, rater (9 + 4) / 2 = 6.5: the judge is nearer.
    Against the rater with 2 (others 1 and 4): both (1 + 4) / 2 = 2.5, so both count as winners.
    """
    result = alternative_annotator_test(
        np.tile([1.0, 2.0, 4.0], (30, 1)),
        np.full(30, 2.0),
        raters=["a", "b", "c"],
        rule=AnnotatorRule(epsilon=0.0),
    )
    by_name = {c.rater: c for c in result.comparisons}
    assert (by_name["c"].judge_advantage, by_name["b"].judge_advantage) == (1.0, 1.0)
    # A tie on every item: difference 0 is not below epsilon 0, so no win; with 0.1 it is.
    assert not by_name["b"].won and by_name["c"].won


def test_a_judge_that_answers_at_random_does_not_pass_and_a_copy_of_the_consensus_does() -> None:
    rng = np.random.default_rng(11)
    truth = rng.integers(1, 6, 200)
    people = np.clip(truth[:, None] + rng.integers(-1, 2, (200, 4)), 1, 5).astype(float)
    prompts = np.repeat(np.arange(40), 5)
    noise = alternative_annotator_test(
        people, rng.integers(1, 6, 200).astype(float), clusters=prompts
    )
    consensus = alternative_annotator_test(people, people.mean(axis=1), clusters=prompts)
    assert (noise.answer, consensus.answer) == ("no", "yes")
    assert consensus.winning_rate.estimate == 1.0
    # The paper's theorem: the mean of the raters has the greatest advantage under -RMSE.
    assert (consensus.average_advantage.estimate or 0) > (noise.average_advantage.estimate or 1)


def test_the_false_positive_rate_under_clusters_stays_near_its_level() -> None:
    """Two raters' worth of equal noise with whole prompts shared: epsilon on the null's edge.

    Simulation: d of a prompt is one draw for all its 10 items, mean exactly epsilon; at 5 % about
    one in twenty rejects with clusters, and far more without.
    """
    from analysis.judge_worth.alternative_annotator import _one_sided

    rng = np.random.default_rng(5)
    codes = np.repeat(np.arange(20), 10)
    rejected = np.zeros(2)
    for _ in range(400):
        d = np.repeat(rng.choice([-1.0, 1.0], 20), 10)
        rejected += [
            _one_sided(d, codes, 20, 0.0)[1] < 0.05,
            _one_sided(d, np.arange(200), 200, 0.0)[1] < 0.05,
        ]
    assert 0.02 <= rejected[0] / 400 <= 0.09
    assert rejected[1] / 400 > 0.2


@pytest.mark.parametrize(
    ("ratings", "because"),
    [
        (np.ones((40, 2)), "at least 3 raters"),
        (np.ones((29, 4)), "29 items, and at least 30"),
        (np.ones((0, 3)), "0 items"),
    ],
)
def test_too_few_raters_or_items_cannot_be_answered(ratings: np.ndarray, because: str) -> None:
    result = alternative_annotator_test(ratings, np.ones(len(ratings)))
    assert result.answer == "cannot be answered"
    assert because in result.because
    assert result.winning_rate.estimate is None


def test_too_few_prompts_cannot_be_answered() -> None:
    prompts = np.repeat(np.arange(5), 12)
    result = alternative_annotator_test(RATINGS, JUDGE, clusters=prompts)
    assert result.answer == "cannot be answered"
    assert "5 prompts" in result.because


def test_verdicts_that_are_missing_are_counted_and_not_imputed() -> None:
    judge = JUDGE.copy()
    judge[:10] = np.nan
    result = alternative_annotator_test(RATINGS, judge)
    without = alternative_annotator_test(RATINGS[10:], JUDGE[10:])
    assert result.winning_rate.n_missing == 10
    assert [c.p_value for c in result.comparisons] == [c.p_value for c in without.comparisons]


def test_wrong_lengths_and_epsilon_are_refused() -> None:
    with pytest.raises(AnalysisError, match="59 verdicts for 60 items"):
        alternative_annotator_test(RATINGS, JUDGE[:-1])
    with pytest.raises(AnalysisError, match="epsilon"):
        alternative_annotator_test(RATINGS, JUDGE, rule=AnnotatorRule(epsilon=1.0))
