"""Emotion annotation against a reference: accuracy, precision, recall, F1 per class, kappa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from analysis.agreement_pairwise import cohen_kappa
from analysis.proportions import wilson_share
from analysis.results import Estimate, undefined
from analysis.validation import confidence_level
from study.errors import AnalysisError


@dataclass(frozen=True)
class ClassScores:
    """How well one class was found.

    Parameters
    ----------
    label : str
    precision : Estimate
        Of those given the label, the share that has it.
    recall : Estimate
        Of those that have the label, the share that was given it.
    f1 : Estimate
        Harmonic mean of the two: 2 hits / (given + had).
    support : int
        Units whose reference is the class.
    """

    label: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int


@dataclass(frozen=True)
class AnnotationScores:
    """An annotation compared with the reference.

    Parameters
    ----------
    labels : tuple of str
    confusion : tuple of tuple of int
        ``confusion[i][j]``: units with reference i that were annotated j.
    accuracy, kappa : Estimate
    classes : tuple of ClassScores
        In the order of ``labels``.
    macro_f1 : Estimate
        Mean over the classes that occur in either column.
    weighted_f1 : Estimate
        Mean over the classes weighted by support.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    accuracy: Estimate
    kappa: Estimate
    classes: tuple[ClassScores, ...]
    macro_f1: Estimate
    weighted_f1: Estimate


def annotation_scores(
    reference: Sequence[str | None],
    annotated: Sequence[str | None],
    labels: Sequence[str],
    *,
    level: float = 0.95,
) -> AnnotationScores:
    """Score an annotation of units with nominal classes.

    Parameters
    ----------
    reference, annotated : sequence of str or None, length units
        None (or nan) where missing; units with both count.
    labels : sequence of str
        All classes that could be given, two or more, used or not.
    level : float

    Returns
    -------
    AnnotationScores
        A class that was never given has no precision, one that never occurs no recall, and one
        that did neither no F1.

    Raises
    ------
    AnalysisError
        When lengths differ or a label is not in ``labels``.

    Examples
    --------
    >>> scores = annotation_scores(["joy", "fear"], ["joy", "joy"], ["joy", "fear"])
    >>> scores.accuracy.estimate
    0.5
    """
    confidence_level(level)
    names = [str(label) for label in labels]
    if len(names) < 2 or len(set(names)) != len(names):
        raise AnalysisError(f"labels: {names}; expected two or more different classes")
    if len(reference) != len(annotated):
        raise AnalysisError(
            f"reference has {len(reference)} units and annotated {len(annotated)}; "
            "give one of each per unit"
        )
    first, second = _codes(reference, names, "reference"), _codes(annotated, names, "annotated")
    both = ~(np.isnan(first) | np.isnan(second))
    n, n_missing, q = int(both.sum()), int((~both).sum()), len(names)
    cells = (first[both] * q + second[both]).astype(np.int64)
    table = np.bincount(cells, minlength=q * q).reshape(q, q)
    accuracy = wilson_share(
        int(np.trace(table)), n, statistic="accuracy", level=level, n_missing=n_missing, unit="item"
    )
    classes = tuple(_class(name, table, k, level, n_missing) for k, name in enumerate(names))
    macro, weighted = _means(classes, n, n_missing)
    return AnnotationScores(
        tuple(names),
        tuple(tuple(int(c) for c in row) for row in table),
        accuracy,
        cohen_kappa(first, second, list(range(q)), level=level),
        classes,
        macro,
        weighted,
    )


def _codes(
    given: Sequence[str | None], names: Sequence[str], what: str
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    position = {name: float(k) for k, name in enumerate(names)}
    codes = np.full(len(given), np.nan)
    for i, label in enumerate(given):
        if isinstance(label, str) and label in position:
            codes[i] = position[label]
        elif isinstance(label, str) and label:
            raise AnalysisError(
                f"{what}: {label!r} in row {i + 1} is not a class; expected one of "
                f"{', '.join(names)}"
            )
    return codes


def _class(name: str, table: np.ndarray, k: int, level: float, n_missing: int) -> ClassScores:
    hits, given, had = int(table[k, k]), int(table[:, k].sum()), int(table[k].sum())
    precision = wilson_share(
        hits, given, statistic="precision", level=level, n_missing=n_missing, unit="item"
    )
    recall = wilson_share(
        hits, had, statistic="recall", level=level, n_missing=n_missing, unit="item"
    )
    if not given:
        precision = replace(precision, undefined_because=f"{name!r} was never given")
    if not had:
        recall = replace(recall, undefined_because=f"{name!r} never occurs in the reference")
    if given + had == 0:
        f1 = undefined("f1", f"{name!r} occurs nowhere", n_missing=n_missing, unit="item")
    else:
        f1 = Estimate(
            "f1",
            2 * hits / (given + had),
            ci_method="none",
            n=int(table.sum()),
            n_missing=n_missing,
            unit="item",
            details=MappingProxyType({"hits": hits, "given": given, "had": had}),
        )
    return ClassScores(name, precision, recall, f1, had)


def _means(classes: Sequence[ClassScores], n: int, n_missing: int) -> tuple[Estimate, Estimate]:
    found = [(c.f1.estimate, c.support) for c in classes if c.f1.estimate is not None]
    if n == 0:
        because = "no unit has both a reference and an annotation"
        return (
            undefined("macro_f1", because, n_missing=n_missing, unit="item"),
            undefined("weighted_f1", because, n_missing=n_missing, unit="item"),
        )
    values, support = np.array([f for f, _ in found]), np.array([s for _, s in found])
    details = MappingProxyType({"classes": len(found)})
    macro = Estimate(
        "macro_f1", float(values.mean()), ci_method="none", n=n, n_missing=n_missing,
        unit="item", details=details,
    )  # fmt: skip
    return macro, replace(
        macro, statistic="weighted_f1", estimate=float((values * support).sum() / support.sum())
    )
