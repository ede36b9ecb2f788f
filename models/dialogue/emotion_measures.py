"""How well a classifier names emotions on messages that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class ClassMeasures:
    """Measures of one class.

    Attributes
    ----------
    precision : float or None
        Share of the messages called so that are so, 0 to 1; None (undefined) when none was.
    recall : float or None
        Share of the messages that are so that were called so; None when there is none.
    f1 : float or None
        Harmonic mean of the two, 2 TP / (2 TP + FP + FN); None when the class occurs nowhere.
    messages : int
        Messages of this class.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    messages: int


@dataclass(frozen=True)
class EmotionMeasures:
    """Measures of all classes on the same messages.

    Attributes
    ----------
    messages : int
    accuracy : float
        Share named right, 0 to 1.
    accuracy_interval : tuple of float
        95 % Wilson score interval [1]_.
    base_rate : float
        Share of the commonest class: the accuracy of always naming it.
    macro_f1 : float or None
        Mean of the classes' F1; None when one of them is undefined.
    classes : dict of ClassMeasures
        By name.
    confusion : tuple of tuple of int
        Row: what the message is; column: what it was called; both in the order of ``classes``.

    References
    ----------
    [1] E. B. Wilson (1927). Probable inference, the law of succession, and statistical inference.
        JASA 22(158), 209-212.
    """

    messages: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    base_rate: float
    macro_f1: float | None
    classes: dict[str, ClassMeasures]
    confusion: tuple[tuple[int, ...], ...]


def measure(truth: Sequence[int], named: Sequence[int], names: Sequence[str]) -> EmotionMeasures:
    """Compare what messages are with what they were called.

    Parameters
    ----------
    truth, named : sequence of int
        Positions in ``names``; of equal length, 1 or more.
    names : sequence of str
    """
    table = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(table, (np.asarray(truth), np.asarray(named)), 1)
    right, total = int(np.trace(table)), int(table.sum())
    classes = {
        name: _of_class(int(table[k, k]), int(table[:, k].sum()), int(table[k].sum()))
        for k, name in enumerate(names)
    }
    scores = [of_class.f1 for of_class in classes.values()]
    defined = [score for score in scores if score is not None]
    return EmotionMeasures(
        messages=total,
        accuracy=right / total,
        accuracy_interval=wilson_interval(right, total),
        base_rate=int(table.sum(axis=1).max()) / total,
        macro_f1=sum(defined) / len(defined) if len(defined) == len(scores) else None,
        classes=classes,
        confusion=tuple(tuple(int(cell) for cell in row) for row in table),
    )


def _of_class(right: int, called: int, messages: int) -> ClassMeasures:
    return ClassMeasures(
        precision=right / called if called else None,
        recall=right / messages if messages else None,
        f1=2 * right / (called + messages) if called + messages else None,
        messages=messages,
    )


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share; ``n`` is 1 or more."""
    z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
