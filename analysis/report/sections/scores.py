"""Scores that the instruments declare, such as SUS from 0 to 100: by system, and contrasted."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.scores import ScoreChapter, score_chapter
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
from analysis.report.numbers import count, level_text, n_text, number
from analysis.report.result_rows import RESULT_COLUMNS, result_row, signed_rank_note
from analysis.results import Estimate


def scores_section(context: ReportContext) -> Section:
    """How each score is made, its means by system, and the paired contrast of the systems."""
    heading, chapter = "Scores of the instruments", score_chapter(context)
    if not chapter.scores:
        return Section("scores", heading)
    blocks: list[Block] = [Paragraph(_how(context)), _rule_table(context, chapter)]
    blocks += [_means_table(context, chapter), _contrast_table(context, chapter)]
    return Section("scores", heading, tuple(blocks))


def _how(context: ReportContext) -> str:
    several = len(context.shaped.prompt_ids) > 1
    over = " and averaged over the prompts, so that each rater counts once" if several else ""
    return (
        "A score is made from the answers to one response, unfavourable items turned round"
        f"{over}. A questionnaire with a gap has no score. A contrast of a score that adds the same "
        "items as the total has the t and p of the total."
    )


def _rule_table(context: ReportContext, chapter: ScoreChapter) -> Table:
    labels = {item.id: item.label for item in context.data.items}
    rows, flat = [], []
    for s in chapter.scores:
        low, high = s.rule.possible
        stretched = "" if s.score.range is None else ", stretched to the range"
        words = f"{s.score.combine.capitalize()} of {len(s.score.items)} items{stretched}"
        items = ", ".join(labels[i] for i in s.score.items)
        rows.append(Row((s.score.label, words, f"{number(low, 0)} to {number(high, 0)}", items)))
        flat += [
            {"score": s.score.id, "instrument": s.score.instrument, "combine": s.score.combine,
             "lowest": low, "highest": high, "item": item}
            for item in s.score.items
        ]  # fmt: skip
    return Table(
        "score-rules",
        "How the scores are made",
        n_text("score", len(chapter.scores)),
        "descriptive",
        (Column("Score", False), Column("Rule", False), Column("Range", False), Column("Items", False)),
        (RowGroup("", tuple(rows)),),
        pd.DataFrame(flat),
    )  # fmt: skip


def _means_table(context: ReportContext, chapter: ScoreChapter) -> Table:
    notes, groups = Footnotes(), []
    flat: list[tuple[dict[str, str], Estimate]] = []
    for result in chapter.scores:
        for sample in result.samples:
            rows = []
            for of in sample.systems:
                f, ends = of.summary, "–"
                if f.lowest.estimate is not None and f.highest.estimate is not None:
                    ends = f"{number(f.lowest.estimate, 1)} to {number(f.highest.estimate, 1)}"
                cells = (
                    str(f.n), notes.with_interval(f.mean), notes.estimate(f.sd),
                    notes.with_interval(f.median, 1), ends, count(of.questionnaires),
                    count(of.without_score),
                )  # fmt: skip
                rows.append(Row((of.system.label, *cells)))
                keys = {"score": result.score.id, "group": sample.key, "system": of.system.id}
                flat += [(keys, e) for e in f.estimates]
            groups.append(RowGroup(f"{result.score.label}: {sample.label}", tuple(rows)))
    return Table(
        "scores",
        f"Scores by system, intervals at {level_text(context.level)}",
        "rater, n in the table",
        "descriptive",
        (
            Column("System", False),
            Column("n"),
            Column("Mean (t)"),
            Column("SD"),
            Column("Median (order statistics)"),
            Column("Lowest to highest"),
            Column("Questionnaires"),
            Column("Without score"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _contrast_table(context: ReportContext, chapter: ScoreChapter) -> Block:
    pair, notes, groups = chapter.pair, Footnotes(), []
    if pair is None:
        return Paragraph(
            "The contrast of the scores is undefined, because the plan names a system without data."
        )
    flat: list[tuple[dict[str, str], Estimate]] = []
    signed_rank: list[Estimate] = []
    for s in chapter.scores:
        rows = []
        for sample in s.samples:
            if sample.contrast is None:
                continue
            signed_rank.append(sample.contrast.wilcoxon)
            kinds = (
                ("paired t test", sample.contrast.t_test),
                ("Wilcoxon signed-rank (Pratt), V", sample.contrast.wilcoxon),
                ("d_z", sample.contrast.d_z),
            )
            rows += [result_row(f"{sample.label}: {what}", e, notes) for what, e in kinds]
            flat += [({"score": s.score.id, "group": sample.key}, e) for _, e in kinds]
        groups.append(RowGroup(s.score.label, tuple(rows)))
    return Table(
        "scores-contrast",
        f"Scores, {pair.system.label} minus {pair.against.label}, paired by rater, intervals at "
        f"{level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        RESULT_COLUMNS,
        tuple(groups),
        tidy(flat),
        (*signed_rank_note(signed_rank), *notes.notes()),
    )
