"""The protocol's schema, version 1.

A protocol is one YAML file. Each class is one block of it; unknown fields are refused, so a
misspelt field is an error and not a silent default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_VERSION = 1

Identifier = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$", strip_whitespace=True)
]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Block(BaseModel):
    """A block of the protocol: no unknown fields, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ScalePoint(Block):
    """One point of a scale with its anchor."""

    value: int
    label: Text


class Scale(Block):
    """Ordered points, lowest value first."""

    id: Identifier
    points: Annotated[tuple[ScalePoint, ...], Field(min_length=2)]

    @property
    def values(self) -> tuple[int, ...]:
        """All values of the scale, used or not."""
        return tuple(point.value for point in self.points)


class Item(Block):
    """One statement or question."""

    id: Identifier
    label: Text = Field(description="Short name for tables and figures.")
    text: Text = Field(description="What the rater reads.")
    measures: str = Field(default="", description="What the item is meant to measure.")


class Instrument(Block):
    """A questionnaire that is answered for every response."""

    id: Identifier
    title: Text
    licence: Text = Field(description="Under which terms this wording may be used.")
    source: Text = Field(description="Where the instrument comes from.")
    wording: Literal["verbatim", "reconstructed", "own"] = Field(
        description="verbatim: as published; reconstructed: from descriptions; own: written afresh."
    )
    scale: Scale
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


class Topic(Block):
    """What a prompt is about."""

    id: Identifier
    title: Text


class Prompt(Block):
    """What a help-seeker writes."""

    id: Identifier
    topic: Identifier
    text: Text


class Decoding(Block):
    """How a system turns probabilities into text. The same field means the same everywhere."""

    max_new_tokens: int = Field(default=128, ge=1, le=8192)
    temperature: float = Field(default=0.7, ge=0, le=2, description="0 is greedy decoding.")
    top_k: int = Field(default=0, ge=0, description="0 switches it off.")
    top_p: float = Field(default=1.0, gt=0, le=1)
    repetition_penalty: float = Field(default=1.0, ge=1, le=2)
    seed: int = Field(default=0, ge=0)
    stop: tuple[str, ...] = Field(default=(), description="Strings that end the response.")
    time_limit_s: float | None = Field(default=None, gt=0, description="Seconds.")


class System(Block):
    """What is compared: one model with one decoding configuration."""

    id: Identifier
    title: Text = Field(description="Name in the report after unblinding.")
    backend: Literal["executorch", "transformers", "openai", "scripted"]
    model: str = Field(
        default="",
        description=(
            "executorch: a .pte file; transformers: a checkpoint folder; openai: the model's name. "
            "'shipped:NAME' is a model that comes with evenhand. Relative paths start at the "
            "study folder."
        ),
    )
    tokenizer: str = Field(default="", description="executorch: folder of the tokenizer.")
    endpoint: str = Field(default="", description="openai: base address, ending in /v1.")
    api_key_variable: str = Field(
        default="", description="openai: environment variable that holds the key."
    )
    system_prompt: str = ""
    decoding: Decoding = Decoding()


class Group(Block):
    """A declared group of raters."""

    id: Identifier
    title: Text
    planned: int = Field(ge=1, description="Planned number of raters.")


class DemographicOption(Block):
    """One answer that can be chosen."""

    value: Identifier
    label: Text
    planned: int | None = Field(
        default=None, ge=0, description="Planned number of raters; rehearsals use the proportions."
    )


class DemographicField(Block):
    """One question about the rater."""

    id: Identifier
    question: Text
    kind: Literal["choice", "integer"]
    options: tuple[DemographicOption, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    required: bool = True


class Design(Block):
    """Who rates what, in which order."""

    kind: Literal["everybody-rates-everything"] = "everybody-rates-everything"
    order: Literal["williams"] = Field(
        default="williams",
        description="Order of the responses: a Williams square over prompts by systems.",
    )
    seed: int = Field(ge=0, description="Fixes the allocation.")


class Consent(Block):
    """What a rater agrees to, and what is said to those who decline."""

    title: Text
    text: Text
    agree: Text
    decline: Text
    declined: Text


class Practice(Block):
    """A response that is rated for practice and not kept."""

    prompt: Text
    response: Text


class Instructions(Block):
    """What a rater reads before the first response."""

    title: Text
    text: Text
    practice: Practice


class Debriefing(Block):
    """What a rater reads at the end."""

    title: Text
    text: Text


class PrimaryContrast(Block):
    """The contrast of two systems that the study is about, paired by rater."""

    system: Identifier
    against: Identifier
    test: Literal["paired-t", "wilcoxon"] = "paired-t"


class SubgroupTest(Block):
    """Comparison of totals between the values of a demographic question, within each system."""

    by: Identifier
    declared: Literal["student", "welch"] = "welch"


class AnalysisPlan(Block):
    """What is computed; frozen by the lock. Anything else is exploratory."""

    primary: PrimaryContrast
    subgroups: tuple[SubgroupTest, ...] = ()
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    top_points: int = Field(default=2, ge=1, description="Points counted as a favourable rating.")


class Protocol(Block):
    """A whole study, as declared before the first rating."""

    schema_version: Literal[1] = Field(description="Version of this schema.")
    id: Identifier
    version: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)*$")]
    title: Text
    summary: Text
    citation: str = ""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    instruments: Annotated[tuple[Instrument, ...], Field(min_length=1)]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    prompts: Annotated[tuple[Prompt, ...], Field(min_length=1)]
    systems: Annotated[tuple[System, ...], Field(min_length=2)]
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    demographics: tuple[DemographicField, ...] = ()
    design: Design
    consent: Consent
    instructions: Instructions
    debriefing: Debriefing
    analysis: AnalysisPlan

    @property
    def items(self) -> tuple[Item, ...]:
        """All items of all instruments, in the order in which raters see them."""
        return tuple(item for instrument in self.instruments for item in instrument.items)

    def scale_of(self, item_id: str) -> Scale:
        """The scale on which an item is answered."""
        for instrument in self.instruments:
            if any(item.id == item_id for item in instrument.items):
                return instrument.scale
        raise KeyError(item_id)

    def prompt(self, prompt_id: str) -> Prompt:
        """The prompt with this id."""
        return next(prompt for prompt in self.prompts if prompt.id == prompt_id)

    def system(self, system_id: str) -> System:
        """The system with this id."""
        return next(system for system in self.systems if system.id == system_id)
