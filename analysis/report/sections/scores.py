"""Scores that the instruments declare, such as SUS from 0 to 100: by system, and contrasted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import FloatArray
from analysis.contrasts.paired import paired_contrast
from analysis.description.numbers import number_summary
from analysis.reliability.scores import ScoreRule, instrument_score
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
from analysis.report.numbers import count, level_text, number
from analysis.report.sections.contrast import (
    RESULT_COLUMNS,
    primary_pair,
    result_row,
    signed_rank_note,
)
from analysis.report_data import ReportScore
from analysis.results import Estimate


@dataclass(frozen=True)
class _Scored:
    """One score of every questionnaire, shape (raters, systems, prompts), and of every rater."""

    score: ReportScore
    rule: ScoreRule
    questionnaires: FloatArray
    raters: FloatArray


def scores_section(context: ReportContext) -> Section:
    """How each score is made, its means by system, and the paired contrast of the systems."""
    heading = "Scores of the instruments"
    scored = [_scored(context, score) for score in context.data.scores]
    if not scored:
        return Section("scores", heading)
    blocks: list[Block] = [Paragraph(_how(scored)), _rule_table(context, scored)]
    blocks += [_means_table(context, scored), _contrast_table(context, scored)]
    return Section("scores", heading, tuple(blocks))


def _scored(context: ReportContext, score: ReportScore) -> _Scored:
    place = {item.id: i for i, item in enumerate(context.data.items)}
    chosen = [place[item] for item in score.items]
    points = [context.data.items[i].points for i in chosen]
    rule = ScoreRule(
        score.combine,
        tuple(float(p[0][0]) for p in points),
        tuple(float(p[-1][0]) for p in points),
        score.range,
    )
    made = instrument_score(context.shaped.values[..., chosen], rule)
    known = ~np.isnan(made)
    n = known.sum(axis=2)
    sums = np.where(known, made, 0.0).sum(axis=2)
    means = np.divide(sums, n, out=np.full(n.shape, np.nan), where=n > 0)
    return _Scored(score, rule, made, means)


def _how(scored: list[_Scored]) -> str:
    several = scored[0].questionnaires.shape[2] > 1
    over = " and averaged over the prompts, so that each rater counts once" if several else ""
    return (
        "A score is made from the answers to one response, unfavourable items turned round"
        f"{over}. A questionnaire with a gap has no score. A contrast of a score that adds the same "
        "items as the total has the t and p of the total."
    )


def _rule_table(context: ReportContext, scored: list[_Scored]) -> Table:
    labels = {item.id: item.label for item in context.data.items}
    rows, flat = [], []
    for s in scored:
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
        context.n_text("score", len(scored)),
        "descriptive",
        (Column("Score", False), Column("Rule", False), Column("Range", False), Column("Items", False)),
        (RowGroup("", tuple(rows)),),
        pd.DataFrame(flat),
    )  # fmt: skip


def _means_table(context: ReportContext, scored: list[_Scored]) -> Table:
    notes, groups = Footnotes(), []
    flat: list[tuple[dict[str, str], Estimate]] = []
    for s in scored:
        for key, label, raters in context.samples:
            rows = []
            for place, system in enumerate(context.data.systems):
                f = number_summary(s.raters[raters, place], level=context.level, unit="rater")
                planned = context.shaped.planned[raters, place].any(axis=-1)
                gaps = int((planned & np.isnan(s.questionnaires[raters, place])).sum())
                ends = "–"
                if f.lowest.estimate is not None and f.highest.estimate is not None:
                    ends = f"{number(f.lowest.estimate, 1)} to {number(f.highest.estimate, 1)}"
                cells = (
                    str(f.n), notes.with_interval(f.mean), notes.estimate(f.sd),
                    notes.with_interval(f.median, 1), ends, count(int(planned.sum())), count(gaps),
                )  # fmt: skip
                rows.append(Row((system.label, *cells)))
                keys = {"score": s.score.id, "group": key, "system": system.id}
                flat += [(keys, e) for e in f.estimates]
            groups.append(RowGroup(f"{s.score.label}: {label}", tuple(rows)))
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


def _contrast_table(context: ReportContext, scored: list[_Scored]) -> Block:
    pair = primary_pair(context)
    if pair is None:
        return Paragraph(
            "The contrast of the scores is undefined, because the plan names a system without data."
        )
    second, first = pair
    labels, notes, groups = context.system_labels, Footnotes(), []
    flat: list[tuple[dict[str, str], Estimate]] = []
    signed_rank: list[Estimate] = []
    for s in scored:
        rows = []
        for key, label, raters in context.samples:
            result = paired_contrast(
                s.raters[raters, first], s.raters[raters, second],
                names=(labels[first], labels[second]), level=context.level, unit="rater",
            )  # fmt: skip
            signed_rank.append(result.wilcoxon)
            kinds = (
                ("paired t test", result.t_test),
                ("Wilcoxon signed-rank (Pratt), V", result.wilcoxon),
                ("d_z", result.d_z),
            )
            rows += [result_row(f"{label}: {what}", e, notes) for what, e in kinds]
            flat += [({"score": s.score.id, "group": key}, e) for _, e in kinds]
        groups.append(RowGroup(s.score.label, tuple(rows)))
    return Table(
        "scores-contrast",
        f"Scores, {labels[second]} minus {labels[first]}, paired by rater, intervals at "
        f"{level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        RESULT_COLUMNS,
        tuple(groups),
        tidy(flat),
        (*signed_rank_note(signed_rank), *notes.notes()),
    )
