"""Conversations of raters with systems: how long they were and how they ended."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.description.numbers import number_summary
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
from analysis.report.numbers import count, level_text, percent
from analysis.results import Estimate

NOT_ENDED = "not ended"
_HOW = (
    "Raters talked with the systems before they answered the items. A conversation that was not begun "
    "or not ended has no length. The mean over raters takes each rater’s mean as one number."
)
_MEASURES = (
    ("rater_turns", "rater_turns", "Messages of the rater", 1.0),
    ("rater_words", "rater_words", "Words of the rater", 1.0),
    ("seconds", "minutes", "Minutes", 60.0),
)


def conversations_section(context: ReportContext) -> Section:
    """Turns, words, minutes and ends by system; nothing without conversations."""
    heading = "Conversations"
    if not len(context.data.conversations):
        return Section("conversations", heading)
    return Section(
        "conversations",
        heading,
        (Paragraph(_HOW), _length_table(context), _end_table(context)),
    )


def _length_table(context: ReportContext) -> Table:
    notes, groups = Footnotes(), []
    flat: list[tuple[dict[str, object], Estimate]] = []
    frame = context.data.conversations
    for column, measure, name, divisor in _MEASURES:
        rows = []
        for system in context.data.systems:
            own = frame[(frame["system"] == system.id) & (frame["ended_by"] != "")]
            values = pd.to_numeric(own[column]).astype("float64") / divisor
            found = number_summary(values.to_numpy(), level=context.level, unit="conversation")
            means = values.groupby(own["rater"]).mean().to_numpy()
            over = number_summary(means, level=context.level, unit="rater").mean
            cells = (
                count(found.n), notes.estimate(found.mean), notes.estimate(found.sd),
                notes.with_interval(found.median, 1), notes.with_interval(over),
            )  # fmt: skip
            rows.append(Row((system.label, *cells)))
            keys = {"measure": measure, "system": system.id}
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


def _end_table(context: ReportContext) -> Table:
    frame = context.data.conversations
    ends = frame["ended_by"].replace("", NOT_ENDED)
    kinds = sorted(set(ends))
    replies = [c for c in frame.columns if c.startswith("replies_")]
    rows, flat = [], []
    for system in context.data.systems:
        own = frame["system"] == system.id
        n = int(own.sum())
        found = {kind: int((ends[own] == kind).sum()) for kind in kinds}
        kept = {name: int(frame.loc[own, name].sum()) for name in replies}
        cells = [f"{count(k)} ({percent(k, n, 1)} %)" for k in found.values()]
        rows.append(Row((system.label, count(n), *cells, *(count(k) for k in kept.values()))))
        flat.append({"system": system.id, "planned": n, **found, **kept})
    return Table(
        "conversations-ended",
        "How the conversations ended, and what became of the replies, by system",
        context.n_text("conversation", len(frame)),
        "descriptive",
        (
            Column("System", False),
            Column("Planned"),
            *(Column("Not ended" if kind == NOT_ENDED else f"Ended by: {kind}") for kind in kinds),
            *(Column(name.replace("replies_", "Replies ").replace("_", " ")) for name in replies),
        ),
        one_group(rows),
        pd.DataFrame(flat),
    )
