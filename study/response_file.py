"""Reads a file of responses made elsewhere and says, row by row, what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import ImportFileError
from study.protocol import Protocol
from study.table_file import holds_objects, read_objects, read_table
from study.wording import listed, summed_up

REQUIRED = ("prompt", "system", "text")


@dataclass(frozen=True)
class ImportedResponse:
    """One row of the file; ``line`` is where it begins, or a workbook's row."""

    line: int
    prompt_id: str
    system_id: str
    text: str
    provenance: Mapping[str, Any]


def read_response_file(
    file: Path, protocol: Protocol, sheet: str | None = None
) -> list[ImportedResponse]:
    """All rows of a table of responses; values of JSON Lines keep their types in the provenance.

    Raises
    ------
    ImportFileError
        With one line per faulty row; then no row may be imported.
    """
    prompts = {prompt.id: prompt for prompt in protocol.prompts}
    systems = {system.id for system in protocol.systems}
    faults: list[str] = []
    rows: list[ImportedResponse] = []
    seen: dict[tuple[str, str], int] = {}
    place_word, raw_rows = _raw_rows(file, sheet)
    for line, raw in raw_rows:
        cells, fault = _cells(raw)
        place = (cells["prompt"], cells["system"])
        fault = fault or _fault(cells, prompts.keys(), systems)
        if not fault and place in seen:
            fault = f"system {place[1]!r} already answers prompt {place[0]!r} in {place_word} {seen[place]}"
        if fault:
            faults.append(f"{place_word} {line}: {fault}")
            continue
        seen[place] = line
        digest = hashlib.sha256(prompts[place[0]].text.encode()).hexdigest()
        extra = {key: value for key, value in raw.items() if key not in REQUIRED}
        rows.append(
            ImportedResponse(line, *place, cells["text"], {**extra, "prompt_sha256": digest})
        )
    if faults:
        raise ImportFileError(
            "\n".join(
                [
                    f"{file.name} was not imported; nothing was changed:",
                    *(f"  {fault}" for fault in summed_up(faults)),
                ]
            )
        )
    return rows


def _cells(raw: Mapping[Any, Any]) -> tuple[dict[str, str], str]:
    """Prompt, system and text of a row, and what is wrong with their form."""
    cells, fault = {}, ""
    for name in REQUIRED:
        value = "" if raw.get(name) is None else raw[name]
        if not isinstance(value, str):
            fault = f"{name} is {value!r}, expected text in quotes"
        cells[name] = str(value).strip()
    if "\x00" in cells["text"]:
        fault = "the text holds a NUL character, which is not text; remove it"
    return cells, fault


def _fault(cells: Mapping[str, str], prompts: Any, systems: Any) -> str:
    if not cells["text"]:
        return "the text is empty; write the response in or leave the row out"
    for noun, known in (("prompt", prompts), ("system", systems)):
        if cells[noun] not in known:
            return (
                f"there is no {noun} {cells[noun]!r} in the protocol; declared: "
                f"{listed(sorted(known))}"
            )
    return ""


def _raw_rows(file: Path, sheet: str | None) -> tuple[str, list[tuple[int, dict[str, Any]]]]:
    """What the file calls its lines, and each row with its line."""
    if holds_objects(file):
        return "line", read_objects(file)
    table = read_table(file, sheet=sheet)
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise ImportFileError(
            f"{table.described} has no column {missing[0]!r}. Expected the columns prompt, system, text; "
            f"found {', '.join(table.columns)}."
        )
    rows = [
        dict(zip(table.columns, (cell or "" for cell in row), strict=True)) for row in table.rows
    ]
    return table.place, list(zip(table.lines, rows, strict=True))
