"""The shipped instruments and protocols: structure against what is published, and a rehearsal."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.generation.rehearsed_reply import scripted_reply
from protocols import shipped_protocols
from study.protocol import load_protocol
from study.rehearsal import rehearse
from study.report_view.export import rating_rows
from study.report_view.snapshot import Snapshot
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.study import create_study
from tests.fixtures_study import answer_everything

NEW = (
    "counselbench-style",
    "emosapp-professionals",
    "emosapp-students",
    "nile-emotion-annotation",
    "nile-user-study",
    "pairwise-esconv",
    "pets",
    "sus",
    "umux-lite",
)


@pytest.mark.parametrize("name", NEW)
def test_a_simulated_rater_of_each_group_completes_it(name: str, memory_folder: Path) -> None:
    """Oracle: raters x prompts x systems (or pairs of the two) x items answers, each a row."""
    study = create_study(memory_folder / "study", shipped_protocols()[name])
    answer_everything(study)
    lock_study(study)
    protocol = study.protocol
    for group in protocol.groups:
        enrol(study, group.id, 2)
    shown = 1 if protocol.design.shows == "pair" else len(protocol.systems)
    answers = 2 * len(protocol.groups) * len(protocol.prompts) * shown * len(protocol.items)
    assert rehearse(study, 3, replies=scripted_reply).answers == answers
    rows = rating_rows(Snapshot(study))
    assert len(rows) == answers
    assert all(
        (row["value"] is not None) + bool(row["text"]) + bool(row["missing_reason"]) == 1
        for row in rows
    )
    assert study_faults(study) == []
    study.close()


def test_sus_alternates_and_has_ten_items_on_five_points() -> None:
    """Brooke 1996: odd items favourable, even items unfavourable."""
    items = load_protocol(shipped_protocols()["sus"]).items
    assert [item.reversed for item in items] == [False, True] * 5
    assert load_protocol(shipped_protocols()["sus"]).scale_of(items[0].id).values == (1, 2, 3, 4, 5)


def test_umux_lite_has_two_items_on_seven_points() -> None:
    protocol = load_protocol(shipped_protocols()["umux-lite"])
    assert [len(protocol.scale_of(item.id).points) for item in protocol.items] == [7, 7]


def test_pets_has_ten_sliders_in_random_order_and_says_that_the_wording_is_ours() -> None:
    (instrument,) = load_protocol(shipped_protocols()["pets"]).instruments
    assert (len(instrument.items), instrument.order, instrument.wording) == (10, "random", "own")
    assert {item.kind for item in instrument.items} == {"slider"}
    assert len({item.measures for item in instrument.items}) == 2


def test_pairs_in_the_form_of_esconv_have_its_five_criteria_in_our_words() -> None:
    (instrument,) = load_protocol(shipped_protocols()["pairwise-esconv"]).instruments
    labels = [item.label.lower() for item in instrument.items]
    assert labels == ["fluency", "identification", "comforting", "suggestion", "overall"]
    assert {item.kind for item in instrument.items} == {"pairwise"}
    assert instrument.wording == "own"


def test_emotions_of_replies_are_those_of_the_nile_study_for_two_annotators() -> None:
    protocol = load_protocol(shipped_protocols()["nile-emotion-annotation"])
    (item,) = protocol.items
    assert [option.label for option in item.options] == [
        "Happy", "Sad", "Anxious", "Angry", "Neutral",
    ]  # fmt: skip
    assert sum(group.planned for group in protocol.groups) == 2
    assert (len(protocol.systems), protocol.analysis.primary) == (1, None)


@pytest.mark.parametrize(
    ("name", "raters"), [("emosapp-students", 12), ("emosapp-professionals", 3)]
)
def test_emosapp_is_called_reconstructed(name: str, raters: int) -> None:
    protocol = load_protocol(shipped_protocols()[name])
    assert {i.wording for i in protocol.instruments} == {"reconstructed"}
    assert sum(group.planned for group in protocol.groups) == raters
