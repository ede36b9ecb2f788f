"""The nouns of a study, as frozen values that travel between rooms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

# How a missing answer is called that came without any of the reasons below, in every table.
NO_REASON = "no reason recorded"
# The t tests of two independent groups, and the one where a plan, a command or nobody names another: Welch's
# needs no equal variances.
TwoGroupTest = Literal["student", "welch"]
DEFAULT_TWO_GROUP_TEST: TwoGroupTest = "welch"


@dataclass(frozen=True)
class Named:
    """An id with the name that tables and figures show; of a system, its blind code until unblinding."""

    id: str
    label: str


class MissingReason(StrEnum):
    """Why an answer has no value. A missing answer is never a number."""

    NOT_REACHED = "not reached"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not applicable"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Answer:
    """What a rater answered to one item: a number or a text, or why there is neither.

    Raises
    ------
    ValueError
        When there are both a value and a reason, or neither.
    """

    value: int | str | None = None
    missing: MissingReason | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.missing is None):
            raise ValueError(
                f"An answer has a value or a reason why it has none; found {self.value!r} and "
                f"{self.missing!r}. Give one of the two."
            )

    @property
    def number(self) -> int | None:
        """The value, where it is a number."""
        return None if isinstance(self.value, str) else self.value

    @property
    def text(self) -> str | None:
        """The value, where it is a text."""
        return self.value if isinstance(self.value, str) else None


class RaterStatus(StrEnum):
    """Where a rater is, in the order in which a rater passes through the study."""

    ENROLLED = "enrolled"
    DECLINED = "declined"
    SCREENED_OUT = "screened_out"
    CONSENTED = "consented"
    READY = "ready"
    RATING = "rating"
    FINISHED = "finished"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Response:
    """A system's reply to a prompt, with all that is needed to make it again."""

    id: str
    prompt_id: str
    system_id: str
    text: str
    provenance: Mapping[str, Any]
    created_at: dt.datetime
    imported: bool = False


@dataclass(frozen=True)
class Rater:
    """One participant. ``code`` is the pseudonym that pages and exports show."""

    id: str
    code: str
    group: str
    slot: int
    status: RaterStatus
    simulated: bool
    demographics: Mapping[str, str | int | None]
    enrolled_at: dt.datetime
    consented_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    language: str | None = None
    screened_out_because: str | None = None


@dataclass(frozen=True)
class Enrolment:
    """A new rater with the secret of the personal link, which the database does not hold."""

    rater: Rater
    token: str


@dataclass(frozen=True)
class BlindedAssignment:
    """What a rater may know of one assignment: no system, no response id.

    Parameters
    ----------
    id : str
        Opaque; safe in widget keys and on the wire.
    position : int
        1-based place in this rater's order.
    total : int
        Number of assignments of this rater.
    label : str
        Blind label, for example ``"K7Q2"``.
    prompt_text : str
    response_texts : tuple of str
        By place: the first is shown as A where there are several.
    """

    id: str
    position: int
    total: int
    label: str
    prompt_text: str
    response_texts: tuple[str, ...]


class TurnOutcome(StrEnum):
    """How a reply in a conversation ended."""

    COMPLETE = "complete"
    STOPPED = "stopped by the rater"
    CUT_OFF = "cut off"
    FAILED = "failed"


class ConversationEnd(StrEnum):
    """Why a conversation ended."""

    RATER = "rater"
    TURN_BUDGET = "turn budget"
    TIME_BUDGET = "time budget"
    SYSTEM_SILENT = "system stopped answering"


@dataclass(frozen=True)
class Turn:
    """One message of a conversation.

    Parameters
    ----------
    number : int
        1-based, over the messages of both sides.
    role : str
        ``"rater"`` or ``"system"``.
    text : str
        Of a system: what the rater was shown, or all that came before it broke off.
    outcome : TurnOutcome or None
        None while a reply is being written.
    started_at, finished_at : datetime.datetime or None
    pace_missed : bool
        The reply came too late for the declared pace.
    """

    number: int
    role: str
    text: str
    outcome: TurnOutcome | None
    started_at: dt.datetime
    finished_at: dt.datetime | None
    pace_missed: bool


@dataclass(frozen=True)
class Conversation:
    """A rater's conversation with a system that it does not name."""

    assignment_id: str
    prompt_id: str
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    ended_by: ConversationEnd | None
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Event:
    """One line of the append-only audit log.

    ``at`` and ``payload`` are None where somebody changed them to what is no time and no payload;
    ``payload`` also when its participant was erased.
    """

    seq: int
    at: dt.datetime | None
    kind: str
    actor: str
    payload: Mapping[str, Any] | None
    hash: str


@dataclass(frozen=True)
class AssignmentRecord:
    """One assignment as the store holds it, with the systems that wrote what it shows, by place.

    Not for pages: it names the systems.
    """

    id: str
    rater_id: str
    position: int
    label: str
    prompt_id: str
    system_ids: tuple[str, ...]
    shown_at: dt.datetime | None
    submitted_at: dt.datetime | None
    seconds: float | None


@dataclass(frozen=True)
class Rating:
    """One answer to one item of one assignment.

    ``place`` is the item's 1-based place on the rater's page, None where it was not recorded.
    """

    assignment_id: str
    item_id: str
    answer: Answer
    revision: int
    saved_at: dt.datetime
    place: int | None
