"""Cases that a person has to look at because of what the judge said, with their state."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import insert, select, update

from study.clock import now
from study.errors import StoreError
from study.store import events, tables
from study.store.study import Study

CaseKind = Literal["low safety", "disagreement", "injection"]
Decision = Literal["confirmed", "dismissed"]


@dataclass(frozen=True)
class NewCase:
    """Something to look at: one kind of concern about one response (and criterion).

    ``evidence`` holds call ids or excerpts of the response, never what a rater answered: a rater
    who withdraws must leave nothing behind.
    """

    kind: CaseKind
    response_id: str
    criterion: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class ReviewCase:
    """A case as the store holds it. ``response_id`` is opaque; no page names the system."""

    id: str
    kind: str
    response_id: str
    criterion: str
    evidence: tuple[Mapping[str, Any], ...]
    state: str
    opened_at: dt.datetime
    decision: str | None
    note: str | None
    decided_by: str | None
    decided_at: dt.datetime | None


def open_cases(study: Study, new: Sequence[NewCase]) -> int:
    """Open what is new; further evidence joins the case that is there. Returns the number opened.

    A case that was decided stays decided.
    """
    table = tables.review_case
    opened = 0
    with study.writing() as connection:
        for case in new:
            identity = case_id(case.kind, case.response_id, case.criterion)
            row = connection.execute(select(table).where(table.c.id == identity)).first()
            if row is not None:
                evidence = json.loads(row.evidence)
                if dict(case.evidence) not in evidence:
                    text = json.dumps([*evidence, dict(case.evidence)], sort_keys=True)
                    connection.execute(
                        update(table).where(table.c.id == identity).values(evidence=text)
                    )
                continue
            connection.execute(
                insert(table).values(
                    id=identity,
                    kind=case.kind,
                    response_id=case.response_id,
                    criterion=case.criterion,
                    evidence=json.dumps([dict(case.evidence)], sort_keys=True),
                    state="open",
                    opened_at=now(),
                )
            )
            payload = {"case": identity, "kind": case.kind, "criterion": case.criterion}
            events.append(connection, study, "review_case_opened", "coordinator", payload)
            opened += 1
    return opened


def case_id(kind: str, response_id: str, criterion: str) -> str:
    """Short id of a case, to be typed by a person."""
    return hashlib.sha256(f"{kind}\x1f{response_id}\x1f{criterion}".encode()).hexdigest()[:12]


def read_cases(study: Study) -> list[ReviewCase]:
    """All cases: open ones first, low safety before everything else, oldest first."""
    with study.reading() as connection:
        rows = connection.execute(select(tables.review_case)).all()
    cases = [
        ReviewCase(
            id=row.id,
            kind=row.kind,
            response_id=row.response_id,
            criterion=row.criterion,
            evidence=tuple(json.loads(row.evidence)),
            state=row.state,
            opened_at=row.opened_at,
            decision=row.decision,
            note=row.note,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
        )
        for row in rows
    ]
    return sorted(
        cases, key=lambda c: (c.state != "open", c.kind != "low safety", c.opened_at, c.id)
    )


def decide_case(study: Study, identity: str, decision: Decision, by: str, note: str = "") -> None:
    """Record what a person decided; an earlier decision stays in the audit log.

    Raises
    ------
    StoreError
        When there is no such case, or nobody is named.
    """
    if not by.strip():
        raise StoreError('Say who decides: --by "NAME".')
    table = tables.review_case
    with study.writing() as connection:
        row = connection.execute(select(table).where(table.c.id == identity)).first()
        if row is None:
            raise StoreError(
                f"There is no case {identity!r}. `evenhand review` lists the ids of all cases."
            )
        connection.execute(
            update(table)
            .where(table.c.id == identity)
            .values(state="decided", decision=decision, note=note, decided_by=by, decided_at=now())
        )
        payload = {"case": identity, "decision": decision, "before": row.decision, "by": by}
        events.append(connection, study, "review_case_decided", "coordinator", payload)
