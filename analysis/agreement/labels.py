"""Emotion annotation against a reference: accuracy, precision, recall, F1 per class, kappa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.agreement.two_raters import cohen_kappa
from analysis.description.proportions import wilson_share
from analysis.resampling import DEFAULT_BOOTSTRAP, Bootstrap, Drawn, bootstrap_interval
from analysis.results import Details, Estimate, undefined
from analysis.validation import BoolArray, FloatArray, IntArray
from study.errors import AnalysisError

MACRO_RULE = (
    "Macro means are over the classes that occur in the reference or the annotation; where a class has "
    "no precision or no recall (0/0), it counts with 0, as in scikit-learn (zero_division=0)."
)


@dataclass(frozen=True)
class ClassDetails(Details):
    """Of one class: units that have it and were given it, were given it, and have it."""

    class_: str
    hits: int
    given: int
    had: int


@dataclass(frozen=True)
class MeanDetails(Details):
    """Classes that a mean is over, and how many of them counted with 0."""

    classes: int
    counted_as_zero: int


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
    macro_precision, macro_recall, macro_f1 : Estimate
        Mean over the classes that occur in the reference or the annotation, the same for all
        three. A class that was never given has no precision and counts with 0, as one that never
        occurs in the reference does in recall: scikit-learn's default (``zero_division``).
        ``details``: ``classes`` that count, ``counted_as_zero`` of them.
    weighted_f1 : Estimate
        Mean over the classes weighted by support.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    accuracy: Estimate
    kappa: Estimate
    classes: tuple[ClassScores, ...]
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate


def annotation_scores(
    reference: Sequence[str | None],
    annotated: Sequence[str | None],
    labels: Sequence[str],
    *,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> AnnotationScores:
    """Score an annotation of units with nominal classes.

    Shares (accuracy, precision, recall) have Wilson's interval. F1 and the means over classes have
    a percentile interval from drawing units again, which for a cross-table is a multinomial draw of
    its cells.

    Parameters
    ----------
    reference, annotated : sequence of str or None, length units
        None (or nan) where missing; units with both count.
    labels : sequence of str
        All classes that could be given, two or more, used or not.
    bootstrap : Bootstrap
        Its level is that of all intervals.

    Returns
    -------
    AnnotationScores
        A class that was never given has no precision, one that never occurs no recall, and one
        that did neither no F1. In the macro means the first two count with 0 and the last not.

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
    level = bootstrap.level
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
    drawn = _drawn(table, bootstrap)
    found = _scores(table[None])
    draws = _scores(drawn)
    classes = tuple(
        _class(name, table, k, level, n_missing, draws["f1"]) for k, name in enumerate(names)
    )
    means = _means(found, draws, classes, n_missing, level)
    return AnnotationScores(
        tuple(names),
        tuple(tuple(int(c) for c in row) for row in table),
        accuracy,
        cohen_kappa(first, second, list(range(q)), level=level),
        classes,
        *means,
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


def _drawn(table: IntArray, bootstrap: Bootstrap) -> IntArray:
    """Cross-tables of units drawn again, shape (replicates, classes, classes)."""
    n, q, replicates = int(table.sum()), table.shape[0], bootstrap.replicates
    if n == 0:
        return np.zeros((replicates, q, q), dtype=np.int64)
    rng = np.random.default_rng(bootstrap.seed)
    cells = rng.multinomial(n, table.ravel() / n, size=replicates)
    return np.asarray(cells.reshape(replicates, q, q))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Part over whole; nan where there is no whole."""
    empty = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    return np.asarray(np.divide(part, whole, out=empty, where=whole > 0))


def _scores(tables: IntArray) -> dict[str, FloatArray]:
    """F1 by class, shape (tables, classes), and the means of each cross-table, shape (tables, 1)."""
    hits = np.diagonal(tables, axis1=1, axis2=2).astype(np.float64)
    had, given = tables.sum(axis=2).astype(np.float64), tables.sum(axis=1).astype(np.float64)
    precision, recall = _ratio(hits, given), _ratio(hits, had)
    f1 = _ratio(2 * hits, given + had)
    occurs = given + had > 0
    weighted = np.nansum(f1 * had, axis=1, keepdims=True)
    return {
        "f1": f1,
        "macro_precision": _mean_over_classes(precision, occurs),
        "macro_recall": _mean_over_classes(recall, occurs),
        "macro_f1": _mean_over_classes(f1, occurs),
        "weighted_f1": _ratio(weighted, had.sum(axis=1, keepdims=True)),
    }


def _mean_over_classes(values: FloatArray, occurs: BoolArray) -> FloatArray:
    """Mean over the classes that occur; see `MACRO_RULE`."""
    sums = np.nansum(np.where(occurs, values, 0.0), axis=1, keepdims=True)
    return _ratio(sums, occurs.sum(axis=1, keepdims=True).astype(np.float64))


def _class(
    name: str,
    table: IntArray,
    k: int,
    level: float,
    n_missing: int,
    draws: FloatArray,
) -> ClassScores:
    hits, given, had = int(table[k, k]), int(table[:, k].sum()), int(table[k].sum())
    details = ClassDetails(name, hits, given, had)
    shares = [
        wilson_share(hits, whole, statistic=what, level=level, n_missing=n_missing, unit="item")
        for what, whole in (("precision", given), ("recall", had))
    ]
    precision, recall = (share.with_details(details) for share in shares)
    if not given:
        precision = replace(precision, undefined_because=f"{name!r} was never given")
    if not had:
        recall = replace(recall, undefined_because=f"{name!r} never occurs in the reference")
    if given + had == 0:
        why = f"{name!r} occurs nowhere"
        f1 = undefined("f1", why, n_missing=n_missing, unit="item", details=details)
    else:
        f1 = Estimate(
            "f1",
            2 * hits / (given + had),
            ci_method="none",
            n=int(table.sum()),
            n_missing=n_missing,
            unit="item",
            details=details,
        )
        f1 = bootstrap_interval(f1, draws[:, k], Drawn("items", f1.n), level=level)
    return ClassScores(name, precision, recall, f1, had)


_MEANS = ("macro_precision", "macro_recall", "macro_f1", "weighted_f1")


def _means(
    found: dict[str, FloatArray],
    draws: dict[str, FloatArray],
    classes: Sequence[ClassScores],
    n_missing: int,
    level: float,
) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    n = sum(c.support for c in classes)
    if n == 0:
        because = "no unit has both a reference and an annotation"
        gone = [undefined(name, because, n_missing=n_missing, unit="item") for name in _MEANS]
        return gone[0], gone[1], gone[2], gone[3]
    occur = [c for c in classes if c.f1.estimate is not None]
    zeros = {
        "macro_precision": sum(c.precision.estimate is None for c in occur),
        "macro_recall": sum(c.recall.estimate is None for c in occur),
    }
    made = [
        bootstrap_interval(
            Estimate(
                name, float(found[name][0, 0]), ci_method="none", n=n, n_missing=n_missing,
                unit="item", details=MeanDetails(len(occur), zeros.get(name, 0)),
            ),
            draws[name][:, 0],
            Drawn("items", n),
            level=level,
        )
        for name in _MEANS
    ]  # fmt: skip
    return made[0], made[1], made[2], made[3]
