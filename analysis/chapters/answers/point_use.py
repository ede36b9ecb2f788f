"""What coefficients of agreement depend on: how often each point is given, and beside which other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.agreement.confusion import pooled_confusion
from analysis.agreement.two_raters import Confusion, Prevalence, confusion, prevalence
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray
from analysis.validation import IntArray

# Columns of a longer scale fit on no page.
MOST_POINTS = 11
Points = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class GroupPointUse:
    """How the raters of one group use the points of a scale.

    Parameters
    ----------
    key, label : str
    names : tuple of str
        Of the raters.
    given : tuple of (str, str, Prevalence)
        Id and label of each item, then ``all`` where there are several.
    beside : tuple of (str, IntArray)
        Id of each item, then ``all``, with the pairs of ratings: of two raters the first's points by the
        second's, of more every two raters both ways round. Empty for fewer than two raters, or where
        no two rated the same.
    """

    key: str
    label: str
    names: tuple[str, ...]
    given: tuple[tuple[str, str, Prevalence], ...]
    beside: tuple[tuple[str, IntArray], ...]


@dataclass(frozen=True)
class ScaleUse:
    """One scale, its place among the scales of the study from 0, and the labels of its items."""

    points: Points
    place: int
    items: tuple[str, ...]
    groups: tuple[GroupPointUse, ...]


def point_use_chapter(context: ReportContext) -> tuple[ScaleUse, ...]:
    """For each scale of up to `MOST_POINTS` points, all raters and each group."""
    return tuple(
        ScaleUse(
            points,
            place,
            tuple(context.data.items[i].label for i in items),
            tuple(_group(context, points, items, sample) for sample in context.samples),
        )
        for place, (points, items) in enumerate(context.scales)
        if len(points) <= MOST_POINTS
    )


def _group(
    context: ReportContext,
    points: Points,
    items: Sequence[int],
    sample: tuple[str, str, BoolArray],
) -> GroupPointUse:
    key, label, raters = sample
    scale = [value for value, _ in points]
    named = [(context.data.items[i].id, context.data.items[i].label, [i]) for i in items]
    if len(items) > 1:
        named.append(("all", "All items", list(items)))
    given = []
    for item, name, places in named:
        stacked = np.vstack([context.item_matrix(i, raters) for i in places])
        given.append((item, name, prevalence(stacked.reshape(-1, 1), scale)))
    beside: list[tuple[str, IntArray]] = []
    if int(raters.sum()) >= 2:
        for i in items:
            counts = np.asarray(_beside(context, scale, i, raters).counts)
            beside.append((context.data.items[i].id, counts))
        beside.append(("all", np.sum([counts for _, counts in beside], axis=0)))
        if not beside[-1][1].sum():
            beside = []
    chosen = zip(context.shaped.rater_ids, raters, strict=True)
    names = tuple(str(rater) for rater, in_it in chosen if in_it)
    return GroupPointUse(key, label, names, tuple(given), tuple(beside))


def _beside(
    context: ReportContext, scale: Sequence[int], place: int, raters: BoolArray
) -> Confusion:
    matrix = context.item_matrix(place, raters)
    if matrix.shape[1] == 2:
        return confusion(matrix[:, 0], matrix[:, 1], scale)
    return pooled_confusion(matrix, scale)
