"""Rows below a table that hold sums or means of the rows above, as spreadsheets have them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.tables.rating_columns import SUMMARY_WORDS, words_of
from analysis.tables.reading import described
from analysis.validation import place_of
from study.errors import AnalysisError

_LAST = 3
# On fewer rows a last one may be the sum of the others by chance: 1, 1, 1 and 3.
_LEAST_ABOVE = 5


def refuse_summary_rows(frame: pd.DataFrame, numbers: pd.DataFrame) -> None:
    """Refuse a table whose last rows sum up the others: counted as one more, they move every figure.

    Parameters
    ----------
    frame : DataFrame
        Of `analysis.tables.reading.read_table`.
    numbers : DataFrame
        The columns of it that are compared, as numbers.

    Raises
    ------
    AnalysisError
        When one of the last three rows is called Total, Mean or the like in the first other column, or
        the last one holds the sums of the rows above in both columns of ``numbers``.
    """
    # The first of the other columns names the rows; a remark further right may say "average".
    names = [column for column in frame.columns if column not in numbers.columns][:1]
    for column in names:
        for at in range(max(0, len(frame) - _LAST), len(frame)):
            cell = frame[column].iloc[at]
            if not pd.isna(cell) and _sums_up(str(cell)) and (frame[column] == cell).sum() == 1:
                raise AnalysisError(_told(frame, at, f"is called {cell!r} in column {column!r}"))
    values = numbers.to_numpy(dtype=np.float64)
    above = values[:-1]
    if values.shape[1] < 2 or len(above) < _LEAST_ABOVE or np.isnan(values[-1]).any():
        return
    # Above every other value, or answers of 0 and 1 would often do it by chance.
    sums, highest = np.nansum(above, axis=0), np.fmax.reduce(above, axis=0)
    if np.allclose(sums, values[-1], rtol=1e-9, atol=0.0) and (values[-1] > highest).all():
        raise AnalysisError(_told(frame, len(frame) - 1, "holds the sums of the rows above"))


def _sums_up(cell: str) -> bool:
    words = words_of(cell)
    return len(words) in (1, 2) and words[0] in SUMMARY_WORDS


def _told(frame: pd.DataFrame, at: int, why: str) -> str:
    return (
        f"{described(frame)}, {place_of(frame, at)}: the row {why}, and so seems to sum up the others. Take "
        "it out of the file, or give --rows-independent when it is a unit of its own."
    )
