"""Correlations of the normal variables behind ordered answers, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import FloatArray
from analysis.reliability.omega import omega_ordinal
from analysis.reliability.polychoric import BOUNDARY, PolychoricCorrelations, polychoric
from analysis.report.blocks import Block, Column, Figure, Paragraph, Row, Table, one_group
from analysis.report.figures import draw_correlations
from analysis.report.numbers import count, number
from analysis.results import Estimate, undefined

# More items than this make a matrix that nobody reads on paper.
MOST_ITEMS = 20
# Large-sample estimates: with fewer pages most cells of a cross-table of five points are empty.
FEW_PAGES = 100


def _pages(
    context: ReportContext, system: int, places: Sequence[int]
) -> tuple[FloatArray, list[int], str]:
    """Pages by items, the scale's points, and why there are none."""
    items = [context.data.items[i] for i in places]
    if any(item.kind != "points" for item in items):
        return np.empty((0, 0)), [], "some items are not answered on the points of a scale"
    points = sorted({value for item in items for value, _ in item.points})
    values = context.shaped.values[:, system][:, :, list(places)]
    planned = context.shaped.planned[:, system][:, :, list(places)].any(axis=-1)
    return values[planned], points, ""


def ordinal_omega(context: ReportContext, system: int, places: Sequence[int]) -> Estimate:
    """Omega of the variables behind the answers, every page a unit."""
    pages, points, because = _pages(context, system, places)
    if because:
        return undefined("omega_ordinal", because, unit="page")
    labels = [context.data.items[i].label for i in places]
    return omega_ordinal(pd.DataFrame(pages, columns=labels), points)


def polychoric_blocks(
    context: ReportContext, instrument: str, number_of: int, places: Sequence[int]
) -> list[Block]:
    """For each system a table and a picture of the correlations; a reason where there are none."""
    blocks: list[Block] = []
    if not 2 <= len(places) <= MOST_ITEMS:
        return blocks
    for s, system in enumerate(context.data.systems):
        pages, points, because = _pages(context, s, places)
        if because:
            continue
        found = polychoric(pages, points)
        what = f"{instrument}, {system.label}"
        if found.undefined_because:
            why = found.undefined_because
            blocks.append(Paragraph(f"Polychoric correlations, {what}: undefined, because {why}."))
            continue
        key = f"polychoric-{system.id}" + (f"-{number_of}" if number_of > 1 else "")
        labels = [context.data.items[i].label for i in places]
        blocks += _picture(key, what, labels, found)
    return blocks


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
            *_cautions(below, found.n),
        ),
    )
    return [figure, table]


def _cautions(correlations: FloatArray, n: int) -> list[str]:
    """Of few pages, and of correlations at the end of what can be."""
    said = []
    if n < FEW_PAGES:
        said.append(
            f"Only {count(n)} pages: below {FEW_PAGES} the correlations, and the ordinal omega made "
            "from them, depend on single pages and are no basis for a conclusion."
        )
    at_end = int((np.abs(correlations) > BOUNDARY).sum())
    if at_end:
        said.append(
            f"{count(at_end)} of {count(correlations.size)} correlations lie on the boundary (1 or "
            "−1): the likelihood has no maximum within, mostly because cells of the cross-table are "
            "empty, so the standard errors do not hold."
        )
    return said
