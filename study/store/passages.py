"""Pages of a rater's way that are passed once: practice, breaks. What was passed stays passed."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from study.clock import now
from study.entities import Rater
from study.store import drafts, tables
from study.store.study import Study


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
    at, row = now(), tables.rater.c
    try:
        with study.writing() as connection:
            # The rater's row first, as everywhere: see events.hold.
            taking_part = connection.execute(
                update(tables.rater)
                .where(
                    row.id == rater.id,
                    row.consented_at.is_not(None),
                    row.withdrawn_at.is_(None),
                    row.screened_out_at.is_(None),
                )
                .values(last_seen_at=at)
            ).rowcount
            if not taking_part or step in passed_in(connection, rater.id):
                return False
            connection.execute(insert(tables.passage).values(rater_id=rater.id, step=step, at=at))
            drafts.erase(connection, rater.id)
    except IntegrityError:
        return False  # a second tab was quicker
    return True
