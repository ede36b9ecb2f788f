"""The primary contrast of two systems, paired by rater, and what stands around it.

Why paired by rater: each rater judged both systems, so a strict rater is strict about both; the difference
of a rater's two totals is free of that, and raters are what the result is to speak beyond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from analysis.chapters.context import ReportContext
from analysis.chapters.decisions import MEAN_REPLICATES
from analysis.chapters.declared import DeclaredContrast, declared_contrast
from analysis.chapters.shaping import BoolArray, FloatArray
from analysis.contrasts.multiplicity import adjust
from analysis.contrasts.paired import (
    INTERVALS,
    PairedContrast,
    bootstrap_differences,
    paired_contrast,
)
from analysis.resampling import Bootstrap
from analysis.results import Estimate
from analysis.rounding import differences
from study.entities import Named
from study.protocol.analysis_plan import PrimaryTest


@dataclass(frozen=True)
class Pair:
    """A system minus the one that it is compared with."""

    system: Named
    against: Named


@dataclass(frozen=True)
class ContrastOf:
    """The contrast within one item, group or pair of systems.

    Parameters
    ----------
    key, label : str
        Id and name of the item or group; of a pair both are empty.
    pair : Pair
    contrast : PairedContrast
    p_holm : float or None
        P of the t test, adjusted by Holm among all of its kind; None where it is undefined or the kind is
        not adjusted (groups of raters are other people, and there are few).
    """

    key: str
    label: str
    pair: Pair
    contrast: PairedContrast
    p_holm: float | None = None


@dataclass(frozen=True)
class Totals:
    """Both totals of every rater who has them, shape (raters,) each.

    ``higher`` and ``lower`` count the raters who gave the system the higher and the lower total.
    """

    against: FloatArray
    system: FloatArray
    higher: int
    lower: int


@dataclass(frozen=True)
class ContrastChapter:
    """The primary contrast and its surroundings.

    Parameters
    ----------
    pair : Pair
    planned : {"linear-mixed", "cumulative-link-mixed", "paired-t", "wilcoxon"}
        What the plan names; the paired tests stand beside a model, and nothing in the data chooses.
    declared : DeclaredContrast
        What was made of it, and whom it speaks to.
    primary : PairedContrast
        Of the totals of all raters.
    totals : Totals
    items : tuple of ContrastOf
        Of each rater's mean over the prompts that were answered.
    groups : tuple of ContrastOf
        Of the totals within each group of raters; empty where there is one group.
    pairs : tuple of ContrastOf
        Of every pair of systems; empty where there are two.
    """

    pair: Pair
    planned: PrimaryTest
    declared: DeclaredContrast
    primary: PairedContrast
    totals: Totals
    items: tuple[ContrastOf, ...]
    groups: tuple[ContrastOf, ...]
    pairs: tuple[ContrastOf, ...]

    @property
    def planned_test(self) -> Estimate:
        """The effect and p that the plan names."""
        return self.declared.test


@dataclass(frozen=True)
class ColumnContrast:
    """Two columns of the same raters: the contrast, and its mean difference by the bootstrap.

    ``redrawn`` has one estimate for each of `analysis.contrasts.paired.INTERVALS`. It is not in the report,
    whose plan declares the t or the signed-rank test; whoever brings a table has declared nothing.
    """

    contrast: PairedContrast
    redrawn: tuple[Estimate, ...]


def contrast_chapter(context: ReportContext) -> ContrastChapter | None:
    """Paired t and Wilcoxon with effect sizes; items, groups and other pairs as exploratory.

    None where the plan names no pair of systems that both have data; `no_pair` says why.
    """
    places = primary_pair(context)
    if places is None:
        return None
    second, first = places
    systems, everybody = context.data.systems, context.samples[0][2]
    pair = Pair(systems[second], systems[first])
    means, items = context.shaped.rater_item_means, context.data.items
    by_item = [
        paired_contrast(means[:, first, i], means[:, second, i], level=context.level, unit="rater")
        for i in range(len(items))
    ]
    primary = totals_contrast(context, first, second, everybody)
    return ContrastChapter(
        pair,
        context.data.plan.contrast.test,
        declared_contrast(context, primary, everybody),
        primary,
        _totals(context.totals[:, first], context.totals[:, second]),
        tuple(
            ContrastOf(item.id, item.label, pair, contrast, p)
            for item, contrast, p in zip(items, by_item, _holm(by_item), strict=True)
        ),
        tuple(
            ContrastOf(key, label, pair, totals_contrast(context, first, second, raters))
            for key, label, raters in context.samples[1:]
        ),
        _all_pairs(context) if len(systems) > 2 else (),
    )


def _totals(against: FloatArray, system: FloatArray) -> Totals:
    both = ~np.isnan(against) & ~np.isnan(system)
    apart = differences(against[both], system[both])
    higher, lower = int((apart > 0).sum()), int((apart < 0).sum())
    return Totals(against[both], system[both], higher, lower)


def _all_pairs(context: ReportContext) -> tuple[ContrastOf, ...]:
    systems, everybody = context.data.systems, context.samples[0][2]
    pairs = list(combinations(range(len(systems)), 2))
    found = [totals_contrast(context, b, a, everybody) for a, b in pairs]
    return tuple(
        ContrastOf("", "", Pair(systems[a], systems[b]), contrast, p)
        for (a, b), contrast, p in zip(pairs, found, _holm(found), strict=True)
    )


def _holm(contrasts: list[PairedContrast]) -> tuple[float | None, ...]:
    return adjust([c.t_test.p_value for c in contrasts], method="holm")


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


def paired_columns(
    first: ArrayLike,
    second: ArrayLike,
    *,
    names: tuple[str, str],
    bounds: tuple[float, float] | None,
    level: float,
    seed: int,
    unit: str,
) -> ColumnContrast:
    """``second`` minus ``first``, row by row the same rater; see `analysis.contrasts.paired`."""
    drawn = bootstrap_differences(
        first, second, bootstrap=Bootstrap(MEAN_REPLICATES, level, seed), unit=unit
    )
    return ColumnContrast(
        paired_contrast(
            first,
            second,
            names=names,
            bounds=bounds,
            alpha=_equivalence_alpha(level),
            level=level,
            unit=unit,
        ),
        tuple(
            replace(found, statistic=f"mean_difference_bootstrap_{method}")
            for found, method in zip(drawn, INTERVALS, strict=True)
        ),
    )


def _equivalence_alpha(level: float) -> float:
    """Each one-sided test at 1 - level: with 95 % intervals the usual 5 % and a 90 % interval (TOST)."""
    return round(1.0 - level, 12)


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
        alpha=_equivalence_alpha(context.level),
        level=context.level,
        unit="rater",
    )
