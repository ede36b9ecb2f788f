"""Scores of an instrument in the protocol: what they add, and what is refused."""

from __future__ import annotations

import pytest

from protocols import shipped_protocols
from study.errors import ProtocolError
from study.protocol import load_protocol, parse_protocol
from study.protocol.instruments import scored_items
from tests.fixtures_study import SMALL

ITEMS = "    items:\n"


def _with_score(score: str) -> str:
    assert SMALL.count(ITEMS) == 1
    return SMALL.replace(ITEMS, f"    scores:\n      - {score}\n{ITEMS}")


def test_a_score_without_items_adds_all_that_are_numbers() -> None:
    """Oracle: the ids of the small protocol's items; free text and choices are not numbers."""
    (instrument,) = parse_protocol(_with_score("{id: s, label: S}"), "p.yaml").instruments
    assert scored_items(instrument, instrument.scores[0]) == ("clear", "kind", "useful")
    counsel = load_protocol(shipped_protocols()["counselbench-style"]).instruments[0]
    assert "counsel-advice" not in scored_items(
        counsel, instrument.scores[0].model_copy(update={"items": ()})
    )


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("{id: s, label: S, items: [clear, warm]}", "has no item 'warm'"),
        ("{id: s, label: S, range: {low: 100, high: 0}}", "found 100, expected less than high"),
        ("{id: s, label: S, combine: median}", "combine"),
        ("{id: s, label: S}\n      - {id: s, label: T}", "the score 's' is declared twice"),
    ],
)
def test_a_score_that_cannot_be_made_is_refused_with_its_place(score: str, said: str) -> None:
    """Oracle: an error names the line, the field and what was expected."""
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(_with_score(score), "p.yaml")
    assert said in str(caught.value) and "instruments[1].scores[" in str(caught.value)
