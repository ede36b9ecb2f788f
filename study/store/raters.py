"""Raters in the store: enrolment, where each one is, withdrawal."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from study import blinding
from study.clock import now
from study.design import Allocation, allocate
from study.entities import Enrolment, Rater, RaterStatus
from study.errors import LinkError, LockError, StoreError
from study.store import conversations, drafts, events, tables
from study.store.database import empty_write_ahead_log
from study.store.locking import read_lock
from study.store.passages import hold_rater
from study.store.study import Study


def enrol(study: Study, group: str, number: int, *, simulated: bool = False) -> list[Enrolment]:
    """Add raters to a group, with their links' secrets and their order of responses.

    Raises
    ------
    StoreError
        When there is no such group, or ``number`` is not between 1 and 10,000.
    LockError
        When the study is not locked yet.
    """
    known = [g.id for g in study.protocol.groups]
    if group not in known:
        raise StoreError(f"There is no group {group!r}. Declared: {', '.join(known)}.")
    if not 1 <= number <= 10_000:
        raise StoreError(f"Found {number} raters, expected a number between 1 and 10,000.")
    if read_lock(study) is None:
        raise LockError(
            "Raters can be enrolled when the study is locked, so that all of them see the same. Run "
            "`evenhand lock` first."
        )
    allocation = allocate(study.protocol)
    with study.writing() as connection:
        events.hold(connection)  # two enrolments at once would count from the same last slot
        row = tables.rater.c
        taken = set(connection.execute(select(row.slot).where(row.group_id == group)).scalars())
        # Places that an undone enrolment left free come first, so that the orders stay balanced.
        free = (slot for slot in itertools.count() if slot not in taken)
        return [
            _enrol_one(connection, study, allocation, group, slot, simulated)
            for slot in itertools.islice(free, number)
        ]


def undo_enrolment(
    study: Study, group: str | None = None, number: int | None = None
) -> list[Rater]:
    """Remove raters who never opened their link, as if they had not been enrolled; gives them.

    They are no withdrawals: nothing was asked of them. Who is enrolled again in the same place gets
    the same code and link.

    Parameters
    ----------
    group : str or None
        Of this group alone.
    number : int or None
        At most so many, the last ones enrolled first.

    Raises
    ------
    StoreError
        When there is no such group.
    """
    known = [g.id for g in study.protocol.groups]
    if group is not None and group not in known:
        raise StoreError(f"There is no group {group!r}. Declared: {', '.join(known)}.")
    _ = study.key  # the log has to vouch for it
    row = tables.rater.c
    unused = (
        row.last_seen_at,
        row.language,
        row.panel_id,
        row.consented_at,
        row.declined_at,
        row.demographics_at,
        row.practised_at,
        row.finished_at,
        row.screened_out_at,
        row.withdrawn_at,
    )
    chosen = select(tables.rater).where(row.simulated.is_(False), *(c.is_(None) for c in unused))
    if group is not None:
        chosen = chosen.where(row.group_id == group)
    with study.writing() as connection:
        # The raters' rows first (see events.hold): one who opens the link now is waited for or stays.
        rows = connection.execute(
            chosen.order_by(row.enrolled_at.desc(), row.slot.desc()).limit(number).with_for_update()
        ).all()
        events.hold(connection)
        for gone in rows:
            own = select(tables.assignment.c.id).where(tables.assignment.c.rater_id == gone.id)
            for table in (tables.shown_response, tables.conversation):
                connection.execute(delete(table).where(table.c.assignment_id.in_(own)))
            connection.execute(
                delete(tables.assignment).where(tables.assignment.c.rater_id == gone.id)
            )
            connection.execute(delete(tables.rater).where(row.id == gone.id))
            payload = {"group": gone.group_id, "slot": gone.slot}
            events.append(connection, study, "enrolment_undone", gone.id, payload)
    return [_rater(gone) for gone in rows]


def enrolled_before(study: Study, raters: Sequence[Rater]) -> list[Rater]:
    """Those of these raters whose place an undone enrolment had: their code and link were given before."""
    line = tables.event.c
    with study.reading() as connection:
        undone = connection.execute(select(line.actor).where(line.kind == "enrolment_undone"))
        before = set(undone.scalars())
    return [rater for rater in raters if rater.id in before]


def note_opened(study: Study, rater: Rater) -> None:
    """Note that a rater's link was opened: from then on the enrolment is not undone."""
    row = tables.rater.c
    with study.writing() as connection:
        connection.execute(
            update(tables.rater)
            .where(row.id == rater.id, row.last_seen_at.is_(None), row.withdrawn_at.is_(None))
            .values(last_seen_at=now())
        )


def _enrol_one(
    connection: Connection,
    study: Study,
    allocation: Allocation,
    group: str,
    slot: int,
    simulated: bool,
) -> Enrolment:
    identity = blinding.rater_id(study.key, group, slot)
    code = blinding.rater_code(study.key, group, slot)
    token = blinding.rater_token(study.key, identity)
    connection.execute(
        insert(tables.rater).values(
            id=identity,
            code=code,
            group_id=group,
            slot=slot,
            token_sha256=blinding.token_fingerprint(token),
            simulated=simulated,
            enrolled_at=now(),
        )
    )
    pages = planned_pages(study, allocation, identity, slot)
    talks = study.protocol.design.shows == "conversation"
    connection.execute(
        insert(tables.assignment),
        [
            {
                "id": page.id,
                "rater_id": identity,
                "response_id": (
                    page.response_ids[0] if len(page.response_ids) == 1 and not talks else None
                ),
                "position": position,
                "label": page.label,
            }
            for position, page in enumerate(pages, start=1)
        ],
    )
    shown = [
        {"assignment_id": page.id, "place": place, "response_id": response}
        for page in pages
        if len(page.response_ids) > 1
        for place, response in enumerate(page.response_ids, start=1)
    ]
    if shown:
        connection.execute(insert(tables.shown_response), shown)
    if talks:
        conditions = zip(pages, allocation.row(slot), strict=True)
        conversations.plan(connection, {page.id: condition for page, condition in conditions})
    payload = {"group": group, "slot": slot, "simulated": simulated}
    events.append(connection, study, "rater_enrolled", identity, payload)
    row = connection.execute(select(tables.rater).where(tables.rater.c.id == identity)).one()
    return Enrolment(_rater(row), token)


@dataclass(frozen=True)
class PlannedPage:
    """One assignment as the design gives it: its id, its label and what it shows, by place."""

    id: str
    label: str
    response_ids: tuple[str, ...]


def planned_pages(
    study: Study, allocation: Allocation, rater_id: str, slot: int
) -> list[PlannedPage]:
    """The assignments of the rater in a slot, in their order."""
    shown = [
        tuple(blinding.response_id(study.key, c.prompt, system) for system in c.systems)
        for c in allocation.row(slot)
    ]
    # Sorted, so that the same responses at other places could not be a second assignment.
    names = ["+".join(sorted(ids)) for ids in shown]
    labels = blinding.blind_labels(study.key, rater_id, names)
    return [
        PlannedPage(blinding.assignment_id(study.key, rater_id, name), labels[name], ids)
        for name, ids in zip(names, shown, strict=True)
    ]


def link_secret(study: Study, rater: Rater) -> str:
    """The secret of a rater's link, derived anew from the study's key."""
    return blinding.rater_token(study.key, rater.id)


def find_by_token(study: Study, token: str) -> Rater:
    """The rater whose link this is.

    Raises
    ------
    LinkError
        When the link is unknown, or its rater withdrew.
    """
    with study.reading() as connection:
        return rater_with_token(connection, token)


def rater_with_token(connection: Connection, token: str) -> Rater:
    """``find_by_token`` within the caller's transaction."""
    fingerprint = blinding.token_fingerprint(token)
    row = connection.execute(
        select(tables.rater).where(tables.rater.c.token_sha256 == fingerprint)
    ).first()
    if row is None:
        raise LinkError(
            "This link is not valid. Please open the link exactly as you received it, or ask the "
            "coordinator for a new one."
        )
    return _rater(row)


def choose_language(study: Study, rater: Rater, language: str) -> bool:
    """Keep the language that a rater chose; it can be changed until consent is given.

    Returns whether it was kept.

    Raises
    ------
    StoreError
        When the protocol does not have this language.
    """
    if language not in study.protocol.languages:
        known = ", ".join(study.protocol.languages) or study.protocol.language
        raise StoreError(f"The study is not there in {language!r}. Its languages: {known}.")
    ended = ("consented_at", "declined_at", "withdrawn_at")
    with study.writing() as connection:
        changed = hold_rater(connection, rater.id, now(), before=ended, language=language)
        if changed:
            events.append(connection, study, "language_chosen", rater.id, {"language": language})
    return changed


def find_by_code(study: Study, code: str) -> Rater:
    """The rater with this participant code.

    Raises
    ------
    StoreError
        When nobody has it.
    """
    wanted = blinding.normal_code(code)
    with study.reading() as connection:
        row = connection.execute(select(tables.rater).where(tables.rater.c.code == wanted)).first()
    if row is None:
        raise StoreError(
            f"Nobody has the participant code {code!r}. Expected a code such as 7QK2-M4XV; the "
            "coordinator's page lists them."
        )
    return _rater(row)


def read_raters(study: Study) -> list[Rater]:
    """All raters, by group and slot."""
    with study.reading() as connection:
        rows = connection.execute(
            select(tables.rater).order_by(tables.rater.c.group_id, tables.rater.c.slot)
        ).all()
    return [_rater(row) for row in rows]


def progress(study: Study) -> dict[str, tuple[int, int, dt.datetime | None]]:
    """Rater id -> (responses rated, responses in all, last seen)."""
    assignment, rater = tables.assignment.c, tables.rater.c
    with study.reading() as connection:
        rows = connection.execute(
            select(
                assignment.rater_id,
                func.count(assignment.submitted_at),
                func.count(assignment.id),
                func.max(rater.last_seen_at),
            )
            .join_from(tables.assignment, tables.rater)
            .group_by(assignment.rater_id)
        ).all()
    return {identity: (done, total, seen) for identity, done, total, seen in rows}


def record_step(
    study: Study,
    rater: Rater,
    column: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    after: str | None = None,
    before: str | None = None,
    **values: Any,
) -> bool:
    """Note that a rater passed a step, once: ``column`` gets the time if it has none yet.

    Nothing is noted of a rater who withdrew or declined, who has not passed the step ``after`` yet,
    or who has passed the step ``before``: the page that asked for it is an old one. Returns whether
    something was noted.
    """
    at = now()
    ended = [column, "withdrawn_at", "declined_at", "screened_out_at"]
    with study.writing() as connection:
        changed = hold_rater(
            connection,
            rater.id,
            at,
            after=() if after is None else (after,),
            before=ended if before is None else [*ended, before],
            **{column: at, **values},
        )
        if changed:
            drafts.erase(connection, rater.id)
            events.append(connection, study, kind, rater.id, payload)
    return changed


def hold_by_token(connection: Connection, token: str, at: dt.datetime) -> Rater:
    """The rater whose link this is, seen now; nothing else of this rater is saved meanwhile.

    Raises
    ------
    LinkError
        When the link is unknown, or its rater withdrew.
    """
    mine = tables.rater.c.token_sha256 == blinding.token_fingerprint(token)
    connection.execute(update(tables.rater).where(mine).values(last_seen_at=at))
    return rater_with_token(connection, token)


def withdraw(study: Study, code: str) -> Rater:
    """Erase one participant: answers, demographics, link and what the log says of them.

    The pseudonymous slot stays, so that the flow of raters can say that somebody withdrew.

    Raises
    ------
    StoreError
        When nobody has this code.
    """
    rater = find_by_code(study, code)
    own = select(tables.assignment.c.id).where(tables.assignment.c.rater_id == rater.id)
    with study.writing() as connection:
        # The rater's row first, as in save_ratings: whoever has it goes wholly before the other.
        changed = connection.execute(
            update(tables.rater)
            .where(tables.rater.c.id == rater.id, tables.rater.c.withdrawn_at.is_(None))
            .values(
                token_sha256=None,
                demographics=None,
                consented_at=None,
                declined_at=None,
                demographics_at=None,
                practised_at=None,
                finished_at=None,
                last_seen_at=None,
                language=None,
                panel_id=None,
                screened_out_at=None,
                screened_out_because=None,
                withdrawn_at=now(),
            )
        ).rowcount
        if changed:
            connection.execute(delete(tables.rating).where(tables.rating.c.assignment_id.in_(own)))
            conversations.erase(connection, rater.id)
            drafts.erase(connection, rater.id)
            for table in (tables.passage, tables.check_answer):
                connection.execute(delete(table).where(table.c.rater_id == rater.id))
            connection.execute(
                update(tables.assignment)
                .where(tables.assignment.c.rater_id == rater.id)
                .values(shown_at=None, submitted_at=None, seconds=None)
            )
            events.erase_payloads(connection, rater.id)
            events.append(connection, study, "rater_withdrawn", rater.id, {})
    empty_write_ahead_log(study.engine)
    return find_by_code(study, code)


_STEPS: Sequence[tuple[str, RaterStatus]] = (
    ("withdrawn_at", RaterStatus.WITHDRAWN),
    ("declined_at", RaterStatus.DECLINED),
    ("screened_out_at", RaterStatus.SCREENED_OUT),
    ("finished_at", RaterStatus.FINISHED),
    ("practised_at", RaterStatus.RATING),
    ("demographics_at", RaterStatus.READY),
    ("consented_at", RaterStatus.CONSENTED),
)


def _rater(row: Row[Any]) -> Rater:
    status = next(
        (status for column, status in _STEPS if getattr(row, column)), RaterStatus.ENROLLED
    )
    return Rater(
        id=row.id,
        code=row.code,
        group=row.group_id,
        slot=row.slot,
        status=status,
        simulated=row.simulated,
        demographics=json.loads(row.demographics) if row.demographics else {},
        enrolled_at=row.enrolled_at,
        consented_at=row.consented_at,
        finished_at=row.finished_at,
        language=row.language,
        screened_out_because=row.screened_out_because,
    )


def mark_simulated(study: Study) -> list[Rater]:
    """Make every enrolled rater who has not started a simulated one; gives these raters."""
    waiting = [r for r in read_raters(study) if r.status is RaterStatus.ENROLLED]
    row = tables.rater.c
    with study.writing() as connection:
        # All rows before the first line of the log (see events.hold). The condition is there because
        # a person may open a link between reading and writing.
        marked = [
            rater.id
            for rater in waiting
            if not rater.simulated
            and connection.execute(
                update(tables.rater)
                .where(row.id == rater.id, row.consented_at.is_(None), row.declined_at.is_(None))
                .values(simulated=True)
            ).rowcount
        ]
        for identity in marked:
            events.append(connection, study, "rater_marked_simulated", identity, {})
    ids = {rater.id for rater in waiting}
    return [rater for rater in read_raters(study) if rater.id in ids and rater.simulated]


def any_simulated(study: Study) -> bool:
    """Whether any rater of this study is simulated."""
    with study.reading() as connection:
        found = connection.execute(
            select(tables.rater.c.id).where(tables.rater.c.simulated.is_(True)).limit(1)
        ).first()
    return found is not None
