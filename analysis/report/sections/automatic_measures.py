"""What a program can count about the responses: overlap with references, length, readability, speed."""

from __future__ import annotations

from functools import partial
from itertools import groupby

from analysis.chapters.context import ReportContext, Standing
from analysis.chapters.text_measures import text_measure_chapter
from analysis.description.text_measures import Family
from analysis.description.text_measures_by_system import SystemMeasure
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
    tidy,
)
from analysis.report.figures import ForestRow, draw_forest
from analysis.report.numbers import interval_text, level_text, n_text, number
from analysis.report.result_rows import cautions

_TITLES: dict[Family, str] = {
    "rouge": "Overlap of the responses with the reference replies (ROUGE, F1)",
    "length": "Length of the responses",
    "readability": "Readability of the responses (school grade, English only)",
    "speed": "Speed and memory of the systems",
}


def measures_section(context: ReportContext) -> Section:
    """One table for each family of measures, and the difference of the primary contrast."""
    heading, chapter = "Automatic measures", text_measure_chapter(context)
    if chapter is None:
        return Section("automatic-measures", heading)
    blocks: list[Block] = [Paragraph(_opening(context)), Paragraph(_how(context))]
    for family in chapter.families:
        own = [m for m in chapter.measures if m.measure.family == family]
        blocks.append(_table(context, family, own))
        if family == "rouge":
            blocks += _forest(context, own)
    if "rouge" not in chapter.families:
        blocks.append(
            Paragraph("ROUGE is not given: no prompt of the protocol has a reference reply.")
        )
    if "speed" not in chapter.families:
        blocks.append(
            Paragraph(
                "Tokens, speed and memory are hidden until unblinding: they can tell which system is "
                "which."
            )
        )
    return Section("automatic-measures", heading, tuple(blocks))


def _opening(context: ReportContext) -> str:
    return (
        f"A program took these measures from {len(context.data.responses)} responses. They count words, "
        "letters and seconds and say nothing about whether a reply is right, kind, safe or of help: a "
        "harmful reply can share many words with a good one, and a good one few."
    )


def _how(context: ReportContext) -> str:
    stemmed = (
        "words of a to z and digits, in lower case, with the Porter stemmer"
        if context.data.protocol.language == "en"
        else "words of any script in lower case, not stemmed"
    )
    return (
        f"ROUGE-1, -2 and -L are F1 values from 0 to 1 ({stemmed}; ROUGE-L over the whole text). Words "
        "are parted by white space, tokens are those of each system’s own tokenizer. Intervals "
        f"({level_text(context.level)}) are expanded percentiles of 2000 bootstrap draws of whole prompts; "
        "in a difference the same prompts are drawn for both systems."
    )


def _standing(context: ReportContext, family: Family) -> Standing:
    declared = family in context.data.plan.automatic_measures
    return context.declared if declared else "exploratory"


def _label(context: ReportContext, found: SystemMeasure) -> str:
    names = {s.id: s.label for s in context.data.systems}
    own = names.get(found.system, found.system)
    return own if found.against is None else f"{own} minus {names.get(found.against)}"


def _table(context: ReportContext, family: Family, found: list[SystemMeasure]) -> Table:
    notes, groups = Footnotes(), []
    for measure, members in groupby(found, key=lambda m: m.measure):
        rows = []
        for m in members:
            interval = interval_text(m.result, measure.digits) or "–"
            value = notes.estimate(m.result, measure.digits)
            shown = "–" if m.result.estimate is None else interval
            cells = (_label(context, m), str(m.result.n), value, shown)
            rows.append(Row(cells, strong=m.against is not None))
        groups.append(RowGroup(measure.label, tuple(rows)))
    flat = tidy(
        [
            ({"measure": m.measure.name, "system": m.system, "against": m.against or ""}, m.result)
            for m in found
        ]
    )
    return Table(
        f"automatic-{family}",
        _TITLES[family],
        "prompt, n in the table",
        _standing(context, family),
        (Column("System", False), Column("n"), Column("Value"), Column("Interval")),
        tuple(groups),
        flat,
        (*_family_notes(family), *cautions(m.result for m in found), *notes.notes()),
    )


def _family_notes(family: Family) -> tuple[str, ...]:
    if family == "readability":
        return (
            "Both formulas were made for long English prose; the grade of short replies is rough.",
        )
    if family == "speed":
        return (
            "Responses per second and tokens per second are totals over the total time to write, reading "
            "the prompt included. Memory is the highest that the system’s process held; a maximum has no "
            "bootstrap interval. These figures hold for the machine that wrote the responses.",
        )
    return ()


def _forest(context: ReportContext, found: list[SystemMeasure]) -> list[Block]:
    """The differences of the three ROUGE measures, which share a scale."""
    apart = [m for m in found if m.against is not None]
    if not any(m.result.estimate is not None for m in apart):
        return []
    declared = _standing(context, "rouge") == "declared"
    rows = [
        ForestRow(
            m.measure.label, m.result.estimate, m.result.ci_low, m.result.ci_high, strong=declared
        )
        for m in apart
    ]
    head = _label(context, apart[0])
    said = "; ".join(
        f"{m.measure.label} {number(m.result.estimate, 3)} {interval_text(m.result, 3)}".strip()
        for m in apart
        if m.result.estimate is not None
    )
    return [
        Figure(
            "automatic-rouge-differences",
            f"Difference of ROUGE, {head}",
            n_text("prompt", apart[0].result.n),
            _standing(context, "rouge"),
            f"Differences with intervals around a line at zero: {said}.",
            partial(draw_forest, rows, f"Difference of F1, {head}"),
        )
    ]
