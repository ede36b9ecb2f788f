"""The published settings of the three studies' trainings, every one of them overridable."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from study.errors import ModelError

Method = Literal["full", "lora", "qat-lora"]


class TrainingSettings(BaseModel):
    """All numbers that decide a training, beside checkpoint and data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = Field(
        "lora", description="full, lora, or qat-lora (LoRA under fake quantization)"
    )
    quantization: Literal["none", "4bit"] = Field(
        "none",
        description="4bit holds the frozen weights in 4 bits while training (QLoRA; needs a GPU)",
    )
    rank: int = Field(16, ge=1, description="rank of the LoRA matrices")
    alpha: int = Field(32, ge=1, description="LoRA alpha; the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the LoRA matrices")
    targets: str = Field(
        "attention", description="layers with LoRA: attention, all-linear, or names by comma"
    )
    learning_rate: float = Field(gt=0, description="highest learning rate of AdamW")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="how the rate falls after the warm-up"
    )
    warmup_share: float = Field(
        0.0, ge=0, lt=1, description="linear warm-up as a share of all steps"
    )
    warmup_steps: int = Field(0, ge=0, description="linear warm-up in steps; goes before the share")
    batch_size: int = Field(ge=1, description="conversations in one pass")
    accumulation: int = Field(1, ge=1, description="passes in one step")
    epochs: float = Field(gt=0, description="passes over the training data")
    max_steps: int = Field(0, ge=0, description="ends earlier than the epochs do; 0 does not")
    max_tokens: int = Field(
        1024, ge=8, description="tokens of one conversation; longer ones are cut"
    )
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay of AdamW")
    beta2: float = Field(
        0.999, gt=0, lt=1, description="AdamW's second decay rate; the first is 0.9"
    )
    clip_norm: float = Field(1.0, gt=0, description="largest norm of the gradient")
    evaluate_every: int = Field(0, ge=0, description="steps between held-out losses; 0: each epoch")
    keep_best: bool = Field(False, description="keep the weights with the lowest held-out loss")
    stop_after: int = Field(0, ge=0, description="end after so many steps without gain; 0 does not")
    save_every: int = Field(
        200, ge=1, description="steps between saved states; with keep_best at each held-out loss"
    )
    fake_quantization_from: int = Field(1000, ge=0, description="step at which qat-lora begins it")
    group_size: int = Field(32, ge=32, multiple_of=32, description="weights that share a scale")
    learn: Literal["replies", "everything"] = Field(
        "replies", description="tokens with a loss: the assistant's turns, or all"
    )
    held_out_share: float = Field(0.1, gt=0, lt=1, description="share of conversations held out")
    stratify_by: Literal["auto", "topic", "emotion", "source", "none"] = Field(
        "auto", description="label whose shares the split keeps; auto takes the first that is there"
    )
    clean_links: bool = Field(True, description="take out image links, replace other links")
    clean_names: bool = Field(True, description="replace personal names by [name]")
    min_reply_words: int = Field(
        1, ge=0, description="a conversation with a shorter reply is left out"
    )
    max_turn_words: int = Field(
        2000, ge=1, description="a conversation with a longer turn is left out"
    )
    identity_copies: int = Field(
        5, ge=1, description="copies of each identity example, if asked for"
    )
    group_by_length: bool = Field(False, description="batches of similar length: less padding")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU that has it, else fp32"
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0 leaves torch's own number")
    log_every: int = Field(10, ge=1, description="steps between points of the training curve")
    seed: int = Field(42, ge=0, description="of split, order, dropout and LoRA's first weights")


# What the studies published. What is not named here is evenhand's own default.
PUBLISHED: dict[str, dict[str, Any]] = {
    "emosapp": {
        "method": "qat-lora",
        "rank": 16,
        "alpha": 32,
        "targets": "attention",
        "fake_quantization_from": 1000,
        "learning_rate": 3e-5,
        "schedule": "linear",
        "warmup_share": 0.01,
        "batch_size": 4,
        "epochs": 5,
    },
    "eai": {
        "method": "lora",
        "quantization": "4bit",
        "rank": 8,
        "alpha": 16,
        "dropout": 0.1,
        "learning_rate": 5e-5,
        "schedule": "cosine",
        "warmup_steps": 50,
        "batch_size": 2,
        "accumulation": 8,
        "epochs": 3,
        "max_tokens": 1024,
    },
    "nile": {
        "method": "lora",
        "rank": 16,
        "dropout": 0.1,
        "learning_rate": 2e-4,
        "schedule": "cosine",
        "warmup_steps": 100,
        "batch_size": 2,
        "accumulation": 4,
        "epochs": 2,
        "weight_decay": 0.01,
        "evaluate_every": 300,
        "keep_best": True,
        "stop_after": 500,
    },
}
METHODS: dict[str, tuple[Method, ...]] = {
    "emosapp": ("full", "lora", "qat-lora"),
    "eai": ("lora",),
    "nile": ("lora",),
}


def training_settings(recipe: str, changes: Mapping[str, Any] | None = None) -> TrainingSettings:
    """A recipe's settings with some of them changed.

    Parameters
    ----------
    recipe : {'emosapp', 'eai', 'nile'}
    changes : mapping or None
        Values by name; text is read as the setting's type.

    Raises
    ------
    ModelError
        For an unknown recipe or setting, a value out of its range, or settings that contradict
        each other.
    """
    if recipe not in PUBLISHED:
        raise ModelError(f"There is no recipe {recipe!r}; expected one of {', '.join(PUBLISHED)}.")
    given = dict(changes or {})
    for name in given:
        if name not in TrainingSettings.model_fields:
            near = difflib.get_close_matches(name, TrainingSettings.model_fields, 1)
            raise ModelError(
                f"There is no setting {name!r}"
                + (f"; did you mean {near[0]}?" if near else ".")
                + " `evenhand train --recipe NAME --show-recipe` lists them."
            )
    try:
        settings = TrainingSettings(**(PUBLISHED[recipe] | given))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ModelError(
            f"The setting {name} is {first['input']!r}: {first['msg']} "
            f"({TrainingSettings.model_fields[name].description}). Correct the value."
        ) from error
    _refuse_contradictions(recipe, settings)
    return settings


def _refuse_contradictions(recipe: str, settings: TrainingSettings) -> None:
    if settings.method not in METHODS[recipe]:
        raise ModelError(
            f"The recipe {recipe} has no method {settings.method}; expected one of "
            f"{', '.join(METHODS[recipe])}. The recipe emosapp has all three."
        )
    if settings.quantization == "4bit" and settings.method != "lora":
        raise ModelError(
            f"quantization=4bit goes with method lora, and the method is {settings.method}. Set "
            f"quantization=none or method=lora."
        )
    if settings.method == "qat-lora" and settings.dropout:
        raise ModelError(
            f"qat-lora trains on the merged weights as they will be exported, so its dropout must "
            f"be 0; it is {settings.dropout}. Set dropout=0 or method=lora."
        )
    if settings.stop_after and not settings.keep_best:
        raise ModelError(
            f"stop_after is {settings.stop_after}, which needs the best weights to be kept. Set "
            f"keep_best=true, or stop_after=0."
        )


def read_changes(file: Path | None, pairs: Sequence[str]) -> dict[str, Any]:
    """Changed settings from a JSON or TOML file and from ``name=value`` texts, which go before.

    Raises
    ------
    ModelError
        When the file is unreadable or a text has no ``=``.
    """
    changes: dict[str, Any] = {}
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
            content = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"The settings file {file} cannot be read ({error}). Expected JSON, or TOML in a "
                f"file that ends in .toml, with one value per setting."
            ) from error
        if not isinstance(content, dict):
            raise ModelError(f"The settings file {file} holds no settings by name. Correct it.")
        # A training card can be given as it is.
        changes |= content.get("settings", content)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ModelError(f"--set {pair!r} has no '='; expected NAME=VALUE, as in epochs=2.")
        changes[name.strip().replace("-", "_")] = value.strip()
    return changes


def settings_table(recipe: str, settings: TrainingSettings) -> list[tuple[str, str, str, str]]:
    """Rows of name, value, where it comes from, and meaning."""
    published = PUBLISHED[recipe]
    plain = training_settings(recipe)
    rows = []
    for name, field in TrainingSettings.model_fields.items():
        value = getattr(settings, name)
        origin = "published" if name in published else "evenhand"
        if value != getattr(plain, name):
            origin = "changed"
        rows.append((name, str(value), origin, field.description or ""))
    return rows
