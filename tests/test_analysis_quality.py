"""Data quality by hand counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.description.quality import (
    attention_checks,
    longest_run,
    missingness,
    order_effect,
    place_effect,
    position_effect,
    shares_of_range,
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
            "item": ["x", "y"] * 4,
            "value": [3, 3, 3, 3, 1, 2, 4, 5],
        }
    )
    flat, honest = straightlining(frame, {"x": (1, 5), "y": (1, 5)})
    assert (flat.longest_run, flat.variance, flat.uniform_responses, flat.responses) == (4, 0, 2, 2)
    assert (honest.longest_run, honest.uniform_responses) == (1, 0)
    assert honest.variance == pytest.approx(np.var([1, 2, 4, 5], ddof=1) / 16)


def test_no_scale_decides_because_it_is_long() -> None:
    """Oracle: the same answers with the slider on 0 to 1; and by hand, in quarters of the range.

    Rater a: shares 0, .25, .5 and 1, .75, .5 on the slider; drift of the two cancels in a, and is
    .25 in b, who answers both alike.
    """
    frame = pd.DataFrame(
        {
            "rater": ["a"] * 6 + ["b"] * 6,
            "prompt": ["p", "p", "q", "q", "r", "r"] * 2,
            "system": "s",
            "position": [1, 1, 2, 2, 3, 3] * 2,
            "place": [1, 2, 2, 1, 1, 2] * 2,
            "item": ["likert", "slider"] * 6,
            "value": [1, 100, 2, 75, 3, 50, 1, 0, 2, 25, 3, 50],
        }
    )
    long, short = {"likert": (1, 5), "slider": (0, 100)}, {"likert": (1, 5), "slider": (0, 1)}
    slider = frame["item"] == "slider"
    unit = frame.assign(value=frame["value"].where(~slider, frame["value"] / 100))
    variances = [found.variance for found in straightlining(frame, long)]
    shares = ([0, 1, 0.25, 0.75, 0.5, 0.5], [0, 0, 0.25, 0.25, 0.5, 0.5])
    assert variances == pytest.approx([np.var(s, ddof=1) for s in shares])
    assert position_effect(frame, long).estimate == pytest.approx((0 + 0.25) / 2)
    for effect in (position_effect, place_effect):
        one, other = effect(frame, long), effect(unit, short)
        assert one.undefined_because == other.undefined_because
        assert one.estimate == pytest.approx(other.estimate)


def test_an_answer_off_its_scale_is_refused() -> None:
    """With its item, row and the ends that were given."""
    frame = pd.DataFrame({"item": ["x", "x"], "value": [1, 9]})
    with pytest.raises(AnalysisError, match="'x', row 2: found 9, expected a number from 1 to 5"):
        shares_of_range(frame, {"x": (1, 5)})
    with pytest.raises(AnalysisError, match="give the ends of its scale"):
        shares_of_range(frame, {"y": (1, 5)})


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
    """Slopes of 1 and 0 points over positions 1 to 3: mean 0.5 of the 4 points of the range."""
    frame = pd.DataFrame(
        {"rater": list("aaabbb"), "position": [1, 2, 3] * 2, "value": [1, 2, 3, 4, 4, 4]}
    ).assign(item="x")
    found = position_effect(frame, {"x": (1, 5)})
    assert (found.estimate, found.n, found.unit) == (0.5 / 4, 2, "rater")


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
    assert [(m.n, m.n_missing) for m in missingness(frame, "item")] == [(1, 1), (0, 2)]


def test_lacking_column_is_named() -> None:
    """The error says which column and which there are."""
    with pytest.raises(AnalysisError, match="column position not found"):
        position_effect(pd.DataFrame({"rater": ["a"], "item": ["x"], "value": [1]}), {"x": (1, 5)})


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
    found = place_effect(pd.DataFrame(rows), dict.fromkeys("012", (0, 10)))
    slopes = [own / 10 for own in slopes]
    mean, error = np.mean(slopes), np.std(slopes, ddof=1) / np.sqrt(12)
    assert found.estimate == pytest.approx(mean, abs=2e-4) and found.n == 12
    assert found.ci_low == pytest.approx(mean - 2.200985 * error, abs=4e-4)


def test_place_effect_is_undefined_in_a_fixed_order() -> None:
    """With items always at the same place, the two cannot be told apart."""
    rows = [
        {"rater": r, "item": i, "place": i + 1, "value": r + i} for r in range(3) for i in range(3)
    ]
    frame = pd.DataFrame(rows)
    ends = dict.fromkeys("012", (0, 4))
    assert "same place on all pages" in place_effect(frame, ends).undefined_because
    gone = place_effect(frame.assign(place=np.nan), ends)
    assert "no place on the page is recorded" in gone.undefined_because
