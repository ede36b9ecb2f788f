"""Two groups: the published tables of the EAI study, other packages, and properties."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.contrasts.assumptions import equal_variances, normality
from analysis.contrasts.effect_sizes import Summary, noncentral_t_cdf, noncentrality_interval
from analysis.contrasts.two_groups import compare_groups, compare_summaries
from study.errors import AnalysisError

PAPERS = Path(__file__).parent / "reference" / "papers"


def _published(table: int) -> tuple[Summary, Summary, float]:
    rows = pd.read_csv(PAPERS / "eai_groups_tables5_7.csv").query(f"table == {table}")
    first, second = (
        Summary(str(r["group"]), int(r["n"]), float(r["mean"]), float(r["sd"]))
        for _, r in rows.iterrows()
    )
    return first, second, float(rows["p_printed"].iloc[0])


@pytest.mark.parametrize(
    ("table", "student_t", "student_p", "welch_p", "g", "low", "high"),
    [
        (5, 0.9831, 0.3325, 0.3700, 0.358, -0.363, 1.073),
        (7, 2.0084, 0.0526, 0.1022, 0.731, -0.008, 1.459),
    ],
)
def test_published_groups_of_the_eai_study(
    table: int,
    student_t: float,
    student_p: float,
    welch_p: float,
    g: float,
    low: float,
    high: float,
) -> None:
    """Printed p-values, and R's t, Welch p and Hedges g (tests/reference notes of the tables)."""
    first, second, printed = _published(table)
    result = compare_summaries(first, second)
    assert round(result.student.p_value or 0, 3) == printed
    assert round(result.student.details.t, 4) == student_t
    assert round(result.student.p_value or 0, 4) == student_p
    assert round(result.welch.p_value or 0, 4) == welch_p
    found = result.hedges_g
    assert [round(v or 0, 3) for v in (found.estimate, found.ci_low, found.ci_high)] == [
        g,
        low,
        high,
    ]


def test_welch_of_table_7_has_the_published_degrees_of_freedom() -> None:
    """R: t(13.021) = 1.7581."""
    welch = compare_summaries(*_published(7)[:2]).welch
    assert round(welch.details.df, 3) == 13.021
    assert round(welch.details.t, 4) == 1.7581


def test_raw_values_and_their_summaries_agree() -> None:
    """Property: the t tests and effect sizes need no more than n, mean and sd."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(0.4, 1, 17), rng.normal(0, 2, 9)
    raw = compare_groups(x, y)
    told = compare_summaries(
        Summary("x", 17, x.mean(), x.std(ddof=1)), Summary("y", 9, y.mean(), y.std(ddof=1))
    )
    for name in ("student", "welch", "hedges_g", "glass_delta", "hedges_g_average_variance"):
        one, other = getattr(raw, name), getattr(told, name)
        assert one.ci_low == pytest.approx(other.ci_low, abs=1e-12)
        assert one.estimate == pytest.approx(other.estimate, abs=1e-12)


def test_declared_test_is_marked_whatever_the_checks_say() -> None:
    """Groups of very unequal variance: Levene speaks against it, Student stays the planned one."""
    x, y = np.array([1.0, 2, 3, 2, 1, 2, 3, 2]), np.array([1.0, 60, -50, 30, -20, 9, 40, -33])
    result = compare_groups(x, y, planned="student")
    assert result.planned_test is result.student
    assert [a.holds for a in result.assumptions][-1] is False


@pytest.mark.parametrize("seed", range(4))
def test_rank_tests_equal_scipy(seed: int) -> None:
    """scipy's brunnermunzel and mannwhitneyu on tied ratings; 37 are many."""
    from scipy import stats

    rng = np.random.default_rng(seed)
    x, y = rng.integers(1, 6, 26).astype(float), rng.integers(2, 6, 11).astype(float)
    result = compare_groups(x, y)
    assert result.brunner_munzel.p_value == pytest.approx(
        stats.brunnermunzel(x, y).pvalue, rel=1e-10
    )
    expected = stats.mannwhitneyu(x, y, method="asymptotic")
    assert result.mann_whitney.estimate == expected.statistic
    assert result.mann_whitney.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    superiority = np.mean(x[:, None] > y[None, :]) + np.mean(x[:, None] == y[None, :]) / 2
    assert result.brunner_munzel.estimate == pytest.approx(superiority, abs=1e-12)
    assert result.cliffs_delta.estimate == pytest.approx(2 * superiority - 1, abs=1e-12)


@pytest.mark.parametrize("sizes", [(3, 3), (4, 9), (20, 13), (49, 30)])
def test_mann_whitney_without_ties_is_exact_as_in_r(sizes: tuple[int, int]) -> None:
    """scipy's exact p; R's wilcox.test takes it too when both groups are smaller than 50."""
    from scipy import stats

    rng = np.random.default_rng(sum(sizes))
    x, y = rng.normal(0, 1, sizes[0]), rng.normal(0.6, 1, sizes[1])
    found = compare_groups(x, y).mann_whitney
    assert found.p_value == pytest.approx(
        stats.mannwhitneyu(x, y, method="exact").pvalue, rel=1e-10
    )
    assert found.details.p_value_method == "exact permutation"
    many = compare_groups(rng.normal(0, 1, 50), y).mann_whitney
    assert many.details.p_value_method == "normal approximation with continuity correction"


def test_mann_whitney_of_three_apart_from_three_by_hand() -> None:
    """Hand: of 20 ways to choose three of six two are as extreme, p = .1; R: wilcox.test gives 0.1."""
    assert compare_groups([1, 2, 3], [4, 5, 7]).mann_whitney.p_value == pytest.approx(0.1)


@pytest.mark.parametrize("seed", range(5))
def test_mann_whitney_of_few_tied_values_counts_all_choices(seed: int) -> None:
    """Oracle: every choice of four of eleven midranks, one by one."""
    from scipy import stats

    rng = np.random.default_rng(seed)
    x, y = rng.integers(1, 4, 4).astype(float), rng.integers(1, 6, 7).astype(float)
    ranks = stats.rankdata(np.concatenate([x, y]))
    sums = np.array([sum(chosen) for chosen in combinations(ranks, 4)])
    expected = (np.abs(sums - 24) >= abs(ranks[:4].sum() - 24) - 1e-9).mean()
    found = compare_groups(x, y).mann_whitney
    assert found.p_value == pytest.approx(expected, rel=1e-12)
    assert found.details.p_value_exact == found.p_value


def test_mann_whitney_z_and_its_p_have_the_same_correction() -> None:
    """Property: p is twice the normal tail beyond z, as printed, and z has U's sign."""
    from scipy import stats

    rng = np.random.default_rng(9)
    x, y = rng.integers(1, 6, 26).astype(float), rng.integers(2, 6, 11).astype(float)
    found = compare_groups(x, y).mann_whitney
    z = found.details.z
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-12)
    assert (z < 0) == ((found.estimate or 0) < 26 * 11 / 2)


def test_rounding_is_neither_variance_nor_rank() -> None:
    """0.1 + 0.2 is 0.30000000000000004: tied with 0.3. Three times 0.1 has a mean that is off too."""
    result = compare_groups([0.1, 0.1, 0.1], [0.3, 0.1 + 0.2, 0.3])
    for name in ("student", "welch", "hedges_g", "cohens_d", "glass_delta"):
        assert getattr(result, name).undefined_because
    assert result.groups[0].sd == result.groups[1].sd == 0.0
    tied = compare_groups([0.1, 0.2, 0.1 + 0.2], [0.1, 0.2, 0.3])
    assert (tied.mann_whitney.estimate, tied.cliffs_delta.estimate) == (4.5, 0.0)
    noise = Summary("a", 5, 0.1, 1.7e-17)
    assert compare_summaries(noise, Summary("b", 5, 0.3, 0.0)).hedges_g.undefined_because


def test_small_values_beside_large_ones_keep_their_spread() -> None:
    """What rounding parts is relative to each value: 1e-9 and 3e-9 differ beside 1e9."""
    result = compare_groups([1e-9, 2e-9, 3e-9], [1e9, 2e9, 4e9])
    assert result.groups[0].sd == pytest.approx(1e-9)


def test_values_too_large_to_square_are_refused_in_words() -> None:
    """1e300 squared is no number; the largest size that is taken gives finite results, no warning."""
    with pytest.raises(AnalysisError, match=r"a: 1e\+300 is too large to compute with"):
        compare_groups([1e300, 2e300, 3.0], [1.0, 2, 4], names=("a", "b"))
    with pytest.raises(AnalysisError, match=r"a: 1e\+200 is too large"):
        compare_summaries(Summary("a", 5, 1e200, 1.0), Summary("b", 5, 1.0, 1.0))
    assert compare_groups([1e50, 2e49, 3], [1.0, 2, 4]).welch.estimate is not None


def test_checks_are_figures_with_their_role_and_say_when_there_are_none() -> None:
    """scipy's shapiro in the house format; three values, or equal ones, give none."""
    from scipy import stats

    values = np.array([1.0, 1.0, 1.5, 3.0])
    w, p = stats.shapiro(values)
    shown = f"{p:.3f}".removeprefix("0")
    assert normality(values, "x").evidence == (
        f"Shapiro-Wilk W = {w:.3f}, p = {shown} (shown, not used to choose the test)"
    )
    far = np.concatenate([np.arange(30.0), [1e4]])
    assert "p < .001 (shown" in normality(far, "x").evidence
    for few, why in (([1.0, 2, 2], "3 values are too few"), ([3.0] * 4, "all values are equal")):
        check = normality(np.array(few), "x")
        assert check.holds is None and why in check.evidence
    assert normality(np.random.default_rng(1).normal(size=5001), "x").holds is None
    assert "at least two" in equal_variances(("x", "y"), values, values[:1]).evidence


def test_swapping_groups_turns_every_effect_round() -> None:
    """Property: estimates and limits change sign."""
    x, y = [1.0, 3, 4, 4, 5], [2.0, 2, 3, 1]
    one, other = compare_groups(x, y), compare_groups(y, x)
    for name in ("student", "welch", "hedges_g", "cohens_d", "cliffs_delta", "rank_biserial"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.estimate == pytest.approx(-b.estimate)
        assert a.ci_low == pytest.approx(-b.ci_high, abs=1e-9)


def test_missing_values_are_counted_not_dropped_in_silence() -> None:
    """Hand count: one gap in each group."""
    result = compare_groups([1, 2, np.nan, 3], [np.nan, 2, 4])
    assert (result.student.n, result.student.n_missing) == (5, 2)
    assert [g.n_missing for g in result.groups] == [1, 1]


@pytest.mark.parametrize("df", [1.0, 1.3, 2.0, 9.5, 34.0, 400.0])
@pytest.mark.parametrize("ncp", [-3.0, 0.0, 0.7, 5.0])
def test_noncentral_t_equals_scipy_where_scipy_is_sound(df: float, ncp: float) -> None:
    """scipy.stats.nct within two standard errors of the middle."""
    from scipy import stats

    for t in np.linspace(ncp - 2, ncp + 2, 7):
        expected = stats.nct.cdf(t, df, ncp)
        assert noncentral_t_cdf(float(t), df, ncp) == pytest.approx(expected, abs=1e-9)


def test_noncentrality_limits_have_the_tail_probabilities_that_define_them() -> None:
    """Definition, also where an effect is so large that scipy's function fails."""
    for t, df in ((2.1, 34.0), (-0.3, 7.0), (650.0, 4.0), (45.0, 1.0)):
        low, high = noncentrality_interval(t, df, 0.95)
        assert noncentral_t_cdf(t, df, low) == pytest.approx(0.975, abs=1e-8)
        assert noncentral_t_cdf(t, df, high) == pytest.approx(0.025, abs=1e-8)


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (Summary("g", 0, 1.0, 1.0), "n"),
        (Summary("g", 5, 1.0, -1.0), "standard deviation"),
        (Summary("g", 5, None, 1.0), "mean"),
    ],
)
def test_impossible_summaries_are_refused(summary: Summary, message: str) -> None:
    """An error names the group and what is wrong."""
    with pytest.raises(AnalysisError, match=f"g: {message}"):
        compare_summaries(summary, Summary("h", 5, 1.0, 1.0))
