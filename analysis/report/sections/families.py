"""P values adjusted within the families that the plan declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray
from analysis.contrasts.multiplicity import AdjustedTest, adjust_families
from analysis.report.blocks import Block, Column, Footnotes, Row, RowGroup, Table
from analysis.report.numbers import p_text
from analysis.report.sections.contrast import planned_test, primary_pair, totals_contrast
from analysis.results import Estimate
from study.protocol.analysis_plan import Family

PRIMARY = "primary"
_METHODS = {
    "holm": ("holm", "Holm"),
    "hommel": ("hommel", "Hommel"),
    "bh": ("benjamini_hochberg", "Benjamini–Hochberg"),
    "by": ("benjamini_yekutieli", "Benjamini–Yekutieli"),
}


@dataclass(frozen=True)
class SubgroupResult:
    """The declared test of one subgroup comparison in one system."""

    by: str
    system_label: str
    system: str
    names: tuple[str, str]
    test: Estimate


@dataclass(frozen=True)
class FamilyTest:
    """A test of a declared family with both p values."""

    label: str
    result: Estimate
    adjusted: AdjustedTest


def subgroup_key(by: str, system: str, names: tuple[str, str]) -> str:
    """Name of one comparison among the tests of the plan."""
    return "/".join((by, system, *names))


def adjusted_tests(
    context: ReportContext,
    subgroups: Sequence[SubgroupResult],
    raters: BoolArray | None = None,
) -> dict[str, FamilyTest]:
    """Every test that a declared family names, by its key.

    A subgroup test stands for its comparisons in all systems and between all pairs of answers; each
    of them counts in the family. Tests that are undefined do not count. The primary contrast is that
    of ``raters`` (all by default), and ``subgroups`` should be of the same.
    """
    known: dict[str, tuple[str, str, Estimate]] = {}
    pair = primary_pair(context)
    if pair is not None:
        second, first = pair
        kept = context.samples[0][2] if raters is None else raters
        contrast = totals_contrast(context, first, second, kept)
        labels = context.system_labels
        label = f"Primary contrast, {labels[second]} minus {labels[first]}"
        known[PRIMARY] = (PRIMARY, label, planned_test(context, contrast))
    for s in subgroups:
        label = f"By {s.by}, {s.system_label}: {s.names[0]} minus {s.names[1]}"
        known[subgroup_key(s.by, s.system, s.names)] = (s.by, label, s.test)
    p_values = {key: test.p_value for key, (_, _, test) in known.items()}
    found: dict[str, FamilyTest] = {}
    for family in context.data.plan.families:
        members = [key for key, (declared, _, _) in known.items() if declared in family.tests]
        method = _METHODS[family.adjustment][0]
        for test in adjust_families(p_values, {family.name: members}, method=method):
            if test.test in members:
                _, label, result = known[test.test]
                found[test.test] = FamilyTest(label, result, test)
    return found


def family_blocks(context: ReportContext, tests: Mapping[str, FamilyTest]) -> list[Block]:
    """One table of all declared families, raw beside adjusted p; nothing without families."""
    families = context.data.plan.families
    if not families:
        return []
    notes, groups, flat, empty = Footnotes(), [], [], []
    for family in families:
        own = [t for t in tests.values() if t.adjusted.family == family.name]
        if not own:
            empty.append(f"Family {family.name}: none of its tests could be done.")
            continue
        groups.append(_family_rows(family, own, notes))
        flat += [
            {
                **vars(t.adjusted),
                "statistic": t.result.statistic,
                "estimate": t.result.estimate,
                "n": t.result.n,
                "undefined_because": t.result.undefined_because,
            }
            for t in own
        ]
    return [
        Table(
            "families",
            "p values adjusted within the families that the plan declares",
            "rater, n in the table",
            context.declared,
            (Column("Test", False), Column("n"), Column("p"), Column("p, adjusted")),
            tuple(groups),
            pd.DataFrame(flat),
            ("Tests outside these families are not adjusted.", *empty, *notes.notes()),
        )
    ]


def _family_rows(family: Family, tests: Sequence[FamilyTest], notes: Footnotes) -> RowGroup:
    rows = []
    for t in tests:
        p = t.adjusted.adjusted_p_value
        cells = (str(t.result.n), notes.p_value(t.result), "–" if p is None else p_text(p))
        rows.append(Row((t.label, *cells), strong=True))
    return RowGroup(f"{family.name} ({_METHODS[family.adjustment][1]})", tuple(rows))
