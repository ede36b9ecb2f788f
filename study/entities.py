"""The nouns of a study, as frozen values that travel between rooms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class MissingReason(StrEnum):
    """Why an answer has no value. A missing answer is never a number."""

    NOT_REACHED = "not reached"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not applicable"
    WITHDRAWN = "withdrawn"


class RaterStatus(StrEnum):
    """Where a rater is, in the order in which a rater passes through the study."""

    ENROLLED = "enrolled"
    DECLINED = "declined"
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


@dataclass(frozen=True)
class Enrolment:
    """A new rater with the one-time link's secret, which the database does not hold."""

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
    prompt_text, response_text : str
    """

    id: str
    position: int
    total: int
    label: str
    prompt_text: str
    response_text: str


@dataclass(frozen=True)
class Event:
    """One line of the append-only audit log."""

    seq: int
    at: str
    kind: str
    actor: str
    payload: Mapping[str, Any] | None
    hash: str


@dataclass(frozen=True)
class AssignmentRecord:
    """One assignment as the store holds it, with the system that wrote the response.

    Not for pages: it names the system.
    """

    id: str
    rater_id: str
    position: int
    label: str
    prompt_id: str
    system_id: str
    shown_at: str | None
    submitted_at: str | None
    seconds: float | None


@dataclass(frozen=True)
class Rating:
    """One answer to one item of one assignment: a value, a text, or why there is neither.

    ``place`` is the item's 1-based place on the rater's page, None where it was not recorded.
    """

    assignment_id: str
    item_id: str
    value: int | None
    missing_reason: str | None
    revision: int
    saved_at: str
    text: str | None = None
    place: int | None = None
