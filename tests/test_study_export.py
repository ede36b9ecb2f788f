"""Exports: blind until unblinding, every planned answer a row, a missing one with its reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from study.report_view import export
from study.report_view.snapshot import Snapshot
from study.store.locking import unblind_study
from study.store.raters import enrol, withdraw
from study.store.ratings import next_assignment, read_assignments, save_ratings
from study.store.study import Study
from tests.fixtures_study import SYSTEM_NAMES, answers, ready_rater

MAKERS: dict[str, Callable[[Snapshot], object]] = {
    "ratings": export.rating_rows,
    "raters": export.rater_rows,
    "responses": export.response_rows,
    "codebook": export.codebook_rows,
    "log": export.log_rows,
    "protocol": export.protocol_text,
}


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


@pytest.fixture
def used(locked: Study) -> Study:
    """One rater with one response rated, one who withdrew, one who never came."""
    rater = ready_rater(locked).rater
    assignment = next_assignment(locked, rater)
    assert assignment is not None
    save_ratings(locked, rater, assignment.id, answers(locked, 4))
    withdraw(locked, ready_rater(locked).rater.code)
    enrol(locked, "professional", 1)
    return locked


@pytest.mark.parametrize("what", MAKERS)
def test_no_export_names_a_system_before_unblinding(used: Study, what: str) -> None:
    """Ids, titles and backends of the systems, searched for in everything that leaves the study."""
    text = json.dumps(MAKERS[what](Snapshot(used)), default=str).lower()
    assert len(text) > 100
    assert [name for name in SYSTEM_NAMES if name in text] == []


def test_codes_stand_for_the_systems(used: Study) -> None:
    rows = export.rating_rows(Snapshot(used))
    assert Counter(row["system"] for row in rows) == {"A": 18, "B": 18}
    assert [n.label for n in Snapshot(used).names.values()] == ["System A", "System B"]


def test_after_unblinding_ids_stand_there_and_agree_with_the_codes(used: Study) -> None:
    codes = {system: name.id for system, name in Snapshot(used).names.items()}
    before = export.rating_rows(Snapshot(used))
    unblind_study(used, "Ann", "Bo")
    after = export.rating_rows(Snapshot(used))
    assert [codes[row["system"]] for row in after] == [row["system"] for row in before]
    assert {row["provenance"]["backend"] for row in export.response_rows(Snapshot(used))} == {
        "scripted"
    }
    assert export.protocol_text(Snapshot(used)) == used.protocol_text


def test_provenance_and_times_stay_hidden_before_unblinding(used: Study) -> None:
    """The time that a response took tells a script from a model."""
    rows = export.response_rows(Snapshot(used))
    assert all("provenance" not in row and row["latency_s"] is None for row in rows)
    unblind_study(used, "Ann", "Bo")
    assert {row["latency_s"] for row in export.response_rows(Snapshot(used))} == {0.5}


def test_every_planned_answer_is_a_row_with_a_value_or_a_reason(used: Study) -> None:
    """3 raters x 4 responses x 3 items: 3 saved, 9 + 12 not reached, 12 withdrawn."""
    rows = export.rating_rows(Snapshot(used))
    assert len(rows) == 36
    assert Counter(row["missing_reason"] for row in rows) == {
        "": 3, "not reached": 9 + 12, "withdrawn": 12,
    }  # fmt: skip
    assert all((row["value"] is None) == bool(row["missing_reason"]) for row in rows)


def test_rater_rows(used: Study) -> None:
    rows = {(r["group"], r["status"]): r for r in export.rater_rows(Snapshot(used))}
    assert rows["student", "rating"]["responses_rated"] == 1
    assert rows["student", "rating"]["gender"] == "woman"
    assert rows["student", "withdrawn"]["gender"] is None
    assert rows["professional", "enrolled"]["responses_planned"] == 4


def test_the_blind_protocol_is_valid_yaml_with_the_plan_in_codes(used: Study) -> None:
    """The order of the codes, whichever of them stands for the system that the plan names first."""
    plain = YAML(typ="safe").load(export.protocol_text(Snapshot(used)))
    assert plain["systems"] == [{"id": c, "title": f"System {c}"} for c in "AB"]
    primary = plain["analysis"]["primary"]
    assert (primary["system"], primary["against"]) == ("A", "B")
    assert plain["prompts"][0]["id"] == "p-sleep"


def test_the_codebook_has_every_value(used: Study) -> None:
    rows = export.codebook_rows(Snapshot(used))
    values = Counter(row["variable"] for row in rows)
    assert values["clear"] == values["kind"] == values["useful"] == 5
    assert values["gender"] == 2
    assert values["age"] == 1
    assert {r["value"] for r in rows if r["variable"] == "missing_reason"} >= {
        "withdrawn",
        "skipped",
    }


def test_exports_follow_the_assignments(used: Study) -> None:
    """Each rater's rows come in the order of the positions, three items each."""
    positions = [row["position"] for row in export.rating_rows(Snapshot(used))]
    assert positions == [p for _ in range(3) for p in range(1, 5) for _ in range(3)]
    assert len(positions) == 3 * len(read_assignments(used))
