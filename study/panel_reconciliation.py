"""Reconciliation: what a panel says of its participants, held against what the database holds."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from study import blinding
from study.completion import receipt
from study.entities import Rater, RaterStatus
from study.errors import ImportFileError
from study.store import panels, raters
from study.store.completeness import open_answers
from study.store.study import Study

# What Prolific's export of submissions calls them.
PARTICIPANT_COLUMN, STATUS_COLUMN, CODE_COLUMN = "Participant id", "Status", "Completion code"
DONE_STATUSES = ("APPROVED", "AWAITING REVIEW")


@dataclass(frozen=True)
class PanelRow:
    """One participant as the panel's export has it; ``row`` is the line of the file."""

    row: int
    participant: str
    status: str
    code: str


@dataclass(frozen=True)
class Mismatch:
    """One thing in which panel and database differ.

    Parameters
    ----------
    kind : str
        ``"answers missing"``, ``"not done there"``, ``"unknown here"``, ``"wrong code"``,
        ``"another's code"`` or ``"duplicate"``.
    participant : str
        The panel's id.
    rater : str
        Participant code of this study; empty for somebody who is unknown here.
    detail : str
    """

    kind: str
    participant: str
    rater: str
    detail: str


@dataclass(frozen=True)
class Reconciliation:
    """``complete``: participants who are done there, complete here and have a right code."""

    complete: int
    mismatches: tuple[Mismatch, ...]


def read_panel_file(
    path: Path,
    participant: str = PARTICIPANT_COLUMN,
    status: str = STATUS_COLUMN,
    code: str = CODE_COLUMN,
) -> list[PanelRow]:
    """The rows of a panel's export (CSV with a header, UTF-8).

    Raises
    ------
    ImportFileError
        When the file cannot be read or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            present = reader.fieldnames or []
            for name in (participant, status, code):
                if name not in present:
                    raise ImportFileError(
                        f"{path.name} has no column {name!r}. Found: {', '.join(present) or 'nothing'}. "
                        "Name the columns with --participant-column, --status-column and "
                        "--code-column."
                    )
            return [
                PanelRow(
                    number, *((row[name] or "").strip() for name in (participant, status, code))
                )
                for number, row in enumerate(reader, start=2)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImportFileError(
            f"{path.name} is not a CSV file in UTF-8 ({error}). Export it again as CSV."
        ) from None


def reconcile(
    study: Study, rows: Sequence[PanelRow], done_statuses: Sequence[str] = DONE_STATUSES
) -> Reconciliation:
    """Compare the panel's participants with the raters of the database.

    Parameters
    ----------
    rows : sequence of PanelRow
    done_statuses : sequence of str
        The panel's words for somebody who has finished; case does not matter.
    """
    own = {r.id: r for r in raters.read_raters(study)}
    here = {participant: own[r] for r, participant in panels.participants(study).items()}
    done_words = {word.casefold() for word in done_statuses}
    found = list(_duplicates(rows))
    complete, done_there = 0, set()
    receipts = {
        blinding.normal_letters(blinding.receipt_code(study.key, r.id)): r.code
        for r in own.values()
    }
    for row in {row.participant: row for row in rows}.values():
        if row.status.casefold() not in done_words:
            continue
        done_there.add(row.participant)
        rater = here.get(row.participant)
        faults = [
            fault
            for fault in (
                _answers_fault(study, row, rater),
                _code_fault(study, row, rater, receipts),
            )
            if fault is not None
        ]
        complete += not faults
        found += faults
    words = {row.participant: row.status or "no status" for row in rows}
    for participant, rater in here.items():
        if rater.status is RaterStatus.FINISHED and participant not in done_there:
            there = words.get(participant, "not in the file")
            detail = f"finished here; the panel says: {there}"
            found.append(Mismatch("not done there", participant, rater.code, detail))
    return Reconciliation(complete, tuple(found))


def _duplicates(rows: Sequence[PanelRow]) -> list[Mismatch]:
    times = Counter(row.participant for row in rows)
    return [
        Mismatch("duplicate", participant, "", f"{number} times in the file")
        for participant, number in times.items()
        if number > 1
    ]


def _answers_fault(study: Study, row: PanelRow, rater: Rater | None) -> Mismatch | None:
    if rater is None:
        detail = f"{row.status} there, but never here, or withdrawn (row {row.row})"
        return Mismatch("unknown here", row.participant, "", detail)
    if receipt(study, rater) is not None:
        return None
    missing = len(open_answers(study, rater))
    stage = rater.status.value.replace("_", " ")
    detail = f"{row.status} there; here: {stage}, {missing} required answers missing"
    return Mismatch("answers missing", row.participant, rater.code, detail)


def _code_fault(
    study: Study, row: PanelRow, rater: Rater | None, receipts: dict[str, str]
) -> Mismatch | None:
    panel, given = study.protocol.completion.panel, blinding.normal_letters(row.code)
    if rater is None:
        return None
    expected = blinding.normal_letters(panel.completion_code) if panel else ""
    if expected and given == expected:
        return None
    owner = receipts.get(given)
    if owner == rater.code:
        return None
    if owner is not None:
        detail = f"gave the receipt of {owner}"
        return Mismatch("another's code", row.participant, rater.code, detail)
    return Mismatch("wrong code", row.participant, rater.code, f"gave {row.code or 'no code'!r}")
