"""Agreement of raters: of a study, item by item and group by group, and of one table of ratings.

Responses are units. The items about one response are not independent of each other, so where several
items are taken together whole responses are left out (jackknife) or drawn again (bootstrap).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.agreement.bootstrap import RESAMPLED
from analysis.agreement.coefficients import WEIGHTS
from analysis.agreement.intraclass import IntraclassCorrelations, icc, kendall_w
from analysis.agreement.jackknife import jackknife_icc2
from analysis.agreement.two_raters import (
    PairwiseKappas,
    cohen_kappa,
    pairwise_kappas,
    stuart_maxwell,
)
from analysis.chapters.context import ReportContext
from analysis.chapters.decisions import gaps_by_mixed_model
from analysis.chapters.rated_units import (
    RatedUnits,
    agreeing_pairs,
    alpha,
    assembled,
    brennan_prediger,
    conger,
    fleiss,
    gwet,
    light,
    redrawn_alpha,
    study_units,
)
from analysis.chapters.shaping import BoolArray
from analysis.resampling import Bootstrap
from analysis.results import Estimate
from analysis.rounding import without_rounding
from analysis.validation import FloatArray

# A matrix of more raters than this is a grey square on paper.
MOST_RATERS_DRAWN = 60
TOO_MANY_REDRAWN = "none by bootstrap, because there are too many ratings"


@dataclass(frozen=True)
class ItemAgreement:
    """Agreement on one item, or on all items of one scale.

    Parameters
    ----------
    item, label : str
        ``item`` begins with ``all`` where it is several.
    n : int
        Units with two or more ratings: responses, or responses by items.
    clustered : bool
        Whether units hang together, so that intervals are by response.
    agreeing_pairs, light, fleiss, conger, alpha : Estimate
        What counts equal ratings, and ordinal alpha.
    ac2, icc2, icc2k, alpha_redrawn : Estimate
        What counts how far apart ratings are; the last is ordinal alpha with units and raters drawn
        again, without an interval where `TOO_MANY_REDRAWN`.
    """

    item: str
    label: str
    n: int
    clustered: bool
    agreeing_pairs: Estimate
    light: Estimate
    fleiss: Estimate
    conger: Estimate
    alpha: Estimate
    ac2: Estimate
    icc2: Estimate
    icc2k: Estimate
    alpha_redrawn: Estimate


@dataclass(frozen=True)
class NumericAgreement:
    """Intraclass correlations of one numeric item."""

    item: str
    label: str
    icc2: Estimate
    icc2k: Estimate
    icc3: Estimate


@dataclass(frozen=True)
class GroupAgreement:
    """Agreement of the raters of one group.

    Parameters
    ----------
    key, label : str
    raters : int
        Raters who gave a rating.
    items : tuple of ItemAgreement
        Of items on points.
    numeric : tuple of NumericAgreement
    pairs : PairwiseKappas or None
        Quadratic kappa of every two raters over the items of the first scale; None for fewer than
        three raters, or for more than `MOST_RATERS_DRAWN`.
    pair_units : int
        Responses by items of that matrix.
    names : tuple of str
        Of the raters.
    """

    key: str
    label: str
    raters: int
    items: tuple[ItemAgreement, ...]
    numeric: tuple[NumericAgreement, ...]
    pairs: PairwiseKappas | None
    pair_units: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class AgreementChapter:
    """Agreement in a study.

    Parameters
    ----------
    groups : tuple of GroupAgreement
        Empty in a study of conversations, in which no two raters rated the same text.
    of_conversations : bool
    """

    groups: tuple[GroupAgreement, ...]
    of_conversations: bool


def agreement_chapter(context: ReportContext) -> AgreementChapter:
    """Agreement of all raters and of each group."""
    if len(context.data.conversations):
        return AgreementChapter((), True)
    groups = []
    for key, label, sample in context.samples:
        # A column without a rating would still count as a rater, and be drawn by the bootstrap.
        raters = sample & context.shaped.with_ratings
        if raters.any():
            groups.append(_group(context, key, label, raters))
    return AgreementChapter(tuple(groups), False)


def _group(context: ReportContext, key: str, label: str, raters: BoolArray) -> GroupAgreement:
    n = int(raters.sum())
    pairs, pair_units = None, 0
    if context.scales and 3 <= n <= MOST_RATERS_DRAWN:
        points, places = context.scales[0]
        units = study_units(context, places, [p for p, _ in points], raters)
        pairs = pairwise_kappas(units.matrix, units.points, weights="quadratic")
        pair_units = int(units.matrix.shape[0])
    numeric = []
    for i in context.numeric_places:
        matrix, item = context.item_matrix(i, raters), context.data.items[i]
        forms = icc(matrix, missing=gaps_by_mixed_model(matrix), level=context.level)
        numeric.append(NumericAgreement(item.id, item.label, forms.icc2, forms.icc2k, forms.icc3))
    names = zip(context.shaped.rater_ids, raters, strict=True)
    return GroupAgreement(
        key,
        label,
        n,
        tuple(_items(context, raters)),
        tuple(numeric),
        pairs,
        pair_units,
        tuple(str(name) for name, chosen in names if chosen),
    )


def _items(context: ReportContext, raters: BoolArray) -> Iterator[ItemAgreement]:
    """Item by item, then all items of each scale one after the other."""
    items = context.data.items
    for i, item in enumerate(items):
        if item.kind == "points":
            points = [float(p) for p in context.points(item)]
            yield _item(item.id, item.label, study_units(context, [i], points, raters))
    several = len(context.scales) > 1
    for anchored, places in context.scales:
        if len(places) < 2:
            continue
        points = [float(p) for p, _ in anchored]
        key = f"all_{len(points)}_points" if several else "all"
        label = f"All items, {points[0]:g} to {points[-1]:g}" if several else "All items"
        yield _item(key, label, study_units(context, places, points, raters))


def _item(key: str, label: str, units: RatedUnits) -> ItemAgreement:
    matrix, responses, level = units.matrix, units.responses, units.bootstrap.level
    missing = gaps_by_mixed_model(matrix)
    if responses is None:
        forms = icc(matrix, missing=missing, level=level)
        single, mean = forms.icc2, forms.icc2k
    else:
        single, mean = jackknife_icc2(
            matrix, responses, missing=missing, cluster="response", level=level
        )
    pairs, by_pairs, by_margins, by_raters, ordinal, ac2 = assembled(
        units,
        (
            (agreeing_pairs, "unweighted"),
            (light, "unweighted"),
            (fleiss, "unweighted"),
            (conger, "unweighted"),
            (alpha, "ordinal"),
            (gwet, "quadratic"),
        ),
    )
    return ItemAgreement(
        key,
        label,
        int(((~np.isnan(matrix)).sum(axis=1) >= 2).sum()),
        responses is not None,
        pairs,
        by_pairs,
        by_margins,
        by_raters,
        ordinal,
        ac2,
        single,
        mean,
        _redrawn_alpha(units, ordinal),
    )


def _redrawn_alpha(units: RatedUnits, ordinal: Estimate) -> Estimate:
    """Ordinal alpha with its interval from drawing units and raters again, where affordable."""
    if ordinal.estimate is None or units.few_enough:
        return redrawn_alpha(units, "both")
    return replace(ordinal, ci_low=None, ci_high=None, ci_method=TOO_MANY_REDRAWN)


@dataclass(frozen=True)
class TableAgreement:
    """Agreement of the raters of one table, its units independent of each other.

    Parameters
    ----------
    coefficients : tuple of Estimate
        Chance-corrected coefficients with every weighting that they have, and Krippendorff's alphas.
    alphas_redrawn : tuple of Estimate
        Ordinal alpha with its interval from drawing units, raters, and both again.
    two_raters : tuple of Estimate
        Cohen's kappas and the test of equal margins; empty unless there are two raters.
    intraclass : tuple of (str, IntraclassCorrelations)
        By how gaps are treated, see `analysis.agreement.intraclass.icc`.
    concordance : Estimate
    """

    coefficients: tuple[Estimate, ...]
    alphas_redrawn: tuple[Estimate, ...]
    two_raters: tuple[Estimate, ...]
    intraclass: tuple[tuple[str, IntraclassCorrelations], ...]
    concordance: Estimate


def table_agreement(units: RatedUnits) -> TableAgreement:
    """Everything that is computed for a table of ratings on the points of a scale."""
    level = units.bootstrap.level
    # Krippendorff's ratio metric divides by the sum of two points.
    metrics = ["nominal", "ordinal", "interval"] + (["ratio"] if min(units.points) >= 0 else [])
    of_weights = (agreeing_pairs, fleiss, conger, gwet, brennan_prediger, light)
    two: tuple[Estimate, ...] = ()
    if units.matrix.shape[1] == 2:
        first, second = units.matrix.T
        two = (
            *(cohen_kappa(first, second, units.points, weights=w, level=level) for w in WEIGHTS),
            stuart_maxwell(first, second, units.points),
        )
    return TableAgreement(
        assembled(
            units,
            [
                *((coefficient, weights) for weights in WEIGHTS for coefficient in of_weights),
                *((alpha, metric) for metric in metrics),
            ],
        ),
        tuple(
            replace(
                redrawn_alpha(units, what),
                statistic=f"krippendorff_alpha_ordinal_bootstrap_{what}",
            )
            for what in RESAMPLED
        ),
        two,
        _intraclass(units, "complete", "mixed_model", "mixed_model_profile"),
        kendall_w(units.matrix),
    )


def _intraclass(units: RatedUnits, *gaps: str) -> tuple[tuple[str, IntraclassCorrelations], ...]:
    level = units.bootstrap.level
    return tuple((missing, icc(units.matrix, missing=missing, level=level)) for missing in gaps)


def averaged_agreement(matrix: FloatArray, bootstrap: Bootstrap) -> TableAgreement | str:
    """Agreement of raters some of whom are means of several people, or why there is none.

    Only what is weighted by value and does not change with the number of categories: Fleiss', Conger's
    and Light's kappa with linear and quadratic weights, Krippendorff's interval and ordinal alpha,
    intraclass correlations, Kendall's W.
    """
    given = ~np.isnan(matrix)
    table = matrix.copy()
    table[given] = without_rounding(matrix[given])
    used = np.unique(table[given])
    if used.size < 2:
        return "all ratings are equal" if used.size else "there is no rating"
    units = RatedUnits(table, used.tolist(), bootstrap)
    kappas = [(kappa, w) for w in ("linear", "quadratic") for kappa in (fleiss, conger, light)]
    return TableAgreement(
        assembled(units, [*kappas, (alpha, "ordinal"), (alpha, "interval")]),
        (),
        (),
        _intraclass(units, "complete", "mixed_model"),
        kendall_w(table),
    )
