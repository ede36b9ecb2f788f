"""Where checks, screening, panel ids and languages differ from what the audit log says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from study.store import events, tables

_Key = tuple[str, ...]


def session_faults(connection: Connection) -> list[str]:
    """Every difference, in words; empty when there is none."""
    logged, stored = _logged(connection), _stored(connection)
    return [
        *(
            f"{_what(key)} was logged but is not stored"
            for key in sorted(logged.keys() - stored.keys())
        ),
        *(
            f"{_what(key)} is stored but was never logged"
            for key in sorted(stored.keys() - logged.keys())
        ),
        *(
            f"{_what(key)} is {stored[key]!r}, but the log says {logged[key]!r}"
            for key in sorted(logged.keys() & stored.keys())
            if logged[key] != stored[key]
        ),
    ]


def _what(key: _Key) -> str:
    kind, rater, *rest = key
    return f"{kind} {' '.join(rest)} of rater {rater}".replace("  ", " ")


_SINGLE = {
    "screened_out": ("the screening", "because"),
    "panel_participant_entered": ("the panel id", "participant"),
    "language_chosen": ("the language", "language"),
}


def _logged(connection: Connection) -> dict[_Key, Any]:
    found: dict[_Key, Any] = {}
    for event in events.read(connection):
        # A withdrawal erases the payloads together with the rows.
        if event.payload is None:
            continue
        if event.kind == "check_answered":
            found |= _checks(event.actor, event.payload)
        elif event.kind in _SINGLE:
            what, field = _SINGLE[event.kind]
            found[(what, event.actor)] = event.payload[field]
    return found


def _checks(rater: str, payload: Mapping[str, Any]) -> dict[_Key, Any]:
    attempt = str(payload["attempt"])
    return {
        ("the answer to check", rater, check, attempt): value
        for check, value in payload["answers"].items()
    }


def _stored(connection: Connection) -> dict[_Key, Any]:
    found: dict[_Key, Any] = {}
    for row in connection.execute(select(tables.check_answer)):
        key = ("the answer to check", row.rater_id, row.check_id, str(row.attempt))
        found[key] = row.value
    columns = ("screened_out_because", "panel_id", "language")
    for row in connection.execute(select(tables.rater)):
        for (what, _), column in zip(_SINGLE.values(), columns, strict=True):
            value = getattr(row, column)
            if value is not None:
                found[(what, row.id)] = value
    return found
