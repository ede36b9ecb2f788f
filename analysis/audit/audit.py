"""The audit of one or several files: read, recognised, checked by every rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.audit.findings import Finding
from analysis.audit.forms.recognised import add_records
from analysis.audit.printed import Rounding
from analysis.audit.records import Published
from analysis.audit.rules.register import CHECKS, RULES, Rule
from analysis.audit.rules.t_test import noted_tests
from analysis.audit.sheet import Told, read_sheet
from study.errors import ImportFileError
from study.table_file import Table, read_table


@dataclass(frozen=True)
class Audit:
    """What was found, in the order of the files and their lines, and what else a reader should know.

    Parameters
    ----------
    files : sequence of str
    findings : sequence of Finding
    notes : sequence of str
        What was not checked, taken as cut off, or is one test's p and not the other's: no contradictions.
    read : mapping of str to int
        How many of each kind of record the files hold.
    """

    files: Sequence[str]
    findings: Sequence[Finding]
    notes: Sequence[str]
    read: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form."""
        return {
            "kind": "audit",
            "files": list(self.files),
            "read": self.read,
            "findings": [
                {**one.to_dict(), "rule_in_words": RULES[one.rule]} for one in self.findings
            ],
            "notes": list(self.notes),
        }


def audit_files(
    files: Sequence[Path],
    told: Told | None = None,
    *,
    missing: Sequence[str] = (),
    decimal: str | None = None,
    sheet: str | None = None,
) -> Audit:
    """Audit the tables in files, read by :func:`study.table_file.read_table`.

    Parameters
    ----------
    files : sequence of Path
    told : Told, optional
    missing : sequence of str
        Words for missing values.
    decimal : {".", ","}, optional
        Default: the mark with which the file is a table; within it, the one that its numbers have.
    sheet : str, optional

    Raises
    ------
    ImportFileError
        When a file is no table.
    """
    return audit_tables([_read(file, missing, decimal, sheet) for file in files], told)


def _read(file: Path, missing: Sequence[str], decimal: str | None, sheet: str | None) -> Table:
    if decimal is not None:
        return read_table(file, missing=missing, decimal=decimal, sheet=sheet)
    try:
        return read_table(file, missing=missing, sheet=sheet)
    except ImportFileError as error:
        # Decimal commas that were not put in quotes give some rows more cells than the header.
        try:
            return read_table(file, missing=missing, decimal=",", sheet=sheet)
        except ImportFileError:
            raise error from None


def audit_tables(tables: Sequence[Table], told: Told | None = None) -> Audit:
    """Audit published tables, one against the other where they are about the same.

    Parameters
    ----------
    tables : sequence of Table
        As printed.
    told : Told, optional
        What is not printed.

    Examples
    --------
    >>> rows = (("a", "1", "10", "50.0"), ("a", "2", "10", "60.0"))
    >>> columns = ("item", "value", "frequency", "percent")
    >>> table = Table("t.csv", columns, rows, (2, 3), "line", "commas", ".", ())
    >>> [one.cells[0].recomputed for one in audit_tables([table]).findings]
    ['50.0']
    """
    told = told or Told()
    published = Published()
    for table in tables:
        add_records(read_sheet(table, told), published)
    findings: list[Finding] = []
    notes = list(published.notes)
    for rule in CHECKS:
        found, cut = _least(rule, published, told)
        findings += found
        notes += cut
    order = {table.name: at for at, table in enumerate(tables)}
    findings.sort(key=lambda f: (order.get(f.place.file, len(order)), f.place.line))
    read = {name: len(part) for name, part in vars(published).items() if name != "notes" and part}
    notes += noted_tests(published, Rounding.NEAREST)
    return Audit(tuple(order), tuple(findings), tuple(dict.fromkeys(notes)), read)


def _least(rule: Rule, published: Published, told: Told) -> tuple[list[Finding], list[str]]:
    """A rule's findings with numbers rounded, or cut off where that leaves fewer, file by file."""
    nearest = list(rule.check(published, told, Rounding.NEAREST))
    if not nearest or not rule.rounds:
        return nearest, []
    cut_off = list(rule.check(published, told, Rounding.TRUNCATED))
    kept, notes = [], []
    for file in dict.fromkeys(one.place.file for one in [*nearest, *cut_off]):
        one, other = ([f for f in found if f.place.file == file] for found in (nearest, cut_off))
        if _cells(other) < _cells(one):
            kept += other
            name = RULES[one[0].rule]
            notes.append(
                f"{file}: taken as cut off and not rounded, for which {name} holds more often."
            )
        else:
            kept += one
    return kept, notes


def _cells(findings: Sequence[Finding]) -> int:
    return sum(len(one.cells) for one in findings)
