"""The calibration itself: seeded, and able to tell a right method from a wrong one."""

from __future__ import annotations

import pytest

from analysis.calibration import Calibration, calibrate


def one(rows: list[Calibration], method: str) -> Calibration:
    """The row of a method."""
    return next(row for row in rows if row.method.startswith(method))


def test_the_same_seed_gives_the_same_rates_with_any_number_of_workers() -> None:
    first = calibrate(520, seed=3, workers=1, only="share")
    second = calibrate(520, seed=3, workers=2, only="share")
    assert first == second


def test_random_responses_mend_the_false_positives_of_differing_responses() -> None:
    """Simulation: without the term about 19 of 100 draws without an effect reject; with it about 5. At
    60 draws: 0.08 is four standard errors under the first and 0.2 five over the second."""
    without = one(calibrate(240, only="no responses"), "Linear mixed model")
    assert not without.assumptions_hold and without.runs == 60
    assert without.rate > 0.08
    rows = calibrate(240, only="random responses")
    assert one(rows, "Linear mixed model").rate < min(0.2, without.rate)


def test_a_right_method_is_near_its_level_and_a_wrong_one_is_not() -> None:
    """Property: at 400 draws the rate of a 5 % test lies within five standard errors of 5 %; ratings
    taken for independent, with a rater variance of a fifth of the total, reject far too often."""
    wrong = one(calibrate(200, only="pooled"), "Student t test on ratings")
    assert wrong.rate > 0.2
    right = one(calibrate(200, only="Student, unequal"), "Student t test, smaller")
    assert right.rate > 0.08
    shares = one(calibrate(400, only="share"), "Wilson")
    assert shares.rate == pytest.approx(0.95, abs=5 * 0.011)
