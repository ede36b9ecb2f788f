"""Conversations as plain rows: one table of conversations, one of their turns.

Before unblinding, systems appear under their blind codes, and how fast each wrote is left out: that
would tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from study import conversation
from study.entities import AssignmentRecord, Conversation, Rater
from study.export import SystemName, system_names
from study.store import conversations, locking, raters, ratings
from study.store.study import Study

_Entry = tuple[Conversation, list[dict[str, Any]], dict[str, Any]]


def conversation_rows(study: Study) -> list[dict[str, Any]]:
    """One row per planned conversation of every rater; the times are empty where none was held."""
    rows = []
    for talk, _, where in _in_order(study):
        said = [turn for turn in talk.turns if turn.role == conversation.RATER]
        replies = [turn for turn in talk.turns if turn.role == conversation.SYSTEM]
        held = talk.started_at is not None and talk.ended_at is not None
        outcomes = [turn.outcome.value if turn.outcome else "not finished" for turn in replies]
        rows.append(
            {
                **where,
                "started_at": talk.started_at.isoformat() if talk.started_at else "",
                "ended_at": talk.ended_at.isoformat() if talk.ended_at else "",
                "ended_by": talk.ended_by.value if talk.ended_by else "",
                "seconds": (
                    round((talk.ended_at - talk.started_at).total_seconds(), 3)
                    if held and talk.ended_at and talk.started_at
                    else None
                ),
                "rater_turns": len(said),
                "rater_words": sum(len(turn.text.split()) for turn in said),
                **{
                    f"replies_{outcome.replace(' ', '_')}": outcomes.count(outcome)
                    for outcome in ("complete", "stopped by the rater", "cut off", "failed")
                },
            }
        )
    return rows


def turn_rows(study: Study) -> list[dict[str, Any]]:
    """One row per message; a reply's end, pace and provenance only after unblinding."""
    unblinded = locking.unblinded_at(study) is not None
    rows = []
    for talk, provenance, where in _in_order(study):
        for turn, made_by in zip(talk.turns, provenance, strict=True):
            own = turn.role == conversation.RATER
            rows.append(
                {
                    **where,
                    "turn": turn.number,
                    "role": turn.role,
                    "text": turn.text,
                    "outcome": turn.outcome.value if turn.outcome else "",
                    "started_at": turn.started_at.isoformat(),
                    "finished_at": (
                        turn.finished_at.isoformat()
                        if turn.finished_at and (own or unblinded)
                        else ""
                    ),
                    **({"pace_missed": turn.pace_missed} if unblinded else {}),
                    **({"provenance": made_by} if unblinded else {}),
                }
            )
    return rows


def _in_order(study: Study) -> Iterator[_Entry]:
    by_id = {rater.id: rater for rater in raters.read_raters(study)}
    talks = {talk.assignment_id: (talk, made_by) for talk, made_by in conversations.read_all(study)}
    names = system_names(study)
    for record in ratings.read_assignments(study):
        if record.id in talks:
            talk, made_by = talks[record.id]
            yield talk, made_by, _where(study, record, by_id[record.rater_id], names)


def _where(
    study: Study, record: AssignmentRecord, rater: Rater, names: dict[str, SystemName]
) -> dict[str, Any]:
    return {
        "rater": rater.code,
        "group": rater.group,
        "simulated": rater.simulated,
        "position": record.position,
        "prompt": record.prompt_id,
        "topic": study.protocol.prompt(record.prompt_id).topic,
        "system": names[record.system_ids[0]].id,
    }
