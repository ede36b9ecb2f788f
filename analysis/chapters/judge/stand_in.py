"""What the judge is worth on a study: beside people, and by the conditions that the protocol declares."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.chapters.context import ReportContext
from analysis.chapters.judge.calls import JudgeCallsChapter, judge_calls_chapter
from analysis.chapters.judge.people import PeopleResults, judge_people_chapter
from analysis.judge_worth.stand_in import StandInAnswer, stand_in_answer
from study.report_view.data import ReportJudge


@dataclass(frozen=True)
class JudgeChapter:
    """The judge's ledger with all that was made of it.

    Parameters
    ----------
    judge : ReportJudge
    worthless : bool
        None of its verdicts has a score: nothing is compared with people.
    calls : JudgeCallsChapter
    people : tuple of PeopleResults
        By scale and group; empty where no item was both judged and rated.
    stand_in : tuple of (PeopleResults, StandInAnswer)
        The declared group's results held against the protocol's conditions.
    """

    judge: ReportJudge
    worthless: bool
    calls: JudgeCallsChapter
    people: tuple[PeopleResults, ...] = ()
    stand_in: tuple[tuple[PeopleResults, StandInAnswer], ...] = ()


def judge_chapter(context: ReportContext) -> JudgeChapter | None:
    """Calls, people and the protocol's conditions; None without a judge."""
    judge = context.data.judge
    if judge is None:
        return None
    calls, n = judge_calls_chapter(context, judge), len(judge.verdicts)
    if n and not (judge.verdicts["outcome"] == "scored").any():
        return JudgeChapter(judge, True, calls)
    people = judge_people_chapter(context, judge)
    conditions = judge.stand_in_only_if
    answers = []
    for found in people:
        if conditions is not None and found.key == conditions.group:
            answer = stand_in_answer(
                conditions,
                test=found.test,
                kappa=found.together.kappa.judge,
                bias_by_system=found.together.bias_by_system,
            )
            answers.append((found, answer))
    return JudgeChapter(judge, False, calls, people, tuple(answers))
