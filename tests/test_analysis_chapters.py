"""Chapters: what they decide, against hand arithmetic, pandas and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.agreement.two_raters import light_kappa
from analysis.chapters.answers.frequencies import top_points
from analysis.chapters.answers.totals import total_samples
from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import contrast_chapter, paired_columns
from analysis.chapters.quality import quality_chapter
from analysis.chapters.rated_units import RatedUnits, light
from analysis.chapters.shaping import shape_ratings
from analysis.chapters.subgroups import compare_repeated, subgroup_chapter
from analysis.resampling import Bootstrap
from study.report_view.data import ReportData
from tests.simulated_report_data import simulated_report_data


def _context(data: ReportData) -> ReportContext:
    return ReportContext(data, shape_ratings(data))


@pytest.fixture(scope="module")
def context() -> ReportContext:
    """Thirty raters in two groups, three systems, some of the answers missing."""
    return _context(
        simulated_report_data(
            raters=30,
            prompts=3,
            items=4,
            n_systems=3,
            groups=("student", "professional"),
            missing=0.3,
        )
    )


def test_the_contrast_is_that_of_totals_summed_with_pandas(context: ReportContext) -> None:
    """Oracle: pandas' sums of the raters without a gap, scipy's paired t test."""
    chapter = contrast_chapter(context)
    assert chapter is not None
    ratings = context.data.ratings
    sums = ratings.groupby(["rater", "system"])["value"].sum(min_count=12).unstack()
    both = sums[["a", "b"]].dropna()
    one, two = chapter.pair.system.id, chapter.pair.against.id
    test = stats.ttest_rel(both[one], both[two])
    assert chapter.planned_test.p_value == pytest.approx(test.pvalue)
    assert chapter.totals.higher == int((both[one] > both[two]).sum())
    assert chapter.totals.lower == int((both[one] < both[two]).sum())
    assert [g.key for g in chapter.groups] == ["student", "professional"]


def test_items_and_pairs_are_adjusted_by_holm_by_hand(context: ReportContext) -> None:
    """Holm: the i-th smallest of m p values times m - i + 1, never below one before it, at most 1."""
    chapter = contrast_chapter(context)
    assert chapter is not None and len(chapter.pairs) == 3
    for found in (chapter.items, chapter.pairs):
        raw = np.array([c.contrast.t_test.p_value for c in found], dtype=float)
        order = np.argsort(raw)
        steps = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1)))
        assert [found[i].p_holm for i in order] == pytest.approx(steps.tolist())


def test_equivalence_goes_by_the_level_of_the_intervals() -> None:
    """Oracle: scipy's 80 % interval of the differences, for 90 % intervals beside it."""
    rng = np.random.default_rng(4)
    first, second = rng.normal(3, 1, 12), rng.normal(3.2, 1, 12)
    found = paired_columns(
        first, second, names=("a", "b"), bounds=(-1, 1), level=0.9, seed=1, unit="rater"
    )
    test = found.contrast.equivalence
    assert test is not None and test.details.alpha == 0.1 and test.ci_level == 0.8
    gap = second - first
    expected = stats.t.interval(0.8, 11, gap.mean(), stats.sem(gap))
    assert (test.ci_low, test.ci_high) == pytest.approx(expected)
    assert all("bootstrap of raters" in e.ci_method for e in found.redrawn)


def test_raters_in_one_group_are_compared_once_each_and_in_both_not_at_all() -> None:
    """Oracle: scipy's Welch test of pandas' means per rater."""
    rng = np.random.default_rng(7)
    raters = np.repeat([f"r{i}" for i in range(10)], 3)
    values, first = rng.normal(size=30), raters < "r5"
    options = {"names": ("x", "y"), "planned": "welch", "level": 0.95}
    found = compare_repeated(values, first, raters, **options)  # type: ignore[arg-type]
    means = pd.Series(values).groupby(raters).mean()
    expected = stats.ttest_ind(means.iloc[:5], means.iloc[5:], equal_var=False)
    assert found.by_means is not None and (found.n_raters, found.n_in_both) == (10, 0)
    assert found.by_means.welch.p_value == pytest.approx(expected.pvalue)
    mixed = compare_repeated(values, np.arange(30) % 2 == 0, raters, **options)  # type: ignore[arg-type]
    assert mixed.by_means is None and mixed.n_in_both == 10


def test_subgroups_hold_every_pair_of_answers_in_every_system(context: ReportContext) -> None:
    """Two declared questions of two answers and the groups of raters, in three systems."""
    chapter = subgroup_chapter(context)
    assert [(s.split.key, s.split.declared) for s in chapter.splits] == [
        ("gender", True), ("major", True), ("group", False),
    ]  # fmt: skip
    assert [len(s.compared) for s in chapter.splits] == [3, 3, 3]
    assert chapter.splits[1].split.planned == "student"


def test_gaps_and_totals_are_counts(context: ReportContext) -> None:
    """Oracle: pandas' counts of missing values and of complete raters."""
    chapter, ratings = quality_chapter(context), context.data.ratings
    assert chapter is not None
    missing = ratings[ratings["value"].isna()].groupby("rater").size()
    assert chapter.gaps.n_missing == missing.sum() and set(chapter.gaps.raters) == set(
        missing.index
    )
    assert missing[chapter.gaps.raters[0]] == missing.max()
    everybody = total_samples(context)[0]
    sums = ratings.groupby(["rater", "system"])["value"].sum(min_count=12).unstack()
    for found in everybody.systems:
        known = sums[found.system.id].dropna()
        assert found.summary.n == len(known) and found.ends == (known.min(), known.max())
        assert found.summary.mean == pytest.approx(known.mean())


def test_the_top_share_is_never_the_whole_scale() -> None:
    """Two of five points, one of two; a plan's four of five, and one of two all the same."""
    assert (top_points([1, 2, 3, 4, 5]), top_points([0, 1])) == (2, 1)
    assert (top_points([1, 2, 3, 4, 5], 4), top_points([0, 1], 4)) == (4, 1)


def test_the_interval_of_lights_kappa_is_left_out_where_it_would_take_gigabytes() -> None:
    """Oracle: the size of the arrays: units x pairs of raters x points. A full table of as many ratings has
    its interval, and the estimate is `light_kappa`'s in both."""
    draw = np.random.default_rng(3)
    full = draw.integers(1, 6, (150, 40)).astype(float)
    sparse = np.full((6000, 40), np.nan)
    for unit in range(6000):
        sparse[unit, draw.choice(40, 2, replace=False)] = draw.integers(1, 6, 2)
    for table, has_interval in ((full, True), (sparse, False)):
        found = light(RatedUnits(table, [1, 2, 3, 4, 5], Bootstrap(seed=1)), "unweighted")
        assert found.estimate == light_kappa(table, [1, 2, 3, 4, 5]).estimate
        assert (found.ci_low is not None) == has_interval
