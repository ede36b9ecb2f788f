"""What every block of a protocol is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Identifier = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$", strip_whitespace=True)
]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Shown:
    """Marks a text that raters read: a protocol in several languages has it in each of them."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """An editor also takes one text for each language."""
        by_language = {"type": "object", "additionalProperties": {"type": "string"}}
        return {"anyOf": [handler(core), by_language]}


ShownText = Annotated[Text, Shown()]
ShownLabel = Annotated[str, Shown()]


class Block(BaseModel):
    """A block of the protocol: no unknown fields, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Option(Block):
    """One answer of a multiple choice."""

    value: Annotated[int, Field(ge=-1000, le=1000)] = Field(description="What the data hold.")
    label: ShownText = Field(description="What the rater reads.")
