"""P values adjusted within the families that the plan declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import primary_pair, totals_contrast
from analysis.chapters.declared import declared_contrast
from analysis.chapters.shaping import BoolArray
from analysis.contrasts.multiplicity import AdjustedTest, adjust_families
from analysis.results import Estimate

PRIMARY = "primary"
# The plan's short names and those of the statistic.
_METHODS = {
    "holm": "holm",
    "hommel": "hommel",
    "bh": "benjamini_hochberg",
    "by": "benjamini_yekutieli",
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
        known[PRIMARY] = (PRIMARY, label, declared_contrast(context, contrast, kept).test)
    for s in subgroups:
        label = f"By {s.by}, {s.system_label}: {s.names[0]} minus {s.names[1]}"
        known[subgroup_key(s.by, s.system, s.names)] = (s.by, label, s.test)
    p_values = {key: test.p_value for key, (_, _, test) in known.items()}
    found: dict[str, FamilyTest] = {}
    for family in context.data.plan.families:
        members = [key for key, (declared, _, _) in known.items() if declared in family.tests]
        method = _METHODS[family.adjustment]
        for test in adjust_families(p_values, {family.name: members}, method=method):
            if test.test in members:
                _, label, result = known[test.test]
                found[test.test] = FamilyTest(label, result, test)
    return found
