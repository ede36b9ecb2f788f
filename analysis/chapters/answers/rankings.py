"""Pages that show the responses of all systems, put into an order by raters.

Mean ranks and shares of first places are first averaged over a rater's prompts, so each rater counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.agreement.intraclass import kendall_w
from analysis.chapters.answers.asked import each_question
from analysis.chapters.context import ReportContext
from analysis.contrasts.preference import Strengths, plackett_luce
from analysis.description.numbers import NumberSummary, number_summary
from analysis.results import Estimate
from study.entities import Named
from study.report_view.data import ReportItem


@dataclass(frozen=True)
class SystemRank:
    """Where a system stands: its mean rank over raters, and how often it is first, in percent."""

    system: Named
    n_rankings: int
    rank: NumberSummary
    first_percent: Estimate


@dataclass(frozen=True)
class PromptConcordance:
    """Do the raters of one prompt order the systems alike?"""

    prompt: str
    n_raters: int
    w: Estimate


@dataclass(frozen=True)
class RankedItem:
    """One ranking.

    Parameters
    ----------
    item : ReportItem
    systems : tuple of SystemRank
    strengths : Strengths
        Of the orders without shared places.
    n_tied : int
        Orders with shared places, which Plackett and Luce's model does not know.
    prompts : tuple of PromptConcordance
    mean_concordance : Estimate
        Over the prompts.
    """

    item: ReportItem
    systems: tuple[SystemRank, ...]
    strengths: Strengths
    n_tied: int
    prompts: tuple[PromptConcordance, ...]
    mean_concordance: Estimate


def ranking_chapter(context: ReportContext) -> tuple[RankedItem, ...] | None:
    """Mean ranks, first places, strengths and concordance for each question.

    Empty where the study asks no such question, None where nobody answered one.
    """
    return each_question(context, "ranking", context.data.rankings, partial(_item, context))


def _item(context: ReportContext, item: ReportItem, answers: pd.DataFrame) -> RankedItem:
    frame = _with_first_places(answers)
    orders, raters, tied = _orders(frame)
    prompts = tuple(_concordance(str(p), own) for p, own in frame.groupby("prompt", sort=True))
    known = [p.w.estimate for p in prompts if p.w.estimate is not None]
    return RankedItem(
        item,
        tuple(_system(context, system, frame) for system in context.data.systems),
        plackett_luce(orders, raters, clustered_by="raters", level=context.level),
        tied,
        prompts,
        number_summary(known, level=context.level, unit="prompt").mean,
    )


def _with_first_places(frame: pd.DataFrame) -> pd.DataFrame:
    """The ranks, with the part of the first place that each response has."""
    best = frame.groupby(["rater", "prompt"])["rank"].transform("min")
    first = frame["rank"] == best
    sharing = first.groupby([frame["rater"], frame["prompt"]]).transform("sum")
    return frame.assign(first=first / sharing)


def _system(context: ReportContext, system: Named, frame: pd.DataFrame) -> SystemRank:
    own = frame[frame["system"] == system.id].groupby("rater")[["rank", "first"]].mean()
    percent = 100 * own["first"].to_numpy()
    return SystemRank(
        system,
        int((frame["system"] == system.id).sum()),
        number_summary(own["rank"].to_numpy(), level=context.level, unit="rater"),
        number_summary(percent, level=context.level, unit="rater").mean,
    )


def _orders(frame: pd.DataFrame) -> tuple[list[list[str]], list[str], int]:
    """Orders without shared places, their raters, and how many orders have shared places."""
    orders, raters, tied = [], [], 0
    for (rater, _), rows in frame.groupby(["rater", "prompt"], sort=True):
        if rows["rank"].nunique() < len(rows):
            tied += 1
            continue
        orders.append([str(s) for s in rows.sort_values("rank")["system"]])
        raters.append(str(rater))
    return orders, raters, tied


def _concordance(prompt: str, rows: pd.DataFrame) -> PromptConcordance:
    table = rows.pivot_table(index="system", columns="rater", values="rank", aggfunc="first")
    table = table.dropna(axis=1)
    return PromptConcordance(prompt, table.shape[1], kendall_w(table.to_numpy(dtype=np.float64)))
