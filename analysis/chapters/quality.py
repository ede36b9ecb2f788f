"""Data quality: who straight-lined, rushed or left gaps, and whether order mattered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.contrast import no_pair, primary_pair
from analysis.chapters.shaping import FloatArray
from analysis.contrasts.effect_sizes import TDetails
from analysis.description.proportions import ShareDetails
from analysis.description.quality import (
    Missingness,
    SlopeDetails,
    Straightlining,
    missingness,
    order_effect,
    place_effect,
    position_effect,
    straightlining,
    too_fast,
)
from analysis.results import Estimate, undefined

# Twice the mean speed of silent reading (238 words a minute, Brysbaert 2019), per 100 words.
SECONDS_PER_100_WORDS = 100 / (2 * 238) * 60


@dataclass(frozen=True)
class RaterQuality:
    """How one rater answered.

    Parameters
    ----------
    line : Straightlining
    n_missing : int
    fast : Estimate or None
        Share of fast pages; None where no page has a time or a response to read.
    """

    line: Straightlining
    n_missing: int
    fast: Estimate[ShareDetails] | None


@dataclass(frozen=True)
class RaterGaps:
    """Who left answers out.

    Parameters
    ----------
    n_planned, n_missing : int
        Answers of all raters.
    raters : tuple of str
        Those with gaps, those with most first.
    shares : ndarray, shape (raters, items)
        Share of the planned answers that is missing, in the order of ``raters``; nan where nothing was
        planned.
    """

    n_planned: int
    n_missing: int
    raters: tuple[str, ...]
    shares: FloatArray


@dataclass(frozen=True)
class QualityChapter:
    """Signs of careless answering, gaps and effects of order; none of them leaves anybody out.

    Parameters
    ----------
    raters : tuple of RaterQuality
        In the order of the ratings.
    by_item : tuple of Missingness
    gaps : RaterGaps
    position, place, order : Estimate
        Drift of ratings per position of the response, per place of the item on its page, and the primary
        contrast by the system seen first.
    """

    raters: tuple[RaterQuality, ...]
    by_item: tuple[Missingness, ...]
    gaps: RaterGaps
    position: Estimate[TDetails | SlopeDetails]
    place: Estimate[TDetails | SlopeDetails]
    order: Estimate[TDetails]


def quality_chapter(context: ReportContext) -> QualityChapter | None:
    """What the answers tell about how they were given; None without ratings."""
    ratings = context.data.ratings
    if not len(ratings):
        return None
    return QualityChapter(
        _raters(context),
        missingness(ratings, "item"),
        _gaps(context),
        position_effect(ratings, _ranges(context), level=context.level),
        _place_effect(context),
        _order_effect(context),
    )


def _raters(context: ReportContext) -> tuple[RaterQuality, ...]:
    lines = straightlining(_in_order(context), _ranges(context))
    fast = _fast(context)
    gaps = {m.label: m.n_missing for m in missingness(context.data.ratings, "rater")}
    return tuple(
        RaterQuality(line, gaps.get(line.rater, 0), fast.get(line.rater)) for line in lines
    )


def _in_order(context: ReportContext) -> pd.DataFrame:
    ratings = context.data.ratings
    place = {item.id: i for i, item in enumerate(context.data.items)}
    keyed = ratings.assign(item_place=ratings["item"].map(place))
    return keyed.sort_values(["rater", "position", "item_place"], kind="stable")


def _fast(context: ReportContext) -> dict[str, Estimate[ShareDetails]]:
    """Share of fast pages of each rater, from the arrays: one row for each page with a time."""
    shaped = context.shaped
    r, s, p = np.nonzero(~np.isnan(shaped.seconds))
    responses = context.data.responses
    if not r.size or not len(responses):
        return {}
    words = {
        (str(system), str(prompt)): len(str(text).split())
        for system, prompt, text in zip(
            responses["system"], responses["prompt"], responses["text"].fillna(""), strict=True
        )
    }
    table = np.array(
        [[words.get((x.id, q), 0) for q in shaped.prompt_ids] for x in context.data.systems]
    )
    pages = pd.DataFrame(
        {
            "rater": np.array(shaped.rater_ids, dtype=object)[r],
            "seconds": shaped.seconds[r, s, p],
            "words": table[s, p].astype(float),
        }
    )
    return dict(too_fast(pages, minimum_seconds=SECONDS_PER_100_WORDS, level=context.level))


def _ranges(context: ReportContext) -> dict[str, tuple[float, float]]:
    """Lowest and highest point of every item."""
    return {
        item.id: (float(item.points[0][0]), float(item.points[-1][0]))
        for item in context.data.items
    }


def _gaps(context: ReportContext) -> RaterGaps:
    shaped = context.shaped
    planned = shaped.planned.sum(axis=(1, 2))
    missing = (shaped.reason > 0).sum(axis=(1, 2))
    shares = np.divide(missing, planned, out=np.full(planned.shape, np.nan), where=planned > 0)
    gappy = np.flatnonzero(missing.any(axis=1))
    ranked = gappy[np.argsort(-missing[gappy].sum(axis=1), kind="stable")]
    names = tuple(shaped.rater_ids[i] for i in ranked)
    return RaterGaps(int(planned.sum()), int(missing.sum()), names, shares[ranked])


def _place_effect(context: ReportContext) -> Estimate[TDetails | SlopeDetails]:
    ratings = context.data.ratings
    if "place" not in ratings:
        return undefined("place_slope", "no place on the page is recorded", unit="rater")
    return place_effect(ratings, _ranges(context), level=context.level)


def _order_effect(context: ReportContext) -> Estimate[TDetails]:
    pair = primary_pair(context)
    if pair is None:
        return undefined("order_effect", no_pair(context), unit="rater")
    one, two = pair
    system, against = context.data.systems[one].id, context.data.systems[two].id
    place = context.shaped.position[:, [one, two], :]
    known = np.where(np.isnan(place), np.inf, place).min(axis=2)
    difference = context.totals[:, one] - context.totals[:, two]
    usable = np.isfinite(known).all(axis=1) & ~np.isnan(difference)
    names = np.where(known[:, 0] < known[:, 1], system, against)
    return order_effect(difference[usable], list(names[usable]), level=context.level)
