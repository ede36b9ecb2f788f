"""Groups and frequencies where raters repeat. Oracles: statsmodels, scipy on raters' means, properties."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.contrasts.clustered_groups import cluster_difference
from analysis.description.frequencies import frequency_table
from analysis.description.frequencies_by_rater import frequency_table_by_rater


def rated(seed: int, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Values and raters: raters differ, and have so many ratings each."""
    rng = np.random.default_rng(seed)
    raters = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(size=raters.size) + rng.normal(size=len(sizes))[raters], raters


@pytest.mark.parametrize("seed", range(3))
def test_with_equally_many_ratings_it_is_welch_of_the_raters_means(seed: int) -> None:
    """Oracle: scipy's Welch test of one mean per rater; p, t and degrees of freedom."""
    values, raters = rated(seed, [6] * 17)
    first = raters < 7
    ours = cluster_difference(values, first, raters)
    means = pd.Series(values).groupby(raters).mean()
    welch = stats.ttest_ind(means[:7], means[7:], equal_var=False)
    assert ours.p_value == pytest.approx(welch.pvalue, abs=1e-12)
    assert (ours.details.test.t, ours.details.test.df) == pytest.approx((welch.statistic, welch.df))
    low, high = welch.confidence_interval()
    assert (ours.ci_low, ours.ci_high) == pytest.approx((low, high))
    assert (ours.n, ours.details.clusters_in_both) == (102, 0)


def test_raters_with_different_numbers_of_ratings_have_the_sandwich_of_each_group() -> None:
    """Oracle: statsmodels' cluster-robust errors of each group's mean, times its G / (G - 1)."""
    values, raters = rated(5, [2, 9, 4, 4, 7, 1, 3, 8, 5])
    first = raters < 4
    variances = []
    for group, count in ((first, 4), (~first, 5)):
        fit = sm.OLS(values[group], np.ones(group.sum())).fit(
            cov_type="cluster", cov_kwds={"groups": raters[group], "use_correction": False}
        )
        variances.append(float(fit.bse[0]) ** 2 * count / (count - 1))
    ours = cluster_difference(values, first, raters)
    assert ours.details.test.standard_error == pytest.approx(np.sqrt(sum(variances)), rel=1e-12)


def test_raters_in_both_groups_cancel_as_in_statsmodels() -> None:
    """Oracle: the slope's cluster-robust error, times 12 / 11 for the variance; df G - 1."""
    values, raters = rated(8, [6] * 12)
    first = np.tile([True, False, True, False, False, True], 12)
    fit = sm.OLS(values, sm.add_constant(first.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": raters, "use_correction": False}
    )
    ours = cluster_difference(values, first, raters)
    assert ours.estimate == pytest.approx(float(fit.params[1]))
    expected = float(fit.bse[1]) * np.sqrt(12 / 11)
    assert ours.details.test.standard_error == pytest.approx(expected, rel=1e-12)
    assert (ours.details.test.df, ours.details.clusters_in_both) == (11, 12)


def test_balanced_pairs_are_the_paired_t_test_of_raters_means() -> None:
    """Oracle: scipy's paired test of the raters' means in both groups."""
    values, raters = rated(9, [8] * 10)
    first = np.tile([True, False], 40)
    means = pd.Series(values).groupby([raters, first]).mean().unstack()
    paired = stats.ttest_rel(means[True], means[False])
    assert cluster_difference(values, first, raters).p_value == pytest.approx(paired.pvalue)


@pytest.mark.parametrize("times", [2, 10])
def test_copies_of_a_rater_s_ratings_add_nothing(times: int) -> None:
    """Property: the same ratings repeated are no further evidence, which a t test of rows takes them for."""
    values, raters = rated(2, [3] * 12)
    once = cluster_difference(values, raters < 5, raters)
    many = np.repeat(raters, times)
    again = cluster_difference(np.repeat(values, times), many < 5, many)
    assert again.p_value == pytest.approx(once.p_value)
    rows = [
        stats.ttest_ind(x[r < 5], x[r >= 5], equal_var=False).pvalue
        for x, r in ((values, raters), (np.repeat(values, times), many))
    ]
    assert rows[1] < rows[0]


@pytest.mark.parametrize(
    ("values", "first", "raters", "because"),
    [
        ([1, 2, None], [1, 1, 0], "abc", "a group has no value"),
        ([1, 2, 3, 4], [1, 1, 0, 0], "aabc", "each group needs two raters; there are 1 and 2"),
        ([1, 2, 3, 4], [1, 1, 0, 0], "aaaa", "all ratings are by one rater"),
        ([3, 3, 3, 3], [1, 1, 0, 0], "abcd", "the raters do not differ"),
        ([1, 2, 1, 2], [1, 0, 1, 0], "aabb", "the raters do not differ"),
    ],
)
def test_what_cannot_be_tested_says_why(
    values: list[float], first: list[int], raters: str, because: str
) -> None:
    ours = cluster_difference(values, np.array(first, dtype=bool), list(raters))
    assert ours.estimate is None and because in ours.undefined_because


def test_frequencies_by_rater_keep_the_counts_and_widen_the_intervals() -> None:
    """Property: raters who always answer alike are worth one answer each, not ten."""
    answers = np.repeat([1, 2, 2, 4, 5, 5, 5, 3], 10)
    raters = np.repeat(np.arange(8), 10)
    plain = frequency_table(answers, [1, 2, 3, 4, 5])
    by_rater = frequency_table_by_rater(answers, raters, [1, 2, 3, 4, 5])
    for a, b in zip(plain.rows, by_rater.rows, strict=True):
        assert (a.frequency, a.percent) == (b.frequency, b.percent)
        assert a.share.ci_high is not None and b.share.ci_high is not None
        assert b.share.ci_high > a.share.ci_high
        assert b.simultaneous_high is not None and b.simultaneous_high >= b.share.ci_high
    once = frequency_table(answers[::10], [1, 2, 3, 4, 5]).mean
    assert (by_rater.mean.ci_low, by_rater.mean.ci_high) == pytest.approx(
        (once.ci_low, once.ci_high)
    )
    assert by_rater.mean.p_value is None


def test_frequencies_by_rater_of_one_answer_each_are_the_plain_ones() -> None:
    """Property: with every rater once, the intervals of `frequency_table`; missing ones are counted."""
    answers = [1, 2, None, 5, 5, 3]
    plain = frequency_table(answers, [1, 2, 3, 4, 5])
    by_rater = frequency_table_by_rater(answers, list("abcdef"), [1, 2, 3, 4, 5])
    for a, b in zip(
        [*(r.share for r in plain.rows), plain.top_share, plain.mean],
        [*(r.share for r in by_rater.rows), by_rater.top_share, by_rater.mean],
        strict=True,
    ):
        assert (b.estimate, b.ci_low, b.ci_high) == pytest.approx((a.estimate, a.ci_low, a.ci_high))
    assert (by_rater.n, by_rater.n_missing, by_rater.top_share.n_missing) == (5, 1, 1)
    assert frequency_table_by_rater([None], ["a"], [1, 2, 3]).n == 0
