"""The paired contrast against scipy, hand arithmetic and properties; R's numbers are elsewhere."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from analysis.contrasts.paired import bootstrap_difference, equivalence, paired_contrast
from analysis.contrasts.signed_rank import NORMAL
from analysis.resampling import Bootstrap
from analysis.rounding import differences
from study.errors import AnalysisError

REFERENCE = Path(__file__).parent / "reference" / "edges"


def test_zeros_are_ranked_and_dropped_as_pratt_says() -> None:
    """Hand: |d| = 0, 0, 1, 2, 3 has ranks 1.5, 1.5, 3, 4, 5; positive are 3 and 5, V = 8.

    Dropping zeros first (Wilcoxon) would give ranks 1, 2, 3 and V = 4.
    """
    result = paired_contrast([5.0, 5, 1, 5, 1], [5.0, 5, 2, 3, 4]).wilcoxon
    assert result.estimate == 8.0
    assert result.details.zeros == 2


@pytest.mark.parametrize("seed", range(3))
def test_wilcoxon_with_ties_and_zeros_equals_scipy_pratt(seed: int) -> None:
    """scipy.stats.wilcoxon(zero_method="pratt", method="asymptotic"); 800 pairs are many."""
    from scipy import stats

    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 6, 800).astype(float), rng.integers(1, 6, 800).astype(float)
    found = paired_contrast(a, b).wilcoxon
    for corrected, ours in ((True, found.p_value), (False, found.details.p_value_normal)):
        expected = stats.wilcoxon(
            b - a, zero_method="pratt", method="asymptotic", correction=corrected
        )
        assert ours == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.details.p_value_method == NORMAL


def test_sixty_pairs_have_r_s_exact_p() -> None:
    """Oracle: R 4.2.2, wilcox.test(x, z, paired = TRUE, exact = TRUE): V = 1030, p = .40199; with its
    own choice from 50 pairs on (normal, continuity correction) .39928."""
    table = np.loadtxt(REFERENCE / "paired_60.csv", delimiter=",", skiprows=1)
    found = paired_contrast(table[:, 1], table[:, 0]).wilcoxon
    assert found.estimate == 1030
    assert found.p_value == pytest.approx(0.40199, abs=5e-6)
    assert found.details.p_value_normal_continuity == pytest.approx(0.39928, abs=5e-6)


@pytest.mark.parametrize("n", [50, 120, 300])
def test_exact_p_of_many_pairs_equals_scipy_without_ties(n: int) -> None:
    """Oracle: scipy.stats.wilcoxon(method="exact")."""
    from scipy import stats

    difference = np.random.default_rng(n).normal(0.1, 1, n)
    found = paired_contrast(np.zeros(n), difference).wilcoxon
    expected = stats.wilcoxon(difference, method="exact").pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [50, 90])
def test_exact_p_of_many_pairs_with_ties_and_zeros_counts_whole_numbers(n: int) -> None:
    """Oracle: the number of sign patterns of each rank sum in whole numbers of any length."""
    from scipy import stats

    difference = np.random.default_rng(n).integers(-3, 5, n).astype(float)
    ranks = stats.rankdata(np.abs(difference))
    moved = [round(2 * r) for r in ranks[difference != 0]]
    ways = {0: 1}
    for rank in moved:
        grown = dict(ways)
        for total, count in ways.items():
            grown[total + rank] = grown.get(total + rank, 0) + count
        ways = grown
    seen = round(2 * ranks[difference > 0].sum())
    smaller = min(seen, sum(moved) - seen)
    tail = sum(count for total, count in ways.items() if total <= smaller)
    found = paired_contrast(np.zeros(n), difference).wilcoxon
    assert found.p_value == pytest.approx(min(1.0, 2 * tail / 2 ** len(moved)), rel=1e-9)


def test_four_differences_of_one_sign_have_an_exact_p_of_one_eighth() -> None:
    """Hand: of 2^4 signs two are as extreme, 2 / 16; ties change nothing. One zero: 2 / 8."""
    tied = paired_contrast([1.0, 2, 3, 4], [2.0, 3, 4, 6]).wilcoxon
    assert (tied.p_value, tied.details.p_value_method) == (0.125, "exact permutation")
    assert paired_contrast([1.0, 2, 3, 4], [2.0, 3, 4, 4]).wilcoxon.p_value == 0.25


@pytest.mark.parametrize("seed", range(6))
def test_exact_signed_rank_p_equals_all_signs_counted(seed: int) -> None:
    """Oracle: all 2^n signs of the ranks that are not of zeros, counted one by one."""
    from scipy import stats

    difference = np.random.default_rng(seed).integers(-2, 4, 9).astype(float)
    moved = stats.rankdata(np.abs(difference))[difference != 0]
    sums = np.array([moved @ signs for signs in product((0, 1), repeat=moved.size)])
    seen, middle = stats.rankdata(np.abs(difference))[difference > 0].sum(), moved.sum() / 2
    expected = (np.abs(sums - middle) >= abs(seen - middle) - 1e-9).mean()
    found = paired_contrast(np.zeros(9), difference).wilcoxon
    assert found.p_value == pytest.approx(expected, rel=1e-12)
    assert found.details.zeros == (difference == 0).sum()


def test_differences_that_only_rounding_parts_are_equal() -> None:
    """Thirds one apart: 7/3 - 4/3 and 4/3 - 1/3 differ in the last place; no variance to test."""
    thirds = np.array([4 / 3, 7 / 3, 1 / 3, 5 / 3, 8 / 3])
    above = np.array([7 / 3, 10 / 3, 4 / 3, 8 / 3, 11 / 3])
    assert np.ptp(above - thirds) > 0
    result = paired_contrast(thirds, above, bounds=(-2, 2))
    for name in ("t_test", "d_z", "hedges_d_z", "d_av", "equivalence"):
        assert "all differences are equal" in getattr(result, name).undefined_because
    found = bootstrap_difference(thirds, above)
    assert "all differences are equal" in found.undefined_because
    assert result.assumptions[0].holds is None


def test_rounding_makes_neither_ranks_nor_differences() -> None:
    """Hand: d = +.2, -.2, +.2 and 0 (0.1 + 0.2 - 0.3): ranks 3, 3, 3 and 1, so V = 6, one zero."""
    first, second = [0.1, 0.6, 0.3, 0.3], [0.3, 0.4, 0.5, 0.1 + 0.2]
    found = paired_contrast(first, second)
    assert (found.wilcoxon.estimate, found.wilcoxon.details.zeros) == (6.0, 1)
    assert found.rank_biserial.estimate == pytest.approx(1 / 3)


def test_small_differences_of_small_values_count_beside_large_pairs() -> None:
    """Rounding is relative to what was subtracted: 1e-9 from 2e-9 is no rounding beside 1e9."""
    found = differences(np.array([1e-9, 1e9]), np.array([2e-9, 1e9 + 1]))
    assert found.tolist() == [1e-9, 1.0]


def test_effect_sizes_by_hand() -> None:
    """d = 1, 2, 0, 2: mean 1.25, sd .9574; variances 1.6667 and 2.9167, root mean 1.5138."""
    result = paired_contrast([1.0, 2, 3, 4], [2.0, 4, 3, 6])
    assert result.d_z.estimate == pytest.approx(1.25 / np.sqrt(11 / 12))
    assert result.d_av.estimate == pytest.approx(1.25 / np.sqrt((5 / 3 + 35 / 12) / 2))
    assert (result.hedges_d_z.estimate or 0) < (result.d_z.estimate or 0)


def test_swapping_systems_turns_the_contrast_round() -> None:
    """Property: estimates and limits change sign, p-values stay."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 20), rng.normal(0.5, 1.5, 20)
    one, other = paired_contrast(a, b), paired_contrast(b, a)
    for name in ("t_test", "d_z", "d_av", "hedges_d_z", "rank_biserial"):
        x, y = getattr(one, name), getattr(other, name)
        assert x.estimate == pytest.approx(-y.estimate)
        assert x.ci_low == pytest.approx(-y.ci_high, abs=1e-9)
    assert one.wilcoxon.p_value == pytest.approx(other.wilcoxon.p_value)


def test_rows_with_a_gap_are_left_out_and_counted() -> None:
    """Hand count: two of five rows have a gap."""
    result = paired_contrast([1.0, 2, np.nan, 4, 5], [2.0, np.nan, 3, 3, 8])
    assert (result.t_test.n, result.t_test.n_missing) == (3, 2)
    assert result.groups[0].mean == pytest.approx(10 / 3)


def test_equivalence_is_shown_within_wide_bounds_only() -> None:
    """TOST: equivalent exactly when the 1 - 2 alpha interval lies within the bounds."""
    rng = np.random.default_rng(2)
    a = rng.normal(0, 1, 40)
    b = a + rng.normal(0.1, 0.5, 40)
    interval = equivalence(a, b, (-9, 9))
    assert interval.ci_level == pytest.approx(0.9)
    low, high = interval.ci_low or 0, interval.ci_high or 0
    assert equivalence(a, b, (low - 0.01, high + 0.01)).details.equivalent == "yes"
    assert equivalence(a, b, (low - 0.01, high - 0.01)).details.equivalent == "not shown"
    assert paired_contrast(a, b).equivalence is None


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_equals_scipy_within_its_own_noise(method: str) -> None:
    """scipy.stats.bootstrap with as many replicates, at the level of the expanded tails (Hesterberg
    2015: the normal tail at sqrt(n / (n - 1)) t); 4 % of the interval's width."""
    from scipy import stats

    rng = np.random.default_rng(3)
    difference = rng.exponential(2, 30) - 1
    own = bootstrap_difference(np.zeros(30), difference, method=method, bootstrap=Bootstrap(9999))
    theirs = stats.bootstrap(
        (difference,),
        np.mean,
        n_resamples=9999,
        method=method,
        rng=np.random.default_rng(4),
        confidence_level=1 - 2 * stats.norm.sf(np.sqrt(30 / 29) * stats.t.ppf(0.975, 29)),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert own.ci_low == pytest.approx(theirs.low, abs=0.04 * width)
    assert own.ci_high == pytest.approx(theirs.high, abs=0.04 * width)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("pairs", [2, 3, 4])
def test_two_to_four_pairs_have_no_bootstrap_interval(method: str, pairs: int) -> None:
    """Property: no draw lies beyond the values seen; the t interval stands beside it."""
    second = np.array([1.0, 2.0, 4.0, 8.0])[:pairs]
    found = bootstrap_difference(np.zeros(pairs), second, method=method)
    assert found.estimate == second.mean() and found.ci_low is None and found.ci_high is None
    assert f"{pairs} raters are too few" in found.ci_method
    assert paired_contrast(np.zeros(pairs), second).t_test.ci_low is not None


def test_a_hundred_thousand_pairs_are_drawn_in_little_memory() -> None:
    """Oracle: tracemalloc's peak. All 9,999 draws at once would take 8 GB; the reader of the table and
    the t test beside it take what is left up to half a GB."""
    import tracemalloc

    rng = np.random.default_rng(1)
    first, second = rng.normal(size=100_000), rng.normal(0.1, 1, size=100_000)
    tracemalloc.start()
    try:
        # Memory does not grow with the number of draws, only the time does.
        found = bootstrap_difference(first, second, bootstrap=Bootstrap(200))
        paired_contrast(first, second)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.ci_low is not None and peak < 200e6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_contrast([1, 2], [1]), "first has 2 values and second has 1"),
        (lambda: equivalence([1, 2], [2, 2], (1, -1)), "the lower one first"),
        (lambda: bootstrap_difference([1, 2], [2, 4], method="normal"), "percentile, bca"),
        (lambda: bootstrap_difference([1, 2], [2, 4], bootstrap=Bootstrap(0)), "at least 2"),
    ],
)
def test_unusable_input_is_refused_in_a_sentence(call: object, message: str) -> None:
    """The error says what, which value and what was expected."""
    with pytest.raises(AnalysisError, match=message):
        call()  # type: ignore[operator]
