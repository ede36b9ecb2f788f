"""Drafts: what stands on a rater's page and is not saved yet.

A draft is no answer. It is in no export, no report and no line of the audit log; it goes when its page
is saved, and with its rater.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, delete, insert, select, update

from study.store import tables

_draft = tables.draft.c


def read_in(connection: Connection, rater_id: str) -> dict[str, str]:
    """Page -> content of this rater's drafts."""
    rows = connection.execute(
        select(_draft.page, _draft.content).where(_draft.rater_id == rater_id)
    ).all()
    return {row.page: row.content for row in rows}


def put(connection: Connection, rater_id: str, page: str, content: str, at: dt.datetime) -> None:
    """Keep a draft in the place of the one before it; the caller holds the rater's row."""
    mine = (_draft.rater_id == rater_id, _draft.page == page)
    values = {"content": content, "saved_at": at}
    if not connection.execute(update(tables.draft).where(*mine).values(**values)).rowcount:
        row = {"rater_id": rater_id, "page": page, **values}
        connection.execute(insert(tables.draft).values(row))


def erase(connection: Connection, rater_id: str, *, page: str | None = None) -> None:
    """Erase a rater's drafts: all of them, or those of a page and of what is changed there again."""
    chosen = [_draft.rater_id == rater_id]
    if page is not None:
        # Ids are letters and digits, so that nothing in them means something to LIKE.
        chosen.append((_draft.page == page) | _draft.page.like(f"{page}-%"))
    connection.execute(delete(tables.draft).where(*chosen))
