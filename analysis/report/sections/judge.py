"""What the judge is worth on this study."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.judge.people import PeopleResults
from analysis.chapters.judge.stand_in import JudgeChapter, judge_chapter
from analysis.judge_worth.stand_in import StandInAnswer
from analysis.report.blocks import (
    Block,
    Column,
    Paragraph,
    Row,
    Section,
    Table,
    one_group,
)
from analysis.report.numbers import n_text
from analysis.report.sections.judge_calls import call_blocks
from analysis.report.sections.judge_people import people_blocks
from study.protocol.judge import StandInConditions
from study.report_view.data import ReportJudge


def judge_section(context: ReportContext) -> Section:
    """Outcomes, agreement with people beside people's own, bias, corrected scores, the condition."""
    heading = "The LLM judge"
    chapter = judge_chapter(context)
    if chapter is None:
        return Section("judge", heading)
    judge = chapter.judge
    blocks: list[Block] = [Paragraph(_opening(judge))]
    if judge.simulated:
        blocks.append(
            Paragraph(
                "Verdicts in this section were made by rule, not by a language model. They show that the "
                "machinery works and say nothing about any judge.",
                "notice",
            )
        )
    blocks += [
        Paragraph(f"{said[:1].upper()}{said[1:]}.", "notice") for said in judge.model_changes
    ]
    calls = call_blocks(context, judge, chapter.calls)
    if chapter.worthless:
        blocks.append(Paragraph(_worthless(len(judge.verdicts)), "notice"))
        return Section("judge", heading, (*blocks, *calls))
    blocks += [*_answer_blocks(context, chapter), *calls]
    if not chapter.people:
        blocks.append(Paragraph(_nobody()))
    for results in chapter.people:
        blocks += people_blocks(context, results)
    return Section("judge", heading, tuple(blocks))


def _opening(judge: ReportJudge) -> str:
    models = ", ".join(judge.models)
    several = (
        " Verdicts of several models are pooled here, so no figure belongs to any one of them."
        if len(judge.models) > 1
        else ""
    )
    return (
        f"The judge is {models}; the ledger holds {len(judge.verdicts)} verdicts on the study’s "
        f"responses.{several} It never saw which system wrote a response. Where a verdict was "
        "repeated, the mean of the repeats is compared with people. Its figures stand beside "
        "those of people among themselves: a judge cannot be asked to agree with raters more than "
        "they agree with one another. It is an instrument under test, and its scores enter no other "
        "section of this report."
    )


def _worthless(verdicts: int) -> str:
    return (
        f"None of the {verdicts} verdicts has a score. On this study the judge is worthless: each of its "
        "means could lie anywhere between the lowest and the highest point, as the tables show, nothing "
        "can be compared with people, and it may not stand in for anybody."
    )


def _nobody() -> str:
    return (
        "No criterion of the judge is also an item that people answered on the same scale, or nobody "
        "rated, so the judge cannot be compared with people."
    )


def _answer_blocks(context: ReportContext, chapter: JudgeChapter) -> list[Block]:
    conditions = chapter.judge.stand_in_only_if
    if conditions is None:
        return [
            Paragraph(
                "The protocol does not say when the judge may stand in for people, so this report gives "
                "no answer to that question."
            )
        ]
    if not chapter.stand_in:
        return [
            Paragraph(
                f"May the judge stand in for the group {conditions.group!r}? Cannot be answered: no item "
                "was both rated by this group and judged on the same scale.",
                "notice",
            )
        ]
    blocks: list[Block] = []
    for results, answer in chapter.stand_in:
        text = (
            f"May the judge (rubric {results.rubric}) stand in for people of the group "
            f"{results.label}? {answer.answer.capitalize()}. {answer.because}."
        )
        blocks += [
            Paragraph(text, "notice"),
            _condition_table(context, conditions, results, answer),
        ]
    return blocks


def _condition_table(
    context: ReportContext,
    conditions: StandInConditions,
    results: PeopleResults,
    answer: StandInAnswer,
) -> Table:
    rows = [Row((c.condition, c.answer, c.because)) for c in answer.conditions]
    return Table(
        f"judge-stand-in-{results.rubric}-{results.key}",
        f"The protocol’s conditions for standing in for people: {results.label}",
        n_text("condition", len(rows)),
        context.declared,
        (Column("Condition", False), Column("Holds", False), Column("Because", False)),
        one_group(rows),
        pd.DataFrame(
            [
                {
                    "group": conditions.group,
                    "condition": c.condition,
                    "answer": c.answer,
                    "because": c.because,
                }
                for c in answer.conditions
            ]
        ),
    )
