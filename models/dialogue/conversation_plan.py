"""From the person's turns to states and techniques: the walk through the table of states.

The walk starts anew at the first turn of every request, so a conversation needs no memory on the
server and the same history always gives the same plan.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.dialogue.danger_signs import DangerSign, find_danger, safety_answer
from models.dialogue.emotion_classifier import Emotion
from models.dialogue.state_table import ANSWERS, START, Signal, StateTable, Technique

# A goodbye ends the message and begins a clause: "I could not say goodbye to him" is none.
_FAREWELL = re.compile(
    r"(?:^|[.!?,;]\s*|\b(?:thanks?|thank you|okay|ok|well)\b[^.!?,;]{0,30}?\s)"
    r"(?:good ?bye|bye(?:[ -]bye)?|good ?night|see you(?: soon| later| tomorrow| next \w+)?"
    r"|talk to you (?:later|soon|tomorrow)|until next time"
    r"|i (?:have|need|want) to (?:go|leave|stop)(?: now)?|that(?:'s|’s| is) (?:all|it) for (?:today|now))"
    r"(?:[\s,]+(?:then|for now|everybody|and thanks?(?: you)?))?\s*[.!]*\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PlannedTurn:
    """What one turn of the person led to.

    Attributes
    ----------
    emotion : Emotion or None
        None where a sign of danger made reading it needless.
    signal : {"danger", "farewell", "safe", "unsafe"} or None
    sign : DangerSign or None
        The latest sign of danger up to this turn; a fixed reply speaks to it.
    state_before, state : str
    technique : Technique
    """

    emotion: Emotion | None
    signal: Signal | None
    sign: DangerSign | None
    state_before: str
    state: str
    technique: Technique


def signal_in(turn: str, *, asked: bool = False) -> Signal | None:
    """What goes before the emotion of a message, or None.

    Parameters
    ----------
    turn : str
    asked : bool
        The system has just asked whether all are safe: an answer is read as well.

    Returns
    -------
    {"danger", "unsafe", "farewell", "safe"} or None
        The first of these that the message carries.
    """
    if find_danger(turn) is not None:
        return "danger"
    answer: Signal | None = safety_answer(turn) if asked else None
    if answer == "unsafe":
        return answer
    return "farewell" if _FAREWELL.search(turn.strip()) else answer


def plan_conversation(
    turns: Sequence[str], read: Callable[[str], Emotion], table: StateTable
) -> list[PlannedTurn]:
    """Walk through the table, one move for each turn of the person.

    Parameters
    ----------
    turns : sequence of str
        What the person wrote, oldest first.
    read : callable
        Gives the emotion of one message.
    table : StateTable
    """
    state, sign, planned = START, None, list[PlannedTurn]()
    for turn in turns:
        signal = signal_in(turn, asked=set(ANSWERS) <= set(table.moves[state]))
        sign = find_danger(turn) or sign
        emotion = None if signal == "danger" else read(turn)
        carried = signal or (emotion.name if emotion else "neutral")
        move = table.moves[state][carried]
        technique = _choose(table, move.choose, [step.technique.id for step in planned])
        planned.append(PlannedTurn(emotion, signal, sign, state, move.next, technique))
        state = move.next
    return planned


def _choose(table: StateTable, choices: Sequence[str], used: Sequence[str]) -> Technique:
    """Of those not just used, unless they may repeat, the one used least; the first of equals."""
    times = Counter(used)
    free = [
        table.techniques[name]
        for name in choices
        if table.techniques[name].may_repeat or not used or used[-1] != name
    ]
    return min(free, key=lambda technique: times[technique.id])
