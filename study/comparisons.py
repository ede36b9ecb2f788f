"""Answers about several responses, or about parts of one, as long rows for analyses.

Systems appear under the names that ``study.export.system_names`` gives: blind codes until the study
is unblinded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from study import export
from study.entities import AssignmentRecord, Rating
from study.protocol import Item
from study.protocol.item_kinds import chosen_system
from study.protocol.rankings import mid_ranks
from study.protocol.spans import Span, read_spans
from study.store import raters, ratings, responses
from study.store.study import Study


def comparison_rows(study: Study) -> list[dict[str, Any]]:
    """One row per answer that compares the two responses of a page.

    ``place_a`` and ``place_b`` are the systems whose responses stood at A and B, ``value`` is 1 for
    A, 2 for B and 0 for a tie, ``chosen`` the system of the better response or ``"tie"``.
    """
    rows = []
    for rating, assignment, about in _answers_of_kind(study, "pairwise"):
        if rating.value is not None:
            first, second = about.pop("shown")
            chosen = chosen_system(rating.value, (first, second))
            rows.append(
                {
                    **about,
                    "place_a": first,
                    "place_b": second,
                    "value": rating.value,
                    "chosen": chosen,
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
    for rating, _, about in _answers_of_kind(study, "ranking"):
        if rating.text is None:
            continue
        shown = about.pop("shown")
        for letter, rank in mid_ranks(rating.text).items():
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
    for rating, assignment, about in _answers_of_kind(study, "spans"):
        if rating.text is None:
            continue
        text = texts[assignment.prompt_id, assignment.system_ids[0]]
        about.pop("shown")
        about["system"] = names[assignment.system_ids[0]].id
        rows += [
            {**about, **asdict(span), "length": len(text)}
            for span in read_spans(rating.text) or [Span(0, 0, "")]
        ]
    return rows


def numeric_rows(study: Study) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """``study.export.rating_rows`` in which every answer is a number, and variable -> question.

    The variables are those of ``study.export.numeric_variables``; free text is left out.
    """
    items = {item.id: item for item in study.protocol.items}
    variables = {name: export.numeric_variables(study, item) for name, item in items.items()}
    rows = [
        {**row, "item": variable, "value": value}
        for row in export.rating_rows(study)
        for variable, value in _numbers(items[row["item"]], row, list(variables[row["item"]]))
    ]
    return rows, {name: text for asked in variables.values() for name, text in asked.items()}


def _numbers(
    item: Item, row: Mapping[str, Any], variables: Sequence[str]
) -> Iterator[tuple[str, float | None]]:
    """The variables of one answer, each with its value."""
    if item.kind not in ("ranking", "spans"):
        yield from ((variable, row["value"]) for variable in variables)
        return
    of = [variable.removeprefix(f"{item.id}.") for variable in variables]
    if item.kind == "ranking":
        ranks = mid_ranks(row["chosen"]) if row["chosen"] else {}
        yield from ((v, ranks.get(system)) for v, system in zip(variables, of, strict=True))
        return
    marked = [span.label for span in read_spans(row["text"])] if row["text"] else None
    for variable, label in zip(variables, of, strict=True):
        yield variable, None if marked is None else marked.count(label)


def _answers_of_kind(
    study: Study, kind: str
) -> Iterator[tuple[Rating, AssignmentRecord, dict[str, Any]]]:
    """The saved answers to items of a kind, with what all rows about them say."""
    names = export.system_names(study)
    topics = {prompt.id: prompt.topic for prompt in study.protocol.prompts}
    by_id = {rater.id: rater for rater in raters.read_raters(study)}
    items = [item.id for item in study.protocol.items if item.kind == kind]
    saved = {(r.assignment_id, r.item_id): r for r in ratings.read_ratings(study)}
    for assignment in ratings.read_assignments(study):
        rater = by_id[assignment.rater_id]
        for item in items:
            rating = saved.get((assignment.id, item))
            if rating is None:
                continue
            about = {
                "rater": rater.code,
                "group": rater.group,
                "simulated": rater.simulated,
                "position": assignment.position,
                "prompt": assignment.prompt_id,
                "topic": topics[assignment.prompt_id],
                "item": item,
                "shown": tuple(names[system].id for system in assignment.system_ids),
            }
            yield rating, assignment, about
