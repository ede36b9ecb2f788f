"""The raters whom the plan leaves out, and the primary contrast with and without them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import no_pair
from analysis.chapters.exclusions import ExclusionChapter, Rule, exclusion_chapter
from analysis.chapters.families import PRIMARY
from analysis.report.blocks import (
    Block,
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Table,
    one_group,
    tidy,
)
from analysis.report.numbers import level_text, n_text, number
from analysis.report.result_rows import (
    RESULT_COLUMNS,
    result_row,
    signed_rank_note,
    with_adjusted,
)
from analysis.results import Estimate

MOST_RATERS_NAMED = 20


def exclusion_blocks(context: ReportContext) -> list[Block]:
    """Who falls under each declared rule, and both results; nothing without declared rules."""
    chapter = exclusion_chapter(context)
    if chapter is None:
        return []
    blocks: list[Block] = [_rule_table(context, chapter)]
    if chapter.pair is None:
        text = (
            f"The primary contrast without these raters is undefined, because {no_pair(context)}."
        )
        blocks.append(Paragraph(text))
    else:
        blocks.append(_with_and_without(context, chapter))
    return [*blocks, *_subgroups(context, chapter), *_agreement(context, chapter)]


def _columns(context: ReportContext) -> tuple[Column, ...]:
    return (*RESULT_COLUMNS, *((Column("p, adjusted"),) if context.data.plan.families else ()))


def _family_note(context: ReportContext) -> str:
    if not context.data.plan.families:
        return "These p values are not adjusted."
    return (
        "The column p is not adjusted; p, adjusted is within the declared families, among the tests of "
        "the same sample."
    )


def _rule_label(rule: Rule) -> str:
    if rule.limit is None:
        return "An answer is missing"
    if rule.key == "minimum_seconds":
        return f"Median time per response below {number(rule.limit, 1)} seconds"
    if rule.key == "longest_run":
        return f"More than {rule.limit} equal answers in a row"
    return f"More than {rule.limit} failed attention checks"


def _rule_table(context: ReportContext, chapter: ExclusionChapter) -> Table:
    ids = np.asarray(context.shaped.rater_ids, dtype=object)
    rows, flat, notes = [], [], []
    for rule in chapter.rules:
        rows.append(_rule_row(_rule_label(rule), ids[rule.falls].tolist()))
        if rule.unknown:
            notes.append(f"{rule.unknown} raters have no recorded time and stay in.")
        flat += [
            {"rule": rule.key, "rater": str(name), "left_out": bool(falls)}
            for name, falls in zip(ids, rule.falls, strict=True)
        ]
    rows.append(_rule_row("Any of these", ids[chapter.left_out].tolist(), strong=True))
    return Table(
        "exclusions",
        "Raters who fall under the exclusions of the plan",
        n_text("rater", len(ids)),
        context.declared,
        (Column("Rule", False), Column("Raters"), Column("Who", False)),
        one_group(rows),
        pd.DataFrame(flat, columns=["rule", "rater", "left_out"]),
        tuple(notes),
    )


def _rule_row(label: str, names: list[str], *, strong: bool = False) -> Row:
    shown = ", ".join(names[:MOST_RATERS_NAMED]) or "nobody"
    if len(names) > MOST_RATERS_NAMED:
        shown += f" and {len(names) - MOST_RATERS_NAMED} more, in the CSV file"
    return Row((label, str(len(names)), shown), strong=strong)


def _with_and_without(context: ReportContext, chapter: ExclusionChapter) -> Table:
    notes, groups, flat, pair = Footnotes(), [], [], chapter.pair
    signed_rank: list[Estimate] = []
    for sample in chapter.samples:
        result, declared = sample.contrast, sample.declared
        if result is None or declared is None:
            continue
        test = declared.test
        name = "Wilcoxon signed-rank (Pratt), V" if test is result.wilcoxon else declared.name
        if test is result.wilcoxon:
            signed_rank.append(test)
        kinds = [(name, test), ("d_z", result.d_z)]
        if declared.equivalence is not None:
            kinds.append(("Equivalence (TOST)", declared.equivalence))
        rows = tuple(
            with_adjusted(
                context,
                result_row(what, e, notes, strong=e is test),
                sample.adjusted.get(PRIMARY) if e is test else None,
            )
            for what, e in kinds
        )
        groups.append(RowGroup(f"{sample.label} (n = {sample.n_raters})", rows))
        flat += [({"sample": sample.key}, e) for _, e in kinds]
    minus = "" if pair is None else f"{pair.system.label} minus {pair.against.label}"
    return Table(
        "exclusions-contrast",
        f"Primary contrast with and without the raters left out, {minus}, intervals at "
        f"{level_text(context.level)} (equivalence: 1 − 2α)",
        "rater, n in the table",
        context.declared,
        _columns(context),
        tuple(groups),
        tidy(flat),
        (
            "The other sections hold all raters.",
            _family_note(context),
            *signed_rank_note(signed_rank),
            *notes.notes(),
        ),
    )


def _subgroups(context: ReportContext, chapter: ExclusionChapter) -> list[Block]:
    """The declared subgroup tests with and without the raters; nothing without any."""
    notes, flat = Footnotes(), []
    rows: dict[str, list[Row]] = {}
    for place, found in enumerate(chapter.samples[0].splits):
        split = found.split
        for sample in chapter.samples:
            for c in sample.splits[place].compared:
                test = c.result.planned_test
                row = with_adjusted(
                    context, result_row(sample.label, test, notes), sample.adjusted.get(c.key)
                )
                name = f"{split.planned.capitalize()} t test by {split.key}. {c.name}"
                rows.setdefault(name, []).append(row)
                keys = {"sample": sample.key, "by": split.key, "system": c.system}
                flat.append(({**keys, "first": c.names[0], "second": c.names[1]}, test))
    groups = tuple(RowGroup(name, tuple(found)) for name, found in rows.items())
    if not groups:
        return []
    return [
        Table(
            "exclusions-subgroups",
            "Declared subgroup tests with and without the raters left out, intervals at "
            f"{level_text(context.level)}",
            "rater, n in the table",
            context.declared,
            _columns(context),
            groups,
            tidy(flat),
            (_family_note(context), *notes.notes()),
        )
    ]


def _agreement(context: ReportContext, chapter: ExclusionChapter) -> list[Block]:
    """Agreement over all items of each scale with and without the raters, by group."""
    notes, groups, flat = Footnotes(), [], []
    for place, (points, _) in enumerate(context.scales):
        several = f", {points[0][0]} to {points[-1][0]}" if len(context.scales) > 1 else ""
        for group, group_label, _ in context.samples:
            rows = []
            for sample in chapter.samples:
                found = sample.agreement.get((place, group))
                if found is None:
                    continue
                cells = (notes.with_interval(r) for r in found.coefficients)
                rows.append(Row((sample.label, str(found.n_raters), *cells)))
                keys = {"sample": sample.key, "group": group, "scale": str(place + 1)}
                flat += [(keys, r) for r in found.coefficients]
            if rows:
                groups.append(RowGroup(f"{group_label}{several}", tuple(rows)))
    if not groups:
        return []
    return [
        Table(
            "exclusions-agreement",
            "Agreement over all items with and without the raters left out, intervals at "
            f"{level_text(context.level)} by response",
            "response and item",
            "exploratory",
            (
                Column("Sample", False),
                Column("Raters"),
                Column("Share of agreeing pairs"),
                Column("Fleiss’ κ"),
                Column("Gwet’s AC2, quadratic"),
                Column("Krippendorff’s α, ordinal"),
            ),
            tuple(groups),
            tidy(flat),
            notes.notes(),
        )
    ]
