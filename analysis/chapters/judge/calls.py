"""The judge by itself: outcomes of its calls, comparisons, repeats and probes; prompts are the clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.contrasts.preference import Comparison, Strengths, davidson
from analysis.judge_worth.consistency import (
    OrderEffects,
    SelfAgreement,
    comparison_self_agreement,
    order_effects,
    score_self_agreement,
)
from analysis.judge_worth.outcomes import OutcomeSummary, summarise_outcomes
from analysis.judge_worth.probes import ProbeEffect, probe_effects
from study.report_view.data import ReportCriterion, ReportJudge


@dataclass(frozen=True)
class JudgePreferences:
    """What the judge prefers by one criterion that compares, and what the order does to it."""

    criterion: ReportCriterion
    strengths: Strengths
    orders: OrderEffects


@dataclass(frozen=True)
class JudgeCallsChapter:
    """Everything about the judge that needs no people.

    Parameters
    ----------
    outcomes : mapping of (str, str) to tuple of OutcomeSummary
        (Rubric, criterion) -> what became of its verdicts, by system in the study's order.
    preferences : tuple of JudgePreferences
        Of the criteria that compare.
    repeats : tuple of (ReportCriterion, SelfAgreement)
    probes : mapping of str to tuple of ProbeEffect
    """

    outcomes: Mapping[tuple[str, str], tuple[OutcomeSummary, ...]]
    preferences: tuple[JudgePreferences, ...]
    repeats: tuple[tuple[ReportCriterion, SelfAgreement], ...]
    probes: Mapping[str, tuple[ProbeEffect, ...]]


def judge_calls_chapter(context: ReportContext, judge: ReportJudge) -> JudgeCallsChapter:
    """Outcomes, preferences, self-agreement and probes of the judge."""
    effects: dict[str, tuple[ProbeEffect, ...]] = {}
    if len(judge.probes):
        for effect in probe_effects(judge.probes, level=context.level):
            effects[effect.probe] = (*effects.get(effect.probe, ()), effect)
    if not len(judge.verdicts):
        return JudgeCallsChapter({}, (), (), effects)
    return JudgeCallsChapter(
        _outcomes(context, judge),
        tuple(
            JudgePreferences(
                criterion,
                davidson(found, level=context.level),
                order_effects(found, level=context.level),
            )
            for criterion in judge.criteria
            if not criterion.points and (found := _comparisons_of(judge, criterion))
        ),
        tuple(_repeats(context, judge)),
        effects,
    )


def _outcomes(
    context: ReportContext, judge: ReportJudge
) -> dict[tuple[str, str], tuple[OutcomeSummary, ...]]:
    order = [s.id for s in context.data.systems]
    by_criterion: dict[tuple[str, str], list[OutcomeSummary]] = {}
    for found in summarise_outcomes(_per_system(judge.verdicts), level=context.level):
        by_criterion.setdefault((found.rubric, found.criterion), []).append(found)
    return {
        key: tuple(sorted(rows, key=lambda s: order.index(s.system)))
        for key, rows in by_criterion.items()
    }


def _per_system(verdicts: pd.DataFrame) -> pd.DataFrame:
    """A comparison counts for every system that it shows."""
    single = verdicts[verdicts["system"] != ""]
    compared = verdicts[verdicts["system"] == ""]
    spread = compared.assign(system=compared["shown"]).explode("system")
    return pd.concat([single, spread]) if len(spread) else single


def _comparisons_of(judge: ReportJudge, criterion: ReportCriterion) -> list[Comparison]:
    """The verdicts of one criterion that compares."""
    frame = judge.verdicts
    rows = frame[(frame["rubric"] == criterion.rubric) & (frame["criterion"] == criterion.id)]
    columns = (rows[name].tolist() for name in ("shown", "winner", "prompt", "replicate"))
    return [
        Comparison(
            tuple(shown), winner if isinstance(winner, str) else None, str(prompt), int(replicate)
        )
        for shown, winner, prompt, replicate in zip(*columns, strict=True)
        if len(shown) > 1
    ]


def _repeats(
    context: ReportContext, judge: ReportJudge
) -> Iterator[tuple[ReportCriterion, SelfAgreement]]:
    frame = judge.verdicts
    for c in judge.criteria:
        chosen = frame[(frame["rubric"] == c.rubric) & (frame["criterion"] == c.id)]
        if not len(chosen):
            continue
        if not c.points:
            yield c, comparison_self_agreement(_comparisons_of(judge, c), level=context.level)
            continue
        wide = chosen.pivot_table(
            index=["prompt", "system"], columns="replicate", values="value", dropna=False
        )
        yield (
            c,
            score_self_agreement(
                wide.to_numpy(dtype=np.float64),
                c.points,
                prompts=[str(prompt) for prompt, _ in wide.index],
                bootstrap=replace(context.bootstrap, seed=context.data.protocol.design.seed),
            ),
        )
