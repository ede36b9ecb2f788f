"""Rehearsal: simulated raters complete the real study, the same way each time, and are marked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from protocols import shipped_protocols
from study import participation
from study.entities import RaterStatus
from study.errors import StoreError
from study.protocol import parse_protocol
from study.rehearsal import rehearse, shares
from study.report_view.export import rating_rows
from study.report_view.snapshot import Snapshot
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import any_simulated, enrol, mark_simulated, read_raters
from study.store.ratings import read_ratings
from study.store.study import Study, create_study
from tests.fixtures_study import SMALL, answer_everything, ready_rater, small_protocol

only_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def test_36_raters_of_eai_2025_give_5760_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """36 x 20 x 8 answers, 360 per item and system; 21 men and 15 women, 26 STEM and 10 not."""
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    study = create_study(tmp_path / "study", shipped_protocols()["eai-2025"])
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 36)
    done = rehearse(study, 1)
    assert (done.raters, done.answers) == (36, 5760)
    assert len(read_ratings(study)) == 5760
    cells = Counter(
        (row["item"], row["system"]) for row in rating_rows(Snapshot(study)) if row["value"]
    )
    assert len(cells) == 16
    assert set(cells.values()) == {360}
    people = read_raters(study)
    assert all(r.simulated and r.status is RaterStatus.FINISHED for r in people)
    assert Counter(r.demographics["gender"] for r in people) == {"man": 21, "woman": 15}
    assert Counter(r.demographics["major"] for r in people) == {"stem": 26, "non-stem": 10}
    assert all(18 <= int(r.demographics["age"] or 0) <= 25 for r in people)
    assert study_faults(study) == []
    study.close()


def _rehearsed(folder: Path, seed: int, number: int = 3) -> list[tuple[object, ...]]:
    folder.mkdir()
    study = create_study(folder / "study", small_protocol(folder))
    answer_everything(study)
    lock_study(study)
    rehearse(study, seed, number)
    rows = [
        (a["group"], a["position"], a["prompt"], a["item"], a["value"])
        for a in rating_rows(Snapshot(study))
    ]
    study.close()
    return rows


def test_the_seed_fixes_every_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders with keys of their own and one seed agree; another seed differs."""
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    first, same, other = (
        _rehearsed(tmp_path / name, seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first == same
    assert first != other


def test_a_rehearsal_that_was_stopped_goes_on_with_the_same_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    whole = _rehearsed(tmp_path / "whole", 5)
    study = create_study(tmp_path / "study", small_protocol(tmp_path))
    answer_everything(study)
    lock_study(study)
    real, calls = participation.submit, []

    def stops_after_six(*arguments: object) -> bool:
        if len(calls) == 6:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(participation, "submit", stops_after_six)
        with pytest.raises(KeyboardInterrupt):
            rehearse(study, 5, 3)
    assert rehearse(study, 5).answers == (3 * 4 - 6) * 3
    rows = [
        (a["group"], a["position"], a["prompt"], a["item"], a["value"])
        for a in rating_rows(Snapshot(study))
    ]
    assert rows == whole
    study.close()


def test_simulated_raters_are_marked(locked: Study) -> None:
    assert not any_simulated(locked)
    done = rehearse(locked, 1, 3)
    assert (done.raters, done.answers) == (3, 3 * 4 * 3)
    assert any_simulated(locked)
    assert all(row["simulated"] for row in rating_rows(Snapshot(locked)))
    assert study_faults(locked) == []


def test_a_rehearsal_is_refused_once_a_person_has_started(locked: Study) -> None:
    code = ready_rater(locked).rater.code
    enrol(locked, "student", 2)
    with pytest.raises(StoreError, match=code):
        rehearse(locked, 1)
    assert not any_simulated(locked)


@only_sqlite
def test_nobody_to_rehearse_with(locked: Study) -> None:
    with pytest.raises(StoreError, match="evenhand rehearse -n"):
        rehearse(locked, 1)


def test_a_person_who_starts_meanwhile_is_not_marked(locked: Study) -> None:
    started, waiting = ready_rater(locked).rater, enrol(locked, "student", 1)[0].rater
    assert [r.id for r in mark_simulated(locked)] == [waiting.id]
    assert {r.id: r.simulated for r in read_raters(locked)} == {started.id: False, waiting.id: True}


@pytest.mark.parametrize(
    ("number", "wanted"), [(6, (4, 2)), (3, (2, 1)), (1, (1, 0)), (2, (1, 1)), (7, (5, 2))]
)
def test_shares_follow_the_planned_proportions(number: int, wanted: tuple[int, int]) -> None:
    """Largest remainders by hand, of 4 students to 2 professionals: 7 gives 4.67 and 2.33."""
    given = shares(parse_protocol(SMALL, "small.yaml"), number)
    assert (given["student"], given["professional"]) == wanted


def test_points_use_the_whole_scale_and_the_systems_differ(locked: Study) -> None:
    """So that a rehearsed report shows something: all five points, first system rated higher."""
    rehearse(locked, 3, 12)
    rows = rating_rows(Snapshot(locked))
    assert {row["value"] for row in rows} == {1, 2, 3, 4, 5}
