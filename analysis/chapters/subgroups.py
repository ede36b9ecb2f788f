"""Totals compared between subgroups of raters, within each system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.chapters.context import ReportContext
from analysis.chapters.families import FamilyTest, SubgroupResult, adjusted_tests, subgroup_key
from analysis.chapters.shaping import BoolArray, FloatArray
from analysis.contrasts.clustered_groups import ClusteredDifferenceDetails, cluster_difference
from analysis.contrasts.two_groups import GroupComparison, compare_groups
from analysis.results import Estimate
from study.entities import DEFAULT_TWO_GROUP_TEST, TwoGroupTest


@dataclass(frozen=True)
class Split:
    """A way to part the raters: by a demographic question, or by group.

    Parameters
    ----------
    key, question : str
    planned : {"welch", "student"}
        The t test that the plan declares; the other one stands beside it.
    declared : bool
        False where the plan does not name this split.
    answers : tuple of str
        Of each rater, in the order of the axis; empty where there is none.
    options : tuple of (str, str)
        Answers in the order of the question, with their labels.
    """

    key: str
    question: str
    planned: TwoGroupTest
    declared: bool
    answers: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Compared:
    """Two subgroups of raters compared within one system."""

    by: str
    system: str
    system_label: str
    names: tuple[str, str]
    result: GroupComparison

    @property
    def key(self) -> str:
        """Name of the declared test among the tests of the plan."""
        return subgroup_key(self.by, self.system, self.names)

    @property
    def name(self) -> str:
        """What is compared, for a heading."""
        return f"{self.system_label}: {self.names[0]} minus {self.names[1]}"


@dataclass(frozen=True)
class ComparedSplit:
    """A split with its comparisons, none where fewer than two subgroups have raters."""

    split: Split
    compared: tuple[Compared, ...]


@dataclass(frozen=True)
class SubgroupChapter:
    """Every split of the raters, and the tests of the declared families by their key."""

    splits: tuple[ComparedSplit, ...]
    adjusted: Mapping[str, FamilyTest]


@dataclass(frozen=True)
class RepeatedComparison:
    """Two groups of ratings of raters who gave several.

    Parameters
    ----------
    clustered : Estimate
        Every rating once, raters as clusters.
    n_raters, n_in_both : int
        All raters, and those with ratings in both groups.
    by_means : GroupComparison or None
        The mean of each rater once; None where raters are in both groups, which are not independent then.
    """

    clustered: Estimate[ClusteredDifferenceDetails]
    n_raters: int
    n_in_both: int
    by_means: GroupComparison | None


def compare_repeated(
    values: FloatArray,
    in_first: BoolArray,
    raters: NDArray[Any],
    *,
    names: tuple[str, str],
    planned: TwoGroupTest,
    level: float,
) -> RepeatedComparison:
    """Two groups of ratings, by rater; first minus second.

    Parameters
    ----------
    values, in_first, raters : ndarray, shape (ratings,)
        Each rating (nan where missing), whether it is of the first group, and whose it is.
    names : pair of str
    planned : {"welch", "student"}
    level : float
    """
    clustered = cluster_difference(values, in_first, raters, level=level)
    n_raters, n_in_both = int(pd.unique(raters).size), clustered.details.clusters_in_both or 0
    if n_in_both:
        return RepeatedComparison(clustered, n_raters, n_in_both, None)
    by_rater = pd.DataFrame({"value": values, "first": in_first}).groupby(raters, sort=False)
    means, first = by_rater["value"].mean().to_numpy(), by_rater["first"].first().to_numpy()
    compared = compare_groups(
        means[first], means[~first], names=names, planned=planned, level=level, unit="rater"
    )
    return RepeatedComparison(clustered, n_raters, 0, compared)


def subgroup_chapter(context: ReportContext, raters: BoolArray | None = None) -> SubgroupChapter:
    """Student and Welch side by side, rank tests and effect sizes, on these raters (all by default)."""
    splits = tuple(
        ComparedSplit(split, compare_split(context, split, raters))
        for split in subgroup_splits(context)
    )
    return SubgroupChapter(splits, _adjusted(context, splits, raters))


def subgroup_splits(context: ReportContext) -> list[Split]:
    """The splits that the plan declares; the groups of raters besides, when there are several."""
    data, splits = context.data, []
    groups = tuple((g.id, g.title) for g in data.protocol.groups)
    for test in data.plan.subgroups:
        asked = next((d for d in data.protocol.demographics if d.id == test.by), None)
        if asked is None and test.by != "group":
            continue
        options = groups if asked is None else tuple((o.value, o.label) for o in asked.options)
        answers = (
            list(context.shaped.rater_groups) if asked is None else context.rater_values(test.by)
        )
        splits.append(
            Split(
                test.by,
                "group of raters" if asked is None else asked.question,
                test.declared,
                True,
                tuple(answers),
                options,
            )
        )
    several = len(context.shaped.groups_with_raters) > 1
    if several and all(s.key != "group" for s in splits):
        by_group = tuple(str(g) for g in context.shaped.rater_groups)
        # Nobody declared a test for this split.
        splits.append(
            Split("group", "group of raters", DEFAULT_TWO_GROUP_TEST, False, by_group, groups)
        )
    return splits


def compare_split(
    context: ReportContext, split: Split, raters: BoolArray | None = None
) -> tuple[Compared, ...]:
    """Every system and every pair of answers, on the totals of these raters (all by default)."""
    given = np.asarray(split.answers, dtype=object)
    present = [(o, label) for o, label in split.options if (given == o).any()]
    kept = np.ones(len(given), dtype=bool) if raters is None else raters
    answers = given[kept]
    compared = []
    for place, system in enumerate(context.data.systems):
        totals = context.totals[kept, place] if len(given) else np.empty(0)
        for (one, one_label), (two, two_label) in combinations(present, 2):
            names = (one_label, two_label)
            result = compare_groups(
                totals[answers == one],
                totals[answers == two],
                names=names,
                planned=split.planned,
                level=context.level,
                unit="rater",
            )
            compared.append(Compared(split.key, system.id, system.label, names, result))
    return tuple(compared)


def _adjusted(
    context: ReportContext, splits: Sequence[ComparedSplit], raters: BoolArray | None
) -> dict[str, FamilyTest]:
    declared = [
        SubgroupResult(c.by, c.system_label, c.system, c.names, c.result.planned_test)
        for s in splits
        if s.split.declared
        for c in s.compared
    ]
    return adjusted_tests(context, declared, raters)
