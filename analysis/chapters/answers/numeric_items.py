"""Items that are answered with any number between two ends, such as sliders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray, FloatArray
from analysis.description.numbers import NumberSummary, number_summary
from analysis.results import Estimate


@dataclass(frozen=True)
class NumericAnswers:
    """The answers to one numeric item about one system.

    Parameters
    ----------
    given : ndarray, shape (answers,)
        Without gaps.
    ratings : NumberSummary
        Of the single ratings.
    over_raters : Estimate
        Mean of the raters' means over the prompts, so that its interval speaks to other raters.
    """

    given: FloatArray
    ratings: NumberSummary
    over_raters: Estimate


@dataclass(frozen=True)
class NumericChapter:
    """The numeric items of one sample of raters, by the places of item and system in the study."""

    key: str
    label: str
    answers: Mapping[tuple[int, int], NumericAnswers]


def numeric_chapters(context: ReportContext) -> tuple[NumericChapter, ...]:
    """All raters together, then each group when there are several; nothing without numeric items."""
    if not context.numeric_places:
        return ()
    return tuple(
        NumericChapter(key, label, _answers(context, raters))
        for key, label, raters in context.samples
    )


def _answers(context: ReportContext, raters: BoolArray) -> dict[tuple[int, int], NumericAnswers]:
    means, found = context.shaped.rater_item_means, {}
    for i in context.numeric_places:
        for s in range(len(context.data.systems)):
            values, reasons = context.shaped.answers(i, s, raters)
            found[i, s] = NumericAnswers(
                values[~np.isnan(values)],
                number_summary(values, missing_reasons=reasons, level=context.level),
                number_summary(means[raters, s, i], level=context.level, unit="rater").mean,
            )
    return found
