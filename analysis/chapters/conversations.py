"""Conversations of raters with systems: how long they were, how they ended, what became of replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.description.numbers import NumberSummary, number_summary
from analysis.results import Estimate

NOT_ENDED = "not ended"
# Measure -> its column, and how many of the column's units make one of its own.
_MEASURES = {
    "rater_turns": ("rater_turns", 1.0),
    "rater_words": ("rater_words", 1.0),
    "minutes": ("seconds", 60.0),
}


@dataclass(frozen=True)
class ConversationLength:
    """One measure of the conversations with one system that ended.

    Parameters
    ----------
    measure : {"rater_turns", "rater_words", "minutes"}
    system, label : str
    over_conversations : NumberSummary
    over_raters : Estimate
        Mean of the raters' means: each rater counts once.
    """

    measure: str
    system: str
    label: str
    over_conversations: NumberSummary
    over_raters: Estimate


@dataclass(frozen=True)
class ConversationEnds:
    """How the conversations with one system ended, and how many replies were kept, dropped or cut.

    Parameters
    ----------
    system, label : str
    planned : int
    ends, replies : mapping of str to int
    """

    system: str
    label: str
    planned: int
    ends: Mapping[str, int]
    replies: Mapping[str, int]


@dataclass(frozen=True)
class ConversationsChapter:
    """Lengths by measure and system, ends by system."""

    lengths: tuple[ConversationLength, ...]
    ends: tuple[ConversationEnds, ...]
    n: int


def conversations_chapter(context: ReportContext) -> ConversationsChapter | None:
    """Lengths and ends of the conversations; None without any."""
    frame = context.data.conversations
    if not len(frame):
        return None
    lengths = []
    for measure, (column, divisor) in _MEASURES.items():
        for system in context.data.systems:
            # A conversation that was not begun or not ended has no length.
            own = frame[(frame["system"] == system.id) & (frame["ended_by"] != "")]
            values = pd.to_numeric(own[column]).astype("float64") / divisor
            found = number_summary(values.to_numpy(), level=context.level, unit="conversation")
            means = values.groupby(own["rater"]).mean().to_numpy()
            over = number_summary(means, level=context.level, unit="rater").mean
            lengths.append(ConversationLength(measure, system.id, system.label, found, over))
    return ConversationsChapter(tuple(lengths), _ends(context), len(frame))


def _ends(context: ReportContext) -> tuple[ConversationEnds, ...]:
    frame = context.data.conversations
    ends = frame["ended_by"].replace("", NOT_ENDED)
    replies = [c for c in frame.columns if c.startswith("replies_")]
    found = []
    for system in context.data.systems:
        own = frame["system"] == system.id
        found.append(
            ConversationEnds(
                system.id,
                system.label,
                int(own.sum()),
                {kind: int((ends[own] == kind).sum()) for kind in sorted(set(ends))},
                {name: int(frame.loc[own, name].sum()) for name in replies},
            )
        )
    return tuple(found)
