"""Outcomes, probes and the stand-in answer. Oracles: hand arithmetic, and the ledger's own words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.contrasts.cluster_means import cluster_mean
from analysis.judge_worth.alternative_annotator import AnnotatorRule, alternative_annotator_test
from analysis.judge_worth.outcomes import OUTCOMES, summarise_outcomes, within_scale
from analysis.judge_worth.probes import PROBES, probe_effects
from analysis.judge_worth.stand_in import stand_in_answer
from analysis.results import Estimate, undefined
from models.judge.wording import probes as judge_probes
from study.errors import AnalysisError
from study.protocol.judge import StandInConditions
from study.store.judge.verdicts import Outcome


def _verdicts(*rows: tuple[str, str, float | None]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"system": s, "criterion": "empathy", "prompt": f"p{i}", "outcome": o, "value": v,
             "low": 1.0, "high": 5.0}
            for i, (s, o, v) in enumerate(rows)
        ]
    )  # fmt: skip


def test_outcomes_and_probes_are_called_what_the_judge_calls_them() -> None:
    assert tuple(str(o) for o in Outcome) == OUTCOMES
    assert set(judge_probes.PROBES) == set(PROBES)


def test_bounds_by_hand() -> None:
    """Scores 4 and 5 of four verdicts on 1 to 5: mean 4.5; worst (9 + 2) / 4, best (9 + 10) / 4."""
    rows = [
        ("a", "scored", 4.0),
        ("a", "scored", 5.0),
        ("a", "refused", None),
        ("a", "truncated", None),
    ]
    (found,) = summarise_outcomes(_verdicts(*rows))
    assert found.mean.estimate == 4.5
    assert (found.worst.estimate, found.best.estimate) == (2.75, 4.75)
    assert dict(found.counts) == {
        **dict.fromkeys(OUTCOMES, 0),
        "scored": 2,
        "refused": 1,
        "truncated": 1,
    }
    assert sum(e.estimate or 0 for _, e in found.shares) == pytest.approx(1.0)
    assert found.worst.details.without_score == 2


def test_nothing_scored_leaves_the_whole_scale() -> None:
    (found,) = summarise_outcomes(_verdicts(("a", "refused", None), ("a", "abstained", None)))
    assert "no value" in found.mean.undefined_because
    assert (found.worst.estimate, found.best.estimate) == (1.0, 5.0)


def test_comparisons_have_rates_and_no_mean() -> None:
    frame = _verdicts(("a", "scored", None), ("a", "refused", None)).assign(low=np.nan, high=np.nan)
    (found,) = summarise_outcomes(frame)
    assert "comparisons" in found.mean.undefined_because
    assert dict(found.shares)["refused"].estimate == 0.5


def test_verdicts_that_cannot_be_are_refused() -> None:
    with pytest.raises(AnalysisError, match="'lost'"):
        summarise_outcomes(_verdicts(("a", "lost", None)))
    with pytest.raises(AnalysisError, match="scored and have no value"):
        summarise_outcomes(_verdicts(("a", "scored", None)))
    with pytest.raises(AnalysisError, match="column"):
        summarise_outcomes(pd.DataFrame({"system": ["a"]}))
    assert (
        summarise_outcomes(_verdicts().reindex(columns=_verdicts(("a", "scored", 1.0)).columns))
        == []
    )


def _pairs(probe: str, before: list[Any], after: list[Any]) -> pd.DataFrame:
    changed = [
        None if b is None or a is None else a != b for b, a in zip(before, after, strict=True)
    ]
    prompts = [f"p{i}" for i in range(len(before))]
    return pd.DataFrame(
        {"probe": probe, "criterion": "empathy", "prompt": prompts,
         "before": pd.array(before, dtype="Float64"), "after": pd.array(after, dtype="Float64"),
         "changed": pd.Series(changed, dtype=object)}
    )  # fmt: skip


def test_a_probe_s_change_by_hand() -> None:
    """Changes 1, 0, 2, lost: mean 1, s = 1, standard error 1 / sqrt(3); two of three moved."""
    (found,) = probe_effects(_pairs("longer", [3, 3, 2, None], [4, 3, 4, 5]))
    assert found.mean_change.estimate == 1.0
    assert found.mean_change.details.standard_error == pytest.approx(1 / np.sqrt(3))
    assert found.share_changed.estimate == pytest.approx(2 / 3)
    assert (found.n_pairs, found.n_lost, found.finding) == (4, 1, "as it should be")


@pytest.mark.parametrize(
    ("probe", "before", "after", "finding"),
    [
        ("longer", [3, 3, 3, 2], [4, 4, 4, 4], "not as it should be"),
        ("identical", [3, 3, 3], [3, 3, 3], "as it should be"),
        ("paraphrased", [3, 3, 3], [4, 4, 4], "not as it should be"),
        ("degraded", [4, 5, 4, 5], [2, 2, 1, 2], "as it should be"),
        ("degraded", [4, 4, 4], [2, 2, 2], "as it should be"),
        ("degraded", [4, 5, 4], [4, 5, 4], "not as it should be"),
        ("degraded", [4], [2], "cannot be told"),
        ("longer", [None, None], [3, 3], "cannot be told"),
    ],
)
def test_what_a_probe_shows(probe: str, before: list[Any], after: list[Any], finding: str) -> None:
    (found,) = probe_effects(_pairs(probe, before, after))
    assert found.finding == finding


def test_comparisons_are_judged_by_the_share_that_changed() -> None:
    frame = _pairs("swapped", [None] * 4, [None] * 4).assign(changed=[True, True, True, False])
    (found,) = probe_effects(frame)
    assert found.share_changed.estimate == 0.75
    assert "comparisons" in found.mean_change.undefined_because
    assert found.finding == "not as it should be"


def _conditions(**changes: float) -> StandInConditions:
    return StandInConditions.model_validate({"group": "students", "epsilon": 0.2, **changes})


def _test(passes: bool) -> Any:
    rng = np.random.default_rng(11)
    truth = rng.integers(1, 6, 200)
    people = np.clip(truth[:, None] + rng.integers(-1, 2, (200, 4)), 1, 5).astype(float)
    judge = people.mean(axis=1) if passes else rng.integers(1, 6, 200).astype(float)
    return alternative_annotator_test(
        people, judge, clusters=np.repeat(np.arange(40), 5), rule=AnnotatorRule(epsilon=0.2)
    )


KAPPA = Estimate("kappa", 0.6, 0.5, 0.7, ci_method="x")
BIASES = (("A", Estimate("bias", 0.2, 0.1, 0.3)), ("B", Estimate("bias", -0.4, -0.6, -0.2)))
GONE = undefined("kappa", "no ratings")


@pytest.mark.parametrize(
    ("passes", "changes", "kappa", "biases", "answer"),
    [
        (True, {}, GONE, (), "yes"),
        (False, {}, GONE, (), "no"),
        (True, {"weighted_kappa_at_least": 0.5}, KAPPA, (), "yes"),
        (True, {"weighted_kappa_at_least": 0.55}, KAPPA, (), "no"),
        (True, {"weighted_kappa_at_least": 0.5}, GONE, (), "cannot be answered"),
        (False, {"weighted_kappa_at_least": 0.5}, GONE, (), "no"),
        (True, {"bias_at_most": 0.4}, KAPPA, BIASES, "yes"),
        (True, {"bias_at_most": 0.3}, KAPPA, BIASES, "no"),
        (True, {"bias_at_most": 0.5}, KAPPA, (*BIASES, ("C", GONE)), "cannot be answered"),
        (True, {"bias_at_most": 0.3}, KAPPA, (*BIASES, ("C", GONE)), "no"),
        (True, {"bias_at_most": 0.3}, KAPPA, (), "cannot be answered"),
        (True, {"winning_rate_at_least": 1.0}, KAPPA, (), "yes"),
        (True, {"epsilon": 0.1}, KAPPA, (), "cannot be answered"),
    ],
)
def test_whether_the_judge_may_stand_in(
    passes: bool, changes: dict[str, float], kappa: Estimate, biases: Any, answer: str
) -> None:
    found = stand_in_answer(
        _conditions(**changes), test=_test(passes), kappa=kappa, bias_by_system=biases
    )
    assert found.answer == answer
    assert found.because


def test_too_few_raters_cannot_be_answered() -> None:
    few = alternative_annotator_test(np.ones((40, 2)), np.ones(40), rule=AnnotatorRule(epsilon=0.2))
    found = stand_in_answer(_conditions(), test=few, kappa=KAPPA, bias_by_system=())
    assert found.answer == "cannot be answered"
    assert "at least 3 raters" in found.because


def test_interval_of_a_mean_score_stays_within_the_scale() -> None:
    """Hand: 1, 5, 5 on 1 to 5: p = 2/3, se 1/3; logit .6931 and se 1.5, t(.975, 2) = 4.3027."""
    mean = within_scale(cluster_mean([1.0, 5, 5]), 1.0, 5.0)
    ends = [1 + 4 / (1 + np.exp(-(np.log(2) + sign * 4.302653 * 1.5))) for sign in (-1, 1)]
    assert [mean.ci_low, mean.ci_high] == pytest.approx(ends, abs=1e-5)
    assert (cluster_mean([1.0, 5, 5]).ci_high or 0) > 5
