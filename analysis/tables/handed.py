"""A table that a user hands to a command, read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.tables.reading import read_table
from analysis.tables.spellings import told_spellings
from study.table_file.names import listed_names


@dataclass(frozen=True)
class HandedTable:
    """The file and how to read it; nothing is read before it is asked for."""

    file: Path
    missing: tuple[str, ...]
    decimal: str
    sheet: str | None
    tell: Callable[[str], None]

    def frame(self, *named: str | None) -> pd.DataFrame:
        """The table as text, by :func:`analysis.tables.reading.read_table`.

        Parameters
        ----------
        *named : str or None
            Options with columns of names, such as the rater's: where two names differ only in how they
            are written, ``tell`` is given a note of it, and another of what was left out as no cell.
        """
        frame = read_table(self.file, missing=self.missing, decimal=self.decimal, sheet=self.sheet)
        for note in frame.attrs["left_out"]:
            self.tell(f"Note: {note}")
        columns = [c for told in named if told for c in _columns(frame, told)]
        for column in dict.fromkeys(columns):
            for note in told_spellings(frame, [column]):
                self.tell(f"Note: {note}")
        return frame


def _columns(frame: pd.DataFrame, told: str) -> list[str]:
    return [told] if told in frame.columns else listed_names(told)
