"""A table collected elsewhere as a data frame: text, until a column is used as numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.validation import LARGEST, FloatArray, columns_present, place_of
from study import table_file
from study.errors import AnalysisError
from study.table_file.cells import number, numbers_among, why_no_number


def read_table(
    file: Path, *, missing: Sequence[str] = (), decimal: str = ".", sheet: str | None = None
) -> pd.DataFrame:
    """A table as it was written, by :func:`study.table_file.read_table`.

    Returns
    -------
    DataFrame
        Text in every column, missing where a cell is. The index holds the file's own lines (or a
        workbook's rows) and is called so; ``attrs`` holds what :func:`numeric_columns` and messages
        need: ``file``, ``decimal``, ``missing`` and ``left_out``.

    Raises
    ------
    ImportFileError
        When there is no such file, or it is no table.
    """
    table = table_file.read_table(file, missing=missing, decimal=decimal, sheet=sheet)
    cells = zip(*table.rows, strict=True)
    frame = pd.DataFrame(
        {
            name: pd.array(column, dtype="str")
            for name, column in zip(table.columns, cells, strict=True)
        },
        index=pd.Index(table.lines, name=table.place),
    )
    frame.attrs = {
        "file": table.described,
        "decimal": decimal,
        "missing": tuple(missing),
        "left_out": table.left_out,
    }
    return frame


def described(frame: pd.DataFrame) -> str:
    """The file that a table was read from, with its separator, for messages."""
    return str(frame.attrs.get("file", "the table"))


def cell_at(frame: pd.DataFrame, position: int, column: str) -> str:
    """Where a cell lies, for messages: file, line and column.

    Parameters
    ----------
    frame : DataFrame
    position : int
        Of the row, from 0.
    column : str
    """
    return f"{described(frame)}, {place_of(frame, position)}, column {column!r}"


def parse_points(text: str) -> list[float]:
    """Points of a scale written as ``1-5``, ``-2-2`` or ``0,1,2``.

    Raises
    ------
    AnalysisError
        When the text is neither, or has fewer than two points.
    """
    whole = text.strip()
    try:
        if "," in whole:
            points = [float(part) for part in whole.split(",")]
        else:
            # A sign before either end: -2-2 are five points about 0.
            ends = re.fullmatch(r"(-?[0-9]+) *- *(-?[0-9]+)", whole)
            low, high = (int(end) for end in ends.groups()) if ends else (0, 0)
            points = [float(value) for value in range(low, high + 1)]
    except ValueError:
        points = []
    finite = np.isfinite(points).all()
    if len(points) < 2 or not finite or sorted(set(points)) != points:
        raise AnalysisError(
            f"Found the points {text!r}, expected a range such as 1-5 or ascending points such as 0,1,2."
        )
    return points


def numeric_columns(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """These columns as floats, missing as nan; the index stays.

    In a table of :func:`read_table` the words for missing values that are numbers are compared as
    numbers here, so that the word -99 also finds -99.0.

    Raises
    ------
    AnalysisError
        When a column is missing or holds something that is not a number, or one too large to
        compute with; with the line.
    """
    columns_present(list(frame.columns), list(columns), described(frame))
    return pd.DataFrame({c: _numbers(frame, c) for c in columns}, index=frame.index)


def _numbers(frame: pd.DataFrame, column: str) -> FloatArray:
    cells = frame[column]
    if cells.dtype.kind in "fiub":
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = _numbers_of_text(frame, cells)
    beyond = np.flatnonzero(np.abs(numbers) > LARGEST)
    if beyond.size:
        raise AnalysisError(
            f"{cell_at(frame, int(beyond[0]), column)}: found {numbers[beyond[0]]:g}, expected a number up "
            f"to {LARGEST:g} in size. Correct it, or give the values in a larger unit."
        )
    return numbers


def _numbers_of_text(frame: pd.DataFrame, cells: pd.Series) -> FloatArray:
    decimal = frame.attrs.get("decimal", ".")
    absent = numbers_among(frame.attrs.get("missing", ()), decimal)
    found: list[float | None] = []
    # Ratings have few different cells, so that each is read once.
    known: dict[str, float | None] = {}
    for at, (cell, gone) in enumerate(zip(cells.tolist(), cells.isna().tolist(), strict=True)):
        if gone:
            found.append(np.nan)
            continue
        text = str(cell)
        if text not in known:
            known[text] = number(text, decimal)
        found.append(np.nan if known[text] in absent else known[text])
        if known[text] is None:
            raise AnalysisError(
                f"{cell_at(frame, at, str(cells.name))}: found {text!r}, expected a number or an empty cell. "
                f"{why_no_number(text, decimal)}"
            )
    return np.asarray(found, dtype=np.float64)
