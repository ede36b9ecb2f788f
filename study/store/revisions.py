"""Responses that a rater has already rated, with the answers that are saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from study.entities import Answer, BlindedAssignment, Conversation, Rater
from study.store import conversations, ratings, tables
from study.store.study import Study


@dataclass(frozen=True)
class RatedAssignment:
    """A rated response as its rater may see it again, and item -> saved answer.

    ``conversation`` is what was said, in a study of conversations; ``revision`` grows with every answer
    that is changed.
    """

    assignment: BlindedAssignment
    answers: Mapping[str, Answer]
    revision: int
    conversation: Conversation | None = None


def rated_assignment(study: Study, rater: Rater, position: int) -> RatedAssignment | None:
    """What this rater rated at a position (from 1); None when nothing is rated there."""
    rating = tables.rating.c
    with study.reading() as connection:
        found = ratings.assignment_at(connection, study, rater, position)
        if found is None:
            return None
        rows = connection.execute(
            select(
                rating.item_id, rating.value, rating.text, rating.missing_reason, rating.revision
            ).where(rating.assignment_id == found.id)
        ).all()
        talks = study.protocol.design.shows == "conversation"
        talk = conversations.read_in(connection, found.id) if talks else None
    answers = {row.item_id: ratings.stored_answer(row) for row in rows}
    return RatedAssignment(found, answers, sum(row.revision for row in rows), talk)


def revision_in(connection: Connection, rater: Rater, assignment_id: str) -> int | None:
    """``RatedAssignment.revision`` of a rater's own assignment; None when nothing is rated there."""
    rating, assignment = tables.rating.c, tables.assignment.c
    found: int | None = connection.execute(
        select(func.sum(rating.revision))
        .join_from(tables.rating, tables.assignment)
        .where(assignment.id == assignment_id, assignment.rater_id == rater.id)
    ).scalar()
    return found
