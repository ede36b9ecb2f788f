"""Responses in the store: what the systems wrote, with its provenance."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from study import blinding
from study.entities import Response
from study.errors import ImportFileError, LockError
from study.store import events, tables
from study.store.study import Study, now


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
    _refuse_unknown(study, prompt_id, system_id, text)
    with study.writing() as connection:
        if connection.execute(select(tables.study.c.locked_at)).scalar_one():
            raise LockError(
                "The study is locked, so its responses cannot change. Start a new study to compare "
                "other responses."
            )
        row = tables.response.c
        if connection.execute(
            select(row.id).where(row.prompt_id == prompt_id, row.system_id == system_id)
        ).first():
            return False
        connection.execute(
            insert(tables.response).values(
                id=blinding.response_id(study.key, prompt_id, system_id),
                prompt_id=prompt_id,
                system_id=system_id,
                text=text,
                provenance=json.dumps(dict(provenance), sort_keys=True),
                created_at=now(),
                imported=imported,
            )
        )
        payload = {"prompt": prompt_id, "system": system_id, "imported": imported}
        events.append(connection, study, "response_saved", "coordinator", payload)
        return True


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


def read_responses(study: Study) -> list[Response]:
    """All responses, in protocol order (prompt by prompt, system by system)."""
    with study.reading() as connection:
        rows = connection.execute(select(tables.response)).all()
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
        if connection.execute(select(tables.study.c.locked_at)).scalar_one():
            raise LockError("The study is locked, so its responses cannot be removed.")
        statement = delete(tables.response)
        if system_id is not None:
            statement = statement.where(tables.response.c.system_id == system_id)
        removed = int(connection.execute(statement).rowcount)
        payload = {"system": system_id or "all", "number": removed}
        events.append(connection, study, "responses_removed", "coordinator", payload)
        return removed
