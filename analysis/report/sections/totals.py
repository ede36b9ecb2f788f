"""Totals per rater and system."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.answers.totals import total_samples
from analysis.chapters.context import ReportContext
from analysis.description.frequencies import RaterTotal
from analysis.report.blocks import (
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    one_group,
)
from analysis.report.numbers import counted, n_text, number
from analysis.report.result_rows import mean_cells

MOST_RATERS_SHOWN = 60


def totals_section(context: ReportContext) -> Section:
    """Summary per system, then every rater."""
    low, high = context.shaped.total_range
    items = len(context.shaped.total_places)
    answers = items * len(context.shaped.prompt_ids)
    left = len(context.data.items) - items
    without = (
        f" The {left} numeric items are not in it; they have tables of their own." if left else ""
    )
    text = (
        f"A total adds the {answers} answers of one rater for one system ({items} "
        f"items for each of {counted(len(context.shaped.prompt_ids), 'prompt')}) and can lie between "
        f"{number(low, 0)} and {number(high, 0)}. A rater with a missing answer has no total.{without}"
    )
    return Section(
        "totals",
        "Totals per rater",
        (Paragraph(text), _summary_table(context), _rater_table(context)),
    )


def _summary_table(context: ReportContext) -> Table:
    low, high = context.shaped.total_range
    notes, groups, flat = Footnotes(), [], []
    for sample in total_samples(context):
        rows = []
        for of in sample.systems:
            summary, ends = of.summary, of.ends
            span = "–" if ends is None else f"{number(ends[0], 0)} to {number(ends[1], 0)}"
            middle = mean_cells(summary, notes, "no rater has a total")
            cells = (str(summary.n), str(summary.n_missing), *middle, span)
            rows.append(Row((of.system.label, *cells)))
            flat.append(
                {
                    "group": sample.key, "system": of.system.id, "n": summary.n,
                    "n_without_total": summary.n_missing, "mean": summary.mean, "sd": summary.sd,
                    "median": summary.median, "lowest": ends[0] if ends else None,
                    "highest": ends[1] if ends else None, "possible_low": low, "possible_high": high,
                }
            )  # fmt: skip
        groups.append(RowGroup(sample.label, tuple(rows)))
    return Table(
        "totals",
        f"Totals per rater by system, possible range {number(low, 0)} to {number(high, 0)}",
        "rater, n in the table",
        "descriptive",
        (
            Column("System", False),
            Column("n"),
            Column("Without total"),
            Column("Mean"),
            Column("SD"),
            Column("Median"),
            Column("Lowest to highest"),
        ),
        tuple(groups),
        pd.DataFrame(flat),
        notes.notes(),
    )


def _rater_table(context: ReportContext) -> Table:
    notes, rows = Footnotes(), []
    found = {(t.rater, t.system): t for t in context.rater_totals}
    groups = {g.id: g.title for g in context.data.protocol.groups}
    by_rater = dict(zip(context.shaped.rater_ids, context.shaped.rater_groups, strict=True))
    for rater in context.shaped.rater_ids[:MOST_RATERS_SHOWN]:
        cells = [_cell(found.get((rater, s.id)), notes) for s in context.data.systems]
        rows.append(Row((rater, groups.get(str(by_rater[rater]), ""), *cells)))
    left = len(context.shaped.rater_ids) - len(rows)
    further = (f"{left} further raters are in the CSV file only.",) if left > 0 else ()
    who = "Raters are numbered in the order of the exported raters; their codes are not in this report."
    names = ["rater", "system", "group", "total", "n_answers", "n_expected", "missing_because"]
    flat = pd.DataFrame([vars(t) for t in context.rater_totals], columns=names)
    return Table(
        "totals-per-rater",
        "Total of each rater",
        n_text("rater", len(context.shaped.rater_ids)),
        "descriptive",
        (
            Column("Rater", False),
            Column("Group", False),
            *(Column(label) for label in context.system_labels),
        ),
        one_group(rows),
        flat,
        (who, *further, *notes.notes()),
    )


def _cell(total: RaterTotal | None, notes: Footnotes) -> str:
    if total is None:
        return "–"
    if total.total is None:
        return notes.undefined(total.missing_because)
    return number(total.total, 0)
