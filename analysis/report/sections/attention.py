"""Attention checks: who failed how many of them. Their answers are no study data."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.chapters.attention import attention_chapter, failed
from analysis.chapters.context import ReportContext
from analysis.report.blocks import Block, Column, Footnotes, Paragraph, Row, Table, one_group, tidy
from analysis.report.numbers import level_text, n_text
from analysis.results import Estimate

MOST_RATERS_SHOWN = 60


def attention_blocks(context: ReportContext) -> list[Block]:
    """What the checks found; nothing without checks in the protocol."""
    if context.data.attention is None:
        return []
    shares = attention_chapter(context)
    if not shares:
        return [Paragraph("The protocol has attention checks, and nobody has answered one yet.")]
    failing = {rater: share for rater, share in shares.items() if failed(share)}
    text = (
        f"{len(context.data.attention.expected)} attention checks stand between the responses; each "
        f"says which point to choose. {len(failing)} of {len(shares)} raters who answered any failed "
        "at least one. The checks are in none of the other tables."
    )
    return [Paragraph(text), *([_table(context, shares, failing)] if failing else [])]


def _table(
    context: ReportContext, shares: Mapping[str, Estimate], failing: Mapping[str, Estimate]
) -> Table:
    notes = Footnotes()
    ranked = sorted(failing.items(), key=lambda pair: (-failed(pair[1]), pair[0]))
    rows = [
        Row((rater, str(share.n), str(failed(share)), notes.with_interval(share, 2)))
        for rater, share in ranked[:MOST_RATERS_SHOWN]
    ]
    left = len(ranked) - len(rows)
    further = (f"{left} further raters are in the CSV file only.",) if left > 0 else ()
    flat: pd.DataFrame = tidy([({"rater": rater}, share) for rater, share in shares.items()])
    return Table(
        "attention-checks",
        f"Raters who failed an attention check, Wilson intervals at {level_text(context.level)}",
        n_text("rater", len(shares)),
        "descriptive",
        (
            Column("Rater", False),
            Column("Checks answered"),
            Column("Failed"),
            Column("Share failed and interval"),
        ),
        one_group(rows),
        flat,
        (*further, *notes.notes()),
    )
