"""Reconciliation: what a panel says of its participants, held against what the database holds."""

from __future__ import annotations

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
from study.table_file import read_table

# What Prolific's export of submissions calls them.
PARTICIPANT_COLUMN, STATUS_COLUMN, CODE_COLUMN = "Participant id", "Status", "Completion code"
DONE_STATUSES = ("APPROVED", "AWAITING REVIEW")
RULE = (
    "Of several rows for one person, one whose status says done counts, and of several such, one with a "
    "right code; their order does not matter."
)


@dataclass(frozen=True)
class PanelRow:
    """One submission as the panel's export has it; ``line`` is the file's own."""

    line: int
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
        ``"another's code"``, ``"duplicate"`` or ``"no participant"``.
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
    sheet: str | None = None,
) -> list[PanelRow]:
    """The rows of a panel's export; blank ones are none.

    Raises
    ------
    ImportFileError
        When the file cannot be read or a column is missing.
    """
    table = read_table(path, sheet=sheet)
    for name in (participant, status, code):
        if name not in table.columns:
            raise ImportFileError(
                f"{table.described} has no column {name!r}. Found: {', '.join(table.columns)}. Name the "
                "columns with --participant-column, --status-column and --code-column."
            )
    places = [table.columns.index(name) for name in (participant, status, code)]
    return [
        PanelRow(line, *(row[at] or "" for at in places))
        for line, row in zip(table.lines, table.rows, strict=True)
    ]


def reconcile(
    study: Study, rows: Sequence[PanelRow], done_statuses: Sequence[str] = DONE_STATUSES
) -> Reconciliation:
    """Compare the panel's participants with the raters of the database, by :data:`RULE`.

    Parameters
    ----------
    rows : sequence of PanelRow
        In any order.
    done_statuses : sequence of str
        The panel's words for somebody who has finished; case does not matter.
    """
    own = {r.id: r for r in raters.read_raters(study)}
    here = {participant: own[r] for r, participant in panels.participants(study).items()}
    receipts = {
        blinding.normal_letters(blinding.receipt_code(study.key, r.id)): r.code
        for r in own.values()
    }
    done_words = {word.casefold() for word in done_statuses}
    by_person: dict[str, list[PanelRow]] = {}
    for row in rows:
        by_person.setdefault(row.participant, []).append(row)
    found = [_without_participant(row) for row in by_person.pop("", [])]
    complete, done_there = 0, set()
    for participant, all_rows in sorted(by_person.items()):
        done = [row for row in all_rows if row.status.casefold() in done_words]
        if len(all_rows) > 1:
            found.append(_duplicate(participant, all_rows, bool(done)))
        if not done:
            continue
        done_there.add(participant)
        # By what is wrong with them and then by their cells, never by their place in the file.
        rater = here.get(participant)
        faults = min(
            (_faults(study, row, rater, receipts) for row in done),
            key=lambda faults: (len(faults), [(m.kind, m.detail) for m in faults]),
        )
        complete += not faults
        found += faults
    for participant, rater in sorted(here.items()):
        if rater.status is RaterStatus.FINISHED and participant not in done_there:
            there = _statuses(by_person.get(participant, [])) or "not in the file"
            detail = f"finished here; the panel says: {there}"
            found.append(Mismatch("not done there", participant, rater.code, detail))
    return Reconciliation(complete, tuple(found))


def _statuses(rows: Sequence[PanelRow]) -> str:
    return ", ".join(sorted(row.status or "no status" for row in rows))


def _duplicate(participant: str, rows: Sequence[PanelRow], done: bool) -> Mismatch:
    counted = "counted as done" if done else "none of them says done"
    return Mismatch(
        "duplicate",
        participant,
        "",
        f"{len(rows)} times in the file ({_statuses(rows)}); {counted}",
    )


def _without_participant(row: PanelRow) -> Mismatch:
    detail = f"line {row.line} has no participant id; its status: {row.status or 'no status'}"
    return Mismatch("no participant", "", "", detail)


def _faults(
    study: Study, row: PanelRow, rater: Rater | None, receipts: dict[str, str]
) -> list[Mismatch]:
    faults = (_answers_fault(study, row, rater), _code_fault(study, row, rater, receipts))
    return [fault for fault in faults if fault is not None]


def _answers_fault(study: Study, row: PanelRow, rater: Rater | None) -> Mismatch | None:
    if rater is None:
        detail = f"{row.status} there, but never here, or withdrawn"
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
