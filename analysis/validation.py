"""What the statistics of this room accept, and the sentence that a user reads otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from study.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_SHOWN = 5
# The statistics take sixth powers (the standard error of alpha), which must stay finite.
LARGEST = 1e50


def floats(values: Any, name: str = "values") -> FloatArray:
    """Any array, list, pandas Series or frame as floating point numbers; missing becomes nan.

    Raises
    ------
    AnalysisError
        When something is neither a number nor missing, is infinite, or is larger than 1e50.
    """
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
            array = values.astype(np.float64, copy=False)
        elif hasattr(values, "to_numpy"):
            array = values.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            listed = np.asarray(values, dtype=object)
            array = np.where([v is None for v in listed.ravel()], np.nan, listed.ravel())
            array = array.astype(np.float64).reshape(listed.shape)
    except (TypeError, ValueError) as error:
        raise AnalysisError(
            f"{name}: not every value is a number ({error}); give numbers, and leave missing "
            "answers empty"
        ) from None
    beyond = np.abs(array) > LARGEST
    if beyond.any():
        raise AnalysisError(_too_large(array[beyond], name))
    return np.asarray(array, dtype=np.float64)


def _too_large(beyond: FloatArray, name: str) -> str:
    infinite = int(np.isinf(beyond).sum())
    if infinite:
        return f"{name}: {infinite} infinite values; give finite numbers, and leave missing answers empty"
    return (
        f"{name}: {beyond[0]:g} is too large to compute with; expected numbers up to {LARGEST:g} in "
        "size; correct it, or give the values in a larger unit"
    )


def vector(values: ArrayLike, name: str = "values") -> FloatArray:
    """A one-dimensional array of numbers, missing as nan."""
    array = floats(values, name)
    if array.ndim != 1:
        raise AnalysisError(
            f"{name}: shape {array.shape}, expected one column of numbers; give one value per row"
        )
    return array


def without_missing(values: ArrayLike, name: str = "values") -> tuple[FloatArray, int]:
    """The numbers that are there, and how many are missing."""
    array = vector(values, name)
    present = array[~np.isnan(array)]
    return present, int(array.size - present.size)


def complete_pairs(
    first: ArrayLike, second: ArrayLike, names: tuple[str, str] = ("first", "second")
) -> tuple[FloatArray, FloatArray, int]:
    """Two columns of equal length, restricted to rows where both are present; and rows left out."""
    a, b = vector(first, names[0]), vector(second, names[1])
    if a.size != b.size:
        raise AnalysisError(
            f"{names[0]} has {a.size} values and {names[1]} has {b.size}; pairs need the same "
            "number, row by row (leave a missing answer empty instead of dropping its row)"
        )
    both = ~(np.isnan(a) | np.isnan(b))
    return a[both], b[both], int(a.size - both.sum())


def scale_points(points: Sequence[float] | ArrayLike) -> FloatArray:
    """All points of the rating scale, ascending: two or more different numbers."""
    array = vector(points, "points")
    if np.isnan(array).any() or array.size < 2 or np.unique(array).size != array.size:
        raise AnalysisError(
            f"points: {array.tolist()}; expected two or more different numbers, all points of the "
            "scale whether used or not, for example 1, 2, 3, 4, 5"
        )
    return np.sort(array)


def on_scale(ratings: FloatArray, points: FloatArray, name: str = "ratings") -> FloatArray:
    """The same ratings, once each of them is known to be a point of the scale or missing."""
    steps = np.diff(points)
    if (steps == 1.0).all() and float(points[0]).is_integer():
        # Whole numbers in a row: three passes instead of one per point. nan compares false.
        fits = (ratings >= points[0]) & (ratings <= points[-1]) & (np.rint(ratings) == ratings)
    else:
        fits = np.isin(ratings, points)
    if fits.all():
        return ratings
    off = ratings[~fits & ~np.isnan(ratings)]
    if off.size:
        shown = ", ".join(f"{v:g}" for v in np.unique(off)[:_SHOWN])
        raise AnalysisError(
            f"{name}: {off.size} values are not points of the scale ({shown}); expected one of "
            f"{', '.join(f'{p:g}' for p in points)}; correct them or give the full scale"
        )
    return ratings


def ratings_matrix(ratings: Any, points: FloatArray | None = None) -> FloatArray:
    """Units by raters: a row per rated unit, a column per rater, missing as nan."""
    array = floats(ratings, "ratings")
    if array.ndim != 2:
        raise AnalysisError(
            f"ratings: shape {array.shape}, expected a table with a row per rated unit and a "
            "column per rater"
        )
    return array if points is None else on_scale(array, points)


def confidence_level(level: float) -> float:
    """A confidence level strictly between 0 and 1, for example 0.95."""
    if not 0.0 < float(level) < 1.0:
        raise AnalysisError(
            f"level: {level}; expected a number between 0 and 1, for example 0.95 for 95 %"
        )
    return float(level)


def one_of(value: str, allowed: Sequence[str], name: str) -> str:
    """The value, once it is known to be one of the allowed words."""
    if value not in allowed:
        raise AnalysisError(f"{name}: {value!r}; expected one of {', '.join(allowed)}")
    return value


def positive(value: float, name: str) -> float:
    """A finite number above zero."""
    if not (np.isfinite(value) and value > 0):
        raise AnalysisError(f"{name}: {value}; expected a number above 0")
    return float(value)


def columns_present(columns: Sequence[str], needed: Sequence[str], what: str) -> None:
    """Refuse a data frame that lacks a column, naming it."""
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise AnalysisError(
            f"{what}: column {', '.join(lacking)} not found; the columns are "
            f"{', '.join(map(str, columns))}; name the right ones"
        )


def place_of(frame: Any, position: int) -> str:
    """Where a row lies: ``line 5`` of the file it was read from, or else ``data row 4``.

    Parameters
    ----------
    frame : DataFrame or Series
        Of :func:`analysis.tables.reading.read_table`, whose index says what it counts, or any other.
    position : int
        From 0.
    """
    if frame.index.name in ("line", "row"):
        return f"{frame.index.name} {frame.index[position]}"
    return f"data row {position + 1}"
