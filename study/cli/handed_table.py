"""A table that a user hands to a command: the argument for its file, and how it is to be read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.options import warn
from study.table_file.names import listed_names

if TYPE_CHECKING:
    import pandas as pd

sheet_option = click.option(
    "--sheet", metavar="NAME", help="Sheet of an .xlsx file, where several have content."
)


@dataclass(frozen=True)
class HandedTable:
    """The file and how to read it; nothing is read before it is asked for."""

    file: Path
    missing: tuple[str, ...]
    decimal: str
    sheet: str | None

    def frame(self, *named: str | None) -> pd.DataFrame:
        """The table as text, by :func:`analysis.tables.reading.read_table`.

        Parameters
        ----------
        *named : str or None
            Options with columns of names, such as the rater's: where two names differ only in how they
            are written, a line on the error stream says so. Another says what was left out as no cell.
        """
        from analysis.tables.reading import read_table
        from analysis.tables.spellings import told_spellings

        frame = read_table(self.file, missing=self.missing, decimal=self.decimal, sheet=self.sheet)
        for note in frame.attrs["left_out"]:
            warn(f"Note: {note}")
        columns = [c for told in named if told for c in _columns(frame, told)]
        for column in dict.fromkeys(columns):
            for note in told_spellings(frame, [column]):
                warn(f"Note: {note}")
        return frame


def _columns(frame: pd.DataFrame, told: str) -> list[str]:
    return [told] if told in frame.columns else listed_names(told)


def with_table(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take FILE and the options of its reading, and hand them in as ``table``."""

    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    @click.option(
        "--missing",
        metavar="WORDS",
        multiple=True,
        help="Words that stand for a missing value: NA,-99. Without it only empty cells are missing.",
    )
    @click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        default=".",
        show_default=True,
        help="Mark before decimals.",
    )
    @sheet_option
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        file: Path,
        missing: tuple[str, ...],
        decimal: str,
        sheet: str | None,
        **kwargs: Any,
    ) -> Any:
        words = tuple(word for given in missing for word in listed_names(given))
        table = HandedTable(file, words, decimal, sheet)
        return command(*args, table=table, **kwargs)

    return wrapped
