"""Totals compared between subgroups of raters, within each system."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.chapters.context import ReportContext, Standing
from analysis.chapters.families import FamilyTest
from analysis.chapters.subgroups import Compared, ComparedSplit, Split, subgroup_chapter
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
from analysis.report.numbers import level_text, number, p_phrase, phrase
from analysis.report.result_rows import (
    TEST_COLUMNS,
    degrees_text,
    mean_cells,
    rank_sum_note,
    test_row,
    with_adjusted,
    without_interval,
)
from analysis.report.sections.families import family_blocks


def subgroup_section(context: ReportContext) -> Section:
    """Student and Welch side by side, with the declared one marked, and rank tests."""
    blocks: list[Block] = [Paragraph(_how_to_read(context))]
    chapter = subgroup_chapter(context)
    for found in chapter.splits:
        if not found.compared:
            blocks.append(Paragraph(_too_few_text(found.split)))
            continue
        blocks.append(_summary_table(context, found))
        if found.split.declared:
            blocks += [Paragraph(_declared_text(c, found.split)) for c in found.compared]
        blocks.append(_test_table(context, found, chapter.adjusted))
    blocks += family_blocks(context, chapter.adjusted)
    return Section("subgroups", "Totals by subgroup of raters", tuple(blocks))


def _how_to_read(context: ReportContext) -> str:
    if context.data.plan.subgroups:
        return (
            "Each rater counts once per system, with the total over all items and prompts. The t "
            "test that the plan declares is marked; the other one stands beside it so that nobody "
            "needs to choose after the fact. Differences are the first subgroup minus the second."
        )
    return "The plan declares no subgroups."


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
    t, df = test.details.t, test.details.df
    return (
        f"{head}: {phrase(test, 'difference').rsplit(', p', 1)[0]}, {name}: t({degrees_text(df)}) = "
        f"{number(t)}, {p_phrase(test.p_value)}; {phrase(compared.result.hedges_g, 'Hedges’ g')}."
    )


def _summary_table(context: ReportContext, found: ComparedSplit) -> Table:
    notes, groups, flat = Footnotes(), [], []
    for system in context.data.systems:
        own = [c for c in found.compared if c.system == system.id]
        rows = []
        for s in {s.name: s for c in own for s in c.result.groups}.values():
            counts = (s.name, str(s.n), str(s.n_missing))
            rows.append(Row((*counts, *mean_cells(s, notes, "no rater has a total"))))
            flat.append({"system": system.id, "by": found.split.key, **vars(s)})
        groups.append(RowGroup(system.label, tuple(rows)))
    return Table(
        f"totals-by-{found.split.key}",
        f"Totals by {_topic(found.split)}",
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
    context: ReportContext, found: ComparedSplit, adjusted: Mapping[str, FamilyTest]
) -> Table:
    split, notes = found.split, Footnotes()
    groups, flat = [], []
    standing: Standing = context.declared if split.declared else "exploratory"
    for c in found.compared:
        r = c.result
        groups.append(RowGroup(c.name, _test_rows(context, split, c, adjusted, notes)))
        keys = {"system": c.system, "by": split.key, "first": c.names[0], "second": c.names[1]}
        tests = (r.student, r.welch, r.hedges_g, r.mann_whitney, r.brunner_munzel, r.cliffs_delta)
        flat += [({**keys, "declared": e is r.planned_test and split.declared}, e) for e in tests]
    effects = [
        (f"{name} ({c.name})", e)
        for c in found.compared
        for name, e in (
            ("Hedges’ g", c.result.hedges_g),
            ("P(first > second)", c.result.brunner_munzel),
            ("Cliff’s δ", c.result.cliffs_delta),
        )
    ]
    checks = tuple(
        f"{c.system_label}, {a.name}: {a.evidence}."
        for c in found.compared
        for a in c.result.assumptions
    )
    return Table(
        f"tests-by-{split.key}",
        f"Tests of the totals by {_topic(split)}, intervals at {level_text(context.level)}",
        "rater, n in the table",
        standing,
        (
            Column("Test or effect size", False),
            *TEST_COLUMNS,
            *((Column("p, adjusted"),) if context.data.plan.families else ()),
        ),
        tuple(groups),
        tidy(flat),
        (
            "Effect sizes and rank tests are exploratory. The p values in the column p are not "
            "adjusted for the number of tests.",
            *rank_sum_note([c.result.mann_whitney for c in found.compared]),
            *without_interval(effects),
            *notes.notes(),
            *checks,
        ),
    )


def _test_rows(
    context: ReportContext,
    split: Split,
    compared: Compared,
    adjusted: Mapping[str, FamilyTest],
    notes: Footnotes,
) -> tuple[Row, ...]:
    """Both t tests, the declared one marked, then effect sizes and rank tests."""
    r, rows = compared.result, []
    for kind, test in (("student", r.student), ("welch", r.welch)):
        chosen = split.declared and kind == split.planned
        mark = (" – declared" if context.locked else " – planned") if chosen else " – exploratory"
        row = test_row(f"{kind.capitalize()} t test{mark}", test, notes, strong=chosen)
        family = adjusted.get(compared.key) if chosen else None
        rows.append(with_adjusted(context, row, family))
    effects = (
        test_row("Hedges’ g", r.hedges_g, notes),
        test_row("Mann–Whitney U", r.mann_whitney, notes, digits=1),
        test_row("P(first > second), Brunner–Munzel", r.brunner_munzel, notes),
        test_row("Cliff’s δ", r.cliffs_delta, notes),
    )
    return (*rows, *(with_adjusted(context, row, None) for row in effects))
