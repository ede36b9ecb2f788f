"""Conversations of raters with systems: how long they were and how they ended."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.conversations import NOT_ENDED, ConversationsChapter, conversations_chapter
from analysis.report.blocks import (
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    one_group,
    tidy,
)
from analysis.report.numbers import count, level_text, n_text, percent
from analysis.results import Estimate

_HOW = (
    "Raters talked with the systems before they answered the items. A conversation that was not begun "
    "or not ended has no length. The mean over raters takes each rater’s mean as one number."
)
_MEASURES = {
    "rater_turns": "Messages of the rater",
    "rater_words": "Words of the rater",
    "minutes": "Minutes",
}


def conversations_section(context: ReportContext) -> Section:
    """Turns, words, minutes and ends by system; nothing without conversations."""
    heading = "Conversations"
    chapter = conversations_chapter(context)
    if chapter is None:
        return Section("conversations", heading)
    return Section(
        "conversations",
        heading,
        (Paragraph(_HOW), _length_table(context, chapter), _end_table(context, chapter)),
    )


def _length_table(context: ReportContext, chapter: ConversationsChapter) -> Table:
    notes, groups = Footnotes(), []
    flat: list[tuple[dict[str, object], Estimate]] = []
    for measure, name in _MEASURES.items():
        rows = []
        for of in chapter.lengths:
            if of.measure != measure:
                continue
            found, over = of.over_conversations, of.over_raters
            cells = (
                count(found.n), notes.estimate(found.mean), notes.estimate(found.sd),
                notes.with_interval(found.median, 1), notes.with_interval(over),
            )  # fmt: skip
            rows.append(Row((of.label, *cells)))
            keys = {"measure": measure, "system": of.system}
            flat += [({**keys, "of": "conversations"}, e) for e in found.estimates]
            flat.append(({**keys, "of": "rater_means"}, over))
        groups.append(RowGroup(name, tuple(rows)))
    return Table(
        "conversations",
        f"Length of the conversations that ended, by system, intervals at "
        f"{level_text(context.level)}",
        "conversation; of the mean over raters: rater; n in the table",
        "descriptive",
        (
            Column("System", False),
            Column("n"),
            Column("Mean"),
            Column("SD"),
            Column("Median (order statistics)"),
            Column("Mean over raters (t)"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _end_table(context: ReportContext, chapter: ConversationsChapter) -> Table:
    rows, flat = [], []
    for of in chapter.ends:
        cells = [f"{count(k)} ({percent(k, of.planned, 1)} %)" for k in of.ends.values()]
        replies = (count(k) for k in of.replies.values())
        rows.append(Row((of.label, count(of.planned), *cells, *replies)))
        flat.append({"system": of.system, "planned": of.planned, **of.ends, **of.replies})
    first = chapter.ends[0]
    kinds, replied = tuple(first.ends), tuple(first.replies)
    return Table(
        "conversations-ended",
        "How the conversations ended, and what became of the replies, by system",
        n_text("conversation", chapter.n),
        "descriptive",
        (
            Column("System", False),
            Column("Planned"),
            *(Column("Not ended" if kind == NOT_ENDED else f"Ended by: {kind}") for kind in kinds),
            *(Column(name.replace("replies_", "Replies ").replace("_", " ")) for name in replied),
        ),
        one_group(rows),
        pd.DataFrame(flat),
    )
