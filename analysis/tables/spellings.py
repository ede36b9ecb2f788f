"""Names that differ only in how they are written, such as Anna and anna, 01 and 1: two, and told.

Cells are labels as they are written, because nobody can know that A and a are one, and 1.10 may be another
version than 1.1. But typing, spreadsheets and phones write one name in several ways, and then a rater
counts twice and an agreed label is disagreement. So they stay two, and the user is told.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.tables.reading import described
from analysis.validation import place_of
from study.table_file.cells import number

_SHOWN = 3


def spelling_key(text: str) -> str:
    """What two spellings of one name share: no case, no invisible signs, blanks alike, numbers by value.

    Examples
    --------
    >>> spelling_key(" Anna\\u200b") == spelling_key("anna"), spelling_key("01") == spelling_key("1.0")
    (True, True)
    """
    plain = unicodedata.normalize("NFKC", text)
    seen = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    folded = unicodedata.normalize("NFKC", " ".join(seen.split()).casefold())
    value = number(folded)
    return folded if value is None else repr(value + 0.0)


def told_spellings(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """A sentence for names in these columns, taken together, that differ only in how they are written.

    Parameters
    ----------
    frame : DataFrame
        Of `analysis.tables.reading.read_table`.
    columns : sequence of str
        Whose cells are names or labels; those that are not there are passed over.
    """
    there = [column for column in columns if column in frame.columns]
    first: dict[str, tuple[int, str]] = {}
    for column in there:
        cells = frame[column]
        starts = np.flatnonzero(cells.notna() & ~cells.duplicated())
        for at in starts.tolist():
            first.setdefault(str(cells.iloc[at]), (at, column))
    alike: dict[str, list[str]] = {}
    for name in first:
        alike.setdefault(spelling_key(name), []).append(name)
    found = [names for names in alike.values() if len(names) > 1]
    if not found:
        return []
    shown = "; ".join(_together(frame, names, first) for names in found[:_SHOWN])
    more = f" (and {len(found) - _SHOWN} more such names)" if len(found) > _SHOWN else ""
    where = " and ".join(repr(column) for column in there[:_SHOWN])
    return [
        f"{described(frame)}, column {where}: {shown}{more} differ only in how they are written, and count "
        "as different. If they are the same, write them alike in the file."
    ]


def _together(frame: pd.DataFrame, names: Sequence[str], first: dict[str, tuple[int, str]]) -> str:
    # What looks the same on the screen is written out by its signs.
    looks = {unicodedata.normalize("NFC", name) for name in names}
    write = ascii if len(looks) < len(names) else repr
    told = [f"{write(name)} ({place_of(frame, first[name][0])})" for name in names[:_SHOWN]]
    return " and ".join(told)
