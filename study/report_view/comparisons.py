"""Answers about several responses, or about parts of one, as long rows for analyses.

Systems appear under blind codes until the study is unblinded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from study.entities import AssignmentRecord
from study.protocol import Item
from study.protocol.items.item import Table
from study.protocol.items.ranking import mid_ranks
from study.protocol.items.spans import Span, read_spans
from study.report_view.export import numeric_variables, rating_rows
from study.report_view.snapshot import Snapshot


def comparison_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per answer that compares the two responses of a page.

    ``place_a`` and ``place_b`` are the systems whose responses stood at A and B, ``value`` is 1 for
    A, 2 for B and 0 for a tie, ``chosen`` the system of the better response or ``"tie"``.
    """
    rows = []
    for item, value, assignment, about in _answers_in_table(snapshot, "pairwise"):
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


def ranking_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per response that somebody put into an order.

    ``place`` (from 1) is where it stood on the page, ``rank`` its mid-rank: 1 is best, responses on
    one place share the mean of the ranks that they take.
    """
    rows = []
    for _, value, _, about in _answers_in_table(snapshot, "ranking"):
        shown = about.pop("shown")
        for letter, rank in mid_ranks(str(value)).items():
            place = ord(letter) - ord("A") + 1
            rows.append({**about, "system": shown[place - 1], "place": place, "rank": rank})
    return rows


def span_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per marked part of a response; ``length`` is that of the response, in characters.

    A rater who found nothing to mark has one row with an empty label.
    """
    texts = {(r.prompt_id, r.system_id): r.text for r in snapshot.responses}
    rows = []
    for _, value, assignment, about in _answers_in_table(snapshot, "spans"):
        text = texts[assignment.prompt_id, assignment.system_ids[0]]
        about.pop("shown")
        about["system"] = snapshot.names[assignment.system_ids[0]].id
        rows += [
            {**about, **asdict(span), "length": len(text)}
            for span in read_spans(str(value)) or [Span(0, 0, "")]
        ]
    return rows


def numeric_rows(snapshot: Snapshot) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """``rating_rows`` in which every answer is a number, and variable -> question.

    The variables are those of ``numeric_variables``; free text is left out.
    """
    items = {item.id: item for item in snapshot.protocol.items}
    variables = {name: numeric_variables(snapshot, item) for name, item in items.items()}
    rows = []
    for row in rating_rows(snapshot):
        given = row["text"] or row["value"]
        shown = row["shown"].split("|") if "shown" in row else [row["system"]]
        numbers = {} if given is None else items[row["item"]].numbers(given, shown)
        rows += [
            {**row, "item": variable, "value": numbers.get(variable)}
            for variable in variables[row["item"]]
        ]
    return rows, {name: text for asked in variables.values() for name, text in asked.items()}


def _answers_in_table(
    snapshot: Snapshot, table: Table
) -> Iterator[tuple[Item, int | str, AssignmentRecord, dict[str, Any]]]:
    """The values of the saved answers that stand in a table, with what all rows about them say."""
    items = [item for item in snapshot.protocol.items if item.table == table]
    if not items:
        return
    for assignment in snapshot.assignments:
        rater = snapshot.raters[assignment.rater_id]
        for item in items:
            rating = snapshot.ratings.get((assignment.id, item.id))
            if rating is None or rating.answer.value is None:
                continue
            about = {
                "rater": rater.code,
                "group": rater.group,
                "simulated": rater.simulated,
                "position": assignment.position,
                "prompt": assignment.prompt_id,
                "topic": snapshot.topics[assignment.prompt_id],
                "item": item.id,
                "shown": tuple(snapshot.names[system].id for system in assignment.system_ids),
            }
            yield item, rating.answer.value, assignment, about
