"""Totals compared between subgroups of raters, within each system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext, Standing
from analysis.chapters.shaping import BoolArray
from analysis.contrasts.ranks import EXACT, EXACT_WHERE
from analysis.contrasts.two_groups import GroupComparison, compare_groups
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
from analysis.report.numbers import level_text, number, p_phrase, p_text, phrase
from analysis.report.sections.contrast import degrees_text, without_interval
from analysis.report.sections.families import (
    FamilyTest,
    SubgroupResult,
    adjusted_tests,
    family_blocks,
    subgroup_key,
)
from analysis.results import Estimate


@dataclass(frozen=True)
class Split:
    """A way to part the raters: by a demographic question, or by group."""

    key: str
    question: str
    planned: str
    declared: bool
    answers: list[str]
    options: list[tuple[str, str]]


@dataclass(frozen=True)
class Compared:
    system: str
    system_label: str
    names: tuple[str, str]
    result: GroupComparison


def subgroup_section(context: ReportContext) -> Section:
    """Student and Welch side by side, with the declared one marked, and rank tests."""
    blocks: list[Block] = [Paragraph(_how_to_read(context))]
    splits = [(split, compare_split(context, split)) for split in subgroup_splits(context)]
    adjusted = adjusted_in_families(context, splits)
    for split, compared in splits:
        if not compared:
            blocks.append(Paragraph(_too_few_text(split)))
            continue
        blocks.append(_summary_table(context, split, compared))
        blocks += [Paragraph(_declared_text(c, split)) for c in compared if split.declared]
        blocks.append(_test_table(context, split, compared, adjusted))
    blocks += family_blocks(context, adjusted)
    return Section("subgroups", "Totals by subgroup of raters", tuple(blocks))


def _how_to_read(context: ReportContext) -> str:
    if context.data.plan.subgroups:
        return (
            "Each rater counts once per system, with the total over all items and prompts. The t "
            "test that the plan declares is marked; the other one stands beside it so that nobody "
            "needs to choose after the fact. Differences are the first subgroup minus the second."
        )
    return "The plan declares no subgroups."


def subgroup_splits(context: ReportContext) -> list[Split]:
    data, splits = context.data, []
    for test in data.plan.subgroups:
        asked = next((d for d in data.demographics if d.id == test.by), None)
        if asked is None and test.by != "group":
            continue
        options = data.groups if asked is None else asked.options
        answers = (
            list(context.shaped.rater_groups) if asked is None else context.rater_values(test.by)
        )
        splits.append(
            Split(
                test.by,
                "group of raters" if asked is None else asked.question,
                test.declared,
                True,
                answers,
                [(o.id, o.label) for o in options],
            )
        )
    several = len(context.shaped.groups_with_raters) > 1
    if several and all(s.key != "group" for s in splits):
        groups = [(g.id, g.label) for g in data.groups]
        by_group = [str(g) for g in context.shaped.rater_groups]
        splits.append(Split("group", "group of raters", "welch", False, by_group, groups))
    return splits


def compare_split(
    context: ReportContext, split: Split, raters: BoolArray | None = None
) -> list[Compared]:
    """Every system and every pair of answers, on the totals of these raters (all by default)."""
    given = np.asarray(split.answers, dtype=object)
    present = [(o, label) for o, label in split.options if (given == o).any()]
    kept = np.ones(len(given), dtype=bool) if raters is None else raters
    answers = given[kept]
    compared = []
    for place, system in enumerate(context.data.systems):
        totals = context.totals[kept, place] if len(given) else np.empty(0)
        for (one, one_label), (two, two_label) in combinations(present, 2):
            result = compare_groups(
                totals[answers == one],
                totals[answers == two],
                names=(one_label, two_label),
                planned=split.planned,
                level=context.level,
                unit="rater",
            )
            compared.append(Compared(system.id, system.label, (one_label, two_label), result))
    return compared


def adjusted_in_families(
    context: ReportContext,
    splits: Sequence[tuple[Split, list[Compared]]],
    raters: BoolArray | None = None,
) -> dict[str, FamilyTest]:
    """Every test of the declared families by its key, on these raters (all by default)."""
    declared = [
        SubgroupResult(split.key, c.system_label, c.system, c.names, c.result.planned_test)
        for split, compared in splits
        if split.declared
        for c in compared
    ]
    return adjusted_tests(context, declared, raters)


def _too_few_text(split: Split) -> str:
    return (
        f"Totals by {split.question.rstrip('?')} cannot be compared, because fewer than two "
        "subgroups have raters."
    )


def _declared_text(compared: Compared, split: Split) -> str:
    one, two = compared.result.groups
    test = compared.result.planned_test
    name = f"{split.planned.capitalize()} t test"
    head = f"{compared.system_label}, {one.name} (n = {one.n}) minus {two.name} (n = {two.n})"
    if test.estimate is None or test.p_value is None:
        return f"{head}: the {name} is undefined, because {test.undefined_because.rstrip('.')}."
    t, df = float(test.details["t"]), float(test.details["df"])
    return (
        f"{head}: {phrase(test, 'difference').rsplit(', p', 1)[0]}, {name}: t({degrees_text(df)}) = "
        f"{number(t)}, {p_phrase(test.p_value)}; {phrase(compared.result.hedges_g, 'Hedges’ g')}."
    )


def _summary_table(context: ReportContext, split: Split, compared: list[Compared]) -> Table:
    notes, groups, flat = Footnotes(), [], []
    for system in context.data.systems:
        found = {s.name: s for c in compared if c.system == system.id for s in c.result.groups}
        rows = []
        for summary in found.values():
            mean = (
                notes.undefined("no rater has a total")
                if summary.mean is None
                else number(summary.mean)
            )
            spread = (
                notes.undefined("a standard deviation needs two totals")
                if summary.sd is None
                else number(summary.sd)
            )
            median = "–" if summary.median is None else number(summary.median, 1)
            rows.append(
                Row((summary.name, str(summary.n), str(summary.n_missing), mean, spread, median))
            )
            flat.append({"system": system.id, "by": split.key, **vars(summary)})
        groups.append(RowGroup(system.label, tuple(rows)))
    return Table(
        f"totals-by-{split.key}",
        f"Totals by {_topic(split)}",
        "rater, n in the table",
        "descriptive",
        (
            Column("Subgroup", False),
            Column("n"),
            Column("Without total"),
            Column("Mean"),
            Column("SD"),
            Column("Median"),
        ),
        tuple(groups),
        pd.DataFrame(flat),
        notes.notes(),
    )


def _topic(split: Split) -> str:
    return "group of raters" if split.key == "group" else f"{split.key} (“{split.question}”)"


def _test_table(
    context: ReportContext,
    split: Split,
    compared: list[Compared],
    adjusted: Mapping[str, FamilyTest],
) -> Table:
    notes, groups, flat = Footnotes(), [], []
    standing: Standing = context.declared if split.declared else "exploratory"
    for c in compared:
        r = c.result
        rows = []
        for kind, test in (("student", r.student), ("welch", r.welch)):
            chosen = split.declared and kind == split.planned
            mark = (
                (" – declared" if context.locked else " – planned") if chosen else " – exploratory"
            )
            row = _t_row(f"{kind.capitalize()} t test{mark}", test, notes, chosen)
            test_key = subgroup_key(split.key, c.system, c.names)
            rows.append(with_adjusted(context, row, adjusted.get(test_key) if chosen else None))
        effects = [
            _rank_row("Hedges’ g", r.hedges_g, notes),
            _rank_row("Mann–Whitney U", r.mann_whitney, notes, digits=1),
            _rank_row("P(first > second), Brunner–Munzel", r.brunner_munzel, notes),
            _rank_row("Cliff’s δ", r.cliffs_delta, notes),
        ]
        rows += [with_adjusted(context, row, None) for row in effects]
        groups.append(RowGroup(f"{c.system_label}: {c.names[0]} minus {c.names[1]}", tuple(rows)))
        keys = {"system": c.system, "by": split.key, "first": c.names[0], "second": c.names[1]}
        found = (r.student, r.welch, r.hedges_g, r.mann_whitney, r.brunner_munzel, r.cliffs_delta)
        flat += [({**keys, "declared": e is r.planned_test and split.declared}, e) for e in found]
    unbounded = [
        (f"{name} ({c.system_label}: {c.names[0]} minus {c.names[1]})", e)
        for c in compared
        for name, e in (
            ("Hedges’ g", c.result.hedges_g),
            ("P(first > second)", c.result.brunner_munzel),
            ("Cliff’s δ", c.result.cliffs_delta),
        )
    ]
    checks = tuple(
        f"{c.system_label}, {a.name}: {a.evidence}." for c in compared for a in c.result.assumptions
    )
    return Table(
        f"tests-by-{split.key}",
        f"Tests of the totals by {_topic(split)}, intervals at {level_text(context.level)}",
        "rater, n in the table",
        standing,
        (
            Column("Test or effect size", False),
            Column("Estimate and interval"),
            Column("t or z"),
            Column("df"),
            Column("p"),
            Column("n"),
            *((Column("p, adjusted"),) if context.data.plan.families else ()),
        ),
        tuple(groups),
        tidy(flat),
        (
            "Effect sizes and rank tests are exploratory. The p values in the column p are not "
            "adjusted for the number of tests.",
            *_rank_sum_note([c.result.mann_whitney for c in compared]),
            *without_interval(unbounded),
            *notes.notes(),
            *checks,
        ),
    )


def _rank_sum_note(tests: Sequence[Estimate]) -> tuple[str, ...]:
    """Where the p values of a table's Mann-Whitney tests come from."""
    used = sorted({str(t.details["p_value_method"]) for t in tests if t.p_value is not None})
    if not used:
        return ()
    rule = f" ({EXACT} {EXACT_WHERE})" if len(used) > 1 else ""
    return (
        f"p of the Mann–Whitney test: {' or '.join(used)}{rule}. Its z has the continuity correction.",
    )


def with_adjusted(context: ReportContext, row: Row, test: FamilyTest | None) -> Row:
    """The row with its adjusted p, when the plan declares families."""
    if not context.data.plan.families:
        return row
    p = None if test is None else test.adjusted.adjusted_p_value
    return Row((*row.cells, "–" if p is None else p_text(p)), row.strong)


def _t_row(label: str, test: Estimate, notes: Footnotes, strong: bool) -> Row:
    if test.estimate is None:
        mark = notes.undefined(test.undefined_because)
        return Row((label, mark, "–", "–", "–", str(test.n)), strong)
    t, df = float(test.details["t"]), float(test.details["df"])
    return Row(
        (
            label,
            notes.with_interval(test),
            number(t),
            degrees_text(df),
            notes.p_value(test),
            str(test.n),
        ),
        strong,
    )


def _rank_row(label: str, result: Estimate, notes: Footnotes, digits: int = 2) -> Row:
    if result.estimate is None:
        mark = notes.undefined(result.undefined_because)
        return Row((label, mark, "–", "–", "–", str(result.n)))
    statistic = result.details.get("z", result.details.get("t"))
    df = result.details.get("df") if statistic is not None else None
    return Row(
        (
            label,
            notes.with_interval(result, digits),
            "–" if statistic is None else number(float(statistic)),
            "–" if df is None else degrees_text(float(df)),
            notes.p_value(result),
            str(result.n),
        )
    )
