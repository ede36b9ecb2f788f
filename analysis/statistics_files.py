"""Data files for SPSS and Stata, with variable and value labels.

One row per rater and response, one column per item: the form in which both programs expect
questionnaires. A missing answer is system-missing in the item's column; its reason is in a text column
beside it.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from study.errors import AnalysisError

_KEYS = ["rater", "group", "simulated", "position", "prompt", "topic", "system", "seconds"]
# Stata allows 32 characters, SPSS 64; the smaller bound serves both.
_LONGEST_NAME = 32


@dataclass(frozen=True)
class ItemLabels:
    """An item's question and the anchors of its points."""

    id: str
    text: str
    points: Mapping[int, str]


def variable_names(ids: Sequence[str], suffix: str = "") -> dict[str, str]:
    """A name for each id that SPSS and Stata both take: letters, digits and underscores, unique.

    Examples
    --------
    >>> variable_names(["long-term", "1st"])
    {'long-term': 'long_term', '1st': 'v_1st'}
    """
    names: dict[str, str] = {}
    for identity in ids:
        name = re.sub(r"\W", "_", identity, flags=re.ASCII)
        name = name if name[:1].isalpha() else f"v_{name}"
        room = _LONGEST_NAME - len(suffix)
        candidate, number = name[:room] + suffix, 2
        while candidate in names.values():
            tail = f"_{number}"
            candidate = name[: room - len(tail)] + tail + suffix
            number += 1
        names[identity] = candidate
    return names


def wide_ratings(ratings: pd.DataFrame, items: Sequence[ItemLabels]) -> pd.DataFrame:
    """One row per rater and response; a column for each item and one for why it is missing.

    Parameters
    ----------
    ratings : DataFrame
        One row per planned answer: rater, group, simulated, position, prompt, topic, system, item,
        value, missing_reason, seconds.
    """
    ids = [item.id for item in items]
    values, reasons = variable_names(ids), variable_names(ids, "_missing")
    place = ["rater", "position"]
    # Where a page shows several responses, the systems by place.
    keys = [*_KEYS, "shown"] if "shown" in ratings else _KEYS
    frame = ratings.drop_duplicates(place)[keys].set_index(place)
    numbers = ratings.assign(value=pd.to_numeric(ratings["value"]).astype("float64"))
    answered = numbers.pivot(index=place, columns="item", values="value")
    absent = numbers.pivot(index=place, columns="item", values="missing_reason")
    for identity in ids:
        frame[values[identity]] = answered[identity]
        frame[reasons[identity]] = absent[identity].fillna("")
    wide = frame.reset_index()
    wide["simulated"] = wide["simulated"].astype(int)
    wide["seconds"] = pd.to_numeric(wide["seconds"]).astype("float64")
    return wide


def write_statistics_file(
    ratings: pd.DataFrame, items: Sequence[ItemLabels], path: Path, *, title: str
) -> pd.DataFrame:
    """Write ratings for SPSS (``.sav``) or Stata (``.dta``); gives the table that was written.

    Raises
    ------
    AnalysisError
        When the file's ending is neither.
    OSError
        When there is no room for it.
    """
    import pyreadstat

    wide = wide_ratings(ratings, items)
    ids = [item.id for item in items]
    names, reasons = variable_names(ids), variable_names(ids, "_missing")
    labels = {names[item.id]: item.text for item in items}
    labels |= {reasons[item.id]: f"Why {names[item.id]} is missing" for item in items}
    values: dict[str, dict[int | float, str]] = {
        names[item.id]: dict(item.points.items()) for item in items
    }
    values["simulated"] = {0: "a person", 1: "SIMULATED"}
    columns: list[str | None] = [labels.get(column, column) for column in wide.columns]
    if path.suffix == ".sav":
        write: Any = pyreadstat.write_sav
        read: Any = pyreadstat.read_sav
        title = title[:64]
    elif path.suffix == ".dta":
        write, read = pyreadstat.write_dta, pyreadstat.read_dta
        # Stata keeps at most 80 characters of a label.
        title, columns = title[:80], [label[:80] if label else label for label in columns]
    else:
        raise AnalysisError(
            f"Found the file {path.name!r}, expected a name ending in .sav or .dta."
        )
    try:
        write(wide, str(path), title, column_labels=columns, variable_value_labels=values)
        # On a full disk the library may end without a word and leave a file that is cut off.
        whole = len(read(str(path))[0]) == len(wide)
    except pyreadstat.ReadstatError:
        whole = False
    if not whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return wide
