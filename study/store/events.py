"""The append-only audit log, a chain of keyed hashes.

Each line's hash covers the line before it, so a line that is changed, removed or slipped in breaks the
chain from there on. The hashes are keyed with the study's key: who can write to the database but
does not have ``study.key`` cannot make a new chain that fits.

A line holds its payload beside the payload's hash. Erasing a participant removes payloads and leaves
the hashes, so the chain still holds. Each payload carries a random salt, so that an erased answer
cannot be found by trying all five points.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from study.clock import now, read_time, time_text
from study.entities import Event
from study.errors import StoreError
from study.store import tables
from study.store.study import Study

FIRST_HASH = "0" * 64
# A line that is written while study.key is lost holds its place in the chain, and anybody could have
# written it; `verify` says so.
WITHOUT_KEY = b""


def append(
    connection: Connection, study: Study, kind: str, actor: str, payload: Mapping[str, Any]
) -> None:
    """Add a line in the caller's transaction, so that it stands or falls with what it tells of."""
    head = hold(connection)
    text = json.dumps({**payload, "salt": secrets.token_hex(16)}, sort_keys=True)
    at = time_text(now())
    payload_sha256 = hashlib.sha256(text.encode()).hexdigest()
    key = study.stored_key or WITHOUT_KEY
    digest = _hash(key, head.seq + 1, at, kind, actor, payload_sha256, head.hash)
    connection.execute(
        insert(tables.event).values(
            seq=head.seq + 1,
            at=at,
            kind=kind,
            actor=actor,
            payload=text,
            payload_sha256=payload_sha256,
            previous_hash=head.hash,
            hash=digest,
        )
    )
    connection.execute(update(tables.audit_head).values(seq=head.seq + 1, hash=digest))


def hold(connection: Connection) -> Row[Any]:
    """The end of the log, held until the caller's transaction ends.

    A transaction that decides by what it reads calls this first, so that no other one can come in
    between (SQLite lets in one writer at a time anyway). To keep PostgreSQL free of deadlocks, a
    transaction that changes a rater who may be on the pages changes that rater's row first, then the
    turns of a conversation, then calls this, and changes no such row afterwards.
    """
    head = connection.execute(select(tables.audit_head).with_for_update()).first()
    if head is None:
        raise StoreError(
            "The end of the audit log is missing from the database, so nothing can be written. "
            "`evenhand verify` says what else is wrong; put the database back from your copy."
        )
    return head


def _hash(key: bytes, seq: int, at: str, kind: str, actor: str, payload: str, previous: str) -> str:
    line = json.dumps([seq, at, kind, actor, payload, previous], separators=(",", ":"))
    return hmac.new(key, line.encode(), hashlib.sha256).hexdigest()


def read(connection: Connection) -> Iterator[Event]:
    """All lines, oldest first."""
    for row in connection.execute(select(tables.event).order_by(tables.event.c.seq)):
        yield _event(row)


def _vouched_for(row: Row[Any], key: bytes | None) -> bool:
    """Whether a line's hash is the key's; without any key nothing can be said against it."""
    line = (row.seq, row.at, row.kind, row.actor, row.payload_sha256, row.previous_hash)
    return key is None or row.hash == _hash(key, *line)


def _event(row: Row[Any]) -> Event:
    at = payload = None
    # chain_faults tells of a line that was changed.
    with contextlib.suppress(ValueError):
        at = read_time(row.at)
    with contextlib.suppress(ValueError, TypeError):
        payload = json.loads(row.payload)
    if not isinstance(payload, dict):
        payload = None
    return Event(row.seq, at, row.kind, row.actor, payload, row.hash)


def erase_payloads(connection: Connection, actor: str) -> int:
    """Remove what the log says about one rater; the chain stays whole. Returns the number of lines."""
    result = connection.execute(
        update(tables.event).where(tables.event.c.actor == actor).values(payload=None)
    )
    return int(result.rowcount)


def count(connection: Connection) -> int:
    """Number of lines."""
    return int(connection.execute(select(func.count()).select_from(tables.event)).scalar_one())


def last_hash(connection: Connection) -> str:
    """Hash of the last line, which stands for the whole log."""
    found = connection.execute(
        select(tables.event.c.hash).order_by(tables.event.c.seq.desc()).limit(1)
    ).scalar()
    return found or FIRST_HASH


def chain_faults(connection: Connection, study: Study) -> list[str]:
    """What is wrong with the chain, in words; empty when it holds."""
    faults: list[str] = []
    previous, expected_seq = FIRST_HASH, 1
    withdrawn: set[str] = set()
    erased: dict[str, int] = {}
    for row in connection.execute(select(tables.event).order_by(tables.event.c.seq)):
        if row.seq != expected_seq:
            faults.append(f"line {expected_seq} of the audit log is missing")
        if row.previous_hash != previous or not _vouched_for(row, study.stored_key):
            fault = "does not fit the chain"
            if row.previous_hash == previous and _vouched_for(row, WITHOUT_KEY):
                fault = "was written without study.key, so nothing vouches for it"
            faults.append(f"line {row.seq} of the audit log ({row.kind}) {fault}")
        if row.payload is None:
            erased.setdefault(row.actor, row.seq)
        elif hashlib.sha256(row.payload.encode()).hexdigest() != row.payload_sha256:
            faults.append(
                f"the content of line {row.seq} of the audit log ({row.kind}) was changed"
            )
        if row.kind == "rater_withdrawn":
            withdrawn.add(row.actor)
        previous, expected_seq = row.hash, row.seq + 1
    faults += [
        f"the content of line {seq} of the audit log was erased, but nobody withdrew"
        for actor, seq in erased.items()
        if actor not in withdrawn
    ]
    head = connection.execute(select(tables.audit_head)).first()
    if head is None:
        return [*faults, "the end of the audit log is missing"]
    if (head.seq, head.hash) != (expected_seq - 1, previous):
        faults.append(
            f"the audit log ends at line {expected_seq - 1}, but {head.seq} lines were written"
        )
    return faults
