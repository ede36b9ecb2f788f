"""Two groups: the published tables of the EAI study, other packages, and properties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.compare import compare_groups, compare_summaries
from analysis.effect_sizes import Summary, noncentral_t_cdf, noncentrality_interval
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
    assert round(result.student.details["t"], 4) == student_t
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
    assert round(welch.details["df"], 3) == 13.021
    assert round(welch.details["t"], 4) == 1.7581


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
    """scipy's brunnermunzel and mannwhitneyu on tied ratings."""
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
