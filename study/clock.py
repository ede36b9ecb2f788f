"""Points in time: the clock, and the one form in which a time is kept and printed.

Within the product a point in time is an aware ``datetime`` in UTC. Text stands at the borders alone: in
the database, in the files of an export and in JSON.
"""

from __future__ import annotations

import datetime as dt


def now() -> dt.datetime:
    """The present time, UTC."""
    return dt.datetime.now(dt.UTC)


def time_text(at: dt.datetime) -> str:
    """A time as ISO 8601 to the microsecond, such as ``2026-03-01T09:30:00.000000+00:00``.

    Always of the same length, so that the texts sort as the times do.
    """
    return at.isoformat(timespec="microseconds")


def read_time(text: str) -> dt.datetime:
    """The time that ``time_text`` wrote; one without an offset is UTC.

    Raises
    ------
    ValueError
        When it is none.
    """
    at = dt.datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
