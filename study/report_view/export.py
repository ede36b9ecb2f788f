"""The study's data as plain rows, for reports and for other software.

Before unblinding, systems appear under their blind codes.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any

from study import completion
from study.clock import time_text
from study.entities import Answer, MissingReason, Rater, RaterStatus
from study.protocol import Item
from study.report_view.snapshot import Snapshot
from study.report_view.variable_names import VariableNames, variable_names
from study.store import events, panels


def protocol_text(snapshot: Snapshot) -> str:
    """The protocol as YAML or, until the study is unblinded, as JSON with the systems under their codes.

    JSON is YAML, so the same programs read both. The two systems of the primary contrast go in the
    order of their codes: their direction would tell which code stands for which system.
    """
    if snapshot.unblinded:
        return snapshot.study.protocol_text
    protocol = snapshot.protocol
    plain = protocol.model_dump(mode="json", exclude={"judge"})
    plain["systems"] = [{"id": name.id, "title": name.label} for name in snapshot.names.values()]
    if protocol.analysis.primary is not None:
        plain["analysis"] = snapshot.plan.model_dump(mode="json")
        plain["until_unblinding"] = (
            "The primary contrast goes in the order of the codes; the direction that was declared, for "
            "which any bounds of equivalence hold, is put in when the study is unblinded."
        )
    hidden = {"systems", "prompts", "analysis", "judge"}
    others = [code for code in protocol.languages if code != protocol.language]
    if others:
        plain["in_other_languages"] = {
            code: protocol.in_language(code).model_dump(mode="json", exclude=hidden)
            for code in others
        }
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def rating_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per planned answer of every enrolled rater; a missing answer has its reason.

    Where a page shows several responses, ``system`` is empty, ``shown`` holds the systems by place
    (``A|B``: the first stood at place A), and ``chosen`` what a comparison says in systems.
    """
    names, items = snapshot.names, snapshot.protocol.items
    several = snapshot.protocol.design.shows in ("pair", "all")
    rows = []
    for assignment in snapshot.assignments:
        rater = snapshot.raters[assignment.rater_id]
        shown = [names[system].id for system in assignment.system_ids]
        for item in items:
            rating = snapshot.ratings.get((assignment.id, item.id))
            answer = rating.answer if rating else Answer(missing=_why_absent(rater))
            rows.append(
                {
                    "rater": rater.code,
                    "group": rater.group,
                    "simulated": rater.simulated,
                    "position": assignment.position,
                    "prompt": assignment.prompt_id,
                    "topic": snapshot.topics[assignment.prompt_id],
                    "system": "" if several else shown[0],
                    **({"shown": "|".join(shown)} if several else {}),
                    "item": item.id,
                    "value": answer.number,
                    "missing_reason": answer.missing.value if answer.missing else "",
                    "seconds": assignment.seconds,
                    "text": answer.text or "",
                    "place": rating.place if rating else None,
                    **({"chosen": _chosen(item, answer, shown)} if several else {}),
                }
            )
    return rows


def _chosen(item: Item, answer: Answer, shown: list[str]) -> str:
    return "" if answer.value is None else item.chosen(answer.value, shown)


def _why_absent(rater: Rater) -> MissingReason:
    withdrawn = rater.status is RaterStatus.WITHDRAWN
    return MissingReason.WITHDRAWN if withdrawn else MissingReason.NOT_REACHED


def rater_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per enrolled rater, with the demographic answers."""
    questions = [question.id for question in snapshot.protocol.demographics]
    planned = Counter(page.rater_id for page in snapshot.assignments)
    rated = Counter(p.rater_id for p in snapshot.assignments if p.submitted_at is not None)
    return [
        {
            "rater": rater.code,
            "group": rater.group,
            "status": rater.status.value,
            "simulated": rater.simulated,
            "language": rater.language or snapshot.protocol.language,
            "screened_out_because": rater.screened_out_because or "",
            "responses_rated": rated[rater.id],
            "responses_planned": planned[rater.id],
            **{question: rater.demographics.get(question) for question in questions},
        }
        for rater in snapshot.raters.values()
    ]


def check_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per answer to a check of comprehension or attention; they are no ratings."""
    return [
        {
            "rater": snapshot.raters[answer.rater_id].code,
            "group": snapshot.raters[answer.rater_id].group,
            "simulated": snapshot.raters[answer.rater_id].simulated,
            "kind": answer.kind,
            "check": answer.check_id,
            "attempt": answer.attempt,
            "value": answer.value,
            "passed": answer.passed,
            "saved_at": time_text(answer.saved_at),
        }
        for answer in snapshot.check_answers
    ]


def _with_space(at: dt.datetime | None) -> str | None:
    """A time in the form that this one table has had from the first: a space in the place of the T."""
    return None if at is None else str(at)


def panel_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per participant of a panel, with the id by which the panel knows the person.

    For the coordinator alone: no other export holds that id.
    """
    study, by_id = snapshot.study, snapshot.raters
    return [
        {
            "participant": participant,
            "rater": by_id[identity].code,
            "status": by_id[identity].status.value,
            "finished_at": _with_space(by_id[identity].finished_at),
            "receipt": completion.receipt(study, by_id[identity]) or "",
        }
        for identity, participant in panels.participants(study).items()
    ]


# What of a response's provenance tells what it cost to write; it tells systems apart.
_EFFORT = (
    "completion_tokens",
    "latency_s",
    "first_token_s",
    "peak_memory_bytes",
    "peak_memory_missing",
)


def response_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per response; provenance only after unblinding, because it names the system."""
    unblinded = snapshot.unblinded
    rows: list[dict[str, Any]] = []
    for response in snapshot.responses:
        rows.append(
            {
                "prompt": response.prompt_id,
                "topic": snapshot.topics.get(response.prompt_id, ""),
                "system": snapshot.names[response.system_id].id,
                "text": response.text,
                # How long it took tells a script, a small and a large model apart; tokens tell a
                # tokenizer, and their lack a system whose responses were imported.
                **{name: response.provenance.get(name) if unblinded else None for name in _EFFORT},
                **({"provenance": dict(response.provenance)} if unblinded else {}),
            }
        )
    return sorted(rows, key=lambda row: (row["prompt"], row["system"]))


# Columns of the exports that hold what people or models wrote; a panel's ids come from outside, too.
FREE_TEXT = frozenset({"text", "reason", "problem", "detail", "raw_reply", "participant"})


def numeric_variables(snapshot: Snapshot, item: Item) -> dict[str, str]:
    """Variables that hold an item's answers as numbers -> what each asks; none for free text.

    A ranking becomes one variable per system, its mid-rank; marked parts become one variable per
    label, the number of parts.
    """
    return item.variables([name.id for name in snapshot.names.values()])


def statistics_file_names(snapshot: Snapshot) -> VariableNames:
    """What the columns of items and questions are called in the files for SPSS and Stata."""
    items = [name for item in snapshot.protocol.items for name in numeric_variables(snapshot, item)]
    return variable_names(items, [question.id for question in snapshot.protocol.demographics])


def codebook_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per value that an item or a demographic question can take.

    ``column_in_sav_dta`` is the name of the column in the files for SPSS and Stata, where one cannot
    be called like the id: those programs reserve words, and no item takes a key column's place.
    """
    names, rows = statistics_file_names(snapshot), []
    for instrument in snapshot.protocol.instruments:
        for item in instrument.asked:
            column = names.items.get(item.id, "")
            values: list[tuple[int | str, str]] = list(item.anchors(instrument.scale).items())
            values += [("", said) for said in item.codebook_remarks()]
            rows += [_entry(item.id, item.text, value, label, column) for value, label in values]
            for variable, question in numeric_variables(snapshot, item).items():
                if variable != item.id:
                    said = "a number, in the files for SPSS and Stata alone"
                    rows.append(_entry(variable, question, "", said, names.items[variable]))
                why = f"Why {variable} is missing, in the files for SPSS and Stata"
                rows.append(
                    _entry(names.reasons[variable], why, "", "a reason", names.reasons[variable])
                )
    for asked in snapshot.protocol.demographics:
        column = names.questions[asked.id]
        options = [(o.value, o.label) for o in asked.options] or [("", "a number")]
        rows += [_entry(asked.id, asked.question, value, said, column) for value, said in options]
    why = "Why an answer has no value"
    rows += [_entry("missing_reason", why, reason.value, "") for reason in MissingReason]
    how = (
        "in CSV, a cell that begins with =, +, -, @, a tab or a line break has an apostrophe in front, so "
        "that no spreadsheet takes it for a formula (and one more if it began with apostrophes before "
        "such a character): take one away to read what was written; JSON Lines hold it unchanged"
    )
    rows += [_entry(name, "Free text", "", how) for name in sorted(FREE_TEXT)]
    return rows


def _entry(
    variable: str, text: str, value: int | str, label: str, column: str = ""
) -> dict[str, Any]:
    return {
        "variable": variable,
        "text": text,
        "value": value,
        "label": label,
        "column_in_sav_dta": column,
    }


def log_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The audit log without what would unblind: payloads that name systems are left out."""
    with snapshot.study.reading() as connection:
        return [
            {
                "seq": event.seq,
                "at": time_text(event.at) if event.at else "",
                "kind": event.kind,
                "actor": event.actor,
                "erased": event.payload is None,
                "hash": event.hash,
            }
            for event in events.read(connection)
        ]
