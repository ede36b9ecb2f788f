"""Answers to checks of comprehension and attention in the store, apart from the ratings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from study.clock import now
from study.entities import Rater
from study.errors import RatingError
from study.store import drafts, events, tables
from study.store.passages import hold_rater
from study.store.study import Study


@dataclass(frozen=True)
class CheckAnswer:
    """One answer to one check; ``attempt`` counts from 1, ``kind`` is comprehension or attention."""

    rater_id: str
    check_id: str
    attempt: int
    kind: str
    value: int
    passed: bool
    saved_at: dt.datetime


def answers_in(connection: Connection, rater_id: str) -> list[CheckAnswer]:
    """One rater's answers, in the order in which they were given."""
    answer = tables.check_answer.c
    rows = connection.execute(
        _columns().where(answer.rater_id == rater_id).order_by(answer.saved_at, answer.check_id)
    )
    return [CheckAnswer(*row) for row in rows]


def answers_of(study: Study, rater: Rater) -> list[CheckAnswer]:
    """``answers_in`` in a transaction of its own."""
    with study.reading() as connection:
        return answers_in(connection, rater.id)


def read_check_answers(study: Study) -> list[CheckAnswer]:
    """Everybody's answers, by rater and time."""
    answer, rater = tables.check_answer.c, tables.rater.c
    statement = (
        _columns()
        .join(tables.rater, rater.id == answer.rater_id)
        .order_by(rater.group_id, rater.slot, answer.saved_at, answer.check_id)
    )
    with study.reading() as connection:
        return [CheckAnswer(*row) for row in connection.execute(statement)]


def _columns() -> Select[tuple[Any, ...]]:
    answer = tables.check_answer.c
    return select(
        answer.rater_id,
        answer.check_id,
        answer.attempt,
        answer.kind,
        answer.value,
        answer.passed,
        answer.saved_at,
    )


def save_check_answers(
    study: Study,
    rater: Rater,
    kind: str,
    attempt: int,
    answers: Mapping[str, tuple[int, bool]],
    *,
    screened_out_because: str | None = None,
    starts_rating: bool = False,
) -> bool:
    """Save one attempt (check -> value and whether it passed), once, with what follows from it.

    Parameters
    ----------
    screened_out_because : str, optional
        The rater may not go on after this attempt.
    starts_rating : bool
        The rater may rate from now on.

    Returns
    -------
    bool
        False when this attempt was saved before, which changes nothing.

    Raises
    ------
    RatingError
        When the rater is not taking part (any more).
    """
    at = now()
    try:
        with study.writing() as connection:
            _hold_rater(connection, rater, at)
            if _saved_before(connection, rater, list(answers), attempt):
                return False
            connection.execute(
                insert(tables.check_answer),
                [
                    {
                        "rater_id": rater.id,
                        "check_id": check,
                        "attempt": attempt,
                        "kind": kind,
                        "value": value,
                        "passed": right,
                        "saved_at": at,
                    }
                    for check, (value, right) in answers.items()
                ],
            )
            drafts.erase(connection, rater.id)
            steps: dict[str, Any] = {}
            if screened_out_because is not None:
                steps = {"screened_out_at": at, "screened_out_because": screened_out_because}
            elif starts_rating:
                steps = {"practised_at": at}
            if steps:
                mine = tables.rater.c.id == rater.id
                connection.execute(update(tables.rater).where(mine).values(**steps))
            values = {check: value for check, (value, _) in answers.items()}
            payload = {"check": kind, "attempt": attempt, "answers": values}
            events.append(connection, study, "check_answered", rater.id, payload)
            if screened_out_because is not None:
                because = {"because": screened_out_because}
                events.append(connection, study, "screened_out", rater.id, because)
            elif starts_rating:
                events.append(connection, study, "practised", rater.id, {})
    except IntegrityError:
        return False  # a second tab was quicker
    return True


def _hold_rater(connection: Connection, rater: Rater, at: dt.datetime) -> None:
    ended = ("withdrawn_at", "screened_out_at", "finished_at")
    if not hold_rater(connection, rater.id, at, after=("consented_at",), before=ended):
        raise RatingError(
            "This link takes no answers now: its rater is not taking part. Please reload the page."
        )


def _saved_before(
    connection: Connection, rater: Rater, checks: Sequence[str], attempt: int
) -> bool:
    answer = tables.check_answer.c
    found = connection.execute(
        select(answer.check_id).where(
            answer.rater_id == rater.id, answer.attempt == attempt, answer.check_id.in_(checks)
        )
    ).first()
    return found is not None
