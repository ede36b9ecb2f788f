"""What is said of a table with a row per answer: who gave it, and how many answers a row stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.tables.blocks import ResultBlock
from analysis.tables.repeated_raters import counts_of_rows, refuse_repeated_raters
from study.errors import AnalysisError


@dataclass(frozen=True)
class Repeats:
    """Whether raters repeat, as the user says.

    Parameters
    ----------
    rater : str or None
        Column with the rater: inference goes by rater.
    weight : str or None
        Column with the number of answers that a row stands for.
    rows_independent : bool
        Rows are units of their own, whatever their columns are called.
    """

    rater: str | None = None
    weight: str | None = None
    rows_independent: bool = False

    def settle(
        self, frame: pd.DataFrame, used: Sequence[str], by: str | None, *, within: bool
    ) -> None:
        """Refuse a table in which raters repeat when nothing was said of them.

        Raises
        ------
        AnalysisError
        """
        if self.rater is None and not self.rows_independent:
            weights = [self.weight] if self.weight is not None else []
            refuse_repeated_raters(frame, [*used, *weights], by, within=within)

    def rows(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """A row for each answer, each row as often as its count says, and what to say of that."""
        if self.weight is None:
            return frame, ()
        counts = counts_of_rows(frame, self.weight)
        rows = frame.iloc[np.repeat(np.arange(len(frame)), counts)]
        rows.attrs = dict(frame.attrs)
        said = f"Each row counts as often as {self.weight} says: {len(rows)} ratings in {len(frame)} rows."
        return rows, (said,)


def refuse_two_roles(**named: str | None) -> None:
    """Refuse one column for two roles.

    Raises
    ------
    AnalysisError
    """
    given = {role: column for role, column in named.items() if column is not None}
    for role, column in given.items():
        other = next((r for r, c in given.items() if c == column and r != role), None)
        if other is not None:
            raise AnalysisError(
                f"Column {column!r} is named by --{role} and by --{other}, expected different columns."
            )


def noted(blocks: Sequence[ResultBlock], notes: Sequence[str]) -> list[ResultBlock]:
    """The blocks, each with these notes before its own."""
    if not notes:
        return list(blocks)
    return [replace(block, notes=(*notes, *(block.notes or ()))) for block in blocks]
