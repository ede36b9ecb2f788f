"""Automatic measures of texts that were collected elsewhere, for ``evenhand analyse texts``."""

from __future__ import annotations

import pandas as pd

from analysis.automatic_measures_by_system import measures_of_systems
from analysis.table_analyses import ResultBlock
from analysis.validation import columns_present
from study.errors import AnalysisError


def texts_of(
    frame: pd.DataFrame,
    *,
    response: str,
    by: str,
    reference: str | None = None,
    prompt: str | None = None,
    against: str | None = None,
    language: str = "en",
    level: float = 0.95,
    seed: int = 0,
) -> list[ResultBlock]:
    """Automatic measures of texts: one block for each system, then one for each difference."""
    given = [column for column in (response, by, reference, prompt) if column is not None]
    columns_present(list(frame.columns), given, "the table")
    if against is not None and prompt is None:
        raise AnalysisError(
            "A difference of systems is paired by prompt: name the column of the prompt with --prompt."
        )
    measured = ("completion_tokens", "latency_s", "first_token_s", "peak_memory_bytes")
    responses = frame[[c for c in measured if c in frame.columns]].assign(
        text=frame[response],
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
        level=level,
        seed=seed,
    )
    pairs = [(system, None) for system in systems] + list(contrasts)
    return [
        ResultBlock(
            f"{by} {system}" if other is None else f"{by} {system} minus {other}",
            tuple(m.result for m in found if (m.system, m.against) == (system, other)),
            {
                "system": system,
                "against": other,
                "responses": int((responses["system"] == system).sum()),
            },
        )
        for system, other in pairs
    ]
