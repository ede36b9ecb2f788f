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

    value: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        description="What the data hold, for example 1."
    )
    label: str = Field(
        default="",
        description="Anchor that the rater reads; a point between anchors may have none.",
    )


class Scale(Block):
    """Ordered points, lowest value first."""

    id: Identifier = Field(description="Name of the scale.")
    points: tuple[ScalePoint, ...] = Field(
        min_length=2, description="Lowest value first; values may skip numbers."
    )

    @property
    def values(self) -> tuple[int, ...]:
        """All values of the scale, used or not."""
        return tuple(point.value for point in self.points)


class Poles(Block):
    """The two words between which a semantic differential asks for a place."""

    low: Text = Field(description="Word at the scale's lowest value.")
    high: Text = Field(description="Word at the scale's highest value.")


class Option(Block):
    """One answer of a multiple choice."""

    value: Annotated[int, Field(ge=-1000, le=1000)] = Field(description="What the data hold.")
    label: Text = Field(description="What the rater reads.")


class Item(Block):
    """One statement or question."""

    id: Identifier = Field(description="Name of the item in the data; once in the study.")
    label: Text = Field(description="Short name for tables and figures.")
    text: Text = Field(description="What the rater reads.")
    measures: str = Field(default="", description="What the item is meant to measure.")
    kind: Literal[
        "likert", "semantic-differential", "slider", "yes-no-unsure", "choice", "text"
    ] = Field(
        default="likert",
        description=(
            "likert: a point of the instrument's scale; semantic-differential: the same between two "
            "poles; slider: a whole number from the scale's first to its last value, with no answer "
            "until it is touched; yes-no-unsure: held as 1, 0 and 2; choice: one of the options; "
            "text: free text."
        ),
    )
    poles: Poles | None = Field(default=None, description="semantic-differential: its two ends.")
    options: tuple[Option, ...] = Field(
        default=(), description="choice: the answers, at least two, in the order on the page."
    )
    reversed: bool = Field(
        default=False,
        description=(
            "A high answer is unfavourable. Data and exports hold the answer as given; the report "
            "turns it round and says so."
        ),
    )
    may_be_not_applicable: bool = Field(
        default=False, description="Offer 'not applicable', which is held as a missing reason."
    )
    optional: bool = Field(
        default=False, description="May be left open; then the missing reason is 'skipped'."
    )


class Instrument(Block):
    """A questionnaire that is answered for every response."""

    id: Identifier = Field(description="Name of the instrument.")
    title: Text = Field(description="Full name, for the report.")
    licence: Text = Field(description="Under which terms this wording may be used.")
    source: Text = Field(description="Where the instrument comes from.")
    wording: Literal["verbatim", "reconstructed", "own"] = Field(
        description="verbatim: as published; reconstructed: from descriptions; own: written afresh."
    )
    scale: Scale = Field(
        description="The points of its likert items; for sliders, the two ends with their anchors."
    )
    order: Literal["fixed", "random"] = Field(
        default="fixed",
        description=(
            "random: another order of its items for every rater and response, drawn with study.key "
            "and recorded with each answer."
        ),
    )
    items: tuple[Item, ...] = Field(min_length=1, description="In the order of the questionnaire.")


class Topic(Block):
    """What a prompt is about."""

    id: Identifier = Field(description="Name of the topic in the data.")
    title: Text = Field(description="Name of the topic in the report.")


class Prompt(Block):
    """What a help-seeker writes."""

    id: Identifier = Field(description="Name of the prompt in the data.")
    topic: Identifier = Field(description="Id of one of the topics.")
    text: Text = Field(description="What the help-seeker writes, as raters and systems read it.")


class Decoding(Block):
    """How a system turns probabilities into text. The same field means the same everywhere."""

    max_new_tokens: int = Field(
        default=128, ge=1, le=8192, description="Longest response, in tokens."
    )
    temperature: float = Field(default=0.7, ge=0, le=2, description="0 is greedy decoding.")
    top_k: int = Field(default=0, ge=0, description="0 switches it off.")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Nucleus sampling; 1 switches it off."
    )
    repetition_penalty: float = Field(default=1.0, ge=1, le=2, description="1 switches it off.")
    seed: int = Field(default=0, ge=0, description="Fixes the sampling.")
    stop: tuple[str, ...] = Field(default=(), description="Strings that end the response.")
    time_limit_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds after which a response is cut off; none by default.",
    )


class System(Block):
    """What is compared: one model with one decoding configuration."""

    id: Identifier = Field(description="Name of the system; shown to nobody before unblinding.")
    title: Text = Field(description="Name in the report after unblinding.")
    backend: Literal["executorch", "transformers", "openai", "scripted"] = Field(
        description="What runs the model; scripted is a fixed rule without a model."
    )
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
    endpoint_accepts: tuple[Literal["top_k", "repetition_penalty"], ...] = Field(
        default=(),
        description="openai: settings beyond the official ones that this endpoint honours.",
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="transformers: number format of the weights."
    )
    system_prompt: str = Field(default="", description="Instruction that precedes every prompt.")
    decoding: Decoding = Field(default=Decoding(), description="How text is sampled.")


class Group(Block):
    """A declared group of raters."""

    id: Identifier = Field(description="Name of the group in the data, for example student.")
    title: Text = Field(description="Name of the group in the report.")
    planned: int = Field(ge=1, description="Planned number of raters.")


class DemographicOption(Block):
    """One answer that can be chosen."""

    value: Identifier = Field(description="What the data hold.")
    label: Text = Field(description="What the rater reads.")
    planned: int | None = Field(
        default=None, ge=0, description="Planned number of raters; rehearsals use the proportions."
    )


class DemographicField(Block):
    """One question about the rater."""

    id: Identifier = Field(description="Name of the question in the data.")
    question: Text = Field(description="What the rater reads.")
    kind: Literal["choice", "integer"] = Field(description="One of the options, or a whole number.")
    options: tuple[DemographicOption, ...] = Field(
        default=(), description="choice: the answers, at least two."
    )
    minimum: int | None = Field(default=None, description="integer: smallest number accepted.")
    maximum: int | None = Field(default=None, description="integer: largest number accepted.")
    required: bool = Field(default=True, description="Whether the question must be answered.")


class Design(Block):
    """Who rates what, in which order."""

    kind: Literal["everybody-rates-everything"] = Field(
        default="everybody-rates-everything", description="Every rater rates every response once."
    )
    order: Literal["williams"] = Field(
        default="williams",
        description="Order of the responses: a Williams square over prompts by systems.",
    )
    seed: int = Field(ge=0, description="Fixes the allocation.")


class Consent(Block):
    """What a rater agrees to, and what is said to those who decline."""

    title: Text = Field(description="Heading of the page.")
    text: Text = Field(description="What the rater agrees to.")
    agree: Text = Field(description="Label of the button that agrees.")
    decline: Text = Field(description="Label of the button that declines.")
    declined: Text = Field(description="What is said to those who decline.")


class Practice(Block):
    """A response that is rated for practice and not kept."""

    prompt: Text = Field(description="Message of the example.")
    response: Text = Field(
        description="Response of the example; written by a person, not by a system of the study."
    )


class Instructions(Block):
    """What a rater reads before the first response."""

    title: Text = Field(description="Heading of the page.")
    text: Text = Field(description="What raters are asked to do.")
    practice: Practice = Field(description="An example that is rated and not kept.")


class Debriefing(Block):
    """What a rater reads at the end."""

    title: Text = Field(description="Heading of the last page.")
    text: Text = Field(description="What the rater reads there.")


class PrimaryContrast(Block):
    """The contrast of two systems that the study is about, paired by rater."""

    system: Identifier = Field(description="Id of the system expected to be better.")
    against: Identifier = Field(description="Id of the system that it is compared with.")
    test: Literal["paired-t", "wilcoxon"] = Field(
        default="paired-t", description="Test of the raters' paired totals."
    )


class SubgroupTest(Block):
    """Comparison of totals between the values of a demographic question, within each system."""

    by: Identifier = Field(description="Id of a demographic question of kind choice.")
    declared: Literal["student", "welch"] = Field(
        default="welch", description="Test that the plan declares; student assumes equal variances."
    )


class Equivalence(Block):
    """Differences of totals that would still count as the same, for two one-sided tests."""

    low: float = Field(description="Lowest such difference, in points of a rater's total score.")
    high: float = Field(description="Highest such difference, in points of a rater's total score.")
    reason: Text = Field(description="Why a difference within these bounds does not matter.")


class Family(Block):
    """Tests whose p values are adjusted together."""

    name: Identifier = Field(description="Name of the family in the report.")
    adjustment: Literal["holm", "bh", "by", "hommel"] = Field(
        default="holm",
        description=(
            "holm and hommel control the chance of any false positive; bh (Benjamini-Hochberg) and "
            "by (Benjamini-Yekutieli) the expected share of false positives."
        ),
    )
    tests: tuple[Identifier, ...] = Field(
        min_length=1,
        description=(
            "primary, or the question of a declared subgroup test, which stands for its tests in "
            "all systems and between all answers."
        ),
    )


class Exclusions(Block):
    """Raters without whom the primary contrast is computed again; both results are shown."""

    minimum_seconds: float | None = Field(
        default=None,
        gt=0,
        description="A rater with a shorter median time per response is left out, in seconds.",
    )
    longest_run: int | None = Field(
        default=None,
        ge=2,
        description="A rater with more equal answers in a row, item after item, is left out.",
    )
    incomplete: bool = Field(
        default=False, description="A rater without an answer to every item asked is left out."
    )


class AnalysisPlan(Block):
    """What is computed; frozen by the lock. Anything else is exploratory."""

    primary: PrimaryContrast = Field(description="The contrast that the study is about.")
    subgroups: tuple[SubgroupTest, ...] = Field(
        default=(), description="Comparisons between groups of raters."
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Level of every interval, for example 0.95."
    )
    top_points: int = Field(default=2, ge=1, description="Points counted as a favourable rating.")
    equivalence: Equivalence | None = Field(
        default=None, description="Bounds of the equivalence test of the primary contrast."
    )
    families: tuple[Family, ...] = Field(
        default=(), description="Families of tests; p values outside them are not adjusted."
    )
    exclusions: Exclusions | None = Field(
        default=None, description="Whom the result is also shown without."
    )


class JudgeSampling(Block):
    """How the judge's replies are sampled."""

    temperature: float = Field(default=0.0, ge=0, le=2, description="0 is the most likely reply.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Nucleus sampling; 1 is off.")
    max_tokens: int = Field(default=400, ge=1, le=8192, description="Longest reply, in tokens.")


class JudgePrice(Block):
    """What the endpoint charges; without it, no cost can be estimated or capped."""

    input_per_million: float = Field(ge=0, description="Price of a million input tokens.")
    output_per_million: float = Field(ge=0, description="Price of a million output tokens.")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(
        default="USD", description="ISO 4217 code."
    )


class JudgeReview(Block):
    """Which verdicts become a case that a person has to look at."""

    safety_at_most: float = Field(
        default=0.5, ge=0, le=1, description="A safety verdict this low opens a case."
    )
    disagreement_points: float = Field(
        default=2, gt=0, description="A difference this large from a professional opens a case."
    )
    professional_groups: tuple[Identifier, ...] = Field(
        default=("professional",), description="Groups whose raters the judge is compared with."
    )


class StandInConditions(Block):
    """The judge may stand in for people only if all of these hold; the report says yes or no."""

    group: Identifier = Field(description="Id of the group of raters that it would stand in for.")
    winning_rate_at_least: float = Field(
        default=0.5, gt=0, le=1, description="Winning rate in the alternative-annotator test."
    )
    epsilon: float = Field(
        default=0.15, ge=0, lt=1, description="Advantage that the judge is granted in that test."
    )
    weighted_kappa_at_least: float | None = Field(
        default=None, le=1, description="Lower limit of the interval of quadratic weighted kappa."
    )
    bias_at_most: float | None = Field(
        default=None,
        gt=0,
        description="Largest mean difference to people in any system, in points.",
    )


class Judge(Block):
    """An LLM that scores the responses beside the raters, never in their place."""

    backend: Literal["openai", "transformers", "scripted"] = Field(
        description="An endpoint, a model on this machine, or the scripted judge (simulated data)."
    )
    model: str = Field(
        default="",
        description="openai: the model's name; transformers: a checkpoint folder or shipped:NAME.",
    )
    endpoint: str = Field(default="", description="openai: base address, ending in /v1.")
    api_key_variable: str = Field(
        default="", description="openai: environment variable that holds the key."
    )
    rubrics: tuple[Text, ...] = Field(
        min_length=1,
        description="Shipped rubrics by name, or YAML files relative to the study folder.",
    )
    mode: Literal["one-criterion", "all-in-one"] = Field(
        default="one-criterion", description="Criteria in a call of their own, or all in one."
    )
    scoring: Literal["stated", "probability"] = Field(
        default="stated",
        description=(
            "stated: the score that the judge writes after its reasons; probability: the mean over "
            "the probabilities of the scale's own tokens."
        ),
    )
    structured_output: bool = Field(
        default=True, description="Send the JSON schema; false for endpoints that refuse it."
    )
    replicates: int = Field(default=1, ge=1, le=100, description="Independent repeats of a call.")
    sampling: JudgeSampling = Field(default=JudgeSampling(), description="How replies are sampled.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Fixes the sampling.")
    batch: bool = Field(default=False, description="Use the endpoint's batch API.")
    concurrency: int = Field(default=4, ge=1, le=512, description="Most calls at the same time.")
    requests_per_minute: int | None = Field(
        default=None, ge=1, description="Limit of the endpoint; none by default."
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, description="Limit of the endpoint, input and output together."
    )
    timeout_s: float = Field(
        default=120, gt=0, description="Seconds that the endpoint may be silent."
    )
    retries: int = Field(default=3, ge=0, le=20, description="Further attempts after a failure.")
    longest_wait_s: float = Field(
        default=120, ge=0, description="Longest Retry-After that is waited for, in seconds."
    )
    price: JudgePrice | None = Field(default=None, description="What the endpoint charges.")
    max_cost: float | None = Field(
        default=None, ge=0, description="The judge stops before it would spend more than this."
    )
    review: JudgeReview = Field(default=JudgeReview(), description="What a person must look at.")
    stand_in_only_if: StandInConditions | None = Field(
        default=None, description="What must hold before the judge may stand in for people."
    )


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
        default="en", description="Language of the texts, ISO 639-1."
    )
    instruments: tuple[Instrument, ...] = Field(
        min_length=1, description="Questionnaires answered for every response."
    )
    topics: tuple[Topic, ...] = Field(min_length=1, description="What the prompts are about.")
    prompts: tuple[Prompt, ...] = Field(min_length=1, description="What the systems answer.")
    systems: tuple[System, ...] = Field(min_length=2, description="What is compared.")
    groups: tuple[Group, ...] = Field(min_length=1, description="Who rates.")
    demographics: tuple[DemographicField, ...] = Field(
        default=(), description="Questions about the rater, asked once."
    )
    design: Design = Field(description="How the responses are given to the raters.")
    consent: Consent = Field(description="First page of a rater.")
    instructions: Instructions = Field(description="Pages before the first response.")
    debriefing: Debriefing = Field(description="Last page of a rater.")
    analysis: AnalysisPlan = Field(description="What is computed; frozen by the lock.")

    judge: Judge | None = Field(default=None, description="The LLM judge; none by default.")

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
