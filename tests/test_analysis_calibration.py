"""The calibration itself: seeded, and able to tell a right method from a wrong one."""

from __future__ import annotations

import pytest

from analysis.calibration.tests_and_intervals import Calibration, calibrate


def one(rows: list[Calibration], method: str) -> Calibration:
    """The row of a method."""
    return next(row for row in rows if row.method.startswith(method))


def test_the_same_seed_gives_the_same_rates_with_any_number_of_workers() -> None:
    first = calibrate(520, seed=3, workers=1, only="share")
    second = calibrate(520, seed=3, workers=2, only="share")
    assert first == second


@pytest.mark.slow
def test_random_responses_mend_the_false_positives_of_differing_responses() -> None:
    """Simulation: without the term about 19 of 100 draws without an effect reject; with it about 5. At
    60 draws: 0.08 is four standard errors under the first and 0.2 five over the second."""
    without = one(calibrate(240, only="no responses"), "Linear mixed model")
    assert not without.assumptions_hold and without.runs == 60
    assert without.rate > 0.08
    rows = calibrate(240, only="random responses")
    assert one(rows, "Linear mixed model").rate < min(0.2, without.rate)


@pytest.mark.slow
def test_a_declared_model_mends_what_paired_totals_do_where_responses_differ() -> None:
    """Simulation: paired totals reject two in five draws without an effect; the declared linear
    model about 5 of 100. 0.25 is six standard errors under the first at 400 draws, and five above
    the second at 40."""
    paired = one(calibrate(400, only="paired totals, 36 x 10 x 2", workers=1), "Paired t test")
    assert not paired.assumptions_hold and paired.runs == 400
    declared = calibrate(40, only="declared linear, 12 x 5 x 3", workers=1)
    assert all(row.assumptions_hold and row.undefined == 0 for row in declared)
    assert one(declared, "Declared linear").rate < 0.25 < paired.rate


@pytest.mark.slow
def test_a_right_method_is_near_its_level_and_a_wrong_one_is_not() -> None:
    """Property: at 400 draws the rate of a 5 % test lies within five standard errors of 5 %; ratings
    taken for independent, with a rater variance of a fifth of the total, reject far too often."""
    wrong = one(calibrate(200, only="pooled"), "Student t test on ratings")
    assert wrong.rate > 0.2
    right = one(calibrate(200, only="Student, unequal"), "Student t test, smaller")
    assert right.rate > 0.08
    shares = one(calibrate(400, only="share"), "Wilson")
    assert shares.rate == pytest.approx(0.95, abs=5 * 0.011)


def test_plain_percentiles_of_three_clusters_hold_three_times_in_four() -> None:
    """Hand: the limits of a 95 % interval are nearly the least and the largest of three values, which
    hold the middle unless all three lie on one side: 1 - 2 / 8. Five standard errors at 200 draws."""
    rows = calibrate(800, only="few clusters, plain", workers=1)
    three = one(rows, "Plain bootstrap percentiles, 3 clusters")
    assert three.runs == 200 and not three.assumptions_hold
    assert three.rate == pytest.approx(0.75, abs=5 * 0.031)
    assert one(rows, "Plain bootstrap percentiles, 30 clusters").rate > three.rate


@pytest.mark.slow
def test_expanded_intervals_of_few_clusters_hold_more_often_than_plain_percentiles() -> None:
    """Simulation: with five clusters 84 of 100 for plain percentiles of a mean; at 60 draws four in
    five hold, and no statistic of thirty clusters is far from its level."""
    rows = calibrate(240, only="few clusters", workers=1)
    assert all(row.assumptions_hold for row in rows)
    assert one(rows, "Expanded bootstrap interval, 5 clusters: mean of normal").rate > 0.8
    thirty = [row for row in rows if " 30 clusters" in row.method]
    assert len(thirty) == 7 and all(row.rate > 0.8 for row in thirty)
