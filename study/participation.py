"""Participation: one rater's way through the study, from the link to the debriefing.

Pages and simulated raters both go this way, so what a rehearsal proves holds for the pages. Nothing
is remembered between calls: where a rater is, is read from the database each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from study.entities import BlindedAssignment, Rater, RaterStatus
from study.errors import RatingError
from study.protocol import Answer, DemographicField
from study.store import raters, ratings
from study.store.study import Study


class Step(StrEnum):
    """What a rater has to do next."""

    CONSENT = "consent"
    DECLINED = "declined"
    DEMOGRAPHICS = "demographics"
    INSTRUCTIONS = "instructions"
    RATING = "rating"
    FINISHED = "finished"


@dataclass(frozen=True)
class Place:
    """Where a rater is: the step and, when rating, the response."""

    rater: Rater
    step: Step
    assignment: BlindedAssignment | None = None


def find_place(study: Study, token: str) -> Place:
    """Where the rater with this link is.

    Raises
    ------
    LinkError
        When the link is not valid.
    """
    # One transaction: every run of a page asks for this.
    with study.reading() as connection:
        rater = raters.rater_with_token(connection, token)
        rating = rater.status is RaterStatus.RATING
        assignment = ratings.next_assignment_in(connection, study, rater) if rating else None
    step = {
        RaterStatus.ENROLLED: Step.CONSENT,
        RaterStatus.DECLINED: Step.DECLINED,
        RaterStatus.CONSENTED: Step.DEMOGRAPHICS,
        RaterStatus.READY: Step.INSTRUCTIONS,
        RaterStatus.RATING: Step.RATING,
        RaterStatus.FINISHED: Step.FINISHED,
    }[rater.status]
    if step is Step.DEMOGRAPHICS and not study.protocol.demographics:
        step = Step.INSTRUCTIONS
    if step is not Step.RATING:
        return Place(rater, step)
    if assignment is None:
        # The server stopped between the last answer and the mark of the end.
        finish(study, rater)
        return Place(rater, Step.FINISHED)
    return Place(rater, step, assignment)


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


def finish_practice(study: Study, rater: Rater) -> None:
    """The rater has read the instructions and tried the example."""
    asked = "demographics_at" if study.protocol.demographics else "consented_at"
    raters.record_step(study, rater, "practised_at", "practised", {}, after=asked)


def submit(study: Study, rater: Rater, assignment_id: str, answers: Mapping[str, Answer]) -> bool:
    """Save the answers to one response; see ``study.store.ratings.save_ratings``."""
    saved = ratings.save_ratings(study, rater, assignment_id, answers)
    finish(study, rater)
    return saved


def finish(study: Study, rater: Rater) -> None:
    """Mark the end of a rater's way, if every response is rated."""
    if ratings.next_assignment(study, rater) is not None:
        return
    raters.record_step(study, rater, "finished_at", "finished", {}, after="practised_at")
