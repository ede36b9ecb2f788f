"""Answers about several responses, or about parts of one, as long rows for analyses.

Systems appear under the names that ``study.export.system_names`` gives: blind codes until the study
is unblinded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from study import export
from study.entities import AssignmentRecord
from study.protocol import Item
from study.protocol.items.item import Table
from study.protocol.items.ranking import mid_ranks
from study.protocol.items.spans import Span, read_spans
from study.store import raters, ratings, responses
from study.store.study import Study


def comparison_rows(study: Study) -> list[dict[str, Any]]:
    """One row per answer that compares the two responses of a page.

    ``place_a`` and ``place_b`` are the systems whose responses stood at A and B, ``value`` is 1 for
    A, 2 for B and 0 for a tie, ``chosen`` the system of the better response or ``"tie"``.
    """
    rows = []
    for item, value, assignment, about in _answers_in_table(study, "pairwise"):
        first, second = about.pop("shown")
        rows.append(
            {
                **about,
                "place_a": first,
                "place_b": second,
                "value": value,
                "chosen": item.chosen(value, (first, second)),
                "seconds": assignment.seconds,
            }
        )
    return rows


def ranking_rows(study: Study) -> list[dict[str, Any]]:
    """One row per response that somebody put into an order.

    ``place`` (from 1) is where it stood on the page, ``rank`` its mid-rank: 1 is best, responses on
    one place share the mean of the ranks that they take.
    """
    rows = []
    for _, value, _, about in _answers_in_table(study, "ranking"):
        shown = about.pop("shown")
        for letter, rank in mid_ranks(str(value)).items():
            place = ord(letter) - ord("A") + 1
            rows.append({**about, "system": shown[place - 1], "place": place, "rank": rank})
    return rows


def span_rows(study: Study) -> list[dict[str, Any]]:
    """One row per marked part of a response; ``length`` is that of the response, in characters.

    A rater who found nothing to mark has one row with an empty label.
    """
    texts = {(r.prompt_id, r.system_id): r.text for r in responses.read_responses(study)}
    names = export.system_names(study)
    rows = []
    for _, value, assignment, about in _answers_in_table(study, "spans"):
        text = texts[assignment.prompt_id, assignment.system_ids[0]]
        about.pop("shown")
        about["system"] = names[assignment.system_ids[0]].id
        rows += [
            {**about, **asdict(span), "length": len(text)}
            for span in read_spans(str(value)) or [Span(0, 0, "")]
        ]
    return rows


def numeric_rows(study: Study) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """``study.export.rating_rows`` in which every answer is a number, and variable -> question.

    The variables are those of ``study.export.numeric_variables``; free text is left out.
    """
    items = {item.id: item for item in study.protocol.items}
    variables = {name: export.numeric_variables(study, item) for name, item in items.items()}
    rows = []
    for row in export.rating_rows(study):
        given = row["text"] or row["value"]
        shown = row["shown"].split("|") if "shown" in row else [row["system"]]
        numbers = {} if given is None else items[row["item"]].numbers(given, shown)
        rows += [
            {**row, "item": variable, "value": numbers.get(variable)}
            for variable in variables[row["item"]]
        ]
    return rows, {name: text for asked in variables.values() for name, text in asked.items()}


def _answers_in_table(
    study: Study, table: Table
) -> Iterator[tuple[Item, int | str, AssignmentRecord, dict[str, Any]]]:
    """The values of the saved answers that stand in a table, with what all rows about them say."""
    names = export.system_names(study)
    topics = {prompt.id: prompt.topic for prompt in study.protocol.prompts}
    by_id = {rater.id: rater for rater in raters.read_raters(study)}
    items = [item for item in study.protocol.items if item.table == table]
    saved = {(r.assignment_id, r.item_id): r for r in ratings.read_ratings(study)}
    for assignment in ratings.read_assignments(study):
        rater = by_id[assignment.rater_id]
        for item in items:
            rating = saved.get((assignment.id, item.id))
            if rating is None or rating.answer.value is None:
                continue
            about = {
                "rater": rater.code,
                "group": rater.group,
                "simulated": rater.simulated,
                "position": assignment.position,
                "prompt": assignment.prompt_id,
                "topic": topics[assignment.prompt_id],
                "item": item.id,
                "shown": tuple(names[system].id for system in assignment.system_ids),
            }
            yield item, rating.answer.value, assignment, about
