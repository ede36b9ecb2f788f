"""Items with options that have no order: how often each is chosen, and agreement of annotators.

Agreement treats answers as annotations of the same responses. Of two raters the first is the reference,
as in work on classifiers; of more there is no reference, so no precision and no recall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.agreement.coefficients import fleiss_kappa, gwet_ac, percent_agreement
from analysis.agreement.confusion import pooled_confusion, specific_agreement
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.agreement.labels import AnnotationScores, annotation_scores
from analysis.agreement.two_raters import Confusion, cohen_kappa, confusion
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray
from analysis.description.proportions import wilson_share
from analysis.resampling import Bootstrap
from analysis.results import Estimate
from analysis.validation import FloatArray
from study.entities import NO_REASON, Named
from study.report_view.data import ReportItem


@dataclass(frozen=True)
class SystemChoices:
    """The answers about one system.

    Parameters
    ----------
    system : Named
    n : int
        Answers.
    shares : tuple of Estimate
        Of each option, in the order of the item; Wilson's intervals.
    missing : mapping of str to int
        Reason -> answers that are not there.
    """

    system: Named
    n: int
    shares: tuple[Estimate, ...]
    missing: Mapping[str, int]


@dataclass(frozen=True)
class Together:
    """Coefficients of all annotators of nominal labels."""

    agreeing_pairs: Estimate
    fleiss: Estimate
    ac1: Estimate
    alpha: Estimate

    def estimates(self) -> tuple[Estimate, ...]:
        return (self.agreeing_pairs, self.fleiss, self.ac1, self.alpha)


@dataclass(frozen=True)
class ChoiceAgreement:
    """Agreement of two or more raters of one group.

    Parameters
    ----------
    key, label : str
        Of the group.
    names : tuple of str
        Raters who gave an answer.
    options : tuple of str
        In the order of their points, and so are the following.
    given : tuple of tuple of int
        How often each rater gave each option.
    together : Together
    specific : tuple of Estimate
        Agreement on each option.
    counts : Confusion
        Of two raters the first by the second; of more, each with each other, both ways round.
    kappa : Estimate or None
    scores : AnnotationScores or None
        The second of two raters against the first.
    """

    key: str
    label: str
    names: tuple[str, ...]
    options: tuple[str, ...]
    given: tuple[tuple[int, ...], ...]
    together: Together
    specific: tuple[Estimate, ...]
    counts: Confusion
    kappa: Estimate | None
    scores: AnnotationScores | None


@dataclass(frozen=True)
class ChosenItem:
    """One item; ``reasons`` are those for which an answer about any system is missing."""

    item: ReportItem
    systems: tuple[SystemChoices, ...]
    reasons: tuple[str, ...]
    agreement: tuple[ChoiceAgreement, ...]


def choices_chapter(context: ReportContext) -> tuple[ChosenItem, ...]:
    """Shares by system, then agreement of each group with two raters or more."""
    return tuple(_item(context, item) for item in context.data.choices)


def _item(context: ReportContext, item: ReportItem) -> ChosenItem:
    frame = context.data.choice_ratings
    frame = frame[frame["item"] == item.id]
    systems = []
    for system in context.data.systems:
        own = frame[frame["system"] == system.id]
        given = own["value"].dropna()
        shares = tuple(
            wilson_share(int((given == value).sum()), len(given), level=context.level)
            for value, _ in item.points
        )
        missing = {str(why): int(n) for why, n in _reasons(own).value_counts().items()}
        systems.append(SystemChoices(system, len(given), shares, missing))
    found = (_agreement(item, frame, context, sample) for sample in context.samples)
    return ChosenItem(
        item,
        tuple(systems),
        tuple(sorted(set(_reasons(frame)))),
        tuple(one for one in found if one is not None),
    )


def _reasons(frame: pd.DataFrame) -> pd.Series:
    gone = frame.loc[frame["value"].isna(), "missing_reason"]
    return gone.astype(str).replace("", NO_REASON)


def _agreement(
    item: ReportItem,
    frame: pd.DataFrame,
    context: ReportContext,
    sample: tuple[str, str, BoolArray],
) -> ChoiceAgreement | None:
    """None where fewer than two raters of the group gave an answer."""
    key, label, raters = sample
    chosen = [r for r, in_it in zip(context.shaped.rater_ids, raters, strict=True) if in_it]
    wide = frame[frame["rater"].isin(chosen)].pivot(
        index=["system", "prompt"], columns="rater", values="value"
    )
    wide = wide.reindex(columns=[n for n in chosen if n in wide.columns]).dropna(axis=1, how="all")
    names, matrix = [str(name) for name in wide.columns], wide.to_numpy(dtype=np.float64)
    if len(names) < 2:
        return None
    ordered = sorted(item.points)
    points, options = [value for value, _ in ordered], tuple(anchor for _, anchor in ordered)
    level, two = context.level, len(names) == 2
    return ChoiceAgreement(
        key,
        label,
        tuple(names),
        options,
        tuple(tuple(int((column == p).sum()) for p in points) for column in matrix.T),
        annotators_together(matrix, points, level=level),
        specific_agreement(matrix, points, bootstrap=context.bootstrap),
        confusion(matrix[:, 0], matrix[:, 1], points) if two else pooled_confusion(matrix, points),
        cohen_kappa(matrix[:, 0], matrix[:, 1], points, level=level) if two else None,
        _scores(matrix, points, options, context.bootstrap) if two else None,
    )


def annotators_together(matrix: FloatArray, points: Sequence[float], *, level: float) -> Together:
    """Coefficients of nominal labels for any number of annotators, columns of ``matrix``."""
    return Together(
        percent_agreement(matrix, points, level=level),
        fleiss_kappa(matrix, points, level=level),
        gwet_ac(matrix, points, level=level),
        krippendorff_alpha(matrix, points, metric="nominal", level=level),
    )


def _scores(
    matrix: FloatArray, points: Sequence[int], options: Sequence[str], bootstrap: Bootstrap
) -> AnnotationScores:
    """The second rater against the first."""
    first, second = (
        [None if np.isnan(v) else options[points.index(int(v))] for v in column]
        for column in matrix.T
    )
    return annotation_scores(first, second, options, bootstrap=bootstrap)
