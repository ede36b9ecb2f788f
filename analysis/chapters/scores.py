"""Scores that the instruments declare, such as SUS from 0 to 100: by system, and contrasted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import Pair, primary_pair
from analysis.chapters.shaping import FloatArray
from analysis.contrasts.paired import PairedContrast, paired_contrast
from analysis.description.numbers import NumberSummary, number_summary
from analysis.reliability.scores import ScoreRule, instrument_score
from study.entities import Named
from study.report_view.data import ReportScore


@dataclass(frozen=True)
class ScoreOfSystem:
    """A score of one system within one sample of raters.

    Parameters
    ----------
    system : Named
    summary : NumberSummary
        Of each rater's mean over the prompts.
    questionnaires, without_score : int
        Planned ones, and those of them with a gap.
    """

    system: Named
    summary: NumberSummary
    questionnaires: int
    without_score: int


@dataclass(frozen=True)
class ScoreSample:
    """A score within one sample of raters; ``contrast`` is None without a primary pair."""

    key: str
    label: str
    systems: tuple[ScoreOfSystem, ...]
    contrast: PairedContrast | None


@dataclass(frozen=True)
class ScoreResult:
    """One score: its rule, and its results among all raters and in each group."""

    score: ReportScore
    rule: ScoreRule
    samples: tuple[ScoreSample, ...]


@dataclass(frozen=True)
class ScoreChapter:
    """Every declared score; ``pair`` is what the contrasts are of, None where there is none."""

    scores: tuple[ScoreResult, ...]
    pair: Pair | None


def score_chapter(context: ReportContext) -> ScoreChapter:
    """Means by system and the paired contrast of the systems, for each declared score."""
    places, systems = primary_pair(context), context.data.systems
    pair = None if places is None else Pair(systems[places[0]], systems[places[1]])
    return ScoreChapter(tuple(_score(context, score) for score in context.data.scores), pair)


def _score(context: ReportContext, score: ReportScore) -> ScoreResult:
    place = {item.id: i for i, item in enumerate(context.data.items)}
    chosen = [place[item] for item in score.items]
    points = [context.data.items[i].points for i in chosen]
    rule = ScoreRule(
        score.combine,
        tuple(float(p[0][0]) for p in points),
        tuple(float(p[-1][0]) for p in points),
        score.range,
    )
    questionnaires = instrument_score(context.shaped.values[..., chosen], rule)
    # Over the prompts first, so that each rater counts once.
    known = ~np.isnan(questionnaires)
    n = known.sum(axis=2)
    sums = np.where(known, questionnaires, 0.0).sum(axis=2)
    raters = np.divide(sums, n, out=np.full(n.shape, np.nan), where=n > 0)
    samples = []
    for key, label, members in context.samples:
        of_systems = []
        for s, system in enumerate(context.data.systems):
            summary = number_summary(raters[members, s], level=context.level, unit="rater")
            planned = context.shaped.planned[members, s].any(axis=-1)
            gaps = int((planned & np.isnan(questionnaires[members, s])).sum())
            of_systems.append(ScoreOfSystem(system, summary, int(planned.sum()), gaps))
        contrast = _contrast(context, raters[members])
        samples.append(ScoreSample(key, label, tuple(of_systems), contrast))
    return ScoreResult(score, rule, tuple(samples))


def _contrast(context: ReportContext, raters: FloatArray) -> PairedContrast | None:
    places = primary_pair(context)
    if places is None:
        return None
    second, first = places
    labels = context.system_labels
    return paired_contrast(
        raters[:, first], raters[:, second],
        names=(labels[first], labels[second]), level=context.level, unit="rater",
    )  # fmt: skip
