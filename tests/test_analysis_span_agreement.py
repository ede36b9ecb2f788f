"""Agreement on marked characters, by hand."""

from __future__ import annotations

import pytest

from analysis.agreement.spans import MarkedResponse, character_agreement


def test_two_raters_by_hand_is_f1_of_their_characters() -> None:
    """0-4 and 2-6 share two of four characters each; 2 * 2 / (4 + 4); the second is all or nothing."""
    one = MarkedResponse(20, {"a": [(0, 4)], "b": [(2, 6)]})
    found = character_agreement([one, MarkedResponse(9, {"a": [], "b": []})])
    assert found.estimate == 0.5 and (found.n, found.details.of.responses_marked) == (2, 1)
    other = MarkedResponse(20, {"a": [(5, 10), (12, 14)], "b": [(5, 10), (12, 14)]})
    assert character_agreement([one, other]).estimate == pytest.approx(2 * (2 + 7) / (8 + 14))


def test_three_raters_by_hand() -> None:
    """Marked by 3, 2 and 1 raters: (3*2 + 2*1 + 0) / (6 marks * 2)."""
    response = MarkedResponse(3, {"a": [(0, 3)], "b": [(0, 2)], "c": [(0, 1)]})
    assert character_agreement([response]).estimate == pytest.approx(8 / 12)


def test_reasons_when_there_is_nothing_to_compare() -> None:
    """Oracle: undefined says why."""
    assert (
        "two raters" in character_agreement([MarkedResponse(5, {"a": [(0, 1)]})]).undefined_because
    )
    none = character_agreement([MarkedResponse(5, {"a": [], "b": []})])
    assert "nobody marked" in none.undefined_because
