"""Ratings in the store: saved once, corrected by revision, never lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, literal, select, update

from study.blinding import shuffled
from study.clock import now
from study.entities import (
    Answer,
    AssignmentRecord,
    BlindedAssignment,
    MissingReason,
    Rater,
    Rating,
)
from study.errors import RatingError
from study.protocol import Item
from study.store import drafts, events, tables
from study.store.passages import hold_rater
from study.store.study import Study


def items_in_order(study: Study, assignment_id: str) -> tuple[Item, ...]:
    """All items in the order in which the rater of this assignment sees them."""
    ordered: list[Item] = []
    for instrument in study.protocol.instruments:
        items = {item.id: item for item in instrument.items}
        names = list(items)
        if instrument.order == "random":
            names = shuffled(study.key, f"{assignment_id}/{instrument.id}", names)
        for name in names:
            ordered += items[name].asked
    return tuple(ordered)


def next_assignment(study: Study, rater: Rater) -> BlindedAssignment | None:
    """The first response that this rater has not rated yet, or None when all are rated."""
    with study.reading() as connection:
        return next_assignment_in(connection, study, rater)


def next_assignment_in(
    connection: Connection, study: Study, rater: Rater
) -> BlindedAssignment | None:
    """``next_assignment`` within the caller's transaction."""
    return assignment_at(connection, study, rater, None)


def assignment_at(
    connection: Connection, study: Study, rater: Rater, position: int | None
) -> BlindedAssignment | None:
    """What is rated at a position (from 1), or without one the first that is not rated yet."""
    assignment, response = tables.assignment.c, tables.response.c
    total = (
        select(func.count())
        .select_from(tables.assignment)
        .where(assignment.rater_id == rater.id)
        .scalar_subquery()
        .label("total")
    )
    statement = (
        select(
            assignment.id,
            assignment.position,
            assignment.label,
            response.prompt_id,
            response.text,
            total,
        )
        .join_from(tables.assignment, tables.response, isouter=True)
        .where(assignment.rater_id == rater.id)
    )
    if position is None:
        open_ones = statement.where(assignment.submitted_at.is_(None))
        statement = open_ones.order_by(assignment.position).limit(1)
    else:
        rated = assignment.submitted_at.is_not(None)
        statement = statement.where(assignment.position == position, rated)
    row = connection.execute(statement).first()
    if row is None:
        return None
    shown: Sequence[Any] = [row] if row.prompt_id else _several(connection, row.id)[row.id]
    prompt, texts = study.protocol.prompt(shown[0].prompt_id), tuple(one.text for one in shown)
    return BlindedAssignment(row.id, row.position, row.total, row.label, prompt.text, texts)


def _several(connection: Connection, assignment_id: str | None = None) -> dict[str, list[Row[Any]]]:
    """Assignment -> what it shows, by place; only those with several responses or a conversation."""
    shown, response = tables.shown_response.c, tables.response.c
    statement = (
        select(shown.assignment_id, response.prompt_id, response.system_id, response.text)
        .join_from(tables.shown_response, tables.response)
        .order_by(shown.assignment_id, shown.place)
    )
    if assignment_id is not None:
        statement = statement.where(shown.assignment_id == assignment_id)
    talk = tables.conversation.c
    # A conversation shows no stored response; its text is what was said.
    talks = select(talk.assignment_id, talk.prompt_id, talk.system_id, literal("").label("text"))
    if assignment_id is not None:
        talks = talks.where(talk.assignment_id == assignment_id)
    found: dict[str, list[Row[Any]]] = {}
    for row in [*connection.execute(statement), *connection.execute(talks)]:
        found.setdefault(row.assignment_id, []).append(row)
    return found


def mark_shown(study: Study, assignment_id: str) -> None:
    """Note when a response was first on the rater's page."""
    taking_part = select(tables.rater.c.id).where(tables.rater.c.withdrawn_at.is_(None))
    with study.writing() as connection:
        connection.execute(
            update(tables.assignment)
            .where(
                tables.assignment.c.id == assignment_id,
                tables.assignment.c.shown_at.is_(None),
                tables.assignment.c.rater_id.in_(taking_part),
            )
            .values(shown_at=now())
        )


def save_ratings(
    study: Study, rater: Rater, assignment_id: str, answers: Mapping[str, Answer]
) -> bool:
    """Save all answers to one response, in one transaction.

    Parameters
    ----------
    answers : mapping
        Item id -> its answer. Every item must be there.

    Returns
    -------
    bool
        True when the answers were saved now; False when this response had been answered before
        (a double tap or a second tab), which changes nothing.

    Raises
    ------
    RatingError
        When an answer is missing or does not fit its scale, or the response is not this rater's.
    """
    _check_answers(study, assignment_id, answers)
    at = now()
    with study.writing() as connection:
        still_rating(connection, rater, at)
        row = own_assignment(connection, rater, assignment_id)
        if row.submitted_at is not None:
            return False
        seconds = _seconds(row.shown_at, at)
        # The condition makes two simultaneous submissions one: the second changes no row.
        changed = connection.execute(
            update(tables.assignment)
            .where(
                tables.assignment.c.id == assignment_id, tables.assignment.c.submitted_at.is_(None)
            )
            .values(submitted_at=at, seconds=seconds)
        ).rowcount
        if not changed:
            return False
        places = {item.id: i for i, item in enumerate(items_in_order(study, assignment_id), 1)}
        connection.execute(
            insert(tables.rating),
            [
                {
                    "assignment_id": assignment_id,
                    "item_id": item,
                    "revision": 1,
                    "saved_at": at,
                    "place": places[item],
                    **_columns(answer),
                }
                for item, answer in answers.items()
            ],
        )
        # In this transaction: a draft that is on its way waits at the rater's row, which is held since
        # ``still_rating``, and then finds its page saved; after it, it would outlive its answers.
        drafts.erase(connection, rater.id)
        payload = {"assignment": assignment_id, "answers": _plain(answers), "seconds": seconds}
        events.append(connection, study, "ratings_saved", rater.id, payload)
    return True


def revise_ratings(
    study: Study, rater: Rater, assignment_id: str, answers: Mapping[str, Answer]
) -> int:
    """Correct answers that were saved; the old ones stay in the log. Returns how many changed.

    Raises
    ------
    RatingError
        When the response was not answered yet or is not this rater's, an answer does not fit, or
        the rater has finished.
    """
    _check_answers(study, assignment_id, answers, complete=False)
    at, changed = now(), {}
    rating = tables.rating.c
    with study.writing() as connection:
        still_rating(connection, rater, at)
        row = own_assignment(connection, rater, assignment_id)
        mine = tables.rater.c.id == rater.id
        if connection.execute(select(tables.rater.c.finished_at).where(mine)).scalar():
            raise RatingError("The study is finished, so no answer can be changed any more.")
        if row.submitted_at is None:
            raise RatingError("This response has no saved answers yet, so none can be corrected.")
        for item, answer in answers.items():
            values = _columns(answer)
            where = (rating.assignment_id == assignment_id, rating.item_id == item)
            before = connection.execute(
                select(rating.value, rating.text, rating.missing_reason).where(*where)
            ).one()
            if before._asdict() == values:
                continue
            connection.execute(
                update(tables.rating)
                .where(*where)
                .values(revision=rating.revision + 1, saved_at=at, **values)
            )
            changed[item] = answer
        drafts.erase(connection, rater.id, page=assignment_id)
        if changed:
            payload = {"assignment": assignment_id, "answers": _plain(changed)}
            events.append(connection, study, "ratings_revised", rater.id, payload)
    return len(changed)


def _check_answers(
    study: Study, assignment_id: str, answers: Mapping[str, Answer], *, complete: bool = True
) -> None:
    items = {item.id: item for item in study.protocol.items}
    unknown = [item for item in answers if item not in items]
    if unknown:
        raise RatingError(f"There is no item {unknown[0]!r} in this study.")
    missing = [item.text for item in items.values() if item.id not in answers]
    if complete and missing:
        raise RatingError(f"Please answer every question. Still open: {missing[0]}")
    about_texts = any(items[item].reads_responses for item in answers)
    texts = _shown_texts(study, assignment_id) if about_texts else ()
    for item, answer in answers.items():
        fault = items[item].answer_fault(answer, study.protocol.scale_of(item), texts)
        if fault is not None:
            raise RatingError(fault)


def _shown_texts(study: Study, assignment_id: str) -> tuple[str, ...]:
    """The responses of an assignment, by place; they do not change once raters are enrolled."""
    with study.reading() as connection:
        several = _several(connection, assignment_id).get(assignment_id)
        if several is not None:
            return tuple(row.text for row in several)
        return tuple(
            connection.execute(
                select(tables.response.c.text)
                .join_from(tables.assignment, tables.response)
                .where(tables.assignment.c.id == assignment_id)
            ).scalars()
        )


def still_rating(connection: Connection, rater: Rater, at: dt.datetime) -> None:
    ended = ("withdrawn_at", "declined_at", "screened_out_at")
    if not hold_rater(connection, rater.id, at, after=("practised_at",), before=ended):
        raise RatingError(
            "This link takes no answers now: its rater has withdrawn, declined, not started or ended. "
            "Please reload the page."
        )


def own_assignment(connection: Connection, rater: Rater, assignment_id: str) -> Row[Any]:
    row = connection.execute(
        select(tables.assignment).where(
            tables.assignment.c.id == assignment_id, tables.assignment.c.rater_id == rater.id
        )
    ).first()
    if row is None:
        raise RatingError("This response does not belong to this link. Please reload the page.")
    return row


def _columns(answer: Answer) -> dict[str, Any]:
    reason = None if answer.missing is None else answer.missing.value
    return {"value": answer.number, "text": answer.text, "missing_reason": reason}


def stored_answer(row: Any) -> Answer:
    """The answer in a row of the ratings."""
    if row.missing_reason is not None:
        return Answer(missing=MissingReason(row.missing_reason))
    return Answer(row.text if row.value is None else row.value)


def _plain(answers: Mapping[str, Answer]) -> dict[str, Any]:
    return {item: _logged(**_columns(answer)) for item, answer in answers.items()}


def _logged(value: int | None, text: str | None, missing_reason: str | None) -> Any:
    """An answer as the log holds it; a text is wrapped, or one could pass for a reason."""
    if text is not None:
        return {"text": text}
    return value if value is not None else missing_reason


def _seconds(shown_at: dt.datetime | None, at: dt.datetime) -> float | None:
    if shown_at is None:
        return None
    seconds = (at - shown_at).total_seconds()
    return seconds if seconds >= 0 else None  # the server's clock was set back in between


def read_assignments(study: Study) -> list[AssignmentRecord]:
    """Every assignment, by group, slot and position (not for pages: it names the systems)."""
    assignment, response, rater = tables.assignment.c, tables.response.c, tables.rater.c
    statement = (
        select(
            assignment.id,
            assignment.rater_id,
            assignment.position,
            assignment.label,
            response.prompt_id,
            response.system_id,
            assignment.shown_at,
            assignment.submitted_at,
            assignment.seconds,
        )
        .join_from(tables.assignment, tables.rater)
        .join(tables.response, isouter=True)
        .order_by(rater.group_id, rater.slot, assignment.position)
    )
    with study.reading() as connection:
        several = _several(connection)
        return [_record(row, several) for row in connection.execute(statement)]


def _record(row: Any, several: Mapping[str, Sequence[Any]]) -> AssignmentRecord:
    shown: Sequence[Any] = [row] if row.prompt_id else several[row.id]
    return AssignmentRecord(
        row.id,
        row.rater_id,
        row.position,
        row.label,
        shown[0].prompt_id,
        tuple(one.system_id for one in shown),
        row.shown_at,
        row.submitted_at,
        row.seconds,
    )


def read_ratings(study: Study) -> list[Rating]:
    """Every saved answer, by assignment and item."""
    rating = tables.rating.c
    statement = select(
        rating.assignment_id,
        rating.item_id,
        rating.value,
        rating.text,
        rating.missing_reason,
        rating.revision,
        rating.saved_at,
        rating.place,
    ).order_by(rating.assignment_id, rating.item_id)
    with study.reading() as connection:
        return [
            Rating(
                row.assignment_id,
                row.item_id,
                stored_answer(row),
                row.revision,
                row.saved_at,
                row.place,
            )
            for row in connection.execute(statement)
        ]


def rating_faults(study: Study) -> list[str]:
    """Where the saved answers differ from what the audit log says was saved."""
    logged: dict[tuple[str, str], Any] = {}
    with study.reading() as connection:
        for event in events.read(connection):
            if event.kind in ("ratings_saved", "ratings_revised") and event.payload is not None:
                assignment = event.payload["assignment"]
                for item, answer in event.payload["answers"].items():
                    logged[(assignment, item)] = answer
        stored = {
            (row.assignment_id, row.item_id): _logged(row.value, row.text, row.missing_reason)
            for row in connection.execute(select(tables.rating))
        }
    faults = [
        f"the answer to item {item!r} of assignment {assignment} was logged but is not stored"
        for assignment, item in sorted(logged.keys() - stored.keys())
    ]
    faults += [
        f"the answer to item {item!r} of assignment {assignment} is stored but was never logged"
        for assignment, item in sorted(stored.keys() - logged.keys())
    ]
    faults += [
        f"the answer to item {key[1]!r} of assignment {key[0]} is {stored[key]!r}, but the log says "
        f"{logged[key]!r}"
        for key in sorted(logged.keys() & stored.keys())
        if logged[key] != stored[key]
    ]
    return faults
