"""Automatic measures of texts that were collected elsewhere, for ``evenhand analyse texts``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.chapters.decisions import PROMPT_REPLICATES
from analysis.description.text_measures_by_system import measures_of_systems
from analysis.resampling import Bootstrap
from analysis.tables.blocks import ResultBlock
from analysis.tables.reading import cell_at, described, numeric_columns
from analysis.validation import columns_present
from study.errors import AnalysisError


@dataclass(frozen=True)
class TextColumns:
    """Columns of a table with a row per response.

    Parameters
    ----------
    response, by : str
        The text, and the system that wrote it.
    reference : str or None
        A reply to the same prompt that a person wrote.
    prompt : str or None
        None: each row is a prompt of its own.
    """

    response: str
    by: str
    reference: str | None = None
    prompt: str | None = None

    @property
    def given(self) -> list[str]:
        """Those that are named."""
        named = (self.response, self.by, self.reference, self.prompt)
        return [column for column in named if column is not None]


@dataclass(frozen=True, kw_only=True)
class TextBlock(ResultBlock):
    """Measures of one system, or of its difference from another (``against``)."""

    system: str
    against: str | None
    responses: int


def texts_of(
    frame: pd.DataFrame,
    columns: TextColumns,
    *,
    against: str | None = None,
    language: str = "en",
    level: float = 0.95,
    seed: int = 0,
) -> list[ResultBlock]:
    """Automatic measures of texts: one block for each system, then one for each difference.

    Parameters
    ----------
    frame : DataFrame
    columns : TextColumns
    against : str, optional
        A system that the others are compared with.
    language : str
    level : float
    seed : int

    Raises
    ------
    AnalysisError
        When a column is not there, a row has no system (or no prompt, where prompts are named), or
        tokens, seconds or memory are not numbers of 0 or more.
    """
    columns_present(list(frame.columns), columns.given, described(frame))
    prompt, by, reference = columns.prompt, columns.by, columns.reference
    if against is not None and prompt is None:
        raise AnalysisError(
            "A difference of systems is paired by prompt: name the column of the prompt with --prompt."
        )
    for column in filter(None, (by, prompt)):
        _refuse_empty(frame, column)
    responses = _measured(frame).assign(
        text=frame[columns.response],
        system=frame[by].astype(str),
        prompt=range(len(frame)) if prompt is None else frame[prompt].astype(str),
        **({} if reference is None else {"reference": frame[reference]}),
    )
    systems = list(dict.fromkeys(responses["system"]))
    contrasts = [] if against is None else [(s, against) for s in systems if s != against]
    found = measures_of_systems(
        responses,
        systems=systems,
        contrasts=contrasts,
        language=language,
        bootstrap=Bootstrap(PROMPT_REPLICATES, level, seed),
    )
    pairs = [(system, None) for system in systems] + list(contrasts)
    return [
        TextBlock(
            f"{by} {system}" if other is None else f"{by} {system} minus {other}",
            tuple(m.result for m in found if (m.system, m.against) == (system, other)),
            system=system,
            against=other,
            responses=int((responses["system"] == system).sum()),
        )
        for system, other in pairs
    ]


def _measured(frame: pd.DataFrame) -> pd.DataFrame:
    """What was measured while the texts were written, in the columns that there are."""
    known = ("completion_tokens", "latency_s", "first_token_s", "peak_memory_bytes")
    numbers = numeric_columns(frame, [c for c in known if c in frame.columns])
    for column in numbers.columns:
        below = np.flatnonzero(numbers[column] < 0)
        if below.size:
            raise AnalysisError(
                f"{cell_at(frame, int(below[0]), column)}: found "
                f"{numbers[column].iloc[below[0]]:g}, expected a number of 0 or more. Correct it, or leave "
                "the cell empty."
            )
    return numbers


def _refuse_empty(frame: pd.DataFrame, column: str) -> None:
    empty = np.flatnonzero(frame[column].isna())
    if empty.size:
        raise AnalysisError(
            f"{cell_at(frame, int(empty[0]), column)}: the cell is empty, expected "
            "a name in every row. Fill it in, or leave the row out of the file."
        )
