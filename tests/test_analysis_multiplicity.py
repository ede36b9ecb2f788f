"""Adjusted p-values: families, exploratory tests and hand arithmetic; R's rows are elsewhere."""

from __future__ import annotations

import pytest

from analysis.contrasts.multiplicity import METHODS, adjust, adjust_families
from study.errors import AnalysisError


def test_holm_by_hand() -> None:
    """Three tests: 3 x .01, 2 x .02, 1 x .5."""
    assert adjust([0.02, 0.5, 0.01]) == pytest.approx((0.04, 0.5, 0.03))


def test_each_family_is_adjusted_by_itself_and_the_rest_is_exploratory() -> None:
    """Holm within {a, b} doubles the smaller one; c is in no family."""
    found = {
        t.test: t
        for t in adjust_families({"a": 0.01, "b": 0.03, "c": 0.001}, {"primary": ["a", "b"]})
    }
    assert found["a"].adjusted_p_value == pytest.approx(0.02)
    assert found["b"].adjusted_p_value == pytest.approx(0.03)
    assert (found["c"].family, found["c"].adjusted_p_value) == ("exploratory", None)


def test_undefined_test_does_not_count_in_its_family() -> None:
    """With one p-value left there is nothing to adjust."""
    found = adjust_families({"a": 0.01, "b": None}, {"primary": ["a", "b"]})
    assert [t.adjusted_p_value for t in found] == [pytest.approx(0.01), None]


@pytest.mark.parametrize("method", METHODS)
def test_adjusted_values_keep_order_and_never_shrink(method: str) -> None:
    """Property of all four methods."""
    raw = [0.001, 0.2, 0.013, 0.9, 0.04]
    adjusted = [p or 0.0 for p in adjust(raw, method=method)]
    assert all(a >= p for a, p in zip(adjusted, raw, strict=True))
    assert [sorted(adjusted).index(a) for a in adjusted] == [sorted(raw).index(p) for p in raw]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adjust([1.2]), "between 0 and 1"),
        (lambda: adjust([0.1], method="none"), "expected one of holm"),
        (lambda: adjust_families({"a": 0.1}, {"f": ["b"]}), "which was not done"),
        (lambda: adjust_families({"a": 0.1}, {"f": ["a"], "g": ["a"]}), "name it in one"),
    ],
)
def test_unusable_families_are_refused(call: object, message: str) -> None:
    """The error names the test and the family."""
    with pytest.raises(AnalysisError, match=message):
        call()  # type: ignore[operator]
