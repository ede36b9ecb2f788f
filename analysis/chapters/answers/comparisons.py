"""Pages that show two responses: which one raters prefer, by how much, and whether they agree.

Raters are the clusters of every interval: a rater's choices hang together, and other raters are what the
result is to speak about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.agreement.coefficients import fleiss_kappa, gwet_ac, percent_agreement
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.chapters.answers.asked import each_question
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import FloatArray
from analysis.contrasts.cluster_means import ClusteredShareDetails, clustered_share
from analysis.contrasts.preference import TIE, Comparison, Strengths, davidson
from analysis.judge_worth.consistency import order_effects
from analysis.results import Estimate
from study.entities import Named
from study.report_view.data import ReportItem


@dataclass(frozen=True)
class PairWins:
    """How often the first of two systems won, tied and lost, in one group of raters.

    ``group`` is empty and ``group_label`` ``"All raters"`` for everybody.
    """

    group: str
    group_label: str
    system: Named
    against: Named
    n: int
    wins: Estimate[ClusteredShareDetails]
    ties: Estimate[ClusteredShareDetails]
    losses: Estimate[ClusteredShareDetails]


@dataclass(frozen=True)
class ChoiceAgreement:
    """Do the raters of a group choose alike?

    ``coefficients``: share of agreeing pairs, Fleiss' kappa, Gwet's AC1, nominal alpha.
    """

    group: str
    group_label: str
    n_raters: int
    coefficients: tuple[Estimate, ...]


@dataclass(frozen=True)
class ComparedItem:
    """One question about two responses.

    Parameters
    ----------
    item : ReportItem
    wins : tuple of PairWins
    strengths : Strengths
    first_place : Estimate
        How often the response at A is preferred; ties are left out.
    agreement : tuple of ChoiceAgreement
    """

    item: ReportItem
    wins: tuple[PairWins, ...]
    strengths: Strengths
    first_place: Estimate
    agreement: tuple[ChoiceAgreement, ...]


def comparison_chapter(context: ReportContext) -> tuple[ComparedItem, ...] | None:
    """Wins, strengths, what the place does, and agreement, for each question.

    Empty where the study asks no such question, None where nobody answered one.
    """
    answers = context.data.comparisons
    return each_question(context, "pairwise", answers, partial(_item, context))


def _item(context: ReportContext, item: ReportItem, frame: pd.DataFrame) -> ComparedItem:
    by_group = [
        (group, label, frame if not group else frame[frame["group"] == group])
        for group, label in _groups(context)
    ]
    comparisons = _comparisons(frame)
    return ComparedItem(
        item,
        tuple(
            wins
            for group, label, rows in by_group
            for one, two in combinations(context.data.systems, 2)
            if (wins := _wins(context, (group, label), (one, two), rows)) is not None
        ),
        davidson(comparisons, clustered_by="raters", level=context.level),
        order_effects(comparisons, level=context.level).first_place_rate,
        tuple(_agreement(context, group, label, rows) for group, label, rows in by_group),
    )


def _groups(context: ReportContext) -> list[tuple[str, str]]:
    """All raters, then each group when there are several."""
    present = set(context.data.comparisons["group"])
    groups = [(g.id, g.title) for g in context.data.protocol.groups if g.id in present]
    return [("", "All raters"), *(groups if len(groups) > 1 else [])]


def _wins(
    context: ReportContext, group: tuple[str, str], pair: tuple[Named, Named], rows: pd.DataFrame
) -> PairWins | None:
    one, two = pair
    both = [one.id, two.id]
    own = rows[rows["place_a"].isin(both) & rows["place_b"].isin(both)]
    if not len(own):
        return None
    raters = own["rater"].tolist()
    wins, ties, losses = (
        clustered_share(
            (own["chosen"] == chosen).to_numpy(dtype=float),
            raters,
            statistic=what,
            level=context.level,
            unit="comparison",
        )
        for what, chosen in (("wins", one.id), ("ties", TIE), ("losses", two.id))
    )
    return PairWins(*group, one, two, len(own), wins, ties, losses)


def _comparisons(frame: pd.DataFrame) -> list[Comparison]:
    """A rater's choices hang together, so the rater is the cluster."""
    columns = (frame[name].tolist() for name in ("place_a", "place_b", "chosen", "rater"))
    return [
        Comparison((str(a), str(b)), str(chosen), str(rater))
        for a, b, chosen, rater in zip(*columns, strict=True)
    ]


def _agreement(
    context: ReportContext, group: str, label: str, rows: pd.DataFrame
) -> ChoiceAgreement:
    matrix, points, level = _choices(rows), [-1, 0, 1], context.level
    return ChoiceAgreement(
        group,
        label,
        int(matrix.shape[1]),
        (
            percent_agreement(matrix, points, level=level),
            fleiss_kappa(matrix, points, level=level),
            gwet_ac(matrix, points, level=level),
            krippendorff_alpha(matrix, points, metric="nominal", level=level),
        ),
    )


def _choices(frame: pd.DataFrame) -> FloatArray:
    """Pairs of responses by raters: -1 for the system that is first by name, 1 for the other."""
    low = np.minimum(frame["place_a"].astype(str), frame["place_b"].astype(str))
    high = np.maximum(frame["place_a"].astype(str), frame["place_b"].astype(str))
    value = np.where(frame["chosen"] == TIE, 0.0, np.where(frame["chosen"] == low, -1.0, 1.0))
    coded = frame.assign(low=low, high=high, coded=value)
    wide = coded.pivot_table(
        index=["prompt", "low", "high"], columns="rater", values="coded", aggfunc="first"
    )
    return wide.to_numpy(dtype=np.float64)
