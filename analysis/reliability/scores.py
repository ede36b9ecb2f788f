"""Scores of a questionnaire: the sum or mean of items, put on the range that the instrument names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.validation import FloatArray
from study.errors import AnalysisError


@dataclass(frozen=True)
class ScoreRule:
    """How the answers to one questionnaire become one number.

    Parameters
    ----------
    combine : {"sum", "mean"}
    low, high : tuple of float
        Lowest and highest answer of each item, unfavourable end first.
    range : tuple of float or None
        What the lowest and the highest possible sum (or mean) become; None leaves them.
    """

    combine: Literal["sum", "mean"]
    low: tuple[float, ...]
    high: tuple[float, ...]
    range: tuple[float, float] | None = None

    @property
    def possible(self) -> tuple[float, float]:
        """Lowest and highest score."""
        if self.range is not None:
            return self.range
        whole = (float(np.sum(self.low)), float(np.sum(self.high)))
        size = len(self.low) if self.combine == "mean" else 1
        return whole[0] / size, whole[1] / size


def instrument_score(answers: ArrayLike, rule: ScoreRule) -> FloatArray:
    """Score of each questionnaire; nan where an answer is missing.

    score = low + (combined - lowest) / (highest - lowest) * (high - low), where combined is the sum
    or mean of the answers with unfavourable items turned round.

    Parameters
    ----------
    answers : array-like, shape (..., items)
        A high answer is favourable; missing as nan.
    rule : ScoreRule

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    AnalysisError
        When the number of items is not the rule's.

    References
    ----------
    .. [1] Brooke, J. (1996). SUS: a "quick and dirty" usability scale (0 to 100 from ten items).

    Examples
    --------
    >>> rule = ScoreRule("sum", (1.0, 1.0), (7.0, 7.0), (0.0, 100.0))
    >>> instrument_score([[7, 4]], rule).tolist()
    [75.0]
    """
    table = np.asarray(answers, dtype=np.float64)
    if table.shape[-1] != len(rule.low):
        raise AnalysisError(
            f"answers: {table.shape[-1]} items; the score's rule is for {len(rule.low)}"
        )
    combined = table.sum(axis=-1)
    lowest, highest = float(np.sum(rule.low)), float(np.sum(rule.high))
    if rule.range is None:
        return np.asarray(combined / (len(rule.low) if rule.combine == "mean" else 1))
    low, high = rule.range
    return np.asarray(low + (combined - lowest) / (highest - lowest) * (high - low))
