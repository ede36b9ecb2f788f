"""Attention checks: who failed how many of them. Their answers are no study data."""

from __future__ import annotations

from analysis.chapters.context import ReportContext
from analysis.description.proportions import ShareDetails
from analysis.description.quality import attention_checks
from analysis.results import Estimate


def attention_chapter(context: ReportContext) -> dict[str, Estimate[ShareDetails]]:
    """Rater -> share of the attention checks failed, of those who answered any."""
    attention = context.data.attention
    if attention is None or not len(attention.answers):
        return {}
    return dict(attention_checks(attention.answers, attention.expected, level=context.level))


def failed(share: Estimate) -> int:
    """How many checks a share stands for."""
    return round((share.estimate or 0.0) * share.n)


def failed_checks(context: ReportContext) -> dict[str, int]:
    """Rater -> number of failed attention checks, of those who answered any."""
    return {rater: failed(share) for rater, share in attention_chapter(context).items()}
