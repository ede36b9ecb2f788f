"""A table collected elsewhere: read from a file, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.validation import LARGEST, columns_present
from study.errors import AnalysisError


def read_table(file: Path) -> pd.DataFrame:
    """Read a CSV file with a header, or JSON Lines; empty cells and ``NA`` are missing.

    Raises
    ------
    AnalysisError
        When there is no such file, or it is not UTF-8 CSV with commas, a header and at least one row.
    """
    try:
        lines = file.suffix.lower() in (".jsonl", ".ndjson")
        frame = _read_lines(file) if lines else pd.read_csv(file)
    except FileNotFoundError:
        raise AnalysisError(f"There is no file {file}. Check the path.") from None
    except UnicodeDecodeError:
        raise AnalysisError(f"{file.name} is not UTF-8 text. Save it as 'CSV UTF-8'.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise AnalysisError(
            f"{file.name} is not a CSV table with a header ({' '.join(str(error).split())}). Save it as "
            "CSV with commas."
        ) from None
    if not lines:
        _refuse_other_separator(frame, file.name)
    if frame.empty:
        raise AnalysisError(f"{file.name} has a header but no rows.")
    return frame


def _refuse_other_separator(frame: pd.DataFrame, name: str) -> None:
    """One column whose name holds another separator: not read, since commas may be decimal there."""
    header = str(frame.columns[0])
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if frame.shape[1] == 1 and separator in header:
            raise AnalysisError(
                f"{name} separates its columns by {word}, expected commas. Save it as CSV with commas, "
                "and with points in decimal numbers (3.5, not 3,5)."
            )


def _read_lines(file: Path) -> pd.DataFrame:
    try:
        # No types are guessed: an id of digits stays as it is written.
        return pd.read_json(file, lines=True, dtype=False, precise_float=True)
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise AnalysisError(
            f"{file.name} is not JSON Lines, one object per line ({' '.join(str(error).split())})."
        ) from None


def parse_points(text: str) -> list[float]:
    """Points of a scale written as ``1-5`` or ``0,1,2``.

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
            low, high = (int(part) for part in whole.split("-"))
            points = [float(value) for value in range(low, high + 1)]
    except ValueError:
        points = []
    if len(points) < 2 or sorted(set(points)) != points:
        raise AnalysisError(
            f"Found the points {text!r}, expected a range such as 1-5 or ascending points such as 0,1,2."
        )
    return points


def numeric_columns(frame: pd.DataFrame, columns: Sequence[str], file: str) -> pd.DataFrame:
    """These columns as floats, missing as nan.

    Raises
    ------
    AnalysisError
        When a column is missing or holds something that is not a number, or one too large to
        compute with.
    """
    columns_present(list(frame.columns), list(columns), file)
    numbers = {}
    for column in columns:
        converted = pd.to_numeric(frame[column], errors="coerce")
        bad = frame[column][converted.isna() & frame[column].notna()]
        if not bad.empty:
            raise AnalysisError(
                f"{file}, column {column!r}, row {int(bad.index[0]) + 2}: found {bad.iloc[0]!r}, "
                "expected a number or an empty cell."
            )
        numbers[column] = converted.astype(np.float64)
        beyond = numbers[column][numbers[column].abs() > LARGEST]
        if not beyond.empty:
            raise AnalysisError(
                f"{file}, column {column!r}, row {int(beyond.index[0]) + 2}: found {beyond.iloc[0]:g}, "
                f"expected a number up to {LARGEST:g} in size."
            )
    return pd.DataFrame(numbers)
