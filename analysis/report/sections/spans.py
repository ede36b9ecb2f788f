"""Parts of a response that raters marked with labels."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.chapters.answers.spans import MarkedItem, spans_chapter
from analysis.chapters.context import ReportContext
from analysis.report.blocks import (
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    tidy,
)
from analysis.report.numbers import count, level_text, number
from analysis.report.result_rows import cautions
from analysis.results import Estimate

_HOW = (
    "Raters marked parts of a response with labels. The share says in how many of the responses that "
    "raters read they marked anything with the label; its interval takes raters as clusters. "
    "Agreement is counted in characters: where one rater marked a character, the share of the other "
    "raters who marked it with the same label (F1 for two raters)."
)
Results = list[tuple[dict[str, str], Estimate]]


def spans_section(context: ReportContext) -> Section:
    """Share of responses with each label by system, and agreement on the characters."""
    heading = "Marked parts of the responses"
    items = spans_chapter(context)
    if items is None:
        text = "There is nothing to show, because nobody has marked a response."
        return Section("spans", heading, (Paragraph(text),))
    if not items:
        return Section("spans", heading)
    tables = (_share_table(items, context.level), _agreement_table(items, context.level))
    return Section("spans", heading, (Paragraph(_HOW), *tables))


def _share_table(items: Sequence[MarkedItem], level: float) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for one in items:
        for marked in one.labels:
            rows = []
            for s in marked.systems:
                cells = (count(s.n_read), _percent(s.share, notes), count(s.n_marked))
                rows.append(Row((s.system.label, *cells)))
                keys = {"item": one.item.id, "label": marked.label.id, "system": s.system.id}
                flat.append((keys, s.share))
            groups.append(RowGroup(f"{one.item.label}: {marked.label.label}", tuple(rows)))
    return Table(
        "spans",
        f"Responses with each label by system, percent and interval at {level_text(level)}",
        "rater (clusters); n counts responses read",
        "exploratory",
        (
            Column("System", False),
            Column("n"),
            Column("With the label, %"),
            Column("Marked parts"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _percent(share: Estimate, notes: Footnotes) -> str:
    if share.estimate is None:
        return notes.undefined(share.undefined_because)
    text = number(100 * share.estimate, 1)
    if share.ci_low is None or share.ci_high is None:
        return text
    return f"{text} [{number(100 * share.ci_low, 1)}, {number(100 * share.ci_high, 1)}]"


def _agreement_table(items: Sequence[MarkedItem], level: float) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for one in items:
        rows = []
        for marked in one.labels:
            found = marked.agreement
            cells = (str(found.n), count(marked.characters), notes.with_interval(found))
            rows.append(Row((marked.label.label, *cells)))
            flat.append(({"item": one.item.id, "label": marked.label.id}, found))
        groups.append(RowGroup(one.item.label, tuple(rows)))
    return Table(
        "spans-agreement",
        f"Agreement on the marked characters, bootstrap of responses, intervals at "
        f"{level_text(level)}",
        "response, n in the table counts those with two or more raters",
        "exploratory",
        (
            Column("Label", False),
            Column("n"),
            Column("Characters marked, all raters"),
            Column("Agreement on characters"),
        ),
        tuple(groups),
        tidy(flat),
        (*cautions(e for _, e in flat), *notes.notes()),
    )
