"""The primary contrast of two systems, paired by rater, and what stands around it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray
from analysis.contrasts.effect_sizes import Summary
from analysis.contrasts.multiplicity import adjust
from analysis.contrasts.paired import PairedContrast, paired_contrast
from analysis.contrasts.signed_rank import EXACT, EXACT_BELOW
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    one_group,
    tidy,
)
from analysis.report.figures import ForestRow, draw_forest, draw_slopes
from analysis.report.numbers import interval_text, level_text, number, p_phrase, p_text, phrase
from analysis.results import Estimate
from analysis.rounding import differences

MOST_RATERS_WITH_LINES = 400


def contrast_section(context: ReportContext) -> Section:
    """Paired t and Wilcoxon with effect sizes; items, groups and other pairs as exploratory."""
    pair = primary_pair(context)
    if pair is None:
        text = f"The primary contrast is undefined, because {no_pair(context)}."
        return Section("contrast", "Primary contrast of the systems", (Paragraph(text),))
    second, first = pair
    everybody = context.samples[0][2]
    result = totals_contrast(context, first, second, everybody)
    blocks: list[Block] = [
        Paragraph(_sentence(context, first, second, result) + _direction(context)),
        *_equivalence_text(context, result),
        _pair_summary(context, result),
        _contrast_table(context, first, second, result),
        *_slopes(context, first, second),
        *_item_blocks(context, first, second, result),
    ]
    if len(context.samples) > 1:
        blocks.append(_by_group_table(context, first, second))
    if len(context.data.systems) > 2:
        blocks.append(_all_pairs_table(context))
    return Section("contrast", "Primary contrast of the systems", tuple(blocks))


def _direction(context: ReportContext) -> str:
    """Before unblinding: why the difference is not in the direction of the plan."""
    if context.data.unblinded:
        return ""
    return (
        " The difference goes in the order of the blind codes; the direction that the plan declares "
        "is put in when the study is unblinded."
    )


def primary_pair(context: ReportContext) -> tuple[int, int] | None:
    """Places of the system and of the one it is compared with; None when one has no data.

    In the declared direction once the study is unblinded, before that in the order of the codes.
    """
    plan = context.data.plan.primary
    if plan is None:
        return None
    system, against = context.system_index(plan.system), context.system_index(plan.against)
    return None if system is None or against is None else (system, against)


def no_pair(context: ReportContext) -> str:
    """Why there is no pair of systems."""
    if context.data.plan.primary is None:
        return "the plan names none"
    return "the plan names a system that has no data"


def totals_contrast(
    context: ReportContext, first: int, second: int, raters: BoolArray
) -> PairedContrast:
    """``second`` minus ``first``, on the totals of the raters, with the plan's bounds."""
    labels, totals = context.system_labels, context.totals[raters]
    return paired_contrast(
        totals[:, first],
        totals[:, second],
        names=(labels[first], labels[second]),
        bounds=context.data.equivalence_bounds,
        alpha=1.0 - context.level,
        level=context.level,
        unit="rater",
    )


def planned_test(context: ReportContext, result: PairedContrast) -> Estimate:
    """The test that the plan names."""
    return result.t_test if context.data.plan.contrast.test == "paired-t" else result.wilcoxon


def _sentence(context: ReportContext, first: int, second: int, result: PairedContrast) -> str:
    labels, test = context.system_labels, planned_test(context, result)
    head = f"{labels[second]} minus {labels[first]}"
    status = (
        "declared in the locked plan" if context.locked else "exploratory: the plan is not locked"
    )
    if test.estimate is None or test.p_value is None:
        why = test.undefined_because.rstrip(".")
        return f"{head} ({status}): the test is undefined, because {why}."
    n = f"{test.n} raters with both totals, {test.n_missing} left out"
    effect = phrase(result.d_z, "d_z")
    if context.data.plan.contrast.test == "wilcoxon":
        z = number(float(test.details["z"]))
        v = number(test.estimate, 1)
        return (
            f"{head} ({status}; {n}): Wilcoxon signed-rank test V = {v}, z = {z}, "
            f"{p_phrase(test.p_value)} ({test.details['p_value_method']}); "
            f"{phrase(result.rank_biserial, 'rank-biserial correlation')}; {effect}."
        )
    t, df = number(float(test.details["t"])), degrees_text(float(test.details["df"]))
    difference = phrase(test, "mean difference of totals").rsplit(", p", 1)[0]
    return (
        f"{head} ({status}; {n}): {difference}, t({df}) = {t}, {p_phrase(test.p_value)}; {effect}."
    )


def _equivalence_text(context: ReportContext, result: PairedContrast) -> list[Block]:
    """What the two one-sided tests say, when the plan has bounds."""
    bounds, test = context.data.plan.equivalence, result.equivalence
    if bounds is None:
        return []
    if test is None:
        return [
            Paragraph(
                f"Equivalence within {number(bounds.low)} to {number(bounds.high)} points of the "
                "total in the direction that the plan declares is tested when the study is "
                "unblinded: bounds that are not symmetric about zero would tell the systems apart."
            )
        ]
    head = (
        f"Equivalence within {number(bounds.low)} to {number(bounds.high)} points of the total "
        f"({bounds.reason.rstrip('.')}), two one-sided t tests"
    )
    if test.estimate is None or test.p_value is None:
        return [Paragraph(f"{head}: undefined, because {test.undefined_because.rstrip('.')}.")]
    shown = "shown" if test.details["equivalent"] == "yes" else "not shown"
    interval = f"{level_text(test.ci_level)} CI {interval_text(test)}"
    return [
        Paragraph(
            f"{head}: {shown}, {interval}, {p_phrase(test.p_value)} (the larger of the two). "
            "Equivalence that is not shown is no evidence of a difference."
        )
    ]


def _pair_summary(context: ReportContext, result: PairedContrast) -> Table:
    notes, rows = Footnotes(), []
    for s in result.groups:
        rows.append(Row((s.name, str(s.n), *_mean_sd(s, notes))))
    left = result.groups[0].n_missing
    return Table(
        "primary-totals",
        "Totals of the raters who have one for both systems",
        context.n_text("rater", result.groups[0].n),
        "descriptive",
        (Column("System", False), Column("n"), Column("Mean"), Column("SD"), Column("Median")),
        one_group(rows),
        pd.DataFrame([vars(s) for s in result.groups]),
        (f"{left} raters without both totals are left out.", *notes.notes()),
    )


def _mean_sd(summary: Summary, notes: Footnotes) -> tuple[str, str, str]:
    if summary.mean is None or summary.median is None:
        mark = notes.undefined("no rater has both totals")
        return mark, mark, mark
    spread = (
        notes.undefined("a standard deviation needs two totals")
        if summary.sd is None
        else number(summary.sd)
    )
    return number(summary.mean), spread, number(summary.median, 1)


def _contrast_table(
    context: ReportContext, first: int, second: int, result: PairedContrast
) -> Table:
    notes, labels, planned = Footnotes(), context.system_labels, context.data.plan.contrast.test
    names = {"system": context.data.systems[second].id, "against": context.data.systems[first].id}
    mark = " – declared" if context.locked else " – planned"
    tost = result.equivalence
    equivalence = () if tost is None else ((_bounds_label(context), tost, True),)
    kinds = (
        ("Paired t test, difference of totals", result.t_test, planned == "paired-t"),
        ("Wilcoxon signed-rank (Pratt), V", result.wilcoxon, planned == "wilcoxon"),
        *equivalence,
        ("d_z (difference / SD of differences)", result.d_z, False),
        ("d_z, corrected for small samples (Hedges)", result.hedges_d_z, False),
        ("d_av (difference / average SD)", result.d_av, False),
        ("Rank-biserial correlation", result.rank_biserial, False),
    )
    rows, flat = [], []
    for name, estimate, declared in kinds:
        label = name + (mark if declared else " – exploratory")
        rows.append(result_row(label, estimate, notes, strong=declared))
        flat.append(({**names, "declared": declared}, estimate))
    checks = tuple(f"{a.name[0].upper()}{a.name[1:]}: {a.evidence}." for a in result.assumptions)
    effects = [(name, e) for name, e, _ in kinds if e is not result.wilcoxon]
    return Table(
        "primary-contrast",
        f"{labels[second]} minus {labels[first]}, paired by rater, intervals at "
        f"{level_text(context.level)}",
        context.n_text("rater", result.t_test.n),
        context.declared,
        (
            Column("Test or effect size", False),
            Column("Estimate and interval"),
            Column("t or z"),
            Column("df"),
            Column("p"),
            Column("n"),
            Column("Left out"),
        ),
        one_group(rows),
        tidy(flat),
        (
            *checks,
            *signed_rank_note([result.wilcoxon]),
            *without_interval(effects),
            *notes.notes(),
        ),
    )


def _bounds_label(context: ReportContext) -> str:
    bounds = context.data.plan.equivalence
    if bounds is None:
        return "Equivalence (TOST)"
    level = level_text(1.0 - 2.0 * (1.0 - context.level))
    return (
        f"Equivalence within {number(bounds.low)} to {number(bounds.high)} (TOST, {level} interval)"
    )


def result_row(label: str, result: Estimate, notes: Footnotes, *, strong: bool = False) -> Row:
    """A row under `RESULT_COLUMNS`."""
    n = (str(result.n), str(result.n_missing))
    if result.estimate is None:
        return Row((label, notes.undefined(result.undefined_because), "–", "–", "–", *n), strong)
    statistic = result.details.get("t", result.details.get("z"))
    df = result.details.get("df") if "t" in result.details else None
    return Row(
        (
            label,
            notes.with_interval(result),
            "–" if statistic is None else number(float(statistic)),
            "–" if df is None else degrees_text(float(df)),
            notes.p_value(result),
            *n,
        ),
        strong,
    )


def without_interval(named: Sequence[tuple[str, Estimate]]) -> tuple[str, ...]:
    """Why an effect of a table has no interval, a note for each reason."""
    found: dict[str, list[str]] = {}
    for name, e in named:
        if e.estimate is not None and e.ci_low is None and e.ci_high is None:
            found.setdefault(e.ci_method.removeprefix("none: "), []).append(name)
    return tuple(
        f"No interval of {', '.join(dict.fromkeys(names))}, because {because}."
        for because, names in found.items()
    )


def degrees_text(df: float) -> str:
    """Degrees of freedom: whole ones without decimals, Welch's with two."""
    return number(df, 0 if df == int(df) else 2)


def signed_rank_note(tests: Sequence[Estimate]) -> tuple[str, ...]:
    """Where the p values of a table's signed-rank tests come from."""
    used = sorted({str(t.details["p_value_method"]) for t in tests if t.p_value is not None})
    if not used:
        return ()
    rule = f" (fewer than {EXACT_BELOW} pairs that differ: {EXACT})" if len(used) > 1 else ""
    return (f"p of the signed-rank test: {' or '.join(used)}{rule}.",)


def _slopes(context: ReportContext, first: int, second: int) -> list[Figure]:
    one, two = context.totals[:, first], context.totals[:, second]
    both = ~np.isnan(one) & ~np.isnan(two)
    if both.sum() < 2:
        return []
    one, two, labels = one[both], two[both], context.system_labels
    apart = differences(one, two)
    higher, lower = int((apart > 0).sum()), int((apart < 0).sum())
    drawn = min(one.size, MOST_RATERS_WITH_LINES)
    few = f"; the first {drawn} raters are drawn" if drawn < one.size else ""
    draw = partial(draw_slopes, one, two, (labels[first], labels[second]), drawn)
    return [
        Figure(
            "slopes",
            f"Total of each rater for both systems; solid lines rise, dashed lines fall or stay, "
            f"the thick line joins the means{few}",
            context.n_text("rater", int(one.size)),
            "descriptive",
            f"One line for each of {one.size} raters: {higher} gave {labels[second]} the higher "
            f"total, {lower} gave {labels[first]} the higher one, {one.size - higher - lower} the "
            "same.",
            draw,
        )
    ]


def _item_blocks(
    context: ReportContext, first: int, second: int, primary: PairedContrast
) -> list[Block]:
    means, labels, items = (
        context.shaped.rater_item_means,
        context.system_labels,
        context.data.items,
    )
    found = [
        paired_contrast(means[:, first, i], means[:, second, i], level=context.level, unit="rater")
        for i in range(len(items))
    ]
    notes, rows, flat = Footnotes(), [], []
    adjusted = _holm([c.t_test for c in found])
    for item, contrast, p_holm in zip(items, found, adjusted, strict=True):
        t, d = contrast.t_test, contrast.d_z
        cells = (notes.with_interval(t), notes.p_value(t), p_holm, notes.with_interval(d), str(t.n))
        rows.append(Row((item.label, *cells)))
        flat += [({"item": item.id}, t), ({"item": item.id}, d)]
    table = Table(
        "contrast-by-item",
        f"{labels[second]} minus {labels[first]} per item, mean of each rater over prompts, "
        f"intervals at {level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        (
            Column("Item", False),
            Column("Paired difference, points"),
            Column("p"),
            Column("p, Holm"),
            Column("d_z"),
            Column("n"),
        ),
        one_group(rows),
        tidy(flat),
        ("A rater's mean is over the prompts that were answered.", *notes.notes()),
    )
    lines = [_forest_row("Total (primary)", primary.d_z, strong=context.locked)]
    lines += [_forest_row(i.label, c.d_z) for i, c in zip(items, found, strict=True)]
    words = "; ".join(f"{line.label}: {_forest_words(line)}" for line in lines)
    figure = Figure(
        "forest",
        f"Paired effect d_z of {labels[second]} minus {labels[first]} with intervals at "
        f"{level_text(context.level)}; the filled square is the declared contrast, circles are "
        "exploratory",
        "rater, n in the tables",
        "exploratory",
        f"Forest of effects. {words}.",
        partial(draw_forest, lines, f"d_z: right of 0, {labels[second]} is rated higher"),
    )
    return [table, figure]


def _holm(tests: list[Estimate]) -> list[str]:
    """Cells with the p values adjusted for the whole list."""
    adjusted = adjust([t.p_value for t in tests], method="holm")
    return ["–" if p is None else p_text(p) for p in adjusted]


def _forest_row(label: str, result: Estimate, *, strong: bool = False) -> ForestRow:
    return ForestRow(label, result.estimate, result.ci_low, result.ci_high, strong)


def _forest_words(line: ForestRow) -> str:
    if line.estimate is None:
        return "undefined"
    if line.low is None or line.high is None:
        return number(line.estimate)
    return f"{number(line.estimate)} [{number(line.low)}, {number(line.high)}]"


def _by_group_table(context: ReportContext, first: int, second: int) -> Table:
    notes, rows, flat = Footnotes(), [], []
    for key, label, raters in context.samples[1:]:
        result = totals_contrast(context, first, second, raters)
        rows.append(result_row(f"{label}: paired t test", result.t_test, notes))
        rows.append(result_row(f"{label}: d_z", result.d_z, notes))
        flat += [({"group": key}, result.t_test), ({"group": key}, result.d_z)]
    labels = context.system_labels
    return Table(
        "contrast-by-group",
        f"{labels[second]} minus {labels[first]} within each group of raters, intervals at "
        f"{level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        RESULT_COLUMNS,
        one_group(rows),
        tidy(flat),
        notes.notes(),
    )


RESULT_COLUMNS = (
    Column("Contrast", False),
    Column("Estimate and interval"),
    Column("t or z"),
    Column("df"),
    Column("p"),
    Column("n"),
    Column("Left out"),
)


def _all_pairs_table(context: ReportContext) -> Table:
    notes, labels, everybody = Footnotes(), context.system_labels, context.samples[0][2]
    pairs = list(combinations(range(len(labels)), 2))
    found = [totals_contrast(context, b, a, everybody) for a, b in pairs]
    adjusted = _holm([c.t_test for c in found])
    groups, flat = [], []
    for (a, b), contrast, p_holm in zip(pairs, found, adjusted, strict=True):
        rows = []
        for name, result in (("Paired t test", contrast.t_test), ("d_z", contrast.d_z)):
            row = result_row(name, result, notes)
            rows.append(Row((*row.cells, p_holm if name != "d_z" else "–")))
            keys = {"system": context.data.systems[a].id, "against": context.data.systems[b].id}
            flat.append((keys, result))
        groups.append(RowGroup(f"{labels[a]} minus {labels[b]}", tuple(rows)))
    return Table(
        "contrast-all-pairs",
        f"Every pair of systems, totals paired by rater, intervals at {level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        (*RESULT_COLUMNS, Column("p, Holm")),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )
