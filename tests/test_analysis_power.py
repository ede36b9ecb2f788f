"""Power against statsmodels, definitions and simulation; R's pwr is elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.agreement.two_raters import cohen_kappa
from analysis.contrasts.power import (
    cohen_kappa_n,
    paired_t_n,
    paired_t_power,
    two_sample_t_n,
    two_sample_t_power,
)
from study.errors import AnalysisError


@pytest.mark.parametrize("d", [0.2, 0.5, 1.1])
def test_power_equals_statsmodels(d: float) -> None:
    """statsmodels.stats.power, paired and two samples of unequal size."""
    from statsmodels.stats.power import TTestIndPower, TTestPower

    assert paired_t_power(20, d).power == pytest.approx(TTestPower().power(d, 20, 0.05))
    expected = TTestIndPower().power(d, 15, 0.05, ratio=2)
    assert two_sample_t_power(15, 30, d).power == pytest.approx(expected)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_needed_n_has_the_power_asked_for(power: float) -> None:
    """Property: the two functions undo one another."""
    assert paired_t_power(paired_t_n(0.4, power=power).n, 0.4).power == pytest.approx(power)
    n = two_sample_t_n(-0.4, power=power).n
    assert two_sample_t_power(n, n, -0.4).power == pytest.approx(power)


def test_no_effect_is_found_as_often_as_alpha() -> None:
    """Definition of the level."""
    assert paired_t_power(12, 0.0).power == pytest.approx(0.05)


def test_kappa_n_uses_the_large_sample_error_of_kappa() -> None:
    """Hand: at the null's own error the n for power .5 is (1.645 s0 / .3)^2, one-sided.

    The table 40, 10, 10, 40 has rates .5 and kappa .6; its error times root n is s0.
    """
    first, second = [1] * 50 + [2] * 50, [1] * 40 + [2] * 10 + [1] * 10 + [2] * 40
    error = cohen_kappa(first, second, [1, 2]).details.standard_error * 10
    found = cohen_kappa_n(0.5, 0.5, 0.9, 0.6, power=0.5)
    assert found.n == pytest.approx((1.6448536269514722 * error / 0.3) ** 2)


def test_kappa_n_reaches_its_power_in_simulation() -> None:
    """2,000 simulated studies, seeded: rejection rate within .04 of .8 (large-sample formula)."""
    n = int(np.ceil(cohen_kappa_n(0.5, 0.5, 0.7, 0.4).n))
    rng = np.random.default_rng(1)
    same = (1 + 0.7) / 2
    first = rng.integers(1, 3, (2000, n))
    second = np.where(rng.random((2000, n)) < same, first, 3 - first)
    agree = (first == second).mean(axis=1)
    chance = np.array([(a == 1).mean() * (b == 1).mean() + (a == 2).mean() * (b == 2).mean()
                       for a, b in zip(first, second, strict=True)])  # fmt: skip
    kappa = (agree - chance) / (1 - chance)
    spread_null = np.sqrt((1 - 0.4**2) / n)
    rejected = (kappa - 0.4) / spread_null > 1.6448536269514722
    assert rejected.mean() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_t_power(1, 0.5), "at least 2"),
        (lambda: paired_t_n(0.0), "above 0"),
        (lambda: paired_t_n(0.5, power=1.0), "between 0 and 1"),
        (lambda: paired_t_n(1e-7), "larger effect"),
        (lambda: cohen_kappa_n(0.1, 0.9, 0.9, 0.4), "impossible"),
    ],
)
def test_unusable_designs_are_refused(call: object, message: str) -> None:
    """The error says what, which value and what was expected."""
    with pytest.raises(AnalysisError, match=message):
        call()  # type: ignore[operator]
