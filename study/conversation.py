"""Conversation: what may come next in one, and what the system is given of it.

Pages and simulated raters both ask here, so a rehearsal goes the way that people go.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol as TypingProtocol

from study import blinding
from study.clock import now
from study.entities import Conversation, ConversationEnd, Rater, Turn, TurnOutcome
from study.protocol.chat import Chat
from study.store import conversations
from study.store.conversations import Written
from study.store.study import Study

RATER, SYSTEM = "rater", "system"
_ANSWERED = (TurnOutcome.COMPLETE, TurnOutcome.STOPPED)

# One turn as a system is given it: {"role": "user" | "assistant", "content": text}.
Message = dict[str, str]


class Phase(StrEnum):
    """What comes next in a conversation."""

    WRITE = "write"
    REPLY = "reply"
    ASK_AGAIN = "ask again"
    OVER = "over"
    ENDED = "ended"


def phase(conversation: Conversation, chat: Chat, at: dt.datetime) -> Phase:
    """What comes next.

    ``REPLY`` says that a reply was begun and has no outcome yet; whether somebody still writes it,
    the caller knows. ``OVER`` says that the turn or the time budget is used up.
    """
    if conversation.ended_at is not None:
        return Phase.ENDED
    if conversation.turns:
        last = conversation.turns[-1]
        if last.role == SYSTEM and last.outcome is None:
            return Phase.REPLY
        if last.role == RATER or last.outcome not in _ANSWERED:
            return Phase.ASK_AGAIN
        if turns_left(conversation, chat) == 0 or seconds_left(conversation, chat, at) == 0:
            return Phase.OVER
    return Phase.WRITE


def turns_left(conversation: Conversation, chat: Chat) -> int:
    """Messages that the rater may still write."""
    written = sum(turn.role == RATER for turn in conversation.turns)
    return max(0, chat.turns - written)


def seconds_left(conversation: Conversation, chat: Chat, at: dt.datetime) -> float:
    """Seconds until the time budget is used up; all of it before the first message."""
    if conversation.started_at is None:
        return 60 * chat.minutes
    return max(0.0, 60 * chat.minutes - (at - conversation.started_at).total_seconds())


def may_end(conversation: Conversation, chat: Chat, at: dt.datetime) -> bool:
    """Whether the rater may end it and go on to the questions."""
    present = phase(conversation, chat, at)
    if present is Phase.OVER:
        return True
    answered = sum(turn.role == SYSTEM and turn.outcome in _ANSWERED for turn in conversation.turns)
    return present in (Phase.WRITE, Phase.ASK_AGAIN) and answered >= chat.fewest_turns


def reason_of_end(conversation: Conversation, chat: Chat, at: dt.datetime) -> ConversationEnd:
    """What is recorded when it ends now."""
    if phase(conversation, chat, at) is Phase.ASK_AGAIN:
        return ConversationEnd.SYSTEM_SILENT
    if turns_left(conversation, chat) == 0:
        return ConversationEnd.TURN_BUDGET
    if seconds_left(conversation, chat, at) == 0:
        return ConversationEnd.TIME_BUDGET
    return ConversationEnd.RATER


def shown_turns(conversation: Conversation) -> list[Turn]:
    """The turns of the transcript: a reply that broke off stays only until it is asked for again."""
    last = len(conversation.turns)
    return [
        turn
        for turn in conversation.turns
        if turn.role == RATER
        or turn.outcome in _ANSWERED
        or (turn.number == last and turn.outcome is not None)
    ]


def messages_for(conversation: Conversation, chat: Chat) -> list[Message]:
    """What the system is given to answer: the last turns, oldest first."""
    said: list[Message] = []
    for turn in conversation.turns:
        if turn.role == RATER:
            said.append({"role": "user", "content": turn.text})
        elif turn.outcome in _ANSWERED and turn.text:
            said.append({"role": "assistant", "content": turn.text})
    own = [i for i, message in enumerate(said) if message["role"] == "user"]
    if chat.history_turns is not None and len(own) > chat.history_turns:
        said = said[own[-chat.history_turns] :]
    return said


def without_oldest(messages: list[Message]) -> list[Message]:
    """The messages without the oldest one of the rater and the replies to it; the last one stays."""
    later = [i for i, message in enumerate(messages) if i and message["role"] == "user"]
    return messages[later[0] :] if later else messages


def declared_chat(study: Study) -> Chat:
    """The protocol's block about conversations; ``check`` sees to it that it is there."""
    chat = study.protocol.chat
    if chat is None:
        raise KeyError("the protocol declares no chat")
    return chat


@dataclass(frozen=True)
class Reply:
    """What a system said, and what is needed to make it again."""

    text: str
    provenance: dict[str, object]


class ReplySource(TypingProtocol):
    """Whatever answers for the systems of a rehearsal."""

    def __call__(self, system_id: str, messages: list[Message], seed: int) -> Reply:
        """One reply.

        Raises
        ------
        ModelError
            When there is none.
        """


def reply_seed(study: Study, assignment_id: str, number: int) -> int:
    """The seed of the reply that is turn ``number``; it is recorded with the reply."""
    return blinding.seed(study.key, "chat", assignment_id, number)


def answer(study: Study, rater: Rater, assignment_id: str, source: ReplySource) -> Conversation:
    """Have the system answer, without a page and at once; gives the conversation with the reply."""
    asked = conversations.read(study, assignment_id)
    number = conversations.begin_reply(study, rater, assignment_id)
    system = conversations.system_of(study, assignment_id)
    seed = reply_seed(study, assignment_id, number)
    reply = source(system, messages_for(asked, declared_chat(study)), seed)
    written = Written(reply.text, provenance={"seed": seed, **reply.provenance})
    conversations.finish_reply(study, rater, assignment_id, number, written)
    return conversations.read(study, assignment_id)


def end(study: Study, rater: Rater, assignment_id: str) -> bool:
    """End a conversation, if it may end now; what is said counts, not who asks first."""
    conversation, chat = conversations.read(study, assignment_id), declared_chat(study)
    at = now()
    if not may_end(conversation, chat, at):
        return False
    return conversations.end(study, rater, assignment_id, reason_of_end(conversation, chat, at))
