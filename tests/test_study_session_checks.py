"""Checks, practice and breaks on a rater's way, on both databases.

Oracle: the order of the steps written out by hand, and the rows of the tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text, update

from study import participation, session_checks
from study.entities import Enrolment, RaterStatus
from study.errors import RatingError
from study.participation import Step, find_place
from study.report_view.export import check_rows, rater_rows
from study.report_view.snapshot import Snapshot
from study.store import panels, passages, tables
from study.store.audit import study_faults
from study.store.check_answers import read_check_answers
from study.store.raters import enrol, find_by_code, find_by_token, withdraw
from study.store.ratings import next_assignment, read_ratings
from study.store.study import Study
from tests.fixtures_session import come_to, go_on, session_protocol
from tests.fixtures_study import answers

MakeStudy = Callable[..., Study]


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


@pytest.fixture
def session(make_study: MakeStudy, tmp_path: Path) -> Study:
    return make_study(protocol=session_protocol(tmp_path))


def test_every_step_in_its_order(make_study: MakeStudy, tmp_path: Path) -> None:
    no_wait = {"minimum_seconds: 1": "minimum_seconds: 0"}
    study = make_study(protocol=session_protocol(tmp_path, **no_wait))
    enrolled = enrol(study, "student", 1)[0]
    steps = []
    while (place := find_place(study, enrolled.token)).step is not Step.FINISHED:
        steps.append((place.step.value, place.practice, place.rated))
        go_on(study, place)
    assert steps == [
        ("consent", 1, 0),
        ("demographics", 1, 0),
        ("instructions", 1, 0),
        ("instructions", 2, 0),
        ("comprehension", 1, 0),
        ("rating", 1, 0),
        ("attention", 1, 1),
        ("rating", 1, 1),
        ("break", 1, 2),
        ("rating", 1, 2),
        ("attention", 1, 3),
        ("rating", 1, 3),
    ]
    assert [
        (a.check_id, a.kind, a.attempt, a.value, a.passed) for a in read_check_answers(study)
    ] == [
        ("may-stop", "comprehension", 1, 1, True),
        ("what-to-rate", "comprehension", 1, 1, True),
        ("choose-two", "attention", 1, 2, True),
        ("choose-four", "attention", 1, 4, True),
    ]
    # Kept apart from the study's items.
    assert {r.item_id for r in read_ratings(study)} == {"clear", "kind", "useful"}
    assert {row["check"] for row in check_rows(Snapshot(study))} == {
        "may-stop", "what-to-rate", "choose-two", "choose-four",
    }  # fmt: skip
    assert study_faults(study) == []


def test_a_second_attempt_may_be_right(session: Study) -> None:
    enrolled = enrol(session, "student", 1)[0]
    place = come_to(session, enrolled, Step.COMPREHENSION)
    go_on(session, place, right=False)
    again = find_place(session, enrolled.token)
    assert (again.step, again.attempt) == (Step.COMPREHENSION, 2)
    # A second tap of the first attempt changes nothing, nor counts.
    go_on(session, place)
    assert find_place(session, enrolled.token).attempt == 2
    go_on(session, again)
    assert find_place(session, enrolled.token).step is Step.RATING


def test_two_wrong_attempts_end_it_properly(session: Study) -> None:
    enrolled = enrol(session, "student", 1)[0]
    for _ in range(2):
        go_on(session, come_to(session, enrolled, Step.COMPREHENSION), right=False)
    place = find_place(session, enrolled.token)
    assert place.step is Step.SCREENED_OUT
    assert place.rater.status is RaterStatus.SCREENED_OUT
    assert rater_rows(Snapshot(session))[0]["screened_out_because"] == "comprehension"
    # No old page brings the rater back.
    participation.finish_practice(session, place.rater, 2)
    assignment = next_assignment(session, place.rater)
    assert assignment is not None
    with pytest.raises(RatingError, match="not started or ended"):
        participation.submit(session, place.rater, assignment.id, answers(session))
    with pytest.raises(RatingError, match="not taking part"):
        chosen = {q.id: q.answer for q in session_checks.questions(session)}
        session_checks.answer_comprehension(session, place.rater, 3, chosen)
    assert find_place(session, enrolled.token).step is Step.SCREENED_OUT
    assert study_faults(session) == []


def test_one_failed_attention_check_is_allowed_two_are_not(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    no_wait = {"minimum_seconds: 1": "minimum_seconds: 0"}
    study = make_study(protocol=session_protocol(tmp_path, **no_wait))
    enrolled = enrol(study, "student", 1)[0]
    go_on(study, come_to(study, enrolled, Step.ATTENTION), right=False)
    assert find_place(study, enrolled.token).step is Step.RATING
    go_on(study, come_to(study, enrolled, Step.ATTENTION), right=False)
    assert find_place(study, enrolled.token).step is Step.SCREENED_OUT
    # What was saved before stays saved: three responses of three items.
    assert len(read_ratings(study)) == 9
    assert study_faults(study) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_without_a_limit_failures_are_only_recorded(make_study: MakeStudy, tmp_path: Path) -> None:
    replaced = {"  attention_failures_allowed: 1\n": "", "minimum_seconds: 1": "minimum_seconds: 0"}
    study = make_study(protocol=session_protocol(tmp_path, **replaced))
    enrolled = enrol(study, "student", 1)[0]
    for _ in range(2):
        go_on(study, come_to(study, enrolled, Step.ATTENTION), right=False)
    assert come_to(study, enrolled, Step.FINISHED).rater.status is RaterStatus.FINISHED
    assert [a.passed for a in read_check_answers(study) if a.kind == "attention"] == [False, False]


def test_a_break_lasts_as_long_as_it_should_and_loses_nothing(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    """Time passes by the time that is kept of the break's beginning; a test cannot take an hour."""
    session = make_study(protocol=session_protocol(tmp_path, **{"seconds: 1": "seconds: 1800"}))
    enrolled = enrol(session, "student", 1)[0]
    place = come_to(session, enrolled, Step.BREAK)

    def begun_before(seconds: float) -> None:
        at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
        with session.writing() as connection:
            connection.execute(
                update(tables.passage)
                .where(tables.passage.c.step == f"break-{place.rated}-begun")
                .values(at=at)
            )

    assert participation.rest(session, place.rater, place.rated) == 1800
    assert not participation.end_break(session, place.rater, place.rated)
    begun_before(600)
    assert 0 < participation.rest(session, place.rater, place.rated) <= 1200
    assert not participation.end_break(session, place.rater, place.rated)
    assert find_place(session, enrolled.token).step is Step.BREAK
    begun_before(1800)
    assert participation.end_break(session, place.rater, place.rated)
    after = find_place(session, enrolled.token)
    assert (after.step, after.rated) == (Step.RATING, 2)
    assert len(read_ratings(session)) == 2 * 3


def test_simultaneous_taps_make_one_answer(session: Study) -> None:
    """Eight threads at one attempt, half of them wrong: one is kept, whole."""
    enrolled = enrol(session, "student", 1)[0]
    place = come_to(session, enrolled, Step.COMPREHENSION)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: go_on(session, place, right=bool(i % 2)), range(8)))
    kept = read_check_answers(session)
    assert [a.attempt for a in kept] == [1, 1]
    started = find_place(session, enrolled.token).step is Step.RATING
    assert started == all(a.passed for a in kept)
    assert study_faults(session) == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_what_is_no_answer_is_refused(session: Study) -> None:
    enrolled = enrol(session, "student", 1)[0]
    place = come_to(session, enrolled, Step.COMPREHENSION)
    for chosen in ({"what-to-rate": 1}, {"what-to-rate": 1, "may-stop": 3}):
        with pytest.raises(RatingError, match="May you stop"):
            session_checks.answer_comprehension(session, place.rater, 1, chosen)
    check = come_to(session, enrolled, Step.ATTENTION).check
    assert check is not None
    with pytest.raises(RatingError, match="6 is not a point"):
        session_checks.answer_attention(session, place.rater, check, 6)
    assert len(read_check_answers(session)) == 2


def test_a_withdrawal_erases_checks_and_passages_too(session: Study) -> None:
    enrolled = enrol(session, "student", 1)[0]
    come_to(session, enrolled, Step.BREAK)
    rater = find_by_code(session, enrolled.rater.code)
    assert read_check_answers(session) and passages.passed(session, rater)
    withdraw(session, rater.code)
    assert read_check_answers(session) == []
    assert passages.passed(session, rater) == {}
    assert study_faults(session) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE check_answer SET value = 2 WHERE check_id = 'may-stop'",
            "is 2, but the log says 1",
        ),
        ("DELETE FROM check_answer WHERE check_id = 'choose-two'", "was logged but is not stored"),
        ("UPDATE check_answer SET attempt = 2 WHERE check_id = 'may-stop'", "was never logged"),
        ("UPDATE rater SET screened_out_because = 'attention'", "the screening of rater"),
        ("UPDATE rater SET panel_id = 'somebody-else'", "the log says 'p1'"),
        ("UPDATE rater SET language = 'de'", "the language of rater"),
    ],
)
def test_verify_finds_what_was_changed(session: Study, statement: str, said: str) -> None:
    enrol(session, "student", 1)
    token = panels.take_place(session, "p1")
    enrolled = Enrolment(find_by_token(session, token), token)
    come_to(session, enrolled, Step.BREAK)
    assert study_faults(session) == []
    with session.writing() as connection:
        connection.execute(text(statement))
    assert any(said in fault for fault in study_faults(session))
