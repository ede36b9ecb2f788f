"""Data quality by hand counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.quality import (
    attention_checks,
    longest_run,
    missingness,
    order_effect,
    place_effect,
    position_effect,
    straightlining,
    too_fast,
)
from study.errors import AnalysisError


@pytest.mark.parametrize(
    ("values", "length"),
    [([], 0), ([2], 1), ([1, 1, 2, 2, 2], 3), ([1, np.nan, 1], 1), ([np.nan, np.nan], 0),
     ([4, 4, 4, 4], 4), ([1, 2, 3], 1)],
)  # fmt: skip
def test_longest_run_by_hand(values: list[float], length: int) -> None:
    """Counted by hand; a gap ends a run."""
    assert longest_run(values) == length


def test_straightlining_tells_the_flat_rater_from_the_honest_one() -> None:
    """Rater a always gives 3 (two uniform responses, variance 0); b varies within each."""
    frame = pd.DataFrame(
        {
            "rater": ["a"] * 4 + ["b"] * 4,
            "prompt": ["p", "p", "q", "q"] * 2,
            "system": "s",
            "value": [3, 3, 3, 3, 1, 2, 4, 5],
        }
    )
    flat, honest = straightlining(frame)
    assert (flat.longest_run, flat.variance, flat.uniform_responses, flat.responses) == (4, 0, 2, 2)
    assert (honest.longest_run, honest.uniform_responses) == (1, 0)
    assert honest.variance == pytest.approx(np.var([1, 2, 4, 5], ddof=1))


def test_speed_counts_pages_below_the_declared_time() -> None:
    """20 s per 100 words: 50 words need 10 s, so 5 s is too fast and 12 s is not."""
    pages = pd.DataFrame({"rater": ["a"] * 3, "seconds": [5, 12, np.nan], "words": [50, 50, 50]})
    found = too_fast(pages, minimum_seconds=20)["a"]
    assert (found.estimate, found.n, found.n_missing) == (0.5, 2, 1)


def test_attention_checks_count_failures_of_seen_checks_only() -> None:
    """One of two answered checks failed; the third was left unanswered."""
    answers = pd.DataFrame(
        {
            "rater": ["a"] * 4,
            "item": ["check1", "check2", "check2", "q1"],
            "value": [5, 1, np.nan, 3],
        }
    )
    found = attention_checks(answers, {"check1": [5], "check2": [4, 5]})["a"]
    assert (found.estimate, found.n, found.n_missing) == (0.5, 2, 1)


def test_position_effect_is_the_mean_slope_over_raters() -> None:
    """Slopes 1 and 0 over positions 1 to 3: mean 0.5 with two raters."""
    frame = pd.DataFrame(
        {"rater": list("aaabbb"), "position": [1, 2, 3] * 2, "value": [1, 2, 3, 4, 4, 4]}
    )
    found = position_effect(frame)
    assert (found.estimate, found.n, found.unit) == (0.5, 2, "rater")


def test_order_effect_is_welch_of_the_two_orders() -> None:
    """Hand: means 2 and 1, so the difference is 1."""
    found = order_effect([1, 2, 3, 0, 1, 2], ["x"] * 3 + ["y"] * 3)
    assert found.estimate == 1.0
    assert found.statistic == "order_effect"


def test_missingness_by_rater_and_item_with_reasons() -> None:
    """Hand count."""
    frame = pd.DataFrame(
        {
            "rater": ["a", "a", "b", "b"],
            "item": ["q1", "q2"] * 2,
            "value": [1, np.nan, np.nan, np.nan],
            "missing_reason": [None, "skipped", "withdrawn", None],
        }
    )
    first, second = missingness(frame, "rater")
    assert (first.n, first.n_missing, dict(first.by_reason)) == (1, 1, {"skipped": 1})
    assert dict(second.by_reason) == {"withdrawn": 1, "no reason recorded": 1}
    assert [m.share_missing.estimate for m in missingness(frame, "item")] == [0.5, 1.0]


def test_lacking_column_is_named() -> None:
    """The error says which column and which there are."""
    with pytest.raises(AnalysisError, match="column position not found"):
        position_effect(pd.DataFrame({"rater": ["a"], "value": [1]}))


def test_place_effect_finds_the_slope_beside_the_items_means() -> None:
    """Oracle: ratings made as item + 0.3 per place + a rater's own slope; a t interval by hand."""
    rng = np.random.default_rng(6)
    rows, slopes = [], []
    for rater in range(12):
        own = 0.3 + rng.normal(0, 0.05)
        for _ in range(5):
            # Every order of three items comes with its mirror, so places balance over items.
            order = rng.permutation(3)
            for page in (order, order[::-1]):
                rows += [
                    {
                        "rater": rater,
                        "item": int(i),
                        "place": k + 1,
                        "value": 2.0 * i + own * (k + 1),
                    }
                    for k, i in enumerate(page)
                ]
        slopes.append(own)
    found = place_effect(pd.DataFrame(rows))
    mean, error = np.mean(slopes), np.std(slopes, ddof=1) / np.sqrt(12)
    assert found.estimate == pytest.approx(mean, abs=2e-3) and found.n == 12
    assert found.ci_low == pytest.approx(mean - 2.200985 * error, abs=4e-3)


def test_place_effect_is_undefined_in_a_fixed_order() -> None:
    """With items always at the same place, the two cannot be told apart."""
    rows = [
        {"rater": r, "item": i, "place": i + 1, "value": r + i} for r in range(3) for i in range(3)
    ]
    frame = pd.DataFrame(rows)
    assert "same place on all pages" in place_effect(frame).undefined_because
    gone = place_effect(frame.assign(place=np.nan))
    assert "no place on the page is recorded" in gone.undefined_because
