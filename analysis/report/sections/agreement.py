"""Agreement among the raters of a group, per item and over all items."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from analysis.agreement import fleiss_kappa, percent_agreement
from analysis.agreement_krippendorff import krippendorff_alpha
from analysis.agreement_pairwise import light_kappa, pairwise_kappas
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    Section,
    Table,
    one_group,
    tidy,
)
from analysis.report.context import ReportContext
from analysis.report.figures import draw_agreement_matrix
from analysis.report.numbers import level_text
from analysis.report.shaping import BoolArray, FloatArray
from analysis.results import Estimate

# A matrix of more raters than this is a grey square on paper.
MOST_RATERS_DRAWN = 60

_HEADINGS = (
    "Share of agreeing pairs",
    "Cohen’s κ, mean of all pairs (Light)",
    "Fleiss’ κ",
    "Krippendorff’s α, ordinal",
)


def agreement_section(context: ReportContext) -> Section:
    """Tables of coefficients for each group, and who agrees with whom."""
    text = (
        "The units are the responses, and the raters of a group rate the same responses. The "
        "coefficients count the full scale, so points that nobody used still count, and they use "
        "every pair of ratings that is there. Responses of all systems are pooled: a clear "
        "difference between systems raises the coefficients. With one popular point, the "
        "share of agreeing pairs is high and the chance-corrected coefficients are low; read them beside the "
        "frequency tables."
    )
    blocks: list[Block] = [Paragraph(text)]
    for key, label, raters in context.samples:
        blocks.append(_table(context, key, label, raters))
        n = int(raters.sum())
        if 3 <= n <= MOST_RATERS_DRAWN:
            blocks.append(_matrix_figure(context, key, label, raters))
    return Section("agreement", "Agreement among raters", tuple(blocks))


def _matrices(
    context: ReportContext, raters: BoolArray
) -> Iterator[tuple[str, str, list[int], FloatArray]]:
    """Item by item, then all items of one scale together: (id, label, points, matrix)."""
    items = context.data.items
    for i, item in enumerate(items):
        yield item.id, item.label, context.points(item), context.item_matrix(i, raters)
    for points, places in context.scales:
        if len(places) < 2:
            continue
        several = len(context.scales) > 1
        label = f"All items, {points[0][0]} to {points[-1][0]}" if several else "All items"
        stacked = np.vstack([context.item_matrix(i, raters) for i in places])
        yield (
            f"all_{len(points)}_points" if several else "all",
            label,
            [p for p, _ in points],
            stacked,
        )


def _table(context: ReportContext, key: str, label: str, raters: BoolArray) -> Table:
    level, notes, rows, flat = context.level, Footnotes(), [], []
    coefficients: tuple[Callable[[FloatArray, list[int]], Estimate], ...] = (
        lambda m, p: percent_agreement(m, p, level=level),
        lambda m, p: light_kappa(m, p),
        lambda m, p: fleiss_kappa(m, p, level=level),
        lambda m, p: krippendorff_alpha(m, p, metric="ordinal", level=level),
    )
    for item, name, points, matrix in _matrices(context, raters):
        results = [coefficient(matrix, points) for coefficient in coefficients]
        n = max(r.n for r in results)
        cells = [notes.with_interval(r) for r in results]
        rows.append(Row((name, str(n), *cells), strong=item.startswith("all")))
        flat += [({"item": item, "group": key}, r) for r in results]
    methods = {r.ci_method for _, r in flat if r.ci_low is not None and r.ci_method}
    interval = f"Intervals, {level_text(level)}: {'; '.join(sorted(methods))}." if methods else ""
    return Table(
        f"agreement-{key}",
        f"Agreement per item: {label}, {int(raters.sum())} raters",
        "response (for all items: response and item); n in the table counts those with two or "
        "more ratings",
        "exploratory",
        (Column("Item", False), Column("n"), *(Column(h) for h in _HEADINGS)),
        one_group(rows),
        tidy(flat),
        (*((interval,) if interval else ()), *notes.notes()),
    )


def _matrix_figure(context: ReportContext, key: str, label: str, raters: BoolArray) -> Figure:
    points, places = context.scales[0]
    stacked = np.vstack([context.item_matrix(i, raters) for i in places])
    kappas = pairwise_kappas(stacked, [p for p, _ in points], weights="quadratic").kappa
    names = [r for r, chosen in zip(context.shaped.rater_ids, raters, strict=True) if chosen]
    known = np.ma.compressed(kappas[np.triu_indices(len(names), 1)])
    spread = (
        f"the {known.size} pairs lie between {known.min():.2f} and {known.max():.2f}, "
        f"with mean {known.mean():.2f}"
        if known.size
        else "no pair of raters has a defined value"
    )
    return Figure(
        f"agreement-matrix-{key}",
        f"Quadratic weighted κ of every two raters, all items together: {label}",
        context.n_text("response and item", int(stacked.shape[0])),
        "exploratory",
        f"Matrix of agreement between every two of {len(names)} raters: {spread}.",
        lambda: draw_agreement_matrix(kappas, names),
    )
