"""Ratings in the store: saved once, corrected by revision, never lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from study.blinding import shuffled
from study.entities import (
    AssignmentRecord,
    BlindedAssignment,
    MissingReason,
    Rater,
    Rating,
)
from study.errors import RatingError
from study.protocol import Item
from study.protocol.item_kinds import Answer, answer_fault
from study.store import events, tables
from study.store.study import Study, now


def items_in_order(study: Study, assignment_id: str) -> tuple[Item, ...]:
    """All items in the order in which the rater of this assignment sees them."""
    ordered: list[Item] = []
    for instrument in study.protocol.instruments:
        items = {item.id: item for item in instrument.items}
        names = list(items)
        if instrument.order == "random":
            names = shuffled(study.key, f"{assignment_id}/{instrument.id}", names)
        ordered += [items[name] for name in names]
    return tuple(ordered)


def next_assignment(study: Study, rater: Rater) -> BlindedAssignment | None:
    """The first response that this rater has not rated yet, or None when all are rated."""
    with study.reading() as connection:
        return next_assignment_in(connection, study, rater)


def next_assignment_in(
    connection: Connection, study: Study, rater: Rater
) -> BlindedAssignment | None:
    """``next_assignment`` within the caller's transaction."""
    assignment, response = tables.assignment.c, tables.response.c
    total = (
        select(func.count())
        .select_from(tables.assignment)
        .where(assignment.rater_id == rater.id)
        .scalar_subquery()
        .label("total")
    )
    row = connection.execute(
        select(
            assignment.id,
            assignment.position,
            assignment.label,
            response.prompt_id,
            response.text,
            total,
        )
        .join_from(tables.assignment, tables.response)
        .where(assignment.rater_id == rater.id, assignment.submitted_at.is_(None))
        .order_by(assignment.position)
        .limit(1)
    ).first()
    if row is None:
        return None
    prompt = study.protocol.prompt(row.prompt_id)
    return BlindedAssignment(row.id, row.position, row.total, row.label, prompt.text, row.text)


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
        Item id -> number or text, or the reason why there is none. Every item must be there.

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
    _check_answers(study, answers)
    at = now()
    with study.writing() as connection:
        _still_rating(connection, rater, at)
        row = _own_assignment(connection, rater, assignment_id)
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
        When the response was not answered yet or is not this rater's, or an answer does not fit.
    """
    _check_answers(study, answers, complete=False)
    at, changed = now(), {}
    rating = tables.rating.c
    with study.writing() as connection:
        _still_rating(connection, rater, at)
        row = _own_assignment(connection, rater, assignment_id)
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
        if changed:
            payload = {"assignment": assignment_id, "answers": _plain(changed)}
            events.append(connection, study, "ratings_revised", rater.id, payload)
    return len(changed)


def _check_answers(study: Study, answers: Mapping[str, Answer], *, complete: bool = True) -> None:
    items = {item.id: item for item in study.protocol.items}
    unknown = [item for item in answers if item not in items]
    if unknown:
        raise RatingError(f"There is no item {unknown[0]!r} in this study.")
    missing = [item.text for item in items.values() if item.id not in answers]
    if complete and missing:
        raise RatingError(f"Please answer every question. Still open: {missing[0]}")
    for item, answer in answers.items():
        fault = answer_fault(items[item], study.protocol.scale_of(item), answer)
        if fault is not None:
            raise RatingError(fault)


def _still_rating(connection: Connection, rater: Rater, at: str) -> None:
    # The update holds the rater's row, so a withdrawal comes wholly before or wholly after.
    row = tables.rater.c
    changed = connection.execute(
        update(tables.rater)
        .where(
            row.id == rater.id,
            row.practised_at.is_not(None),
            row.withdrawn_at.is_(None),
            row.declined_at.is_(None),
        )
        .values(last_seen_at=at)
    ).rowcount
    if not changed:
        raise RatingError(
            "This link takes no answers now: its rater has withdrawn, declined or not started yet. "
            "Please reload the page."
        )


def _own_assignment(connection: Connection, rater: Rater, assignment_id: str) -> Row[Any]:
    row = connection.execute(
        select(tables.assignment).where(
            tables.assignment.c.id == assignment_id, tables.assignment.c.rater_id == rater.id
        )
    ).first()
    if row is None:
        raise RatingError("This response does not belong to this link. Please reload the page.")
    return row


def _columns(answer: Answer) -> dict[str, Any]:
    # MissingReason first: it is text, too.
    reason = answer.value if isinstance(answer, MissingReason) else None
    text = answer if isinstance(answer, str) and reason is None else None
    value = int(answer) if reason is None and text is None else None
    return {"value": value, "text": text, "missing_reason": reason}


def _plain(answers: Mapping[str, Answer]) -> dict[str, Any]:
    return {item: _logged(**_columns(answer)) for item, answer in answers.items()}


def _logged(value: int | None, text: str | None, missing_reason: str | None) -> Any:
    """An answer as the log holds it; a text is wrapped, or one could pass for a reason."""
    if text is not None:
        return {"text": text}
    return value if value is not None else missing_reason


def _seconds(shown_at: str | None, at: str) -> float | None:
    if shown_at is None:
        return None
    seconds = (dt.datetime.fromisoformat(at) - dt.datetime.fromisoformat(shown_at)).total_seconds()
    return seconds if seconds >= 0 else None  # the server's clock was set back in between


def read_assignments(study: Study) -> list[AssignmentRecord]:
    """Every assignment, by group, slot and position (not for pages: it names systems)."""
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
        .join_from(tables.assignment, tables.response)
        .join(tables.rater)
        .order_by(rater.group_id, rater.slot, assignment.position)
    )
    with study.reading() as connection:
        return [AssignmentRecord(*row) for row in connection.execute(statement)]


def read_ratings(study: Study) -> list[Rating]:
    """Every saved answer, by assignment and item."""
    rating = tables.rating.c
    statement = select(
        rating.assignment_id,
        rating.item_id,
        rating.value,
        rating.missing_reason,
        rating.revision,
        rating.saved_at,
        rating.text,
        rating.place,
    ).order_by(rating.assignment_id, rating.item_id)
    with study.reading() as connection:
        return [Rating(*row) for row in connection.execute(statement)]


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
