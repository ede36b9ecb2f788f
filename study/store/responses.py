"""Responses in the store: what the systems wrote, with its provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from study import blinding
from study.clock import now
from study.entities import Response
from study.errors import ImportFileError, LockError
from study.store import events, tables
from study.store.study import Study
from study.wording import listed, summed_up


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


def save_responses(
    study: Study, new: Sequence[NewResponse], *, imported: bool = False, replace: bool = False
) -> int:
    """Save responses in one transaction, all or none; gives how many are new or replaced.

    The responses of a system have one origin: all of them were imported, or none.

    Parameters
    ----------
    replace : bool
        Put them in the place of other texts; each is a line of the log.

    Raises
    ------
    ImportFileError
        When a text is empty, a prompt or system is not in the protocol, an imported response differs
        from the one that is there (without ``replace``), or a system would have two origins.
    LockError
        When the study is locked.
    """
    for response in new:
        _refuse_unknown(study, response.prompt_id, response.system_id, response.text)
    with study.writing() as connection:
        events.hold(connection)
        _refuse_locked(connection, "its responses cannot change")
        row = tables.response.c
        places = connection.execute(select(row.prompt_id, row.system_id, row.imported))
        origins = {(prompt, system): bool(other) for prompt, system, other in places}
        _refuse_two_origins(study, origins, new, imported, replace)
        # Generating saves one by one: reading all texts each time would take ever longer.
        stored = responses_in(connection, study) if imported else []
        present = {(r.prompt_id, r.system_id): r for r in stored}
        if imported and not replace:
            _refuse_other_texts(present, new)
        saved: set[tuple[str, str]] = set()
        for response in new:
            place = (response.prompt_id, response.system_id)
            before = present.get(place)
            if place in saved or (place in origins and not imported):
                continue
            if before is None:
                _insert(connection, study, response, imported)
            elif replace and (_differs(before, response) or before.imported != imported):
                _put_in_place(connection, study, before, response, imported)
            else:
                continue
            saved.add(place)
    return len(saved)


def imported_systems(study: Study) -> set[str]:
    """Systems that evenhand does not write for: declared as imported, or holding imported responses."""
    declared = {system.id for system in study.protocol.systems if system.backend == "imported"}
    row = tables.response.c
    with study.reading() as connection:
        held = connection.execute(select(row.system_id).where(row.imported.is_(True)).distinct())
        return declared | {system for (system,) in held}


def _refuse_two_origins(
    study: Study,
    origins: Mapping[tuple[str, str], bool],
    new: Sequence[NewResponse],
    imported: bool,
    replace: bool,
) -> None:
    told = {response.system_id for response in new}
    covered = {(response.prompt_id, response.system_id) for response in new}
    for system in study.protocol.systems:
        if system.id not in told:
            continue
        if not imported and system.backend == "imported":
            raise ImportFileError(
                f"System {system.id!r} is imported, so nothing here writes its responses. Bring them in: "
                "evenhand import FILE"
            )
        other = [
            place
            for place, was_imported in origins.items()
            if place[1] == system.id and was_imported != imported
        ]
        if not imported and other:
            raise ImportFileError(
                f"System {system.id!r} holds {len(other)} imported responses, so none is written for it "
                "here: a system's responses have one origin. Bring the others in: evenhand import FILE"
            )
        left = [prompt for prompt, _ in other if not replace or (prompt, system.id) not in covered]
        if left:
            how = (
                f"The file lacks {listed(left)}; give them, too"
                if replace
                else "To have the file's in place of all of them: evenhand import FILE --replace"
            )
            raise ImportFileError(
                f"{len(other)} responses of {system.id!r} were written by `evenhand generate`, and a "
                f"system's responses have one origin. {how}. Nothing was changed."
            )


def _refuse_other_texts(
    present: Mapping[tuple[str, str], Response], new: Sequence[NewResponse]
) -> None:
    faults = [
        f"  {response.prompt_id} x {response.system_id}: {what}"
        for response in new
        if (before := present.get((response.prompt_id, response.system_id)))
        and (what := _differs(before, response))
    ]
    if faults:
        one = len(faults) == 1
        number = "1 response is" if one else f"{len(faults):,} responses are"
        raise ImportFileError(
            "\n".join(
                [
                    f"{number} there already, and differ{'s' * one}; nothing was changed:",
                    *summed_up(faults),
                    "To have the file's in their place: evenhand import FILE --replace",
                ]
            )
        )


_EXCERPT = 40


def _differs(before: Response, after: NewResponse) -> str:
    """How a response differs from the one that is there, in words; empty when it does not."""
    old, new = before.text, after.text
    if old != new:
        same = next(
            (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b),
            min(len(old), len(new)),
        )
        start = max(0, same - 10)
        return (
            f"from character {same + 1} on, there {old[start : start + _EXCERPT]!r}, in the file "
            f"{new[start : start + _EXCERPT]!r}"
        )
    wording = "prompt_sha256"
    if wording in after.provenance and before.provenance.get(wording) != after.provenance[wording]:
        return "the same text, for another wording of the prompt"
    return ""


def _put_in_place(
    connection: Connection, study: Study, before: Response, after: NewResponse, imported: bool
) -> None:
    connection.execute(
        update(tables.response)
        .where(tables.response.c.id == before.id)
        .values(**_columns(after, imported))
    )
    payload = _payload(after, imported) | {"text_sha256_before": _sha256(before.text)}
    events.append(connection, study, "response_replaced", "coordinator", payload)


def _insert(connection: Connection, study: Study, response: NewResponse, imported: bool) -> None:
    connection.execute(
        insert(tables.response).values(
            id=blinding.response_id(study.key, response.prompt_id, response.system_id),
            prompt_id=response.prompt_id,
            system_id=response.system_id,
            **_columns(response, imported),
        )
    )
    events.append(connection, study, "response_saved", "coordinator", _payload(response, imported))


def _columns(response: NewResponse, imported: bool) -> dict[str, Any]:
    return {
        "text": response.text,
        "provenance": json.dumps(dict(response.provenance), sort_keys=True),
        "created_at": now(),
        "imported": imported,
    }


def _payload(response: NewResponse, imported: bool) -> dict[str, Any]:
    return {
        "prompt": response.prompt_id,
        "system": response.system_id,
        "imported": imported,
        "text_sha256": _sha256(response.text),
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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
                f"There is no {noun} {value!r} in the protocol. Declared: {listed(known)}."
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
            row.created_at,
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
