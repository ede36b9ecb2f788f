"""Contradictions within the analysis plan."""

from __future__ import annotations

from collections.abc import Iterator

from study.protocol.analysis_plan import AnalysisPlan
from study.protocol.yaml_tree import Location

PRIMARY = "primary"


def plan_contradictions(plan: AnalysisPlan) -> Iterator[tuple[Location, str]]:
    """Bounds the wrong way round, and families that name a test wrongly or twice."""
    bounds = plan.equivalence
    if bounds is not None and bounds.low >= bounds.high:
        yield (
            ("analysis", "equivalence", "low"),
            f"found {bounds.low:g}, expected less than high, which is {bounds.high:g}",
        )
    yield from _families(plan)


def _families(plan: AnalysisPlan) -> Iterator[tuple[Location, str]]:
    known = [PRIMARY, *(test.by for test in plan.subgroups)]
    names: set[str] = set()
    owner: dict[str, str] = {}
    for i, family in enumerate(plan.families):
        place = ("analysis", "families", i)
        if family.name in names:
            yield (
                (*place, "name"),
                f"the family {family.name!r} is declared twice; names must differ",
            )
        names.add(family.name)
        for j, test in enumerate(family.tests):
            if test not in known:
                yield (
                    (*place, "tests", j),
                    f"the plan has no test {test!r}; declared: {', '.join(known)}",
                )
            elif test in owner:
                yield (
                    (*place, "tests", j),
                    f"the test {test!r} is already in the family {owner[test]!r}; name it once",
                )
            owner.setdefault(test, family.name)
