"""Parts of a response that raters marked with labels: how often, and do they mark the same characters?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pandas as pd

from analysis.agreement.spans import MarkedResponse, character_agreement
from analysis.chapters.answers.asked import each_question
from analysis.chapters.context import ReportContext
from analysis.contrasts.cluster_means import clustered_share
from analysis.results import Estimate
from study.entities import Named
from study.report_view.data import ReportItem


@dataclass(frozen=True)
class SystemSpans:
    """One label in the responses of one system.

    ``share`` is that of the ``n_read`` responses read in which anything was marked, raters as clusters;
    ``n_marked`` counts marked parts.
    """

    system: Named
    n_read: int
    share: Estimate
    n_marked: int


@dataclass(frozen=True)
class MarkedLabel:
    """One label; agreement is on characters, responses drawn again.

    ``characters`` counts those marked in responses of two raters or more, each rater by himself.
    """

    label: Named
    systems: tuple[SystemSpans, ...]
    agreement: Estimate
    characters: int


@dataclass(frozen=True)
class MarkedItem:
    """One item with its labels."""

    item: ReportItem
    labels: tuple[MarkedLabel, ...]


def spans_chapter(context: ReportContext) -> tuple[MarkedItem, ...] | None:
    """Shares and agreement for each label.

    Empty where the study asks no such question, None where nobody answered one.
    """
    return each_question(context, "spans", context.data.spans, partial(_item, context))


def _item(context: ReportContext, item: ReportItem, frame: pd.DataFrame) -> MarkedItem:
    return MarkedItem(item, tuple(_label(context, label, frame) for label in item.labels))


def _label(context: ReportContext, label: Named, frame: pd.DataFrame) -> MarkedLabel:
    systems = []
    for system in context.data.systems:
        read = frame[frame["system"] == system.id]
        read = read.assign(hit=read["label"] == label.id)
        hits = read.groupby(["rater", "prompt"])["hit"].any()
        share = clustered_share(
            hits.to_numpy(dtype=float), hits.index.get_level_values("rater").tolist(),
            statistic="labelled_share", level=context.level, unit="response read",
        )  # fmt: skip
        systems.append(SystemSpans(system, len(hits), share, int(read["hit"].sum())))
    agreement = character_agreement(_marked(frame, label.id), bootstrap=context.bootstrap)
    characters = 0 if agreement.estimate is None else agreement.details.of.marked
    return MarkedLabel(label, tuple(systems), agreement, characters)


def _marked(frame: pd.DataFrame, label: str) -> list[MarkedResponse]:
    """Each response with what every one of its raters marked; nothing is an answer."""
    found = []
    for _, rows in frame.groupby(["system", "prompt"], sort=True):
        by_rater: dict[str, list[tuple[int, int]]] = {}
        for rater, start, end, given in zip(
            rows["rater"], rows["start"], rows["end"], rows["label"], strict=True
        ):
            parts = by_rater.setdefault(str(rater), [])
            if given == label:
                parts.append((int(start), int(end)))
        found.append(MarkedResponse(int(rows["length"].iloc[0]), by_rater))
    return found
