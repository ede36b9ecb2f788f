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


def test_a_right_method_is_near_its_level_and_a_wrong_one_is_not() -> None:
    """Property: at 400 draws the rate of a 5 % test lies within five standard errors of 5 %; ratings
    taken for independent, with a rater variance of a fifth of the total, reject far too often."""
    wrong = one(calibrate(200, only="pooled"), "Student t test on ratings")
    assert wrong.rate > 0.2
    right = one(calibrate(200, only="Student, unequal"), "Student t test, smaller")
    assert right.rate > 0.08
    shares = one(calibrate(400, only="share"), "Wilson")
    assert shares.rate == pytest.approx(0.95, abs=5 * 0.011)
