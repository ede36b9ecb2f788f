"""Do raters mark the same characters of a response with a label?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.resampling import (
    DEFAULT_BOOTSTRAP,
    Bootstrap,
    Drawn,
    bootstrap_interval,
    resampled,
)
from analysis.results import Details, Estimate, undefined


@dataclass(frozen=True)
class SpanDetails(Details):
    """Characters marked, each rater counted, and responses in which any was."""

    marked: int
    responses_marked: int


@dataclass(frozen=True)
class MarkedResponse:
    """What several raters marked in one response with one label.

    Parameters
    ----------
    length : int
        Characters of the response.
    by_rater : mapping of str to sequence of (int, int)
        Start and end (exclusive) of each part; empty for a rater who marked nothing.
    """

    length: int
    by_rater: Mapping[str, Sequence[tuple[int, int]]]


def character_agreement(
    responses: Sequence[MarkedResponse],
    *,
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> Estimate:
    """Specific agreement on characters: where one rater marked one, the share of others who did.

    Sum over characters of c (c - 1) over the sum of c (m - 1), where c of the response's m raters
    marked the character. With two raters it is F1 of their marked characters. Characters that nobody
    marked do not count, so long responses with little in them do not look like agreement.

    Parameters
    ----------
    responses : sequence of MarkedResponse
    bootstrap : Bootstrap
        Of responses.

    Returns
    -------
    Estimate
        ``details``: ``marked`` (characters marked, each rater counted), ``responses_marked``.

    References
    ----------
    .. [1] Hripcsak, G., & Rothschild, A. S. (2005). Agreement, the F-measure, and reliability in
       information retrieval.

    Examples
    --------
    >>> response = MarkedResponse(10, {"a": [(0, 4)], "b": [(2, 6)]})
    >>> character_agreement([response]).estimate
    0.5
    """
    several = [r for r in responses if len(r.by_rater) >= 2]
    n, n_missing = len(several), len(responses) - len(several)
    name, unit = "character_agreement", "response"
    same, beside = np.zeros(n), np.zeros(n)
    marked = 0
    for place, response in enumerate(several):
        counts = np.zeros(response.length)
        for parts in response.by_rater.values():
            # Parts of one rater may overlap; a character is marked once by him all the same.
            own = np.zeros(response.length, dtype=bool)
            for start, end in parts:
                own[start:end] = True
            counts += own
        marked += int(counts.sum())
        same[place] = float((counts * (counts - 1)).sum())
        beside[place] = float(counts.sum()) * (len(response.by_rater) - 1)
    if n == 0:
        because = "no response was marked by two raters"
        return undefined(name, because, n_missing=n_missing, unit=unit)
    if beside.sum() == 0:
        because = "nobody marked a character with this label"
        return undefined(name, because, n=n, n_missing=n_missing, unit=unit)
    sums = np.column_stack([same, beside])
    above, below = resampled(n, bootstrap, lambda drawn: drawn @ sums).T
    shares = np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
    details = SpanDetails(marked, int((beside > 0).sum()))
    found = Estimate(
        name,
        float(same.sum() / beside.sum()),
        n=n,
        n_missing=n_missing,
        unit=unit,
        details=details,
    )
    return bootstrap_interval(
        found, shares, Drawn("responses", n, seed=bootstrap.seed), level=bootstrap.level
    )
