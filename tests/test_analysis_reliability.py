"""Reliability and polychoric correlations against definitions; R's numbers are elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.chapters.rated_units import RatedUnits
from analysis.reliability.consistency import (
    pairwise_correlation,
    pairwise_covariance,
    scale_reliability,
)
from analysis.reliability.omega import omega_minres, omega_ml, omega_ordinal
from analysis.reliability.omega_bootstrap import bootstrap_omega, omegas
from analysis.reliability.polychoric import bivariate_normal, polychoric
from analysis.resampling import Bootstrap
from analysis.tables.agreement import agreement_of
from analysis.tables.annotation import emotion_of
from analysis.tables.reliability import reliability_of

STATS = Path(__file__).parent / "reference" / "stats"
POINTS = [1, 2, 3, 4, 5]


def test_alpha_of_two_items_is_the_spearman_brown_correlation_of_equal_variances() -> None:
    """Hand: with equal variances alpha = 2 r / (1 + r)."""
    table = np.array([[1.0, 2], [2, 1], [3, 4], [4, 3]])
    r = np.corrcoef(table.T)[0, 1]
    assert scale_reliability(table).alpha.estimate == pytest.approx(2 * r / (1 + r))


def test_parallel_items_have_equal_alpha_and_omega() -> None:
    """Property: alpha equals omega when all correlations are equal (here exactly)."""
    rng = np.random.default_rng(1)
    raw = rng.normal(size=(60, 4))
    white = np.linalg.solve(np.linalg.cholesky(np.cov(raw.T)), (raw - raw.mean(0)).T).T
    table = white @ np.linalg.cholesky(np.full((4, 4), 0.4) + 0.6 * np.eye(4)).T
    alpha = scale_reliability(table).alpha.estimate
    assert alpha == pytest.approx(4 * 0.4 / (1 + 3 * 0.4))
    assert omega_minres(table).estimate == pytest.approx(alpha, abs=1e-7)
    assert omega_ml(table).estimate == pytest.approx(alpha, abs=1e-6)
    assert omega_ml(table, standardised=True).estimate == pytest.approx(alpha, abs=1e-6)


def test_item_that_runs_against_the_others_is_named() -> None:
    """A reversed item has a negative correlation with the rest, and its removal helps."""
    table = pd.read_csv(STATS / "scale.csv")
    table["q3"] = 6 - table["q3"]
    result = scale_reliability(table)
    assert result.reversed_items == ("q3",)
    without = next(i for i in result.items if i.item == "q3").without
    assert without is not None
    assert without.raw_alpha > (result.alpha.estimate or 0)


def test_covariances_with_gaps_equal_pandas() -> None:
    """pandas' pairwise cov and corr."""
    table = pd.read_csv(STATS / "scale_missing.csv")
    assert np.allclose(pairwise_covariance(table.to_numpy()), table.cov())
    assert np.allclose(pairwise_correlation(table.to_numpy()), table.corr())


def test_bivariate_normal_equals_scipy_and_the_orthant_formula() -> None:
    """P(X < 0, Y < 0) = 1/4 + asin(r) / (2 pi); scipy elsewhere."""
    from scipy import stats

    zero = np.array([0.0])
    for r in (-0.95, -0.3, 0.0, 0.5, 0.98):
        expected = 0.25 + np.arcsin(r) / (2 * np.pi)
        assert bivariate_normal(zero, zero, r)[0, 0] == pytest.approx(expected, abs=1e-12)
    h, k = np.array([-1.2, 0.4]), np.array([-0.3, 2.0])
    grid = bivariate_normal(h, k, 0.6)
    for i, j in np.ndindex(2, 2):
        expected = stats.multivariate_normal.cdf([h[i], k[j]], cov=[[1, 0.6], [0.6, 1]])
        assert grid[i, j] == pytest.approx(expected, abs=1e-7)


def test_polychoric_finds_the_correlation_behind_cut_normals() -> None:
    """Simulated: 20,000 pairs with r = .6, cut into five points; two standard errors."""
    rng = np.random.default_rng(2)
    x = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 20_000)
    table = np.digitize(x, [-1.5, -0.5, 0.2, 1.0]) + 1.0
    found = polychoric(table, POINTS)
    error = np.sqrt(found.variance[0, 1])
    assert 0.003 < error < 0.008
    assert abs(found.correlation[0, 1] - 0.6) < 2 * error


def test_variance_of_a_polychoric_correlation_is_its_spread_over_samples() -> None:
    """Simulated: standard deviation of 300 estimates against the mean standard error."""
    rng = np.random.default_rng(3)
    estimates, errors = [], []
    for _ in range(300):
        x = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 300)
        found = polychoric(np.digitize(x, [-0.8, 0.3]) + 1.0)
        estimates.append(found.correlation[0, 1])
        errors.append(np.sqrt(found.variance[0, 1]))
    assert np.std(estimates) == pytest.approx(np.mean(errors), rel=0.12)


def test_unused_points_change_no_polychoric_correlation() -> None:
    """A point without answers has no threshold."""
    table = pd.read_csv(STATS / "scale.csv").to_numpy(float)
    one, other = omega_ordinal(table, POINTS), omega_ordinal(table, range(1, 8))
    assert one.estimate == other.estimate


def test_bootstrap_gives_omega_an_interval_about_the_estimate() -> None:
    """Property, and the same seed gives the same interval."""
    table = pd.read_csv(STATS / "scale.csv").to_numpy(float)
    one, same = (bootstrap_omega(table, Bootstrap(60)) for _ in range(2))
    assert (one.ci_low or 1) < (one.estimate or 0) < (one.ci_high or 0)
    assert one.ci_low == same.ci_low


def test_omega_bootstrap_equals_omega_of_each_draw() -> None:
    """Oracle: `omega_minres` on the drawn rows themselves, one replicate at a time, with gaps."""
    rng = np.random.default_rng(7)
    table = rng.normal(0, 1, (40, 1)) + rng.normal(0, 0.8, (40, 5))
    table[rng.random(table.shape) < 0.05] = np.nan
    found = bootstrap_omega(table, Bootstrap(40, seed=11))
    drawn = np.random.default_rng(11).integers(0, 40, size=(40, 40))
    values = [omega_minres(table[chosen]).estimate for chosen in drawn]
    out = np.sqrt(40 / 39) * stats.t.ppf(0.975, 39)
    low, high = np.quantile(values, stats.norm.cdf([-out, out]))
    assert found.estimate == omega_minres(table).estimate
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=1e-6)
    assert found.ci_method == "percentile bootstrap of people, expanded, 40 replicates"


def test_omega_bootstrap_of_too_little_says_why() -> None:
    """Two items give no factor; a bootstrap of few people covers too seldom (simulated: 73 % of 5)."""
    assert "at least three items" in bootstrap_omega(np.ones((5, 2))).undefined_because
    table = pd.read_csv(STATS / "scale.csv").to_numpy(float)
    few, enough = bootstrap_omega(table[:9], Bootstrap(50)), bootstrap_omega(table, Bootstrap(50))
    assert few.estimate is not None and few.ci_low is None
    assert "9 people are too few to draw again, 10 are needed" in few.ci_method
    assert enough.ci_low is not None and (enough.ci_high or 2) <= 1


# One factor fits this without residuals: the products of its loadings 2, 0.4 and 0.3 are its
# correlations 0.8, 0.6 and 0.12, so the first item's unique variance is 1 - 4 = -3.
HEYWOOD = np.array([[1, 0.8, 0.6], [0.8, 1, 0.12], [0.6, 0.12, 1]])


def _with_correlations(matrix: np.ndarray, n: int = 12) -> np.ndarray:
    """A table whose correlations are these to the last place."""
    raw = np.random.default_rng(3).normal(size=(n, len(matrix)))
    raw -= raw.mean(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(raw.T @ raw), raw.T).T
    return white @ np.linalg.cholesky(matrix).T


def test_omega_of_a_heywood_case_is_undefined_and_names_the_item() -> None:
    """Hand: 1 - (1 - 4 + 1 - .16 + 1 - .09) / (3 + 2 * 1.52) = 1.207, which is no share."""
    table = pd.DataFrame(_with_correlations(HEYWOOD), columns=["calm", "heard", "safe"])
    found = omega_minres(table)
    assert found.estimate is None
    for told in ("Heywood case", "calm has the loading 2 ", "omega would be 1.207"):
        assert told in found.undefined_because
    assert bootstrap_omega(table).undefined_because == found.undefined_because


def test_omega_of_items_that_run_apart_is_undefined_and_says_so() -> None:
    """Hand: equal correlations r = -.3 of three items have no factor; omega = 1 - 3 / 1.2 = -1.5."""
    apart = omega_minres(_with_correlations(np.eye(3) * 1.3 - 0.3))
    assert apart.estimate is None and "0 to 1" in apart.undefined_because


def test_improper_omega_within_bounds_is_marked() -> None:
    """A Heywood case whose other items make up for it: omega stands, with a word about it."""
    loading = np.array([1.05, 0.6, 0.5, 0.5])
    matrix = np.outer(loading, loading)
    np.fill_diagonal(matrix, 1.0)
    found = omega_minres(_with_correlations(matrix))
    unique = 1 - loading**2
    assert found.estimate == pytest.approx(1 - unique.sum() / matrix.sum(), abs=1e-6)
    assert "improper solution (Heywood case)" in found.ci_method


def _ordered(*columns: list[int]) -> pd.DataFrame:
    return pd.DataFrame(np.array(columns).T, columns=[f"q{i}" for i in range(len(columns))])


Q01 = "q0 with q1"


@pytest.mark.parametrize(
    ("items", "pair"),
    [
        (pd.read_csv(STATS.parent / "edges" / "three_people.csv"), "q0 with q2"),
        # Two items answered alike, and one the other way round.
        (_ordered([1, 2, 3, 4, 5, 5, 1, 2], [1, 2, 3, 4, 5, 5, 1, 2], [2, 1, 3, 3, 4, 5, 2, 1]), Q01),
        (_ordered([1, 2, 3, 4, 5, 1], [5, 4, 3, 2, 1, 5], [1, 3, 2, 4, 4, 2], [1, 2, 4, 4, 3, 1]), Q01),
        # A cross-table with an empty corner: no answer contradicts the order.
        (_ordered([1, 1, 2, 2, 2, 1], [1, 1, 2, 2, 1, 1], [1, 2, 2, 1, 2, 1]), Q01),
    ],
)  # fmt: skip
def test_ordinal_omega_from_a_correlation_at_its_bound_is_improper(
    items: pd.DataFrame, pair: str
) -> None:
    """Oracle: Olsson 1979: with concordant answers or an empty corner of a 2 x 2 table the likelihood
    rises up to a correlation of 1 (or -1), which is no maximum within."""
    assert len(polychoric(items, POINTS).at_bound) >= 1
    found = omega_ordinal(items, POINTS)
    if found.estimate is not None:
        assert found.details.improper == "yes"
        assert "improper solution" in found.ci_method and pair in found.ci_method


def test_ordinal_omega_of_ordinary_answers_is_proper() -> None:
    """Property: the reference scale of 36 people has no correlation at its bound."""
    found = omega_ordinal(pd.read_csv(STATS / "scale.csv"), POINTS)
    assert found.details.improper == "no" and "improper" not in found.ci_method


def test_figures_of_different_people_in_one_table_are_said() -> None:
    """Hand count of scale_missing.csv: 36 people answered something, 17 everything."""
    frame = pd.read_csv(STATS / "scale_missing.csv")
    (said,) = reliability_of(frame, POINTS).notes or ()
    assert int(frame.notna().all(axis=1).sum()) == 17
    assert "n = 36 (person, pairwise" in said and "n = 17 (person, listwise" in said
    assert not reliability_of(frame.dropna(), POINTS).notes


def test_complete_units_beside_all_units_are_said_in_tables_of_agreement_and_labels() -> None:
    """Hand counts: 5 of the 60 units of A_missing.csv have all ratings; the labels below have 3 and 4."""
    frame = pd.read_csv(STATS / "A_missing.csv")
    rated = RatedUnits(frame.to_numpy(), POINTS, Bootstrap())
    notes = {b.title: b.notes or () for b in agreement_of(rated)}
    for title in ("Intraclass correlations (complete)", "Concordance of ranks"):
        assert "5 units that every rater rated" in notes[title][0] and "60 units" in notes[title][0]
    assert not notes["Intraclass correlations (mixed model)"]
    labels = pd.DataFrame(
        {
            "reference": list("abab"),
            "m1": ["a", "b", None, "a"],
            "m2": list("abbb"),
            "m3": list("abab"),
        }
    )
    *scores, together = emotion_of(labels)
    assert all("m1 against the reference n = 3" in (b.notes or ("",))[-1] for b in scores)
    (said,) = together.notes or ()
    assert "n = 3" in said and "n = 4" in said


def test_draws_beyond_0_to_1_are_undefined_and_many_of_them_leave_no_interval() -> None:
    """Hand: the Heywood case above as a draw; parallel items with r = .5 have omega 3 r / (1 + 2 r)."""
    parallel = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    values = omegas(np.stack([HEYWOOD, parallel]))
    assert np.isnan(values[0]) and values[1] == pytest.approx(0.75)
    rng = np.random.default_rng(6)
    table = np.round(rng.normal(0, 0.5, (11, 1)) + rng.normal(0, 1, (11, 3)))
    table[0] = [9, 9, 9]
    found = bootstrap_omega(table, Bootstrap(200, seed=1))
    undefined = found.details.replicates_undefined
    assert undefined > 20 and found.ci_low is None
    assert found.ci_method.startswith(
        f"none: the statistic is undefined in {undefined} of 200 draws"
    )


def test_standardised_alpha_of_correlations_that_cancel_is_undefined() -> None:
    """Hand: three directions 120 degrees apart, all r = -.5, so the standardised items sum to 0.

    With spreads 1, 1 and 4 the sum varies: raw alpha is 1.5 (1 - 18 / 9) = -1.5.
    """
    turns = np.array([0, 2 * np.pi / 3, 4 * np.pi / 3])
    directions = np.stack([np.cos(turns), np.sin(turns)])
    result = scale_reliability(_with_correlations(np.eye(2)) @ directions * [1.0, 1.0, 4.0])
    assert result.alpha.estimate == pytest.approx(-1.5)
    assert "cancel out" in result.alpha_standardised.undefined_because
    assert result.items[0].r_total_standardised is None


def test_covariances_from_other_people_that_contradict_each_other_give_no_alpha() -> None:
    """Hand: two people answered a and b, 0 and 10, covariance 50; beside all others each varies by 3.8."""
    n = np.nan
    shared, of_a, of_b = (
        [[0, 0, n], [10, 10, n]],
        [[5, n, 5], [5.1, n, 5.1]],
        [[n, 5, 5], [n, 5.1, 5.1]],
    )
    table = np.array(shared + 6 * of_a + 6 * of_b)
    assert pairwise_covariance(table)[0, 1] == pytest.approx(50)
    assert pairwise_covariance(table)[0, 0] < 4
    assert "contradict each other" in scale_reliability(table).alpha.undefined_because


def test_a_correlation_above_1_from_different_people_is_none() -> None:
    """Hand: item 3 would correlate 1.17 with the rest, and items 1 and 3 have an alpha of 1.10."""
    n = np.nan
    rows = [[1, n, 2], [2, 3, n], [n, 3, 3], [4, 5, 4], [5, 4, 5], [2, 1, 2]]
    c = pairwise_covariance(np.array(rows))
    assert (c[2, 0] + c[2, 1]) / np.sqrt(c[2, 2] * c[:2, :2].sum()) == pytest.approx(
        1.1679, abs=1e-4
    )
    outer = c[np.ix_([0, 2], [0, 2])]
    assert 2 * (1 - np.trace(outer) / outer.sum()) == pytest.approx(1.0959, abs=1e-4)
    result = scale_reliability(np.array(rows))
    assert result.alpha.estimate is not None
    assert [item.r_rest is None for item in result.items] == [True, False, True]
    assert [item.without is None for item in result.items] == [False, True, False]
    block = reliability_of(pd.DataFrame(rows, columns=["i1", "i2", "i3"]), None)
    assert "No correlation of i1, i3 with the rest" in " ".join(block.notes or ())
