"""A rater's way: whether the rater takes part now, and pages that are passed once (practice, breaks).

What was passed stays passed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from study.clock import now
from study.entities import Rater
from study.store import drafts, tables
from study.store.study import Study


def hold_rater(
    connection: Connection,
    rater_id: str,
    at: dt.datetime,
    *,
    after: Sequence[str] = (),
    before: Sequence[str] = ("withdrawn_at",),
    **values: Any,
) -> bool:
    """Hold a rater's row, seen now, until the transaction ends; first of all that a transaction does.

    So a withdrawal comes wholly before or wholly after it, and PostgreSQL stays free of deadlocks (see
    ``study.store.events.hold``).

    Parameters
    ----------
    at : datetime.datetime
        The time that is kept as last seen.
    after, before : sequence of str
        Columns of the steps that the rater must have passed, and of those that must not be passed.
    values
        What else changes in the row.

    Returns
    -------
    bool
        False when a step says otherwise, or there is no such rater: nothing changed then.
    """
    row = tables.rater.c
    condition = [
        row.id == rater_id,
        *(row[step].is_not(None) for step in after),
        *(row[step].is_(None) for step in before),
    ]
    changed = connection.execute(
        update(tables.rater).where(*condition).values(last_seen_at=at, **values)
    )
    return bool(changed.rowcount)


def passed_in(connection: Connection, rater_id: str) -> dict[str, dt.datetime]:
    """Step -> when this rater passed it."""
    rows = connection.execute(
        select(tables.passage.c.step, tables.passage.c.at).where(
            tables.passage.c.rater_id == rater_id
        )
    ).all()
    return {row.step: row.at for row in rows}


def passed(study: Study, rater: Rater) -> dict[str, dt.datetime]:
    """``passed_in`` in a transaction of its own."""
    with study.reading() as connection:
        return passed_in(connection, rater.id)


def note_passage(study: Study, rater: Rater, step: str) -> bool:
    """Note that a rater passed a page, once. Returns whether it was noted now.

    Nothing is noted of somebody who is not taking part (any more).
    """
    at = now()
    try:
        with study.writing() as connection:
            taking_part = hold_rater(
                connection,
                rater.id,
                at,
                after=("consented_at",),
                before=("withdrawn_at", "screened_out_at"),
            )
            if not taking_part or step in passed_in(connection, rater.id):
                return False
            connection.execute(insert(tables.passage).values(rater_id=rater.id, step=step, at=at))
            drafts.erase(connection, rater.id)
    except IntegrityError:
        return False  # a second tab was quicker
    return True
