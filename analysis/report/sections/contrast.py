"""The primary contrast of two systems, paired by rater, and what stands around it."""

from __future__ import annotations

from functools import partial

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import ContrastChapter, Pair, contrast_chapter, no_pair
from analysis.chapters.declared import SPEAKS_TO, DeclaredContrast
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
from analysis.report.numbers import (
    counted,
    interval_text,
    level_text,
    n_text,
    number,
    p_phrase,
    phrase,
)
from analysis.report.result_rows import (
    RESULT_COLUMNS,
    TEST_COLUMNS,
    degrees_text,
    mean_cells,
    p_cell,
    result_row,
    signed_rank_note,
    without_interval,
)
from analysis.results import Estimate

MOST_RATERS_WITH_LINES = 400


def contrast_section(context: ReportContext) -> Section:
    """Paired t and Wilcoxon with effect sizes; items, groups and other pairs as exploratory."""
    chapter, heading = contrast_chapter(context), "Primary contrast of the systems"
    if chapter is None:
        text = f"The primary contrast is undefined, because {no_pair(context)}."
        return Section("contrast", heading, (Paragraph(text),))
    blocks: list[Block] = [
        Paragraph(_sentence(context, chapter) + _direction(context)),
        *_beside_model(context, chapter),
        *_equivalence_text(context, chapter),
        _pair_summary(context, chapter),
        _contrast_table(context, chapter),
        *_slopes(context, chapter),
        *_item_blocks(context, chapter),
    ]
    if chapter.groups:
        blocks.append(_by_group_table(context, chapter))
    if chapter.pairs:
        blocks.append(_all_pairs_table(context, chapter))
    return Section("contrast", heading, tuple(blocks))


def _minus(pair: Pair) -> str:
    return f"{pair.system.label} minus {pair.against.label}"


def _direction(context: ReportContext) -> str:
    """Before unblinding: why the difference is not in the direction of the plan."""
    if context.data.unblinded:
        return ""
    return (
        " The difference goes in the order of the blind codes; the direction that the plan declares "
        "is put in when the study is unblinded."
    )


def _sentence(context: ReportContext, chapter: ContrastChapter) -> str:
    """What the plan declares, first of all, with whom it speaks to."""
    head = _minus(chapter.pair)
    status = (
        "declared in the locked plan" if context.locked else "exploratory: the plan is not locked"
    )
    declared = chapter.declared
    if declared.model is not None:
        return f"{head} ({status}): {_model_words(context, declared)}."
    paired = _paired_sentence(chapter, head, status)
    if declared.fallback:
        paired = (
            f"The plan declares a model that does not exist here ({declared.fallback}). {paired}"
        )
    return f"{paired} It speaks to {declared.population}, not to other responses of the systems."


def _model_words(context: ReportContext, declared: DeclaredContrast) -> str:
    test, model, about = declared.test, declared.model, declared.coefficient
    if model is None or about is None:
        return ""
    item = context.data.plan.contrast.on
    label = next((i.label for i in context.data.items if i.id == item), "totals")
    odds = test.statistic == "cumulative_log_odds_ratio"
    effect = f"log odds ratio of a higher answer ({label})" if odds else f"difference of {label}"
    shown = phrase(test, effect).rsplit(", p", 1)[0]
    ratio = f", odds ratio {number(about.odds_ratio)}" if about.odds_ratio is not None else ""
    t, df = number(about.t_value or about.z_value or 0.0), about.df
    statistic = f"z = {t}" if df is None else f"t({degrees_text(df)}) = {t}"
    return (
        f"{shown}{ratio}, {statistic}, {p_phrase(test.p_value or 0.0)}, for {declared.population} "
        f"({declared.name.lower()}, {test.ci_method}; {counted(model.n_raters, 'rater')}, "
        f"{counted(model.n_prompts, 'prompt')}, n = {model.n}, {model.n_missing} left out)"
    )


def _beside_model(context: ReportContext, chapter: ContrastChapter) -> list[Block]:
    """The paired test beside a declared model, and what a failed check of the model changes."""
    if not chapter.declared.by_model:
        return []
    published = context.data.plan.contrast.published
    whose = (
        "The paired test of raters' totals" if published is None else f"{published}, paired test"
    )
    told = _paired_sentence(chapter, f"{whose} stands beside it", "exploratory")
    population = SPEAKS_TO["these-responses"]
    blocks: list[Block] = [
        Paragraph(f"{told} It speaks to {population}: prompts and responses are given in it.")
    ]
    if chapter.declared.changed:
        blocks.append(Paragraph(chapter.declared.changed))
    return blocks


def _paired_sentence(chapter: ContrastChapter, head: str, status: str) -> str:
    result = chapter.primary
    wilcoxon = chapter.planned == "wilcoxon"
    test: Estimate = result.wilcoxon if wilcoxon else result.t_test
    if test.estimate is None or test.p_value is None:
        why = test.undefined_because.rstrip(".")
        return f"{head} ({status}): the test is undefined, because {why}."
    n = f"{test.n} raters with both totals, {test.n_missing} left out"
    effect = phrase(result.d_z, "d_z")
    if wilcoxon:
        told = result.wilcoxon.details
        return (
            f"{head} ({status}; {n}): Wilcoxon signed-rank test V = {number(test.estimate, 1)}, "
            f"z = {number(told.z)}, {p_phrase(test.p_value)} ({told.p_value_method}); "
            f"{phrase(result.rank_biserial, 'rank-biserial correlation')}; {effect}."
        )
    t, df = number(result.t_test.details.t), degrees_text(result.t_test.details.df)
    difference = phrase(test, "mean difference of totals").rsplit(", p", 1)[0]
    return (
        f"{head} ({status}; {n}): {difference}, t({df}) = {t}, {p_phrase(test.p_value)}; {effect}."
    )


def _equivalence_text(context: ReportContext, chapter: ContrastChapter) -> list[Block]:
    """What the two one-sided tests say, when the plan has bounds."""
    bounds, test = context.data.plan.equivalence, chapter.declared.equivalence
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
    if chapter.declared.by_model and test is chapter.primary.equivalence:
        head += f" of raters' paired totals, for {SPEAKS_TO['these-responses']}"
    if test.estimate is None or test.p_value is None:
        return [Paragraph(f"{head}: undefined, because {test.undefined_because.rstrip('.')}.")]
    shown = "shown" if test.details.equivalent == "yes" else "not shown"
    interval = f"{level_text(test.ci_level)} CI {interval_text(test)}"
    return [
        Paragraph(
            f"{head}: {shown}, {interval}, {p_phrase(test.p_value)} (the larger of the two). "
            "Equivalence that is not shown is no evidence of a difference."
        )
    ]


def _pair_summary(context: ReportContext, chapter: ContrastChapter) -> Table:
    notes, groups = Footnotes(), chapter.primary.groups
    nobody, rows = "no rater has both totals", []
    for s in groups:
        gone = s.mean is None
        cells = (notes.undefined(nobody),) * 3 if gone else mean_cells(s, notes, nobody)
        rows.append(Row((s.name, str(s.n), *cells)))
    return Table(
        "primary-totals",
        "Totals of the raters who have one for both systems",
        n_text("rater", groups[0].n),
        "descriptive",
        (Column("System", False), Column("n"), Column("Mean"), Column("SD"), Column("Median")),
        one_group(rows),
        pd.DataFrame([vars(s) for s in groups]),
        (f"{groups[0].n_missing} raters without both totals are left out.", *notes.notes()),
    )


def _contrast_table(context: ReportContext, chapter: ContrastChapter) -> Table:
    notes, result, pair = Footnotes(), chapter.primary, chapter.pair
    names = {"system": pair.system.id, "against": pair.against.id}
    mark = " – declared" if context.locked else " – planned"
    declared, tost = chapter.declared, chapter.declared.equivalence
    equivalence = () if tost is None else ((_bounds_label(context), tost, True),)
    first = (f"{declared.name} ({declared.population})", declared.test, True)
    kinds: tuple[tuple[str, Estimate, bool], ...] = (
        *((first,) if declared.by_model else ()),
        (
            "Paired t test, difference of totals (these texts, other raters)",
            result.t_test,
            declared.test is result.t_test,
        ),
        (
            "Wilcoxon signed-rank (Pratt), V (these texts, other raters)",
            result.wilcoxon,
            declared.test is result.wilcoxon,
        ),
        *equivalence,
        ("d_z (difference / SD of differences)", result.d_z, False),
        ("d_z, corrected for small samples (Hedges)", result.hedges_d_z, False),
        ("d_av (difference / average SD)", result.d_av, False),
        ("Rank-biserial correlation", result.rank_biserial, False),
    )
    rows, flat = [], []
    for name, estimate, counts in kinds:
        label = name + (mark if counts else " – exploratory")
        rows.append(result_row(label, estimate, notes, strong=counts))
        flat.append(({**names, "declared": counts}, estimate))
    checks = tuple(f"{a.name[0].upper()}{a.name[1:]}: {a.evidence}." for a in result.assumptions)
    effects = [(name, e) for name, e, _ in kinds if e is not result.wilcoxon]
    return Table(
        "primary-contrast",
        f"{_minus(pair)}, paired by rater, intervals at {level_text(context.level)}",
        n_text("rater", result.t_test.n),
        context.declared,
        (Column("Test or effect size", False), *TEST_COLUMNS, Column("Left out")),
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


def _slopes(context: ReportContext, chapter: ContrastChapter) -> list[Figure]:
    totals, pair = chapter.totals, chapter.pair
    raters = int(totals.system.size)
    if raters < 2:
        return []
    drawn = min(raters, MOST_RATERS_WITH_LINES)
    few = f"; the first {drawn} raters are drawn" if drawn < raters else ""
    labels = (pair.against.label, pair.system.label)
    return [
        Figure(
            "slopes",
            f"Total of each rater for both systems; solid lines rise, dashed lines fall or stay, "
            f"the thick line joins the means{few}",
            n_text("rater", raters),
            "descriptive",
            f"One line for each of {raters} raters: {totals.higher} gave {labels[1]} the higher "
            f"total, {totals.lower} gave {labels[0]} the higher one, "
            f"{raters - totals.higher - totals.lower} the same.",
            partial(draw_slopes, totals.against, totals.system, labels, drawn),
        )
    ]


def _item_blocks(context: ReportContext, chapter: ContrastChapter) -> list[Block]:
    notes, rows, flat = Footnotes(), [], []
    for item in chapter.items:
        t, d = item.contrast.t_test, item.contrast.d_z
        cells = (
            notes.with_interval(t), notes.p_value(t), p_cell(item.p_holm), notes.with_interval(d),
            str(t.n),
        )  # fmt: skip
        rows.append(Row((item.label, *cells)))
        flat += [({"item": item.key}, t), ({"item": item.key}, d)]
    minus = _minus(chapter.pair)
    table = Table(
        "contrast-by-item",
        f"{minus} per item, mean of each rater over prompts, intervals at "
        f"{level_text(context.level)}",
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
    by_model = chapter.declared.by_model
    total = "Total (these texts)" if by_model else "Total (primary)"
    lines = [_forest_row(total, chapter.primary.d_z, strong=context.locked and not by_model)]
    lines += [_forest_row(item.label, item.contrast.d_z) for item in chapter.items]
    words = "; ".join(f"{line.label}: {_forest_words(line)}" for line in lines)
    figure = Figure(
        "forest",
        f"Paired effect d_z of {minus} with intervals at {level_text(context.level)}; "
        + (
            "all are exploratory beside the declared model"
            if by_model
            else "the filled square is the declared contrast, circles are exploratory"
        ),
        "rater, n in the tables",
        "exploratory",
        f"Forest of effects. {words}.",
        partial(
            draw_forest, lines, f"d_z: right of 0, {chapter.pair.system.label} is rated higher"
        ),
    )
    return [table, figure]


def _forest_row(label: str, result: Estimate, *, strong: bool = False) -> ForestRow:
    return ForestRow(label, result.estimate, result.ci_low, result.ci_high, strong)


def _forest_words(line: ForestRow) -> str:
    if line.estimate is None:
        return "undefined"
    if line.low is None or line.high is None:
        return number(line.estimate)
    return f"{number(line.estimate)} [{number(line.low)}, {number(line.high)}]"


def _by_group_table(context: ReportContext, chapter: ContrastChapter) -> Table:
    notes, rows, flat = Footnotes(), [], []
    for group in chapter.groups:
        tests = (("paired t test", group.contrast.t_test), ("d_z", group.contrast.d_z))
        rows += [result_row(f"{group.label}: {name}", e, notes) for name, e in tests]
        flat += [({"group": group.key}, e) for _, e in tests]
    return Table(
        "contrast-by-group",
        f"{_minus(chapter.pair)} within each group of raters, intervals at "
        f"{level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        RESULT_COLUMNS,
        one_group(rows),
        tidy(flat),
        notes.notes(),
    )


def _all_pairs_table(context: ReportContext, chapter: ContrastChapter) -> Table:
    notes, groups, flat = Footnotes(), [], []
    for found in chapter.pairs:
        t, d = found.contrast.t_test, found.contrast.d_z
        rows = (
            Row((*result_row("Paired t test", t, notes).cells, p_cell(found.p_holm))),
            Row((*result_row("d_z", d, notes).cells, "–")),
        )
        keys = {"system": found.pair.system.id, "against": found.pair.against.id}
        flat += [(keys, t), (keys, d)]
        groups.append(RowGroup(_minus(found.pair), rows))
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
