"""A table from a file: its columns have names, its rows as many cells as there are columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.errors import ImportFileError
from study.table_file import workbook
from study.table_file.cells import join_decimals, looks_split
from study.table_file.decoding import decode, read_bytes
from study.table_file.json_lines import as_cell, json_objects
from study.table_file.separated import SEPARATORS, Record, read_records

_SHOWN = 3
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_OTHER_PROGRAMS = {
    ".xls": "Excel's old form",
    ".ods": "an OpenDocument sheet",
    ".numbers": "a Numbers sheet",
    ".sav": "an SPSS file",
    ".dta": "a Stata file",
    ".parquet": "a Parquet file",
    ".rds": "an R object",
    ".rdata": "an R workspace",
    ".gz": "a compressed file",
    ".zip": "a compressed file",
    ".pdf": "a PDF",
    ".docx": "a Word document",
    ".htm": "a web page",
    ".html": "a web page",
}


@dataclass(frozen=True)
class Table:
    """A table as it was written.

    Parameters
    ----------
    name : str
        Of the file.
    columns : tuple of str
        Each name once.
    rows : tuple of tuple of (str or None)
        A cell for every column; None is missing.
    lines : tuple of int
        Of each row, where it begins in the file, from 1; in a workbook the number of the row.
    place : str
        What the lines are called, ``"line"`` or ``"row"``.
    separated_by : str
        ``"commas"``, ``"semicolons"``, ``"tabs"`` or ``"bars"``; empty for JSON Lines and workbooks.
    decimal : str
        The mark before decimals, ``"."`` or ``","``.
    missing : tuple of str
        The words for missing values.
    left_out : tuple of str
        A sentence for each thing in the file that is no cell of the table: empty cells beyond the
        header, row names.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    lines: tuple[int, ...]
    place: str
    separated_by: str
    decimal: str
    missing: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """The file's name, with the separator that was found."""
        return f"{self.name} (separated by {self.separated_by})" if self.separated_by else self.name


def read_table(
    file: Path, *, missing: Sequence[str] = (), decimal: str = ".", sheet: str | None = None
) -> Table:
    """Read a table: CSV with any usual separator, JSON Lines (.jsonl, .ndjson, .json), or .xlsx.

    Parameters
    ----------
    file : Path
        Text is UTF-8 or UTF-16.
    missing : sequence of str
        Words that stand for a missing value, compared with the whole cell.
    decimal : {'.', ','}
        The mark before decimals. With ``','`` decimal commas that were not quoted in a file with
        commas are put together again where there is one way to do it.
    sheet : str, optional
        Of a workbook with several.

    Raises
    ------
    ImportFileError
        When there is no such file or no table in it, a row does not fit the header, two columns have
        one name, or a column with content has none.
    """
    if file.suffix.lower() in _OTHER_PROGRAMS:
        raise ImportFileError(
            f"{file.name} is {_OTHER_PROGRAMS[file.suffix.lower()]}, which is not read. Save it as .xlsx or "
            "as CSV UTF-8."
        )
    content = read_bytes(file)
    place, mark = "line", ""
    if content.startswith(workbook.MAGIC):
        place = "row"
        records = workbook.read_sheet(content, file.name, sheet, decimal)
    elif holds_objects(file):
        records = _json_records(decode(content, file.name), file.name, decimal)
    else:
        records, mark = read_records(decode(content, file.name), file.name, decimal)
    if not records:
        raise ImportFileError(
            f"{file.name} holds no cell with content, expected a table with a header. Save it again."
        )
    form = _Form(file.name, place, mark, decimal)
    columns, rows = _fitted(records, form)
    return Table(
        name=file.name,
        columns=tuple(columns),
        rows=tuple(
            tuple(None if not cell or cell in missing else cell for cell in cells)
            for _, cells in rows
        ),
        lines=tuple(line for line, _ in rows),
        place=place,
        separated_by=SEPARATORS.get(mark, ""),
        decimal=decimal,
        missing=tuple(missing),
        left_out=tuple(form.left_out),
    )


def holds_objects(file: Path) -> bool:
    """Whether a file's name says JSON Lines."""
    return file.suffix.lower() in _JSON_SUFFIXES


def read_objects(file: Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file with their lines; values keep their types.

    Raises
    ------
    ImportFileError
        When there is no such file, or a line is no object.
    """
    return list(json_objects(decode(read_bytes(file), file.name), file.name))


def _json_records(text: str, name: str, decimal: str) -> list[Record]:
    found = list(json_objects(text, name, decimal=decimal))
    columns = list(dict.fromkeys(key for _, row in found for key in row))
    rows = ((line, [as_cell(row.get(key)) for key in columns]) for line, row in found)
    return [(1, columns), *((line, cells) for line, cells in rows if any(cells))]


@dataclass(frozen=True)
class _Form:
    """What the messages about a file name, and what was left out of it."""

    name: str
    place: str
    mark: str
    decimal: str
    left_out: list[str] = field(default_factory=list)

    def at(self, line: int) -> str:
        return f"{self.name}, {self.place} {line}"


def _fitted(records: list[Record], form: _Form) -> tuple[list[str], list[Record]]:
    """Names and rows, as many cells in each as there are names."""
    (top, names), *rows = records
    names, rows = _without_nameless(names, _as_wide(rows, names, form), form)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ImportFileError(
            f"{form.at(top)}: two columns are called {twice!r}; found {', '.join(names)}. Rename one of them."
        )
    if not rows:
        raise ImportFileError(
            f"{form.name} has a header ({', '.join(names)}) but no rows. Give a file with rows."
        )
    return names, rows


def _as_wide(rows: list[Record], names: Sequence[str], form: _Form) -> list[Record]:
    """The rows with a cell for every name.

    Two things are no fault. Names may end in empty ones, for which rows need no cell. And spreadsheets end
    each row with separators when a column beside the table was once used: empty cells that every row has
    beyond the header are no cells. In some rows only, they may be what a decimal comma left.
    """
    width = len(names)
    least = width - next((at for at, name in enumerate(reversed(names)) if name), width)
    spare = bool(rows) and all(len(c) > width and not any(c[width:]) for _, c in rows)
    joins = form.decimal == form.mark
    fitted, wrong = [], []
    for line, cells in rows:
        joined = join_decimals(cells, width) if joins and len(cells) > width else None
        if spare and joined is None and len(cells) == len(rows[0][1]):
            cells = cells[:width]
        elif joined is not None and not spare:
            cells = joined
        if least <= len(cells) <= width:
            fitted.append((line, [*cells, *[""] * (width - len(cells))]))
        else:
            wrong.append((line, cells))
    if wrong:
        raise ImportFileError(_wrong_width(wrong, width, form))
    if spare:
        beyond = len(rows[0][1]) - width
        form.left_out.append(
            f"{form.name}: every row ends in {beyond} empty cell{'s' if beyond > 1 else ''} beyond the "
            f"{width} column{'s' if width > 1 else ''} of the header, left out."
        )
    return fitted


def _wrong_width(wrong: list[Record], width: int, form: _Form) -> str:
    line, cells = wrong[0]
    also = f" (and so in {len(wrong) - 1} further rows)" if len(wrong) > 1 else ""
    word = SEPARATORS[form.mark]
    cell_s = "cell" if len(cells) == 1 else "cells"
    found = f"{form.at(line)}: found {len(cells)} {cell_s} separated by {word}"
    if len(cells) < width:
        remedy = "Write the missing cells, empty ones too, with their separators."
    else:
        remedy = f"Put a cell that holds one of these {word} in quotes."
        if form.mark == "," and looks_split(cells):
            remedy += (
                " Which of them are decimal cannot be told."
                if form.decimal == ","
                else " For decimal commas without quotes give --decimal ,."
            )
    return f"{found}{also}, expected {width} as in the header. {remedy}"


def _without_nameless(
    names: list[str], rows: list[Record], form: _Form
) -> tuple[list[str], list[Record]]:
    """Without columns that have no name: empty ones, and the row names of R and pandas.

    Row names are a first column without a name and without two equal cells. Any other nameless column
    with content is refused, because nobody can say what it is.
    """
    kept = [at for at, name in enumerate(names) if name]
    for at in set(range(len(names))) - set(kept):
        filled = [(line, cells[at]) for line, cells in rows if cells[at]]
        row_names = at == 0 and len({cell for _, cell in filled}) == len(rows)
        if filled and not row_names:
            line, cell = filled[0]
            raise ImportFileError(
                f"{form.at(line)}: found {cell!r} in column {at + 1}, which has no name in the header. Name "
                "the column, or remove it."
            )
        if filled:
            shown = ", ".join(repr(cell) for _, cell in filled[:_SHOWN])
            form.left_out.append(
                f"{form.name}: the first column has no name and is taken for the names of the rows "
                f"({shown}, ...), left out."
            )
    if len(kept) == len(names):
        return names, rows
    return [names[at] for at in kept], [(line, [cells[at] for at in kept]) for line, cells in rows]
