"""Going back: saved answers are shown again and changed by revision, never after the end.

Oracle: revision numbers and the audit log, counted by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from study import participation
from study.entities import Answer, MissingReason
from study.errors import RatingError
from study.participation import find_place
from study.store import events
from study.store.audit import study_faults
from study.store.raters import find_by_code
from study.store.ratings import next_assignment, read_ratings
from study.store.revisions import rated_assignment
from study.store.study import Study
from tests.fixtures_item_kinds import every_kind_protocol
from tests.fixtures_study import answers, as_answers, ready_rater, small_protocol

MakeStudy = Callable[..., Study]


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def rate_next(study: Study, rater: object, given: dict[str, Answer] | None = None) -> str:
    assignment = next_assignment(study, rater)  # type: ignore[arg-type]
    assert assignment is not None
    participation.submit(study, rater, assignment.id, given or answers(study, 2))
    return assignment.id


def test_a_change_is_a_revision_once_and_the_place_stays(locked: Study) -> None:
    enrolled = ready_rater(locked)
    first = rate_next(locked, enrolled.rater)
    rate_next(locked, enrolled.rater)
    before = find_place(locked, enrolled.token)
    again = rated_assignment(locked, enrolled.rater, 1)
    assert again is not None and again.assignment.id == first
    assert again.answers == answers(locked, 2)
    changed = {**again.answers, "kind": Answer(5)}
    assert participation.revise(locked, enrolled.rater, first, changed) == 1
    # A double tap, and eight tabs at once: nothing more changes.
    with ThreadPoolExecutor(8) as pool:
        calls = pool.map(
            lambda _: participation.revise(locked, enrolled.rater, first, changed), range(8)
        )
        assert list(calls) == [0] * 8
    kept = {
        r.item_id: (r.answer.value, r.revision)
        for r in read_ratings(locked)
        if r.assignment_id == first
    }
    assert kept == {"clear": (2, 1), "kind": (5, 2), "useful": (2, 1)}
    with locked.reading() as connection:
        kinds = [event.kind for event in events.read(connection)]
    assert kinds.count("ratings_revised") == 1 and kinds.count("ratings_saved") == 2
    assert find_place(locked, enrolled.token) == before
    assert study_faults(locked) == []


def test_only_ones_own_rated_responses_come_back(locked: Study) -> None:
    mine, other = ready_rater(locked), ready_rater(locked)
    first = rate_next(locked, mine.rater)
    assert rated_assignment(locked, other.rater, 1) is None
    assert rated_assignment(locked, mine.rater, 2) is None
    assert rated_assignment(locked, mine.rater, 99) is None
    with pytest.raises(RatingError, match="does not belong"):
        participation.revise(locked, other.rater, first, answers(locked, 5))


def test_nothing_changes_after_the_end(locked: Study) -> None:
    enrolled = ready_rater(locked)
    ids = [rate_next(locked, enrolled.rater) for _ in range(4)]
    with pytest.raises(RatingError, match="finished"):
        participation.revise(locked, enrolled.rater, ids[0], answers(locked, 5))
    assert {r.revision for r in read_ratings(locked)} == {1}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_protocol_may_forbid_it(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(protocol=small_protocol(tmp_path, design="{seed: 3, may_go_back: false}"))
    enrolled = ready_rater(study)
    first = rate_next(study, enrolled.rater)
    with pytest.raises(RatingError, match="cannot be changed"):
        participation.revise(study, enrolled.rater, first, answers(study, 5))


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_every_kind_of_answer_comes_back_as_given(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(protocol=every_kind_protocol(tmp_path))
    enrolled = ready_rater(study)
    given = as_answers(
        {
            "warm": MissingReason.NOT_APPLICABLE,
            "muddled": 7,
            "tone": 1,
            "advice": 0,
            "kind-of-help": 2,
            "remark": "It is short.",
            "felt-heard": 0,
            "felt-safe": MissingReason.NOT_APPLICABLE,
            "felt-free": 100,
        }
    )
    rate_next(study, enrolled.rater, given)
    again = rated_assignment(study, find_by_code(study, enrolled.rater.code), 1)
    assert again is not None and again.answers == given
    assert study_faults(study) == []
