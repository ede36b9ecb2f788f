"""Responses in the store: what the systems wrote, with its provenance."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from study import blinding
from study.entities import Response
from study.errors import ImportFileError, LockError
from study.store import events, tables
from study.store.study import Study, now


@dataclass(frozen=True)
class NewResponse:
    """A response that is to be saved."""

    prompt_id: str
    system_id: str
    text: str
    provenance: Mapping[str, Any]


def save_response(
    study: Study,
    prompt_id: str,
    system_id: str,
    text: str,
    provenance: Mapping[str, Any],
    *,
    imported: bool = False,
) -> bool:
    """Save one response; False when this system has already answered this prompt.

    Raises
    ------
    ImportFileError
        When the text is empty or the prompt or system is not in the protocol.
    LockError
        When the study is locked.
    """
    new = NewResponse(prompt_id, system_id, text, provenance)
    return save_responses(study, [new], imported=imported) == 1


def save_responses(study: Study, new: Sequence[NewResponse], *, imported: bool = False) -> int:
    """Save responses in one transaction, all or none; gives how many were not there before.

    Raises
    ------
    ImportFileError
        When a text is empty or a prompt or system is not in the protocol.
    LockError
        When the study is locked.
    """
    for response in new:
        _refuse_unknown(study, response.prompt_id, response.system_id, response.text)
    with study.writing() as connection:
        events.hold(connection)
        _refuse_locked(connection, "its responses cannot change")
        row = tables.response.c
        present = {tuple(pair) for pair in connection.execute(select(row.prompt_id, row.system_id))}
        saved = 0
        for response in new:
            if (response.prompt_id, response.system_id) in present:
                continue
            present.add((response.prompt_id, response.system_id))
            _insert(connection, study, response, imported)
            saved += 1
    return saved


def _insert(connection: Connection, study: Study, response: NewResponse, imported: bool) -> None:
    connection.execute(
        insert(tables.response).values(
            id=blinding.response_id(study.key, response.prompt_id, response.system_id),
            prompt_id=response.prompt_id,
            system_id=response.system_id,
            text=response.text,
            provenance=json.dumps(dict(response.provenance), sort_keys=True),
            created_at=now(),
            imported=imported,
        )
    )
    payload = {
        "prompt": response.prompt_id,
        "system": response.system_id,
        "imported": imported,
        "text_sha256": hashlib.sha256(response.text.encode()).hexdigest(),
    }
    events.append(connection, study, "response_saved", "coordinator", payload)


def _refuse_locked(connection: Connection, consequence: str) -> None:
    if connection.execute(select(tables.study.c.locked_at)).scalar_one():
        raise LockError(
            f"The study is locked, so {consequence}. Start a new study to compare other responses."
        )


def _refuse_unknown(study: Study, prompt_id: str, system_id: str, text: str) -> None:
    for noun, value, known in (
        ("prompt", prompt_id, [p.id for p in study.protocol.prompts]),
        ("system", system_id, [s.id for s in study.protocol.systems]),
    ):
        if value not in known:
            raise ImportFileError(
                f"There is no {noun} {value!r} in the protocol. Declared: {', '.join(known)}."
            )
    if not text.strip():
        raise ImportFileError(
            f"The response of {system_id!r} to {prompt_id!r} is empty. A response needs a text; "
            "leave the row out and generate it, or write the text in."
        )
    if "\x00" in text:
        raise ImportFileError(
            f"The response of {system_id!r} to {prompt_id!r} holds a NUL character, which is not text. "
            "Remove it."
        )


def read_responses(study: Study) -> list[Response]:
    """All responses, in protocol order (prompt by prompt, system by system)."""
    with study.reading() as connection:
        return responses_in(connection, study)


def responses_in(connection: Connection, study: Study) -> list[Response]:
    """``read_responses`` within the caller's transaction."""
    rows: Sequence[Row[Any]] = connection.execute(select(tables.response)).all()
    prompts = {prompt.id: i for i, prompt in enumerate(study.protocol.prompts)}
    systems = {system.id: i for i, system in enumerate(study.protocol.systems)}
    last = len(prompts) + len(systems)
    rows = sorted(
        rows, key=lambda r: (prompts.get(r.prompt_id, last), systems.get(r.system_id, last))
    )
    return [
        Response(
            row.id,
            row.prompt_id,
            row.system_id,
            row.text,
            json.loads(row.provenance),
            dt.datetime.fromisoformat(row.created_at),
            row.imported,
        )
        for row in rows
    ]


def delete_responses(study: Study, system_id: str | None = None) -> int:
    """Remove responses (of one system, or all) so that they can be generated anew.

    Raises
    ------
    LockError
        When the study is locked.
    """
    with study.writing() as connection:
        events.hold(connection)
        _refuse_locked(connection, "its responses cannot be removed")
        statement = delete(tables.response)
        if system_id is not None:
            statement = statement.where(tables.response.c.system_id == system_id)
        removed = int(connection.execute(statement).rowcount)
        payload = {"system": system_id or "all", "number": removed}
        events.append(connection, study, "responses_removed", "coordinator", payload)
        return removed
