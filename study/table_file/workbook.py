"""Rows of a sheet of an Excel workbook (.xlsx)."""

from __future__ import annotations

import io
import re
import warnings
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from study.errors import ImportFileError
from study.table_file.separated import Record

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

# A workbook is a zip archive, whatever the file is called.
MAGIC = b"PK\x03\x04"
# Number formats that only say how many digits are shown: 00 for 01, 0.00 for 1.10.
_DIGITS_SHOWN = re.compile(r"(0+)(?:\.(0+))?")


def read_sheet(
    content: bytes, name: str, sheet: str | None = None, decimal: str = "."
) -> list[Record]:
    """Rows with their numbers; rows without content are left out.

    Parameters
    ----------
    content : bytes
        Of the file.
    name : str
        Of the file, for messages.
    sheet : str, optional
        Needed when several sheets hold something.
    decimal : {'.', ','}
        The mark with which numbers become text.

    Raises
    ------
    ImportFileError
        When it is no workbook, the sheet is not clear, cells are merged, or a formula has no result.
    """
    book = _opened(content, name)
    chosen = _chosen(book, name, sheet)
    if chosen.merged_cells.ranges:
        merged = min(str(found) for found in chosen.merged_cells.ranges)
        raise ImportFileError(
            f"{name}, sheet {chosen.title!r}: the cells {merged} are merged, so all but one of them are "
            "empty. Unmerge them and write the value into each."
        )
    # Cells with formulas hold the formula here, and their last result in a second reading.
    results = None
    if any(cell.data_type == "f" for row in chosen.iter_rows() for cell in row):
        results = _opened(content, name, results=True)[chosen.title]
    records = []
    for row in chosen.iter_rows():
        cells = [_text(cell, results, name, decimal) for cell in row]
        if any(cells):
            records.append((int(row[0].row), cells))
    return records


def _opened(content: bytes, name: str, *, results: bool = False) -> Workbook:
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            # What it leaves out (styles, drop-down lists, pivot tables) is no part of a table.
            warnings.simplefilter("ignore")
            return load_workbook(io.BytesIO(content), data_only=results)
    except Exception as error:  # noqa: BLE001 (a damaged file breaks the library in a dozen ways)
        raise ImportFileError(
            f"{name} is a zip archive but no workbook that can be read ({' '.join(str(error).split())}). "
            "Open it in a spreadsheet and save it as .xlsx without a password, or as CSV UTF-8."
        ) from None


def _chosen(book: Workbook, name: str, sheet: str | None) -> Worksheet:
    titles = [found.title for found in book.worksheets]
    if sheet is not None:
        if sheet not in titles:
            raise ImportFileError(
                f"{name} has no sheet {sheet!r}; its sheets are {', '.join(titles)}. Name one of them."
            )
        return book[sheet]
    filled = [found for found in book.worksheets if _holds_something(found)]
    if not filled:
        raise ImportFileError(f"{name} is empty, expected a table with a header. Save it again.")
    if len(filled) > 1:
        raise ImportFileError(
            f"{name} has several sheets with content: {', '.join(f.title for f in filled)}. Say which one "
            f"with --sheet {filled[0].title!r}."
        )
    return filled[0]


def _holds_something(sheet: Worksheet) -> bool:
    return any(cell.value is not None for row in sheet.iter_rows() for cell in row)


def _text(cell: Any, results: Worksheet | None, name: str, decimal: str) -> str:
    value = cell.value
    if cell.data_type == "f" and results is not None:
        value = results[cell.coordinate].value
        if value is None:
            raise ImportFileError(
                f"{name}, cell {cell.coordinate}: the formula has no stored result. Open the file in a "
                "spreadsheet and save it, or replace formulas by their values."
            )
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _as_shown(value, cell.number_format).replace(".", decimal)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).strip()


def _as_shown(value: float, number_format: str) -> str:
    """A number as the sheet shows it where that is the same number, so that 01 stays 01; else in full."""
    plain = str(int(value)) if float(value).is_integer() else repr(value)
    digits = _DIGITS_SHOWN.fullmatch(number_format or "")
    if digits is None:
        return plain
    whole, decimals = len(digits[1]), len(digits[2] or "")
    wide = whole + (decimals + 1 if decimals else 0)
    shown = f"{value:0{wide + (value < 0)}.{decimals}f}"
    return shown if float(shown) == value else plain
