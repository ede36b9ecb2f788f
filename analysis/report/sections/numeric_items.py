"""Items that are answered with any number between two ends, such as sliders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from analysis.agreement.intraclass import icc
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray, FloatArray
from analysis.description.numbers import NumberSummary, number_summary
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Table,
    one_group,
    tidy,
)
from analysis.report.figures import draw_boxes
from analysis.report.numbers import count, level_text, number
from analysis.results import Estimate

# The mixed model of ratings with gaps needs a matrix of raters.
MOST_RATERS_IN_MIXED_MODEL = 100


def numeric_blocks(context: ReportContext, sample: int) -> list[Block]:
    """Figure and table of the numeric items for one sample of raters; nothing without any."""
    if not context.numeric_places:
        return []
    key, label, raters = context.samples[sample]
    found: dict[tuple[int, int], NumberSummary] = {}
    answers: dict[tuple[int, int], FloatArray] = {}
    for i in context.numeric_places:
        for s in range(len(context.data.systems)):
            values, reasons = context.shaped.answers(i, s, raters)
            answers[i, s] = values[~np.isnan(values)]
            found[i, s] = number_summary(values, missing_reasons=reasons, level=context.level)
    text = (
        "Numeric items are answered with any whole number between two ends, so they have no table of "
        "frequencies. Mean, SD and quartiles are of the single ratings. The mean over raters takes "
        "each rater's mean over the prompts as one number, so its interval speaks to other raters."
    )
    paragraph: list[Block] = [Paragraph(text)] if sample == 0 else []
    return [
        *paragraph,
        *_figures(context, key, label, answers, found),
        _table(context, key, label, raters, found),
    ]


def _figures(
    context: ReportContext,
    key: str,
    label: str,
    answers: dict[tuple[int, int], FloatArray],
    found: dict[tuple[int, int], NumberSummary],
) -> list[Figure]:
    """Boxes, one figure for each pair of ends."""
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, s in found:
        points = context.data.items[i].points
        ends.setdefault((points[0][0], points[-1][0]), []).append((i, s))
    figures = []
    for place, ((low, high), keys) in enumerate(ends.items()):
        rows = [(_name(context, k), answers[k]) for k in keys]
        words = "; ".join(
            f"{_name(context, k)}: no ratings"
            if found[k].median.estimate is None
            else f"{_name(context, k)}: median {number(found[k].median.estimate or 0.0, 1)}"
            for k in keys
        )
        suffix = f"-{place + 1}" if len(ends) > 1 else ""
        figures.append(
            Figure(
                f"numeric-{key}{suffix}",
                f"Spread of the numeric ratings per item and system: {label}; the box holds the middle "
                "half, the thick line is the median, the whiskers reach the extremes",
                context.n_text("rating", sum(found[k].n for k in keys)),
                "descriptive",
                f"Boxes from {low} to {high}. {words}.",
                partial(draw_boxes, rows, low, high),
            )
        )
    return figures


def _name(context: ReportContext, key: tuple[int, int]) -> str:
    return f"{context.data.items[key[0]].label}, {context.system_labels[key[1]]}"


def _table(
    context: ReportContext,
    key: str,
    label: str,
    raters: BoolArray,
    found: dict[tuple[int, int], NumberSummary],
) -> Table:
    notes, groups, flat = Footnotes(), [], []
    reasons = [
        r for r in context.shaped.reasons if any(f.missing_by_reason.get(r) for f in found.values())
    ]
    means = context.shaped.rater_item_means
    for i in context.numeric_places:
        item, rows = context.data.items[i], []
        for s, system in enumerate(context.data.systems):
            f = found[i, s]
            over = number_summary(means[raters, s, i], level=context.level, unit="rater").mean
            quartiles = "–"
            if f.lower_quartile.estimate is not None and f.upper_quartile.estimate is not None:
                low, high = f.lower_quartile.estimate, f.upper_quartile.estimate
                quartiles = f"{number(low, 1)} to {number(high, 1)}"
            rows.append(
                Row(
                    (
                        system.label, count(f.n), notes.estimate(f.mean), notes.estimate(f.sd),
                        notes.with_interval(f.median, 1), quartiles, notes.with_interval(over),
                        *(count(f.missing_by_reason.get(r, 0)) for r in reasons),
                    )
                )
            )  # fmt: skip
            keys = {"item": item.id, "system": system.id, "group": key}
            flat += [({**keys, "of": "ratings"}, e) for e in f.estimates]
            flat.append(({**keys, "of": "rater_means"}, over))
        groups.append(RowGroup(item.label, tuple(rows)))
    return Table(
        f"numeric-statistics-{key}",
        f"Numeric items: {label}, intervals at {level_text(context.level)}",
        "rating; of the mean over raters: rater; n in the table",
        "descriptive",
        (
            Column("System", False),
            Column("n"),
            Column("Mean"),
            Column("SD"),
            Column("Median (order statistics)"),
            Column("Quartiles"),
            Column("Mean over raters (t)"),
            *(Column(f"Missing: {reason}") for reason in reasons),
        ),
        tuple(groups),
        tidy(flat),
        (
            "The interval of the median treats ratings as independent; ratings by one rater are not.",
            *(() if reasons else ("No answer is missing.",)),
            *notes.notes(),
        ),
    )


def numeric_agreement(
    context: ReportContext, key: str, label: str, raters: BoolArray
) -> list[Block]:
    """Intraclass correlations of the numeric items; nothing without any."""
    if not context.numeric_places:
        return []
    notes, rows, flat = Footnotes(), [], []
    for i in context.numeric_places:
        item, results = context.data.items[i], _forms(context, context.item_matrix(i, raters))
        n = max(r.n for r in results)
        rows.append(Row((item.label, str(n), *(notes.with_interval(r) for r in results))))
        flat += [({"item": item.id, "group": key}, r) for r in results]
    return [
        Table(
            f"agreement-numeric-{key}",
            f"Agreement on the numeric items: {label}, {int(raters.sum())} raters, intervals at "
            f"{level_text(context.level)}",
            "response, n in the table",
            "exploratory",
            (
                Column("Item", False),
                Column("n"),
                Column("ICC(2,1), absolute agreement"),
                Column("ICC(2,k)"),
                Column("ICC(3,1), consistency"),
            ),
            one_group(rows),
            tidy(flat),
            (
                "ICC(2,1) is the reliability of one rater and ICC(2,k) that of the mean of all; "
                "ICC(3,1) leaves out that some raters answer higher throughout.",
                *notes.notes(),
            ),
        )
    ]


def _forms(context: ReportContext, matrix: FloatArray) -> Sequence[Estimate]:
    gaps = matrix.shape[1] <= MOST_RATERS_IN_MIXED_MODEL and bool(np.isnan(matrix).any())
    forms = icc(matrix, missing="mixed_model_profile" if gaps else "complete", level=context.level)
    return forms.icc2, forms.icc2k, forms.icc3
