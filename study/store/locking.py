"""Locking: freezes protocol, responses, allocation and analysis plan before the first rating."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from study import blinding
from study.clock import now
from study.design import allocate
from study.entities import Response
from study.errors import Finding, LockError, StoreError
from study.leaks import check_responses
from study.store import events, tables
from study.store.responses import read_responses, responses_in
from study.store.study import Study, plan_sha256
from study.wording import listed, summed_up

# The name of the systems' codes in the log's line about the lock.
_CODES = "blind_codes"
# Begins the names of what the lock holds of the judge.
JUDGE = "judge_"


@dataclass(frozen=True)
class Lock:
    """When a study was locked, and the SHA-256 (hex) of each thing that is frozen."""

    at: dt.datetime
    hashes: dict[str, str]


def read_lock(study: Study) -> Lock | None:
    """The lock, or None while the study is open."""
    with study.reading() as connection:
        return _lock_in(connection)


def _lock_in(connection: Connection) -> Lock | None:
    row = connection.execute(select(tables.study.c.locked_at, tables.study.c.lock_hashes)).one()
    return Lock(row.locked_at, json.loads(row.lock_hashes)) if row.locked_at else None


def present_hashes(study: Study, judge: Mapping[str, str] | None = None) -> dict[str, str]:
    """SHA-256 (hex) of the protocol, the responses, the allocation and the analysis plan as they are.

    ``judge`` is added to them: the hashes of the judge's rubrics and prompts, which are not known here.
    """
    return _hashes(study, read_responses(study)) | dict(judge or {})


def _hashes(study: Study, responses: Sequence[Response]) -> dict[str, str]:
    texts = [[r.prompt_id, r.system_id, r.text, dict(r.provenance)] for r in responses]
    return {
        "protocol": study.protocol_sha256,
        "responses": _sha256(texts),
        "allocation": allocate(study.protocol).sha256,
        "analysis_plan": plan_sha256(study.protocol.analysis),
    }


def _sha256(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def lock_study(study: Study, judge: Mapping[str, str] | None = None) -> Lock:
    """Freeze the study; a second call changes nothing and gives the same lock.

    Parameters
    ----------
    judge : mapping or None
        Names that begin with ``judge_`` -> SHA-256 (hex) of what the lock freezes of the judge.

    Raises
    ------
    Finding
        When a response is missing or was generated for another wording of its prompt, or when a text
        gives a system away or needs a person's look and nobody has accepted that
        (:func:`accept_finding`).
    """
    with study.writing() as connection:
        events.hold(connection)
        existing = _lock_in(connection)
        if existing is not None:
            return existing
        responses = responses_in(connection, study)
        faults = response_faults(study, responses)
        if faults:
            lines = "\n".join(f"  {fault}" for fault in faults)
            raise Finding(f"The study was not locked:\n{lines}")
        _refuse_open_findings(connection, study, responses)
        lock = Lock(now(), _hashes(study, responses) | dict(judge or {}))
        connection.execute(
            update(tables.study).values(
                locked_at=lock.at,
                locked_protocol=study.protocol_text,
                lock_hashes=json.dumps(lock.hashes, sort_keys=True),
            )
        )
        # The codes, too: should study.key be lost, reports still call the systems what they called them.
        codes = blinding.system_codes(study.key, [s.id for s in study.protocol.systems])
        payload = {**lock.hashes, _CODES: codes}
        events.append(connection, study, "locked", "coordinator", payload)
    return lock


def _refuse_open_findings(
    connection: Connection, study: Study, responses: Sequence[Response]
) -> None:
    # Here and not in the command, so that no other way to a lock passes the check by.
    accepted = _accepted_in(connection)
    open_ones = [f for f in check_responses(study.protocol, responses) if f.id not in accepted]
    if open_ones:
        lines = [
            f"  {f.id} {f.kind}, {f.rule}: {f.prompt_id} x {f.system_id}: {f.excerpt!r}. {f.what_to_do}"
            for f in open_ones
        ]
        raise Finding(
            "\n".join(
                [
                    "The study was not locked: these places have to be read by a person first.",
                    *summed_up(lines),
                    "When they are fine as they are: evenhand lock --accept ID --by NAME",
                ]
            )
        )


def system_codes(study: Study) -> dict[str, str]:
    """System id -> the code that stands for it until unblinding.

    From the study's key; where that is lost, as the log holds them since the lock. A study that was
    locked before the log held them, or is not locked, has other codes without its key than with it.
    """
    systems = [system.id for system in study.protocol.systems]
    if study.stored_key is not None:
        return blinding.system_codes(study.stored_key, systems)
    if kept := _kept_codes(study):
        return kept
    with study.reading() as connection:
        fingerprint = connection.execute(select(tables.study.c.fingerprint)).scalar_one()
    return blinding.system_codes(bytes.fromhex(fingerprint), systems)


def code_of_response(study: Study) -> dict[str, str]:
    """Response id -> the code that stands for its system until unblinding."""
    codes = system_codes(study)
    return {response.id: codes[response.system_id] for response in read_responses(study)}


def codes_are_kept(study: Study) -> bool:
    """Whether the systems' codes are known without the study's key."""
    return bool(_kept_codes(study))


def _kept_codes(study: Study) -> dict[str, str]:
    with study.reading() as connection:
        for event in events.read(connection):
            if event.kind == "locked" and event.payload is not None:
                return dict(event.payload.get(_CODES, {}))
    return {}


def response_faults(study: Study, responses: Sequence[Response]) -> list[str]:
    """Responses that are missing or stale, one sentence each."""
    if study.protocol.design.shows == "conversation":
        return []  # its systems answer while people talk with them
    by_place = {(r.prompt_id, r.system_id): r for r in responses}
    planned = len(study.protocol.prompts) * len(study.protocol.systems)
    imported = {s.id for s in study.protocol.systems if s.backend == "imported"}
    imported |= {r.system_id for r in responses if r.imported}
    if not by_place and not imported:
        return [f"none of the {planned} responses is there; run `evenhand generate`"]
    faults = []
    for prompts, system, reworded in _places_to_mend(study, by_place):
        one = len(prompts) == 1
        named = ("" if one else f"{len(prompts):,} prompts: ") + listed(map(repr, prompts), most=3)
        if not reworded:
            said = f"no response of {system!r} to {named}"
            do = "evenhand import FILE" if system in imported else "run `evenhand generate`"
        else:
            was = "the prompt {} was" if one else "{} were"
            said = (
                f"{was.format(named)} reworded after {system!r} answered {'it' if one else 'them'}"
            )
            again = f"run `evenhand generate --again {system}`"
            do = "evenhand import FILE --replace" if system in imported else again
        faults.append(f"{said}; {do}")
    return faults


def _places_to_mend(
    study: Study, by_place: Mapping[tuple[str, str], Response]
) -> Iterator[tuple[list[str], str, bool]]:
    """(prompts, system, whether they were reworded) of responses that are missing or stale."""
    for system in study.protocol.systems:
        missing, reworded = [], []
        for prompt in study.protocol.prompts:
            response = by_place.get((prompt.id, system.id))
            if response is None:
                missing.append(prompt.id)
                continue
            recorded = response.provenance.get("prompt_sha256")
            if recorded and recorded != hashlib.sha256(prompt.text.encode()).hexdigest():
                reworded.append(prompt.id)
        for prompts, stale in ((missing, False), (reworded, True)):
            if prompts:
                yield prompts, system.id, stale


def lock_faults(study: Study, judge: Mapping[str, str] | None = None) -> list[str]:
    """What differs from the lock, in words; empty when nothing does or nothing is locked.

    Without ``judge`` (see ``lock_study``), what the lock holds of the judge is not compared.
    """
    lock = read_lock(study)
    if lock is None:
        return []
    present = present_hashes(study, judge)
    locked = {
        name: digest
        for name, digest in lock.hashes.items()
        if judge is not None or not name.startswith(JUDGE)
    }
    return [
        f"the {name.replace('_', ' ')} differs from what was locked (SHA-256 "
        f"{present.get(name, 'none')[:12]}..., locked {digest[:12]}...)"
        for name, digest in locked.items()
        if present.get(name) != digest
    ]


def unblinding_people(study: Study, people: Sequence[str]) -> tuple[str, str]:
    """The two names as they go into the log; changes nothing.

    Raises
    ------
    StoreError
        When they are not the names of two people.
    LockError
        When the study is not locked.
    """
    names = [" ".join(name.split()) for name in people]
    if len(names) != 2 or not all(names):
        found = "an empty one" if len(names) == 2 else str(len(names))
        raise StoreError(
            f"Unblinding needs the names of two people; found {found}. Give --person twice with two "
            "names."
        )
    first, second = names
    if first.casefold() == second.casefold():
        raise StoreError(
            f"Unblinding needs two different people; {first!r} was named twice. Give "
            "--person twice with two names."
        )
    if read_lock(study) is None:
        raise LockError(
            "The study is not locked yet, so there is nothing to unblind. Run `evenhand lock` first."
        )
    return first, second


def unblind_study(study: Study, first: str, second: str) -> dt.datetime:
    """Record that two people asked to reveal the systems; gives the time of the first unblinding.

    Raises
    ------
    StoreError, LockError
        As ``unblinding_people``.
    """
    first, second = unblinding_people(study, (first, second))
    with study.writing() as connection:
        events.hold(connection)
        at = connection.execute(select(tables.study.c.unblinded_at)).scalar_one() or now()
        connection.execute(update(tables.study).values(unblinded_at=at))
        events.append(connection, study, "unblinded", "coordinator", {"people": [first, second]})
    return at


def unblinded_at(study: Study) -> dt.datetime | None:
    """When the systems were revealed, or None."""
    with study.reading() as connection:
        at: dt.datetime | None = connection.execute(
            select(tables.study.c.unblinded_at)
        ).scalar_one()
    return at


def accept_finding(study: Study, finding: str, by: str) -> None:
    """Record that a person read a finding about a response and lets it stand.

    Raises
    ------
    StoreError
        When there is no such finding now, or nobody is named.
    """
    with study.writing() as connection:
        responses = responses_in(connection, study)
        rules = {f.id: f.rule for f in check_responses(study.protocol, responses)}
        if finding not in rules:
            raise StoreError(
                f"There is no finding {finding!r} now. Open: {', '.join(rules) or 'none'}."
            )
        if not by.strip():
            raise StoreError('Say who accepts the finding: --by "NAME".')
        payload = {"finding": finding, "rule": rules[finding], "by": by}
        events.append(connection, study, "finding_accepted", "coordinator", payload)


def _accepted_in(connection: Connection) -> set[str]:
    return {
        event.payload["finding"]
        for event in events.read(connection)
        if event.kind == "finding_accepted" and event.payload is not None
    }
