"""The raters whom the plan leaves out, and the declared results with and without them.

Rules are those that the locked plan declares, so that nobody is left out after a look at the results; both
results stand side by side, and the other chapters hold all raters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.chapters.attention import failed_checks
from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import Pair, primary_pair, totals_contrast
from analysis.chapters.declared import DeclaredContrast, declared_contrast
from analysis.chapters.families import FamilyTest
from analysis.chapters.rated_units import (
    agreeing_pairs,
    alpha,
    assembled,
    fleiss,
    gwet,
    study_units,
)
from analysis.chapters.shaping import BoolArray, FloatArray
from analysis.chapters.subgroups import ComparedSplit, subgroup_chapter
from analysis.contrasts.paired import PairedContrast
from analysis.description.quality import longest_run
from analysis.results import Estimate
from study.protocol.analysis_plan import Exclusions

# Those that take no bootstrap and no model, so that every sample has them in little time.
_COEFFICIENTS = (
    (agreeing_pairs, "unweighted"),
    (fleiss, "unweighted"),
    (gwet, "quadratic"),
    (alpha, "ordinal"),
)


@dataclass(frozen=True)
class Rule:
    """A declared rule and who falls under it.

    Parameters
    ----------
    key : str
        Its name in the plan.
    limit : float or None
        What the plan sets; None where the rule has none.
    falls : ndarray of bool, shape (raters,)
    unknown : int
        Raters of whom the rule cannot be told; they stay in.
    """

    key: str
    limit: float | None
    falls: BoolArray
    unknown: int = 0


@dataclass(frozen=True)
class SampleAgreement:
    """Agreement over all items of one scale, among the raters of one group in one sample.

    ``coefficients``: share of agreeing pairs, Fleiss' kappa, Gwet's quadratic AC2, ordinal alpha.
    """

    n_raters: int
    coefficients: tuple[Estimate, ...]


@dataclass(frozen=True)
class Sample:
    """The declared results of one sample of raters.

    Parameters
    ----------
    key, label : str
    n_raters : int
    contrast : PairedContrast or None
        None without a primary pair.
    declared : DeclaredContrast or None
        What the plan declares of the same raters.
    splits : tuple of ComparedSplit
        The declared ones.
    adjusted : mapping
        The tests of the declared families, adjusted among those of this sample.
    agreement : mapping of (scale, group) to SampleAgreement
        Scales by place among the study's, groups by id (``all`` for everybody); none where nobody rated.
    """

    key: str
    label: str
    n_raters: int
    contrast: PairedContrast | None
    declared: DeclaredContrast | None
    splits: tuple[ComparedSplit, ...]
    adjusted: Mapping[str, FamilyTest]
    agreement: Mapping[tuple[int, str], SampleAgreement]


@dataclass(frozen=True)
class ExclusionChapter:
    """Who falls under the rules, and the samples with and without these raters."""

    rules: tuple[Rule, ...]
    pair: Pair | None
    samples: tuple[Sample, ...]

    @property
    def left_out(self) -> BoolArray:
        """Who falls under any rule."""
        return np.asarray(np.logical_or.reduce([rule.falls for rule in self.rules]))


def exclusion_chapter(context: ReportContext) -> ExclusionChapter | None:
    """Who falls under each declared rule, and both results; None without declared rules."""
    declared = context.data.plan.exclusions
    rules = () if declared is None else tuple(_rules(context, declared))
    if not rules:
        return None
    places, systems = primary_pair(context), context.data.systems
    pair = None if places is None else Pair(systems[places[0]], systems[places[1]])
    everybody = context.samples[0][2]
    left_out = np.logical_or.reduce([rule.falls for rule in rules])
    return ExclusionChapter(
        rules,
        pair,
        (
            _sample(context, "all", "All raters", everybody),
            _sample(context, "without", "Without the raters left out", everybody & ~left_out),
        ),
    )


def _sample(context: ReportContext, key: str, label: str, raters: BoolArray) -> Sample:
    places = primary_pair(context)
    subgroups = subgroup_chapter(context, raters)
    paired = None if places is None else totals_contrast(context, places[1], places[0], raters)
    return Sample(
        key,
        label,
        int(raters.sum()),
        paired,
        None if paired is None else declared_contrast(context, paired, raters),
        tuple(s for s in subgroups.splits if s.split.declared),
        subgroups.adjusted,
        _agreement(context, raters),
    )


def _rules(context: ReportContext, declared: Exclusions) -> list[Rule]:
    shaped, rules = context.shaped, []
    if declared.minimum_seconds is not None:
        medians = _median_seconds(shaped.seconds)
        rules.append(
            Rule(
                "minimum_seconds",
                declared.minimum_seconds,
                np.asarray(medians < declared.minimum_seconds),
                int(np.isnan(medians).sum()),
            )
        )
    if declared.longest_run is not None:
        runs = _longest_runs(context)
        falls = np.asarray(runs > declared.longest_run)
        rules.append(Rule("longest_run", declared.longest_run, falls))
    if declared.failed_attention_checks is not None:
        failed, most = failed_checks(context), declared.failed_attention_checks
        falls = np.array([failed.get(str(rater), 0) > most for rater in shaped.rater_ids])
        rules.append(Rule("failed_attention_checks", most, falls))
    if declared.incomplete:
        gaps = (shaped.reason > 0).any(axis=(1, 2, 3))
        rules.append(Rule("incomplete", None, np.asarray(gaps)))
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


def _agreement(context: ReportContext, raters: BoolArray) -> dict[tuple[int, str], SampleAgreement]:
    """Agreement over all items of each scale, by group of raters."""
    found: dict[tuple[int, str], SampleAgreement] = {}
    # Raters who each talked with the system themselves saw no response in common.
    if len(context.data.conversations):
        return found
    for place, (points, items) in enumerate(context.scales):
        scale = [value for value, _ in points]
        for group, _, members in context.samples:
            chosen = members & raters & context.shaped.with_ratings
            if chosen.any():
                units = study_units(context, items, scale, chosen)
                found[place, group] = SampleAgreement(
                    int(chosen.sum()), assembled(units, _COEFFICIENTS)
                )
    return found
