"""The raters whom the plan leaves out, and the primary contrast with and without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.quality import longest_run
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
from analysis.report.context import ReportContext
from analysis.report.numbers import level_text, number
from analysis.report.sections.contrast import (
    RESULT_COLUMNS,
    planned_test,
    primary_pair,
    result_row,
    totals_contrast,
)
from analysis.report.shaping import BoolArray, FloatArray
from study.protocol.schema import Exclusions

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
    pair = primary_pair(context)
    if pair is None:
        why = "the plan names a system that has no data"
        text = f"The primary contrast without these raters is undefined, because {why}."
        return [*blocks, Paragraph(text)]
    return [*blocks, _with_and_without(context, left_out, pair)]


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


def _with_and_without(context: ReportContext, left_out: BoolArray, pair: tuple[int, int]) -> Table:
    second, first = pair
    labels, notes, groups, flat = context.system_labels, Footnotes(), [], []
    everybody = context.samples[0][2]
    samples = (
        ("all", "All raters", everybody),
        ("without", "Without the raters left out", everybody & ~left_out),
    )
    name = {"paired-t": "Paired t test", "wilcoxon": "Wilcoxon signed-rank (Pratt), V"}
    for key, label, raters in samples:
        result = totals_contrast(context, first, second, raters)
        test = planned_test(context, result)
        kinds = [(name[context.data.plan.primary.test], test), ("d_z", result.d_z)]
        if result.equivalence is not None:
            kinds.append(("Equivalence (TOST)", result.equivalence))
        rows = tuple(result_row(what, e, notes, strong=e is test) for what, e in kinds)
        groups.append(RowGroup(f"{label} (n = {int(raters.sum())})", rows))
        flat += [({"sample": key}, e) for _, e in kinds]
    return Table(
        "exclusions-contrast",
        f"Primary contrast with and without the raters left out, {labels[second]} minus "
        f"{labels[first]}, intervals at {level_text(context.level)} (equivalence: 1 − 2α)",
        "rater, n in the table",
        context.declared,
        RESULT_COLUMNS,
        tuple(groups),
        tidy(flat),
        ("The other sections hold all raters.", *notes.notes()),
    )
