"""The raters whom the plan leaves out, and the primary contrast with and without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.agreement.coefficients import fleiss_kappa, gwet_ac, percent_agreement
from analysis.agreement.jackknife import jackknife_agreement
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray, FloatArray
from analysis.description.quality import longest_run
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
from analysis.report.numbers import level_text, number
from analysis.report.sections.attention import failed_checks
from analysis.report.sections.contrast import (
    RESULT_COLUMNS,
    no_pair,
    planned_test,
    primary_pair,
    result_row,
    signed_rank_note,
    totals_contrast,
)
from analysis.report.sections.families import PRIMARY, FamilyTest, subgroup_key
from analysis.report.sections.subgroups import (
    adjusted_in_families,
    compare_split,
    subgroup_splits,
    with_adjusted,
)
from analysis.results import Estimate
from study.protocol.analysis_plan import Exclusions

MOST_RATERS_NAMED = 20


@dataclass(frozen=True)
class _Rule:
    key: str
    label: str
    falls: BoolArray
    unknown: int = 0


def exclusion_blocks(context: ReportContext) -> list[Block]:
    """Who falls under each declared rule, and both results; nothing without declared rules."""
    declared = context.data.plan.exclusions
    rules = [] if declared is None else _rules(context, declared)
    if not rules:
        return []
    blocks: list[Block] = [_rule_table(context, rules)]
    left_out = np.logical_or.reduce([rule.falls for rule in rules])
    adjusted = _adjusted(context, left_out)
    pair = primary_pair(context)
    if pair is None:
        text = (
            f"The primary contrast without these raters is undefined, because {no_pair(context)}."
        )
        blocks.append(Paragraph(text))
    else:
        blocks.append(_with_and_without(context, left_out, pair, adjusted))
    return [*blocks, *_subgroups(context, left_out, adjusted), *_agreement(context, left_out)]


def _adjusted(context: ReportContext, left_out: BoolArray) -> dict[str, dict[str, FamilyTest]]:
    """Sample -> the tests of the declared families, adjusted among those of the same sample."""
    found = {}
    for key, _, raters in _samples(context, left_out):
        splits = [
            (split, compare_split(context, split, raters)) for split in subgroup_splits(context)
        ]
        found[key] = adjusted_in_families(context, splits, raters)
    return found


def _columns(context: ReportContext) -> tuple[Column, ...]:
    return (*RESULT_COLUMNS, *((Column("p, adjusted"),) if context.data.plan.families else ()))


def _family_note(context: ReportContext) -> str:
    if not context.data.plan.families:
        return "These p values are not adjusted."
    return (
        "The column p is not adjusted; p, adjusted is within the declared families, among the tests of "
        "the same sample."
    )


def _rules(context: ReportContext, declared: Exclusions) -> list[_Rule]:
    shaped, rules = context.shaped, []
    if declared.minimum_seconds is not None:
        medians = _median_seconds(shaped.seconds)
        rules.append(
            _Rule(
                "minimum_seconds",
                f"Median time per response below {number(declared.minimum_seconds, 1)} seconds",
                np.asarray(medians < declared.minimum_seconds),
                int(np.isnan(medians).sum()),
            )
        )
    if declared.longest_run is not None:
        runs = _longest_runs(context)
        rules.append(
            _Rule(
                "longest_run",
                f"More than {declared.longest_run} equal answers in a row",
                np.asarray(runs > declared.longest_run),
            )
        )
    if declared.failed_attention_checks is not None:
        failed = failed_checks(context)
        most = declared.failed_attention_checks
        rules.append(
            _Rule(
                "failed_attention_checks",
                f"More than {most} failed attention checks",
                np.array([failed.get(str(rater), 0) > most for rater in shaped.rater_ids]),
            )
        )
    if declared.incomplete:
        gaps = (shaped.reason > 0).any(axis=(1, 2, 3))
        rules.append(_Rule("incomplete", "An answer is missing", np.asarray(gaps)))
    return rules


def _median_seconds(seconds: FloatArray) -> FloatArray:
    """Median over the pages of each rater; nan where no time is known."""
    found = np.full(seconds.shape[0], np.nan)
    for place, pages in enumerate(seconds):
        known = pages[~np.isnan(pages)]
        if known.size:
            found[place] = np.median(known)
    return found


def _longest_runs(context: ReportContext) -> np.ndarray:
    """Longest row of equal answers of each rater, page after page and item after item."""
    shaped, items = context.shaped, len(context.data.items)
    runs = np.zeros(len(shaped.rater_ids), dtype=int)
    for place in range(runs.size):
        order = np.argsort(shaped.position[place].ravel(), kind="stable")
        answers = shaped.values[place].reshape(-1, items)[order]
        planned = shaped.planned[place].reshape(-1, items)[order]
        runs[place] = longest_run(answers[planned])
    return runs


def _rule_table(context: ReportContext, rules: list[_Rule]) -> Table:
    ids = np.asarray(context.shaped.rater_ids, dtype=object)
    either = _Rule("any", "Any of these", np.logical_or.reduce([r.falls for r in rules]))
    rows, flat, notes = [], [], []
    for rule in (*rules, either):
        names = [str(name) for name in ids[rule.falls]]
        shown = ", ".join(names[:MOST_RATERS_NAMED]) or "nobody"
        if len(names) > MOST_RATERS_NAMED:
            shown += f" and {len(names) - MOST_RATERS_NAMED} more, in the CSV file"
        rows.append(Row((rule.label, str(len(names)), shown), strong=rule.key == "any"))
        if rule.unknown:
            notes.append(f"{rule.unknown} raters have no recorded time and stay in.")
        if rule.key != "any":
            flat += [
                {"rule": rule.key, "rater": str(name), "left_out": bool(falls)}
                for name, falls in zip(ids, rule.falls, strict=True)
            ]
    return Table(
        "exclusions",
        "Raters who fall under the exclusions of the plan",
        context.n_text("rater", len(ids)),
        context.declared,
        (Column("Rule", False), Column("Raters"), Column("Who", False)),
        one_group(rows),
        pd.DataFrame(flat, columns=["rule", "rater", "left_out"]),
        tuple(notes),
    )


def _with_and_without(
    context: ReportContext,
    left_out: BoolArray,
    pair: tuple[int, int],
    adjusted: Mapping[str, Mapping[str, FamilyTest]],
) -> Table:
    second, first = pair
    labels, notes, groups, flat = context.system_labels, Footnotes(), [], []
    name = {"paired-t": "Paired t test", "wilcoxon": "Wilcoxon signed-rank (Pratt), V"}
    signed_rank: list[Estimate] = []
    for key, label, raters in _samples(context, left_out):
        result = totals_contrast(context, first, second, raters)
        test = planned_test(context, result)
        if test is result.wilcoxon:
            signed_rank.append(test)
        kinds = [(name[context.data.plan.contrast.test], test), ("d_z", result.d_z)]
        if result.equivalence is not None:
            kinds.append(("Equivalence (TOST)", result.equivalence))
        rows = tuple(
            with_adjusted(
                context,
                result_row(what, e, notes, strong=e is test),
                adjusted[key].get(PRIMARY) if e is test else None,
            )
            for what, e in kinds
        )
        groups.append(RowGroup(f"{label} (n = {int(raters.sum())})", rows))
        flat += [({"sample": key}, e) for _, e in kinds]
    return Table(
        "exclusions-contrast",
        f"Primary contrast with and without the raters left out, {labels[second]} minus "
        f"{labels[first]}, intervals at {level_text(context.level)} (equivalence: 1 − 2α)",
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


def _samples(context: ReportContext, left_out: BoolArray) -> tuple[tuple[str, str, BoolArray], ...]:
    everybody = context.samples[0][2]
    return (
        ("all", "All raters", everybody),
        ("without", "Without the raters left out", everybody & ~left_out),
    )


def _subgroups(
    context: ReportContext,
    left_out: BoolArray,
    adjusted: Mapping[str, Mapping[str, FamilyTest]],
) -> list[Block]:
    """The declared subgroup tests with and without the raters; nothing without any."""
    notes, groups, flat = Footnotes(), [], []
    for split in subgroup_splits(context):
        if not split.declared:
            continue
        rows: dict[str, list[Row]] = {}
        for key, label, raters in _samples(context, left_out):
            for c in compare_split(context, split, raters):
                test = c.result.planned_test
                what = f"{c.system_label}: {c.names[0]} minus {c.names[1]}"
                family = adjusted[key].get(subgroup_key(split.key, c.system, c.names))
                row = with_adjusted(context, result_row(label, test, notes), family)
                rows.setdefault(what, []).append(row)
                keys = {"sample": key, "by": split.key, "system": c.system}
                flat.append(({**keys, "first": c.names[0], "second": c.names[1]}, test))
        name = f"{split.planned.capitalize()} t test by {split.key}"
        groups += [RowGroup(f"{name}. {what}", tuple(found)) for what, found in rows.items()]
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
            tuple(groups),
            tidy(flat),
            (_family_note(context), *notes.notes()),
        )
    ]


def _agreement(context: ReportContext, left_out: BoolArray) -> list[Block]:
    """Agreement over all items of each scale with and without the raters, by group."""
    notes, groups, flat = Footnotes(), [], []
    if len(context.data.conversations):
        return []
    for place, (points, items) in enumerate(context.scales):
        scale = [value for value, _ in points]
        for group, group_label, members in context.samples:
            rows = []
            for key, label, raters in _samples(context, left_out):
                chosen = members & raters & context.shaped.with_ratings
                if not chosen.any():
                    continue
                results = _coefficients(context, items, scale, chosen)
                cells = (notes.with_interval(r) for r in results)
                rows.append(Row((label, str(int(chosen.sum())), *cells)))
                keys = {"sample": key, "group": group, "scale": str(place + 1)}
                flat += [(keys, r) for r in results]
            several = f", {scale[0]} to {scale[-1]}" if len(context.scales) > 1 else ""
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


def _coefficients(
    context: ReportContext, items: Sequence[int], scale: list[int], raters: BoolArray
) -> tuple[Estimate, ...]:
    """The coefficients of the section on agreement that take no bootstrap, by response."""
    matrices = [context.item_matrix(i, raters) for i in items]
    matrix, responses = np.vstack(matrices), np.tile(np.arange(len(matrices[0])), len(items))
    level = context.level

    def clustered(statistic: Callable[[FloatArray], Estimate], lowest: float = -1.0) -> Estimate:
        if len(items) == 1:
            return statistic(matrix)
        # The items about one response are not independent of each other.
        return jackknife_agreement(
            statistic, matrix, responses, cluster="response", lowest=lowest, level=level
        )

    return (
        clustered(lambda m: percent_agreement(m, scale, level=level), 0.0),
        clustered(lambda m: fleiss_kappa(m, scale, level=level)),
        clustered(lambda m: gwet_ac(m, scale, weights="quadratic", level=level)),
        clustered(lambda m: krippendorff_alpha(m, scale, metric="ordinal", level=level)),
    )
