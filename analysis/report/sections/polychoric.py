"""Correlations of the normal variables behind ordered answers, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.chapters.reliability import FEW_PAGES, SystemReliability
from analysis.reliability.polychoric import PolychoricCorrelations
from analysis.report.blocks import Block, Column, Figure, Paragraph, Row, Table, one_group
from analysis.report.figures import draw_correlations
from analysis.report.numbers import count, number


def polychoric_blocks(one: SystemReliability, number_of: int) -> list[Block]:
    """A picture and a table of the correlations of one instrument and system; a reason without any."""
    found, what = one.correlations, f"{one.instrument}, {one.system.label}"
    if found is None:
        return []
    if found.undefined_because:
        why = found.undefined_because
        return [Paragraph(f"Polychoric correlations, {what}: undefined, because {why}.")]
    key = f"polychoric-{one.system.id}" + (f"-{number_of}" if number_of > 1 else "")
    return _picture(key, what, one.labels, found)


def _picture(
    key: str, what: str, labels: Sequence[str], found: PolychoricCorrelations
) -> list[Block]:
    unit = f"page, n = {count(found.n)}"
    numbered = [f"{k} {label}" for k, label in enumerate(labels, start=1)]
    matrix, k = found.correlation, len(labels)
    below = matrix[np.tril_indices(k, -1)]
    figure = Figure(
        key,
        f"Polychoric correlations between the items: {what}",
        unit,
        "exploratory",
        f"Matrix of correlations between {k} items: the {below.size} pairs lie between "
        f"{number(float(below.min()))} and {number(float(below.max()))}, with mean "
        f"{number(float(below.mean()))}.",
        partial(draw_correlations, matrix, numbered),
    )
    rows = [
        Row((numbered[i], *(number(float(matrix[i, j])) if j < i else "" for j in range(k - 1))))
        for i in range(k)
    ]
    flat = [
        {"item": labels[i], "other_item": labels[j], "correlation": float(matrix[i, j]),
         "standard_error": float(np.sqrt(found.variance[i, j])), "n": found.n,
         "n_missing": found.n_missing}
        for i in range(k) for j in range(i)
    ]  # fmt: skip
    table = Table(
        key,
        f"Polychoric correlations between the items: {what}",
        unit,
        "exploratory",
        (Column("Item", False), *(Column(str(j)) for j in range(1, k))),
        one_group(rows),
        pd.DataFrame(flat),
        (
            f"{count(found.n_missing)} pages with a gap are left out. Pages of one rater hang together.",
            *_cautions(found),
        ),
    )
    return [figure, table]


def _cautions(found: PolychoricCorrelations) -> list[str]:
    """Of few pages, and of correlations at the end of what can be."""
    said = []
    if found.n < FEW_PAGES:
        said.append(
            f"Only {count(found.n)} pages: below {FEW_PAGES} the correlations, and the ordinal omega made "
            "from them, depend on single pages and are no basis for a conclusion."
        )
    k = len(found.correlation)
    if found.at_bound:
        said.append(
            f"{count(len(found.at_bound))} of {count(k * (k - 1) // 2)} correlations lie on the boundary (1 "
            "or −1): the likelihood has no maximum within, mostly because cells of the cross-table are "
            "empty, so the standard errors do not hold."
        )
    return said
