"""The judge by itself: outcomes of its calls, comparisons, repeats and probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.chapters.context import ReportContext
from analysis.chapters.judge.calls import JudgeCallsChapter, JudgePreferences
from analysis.judge_worth.consistency import SelfAgreement
from analysis.judge_worth.outcomes import OUTCOMES, OutcomeSummary
from analysis.judge_worth.probes import ProbeEffect
from analysis.report.blocks import (
    Block,
    Column,
    Footnotes,
    Row,
    RowGroup,
    Table,
    one_group,
    tidy,
)
from analysis.report.numbers import level_text, n_text, percent
from analysis.results import Estimate
from study.report_view.data import ReportCriterion, ReportJudge


def call_blocks(
    context: ReportContext, judge: ReportJudge, chapter: JudgeCallsChapter
) -> list[Block]:
    """Everything that needs no people."""
    blocks: list[Block] = []
    if chapter.outcomes:
        blocks += _outcome_tables(context, judge, chapter.outcomes)
        blocks += _preference_tables(context, judge, chapter.preferences)
        blocks.append(_repeat_table(judge, chapter.repeats))
    if chapter.probes:
        blocks.append(_probe_table(judge, chapter.probes))
    return blocks


_ByCriterion = Mapping[tuple[str, str], Sequence[OutcomeSummary]]


def _label(judge: ReportJudge, rubric: str, criterion: str) -> str:
    found = (c.label for c in judge.criteria if (c.rubric, c.id) == (rubric, criterion))
    return f"{next(found, criterion)} ({rubric})"


def _outcome_tables(
    context: ReportContext, judge: ReportJudge, by_criterion: _ByCriterion
) -> list[Block]:
    labels = {s.id: s.label for s in context.data.systems}
    scores = [k for k, rows in by_criterion.items() if rows[0].worst.estimate is not None]
    unit = n_text("verdict", len(judge.verdicts))
    tables: list[Block] = [_rates_table(judge, labels, by_criterion, unit)]
    if scores:
        scored = {key: by_criterion[key] for key in scores}
        tables.append(_bounds_table(judge, labels, scored, unit, level_text(context.level)))
    return tables


def _rates_table(
    judge: ReportJudge, labels: Mapping[str, str], found: _ByCriterion, unit: str
) -> Table:
    groups, flat = [], []
    for (rubric, criterion), summaries in found.items():
        shown = []
        for s in summaries:
            shares = [f"{n} ({percent(n, s.n, 1)} %)" if n else "0" for _, n in s.counts]
            shown.append(Row((labels[s.system], str(s.n), *shares)))
            keys = {"rubric": rubric, "criterion": criterion, "system": s.system}
            flat += [({**keys, "outcome": o}, e) for o, e in s.shares]
        groups.append(RowGroup(_label(judge, rubric, criterion), tuple(shown)))
    return Table(
        "judge-outcomes",
        "What became of the judge’s verdicts",
        unit,
        "descriptive",
        (Column("System", False), Column("n"), *(Column(o.capitalize()) for o in OUTCOMES)),
        tuple(groups),
        tidy(flat),
        (
            "A comparison counts for every system that it shows. The table’s file has an interval for "
            "each rate, Wilson’s with prompts as clusters.",
        ),
    )


def _bounds_table(
    judge: ReportJudge, labels: Mapping[str, str], found: _ByCriterion, unit: str, level: str
) -> Table:
    notes, groups, flat = Footnotes(), [], []
    for (rubric, criterion), summaries in found.items():
        shown = []
        for s in summaries:
            three = (s.mean, s.worst, s.best)
            shown.append(Row((labels[s.system], *(notes.with_interval(e) for e in three))))
            keys = {"rubric": rubric, "criterion": criterion, "system": s.system}
            flat += [(keys, e) for e in three]
        groups.append(RowGroup(_label(judge, rubric, criterion), tuple(shown)))
    text = (
        "Nothing is imputed. Worst and best: the mean if every verdict without a score had the lowest, "
        f"or the highest, point. Intervals, {level}, take prompts as clusters: t on the logit of the "
        "mean’s place on the scale, so that they stay within it."
    )
    without = {
        e.ci_method.removeprefix("none: ")
        for _, e in flat
        if e.estimate is not None and e.ci_low is None
    }
    lacking = tuple(f"No interval where {why} (clusters: prompts)." for why in sorted(without))
    heads = ("Mean of the scored", "Worst case", "Best case")
    return Table(
        "judge-means",
        "Mean scores of the judge, and what its failures could hide",
        unit,
        "descriptive",
        (Column("System", False), *(Column(h) for h in heads)),
        tuple(groups),
        tidy(flat),
        (text, *lacking, *notes.notes()),
    )


def _preference_tables(
    context: ReportContext, judge: ReportJudge, preferences: Sequence[JudgePreferences]
) -> list[Block]:
    labels = {s.id: s.label for s in context.data.systems}
    notes, groups, flat = Footnotes(), [], []
    for of in preferences:
        criterion, strengths, orders = of.criterion, of.strengths, of.orders
        rows: list[tuple[str, Estimate]] = [
            (f"{labels[a]} − {labels[b]}, log odds", e) for a, b, e in strengths.differences
        ]
        rows += [
            ("Ties, ν", strengths.tie),
            ("First place won", orders.first_place_rate),
            ("Flips in another order", orders.flip_rate),
        ]
        name = _label(judge, criterion.rubric, criterion.id)
        title = f"{name}: {strengths.n} with a result, {strengths.n_ties} ties"
        shown = [
            Row((t, notes.with_interval(e), notes.p_value(e) if "log odds" in t else "–"))
            for t, e in rows
        ]
        groups.append(RowGroup(title, tuple(shown)))
        keys = {"rubric": criterion.rubric, "criterion": criterion.id}
        flat += [({**keys, "of": t}, e) for t, e in rows]
    if not groups:
        return []
    text = (
        "Bradley and Terry’s model with Davidson’s ties and an effect of the place; intervals, "
        f"{level_text(context.level)}, take prompts as clusters. A judge without a preference for "
        "places wins the first place as often as one over the number shown."
    )
    table = Table(
        "judge-preferences",
        "Preferences of the judge and what the order does to them",
        "comparison",
        "exploratory",
        (Column("Of", False), Column("Estimate"), Column("p")),
        tuple(groups),
        tidy(flat),
        (text, *notes.notes()),
    )
    return [table]


def _repeat_table(
    judge: ReportJudge, repeats: Sequence[tuple[ReportCriterion, SelfAgreement]]
) -> Table:
    notes, rows, flat = Footnotes(), [], []
    for c, found in repeats:
        three = (found.identical, found.alpha, found.spread)
        rows.append(Row((_label(judge, c.rubric, c.id), *(notes.with_interval(e) for e in three))))
        flat += [({"rubric": c.rubric, "criterion": c.id}, e) for e in three]
    return Table(
        "judge-repeats",
        "The judge’s agreement with itself over repeats",
        "response or comparison",
        "exploratory",
        (
            Column("Criterion", False),
            Column("Same result"),
            Column("Krippendorff’s α, ordinal"),
            Column("Standard deviation, points"),
        ),
        one_group(rows),
        tidy(flat),
        notes.notes(),
    )


def _probe_table(judge: ReportJudge, effects: Mapping[str, Sequence[ProbeEffect]]) -> Table:
    notes, groups, flat = Footnotes(), [], []
    for probe, found in effects.items():
        rows = [
            Row(
                (
                    _label(judge, e.rubric, e.criterion),
                    f"{e.n_pairs - e.n_lost} of {e.n_pairs}",
                    notes.with_interval(e.mean_change),
                    notes.with_interval(e.share_changed),
                    e.finding,
                )
            )
            for e in found
        ]
        groups.append(RowGroup(f"{probe}: expected {found[0].expected}", tuple(rows)))
        flat += [
            ({"probe": probe, "rubric": e.rubric, "criterion": e.criterion}, r)
            for e in found
            for r in (e.mean_change, e.share_changed)
        ]
    text = (
        "Changed less unchanged, in points. A judge that samples moves without a reason: read the "
        "other probes beside the one with identical texts. An interval that holds zero shows how "
        "large an effect could still be."
    )
    return Table(
        "judge-probes",
        "What moved the judge’s score",
        "pair of verdicts",
        "exploratory",
        (
            Column("Criterion", False),
            Column("Pairs"),
            Column("Mean change"),
            Column("Share changed"),
            Column("Finding", False),
        ),
        tuple(groups),
        tidy(flat),
        (text, *notes.notes()),
    )
