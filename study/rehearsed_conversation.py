"""Conversations of simulated raters: messages made up here, replies from whatever source is given.

They go the way of the pages: each message is kept before the system is asked, and each reply with
what made it.
"""

from __future__ import annotations

import random

from study import conversation
from study.clock import now
from study.conversation import Phase, ReplySource
from study.entities import Rater
from study.store import conversations, ratings
from study.store.study import Study

_FIRST = (
    "I have not slept well for weeks and I worry about everything.",
    "I feel lonely since I moved here and I do not know how to meet people.",
    "My exams are close and I am so stressed that I cannot start.",
    "I had an argument with a friend and I keep thinking about it.",
)
_LATER = (
    "Yes, that is how it feels most of the time.",
    "I am not sure. Perhaps it started in the summer.",
    "I have told nobody about it so far.",
    "That sounds like something that I could try.",
    "In the evenings it is worse than during the day.",
    "Thank you, it helps a little to write it down.",
)
_MOST_TURNS = 5


def hold(
    study: Study, rater: Rater, assignment_id: str, draws: random.Random, source: ReplySource
) -> int:
    """Hold a conversation to its end; gives the number of messages that the rater wrote now."""
    ratings.mark_shown(study, assignment_id)
    chat = conversation.declared_chat(study)
    talk, written = conversations.read(study, assignment_id), 0
    wanted = draws.randint(chat.fewest_turns, max(chat.fewest_turns, min(chat.turns, _MOST_TURNS)))
    while True:
        present = conversation.phase(talk, chat, now())
        if present is Phase.REPLY:
            conversations.cut_off(study, assignment_id, talk.turns[-1].number)
            talk = conversations.read(study, assignment_id)
            continue
        if present is Phase.ASK_AGAIN:
            # An earlier run stopped between a message and its reply.
            talk = conversation.answer(study, rater, assignment_id, source)
            continue
        said = sum(turn.role == conversation.RATER for turn in talk.turns)
        if present is not Phase.WRITE or said >= wanted:
            break
        text = draws.choice(_LATER if talk.turns else _FIRST)
        conversations.say(study, rater, assignment_id, len(talk.turns) + 1, text)
        talk, written = conversation.answer(study, rater, assignment_id, source), written + 1
    conversation.end(study, rater, assignment_id)
    return written
