"""Totals per rater and system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import FloatArray
from analysis.contrasts.effect_sizes import Summary, summarised
from study.entities import Named


@dataclass(frozen=True)
class SystemTotals:
    """The totals of one system in one sample of raters; ``ends`` is None where nobody has one."""

    system: Named
    summary: Summary
    ends: tuple[float, float] | None


@dataclass(frozen=True)
class TotalSample:
    """One sample of raters: all of them, or one group."""

    key: str
    label: str
    systems: tuple[SystemTotals, ...]


def total_samples(context: ReportContext) -> tuple[TotalSample, ...]:
    """Totals of every system among all raters, then in each group when there are several."""
    return tuple(
        TotalSample(
            key,
            label,
            tuple(
                _of_system(system, context.totals[raters, s])
                for s, system in enumerate(context.data.systems)
            ),
        )
        for key, label, raters in context.samples
    )


def _of_system(system: Named, totals: FloatArray) -> SystemTotals:
    known = totals[~np.isnan(totals)]
    ends = (float(known.min()), float(known.max())) if known.size else None
    summary = summarised(system.label, known, int(totals.size - known.size))
    return SystemTotals(system, summary, ends)
