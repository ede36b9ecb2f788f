"""What a chat page is told: the whole state when something changed, and a reply's words in between.

Nothing in it depends on the system but the texts themselves.
"""

from __future__ import annotations

from typing import Any

from study import clock, conversation
from study.conversation import Phase
from study.entities import Conversation, TurnOutcome
from study.protocol.chat import Chat
from survey_app.chat.live import LiveReply
from survey_app.drawing import safe_text

State = dict[str, Any]


def page_state(talk: Conversation, chat: Chat, live: LiveReply | None, now: float) -> State:
    """All that a page shows of a conversation.

    Parameters
    ----------
    live : LiveReply or None
        The reply in hand; its row in the database may already hold more than may be shown.
    now : float
        Present time of the pace, in seconds.
    """
    at = clock.now()
    in_hand = live.number if live else None
    present = conversation.phase(talk, chat, at)
    # A reply without an outcome that nobody writes: this process was started since.
    phase = Phase.REPLY if live else Phase.ASK_AGAIN if present is Phase.REPLY else present
    started = talk.started_at is not None
    return {
        "page": talk.assignment_id,
        "phase": phase.value,
        "turns": [
            {
                "number": turn.number,
                "who": turn.role,
                "html": safe_text.to_html(turn.text) if turn.text else "",
                "text": turn.text if turn.role == conversation.RATER else "",
                "broken": turn.outcome in (TurnOutcome.FAILED, TurnOutcome.CUT_OFF),
                "stopped": turn.outcome is TurnOutcome.STOPPED,
            }
            for turn in conversation.shown_turns(talk)
            if turn.number != in_hand
        ],
        "reply": reply_state(live, now) if live else None,
        "next": len(talk.turns) + 1,
        "turns_left": conversation.turns_left(talk, chat),
        "seconds_left": round(conversation.seconds_left(talk, chat, at)) if started else None,
        "may_end": live is None and conversation.may_end(talk, chat, at),
    }


def reply_state(live: LiveReply, now: float) -> State:
    """What is shown of the reply in hand."""
    shown = live.paced.shown(now)
    return {"number": live.number, "html": safe_text.to_html(shown) if shown else ""}
