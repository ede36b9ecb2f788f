"""A Hugging Face checkpoint folder: its checks, its weights, an adapter merged into them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.offline_architectures import find_architecture
from study.errors import ModelError

State = dict[str, Any]


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


def add_adapter(
    checkpoint: Checkpoint,
    state: State,
    folder: Path,
    load: Callable[[Path], Mapping[str, Any]] | None = None,
) -> None:
    """Merge a PEFT LoRA adapter into a checkpoint's tensors: W + scale * B A.

    Raises
    ------
    ModelError
        When the folder is no plain LoRA adapter or belongs to another base model.
    """
    from safetensors.torch import load_file

    config = read_adapter_config(checkpoint, folder)
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
    tensors = (load or load_file)(folder / "adapter_model.safetensors")
    pairs: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        module, _, part = name.removeprefix("base_model.model.").partition(".lora_")
        if part not in ("A.weight", "B.weight"):
            raise ModelError(
                f"The adapter {folder} holds the tensor {name}, which is no LoRA matrix. Only "
                f"plain LoRA adapters can be merged; merge this one with peft first."
            )
        pairs.setdefault(module, {})[part[0]] = tensor.float()
    for module, pair in pairs.items():
        target = f"{module}.weight"
        shape = (pair["B"].shape[0], pair["A"].shape[1]) if len(pair) == 2 else None
        if target not in state or shape != tuple(state[target].shape):
            found = tuple(state[target].shape) if target in state else "no such tensor"
            raise ModelError(
                f"The adapter {folder} changes {target} with shape {shape}; the checkpoint "
                f"{checkpoint.folder} has {found}. The adapter belongs to another base model; "
                f"name the checkpoint that it was trained on."
            )
        state[target] = state[target].float() + scale * (pair["B"] @ pair["A"])


def read_adapter_config(checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
    """The adapter's configuration, checked against the checkpoint it is to be merged into."""
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"The adapter folder {folder} has no adapter_model.safetensors. Expected a PEFT "
            f"adapter (adapter_config.json, adapter_model.safetensors); correct the path."
        )
    config = read_json(folder / "adapter_config.json", "the adapter's configuration")
    special = [
        name
        for name in ("use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern")
        if config.get(name)
    ]
    if str(config.get("peft_type")).upper() != "LORA" or special:
        raise ModelError(
            f"The adapter {folder} is of type {config.get('peft_type')} "
            f"{' '.join(special)}; expected plain LoRA. Merge it with peft first."
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
    return config
