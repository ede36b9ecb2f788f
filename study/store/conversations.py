"""Conversations in the store: every message is kept before anything is done with it.

A rater's message is committed before the system is asked, and a reply has its row before its first
word. A reply that nobody writes any more, because the server stopped, is marked as cut off.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Integer, Row, delete, func, insert, select, update

from study.clock import now
from study.design import Condition
from study.entities import Conversation, ConversationEnd, Rater, Turn, TurnOutcome
from study.errors import RatingError
from study.store import drafts, events, tables
from study.store.passages import hold_rater
from study.store.ratings import own_assignment, still_rating
from study.store.study import Study

_talk, _turn = tables.conversation.c, tables.conversation_turn.c


@dataclass(frozen=True)
class Written:
    """What a turn holds once nobody writes it any more; ``provenance`` is empty for a rater's."""

    text: str
    outcome: TurnOutcome = TurnOutcome.COMPLETE
    provenance: Mapping[str, Any] = field(default_factory=dict)
    pace_missed: bool = False


def read(study: Study, assignment_id: str) -> Conversation:
    """One conversation with its turns.

    Raises
    ------
    RatingError
        When the assignment has none.
    """
    with study.reading() as connection:
        return read_in(connection, assignment_id)


def read_in(connection: Connection, assignment_id: str) -> Conversation:
    """``read`` within the caller's transaction."""
    row = connection.execute(
        select(tables.conversation).where(_talk.assignment_id == assignment_id)
    ).first()
    if row is None:
        raise RatingError("There is no conversation at this place. Please reload the page.")
    turns = connection.execute(
        select(tables.conversation_turn)
        .where(_turn.assignment_id == assignment_id)
        .order_by(_turn.number)
    ).all()
    return _conversation(row, turns)


def _conversation(row: Row[Any], turns: Sequence[Row[Any]]) -> Conversation:
    return Conversation(
        row.assignment_id,
        row.prompt_id,
        row.started_at,
        row.ended_at,
        ConversationEnd(row.ended_by) if row.ended_by else None,
        tuple(
            Turn(
                turn.number,
                turn.role,
                turn.text,
                TurnOutcome(turn.outcome) if turn.outcome else None,
                turn.started_at,
                turn.finished_at,
                turn.pace_missed,
            )
            for turn in turns
        ),
    )


def plan(connection: Connection, conditions: Mapping[str, Condition]) -> None:
    """Make the conversations of a new rater's assignments, in the caller's transaction."""
    connection.execute(
        insert(tables.conversation),
        [
            {
                "assignment_id": assignment,
                "prompt_id": condition.prompt,
                "system_id": condition.systems[0],
            }
            for assignment, condition in conditions.items()
        ],
    )


def system_of(study: Study, assignment_id: str) -> str:
    """The system of a conversation (not for pages)."""
    with study.reading() as connection:
        found: str = connection.execute(
            select(_talk.system_id).where(_talk.assignment_id == assignment_id)
        ).scalar_one()
    return found


def say(study: Study, rater: Rater, assignment_id: str, number: int, text: str) -> bool:
    """Keep a message of the rater as turn ``number``.

    Returns
    -------
    bool
        True when it was kept now; False when this very message is there already (a double tap, or a
        request that was sent again), which changes nothing.

    Raises
    ------
    RatingError
        When another message stands at that place, or no message can be there now.
    """
    at = now()
    with study.writing() as connection:
        still_rating(connection, rater, at)
        talk = _held(connection, rater, assignment_id)
        turns = talk.turns
        if number <= len(turns):
            if (turns[number - 1].role, turns[number - 1].text) == ("rater", text):
                return False
            raise RatingError("Something else was written at this place of the conversation.")
        free = not turns or turns[-1].outcome in (TurnOutcome.COMPLETE, TurnOutcome.STOPPED)
        if number != len(turns) + 1 or (turns and (turns[-1].role == "rater" or not free)):
            raise RatingError("The reply before this message is not finished yet.")
        connection.execute(
            insert(tables.conversation_turn).values(
                assignment_id=assignment_id,
                number=number,
                role="rater",
                text=text,
                outcome=TurnOutcome.COMPLETE.value,
                started_at=at,
                finished_at=at,
                pace_missed=False,
                provenance="{}",
            )
        )
        drafts.erase(connection, rater.id)
        connection.execute(
            update(tables.conversation)
            .where(_talk.assignment_id == assignment_id, _talk.started_at.is_(None))
            .values(started_at=at)
        )
        payload = _payload(assignment_id, number, Written(text))
        events.append(connection, study, "conversation_turn_saved", rater.id, payload)
    return True


def begin_reply(study: Study, rater: Rater, assignment_id: str) -> int:
    """Make the row of the next reply; gives its number.

    Raises
    ------
    RatingError
        When no reply is due: somebody else writes it, or the rater has said nothing new.
    """
    at = now()
    with study.writing() as connection:
        still_rating(connection, rater, at)
        turns = _held(connection, rater, assignment_id).turns
        broken = (TurnOutcome.CUT_OFF, TurnOutcome.FAILED)
        due = turns and (turns[-1].role == "rater" or turns[-1].outcome in broken)
        if not due:
            raise RatingError("No reply is due at this place of the conversation.")
        number = len(turns) + 1
        connection.execute(
            insert(tables.conversation_turn).values(
                assignment_id=assignment_id,
                number=number,
                role="system",
                text="",
                started_at=at,
                pace_missed=False,
                provenance="{}",
            )
        )
    return number


def grow_reply(study: Study, assignment_id: str, number: int, text: str) -> None:
    """Keep what there is of a reply that is being written."""
    with study.writing() as connection:
        # Not once it has its outcome: the log holds a hash of the text, and a late piece would break it.
        connection.execute(
            update(tables.conversation_turn)
            .where(*_row(assignment_id, number), _turn.outcome.is_(None))
            .values(text=text)
        )


def finish_reply(
    study: Study, rater: Rater, assignment_id: str, number: int, reply: Written
) -> bool:
    """Keep a reply with its outcome; a later call corrects an earlier one, and the log has both.

    Nothing is kept of a rater who has withdrawn meanwhile. Returns whether something was kept.
    """
    at = now()
    with study.writing() as connection:
        if not hold_rater(connection, rater.id, at):
            return False
        changed = connection.execute(
            update(tables.conversation_turn)
            .where(*_row(assignment_id, number), _turn.role == "system")
            .values(
                text=reply.text,
                outcome=reply.outcome.value,
                finished_at=at,
                pace_missed=reply.pace_missed,
                provenance=json.dumps(dict(reply.provenance), sort_keys=True),
            )
        ).rowcount
        if changed:
            payload = _payload(assignment_id, number, reply)
            events.append(connection, study, "conversation_turn_saved", rater.id, payload)
    return bool(changed)


def end(study: Study, rater: Rater, assignment_id: str, why: ConversationEnd) -> bool:
    """Mark the end of a conversation, once. Returns whether it was marked now."""
    at = now()
    with study.writing() as connection:
        still_rating(connection, rater, at)
        own_assignment(connection, rater, assignment_id)
        changed = connection.execute(
            update(tables.conversation)
            .where(_talk.assignment_id == assignment_id, _talk.ended_at.is_(None))
            .values(ended_at=at, ended_by=why.value)
        ).rowcount
        if changed:
            drafts.erase(connection, rater.id)
            payload = {"assignment": assignment_id, "ended_by": why.value}
            events.append(connection, study, "conversation_ended", rater.id, payload)
    return bool(changed)


def cut_unfinished(study: Study) -> int:
    """Mark all replies that nobody writes any more as cut off, with what there was of them.

    For the start of the one server process of a study. Returns how many there were.
    """
    with study.reading() as connection:
        left = connection.execute(
            select(_turn.assignment_id, _turn.number).where(_turn.outcome.is_(None))
        ).all()
    return sum(cut_off(study, row.assignment_id, row.number) for row in left)


def cut_off(study: Study, assignment_id: str, number: int) -> bool:
    """Mark one reply that nobody writes any more; gives whether it was still open."""
    with study.writing() as connection:
        # The turn's row before the log, as in finish_reply: the other way round, one that comes in
        # between would wait for this one and be waited for by it.
        changed = connection.execute(
            update(tables.conversation_turn)
            .where(*_row(assignment_id, number), _turn.outcome.is_(None))
            .values(outcome=TurnOutcome.CUT_OFF.value, finished_at=now())
        ).rowcount
        if not changed:
            return False
        row = connection.execute(
            select(_turn.text, tables.assignment.c.rater_id)
            .join_from(
                tables.conversation_turn,
                tables.assignment,
                _turn.assignment_id == tables.assignment.c.id,
            )
            .where(*_row(assignment_id, number))
        ).one()
        payload = _payload(assignment_id, number, Written(row.text, TurnOutcome.CUT_OFF))
        events.append(connection, study, "conversation_turn_saved", row.rater_id, payload)
    return True


def _row(assignment_id: str, number: int) -> tuple[Any, Any]:
    return _turn.assignment_id == assignment_id, _turn.number == number


def _held(connection: Connection, rater: Rater, assignment_id: str) -> Conversation:
    """The rater's own conversation, which is not over; the caller holds the rater's row."""
    own_assignment(connection, rater, assignment_id)
    conversation = read_in(connection, assignment_id)
    if conversation.ended_at is not None:
        raise RatingError("This conversation is over. Please reload the page.")
    return conversation


def _payload(assignment_id: str, number: int, turn: Written) -> dict[str, Any]:
    return {
        "assignment": assignment_id,
        "number": number,
        "outcome": turn.outcome.value,
        "sha256": _fingerprint(turn.text, json.dumps(dict(turn.provenance), sort_keys=True)),
    }


def _fingerprint(text: str, provenance: str) -> str:
    return hashlib.sha256(json.dumps([text, provenance]).encode()).hexdigest()


def erase(connection: Connection, rater_id: str) -> None:
    """Remove all that a rater and the systems said to each other, in the caller's transaction."""
    own = select(tables.assignment.c.id).where(tables.assignment.c.rater_id == rater_id)
    connection.execute(delete(tables.conversation_turn).where(_turn.assignment_id.in_(own)))
    connection.execute(
        update(tables.conversation)
        .where(_talk.assignment_id.in_(own))
        .values(started_at=None, ended_at=None, ended_by=None)
    )


def conversation_faults(connection: Connection) -> list[str]:
    """Where the saved turns differ from what the audit log says was saved."""
    logged: dict[tuple[str, int], tuple[str, str]] = {}
    for event in events.read(connection):
        if event.kind == "conversation_turn_saved" and event.payload is not None:
            place = (event.payload["assignment"], event.payload["number"])
            logged[place] = (event.payload["outcome"], event.payload["sha256"])
    stored = {
        (row.assignment_id, row.number): (row.outcome, _fingerprint(row.text, row.provenance))
        for row in connection.execute(
            select(tables.conversation_turn).where(_turn.outcome.is_not(None))
        )
    }
    said = {
        **dict.fromkeys(logged.keys() - stored.keys(), "was logged but is not stored"),
        **dict.fromkeys(stored.keys() - logged.keys(), "is stored but was never logged"),
        **{
            place: "differs from what the log says"
            for place in stored.keys() & logged.keys()
            if stored[place] != logged[place]
        },
    }
    return [
        f"turn {number} of the conversation of assignment {assignment} {what}"
        for (assignment, number), what in sorted(said.items())
    ]


def read_all(study: Study) -> list[tuple[Conversation, list[dict[str, Any]]]]:
    """Every conversation with its turns' provenance (not for pages: provenance names systems)."""
    with study.reading() as connection:
        talks = connection.execute(select(tables.conversation)).all()
        turns: dict[str, list[Row[Any]]] = {}
        for row in connection.execute(
            select(tables.conversation_turn).order_by(_turn.assignment_id, _turn.number)
        ):
            turns.setdefault(row.assignment_id, []).append(row)
    found = []
    for talk in talks:
        own = turns.get(talk.assignment_id, [])
        found.append((_conversation(talk, own), [json.loads(row.provenance) for row in own]))
    return found


def troubles(study: Study, since: dt.datetime) -> dict[str, dict[str, int]]:
    """System -> how many replies there were since then, failed, and missed their pace."""
    counted = select(
        _talk.system_id,
        _turn.outcome,
        func.count(),
        func.sum(_turn.pace_missed.cast(Integer)),
    ).join_from(tables.conversation_turn, tables.conversation)
    found: dict[str, dict[str, int]] = {}
    with study.reading() as connection:
        for system, outcome, number, late in connection.execute(
            counted.where(_turn.role == "system", _turn.started_at >= since).group_by(
                _talk.system_id, _turn.outcome
            )
        ):
            seen = found.setdefault(system, {"replies": 0, "failed": 0, "late": 0})
            seen["replies"] += number
            seen["late"] += int(late or 0)
            if outcome == TurnOutcome.FAILED.value:
                seen["failed"] += number
    return found
