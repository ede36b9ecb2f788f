"""Reads a file of responses made elsewhere and says, row by row, what is wrong with it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import ImportFileError
from study.protocol import Protocol

REQUIRED = ("prompt", "system", "text")
_TOO_MANY = None  # the name under which csv gives cells beyond the last column


@dataclass(frozen=True)
class ImportedResponse:
    """One row of the file; ``number`` counts from 1, with the header of a CSV file as row 1."""

    number: int
    prompt_id: str
    system_id: str
    text: str
    provenance: Mapping[str, Any]


def read_response_file(file: Path, protocol: Protocol) -> list[ImportedResponse]:
    """All rows of a CSV or JSON Lines file of responses.

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
    for number, raw in _raw_rows(file):
        cells, fault = _cells(raw)
        place = (cells["prompt"], cells["system"])
        fault = fault or _fault(cells, prompts.keys(), systems)
        if not fault and place in seen:
            fault = f"system {place[1]!r} already answers prompt {place[0]!r} in row {seen[place]}"
        if fault:
            faults.append(f"row {number}: {fault}")
            continue
        seen[place] = number
        digest = hashlib.sha256(prompts[place[0]].text.encode()).hexdigest()
        extra = {key: value for key, value in raw.items() if key not in REQUIRED}
        rows.append(
            ImportedResponse(number, *place, cells["text"], {**extra, "prompt_sha256": digest})
        )
    if faults:
        raise ImportFileError(
            "\n".join(
                [f"{file.name} was not imported; nothing was changed:", *(f"  {f}" for f in faults)]
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
    if raw.get(_TOO_MANY):
        fault = (
            f"there are more cells than columns (the first one too many is {raw[_TOO_MANY][0]!r}); put "
            "texts that contain a comma in quotes"
        )
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
                f"{', '.join(sorted(known))}"
            )
    return ""


def _raw_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        # utf-8-sig: spreadsheet programs put a mark in front of the first column's name.
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ImportFileError(f"There is no file {file}. Check the path.") from None
    except UnicodeDecodeError:
        raise ImportFileError(
            f"{file.name} is not UTF-8 text. Save it from your spreadsheet as 'CSV UTF-8'."
        ) from None
    except OSError as error:
        raise ImportFileError(
            f"{file} cannot be read ({error.strerror}). Give a file that you may read."
        ) from None
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        yield from _json_rows(file, text)
    else:
        yield from _csv_rows(file, text)


def _csv_rows(file: Path, text: str) -> Iterator[tuple[int, dict[Any, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey=_TOO_MANY, strict=True)
    try:
        names = list(reader.fieldnames or [])
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise ImportFileError(
                f"{file.name} has no column {missing[0]!r}. Expected the columns prompt, system, text, "
                f"separated by commas; found {', '.join(names) or 'none'}."
            )
        if len(set(names)) < len(names):
            raise ImportFileError(
                f"{file.name} has two columns of the same name; found {', '.join(names)}. Rename one."
            )
        # Rows as a spreadsheet counts them: a text with line breaks is one row.
        yield from enumerate(reader, start=2)
    except csv.Error as error:
        raise ImportFileError(
            f"{file.name}, line {reader.line_num}: not valid CSV ({error}). Put texts with quotes or "
            "line breaks in quotes, or save the file from a spreadsheet."
        ) from None


def _json_rows(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # Not splitlines: JSON text may hold U+2028 and its like unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
            raise ImportFileError(
                f"{file.name}, line {number}: not valid JSON ({what}). Expected one object per "
                'line, such as {"prompt": "...", "system": "...", "text": "..."}.'
            ) from None
        if not isinstance(raw, dict):
            raise ImportFileError(
                f"{file.name}, line {number}: found {type(raw).__name__}, expected an object with "
                "prompt, system and text."
            )
        yield number, raw
