"""Checks everything in the database that the key, the lock or the audit log can vouch for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from study import blinding
from study.design import allocate
from study.store import events, tables
from study.store.conversations import conversation_faults
from study.store.locking import lock_faults
from study.store.raters import PlannedPage, planned_pages
from study.store.ratings import rating_faults
from study.store.session_faults import session_faults
from study.store.study import Study


def log_end(study: Study) -> tuple[int, str]:
    """How many lines the log has, and the hash of the last one."""
    with study.reading() as connection:
        return events.count(connection), events.last_hash(connection)


def study_faults(study: Study, judge: Mapping[str, str] | None = None) -> list[str]:
    """All that is wrong with the data of a study, in words; empty when nothing is.

    ``judge`` holds what is now of what the lock froze of the judge (see ``lock_faults``).
    """
    faults = []
    with study.reading() as connection:
        if study.stored_key is None:
            faults.append(
                "study.key is missing or damaged: whether the log's lines are genuine, and raters and "
                "allocation fit the key, cannot be checked without it"
            )
        faults += events.chain_faults(connection, study)
        faults += rater_faults(connection, study)
        if study.stored_key is not None:
            faults += allocation_faults(connection, study)
        faults += session_faults(connection)
        faults += conversation_faults(connection)
    return [*faults, *rating_faults(study), *lock_faults(study, judge)]


def rater_faults(connection: Connection, study: Study) -> list[str]:
    """Raters whose identity differs from the key's, or whose mark as simulated from the log's."""
    logged: dict[str, bool] = {}
    erased: set[str] = set()
    for event in events.read(connection):
        if event.kind in ("rater_enrolled", "rater_marked_simulated"):
            if event.payload is None:
                erased.add(event.actor)
            else:
                logged[event.actor] = bool(event.payload.get("simulated", True))
        elif event.kind == "enrolment_undone":
            logged.pop(event.actor, None)
    rows = connection.execute(select(tables.rater)).all()
    faults: list[str] = []
    if study.stored_key is not None:
        faults += [fault for row in rows for fault in _identity_faults(row, study.stored_key)]
    for row in rows:
        if row.id not in logged.keys() | erased:
            faults.append(f"rater {row.code} is stored but was never enrolled")
        elif row.id in logged and logged[row.id] != row.simulated:
            is_now = "is" if row.simulated else "is not"
            faults.append(
                f"rater {row.code} {is_now} marked as simulated, but the log says otherwise"
            )
    missing = logged.keys() - {row.id for row in rows}
    faults += [
        f"a rater ({identity}) was enrolled but is not stored" for identity in sorted(missing)
    ]
    return faults


def _identity_faults(row: Row[Any], key: bytes) -> Iterator[str]:
    identity = blinding.rater_id(key, row.group_id, row.slot)
    token = blinding.token_fingerprint(blinding.rater_token(key, row.id))
    if row.id != identity or row.code != blinding.rater_code(key, row.group_id, row.slot):
        yield f"rater {row.code} does not have the id and code of slot {row.slot} of {row.group_id}"
    elif row.token_sha256 != (None if row.withdrawn_at else token):
        yield f"the link of rater {row.code} was changed"


def allocation_faults(connection: Connection, study: Study) -> list[str]:
    """Raters who would see other responses, or another order or labels, than the design gives them."""
    allocation = allocate(study.protocol)
    planned: dict[str, dict[int, PlannedPage]] = {}
    codes: dict[str, str] = {}
    for rater in connection.execute(select(tables.rater)):
        codes[rater.id] = rater.code
        pages = planned_pages(study, allocation, rater.id, rater.slot)
        planned[rater.id] = dict(enumerate(pages, start=1))
    several: dict[str, tuple[str, ...]] = {}
    shown = tables.shown_response
    for row in connection.execute(select(shown).order_by(shown.c.assignment_id, shown.c.place)):
        several[row.assignment_id] = (*several.get(row.assignment_id, ()), row.response_id)
    for row in connection.execute(select(tables.conversation)):
        shows = blinding.response_id(study.key, row.prompt_id, row.system_id)
        several[row.assignment_id] = (shows,)
    stored: dict[str, dict[int, PlannedPage]] = {identity: {} for identity in planned}
    for row in connection.execute(select(tables.assignment)):
        ids = (() if row.response_id is None else (row.response_id,)) + several.get(row.id, ())
        stored.setdefault(row.rater_id, {})[row.position] = PlannedPage(row.id, row.label, ids)
    faults = [
        f"the responses of rater {codes[identity]} differ from the allocation"
        for identity in planned
        if stored[identity] != planned[identity]
    ]
    own = {
        row.id: blinding.response_id(study.key, row.prompt_id, row.system_id)
        for row in connection.execute(select(tables.response))
    }
    faults += [
        f"the response {kept} has the id of another one" for kept in own if own[kept] != kept
    ]
    return faults
