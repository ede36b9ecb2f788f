"""Missing answers to items that are no numbers; the section on data quality has the others."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.report.blocks import Column, Paragraph, Row, Section, Table, one_group
from analysis.report.numbers import count, n_text, percent

_HOW = (
    "The checks of data quality (runs of equal answers, drift, exclusions) are made for answers that "
    "are numbers. For the other items this report shows what is missing; times and answers of every "
    "page are in the export."
)


def missing_answers_section(context: ReportContext) -> Section:
    """Planned and missing answers per item and reason; nothing without such items."""
    heading = "Missing answers to the other items"
    frames = [context.data.choice_ratings, context.data.compared_answers]
    known = [frame[["item", "missing_reason"]] for frame in frames if len(frame)]
    if not known:
        return Section("missing-answers", heading)
    frame = pd.concat(known)
    reasons = sorted({str(r) for r in frame["missing_reason"] if r})
    rows, flat = [], []
    for item in (*context.data.choices, *context.data.compared):
        own = frame.loc[frame["item"] == item.id, "missing_reason"]
        counts = {reason: int((own == reason).sum()) for reason in reasons}
        missing = sum(counts.values())
        cells = (count(len(own)), count(missing), percent(missing, len(own)))
        rows.append(Row((item.label, *cells, *(count(k) for k in counts.values()))))
        flat.append({"item": item.id, "planned": len(own), "missing": missing, **counts})
    table = Table(
        "missing-answers",
        f"Missing answers per item{' and reason' if reasons else ''}",
        n_text("planned answer", len(frame)),
        "descriptive",
        (
            Column("Item", False),
            Column("Planned"),
            Column("Missing"),
            Column("Missing, %"),
            *(Column(reason.capitalize()) for reason in reasons),
        ),
        one_group(rows),
        pd.DataFrame(flat),
    )
    return Section("missing-answers", heading, (Paragraph(_HOW), table))
