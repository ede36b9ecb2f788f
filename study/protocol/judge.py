"""The judge block of a protocol: an LLM that scores the responses beside the raters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from study.protocol.block import Block, Identifier, Text


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
    proxy: str = Field(
        default="",
        description=(
            "openai: address of an HTTP proxy; without it the endpoint is asked directly, whatever the "
            "environment says. Never for an endpoint on this machine or in a private network."
        ),
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
    length_parameter: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens",
        description="openai: under which name the endpoint takes sampling.max_tokens.",
    )
    leave_out: tuple[Literal["temperature", "top_p", "seed"], ...] = Field(
        default=(),
        description="openai: settings that are not sent, for an endpoint that refuses them.",
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
    longest_call_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds that one request may take in all; five times timeout_s by default.",
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
