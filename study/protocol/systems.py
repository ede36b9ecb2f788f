"""The systems block of a protocol: what is compared, and how each turns probabilities into text."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.protocol.block import Block, Identifier, Text


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


class Dialogue(Block):
    """What a dialogue system has beside the model that writes: emotion and technique."""

    generator: Literal["executorch", "transformers", "openai"] = Field(
        default="executorch",
        description="Backend that runs the system's model; its fields stand in the system.",
    )
    classifier: Text = Field(
        default="shipped:emotion-demo",
        description="Folder that 'evenhand train-emotion' wrote; reads the emotion of a message.",
    )
    embeddings: Text = Field(
        default="shipped:demo-tuned",
        description="Checkpoint folder that the classifier was trained on; another is refused.",
    )
    technique_goes: Literal["after-reply", "to-generator"] = Field(
        default="after-reply",
        description=(
            "after-reply: a sentence of the technique follows the generated reply; to-generator: the "
            "model gets an instruction instead, and writes the whole reply."
        ),
    )
    generator_turns: int | None = Field(
        default=None,
        ge=1,
        description=(
            "How many of the person's last messages the model that writes is given, with the replies to "
            "them; all by default. Emotion, state and signs of danger are read from all messages."
        ),
    )


class System(Block):
    """What is compared: one model with one decoding configuration."""

    id: Identifier = Field(description="Name of the system; shown to nobody before unblinding.")
    title: Text = Field(description="Name in the report after unblinding.")
    backend: Literal["executorch", "transformers", "openai", "dialogue", "scripted", "imported"] = (
        Field(
            description=(
                "What runs the model; dialogue reads the emotion of a message and joins a technique to "
                "the model's reply; scripted is a fixed rule without a model; imported is written elsewhere "
                "and brought in by `evenhand import`: nothing here runs it, and model and decoding only say "
                "what it was."
            )
        )
    )
    dialogue: Dialogue | None = Field(
        default=None, description="dialogue: its parts, where they are not the shipped ones."
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
    proxy: str = Field(
        default="",
        description=(
            "openai: address of an HTTP proxy; without it the endpoint is asked directly, whatever the "
            "environment says. Never for an endpoint on this machine or in a private network."
        ),
    )
    endpoint_accepts: tuple[Literal["top_k", "repetition_penalty"], ...] = Field(
        default=(),
        description="openai: settings beyond the official ones that this endpoint honours.",
    )
    length_parameter: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens",
        description="openai: under which name the endpoint takes decoding.max_new_tokens.",
    )
    leave_out: tuple[Literal["temperature", "top_p", "seed"], ...] = Field(
        default=(),
        description="openai: settings that are not sent, for an endpoint that refuses them.",
    )
    precision: Literal["fp32", "bf16", "4bit"] = Field(
        default="fp32",
        description=(
            "transformers: number format of the weights; 4bit (NF4) needs a GPU and bitsandbytes."
        ),
    )
    adapter: str = Field(
        default="", description="transformers: folder of a LoRA adapter of the checkpoint."
    )
    system_prompt: str = Field(default="", description="Instruction that precedes every prompt.")
    decoding: Decoding = Field(default=Decoding(), description="How text is sampled.")

    @property
    def runs_on(self) -> str:
        """The backend that runs the model itself; a dialogue system wraps one of the others."""
        if self.backend != "dialogue":
            return self.backend
        return (self.dialogue or Dialogue()).generator
