"""Summaries of numbers and scores of questionnaires, by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.description.numbers import number_summary
from analysis.reliability.scores import ScoreRule, instrument_score
from study.errors import AnalysisError


def test_summary_by_hand_and_interval_of_the_mean_from_scipy() -> None:
    """1..10: quartiles of type 7 by hand; scipy's t interval; order statistics 2 and 9 (n = 10)."""
    from scipy import stats

    values = np.array([*range(1, 11), np.nan, np.nan])
    found = number_summary(values, missing_reasons=[None] * 10 + ["skipped", None])
    interval = stats.t.interval(0.95, 9, 5.5, stats.sem(np.arange(1, 11)))
    assert (found.mean.ci_low, found.mean.ci_high) == pytest.approx(interval)
    assert found.mean.p_value is None and found.sd.estimate == pytest.approx(np.sqrt(55 / 6))
    assert (found.lower_quartile.estimate, found.upper_quartile.estimate) == (3.25, 7.75)
    assert (found.median.estimate, found.median.ci_low, found.median.ci_high) == (5.5, 2.0, 9.0)
    assert (found.n, found.n_missing) == (10, 2)
    assert dict(found.missing_by_reason) == {"skipped": 1, "no reason recorded": 1}


@pytest.mark.parametrize(
    ("values", "sd"),
    [([], "there is no number"), ([np.nan], "there is no number"), ([4.0], "no spread")],
)
def test_few_numbers_give_reasons(values: list[float], sd: str) -> None:
    """Oracle: undefined says why; one number has a mean and no interval."""
    found = number_summary(values)
    assert sd in found.sd.undefined_because
    assert found.median.ci_low is None and found.mean.ci_low is None


def test_equal_numbers_have_no_spread_and_no_interval() -> None:
    """0.1 three times: the mean is off in its last place, and nothing spreads about it."""
    found = number_summary([0.1, 0.1, 0.1])
    assert found.sd.estimate == 0.0
    assert found.mean.ci_low is None and "all numbers are equal" in found.mean.ci_method


def test_order_statistics_cover_the_median_at_least_as_often_as_promised() -> None:
    """Oracle: 1,500 samples of 15 exponential numbers; exact coverage of ranks 4 and 12 is .9648."""
    rng = np.random.default_rng(3)
    samples = rng.exponential(size=(1500, 15))
    found = [number_summary(s).median for s in samples]
    covered = np.mean([e.ci_low <= np.log(2) <= e.ci_high for e in found])
    assert covered == pytest.approx(0.9648, abs=0.015)


SUS = ScoreRule("sum", (1.0,) * 10, (5.0,) * 10, (0.0, 100.0))


def test_sus_of_one_questionnaire_by_brookes_rule() -> None:
    """Brooke 1996: odd items minus 1, five minus even items, sum times 2.5, with raw answers."""
    raw = np.array([4, 2, 5, 1, 3, 3, 4, 2, 5, 2], dtype=float)
    contributions = [raw[i] - 1 if i % 2 == 0 else 5 - raw[i] for i in range(10)]
    turned = np.where(np.arange(10) % 2 == 0, raw, 6 - raw)
    assert instrument_score(turned, SUS) == pytest.approx(2.5 * sum(contributions))
    assert SUS.possible == (0.0, 100.0)
    assert instrument_score([1.0] * 10, SUS) == 0 and instrument_score([5.0] * 10, SUS) == 100


def test_means_gaps_and_wrong_numbers_of_items() -> None:
    """By hand; a questionnaire with a gap has no score."""
    rule = ScoreRule("mean", (0.0,) * 3, (100.0,) * 3)
    found = instrument_score([[10, 20, 60], [10, np.nan, 60]], rule)
    assert found[0] == 30 and np.isnan(found[1]) and rule.possible == (0, 100)
    with pytest.raises(AnalysisError, match="2 items; the score's rule is for 3"):
        instrument_score([1, 2], rule)
