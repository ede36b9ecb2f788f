"""Values that are no points of the scale: told with their line, and as means where they lie between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.tables.rating_table import RatingTable
from analysis.tables.reading import cell_at, numeric_columns
from study.errors import AnalysisError


def check_values(
    table: RatingTable, points: Sequence[float] | None, *, averaged: bool, remedy: str
) -> None:
    """Refuse a value that is not on the scale, and say when it is likely a mean of several raters.

    Parameters
    ----------
    table : RatingTable
    points : sequence of float or None
        Without them values need only be numbers.
    averaged : bool
        Values between the ends are as good as points.
    remedy : str
        What to do about a mean.

    Raises
    ------
    AnalysisError
        With the line of the first such value.
    """
    # Before anything is rearranged, since only here a cell has its line.
    numbers = numeric_columns(table.rows, table.values).to_numpy()
    if points is None:
        return
    low, high = min(points), max(points)
    off = ~np.isnan(numbers) & ~np.isin(numbers, list(points))
    if averaged:
        off &= (numbers < low) | (numbers > high)
    if not off.any():
        return
    # A mean first: its message says more than that of a number beyond the scale.
    between = off & (numbers > low) & (numbers < high)
    row, column = (int(i) for i in np.argwhere(between if between.any() else off)[0])
    value, name = numbers[row, column], table.values[column]
    where = cell_at(table.rows, row, name) + (f" ({table.who[row]})" if table.who else "")
    if averaged:
        raise AnalysisError(
            f"{where}: found {value:g}, expected a number from {low:g} to {high:g}."
        )
    told = ", ".join(f"{point:g}" for point in points)
    if not between.any():
        raise AnalysisError(f"{where}: found {value:g}, expected one of the points {told}.")
    below = max(point for point in points if point < value)
    above = min(point for point in points if point > value)
    raise AnalysisError(
        f"{where}: found {value:g}, expected one of the points {told}. It lies between {below:g} and "
        f"{above:g}, as the mean of several raters does. {remedy}"
    )
