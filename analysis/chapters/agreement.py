"""Agreement of raters: of a study, item by item and group by group, and of one table of ratings.

Responses are units. The items about one response are not independent of each other, so where several
items are taken together whole responses are left out (jackknife) or drawn again (bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.agreement.bootstrap import bootstrap_alpha, bootstrap_light_kappa
from analysis.agreement.coefficients import (
    WEIGHTS,
    brennan_prediger,
    conger_kappa,
    fleiss_kappa,
    gwet_ac,
    percent_agreement,
)
from analysis.agreement.intraclass import IntraclassCorrelations, icc, kendall_w
from analysis.agreement.jackknife import jackknife_agreement, jackknife_icc2
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.agreement.two_raters import (
    PairwiseKappas,
    cohen_kappa,
    light_kappa,
    pairwise_kappas,
    stuart_maxwell,
)
from analysis.chapters import decisions
from analysis.chapters.context import ReportContext
from analysis.chapters.decisions import (
    MOST_RATERS_PAIRED,
    REPLICATES,
    SEED,
    gaps_by_mixed_model,
)
from analysis.chapters.shaping import BoolArray
from analysis.resampling import Bootstrap
from analysis.results import Estimate
from analysis.rounding import without_rounding
from analysis.validation import FloatArray, IntArray

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
    pairs, stacked = None, np.empty((0, 0))
    if context.scales and 3 <= n <= MOST_RATERS_DRAWN:
        points, places = context.scales[0]
        stacked = np.vstack([context.item_matrix(i, raters) for i in places])
        pairs = pairwise_kappas(stacked, [p for p, _ in points], weights="quadratic")
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
        int(stacked.shape[0]),
        tuple(str(name) for name, chosen in names if chosen),
    )


def _items(context: ReportContext, raters: BoolArray) -> Iterator[ItemAgreement]:
    """Item by item, then all items of each scale one after the other."""
    items = context.data.items
    for i, item in enumerate(items):
        if item.kind == "points":
            points = [float(p) for p in context.points(item)]
            yield _item(item.id, item.label, context.item_matrix(i, raters), None, points, context)
    several = len(context.scales) > 1
    for anchored, places in context.scales:
        if len(places) < 2:
            continue
        points = [float(p) for p, _ in anchored]
        key = f"all_{len(points)}_points" if several else "all"
        label = f"All items, {points[0]:g} to {points[-1]:g}" if several else "All items"
        matrix, responses = stacked_items(context, places, raters)
        yield _item(key, label, matrix, responses, points, context)


def stacked_items(
    context: ReportContext, places: Sequence[int], raters: BoolArray
) -> tuple[FloatArray, IntArray]:
    """Ratings of several items one below the other, and the response that each row is about."""
    matrices = [context.item_matrix(i, raters) for i in places]
    return np.vstack(matrices), np.tile(np.arange(len(matrices[0])), len(matrices))


def _item(
    key: str,
    label: str,
    matrix: FloatArray,
    responses: IntArray | None,
    points: Sequence[float],
    context: ReportContext,
) -> ItemAgreement:
    """``responses`` is the response of each row where several rows are about one."""
    level = context.level
    missing = gaps_by_mixed_model(matrix)
    if responses is None:
        forms = icc(matrix, missing=missing, level=level)
        single, mean = forms.icc2, forms.icc2k
    else:
        single, mean = jackknife_icc2(
            matrix, responses, missing=missing, cluster="response", level=level
        )
    counted = of_equal_and_near(matrix, points, responses, level=level)
    return ItemAgreement(
        key,
        label,
        int(((~np.isnan(matrix)).sum(axis=1) >= 2).sum()),
        responses is not None,
        counted.agreeing_pairs,
        redrawn_light(matrix, points, level=level, seed=SEED, responses=responses),
        counted.fleiss,
        _by_response(
            lambda m: conger_kappa(m, points, level=level), matrix, responses, level=level
        ),
        counted.alpha,
        counted.ac2,
        single,
        mean,
        _redrawn_alpha(matrix, points, counted.alpha, responses, level),
    )


@dataclass(frozen=True)
class PlainCoefficients:
    """The coefficients that take no bootstrap and no model, also shown without excluded raters."""

    agreeing_pairs: Estimate
    fleiss: Estimate
    ac2: Estimate
    alpha: Estimate


def of_equal_and_near(
    matrix: FloatArray,
    points: Sequence[float],
    responses: IntArray | None,
    *,
    level: float,
) -> PlainCoefficients:
    """Share of agreeing pairs, Fleiss' kappa, quadratic AC2 and ordinal alpha.

    Parameters
    ----------
    matrix : ndarray, shape (units, raters)
    points : sequence of float
    responses : ndarray, shape (units,), or None
        What each unit is about, where several are about one: intervals are then by response.
    level : float
    """

    def by_response(statistic: Callable[[FloatArray], Estimate], lowest: float = -1.0) -> Estimate:
        return _by_response(statistic, matrix, responses, level=level, lowest=lowest)

    return PlainCoefficients(
        by_response(lambda m: percent_agreement(m, points, level=level), 0.0),
        by_response(lambda m: fleiss_kappa(m, points, level=level)),
        by_response(lambda m: gwet_ac(m, points, weights="quadratic", level=level)),
        by_response(lambda m: krippendorff_alpha(m, points, metric="ordinal", level=level)),
    )


def _by_response(
    statistic: Callable[[FloatArray], Estimate],
    matrix: FloatArray,
    responses: IntArray | None,
    *,
    level: float,
    lowest: float = -1.0,
) -> Estimate:
    if responses is None:
        return statistic(matrix)
    return jackknife_agreement(
        statistic, matrix, responses, cluster="response", lowest=lowest, level=level
    )


def _redrawn_alpha(
    matrix: FloatArray,
    points: Sequence[float],
    alpha: Estimate,
    responses: IntArray | None,
    level: float,
) -> Estimate:
    """Ordinal alpha with its interval from drawing units and raters again, where affordable."""
    if alpha.estimate is None:
        return alpha
    if int((~np.isnan(matrix)).sum()) > decisions.MOST_RATINGS_REDRAWN:
        return replace(alpha, ci_low=None, ci_high=None, ci_method=TOO_MANY_REDRAWN)
    return bootstrap_alpha(
        matrix,
        points,
        metric="ordinal",
        resample="both",
        clusters=responses,
        cluster="response",
        bootstrap=Bootstrap(REPLICATES, level, SEED),
    )


def redrawn_light(
    matrix: FloatArray,
    points: Sequence[float],
    *,
    weights: str = "unweighted",
    level: float,
    seed: int,
    responses: IntArray | None = None,
) -> Estimate:
    """Light's kappa with its interval from drawing units again, where affordable."""
    units, raters = matrix.shape
    held = units * (raters * (raters - 1) // 2) * len(points)
    few = raters <= MOST_RATERS_PAIRED and held <= decisions.MOST_PAIRED_CELLS
    if not few or int((~np.isnan(matrix)).sum()) > decisions.MOST_RATINGS_REDRAWN:
        return light_kappa(matrix, points, weights=weights)
    return bootstrap_light_kappa(
        matrix,
        points,
        weights=weights,
        clusters=responses,
        cluster="response",
        bootstrap=Bootstrap(REPLICATES, level, seed),
    )


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


def table_agreement(
    matrix: FloatArray, points: Sequence[float], *, level: float, seed: int
) -> TableAgreement:
    """Everything that is computed for a table of ratings on the points of a scale.

    Parameters
    ----------
    matrix : ndarray, shape (units, raters)
        Missing as nan.
    points : sequence of float
        All points of the scale, used or not.
    level : float
    seed : int
        Of the bootstraps.
    """
    coefficients: list[Estimate] = []
    for weights in WEIGHTS:
        coefficients += [
            statistic(matrix, points, weights=weights, level=level)
            for statistic in (
                percent_agreement, fleiss_kappa, conger_kappa, gwet_ac, brennan_prediger,
            )
        ]  # fmt: skip
        coefficients.append(redrawn_light(matrix, points, weights=weights, level=level, seed=seed))
    # Krippendorff's ratio metric divides by the sum of two points.
    metrics = ["nominal", "ordinal", "interval"] + (["ratio"] if min(points) >= 0 else [])
    coefficients += [krippendorff_alpha(matrix, points, metric=m, level=level) for m in metrics]
    bootstrap = Bootstrap(REPLICATES, level, seed)
    drawn = (
        (what, bootstrap_alpha(matrix, points, resample=what, bootstrap=bootstrap))
        for what in ("items", "raters", "both")
    )
    two: tuple[Estimate, ...] = ()
    if matrix.shape[1] == 2:
        first, second = matrix.T
        two = (
            *(cohen_kappa(first, second, points, weights=w, level=level) for w in WEIGHTS),
            stuart_maxwell(first, second, points),
        )
    gaps = ("complete", "mixed_model", "mixed_model_profile")
    return TableAgreement(
        tuple(coefficients),
        tuple(replace(e, statistic=f"krippendorff_alpha_ordinal_bootstrap_{w}") for w, e in drawn),
        two,
        tuple((missing, icc(matrix, missing=missing, level=level)) for missing in gaps),
        kendall_w(matrix),
    )


def averaged_agreement(matrix: FloatArray, *, level: float, seed: int) -> TableAgreement | str:
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
    points = used.tolist()
    coefficients: list[Estimate] = []
    for weights in ("linear", "quadratic"):
        for statistic in (fleiss_kappa, conger_kappa):
            coefficients.append(statistic(table, points, weights=weights, level=level))
        coefficients.append(redrawn_light(table, points, weights=weights, level=level, seed=seed))
    for metric in ("ordinal", "interval"):
        coefficients.append(krippendorff_alpha(table, points, metric=metric, level=level))
    gaps = ("complete", "mixed_model")
    return TableAgreement(
        tuple(coefficients),
        (),
        (),
        tuple((missing, icc(table, missing=missing, level=level)) for missing in gaps),
        kendall_w(table),
    )
