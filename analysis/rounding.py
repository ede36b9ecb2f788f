"""Differences that are only rounding: what floating-point numbers cannot tell apart is equal.

A mean of ratings such as 7 / 3 is rounded in its last place, and so is every difference of two of
them. Left alone, that rounding is variance to a t test, and an untied rank to a rank test.
"""

from __future__ import annotations

import numpy as np

from analysis.validation import FloatArray

# A rating read from text, averaged and subtracted is off by one or two units in the last place.
_UNITS_IN_THE_LAST_PLACE = 4


def rounding_error(size: FloatArray) -> FloatArray:
    """How far a number of this size may be off: four units in its last place."""
    return np.asarray(_UNITS_IN_THE_LAST_PLACE * np.finfo(np.float64).eps * np.abs(size))


def without_rounding(values: FloatArray, error: FloatArray | None = None) -> FloatArray:
    """The same numbers, those that rounding alone can part made equal.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Without gaps.
    error : ndarray, shape (n,), optional
        How far each may be off; by default the `rounding_error` of its own size.

    Returns
    -------
    ndarray, shape (n,)
        In the same order. Neighbours no further apart than both their errors take the lower value.

    Examples
    --------
    >>> np.unique(without_rounding(np.array([0.3, 0.1 + 0.2, 0.5]))).tolist()
    [0.3, 0.5]
    """
    if values.size < 2:
        return values
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    off = (rounding_error(values) if error is None else error)[order]
    apart = np.concatenate([[True], np.diff(ordered) > off[1:] + off[:-1]])
    lowest = ordered[apart]
    merged = np.empty_like(values)
    merged[order] = lowest[np.cumsum(apart) - 1]
    return merged


def differences(first: FloatArray, second: FloatArray) -> FloatArray:
    """Second minus first, pair by pair, without the rounding of what was subtracted.

    Differences of one size but for rounding become equal, whatever their sign, and 0 where the pair
    differs by rounding only.

    Examples
    --------
    >>> differences(np.array([4 / 3, 7 / 3]), np.array([7 / 3, 10 / 3])).std()
    0.0
    """
    raw = second - first
    error = rounding_error(np.maximum(np.abs(first), np.abs(second)))
    sizes = np.concatenate([[0.0], np.abs(raw)])
    size = without_rounding(sizes, np.concatenate([[0.0], error]))[1:]
    return np.asarray(np.sign(raw) * size)


def standard_deviation(values: FloatArray) -> float:
    """Of a sample (n - 1 below), and 0 when the numbers differ by rounding only.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Two or more, without gaps.
    """
    known = without_rounding(values)
    # The mean of equal numbers may be off in the last place, and then they seem to spread about it.
    return 0.0 if known.min() == known.max() else float(known.std(ddof=1))
