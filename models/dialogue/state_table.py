"""The dialogue's table of techniques, states and moves, read from ``dialogue.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from models.dialogue.emotion_classifier import EMOTIONS
from study.errors import ModelError

TABLE_FILE = Path(__file__).with_name("dialogue.toml")
START = "opening"
Signal = Literal["danger", "farewell", "safe", "unsafe"]
SIGNALS: tuple[Signal, ...] = ("danger", "farewell")
# Answers to the question whether all are safe: read only in a state that has moves for them.
ANSWERS: tuple[Signal, ...] = ("safe", "unsafe")
# What a message can carry: a signal, found by words, goes before the emotion.
CARRIED = (*EMOTIONS, *SIGNALS)


@dataclass(frozen=True)
class Technique:
    """One thing that the system can do in a turn.

    Attributes
    ----------
    id, title : str
    says : tuple of str
        Sentences to join to a reply; empty only when ``fixed``.
    instruction : str
        What a generator can be told instead.
    may_repeat : bool
        May be used in two turns running.
    fixed : bool
        Nothing is generated: the whole reply is one of ``safety_replies.toml``.
    """

    id: str
    title: str
    says: tuple[str, ...] = ()
    instruction: str = ""
    may_repeat: bool = False
    fixed: bool = False


@dataclass(frozen=True)
class Move:
    """What follows: the next state, and the techniques to choose from, the first preferred."""

    next: str
    choose: tuple[str, ...]


@dataclass(frozen=True)
class StateTable:
    """All techniques and states by id, and the moves by state and by what a message carries."""

    techniques: dict[str, Technique]
    states: dict[str, str]
    moves: dict[str, dict[str, Move]]


@cache
def state_table() -> StateTable:
    """The table that is in force."""
    return table_of(tomllib.loads(TABLE_FILE.read_text(encoding="utf-8")))


def table_of(content: dict[str, Any]) -> StateTable:
    """Check a table's content and freeze it.

    Raises
    ------
    ModelError
        When a state has no move for something that a message can carry, a move names an unknown
        state or technique, a state cannot be reached, or a technique might have to be used twice
        running without ``may_repeat``.
    """
    techniques = {
        name: Technique(id=name, **(entry | {"says": tuple(entry.get("says", ()))}))
        for name, entry in content["techniques"].items()
    }
    moves = {
        state: {carried: Move(m["next"], tuple(m["choose"])) for carried, m in row.items()}
        for state, row in content["moves"].items()
    }
    table = StateTable(techniques, dict(content["states"]), moves)
    faults = [*_faults_of_techniques(table), *_faults_of_moves(table)]
    if not faults and (unreachable := set(table.states) - _reachable(table)):
        faults.append(f"the states {sorted(unreachable)} cannot be reached from {START!r}")
    if faults:
        raise ModelError(f"The dialogue's table cannot be used: {'; '.join(faults)}.")
    return table


def _faults_of_techniques(table: StateTable) -> list[str]:
    return [
        f"the technique {technique.id!r} has nothing to say"
        for technique in table.techniques.values()
        if not technique.fixed and not (technique.says and technique.instruction)
    ]


def _faults_of_moves(table: StateTable) -> list[str]:
    faults = []
    if set(table.moves) != set(table.states):
        faults.append(f"states {sorted(table.states)} and moves {sorted(table.moves)} differ")
    for state, row in table.moves.items():
        if set(row) not in (set(CARRIED), {*CARRIED, *ANSWERS}):
            faults.append(
                f"the moves of {state!r} are for {sorted(row)}, expected {list(CARRIED)}, and "
                f"{list(ANSWERS)} both or neither"
            )
        for carried, move in row.items():
            where = f"the move of {state!r} on {carried!r}"
            if move.next not in table.states:
                faults.append(f"{where} leads to the unknown state {move.next!r}")
            unknown = [name for name in move.choose if name not in table.techniques]
            if unknown:
                faults.append(f"{where} names the unknown techniques {unknown}")
            elif len(set(move.choose)) < 2 and not any(
                table.techniques[name].may_repeat for name in move.choose
            ):
                faults.append(f"{where} leaves no other technique when its only one was just used")
    return faults


def _reachable(table: StateTable) -> set[str]:
    reached, ahead = set(), [START]
    while ahead:
        state = ahead.pop()
        if state not in reached:
            reached.add(state)
            ahead += [move.next for move in table.moves[state].values()]
    return reached
