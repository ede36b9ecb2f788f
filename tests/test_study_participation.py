"""One rater's way through the study, on both databases; any order of calls loses or doubles nothing."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from study import participation
from study.entities import RaterStatus
from study.errors import LinkError, RatingError
from study.participation import Step, find_place
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import enrol, progress, read_raters, withdraw
from study.store.ratings import read_assignments, read_ratings, save_ratings
from study.store.study import Study, create_study
from tests.fixtures_study import (
    SYSTEM_NAMES,
    answer_everything,
    answers,
    ready_rater,
    small_protocol,
)


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def test_the_whole_way_of_a_rater(locked: Study) -> None:
    """Consent, questions, practice, four responses, the end; nothing is remembered between calls."""
    enrolled = enrol(locked, "student", 1)[0]
    token, steps, seen = enrolled.token, [], []
    while True:
        place = find_place(locked, token)
        steps.append(place.step)
        if place.step is Step.CONSENT:
            participation.consent(locked, place.rater)
        elif place.step is Step.DEMOGRAPHICS:
            participation.save_demographics(locked, place.rater, {"gender": "man", "age": None})
        elif place.step is Step.INSTRUCTIONS:
            participation.finish_practice(locked, place.rater)
        elif place.assignment is not None:
            seen.append(place.assignment)
            assert participation.submit(locked, place.rater, place.assignment.id, answers(locked))
        else:
            break
    assert steps == [
        Step.CONSENT, Step.DEMOGRAPHICS, Step.INSTRUCTIONS, *[Step.RATING] * 4, Step.FINISHED,
    ]  # fmt: skip
    assert [(a.position, a.total) for a in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len({a.label for a in seen}) == len({a.id for a in seen}) == 4
    assert len(read_ratings(locked)) == 12
    assert progress(locked)[enrolled.rater.id][:2] == (4, 4)
    assert study_faults(locked) == []


def test_what_a_rater_is_shown_names_no_system(locked: Study) -> None:
    place = find_place(locked, ready_rater(locked).token)
    shown = f"{place.assignment!r}".lower()
    assert not [name for name in SYSTEM_NAMES if name in shown]
    own = {a.id: a for a in read_assignments(locked)}
    assert place.assignment is not None
    assert own[place.assignment.id].prompt_id  # the store knows what the page does not


def test_declining_is_an_ending(locked: Study) -> None:
    enrolled = enrol(locked, "student", 1)[0]
    participation.decline(locked, enrolled.rater)
    assert find_place(locked, enrolled.token).step is Step.DECLINED
    # A second tab that still shows the consent page.
    participation.consent(locked, enrolled.rater)
    participation.save_demographics(locked, enrolled.rater, {"gender": "man"})
    participation.finish_practice(locked, enrolled.rater)
    assert find_place(locked, enrolled.token).step is Step.DECLINED
    assignment = next(a.id for a in read_assignments(locked))
    with pytest.raises(RatingError, match="declined"):
        participation.submit(locked, enrolled.rater, assignment, answers(locked))
    assert read_ratings(locked) == []
    assert read_raters(locked)[0].demographics == {}


def test_who_agreed_cannot_decline_in_an_old_tab(locked: Study) -> None:
    enrolled = ready_rater(locked)
    participation.decline(locked, enrolled.rater)
    assert find_place(locked, enrolled.token).step is Step.RATING


def test_a_withdrawn_rater_cannot_rate(locked: Study) -> None:
    enrolled = ready_rater(locked)
    place = find_place(locked, enrolled.token)
    assert place.assignment is not None
    withdraw(locked, enrolled.rater.code)
    with pytest.raises(LinkError, match="not valid"):
        find_place(locked, enrolled.token)
    with pytest.raises(RatingError, match="withdrawn"):
        participation.submit(locked, enrolled.rater, place.assignment.id, answers(locked))


def test_nobody_rates_before_the_practice(locked: Study) -> None:
    enrolled = enrol(locked, "student", 1)[0]
    assignment = next(a.id for a in read_assignments(locked))
    participation.finish_practice(locked, enrolled.rater)  # not consented: nothing is noted
    assert find_place(locked, enrolled.token).step is Step.CONSENT
    with pytest.raises(RatingError, match="not started"):
        save_ratings(locked, enrolled.rater, assignment, answers(locked))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "What is your gender"),
        ({"gender": "robot"}, "'robot' is not an answer"),
        ({"gender": "man", "age": 17}, "from 18 up to 90; found 17"),
        ({"gender": "man", "age": 91}, "found 91"),
        ({"gender": "man", "age": "old"}, "whole number"),
        ({"gender": "man", "age": True}, "whole number"),
    ],
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_answers_about_the_rater_are_checked(locked: Study, given: Any, said: str) -> None:
    rater = enrol(locked, "student", 1)[0].rater
    participation.consent(locked, rater)
    with pytest.raises(RatingError, match=said):
        participation.save_demographics(locked, rater, given)
    assert read_raters(locked)[0].status is RaterStatus.CONSENTED


def test_the_first_answers_about_the_rater_stand(locked: Study) -> None:
    rater = ready_rater(locked).rater
    participation.save_demographics(locked, rater, {"gender": "man", "age": 20})
    assert read_raters(locked)[0].demographics == {"gender": "woman", "age": 33}


def test_the_end_is_marked_later_when_the_server_stopped_before_it(locked: Study) -> None:
    enrolled = ready_rater(locked)
    for assignment in read_assignments(locked):
        save_ratings(
            locked, enrolled.rater, assignment.id, answers(locked)
        )  # submit without its end
    assert read_raters(locked)[0].status is RaterStatus.RATING
    assert find_place(locked, enrolled.token).step is Step.FINISHED
    assert read_raters(locked)[0].status is RaterStatus.FINISHED


def test_the_end_is_not_marked_too_early(locked: Study) -> None:
    enrolled = ready_rater(locked)
    participation.finish(locked, enrolled.rater)
    assert find_place(locked, enrolled.token).step is Step.RATING


class AnyOrder(RuleBasedStateMachine):
    """Two raters' pages call in any order; the database holds exactly what was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.study = create_study(self.folder / "study", small_protocol(self.folder))
        answer_everything(self.study)
        lock_study(self.study)
        self.enrolled = enrol(self.study, "student", 2)
        self.saved: dict[str, int] = {}
        self.gone: set[int] = set()

    def teardown(self) -> None:
        self.study.close()
        shutil.rmtree(self.folder)

    who = st.integers(0, 1)

    @rule(who=who, step=st.sampled_from(["consent", "finish_practice", "finish", "decline"]))
    def pass_a_step(self, who: int, step: str) -> None:
        getattr(participation, step)(self.study, self.enrolled[who].rater)

    @rule(who=who)
    def answer_about_oneself(self, who: int) -> None:
        rater = self.enrolled[who].rater
        participation.save_demographics(self.study, rater, {"gender": "man", "age": 30})

    @rule(who=who, place=st.integers(0, 7), value=st.integers(1, 5))
    def submit(self, who: int, place: int, value: int) -> None:
        """Any response, also another rater's, one already answered, or before its turn."""
        assignment = read_assignments(self.study)[place]
        rater = self.enrolled[who].rater
        try:
            saved = participation.submit(
                self.study, rater, assignment.id, answers(self.study, value)
            )
        except RatingError:
            return
        assert saved == (assignment.id not in self.saved)
        assert assignment.rater_id == rater.id
        if saved:
            self.saved[assignment.id] = value

    @precondition(lambda self: not self.gone)
    @rule()
    def withdraw_the_second(self) -> None:
        rater = self.enrolled[1].rater
        withdraw(self.study, rater.code)
        self.gone.add(1)
        own = {a.id for a in read_assignments(self.study) if a.rater_id == rater.id}
        self.saved = {a: value for a, value in self.saved.items() if a not in own}

    @invariant()
    def every_acknowledged_answer_is_there_once(self) -> None:
        stored = [(r.assignment_id, r.item_id, r.answer.number) for r in read_ratings(self.study)]
        wanted = [
            (a, item, v) for a, v in self.saved.items() for item in ("clear", "kind", "useful")
        ]
        assert sorted(stored) == sorted(wanted)  # type: ignore[type-var]
        assert study_faults(self.study) == []

    @invariant()
    def every_link_leads_somewhere(self) -> None:
        for who, enrolled in enumerate(self.enrolled):
            if who in self.gone:
                continue
            place = find_place(self.study, enrolled.token)
            done = progress(self.study)[enrolled.rater.id][0]
            assert (place.step is Step.FINISHED) == (done == 4)
            assert (place.assignment is not None) == (place.step is Step.RATING)


AnyOrder.TestCase.settings = settings(
    max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_order_of_calls_loses_and_doubles_nothing = AnyOrder.TestCase
