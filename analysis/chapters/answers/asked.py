"""The questions about several responses of one page, and the answers to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pandas as pd

from analysis.chapters.context import ReportContext
from study.report_view.data import ReportItem

Found = TypeVar("Found")


def each_question(
    context: ReportContext,
    kind: str,
    answers: pd.DataFrame,
    found: Callable[[ReportItem, pd.DataFrame], Found],
) -> tuple[Found, ...] | None:
    """What is found in the answers to each question of a kind.

    Empty where the study asks no such question, None where nobody answered one.
    """
    items = [item for item in context.data.compared if item.kind == kind]
    if items and not len(answers):
        return None
    return tuple(found(item, answers[answers["item"] == item.id]) for item in items)
