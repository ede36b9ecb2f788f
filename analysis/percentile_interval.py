"""Percentile interval of a bootstrap, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.results import Estimate
from analysis.validation import FloatArray

WITHOUT_WIDTH = "none by bootstrap: (nearly) all draws gave the same value"


def with_percentiles(point: Estimate, draws: FloatArray, level: float, drawn: str) -> Estimate:
    """The estimate with the percentiles of its draws as limits.

    Limits that are equal are no interval: the bootstrap cannot draw what did not occur, so it would
    call a figure certain that was seen a few times.

    Parameters
    ----------
    point : Estimate
    draws : ndarray, shape (replicates,)
        nan where a draw has no value.
    level : float
    drawn : str
        What was drawn, such as ``"items"``.

    Returns
    -------
    Estimate
        Without limits, and the reason in ``ci_method``, when fewer than two draws have a value or
        the limits are equal.
    """
    if point.estimate is None:
        return point
    known = draws[~np.isnan(draws)]
    if known.size < 2:
        return replace(point, ci_method="none: the statistic is undefined in nearly all draws")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    if np.isclose(low, high, rtol=0, atol=1e-12):
        return replace(point, ci_method=WITHOUT_WIDTH)
    method = f"percentile bootstrap of {drawn}, {known.size} replicates"
    return replace(point, ci_low=float(low), ci_high=float(high), ci_level=level, ci_method=method)
