"""Pages that show the responses of all systems, put into an order by raters."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.chapters.answers.rankings import RankedItem, ranking_chapter
from analysis.chapters.context import ReportContext
from analysis.report.blocks import (
    Block,
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    tidy,
)
from analysis.report.numbers import count, level_text
from analysis.report.result_rows import strength_rows
from analysis.results import Estimate

_HOW = (
    "A rater put the responses of all systems to a prompt into an order, 1 is best; responses that "
    "share a place have the mean of their ranks. Mean ranks and shares are first averaged over a "
    "rater’s prompts, so each rater counts once. A shared first place counts as a part of one."
)
Results = list[tuple[dict[str, object], Estimate]]


def rankings_section(context: ReportContext) -> Section:
    """Mean ranks, first places, strengths and concordance for each question."""
    heading, items = "Rankings of the responses", ranking_chapter(context)
    if items is None:
        text = "There is no order to show, because no ranking was answered."
        return Section("rankings", heading, (Paragraph(text),))
    if not items:
        return Section("rankings", heading)
    blocks: list[Block] = [Paragraph(_HOW), _ranks_table(context, items)]
    blocks += [_strength_table(context, items), _concordance_table(items)]
    return Section("rankings", heading, tuple(blocks))


def _ranks_table(context: ReportContext, items: Sequence[RankedItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for found in items:
        rows = []
        for s in found.systems:
            cells = (
                str(s.rank.n), count(s.n_rankings), notes.with_interval(s.rank.mean),
                notes.estimate(s.rank.sd), notes.with_interval(s.first_percent, 1),
            )  # fmt: skip
            rows.append(Row((s.system.label, *cells)))
            keys = {"item": found.item.id, "system": s.system.id}
            flat += [
                ({**keys, "of": "rank"}, s.rank.mean),
                ({**keys, "of": "first_place_percent"}, s.first_percent),
            ]
        groups.append(RowGroup(found.item.label, tuple(rows)))
    return Table(
        "rankings",
        f"Mean rank and first places by system, t intervals at {level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        (
            Column("System", False),
            Column("n"),
            Column("Rankings"),
            Column("Mean rank"),
            Column("SD over raters"),
            Column("First place, %"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _strength_table(context: ReportContext, items: Sequence[RankedItem]) -> Table:
    notes, groups, said = Footnotes(), [], []
    flat: Results = []
    for found in items:
        rows, results = strength_rows(context, found.strengths, (), notes)
        if not rows:
            mark = notes.undefined("no order is without shared places")
            rows = [Row(("All systems", mark, "–", "0"))]
        groups.append(RowGroup(found.item.label, tuple(rows)))
        flat += [({"item": found.item.id, "name": name}, e) for name, e in results]
        if found.n_tied:
            said.append(
                f"{found.item.label}: {found.n_tied} orders with shared places are left out."
            )
    return Table(
        "rankings-strengths",
        f"Plackett–Luce strengths, on the log scale, intervals at {level_text(context.level)}",
        "rater (clusters); n counts rankings",
        "exploratory",
        (Column("Strength or difference", False), Column("Estimate"), Column("p"), Column("n")),
        tuple(groups),
        tidy(flat) if flat else pd.DataFrame(columns=["item", "name"]),
        ("Strengths of a question add up to zero.", *said, *notes.notes()),
    )


def _concordance_table(items: Sequence[RankedItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for found in items:
        rows = [
            Row((p.prompt, str(p.n_raters), notes.estimate(p.w), notes.p_value(p.w)))
            for p in found.prompts
        ]
        mean = found.mean_concordance
        rows.append(Row(("Mean over prompts", "", notes.with_interval(mean), "–"), strong=True))
        flat += [({"item": found.item.id, "prompt": p.prompt}, p.w) for p in found.prompts]
        flat.append(({"item": found.item.id, "prompt": "mean"}, mean))
        groups.append(RowGroup(found.item.label, tuple(rows)))
    return Table(
        "rankings-concordance",
        "Do raters order the systems alike? Kendall’s W by prompt",
        "prompt; raters in the table",
        "exploratory",
        (Column("Prompt", False), Column("Raters"), Column("Kendall’s W"), Column("p")),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )
