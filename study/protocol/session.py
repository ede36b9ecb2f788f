"""Blocks about a rater's session: checks of attention, breaks, and what comes at its end."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from study.protocol.block import Block, Identifier, Option, ShownText, Text


class ComprehensionQuestion(Block):
    """A question about the instructions."""

    id: Identifier = Field(description="Name of the question in the data.")
    text: ShownText = Field(description="What the rater reads.")
    options: tuple[Option, ...] = Field(min_length=2, description="The answers.")
    answer: int = Field(description="Value of the right answer.")


class Comprehension(Block):
    """Questions after the instructions; all must be right to go on."""

    questions: tuple[ComprehensionQuestion, ...] = Field(
        min_length=1, description="All on one page."
    )
    attempts: int = Field(default=2, ge=1, le=5, description="How often a rater may try.")


class AttentionCheck(Block):
    """An item that says which point to choose, on a page between two responses."""

    id: Identifier = Field(description="Name of the check in the data.")
    after: int = Field(ge=0, description="After how many rated responses it comes.")
    text: ShownText = Field(description="What the rater reads; it says which point to choose.")
    instrument: Identifier | None = Field(
        default=None, description="Instrument whose scale it uses; by default the first one."
    )
    answer: int = Field(description="The point that passes.")


class ScreenOut(Block):
    """What is read by those who did not pass the checks."""

    title: ShownText = Field(description="Heading of the page.")
    text: ShownText = Field(description="What is said, kindly: the rater may not go on.")


class Checks(Block):
    """Whether raters understood the task and pay attention. Their answers are no study data."""

    comprehension: Comprehension | None = Field(
        default=None, description="Questions after the instructions."
    )
    attention: tuple[AttentionCheck, ...] = Field(
        default=(), description="Items between the responses that say which point to choose."
    )
    attention_failures_allowed: int | None = Field(
        default=None,
        ge=0,
        description="Who fails more attention checks than this may not go on; none by default.",
    )
    ending: ScreenOut | None = Field(
        default=None, description="Last page of those who may not go on."
    )


class Breaks(Block):
    """Pages of rest between the responses."""

    after_every: int = Field(ge=1, description="After every how many responses.")
    minimum_seconds: int = Field(
        default=0, ge=0, le=1800, description="How long the page at least stays, in seconds."
    )
    title: ShownText = Field(description="Heading of the page.")
    text: ShownText = Field(description="What the rater reads.")


class Panel(Block):
    """Participants of an online panel, who enter by one common address."""

    participant_parameter: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")
    ] = Field(
        default="PROLIFIC_PID",
        description="Parameter of the common address that holds the panel's participant id.",
    )
    group: Identifier = Field(description="Group whose enrolled places are handed out.")
    completion_code: str = Field(
        default="",
        max_length=64,
        description="The code that the panel expects from everybody who completes, if it has one.",
    )


class Redirects(Block):
    """Where a rater is sent at the end; {receipt} and {participant} are filled in."""

    finished: Text | None = Field(default=None, description="After every required answer is there.")
    declined: Text | None = Field(default=None, description="After declined consent.")
    failed_checks: Text | None = Field(
        default=None, description="After failed comprehension or attention checks."
    )


class Completion(Block):
    """What comes after the last page, for panels such as Prolific."""

    panel: Panel | None = Field(default=None, description="How panel participants enter.")
    redirect: Redirects = Field(
        default=Redirects(), description="https addresses that the last pages lead to."
    )
