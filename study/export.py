"""The study's data as plain rows, for reports and for other software.

Before unblinding, systems appear under their blind codes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from study import blinding
from study.entities import MissingReason, Rater, RaterStatus
from study.protocol.item_kinds import anchors
from study.store import events, locking, raters, ratings, responses
from study.store.study import Study


@dataclass(frozen=True)
class SystemName:
    """How a system is called in data and reports: blind code, or id and title."""

    id: str
    title: str


def system_names(study: Study) -> dict[str, SystemName]:
    """System id -> its name in the data; the blind code until the study is unblinded."""
    if locking.unblinded_at(study) is not None:
        return {s.id: SystemName(s.id, s.title) for s in study.protocol.systems}
    codes = blinding.system_codes(study.key, [s.id for s in study.protocol.systems])
    named = {system: SystemName(code, f"System {code}") for system, code in codes.items()}
    # By code, so that the order in the protocol gives nothing away.
    return dict(sorted(named.items(), key=lambda entry: entry[1].id))


def protocol_text(study: Study) -> str:
    """The protocol as YAML or, until the study is unblinded, as JSON with the systems under their codes.

    JSON is YAML, so the same programs read both.
    """
    if locking.unblinded_at(study) is not None:
        return study.protocol_text
    names = system_names(study)
    plain = study.protocol.model_dump(mode="json", exclude={"judge"})
    plain["systems"] = [{"id": name.id, "title": name.title} for name in names.values()]
    for side in ("system", "against"):
        plain["analysis"]["primary"][side] = names[plain["analysis"]["primary"][side]].id
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def rating_rows(study: Study) -> list[dict[str, Any]]:
    """One row per planned answer of every enrolled rater; a missing answer has its reason."""
    names = system_names(study)
    topics = {prompt.id: prompt.topic for prompt in study.protocol.prompts}
    by_id = {rater.id: rater for rater in raters.read_raters(study)}
    saved = {(r.assignment_id, r.item_id): r for r in ratings.read_ratings(study)}
    items = [item.id for item in study.protocol.items]
    rows = []
    for assignment in ratings.read_assignments(study):
        rater = by_id[assignment.rater_id]
        for item in items:
            rating = saved.get((assignment.id, item))
            reason = rating.missing_reason if rating else _why_absent(rater)
            rows.append(
                {
                    "rater": rater.code,
                    "group": rater.group,
                    "simulated": rater.simulated,
                    "position": assignment.position,
                    "prompt": assignment.prompt_id,
                    "topic": topics[assignment.prompt_id],
                    "system": names[assignment.system_id].id,
                    "item": item,
                    "value": rating.value if rating else None,
                    "missing_reason": reason or "",
                    "seconds": assignment.seconds,
                    "text": (rating.text or "") if rating else "",
                    "place": rating.place if rating else None,
                }
            )
    return rows


def _why_absent(rater: Rater) -> str:
    if rater.status is RaterStatus.WITHDRAWN:
        return MissingReason.WITHDRAWN.value
    return MissingReason.NOT_REACHED.value


def rater_rows(study: Study) -> list[dict[str, Any]]:
    """One row per enrolled rater, with the demographic answers."""
    questions = [question.id for question in study.protocol.demographics]
    done = raters.progress(study)
    return [
        {
            "rater": rater.code,
            "group": rater.group,
            "status": rater.status.value,
            "simulated": rater.simulated,
            "responses_rated": done[rater.id][0],
            "responses_planned": done[rater.id][1],
            **{question: rater.demographics.get(question) for question in questions},
        }
        for rater in raters.read_raters(study)
    ]


def response_rows(study: Study) -> list[dict[str, Any]]:
    """One row per response; provenance only after unblinding, because it names the system."""
    names = system_names(study)
    unblinded = locking.unblinded_at(study) is not None
    topics = {prompt.id: prompt.topic for prompt in study.protocol.prompts}
    rows: list[dict[str, Any]] = []
    for response in responses.read_responses(study):
        rows.append(
            {
                "prompt": response.prompt_id,
                "topic": topics.get(response.prompt_id, ""),
                "system": names[response.system_id].id,
                "text": response.text,
                "completion_tokens": response.provenance.get("completion_tokens"),
                # How long it took tells a script, a small and a large model apart.
                "latency_s": response.provenance.get("latency_s") if unblinded else None,
                **({"provenance": dict(response.provenance)} if unblinded else {}),
            }
        )
    return sorted(rows, key=lambda row: (row["prompt"], row["system"]))


def codebook_rows(study: Study) -> list[dict[str, Any]]:
    """One row per value that an item or a demographic question can take."""
    rows: list[dict[str, Any]] = []
    for instrument in study.protocol.instruments:
        for item in instrument.items:
            values: list[tuple[int | str, str]] = list(anchors(item, instrument.scale).items())
            if item.kind == "text":
                values = [("", "free text, in the column text")]
            if item.kind == "slider":
                values.append(("", "any whole number between them"))
            rows += [
                {"variable": item.id, "text": item.text, "value": value, "label": label}
                for value, label in values
            ]
    for question in study.protocol.demographics:
        rows += [
            {"variable": question.id, "text": question.question, "value": o.value, "label": o.label}
            for o in question.options
        ] or [
            {"variable": question.id, "text": question.question, "value": "", "label": "a number"}
        ]
    rows += [
        {
            "variable": "missing_reason",
            "text": "Why an answer has no value",
            "value": r.value,
            "label": "",
        }
        for r in MissingReason
    ]
    return rows


def log_rows(study: Study) -> list[dict[str, Any]]:
    """The audit log without what would unblind: payloads that name systems are left out."""
    with study.reading() as connection:
        return [
            {
                "seq": event.seq,
                "at": event.at,
                "kind": event.kind,
                "actor": event.actor,
                "erased": event.payload is None,
                "hash": event.hash,
            }
            for event in events.read(connection)
        ]
