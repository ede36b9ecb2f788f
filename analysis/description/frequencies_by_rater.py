"""A frequency table whose intervals know that one rater gave several of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.contrasts.cluster_means import cluster_mean, clustered_share
from analysis.description.frequencies import About, FrequencyRow, FrequencyTable, frequency_table
from analysis.results import Assumption, Estimate
from analysis.validation import columns_present, floats, vector

if TYPE_CHECKING:
    import pandas as pd

_RATERS_INDEPENDENT = Assumption(
    "raters are independent of one another",
    None,
    "not checked; answers by one rater need not be",
)


def frequency_table_by_rater(
    values: ArrayLike,
    raters: Sequence[Any] | NDArray[Any],
    points: Sequence[float],
    *,
    about: About | None = None,
    top: int = 2,
    level: float = 0.95,
) -> FrequencyTable:
    """Frequencies and percentages of the answers, intervals with the raters as clusters.

    Counts and percentages are those of `analysis.description.frequencies.frequency_table`: every answer once.
    Intervals of shares are Wilson's with the effective n of the raters, that of the mean is
    cluster-robust, and the simultaneous ones share the error out among the points (Bonferroni).

    Parameters
    ----------
    values : array-like, shape (answers,)
        Missing as nan.
    raters : sequence, shape (answers,)
        Who gave each answer.
    points, about, top, level
        As in `analysis.description.frequencies.frequency_table`.

    Returns
    -------
    FrequencyTable

    Raises
    ------
    AnalysisError
        When a value is not on the scale, or the lengths differ.

    References
    ----------
    .. [1] Korn, E. L., & Graubard, B. I. (1998). Confidence intervals for proportions with small
       expected number of positive counts estimated from survey data.

    Examples
    --------
    >>> table = frequency_table_by_rater([1, 1, 2, 2, 3, 1], ["a", "a", "b", "b", "c", "c"], [1, 2, 3])
    >>> table.rows[0].percent, table.rows[0].share.details.clusters
    (50.0, 3)
    """
    table = frequency_table(values, points, about=about, top=top, level=level)
    array = vector(values)
    if table.n == 0:
        return table
    given = ~np.isnan(array)

    def share(hits: Any, statistic: str, at: float) -> Estimate:
        found = clustered_share(
            np.where(given, hits, np.nan), raters, statistic=statistic, level=at, unit="rating"
        )
        return replace(found, assumptions=(_RATERS_INDEPENDENT,))

    together = 1 - (1 - level) / len(table.rows)

    def by_rater(row: FrequencyRow) -> FrequencyRow:
        hits = array == row.point
        wide = share(hits, "share", together)
        alone = replace(share(hits, "share", level), n_missing=row.share.n_missing)
        return replace(
            row, share=alone, simultaneous_low=wide.ci_low, simultaneous_high=wide.ci_high
        )

    lowest_top = table.rows[-top].point
    mean = cluster_mean(array, raters, level=level, unit="rating")
    return replace(
        table,
        rows=tuple(by_rater(row) for row in table.rows),
        top_share=share(array >= lowest_top, f"top_{top}_share", level),
        # That the mean is 0 is no hypothesis about answers on a scale.
        mean=replace(mean, p_value=None, assumptions=(_RATERS_INDEPENDENT,)),
    )


def frequency_tables_by_rater(
    ratings: pd.DataFrame, points: Sequence[float], *, top: int = 2, level: float = 0.95
) -> tuple[FrequencyTable, ...]:
    """A frequency table by rater for every item and system.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer. Columns ``item``, ``system``, ``rater``, ``value`` (missing where there is
        no answer).
    points, top, level
        As in `frequency_table_by_rater`.

    Returns
    -------
    tuple of FrequencyTable
        In the order in which items and systems first appear.
    """
    columns_present(list(ratings.columns), ["item", "system", "rater", "value"], "frequency table")
    return tuple(
        frequency_table_by_rater(
            floats(rows["value"], f"item {item}"),
            rows["rater"].tolist(),
            points,
            about=About(str(item), str(system)),
            top=top,
            level=level,
        )
        for (item, system), rows in ratings.groupby(["item", "system"], sort=False, dropna=False)
    )
