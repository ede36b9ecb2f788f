"""Conversations as plain rows: one table of conversations, one of their turns.

Before unblinding, systems appear under their blind codes, and how fast each wrote is left out: that
would tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from study import conversation
from study.clock import time_text
from study.entities import AssignmentRecord, Conversation
from study.report_view.snapshot import Snapshot

_Entry = tuple[Conversation, list[dict[str, Any]], dict[str, Any]]


def conversation_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per planned conversation of every rater; the times are empty where none was held."""
    rows = []
    for talk, _, where in _in_order(snapshot):
        said = [turn for turn in talk.turns if turn.role == conversation.RATER]
        replies = [turn for turn in talk.turns if turn.role == conversation.SYSTEM]
        held = talk.started_at is not None and talk.ended_at is not None
        outcomes = [turn.outcome.value if turn.outcome else "not finished" for turn in replies]
        rows.append(
            {
                **where,
                "started_at": time_text(talk.started_at) if talk.started_at else "",
                "ended_at": time_text(talk.ended_at) if talk.ended_at else "",
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


def turn_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """One row per message; a reply's end, pace and provenance only after unblinding."""
    unblinded = snapshot.unblinded
    rows = []
    for talk, provenance, where in _in_order(snapshot):
        for turn, made_by in zip(talk.turns, provenance, strict=True):
            own = turn.role == conversation.RATER
            rows.append(
                {
                    **where,
                    "turn": turn.number,
                    "role": turn.role,
                    "text": turn.text,
                    "outcome": turn.outcome.value if turn.outcome else "",
                    "started_at": time_text(turn.started_at),
                    "finished_at": (
                        time_text(turn.finished_at)
                        if turn.finished_at and (own or unblinded)
                        else ""
                    ),
                    **({"pace_missed": turn.pace_missed} if unblinded else {}),
                    **({"provenance": made_by} if unblinded else {}),
                }
            )
    return rows


def _in_order(snapshot: Snapshot) -> Iterator[_Entry]:
    if snapshot.protocol.design.shows != "conversation":
        return
    for record in snapshot.assignments:
        if record.id in snapshot.conversations:
            yield *snapshot.conversations[record.id], _where(snapshot, record)


def _where(snapshot: Snapshot, record: AssignmentRecord) -> dict[str, Any]:
    rater = snapshot.raters[record.rater_id]
    return {
        "rater": rater.code,
        "group": rater.group,
        "simulated": rater.simulated,
        "position": record.position,
        "prompt": record.prompt_id,
        "topic": snapshot.topics[record.prompt_id],
        "system": snapshot.names[record.system_ids[0]].id,
    }
