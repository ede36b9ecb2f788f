"""Pages that show two responses: which one raters prefer, by how much, and whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from analysis.chapters.answers.comparisons import ComparedItem, comparison_chapter
from analysis.chapters.context import ReportContext
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    one_group,
    tidy,
)
from analysis.report.figures import ForestRow, draw_forest
from analysis.report.numbers import count, level_text, number
from analysis.report.result_rows import percent_cell, strength_rows
from analysis.results import Estimate

_HOW = (
    "Each page showed two responses to one prompt, A and B, and a rater said which is better or that "
    "they tie. Wins, ties and losses are counted from the first system's side. Strengths come from "
    "Bradley and Terry’s model with Davidson’s ties and an effect of the place on the page; a "
    "difference is the log odds of being preferred where there is no tie and no effect of the place. "
    "All intervals take raters as clusters, so they speak to other raters, with these prompts."
)
Results = list[tuple[dict[str, object], Estimate]]


def comparisons_section(context: ReportContext) -> Section:
    """Wins, strengths, what the place does, and agreement, for each question."""
    heading, items = "Comparisons of two responses", comparison_chapter(context)
    if items is None:
        text = "Nothing can be compared, because no comparison was answered."
        return Section("comparisons", heading, (Paragraph(text),))
    if not items:
        return Section("comparisons", heading)
    blocks: list[Block] = [Paragraph(_HOW), _wins_table(context, items)]
    blocks += [*_strength_blocks(context, items), _place_table(context, items)]
    blocks += [_agreement_table(context, items)]
    return Section("comparisons", heading, tuple(blocks))


def _wins_table(context: ReportContext, items: Sequence[ComparedItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for found in items:
        rows = []
        for w in found.wins:
            shares = (w.wins, w.ties, w.losses)
            name = f"{w.group_label}: {w.system.label} against {w.against.label}"
            rows.append(Row((name, count(w.n), *(_share_cell(share, notes) for share in shares))))
            keys: dict[str, object] = {
                "item": found.item.id, "group": w.group or "all", "system": w.system.id,
                "against": w.against.id,
            }  # fmt: skip
            flat += [(keys, share) for share in shares]
        groups.append(RowGroup(found.item.label, tuple(rows)))
    return Table(
        "comparisons",
        f"Wins, ties and losses of the first system, number, percent and interval at "
        f"{level_text(context.level)}",
        "rater (clusters); n counts comparisons",
        "exploratory",
        (
            Column("Pair", False),
            Column("n"),
            Column("Wins"),
            Column("Ties"),
            Column("Losses"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _share_cell(share: Estimate, notes: Footnotes) -> str:
    cell = percent_cell(share, notes)
    return cell if share.estimate is None else f"{count(int(share.details.count))}: {cell}"


def _strength_blocks(context: ReportContext, items: Sequence[ComparedItem]) -> list[Block]:
    notes, groups, lines = Footnotes(), [], []
    flat: Results = []
    labels = {s.id: s.label for s in context.data.systems}
    for found in items:
        tie = (("Weight of a tie (Davidson’s ν)", found.strengths.tie),)
        rows, results = strength_rows(context, found.strengths, tie, notes)
        lines += [
            ForestRow(
                f"{found.item.label}: {labels[a]} − {labels[b]}", e.estimate, e.ci_low, e.ci_high
            )
            for a, b, e in found.strengths.differences
        ]
        groups.append(RowGroup(found.item.label, tuple(rows)))
        flat += [({"item": found.item.id, "name": name}, e) for name, e in results]
    table = Table(
        "comparisons-strengths",
        f"Bradley–Terry strengths with ties, on the log scale, intervals at "
        f"{level_text(context.level)}",
        "rater (clusters); n counts comparisons",
        "exploratory",
        (Column("Strength or difference", False), Column("Estimate"), Column("p"), Column("n")),
        tuple(groups),
        tidy(flat),
        ("Strengths of a question add up to zero.", *notes.notes()),
    )
    if all(line.estimate is None for line in lines):
        return [table]
    words = "; ".join(
        f"{line.label}: {'undefined' if line.estimate is None else number(line.estimate)}"
        for line in lines
    )
    figure = Figure(
        "comparisons-forest",
        f"Differences of strengths with intervals at {level_text(context.level)}; right of 0 the first "
        "system is preferred",
        "rater (clusters); n in the table",
        "exploratory",
        f"Forest of differences. {words}.",
        partial(draw_forest, lines, "Log odds of being preferred"),
    )
    return [table, figure]


def _place_table(context: ReportContext, items: Sequence[ComparedItem]) -> Table:
    notes, rows = Footnotes(), []
    flat: Results = []
    for found in items:
        rate = found.first_place
        cells = (percent_cell(rate, notes), str(rate.n), str(rate.n_missing))
        rows.append(Row((found.item.label, *cells)))
        flat.append(({"item": found.item.id}, rate))
    return Table(
        "comparisons-place",
        f"How often the response at A, shown first, is preferred: percent of the comparisons without "
        f"a tie, intervals at {level_text(context.level)}",
        "rater (clusters); n counts comparisons",
        "exploratory",
        (Column("Question", False), Column("A preferred, %"), Column("n"), Column("Ties left out")),
        one_group(rows),
        tidy(flat),
        ("By design each system stands at A and at B equally often: without an effect of the place, 50 %.",
         *notes.notes()),
    )  # fmt: skip


def _agreement_table(context: ReportContext, items: Sequence[ComparedItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for found in items:
        rows = []
        for a in found.agreement:
            n = max(r.n for r in a.coefficients)
            name = f"{a.group_label}, {a.n_raters} raters"
            rows.append(Row((name, str(n), *(notes.with_interval(r) for r in a.coefficients))))
            keys: dict[str, object] = {"item": found.item.id, "group": a.group or "all"}
            flat += [(keys, r) for r in a.coefficients]
        groups.append(RowGroup(found.item.label, tuple(rows)))
    return Table(
        "comparisons-agreement",
        f"Do raters choose alike? First, second or tie, intervals at {level_text(context.level)}",
        "pair of responses, n in the table counts those with two or more raters",
        "exploratory",
        (
            Column("Raters", False),
            Column("n"),
            Column("Share of agreeing pairs"),
            Column("Fleiss’ κ"),
            Column("Gwet’s AC1"),
            Column("Krippendorff’s α, nominal"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )
