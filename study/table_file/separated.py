"""Rows of a text whose cells are separated by commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from study.errors import ImportFileError

Record = tuple[int, list[str]]

SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}
# Excel writes and reads this line, which names the separator and is no row.
_EXCELS_WORD = re.compile(r'\A"?sep=([\t;,|])"?(?=\r|\n)')
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# As R's write.table writes a header without other arguments.
_BLANKS = re.compile(r'"[^"]*"(?: +"[^"]*")+\s*')
_FIRST_RECORD = re.compile(r'\s*((?:"(?:[^"]|"")*"|[^"\r\n])+)')


def read_records(text: str, name: str, decimal: str = ".") -> tuple[list[Record], str]:
    """Rows with the line on which each begins, and their separator.

    Blank lines are no rows, but are counted as lines, like line breaks within quotes.

    Raises
    ------
    ImportFileError
        With the line, when quotes do not close, or when two separators would do.
    """
    said = _EXCELS_WORD.match(text)
    if said:
        rest = text[said.end() :]
        return _without_row_names(list(_records(rest, said[1], name)), rest), said[1]
    separator = _separator(text, name, decimal)
    return _without_row_names(list(_records(text, separator, name)), text), separator


def _records(text: str, separator: str, name: str) -> Iterator[Record]:
    # A blank after a separator is skipped, or a quote behind it would be part of the cell.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    last = 0
    # The limit of 131,072 characters a cell is the module's own; a transcript may be longer.
    limit = csv.field_size_limit(len(text) + 1)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield last + 1, stripped
            last = reader.line_num
    except csv.Error as error:
        raise ImportFileError(
            f"{name}, line {last + 1}: the row that begins here is not valid CSV ({error}). Write a cell "
            'that holds quotes as "he said ""yes""", or save the file from a spreadsheet.'
        ) from None
    finally:
        csv.field_size_limit(limit)


def _separator(text: str, name: str, decimal: str) -> str:
    """The separator of the header; of several, the one that gives every row as many cells.

    Where commas are decimal, another separator that does so goes before them.
    """
    first = _FIRST_RECORD.match(text)
    bare = _QUOTED.sub("", first[1]) if first else ""
    found = [mark for mark in SEPARATORS if mark in bare.rstrip("\r\n")]
    if not found and first and _BLANKS.fullmatch(first[1]):
        raise ImportFileError(
            f"{name}, line 1: the names stand in quotes with blanks between, which separate nothing here. "
            "Save the table with commas (in R by write.csv), semicolons or tabs."
        )
    if len(found) < 2:
        return found[0] if found else ","
    fitting = [mark for mark in found if _is_even(text, mark, name)]
    if decimal in fitting and len(fitting) > 1:
        fitting.remove(decimal)
    if len(fitting) > 1:
        raise ImportFileError(
            f"{name}: header and rows can be separated by {' or by '.join(SEPARATORS[m] for m in fitting)}. "
            "Put names that hold one of them in quotes."
        )
    return fitting[0] if fitting else max(found, key=bare.count)


def _is_even(text: str, separator: str, name: str) -> bool:
    try:
        return len({len(cells) for _, cells in _records(text, separator, name)}) == 1
    except ImportFileError:
        return False


def _without_row_names(records: list[Record], text: str) -> list[Record]:
    """The rows without the first column of R's ``write.table``, for which its header has no cell.

    Every row is then one cell longer than the header, as it also is where each row has one decimal
    comma. R puts names in quotes, header and rows; without those the rows are left, and refused.
    """
    if len(records) < 2:
        return records
    (_, header), *rows = records
    if any(len(cells) != len(header) + 1 for _, cells in rows):
        return records
    lines = io.StringIO(text, newline="").readlines()
    quoted = all(lines[line - 1].startswith('"') for line, _ in records)
    if not quoted or len({cells[0] for _, cells in rows}) < len(rows):
        return records
    return [records[0], *((line, cells[1:]) for line, cells in rows)]
