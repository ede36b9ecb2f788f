"""Participation: one rater's way through the study, from the link to the debriefing.

Pages and simulated raters both go this way, so what a rehearsal proves holds for the pages. Nothing
is remembered between calls: where a rater is, is read from the database each time.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from study import session_checks
from study.clock import now
from study.entities import Answer, BlindedAssignment, Conversation, Rater, RaterStatus
from study.errors import RatingError
from study.protocol import DemographicField
from study.protocol.session import AttentionCheck
from study.store import check_answers, conversations, passages, raters, ratings
from study.store.check_answers import CheckAnswer
from study.store.study import Study, Transaction


class Step(StrEnum):
    """What a rater has to do next."""

    LANGUAGE = "language"
    CONSENT = "consent"
    DECLINED = "declined"
    DEMOGRAPHICS = "demographics"
    INSTRUCTIONS = "instructions"
    COMPREHENSION = "comprehension"
    CONVERSATION = "conversation"
    RATING = "rating"
    ATTENTION = "attention"
    BREAK = "break"
    SCREENED_OUT = "screened out"
    FINISHED = "finished"


@dataclass(frozen=True)
class Place:
    """Where a rater is.

    Parameters
    ----------
    rater : Rater
    step : Step
    assignment : BlindedAssignment or None
        The response to rate, from the first one to the end.
    practice : int
        With instructions: the number of the practice response, from 1.
    attempt : int
        With comprehension: the number of the attempt, from 1.
    check : AttentionCheck or None
        With attention: the check that is due.
    conversation : Conversation or None
        In a study of conversations: the one that is led, or was led and is rated.
    """

    rater: Rater
    step: Step
    assignment: BlindedAssignment | None = None
    practice: int = 1
    attempt: int = 1
    check: AttentionCheck | None = None
    conversation: Conversation | None = None

    @property
    def rated(self) -> int:
        """Number of responses rated so far."""
        return self.assignment.position - 1 if self.assignment else 0


def find_place(study: Study, token: str) -> Place:
    """Where the rater with this link is.

    Raises
    ------
    LinkError
        When the link is not valid.
    """
    # One transaction: every run of a page asks for this.
    with study.reading() as connection:
        place = place_in(connection, study, raters.rater_with_token(connection, token))
    if place.step is Step.FINISHED and place.rater.status is RaterStatus.RATING:
        # The server stopped between the last answer and the mark of the end.
        finish(study, place.rater)
        return Place(replace(place.rater, status=RaterStatus.FINISHED), Step.FINISHED)
    return place


def place_in(connection: Transaction, study: Study, rater: Rater) -> Place:
    """``find_place`` within the caller's transaction; the mark of the end may be missing."""
    rating = rater.status is RaterStatus.RATING
    assignment = ratings.next_assignment_in(connection, study, rater) if rating else None
    passed: Mapping[str, dt.datetime] = {}
    given: Sequence[CheckAnswer] = ()
    if _has_stops(study) and rater.status in _UNDER_WAY:
        passed = passages.passed_in(connection, rater.id)
        given = check_answers.answers_in(connection, rater.id)
    stop = (
        _stop_before_rating(study, rater, passed, given)
        if assignment is None
        else _stop_between_responses(study, rater, assignment, passed, given)
    )
    if stop is not None:
        return stop
    step = {
        RaterStatus.ENROLLED: Step.CONSENT,
        RaterStatus.DECLINED: Step.DECLINED,
        RaterStatus.SCREENED_OUT: Step.SCREENED_OUT,
        RaterStatus.CONSENTED: Step.DEMOGRAPHICS,
        RaterStatus.READY: Step.INSTRUCTIONS,
        RaterStatus.RATING: Step.RATING,
        RaterStatus.FINISHED: Step.FINISHED,
    }[rater.status]
    if step is Step.CONSENT and study.protocol.languages and rater.language is None:
        step = Step.LANGUAGE
    if step is Step.DEMOGRAPHICS and not study.protocol.demographics:
        step = Step.INSTRUCTIONS
    if step is not Step.RATING:
        return Place(rater, step)
    if assignment is None:
        return Place(rater, Step.FINISHED)
    if study.protocol.design.shows == "conversation":
        talk = conversations.read_in(connection, assignment.id)
        return Place(
            rater,
            Step.CONVERSATION if talk.ended_at is None else step,
            assignment,
            conversation=talk,
        )
    return Place(rater, step, assignment)


_UNDER_WAY = (RaterStatus.CONSENTED, RaterStatus.READY, RaterStatus.RATING)
_PRACTICE = "practice-"


def _has_stops(study: Study) -> bool:
    protocol = study.protocol
    several = len(protocol.instructions.practice) > 1
    return several or protocol.checks is not None or protocol.breaks is not None


def _stop_before_rating(
    study: Study, rater: Rater, passed: Mapping[str, dt.datetime], given: Sequence[CheckAnswer]
) -> Place | None:
    """A practice response or the questions about the instructions, where there are several stops."""
    asked = bool(study.protocol.demographics)
    before = RaterStatus.READY if asked else RaterStatus.CONSENTED
    examples = len(study.protocol.instructions.practice)
    comprehension = session_checks.questions(study)
    if rater.status is not before or (examples == 1 and not comprehension):
        return None
    done = sum(step.startswith(_PRACTICE) for step in passed)
    if done < examples:
        return Place(rater, Step.INSTRUCTIONS, practice=done + 1)
    if not comprehension:
        return None
    attempts = [answer.attempt for answer in given]
    return Place(rater, Step.COMPREHENSION, attempt=1 + max(attempts, default=0))


def _stop_between_responses(
    study: Study,
    rater: Rater,
    assignment: BlindedAssignment,
    passed: Mapping[str, dt.datetime],
    given: Sequence[CheckAnswer],
) -> Place | None:
    """An attention check or a break that comes before this response."""
    rated = assignment.position - 1
    check = session_checks.next_attention_check(study, given, rated)
    if check is not None:
        return Place(rater, Step.ATTENTION, assignment, check=check)
    breaks = study.protocol.breaks
    due = breaks is not None and rated > 0 and rated % breaks.after_every == 0
    return Place(rater, Step.BREAK, assignment) if due and f"break-{rated}" not in passed else None


def consent(study: Study, rater: Rater) -> None:
    """The rater agrees to take part."""
    payload = {"protocol": study.protocol_sha256}
    raters.record_step(study, rater, "consented_at", "consented", payload)


def decline(study: Study, rater: Rater) -> None:
    """The rater does not take part; nothing else is recorded."""
    raters.record_step(study, rater, "declined_at", "declined", {}, before="consented_at")


def save_demographics(study: Study, rater: Rater, answers: Mapping[str, str | int | None]) -> None:
    """Save the answers about the rater.

    Raises
    ------
    RatingError
        When a required answer is missing or does not fit its question.
    """
    kept = {q.id: _fitting(q, answers.get(q.id)) for q in study.protocol.demographics}
    raters.record_step(
        study,
        rater,
        "demographics_at",
        "demographics_saved",
        kept,
        after="consented_at",
        demographics=json.dumps(kept),
    )


def _fitting(question: DemographicField, answer: str | int | None) -> str | int | None:
    if answer is None:
        if question.required:
            raise RatingError(f"Please answer: {question.question}")
        return None
    if question.kind == "choice":
        if answer not in {option.value for option in question.options}:
            raise RatingError(f"{answer!r} is not an answer to: {question.question}")
        return answer
    low, high = question.minimum, question.maximum
    if (
        not isinstance(answer, int)
        or isinstance(answer, bool)
        or (low is not None and answer < low)
        or (high is not None and answer > high)
    ):
        raise RatingError(
            f"{question.question} Please give a whole number"
            + (f" from {low}" if low is not None else "")
            + (f" up to {high}" if high is not None else "")
            + f"; found {answer!r}."
        )
    return answer


def finish_practice(study: Study, rater: Rater, number: int = 1) -> None:
    """The rater has read the instructions and tried an example; after the last one, rating starts.

    With questions about the instructions, it starts after these.
    """
    examples = len(study.protocol.instructions.practice)
    questions = session_checks.questions(study)
    if examples > 1 or questions:
        passages.note_passage(study, rater, f"{_PRACTICE}{number}")
    if number < examples or questions:
        return
    asked = "demographics_at" if study.protocol.demographics else "consented_at"
    raters.record_step(study, rater, "practised_at", "practised", {}, after=asked)


def rest(study: Study, rater: Rater, rated: int) -> float:
    """Note that the break after so many responses has begun; gives the seconds that it still lasts."""
    begun, breaks = f"break-{rated}-begun", study.protocol.breaks
    if breaks is None or not breaks.minimum_seconds:
        return 0.0
    at = passages.passed(study, rater).get(begun)
    if at is None:
        passages.note_passage(study, rater, begun)
        return float(breaks.minimum_seconds)
    gone = (now() - at).total_seconds()
    # A clock that was set back must not keep anybody waiting.
    return max(0.0, breaks.minimum_seconds - gone) if gone >= 0 else 0.0


def end_break(study: Study, rater: Rater, rated: int) -> bool:
    """End a break; returns False while it has to last. Simulated raters need no rest."""
    if not rater.simulated and rest(study, rater, rated) > 0:
        return False
    passages.note_passage(study, rater, f"break-{rated}")
    return True


def submit(study: Study, rater: Rater, assignment_id: str, answers: Mapping[str, Answer]) -> bool:
    """Save the answers to one response; see ``study.store.ratings.save_ratings``."""
    saved = ratings.save_ratings(study, rater, assignment_id, answers)
    finish(study, rater)
    return saved


def revise(study: Study, rater: Rater, assignment_id: str, answers: Mapping[str, Answer]) -> int:
    """Change saved answers to one response; returns how many changed.

    Raises
    ------
    RatingError
        When the protocol does not let raters go back; see ``study.store.ratings.revise_ratings``.
    """
    if not study.protocol.design.may_go_back:
        raise RatingError("In this study, answers that are saved cannot be changed.")
    return ratings.revise_ratings(study, rater, assignment_id, answers)


def finish(study: Study, rater: Rater) -> None:
    """Mark the end of a rater's way, if every response is rated."""
    if ratings.next_assignment(study, rater) is not None:
        return
    raters.record_step(study, rater, "finished_at", "finished", {}, after="practised_at")
