"""Whether every required answer of a rater is in the database."""

from __future__ import annotations

from sqlalchemy import and_, or_, select

from study.entities import MissingReason, Rater
from study.store import tables
from study.store.study import Study


def open_answers(study: Study, rater: Rater) -> list[tuple[int, str]]:
    """(position, item) of each required answer that is not there, in the rater's order.

    "Not applicable" is an answer where the protocol offers it; items that may be left open are
    not required.
    """
    assignment, rating = tables.assignment.c, tables.rating.c
    statement = (
        select(assignment.position, rating.item_id)
        .select_from(tables.assignment)
        .outerjoin(
            tables.rating,
            and_(
                rating.assignment_id == assignment.id,
                or_(
                    rating.value.is_not(None),
                    rating.text.is_not(None),
                    rating.missing_reason == MissingReason.NOT_APPLICABLE.value,
                ),
            ),
        )
        .where(assignment.rater_id == rater.id)
        .order_by(assignment.position)
    )
    given: dict[int, set[str]] = {}
    with study.reading() as connection:
        for position, item in connection.execute(statement):
            given.setdefault(position, set()).add(item)
    required = [item.id for item in study.protocol.items if not item.optional]
    return [
        (position, item)
        for position, items in given.items()
        for item in required
        if item not in items
    ]
