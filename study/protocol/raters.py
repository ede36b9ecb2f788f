"""The blocks of a protocol about its raters: groups, questions about them, the texts they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from study.protocol.block import Block, Identifier, ShownText, Text


class Group(Block):
    """A declared group of raters."""

    id: Identifier = Field(description="Name of the group in the data, for example student.")
    title: Text = Field(description="Name of the group in the report.")
    planned: int = Field(ge=1, description="Planned number of raters.")


class DemographicOption(Block):
    """One answer that can be chosen."""

    value: Identifier = Field(description="What the data hold.")
    label: ShownText = Field(description="What the rater reads.")
    planned: int | None = Field(
        default=None, ge=0, description="Planned number of raters; rehearsals use the proportions."
    )


class DemographicField(Block):
    """One question about the rater."""

    id: Identifier = Field(description="Name of the question in the data.")
    question: ShownText = Field(description="What the rater reads.")
    kind: Literal["choice", "integer"] = Field(description="One of the options, or a whole number.")
    options: tuple[DemographicOption, ...] = Field(
        default=(), description="choice: the answers, at least two."
    )
    minimum: int | None = Field(default=None, description="integer: smallest number accepted.")
    maximum: int | None = Field(default=None, description="integer: largest number accepted.")
    required: bool = Field(default=True, description="Whether the question must be answered.")


class Consent(Block):
    """What a rater agrees to, and what is said to those who decline."""

    title: ShownText = Field(description="Heading of the page.")
    text: ShownText = Field(description="What the rater agrees to.")
    agree: ShownText = Field(description="Label of the button that agrees.")
    decline: ShownText = Field(description="Label of the button that declines.")
    declined: ShownText = Field(description="What is said to those who decline.")


class Practice(Block):
    """A response that is rated for practice and not kept."""

    prompt: Text = Field(description="Message of the example.")
    response: Text = Field(
        description="Response of the example; written by a person, not by a system of the study."
    )
    further: tuple[Text, ...] = Field(
        default=(), description="Where a page shows several responses: those beside the first."
    )

    @property
    def responses(self) -> tuple[str, ...]:
        """The responses of the example, by place."""
        return (self.response, *self.further)


def _one_or_several(given: Any) -> Any:
    if isinstance(given, Mapping):
        return [given]
    if not isinstance(given, list | tuple):
        raise PydanticCustomError(
            "no_example",
            "expected an example with the fields prompt and response, or a list of them",
        )
    return given


def _also_a_single_one(schema: dict[str, Any]) -> None:
    several = {name: schema.pop(name) for name in ("type", "items", "minItems")}
    schema["anyOf"] = [several["items"], several]


class Instructions(Block):
    """What a rater reads before the first response."""

    title: ShownText = Field(description="Heading of the page.")
    text: ShownText = Field(description="What raters are asked to do.")
    practice: Annotated[tuple[Practice, ...], BeforeValidator(_one_or_several)] = Field(
        min_length=1,
        description="An example that is rated and not kept, or a list of them.",
        json_schema_extra=_also_a_single_one,
    )


class Debriefing(Block):
    """What a rater reads at the end."""

    title: ShownText = Field(description="Heading of the last page.")
    text: ShownText = Field(description="What the rater reads there.")
