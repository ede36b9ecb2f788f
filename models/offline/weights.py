"""A Hugging Face checkpoint folder: its checks and its weights, and the checks of an adapter."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.offline.architectures import find_architecture
from study.errors import ModelError

State = dict[str, Any]

# Ways to start a LoRA adapter that take a part out of the base which the adapter's files do not say and
# PEFT cannot find again. It does not complain: it leaves the base whole (lora_ga), or takes out another
# part (pissa_niter_4 and its like draw random numbers; off by more than the adapter in a trial).
_LOST_STARTS = ("lora_ga", "corda", "pissa_niter")


@dataclass(frozen=True)
class Checkpoint:
    """A checked Hugging Face checkpoint folder; the weights are not yet read."""

    folder: Path
    config: dict[str, Any]
    weight_files: tuple[Path, ...]

    @property
    def architecture(self) -> str:
        """The architecture's class name, for example ``LlamaForCausalLM``."""
        return str(self.config["architectures"][0])

    @property
    def tied(self) -> bool:
        """Whether the output layer is the embedding."""
        return bool(self.config.get("tie_word_embeddings", False))


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read one of a checkpoint's JSON files.

    Raises
    ------
    ModelError
        When it is missing or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"The checkpoint {path.parent} has no {path.name} ({what}). Expected a Hugging Face "
            f"checkpoint folder; copy the missing file or name another folder."
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(
            f"{path} is not readable as JSON ({error}). Copy the file again."
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object; expected {what}. Copy the file again.")
    return content


def open_checkpoint(folder: Path) -> Checkpoint:
    """Check a checkpoint folder's files and architecture.

    Raises
    ------
    ModelError
        When the folder, its config, weights or tokenizer are missing, or the architecture cannot
        be exported.
    """
    if not folder.is_dir():
        raise ModelError(
            f"There is no checkpoint folder {folder}. Expected a Hugging Face checkpoint "
            f"(config.json, model.safetensors, tokenizer.json); correct the path."
        )
    config = read_json(folder / "config.json", "the model's configuration")
    find_architecture(config, str(folder))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        read_json(folder / name, "the tokenizer")
    return Checkpoint(folder, config, _weight_files(folder))


def _weight_files(folder: Path) -> tuple[Path, ...]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        listed = read_json(index, "the list of weight files").get("weight_map", {})
        files = tuple(folder / name for name in sorted(set(listed.values())))
    else:
        files = (folder / "model.safetensors",)
    for path in files:
        if not path.is_file():
            raise ModelError(
                f"The checkpoint {folder} has no {path.name} (weights). Expected safetensors "
                f"files; copy the missing file."
            )
    return files


def load_weights(checkpoint: Checkpoint) -> State:
    """All tensors of a checkpoint under their Hugging Face names, on the CPU.

    Raises
    ------
    ModelError
        When a weight file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: State = {}
    for path in checkpoint.weight_files:
        try:
            state.update(load_file(path))
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"The weight file {path} is damaged ({error}). Copy it again."
            ) from error
    return state


def stored_weights(source: Checkpoint) -> int:
    """Weights that the export holds: those of the files, and a tied embedding twice."""
    total = sum(math.prod(shape) for shape in stored_shapes(source).values())
    if source.tied:
        total += int(source.config["vocab_size"]) * int(source.config["hidden_size"])
    return total


def stored_shapes(source: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a checkpoint's files, which are not read whole.

    Raises
    ------
    ModelError
        When a weight file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for path in source.weight_files:
        try:
            with safe_open(path, "pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - no mapping
                    shapes[name] = tuple(tensors.get_slice(name).get_shape())
        except SafetensorError as error:
            raise ModelError(
                f"The weight file {path} is damaged ({error}). Copy it again."
            ) from error
    return shapes


def stored_template(folder: Path) -> str | None:
    """The chat template that lies in a folder, alone or among the tokenizer's settings."""
    separate, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if separate.is_file():
        return separate.read_text(encoding="utf-8")
    template = (
        read_json(settings, "the tokenizer").get("chat_template") if settings.is_file() else None
    )
    return template if isinstance(template, str) else None


def read_adapter_config(checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
    """The adapter's configuration, checked against the checkpoint it is to be used with.

    Raises
    ------
    ModelError
        When files are missing, the adapter's start cannot be made again from its files, or it was
        trained on another base or with another chat template.
    """
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"The adapter folder {folder} has no adapter_model.safetensors. Expected a PEFT "
            f"adapter (adapter_config.json, adapter_model.safetensors); correct the path."
        )
    config = read_json(folder / "adapter_config.json", "the adapter's configuration")
    start = str(config.get("init_lora_weights")).lower()
    if start.startswith(_LOST_STARTS):
        raise ModelError(
            f"The adapter {folder} has init_lora_weights {start!r}: at its start a part was taken out of the "
            f"base that cannot be found again from the adapter, so PEFT would run it on the wrong base. "
            f"Save it again with path_initial_model_for_weight_conversion, as PEFT's guide says."
        )
    base = str(config.get("base_model_name_or_path") or "").rstrip("/")
    known = {checkpoint.folder.resolve().name, str(checkpoint.config.get("_name_or_path", ""))}
    known = {name.rsplit("/", 1)[-1].lower() for name in known}
    if base and base.rsplit("/", 1)[-1].lower() not in known:
        raise ModelError(
            f"The adapter {folder} was trained on {base!r}, and the checkpoint is "
            f"{checkpoint.folder.name!r}. Name the checkpoint that it was trained on; if it is "
            f"this one under another name, rename the folder to {base.rsplit('/', 1)[-1]!r}."
        )
    # Trainers store the tokenizer beside the adapter; prompts are written with the checkpoint's.
    own = stored_template(folder)
    if own is not None and own.strip() != (stored_template(checkpoint.folder) or "").strip():
        raise ModelError(
            f"The adapter {folder} has a chat template of its own, which is not that of the checkpoint "
            f"{checkpoint.folder}: prompts would not be written as in its training. Copy its tokenizer's "
            f"files over those in a copy of the checkpoint, or, if it was not trained with them, delete them."
        )
    return config
