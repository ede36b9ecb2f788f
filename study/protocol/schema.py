"""The protocol's schema, version 1.

A protocol is one YAML file. Each class is one block of it; unknown fields are refused, so a
misspelt field is an error and not a silent default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, StringConstraints

from study.protocol.analysis_plan import AnalysisPlan
from study.protocol.block import Block, Identifier, Text
from study.protocol.chat import Chat
from study.protocol.instruments import Instrument
from study.protocol.items import Item
from study.protocol.judge import Judge
from study.protocol.raters import Consent, Debriefing, DemographicField, Group, Instructions
from study.protocol.scale import Scale
from study.protocol.session import AttentionCheck, Breaks, Checks, Completion
from study.protocol.systems import System


class Topic(Block):
    """What a prompt is about."""

    id: Identifier = Field(description="Name of the topic in the data.")
    title: Text = Field(description="Name of the topic in the report.")


class Prompt(Block):
    """What a help-seeker writes."""

    id: Identifier = Field(description="Name of the prompt in the data.")
    topic: Identifier = Field(description="Id of one of the topics.")
    text: Text = Field(description="What the help-seeker writes, as raters and systems read it.")
    reference: str = Field(
        default="",
        description=(
            "A reply that a person wrote, which the report compares the responses with by ROUGE; no "
            "rater and no system sees it."
        ),
    )


class Design(Block):
    """Who rates what, in which order."""

    kind: Literal["everybody-rates-everything"] = Field(
        default="everybody-rates-everything", description="Every rater rates every response once."
    )
    shows: Literal["response", "pair", "all", "conversation"] = Field(
        default="response",
        description=(
            "What one page shows. response: one response; pair: the responses of two systems to a "
            "prompt, for every pair of systems; all: the responses of all systems to a prompt; "
            "conversation: the rater talks with one system, and a prompt is what the rater reads "
            "about whom to be or what to talk about."
        ),
    )
    order: Literal["williams"] = Field(
        default="williams",
        description="Order of the pages: a Williams square over what they show.",
    )
    may_go_back: bool = Field(
        default=True,
        description="Raters may look at what they rated and change it, until they have finished.",
    )
    seed: int = Field(ge=0, description="Fixes the allocation.")


class Protocol(Block):
    """A whole study, as declared before the first rating."""

    schema_version: Literal[1] = Field(description="Version of this schema.")
    id: Identifier = Field(description="Name of the protocol.")
    version: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)*$")] = Field(
        description='Version of this protocol, in quotes: "1.0".'
    )
    title: Text = Field(description="Title of the study, for the report and the link sheet.")
    summary: Text = Field(description="The study in two or three sentences.")
    citation: str = Field(default="", description="What the study follows.")
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = Field(
        default="en", description="Language of the texts, ISO 639-1; the first one of several."
    )
    languages: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")], ...] = Field(
        default=(),
        description="Languages between which a rater chooses; then texts are given in each of them.",
    )
    instruments: tuple[Instrument, ...] = Field(
        min_length=1, description="Questionnaires answered for every response."
    )
    topics: tuple[Topic, ...] = Field(min_length=1, description="What the prompts are about.")
    prompts: tuple[Prompt, ...] = Field(min_length=1, description="What the systems answer.")
    systems: tuple[System, ...] = Field(
        min_length=1, description="What is compared; a single one where nothing is compared."
    )
    groups: tuple[Group, ...] = Field(min_length=1, description="Who rates.")
    demographics: tuple[DemographicField, ...] = Field(
        default=(), description="Questions about the rater, asked once."
    )
    design: Design = Field(description="How the responses are given to the raters.")
    consent: Consent = Field(description="First page of a rater.")
    instructions: Instructions = Field(description="Pages before the first response.")
    checks: Checks | None = Field(
        default=None, description="Checks of comprehension and attention; none by default."
    )
    breaks: Breaks | None = Field(default=None, description="Pages of rest; none by default.")
    chat: Chat | None = Field(
        default=None, description="How conversations go; with design.shows: conversation only."
    )
    debriefing: Debriefing = Field(description="Last page of a rater.")
    completion: Completion = Field(
        default=Completion(), description="Panels and redirects at the end."
    )
    analysis: AnalysisPlan = Field(description="What is computed; frozen by the lock.")

    judge: Judge | None = Field(default=None, description="The LLM judge; none by default.")

    _in_other_languages: dict[str, Protocol] = PrivateAttr(default_factory=dict)

    def add_language(self, language: str, protocol: Protocol) -> None:
        """Keep this protocol's form in another language; for the reader of protocol files."""
        self._in_other_languages[language] = protocol

    def in_language(self, language: str | None) -> Protocol:
        """This protocol with its texts in one of its languages; ids, scales and numbers stay.

        Itself for None and for a language that it does not have.
        """
        return self._in_other_languages.get(language or "", self)

    def without_systems(self, analysis: AnalysisPlan) -> Protocol:
        """This protocol as a report may hold it, in its first language.

        Without the systems and without the judge, whose model or endpoint can be one of theirs. The
        plan is given, since the declared one names two systems and which of them shall be better.
        """
        cut = self.model_copy(update={"systems": (), "judge": None, "analysis": analysis})
        cut._in_other_languages = {}  # each of them is a whole protocol, with its systems
        return cut

    @property
    def items(self) -> tuple[Item, ...]:
        """All items of all instruments with the boxes for reasons, in the order of the protocol."""
        return tuple(item for instrument in self.instruments for item in instrument.asked)

    def scale_of(self, item_id: str) -> Scale:
        """The scale on which an item is answered."""
        for instrument in self.instruments:
            if any(item.id == item_id for item in instrument.asked):
                return instrument.scale
        raise KeyError(item_id)

    def scale_of_check(self, check: AttentionCheck) -> Scale:
        """The scale on which an attention check is answered."""
        named = [i.scale for i in self.instruments if i.id == check.instrument]
        return named[0] if named else self.instruments[0].scale

    def prompt(self, prompt_id: str) -> Prompt:
        """The prompt with this id."""
        return next(prompt for prompt in self.prompts if prompt.id == prompt_id)

    def system(self, system_id: str) -> System:
        """The system with this id."""
        return next(system for system in self.systems if system.id == system_id)
