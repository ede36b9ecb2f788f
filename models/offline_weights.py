"""A Hugging Face checkpoint as the weights and parameters that ExecuTorch's Llama model reads.

ExecuTorch's transformer keeps Meta's names and Meta's rotary layout (neighbouring pairs), where
transformers keeps the two halves of a head apart; so the rows of the query and key projections
are permuted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import ModelError

State = dict[str, Any]

SUPPORTED = {
    "LlamaForCausalLM": "Llama 3.x and SmolLM2",
}

_LAYER_NAMES = {
    "input_layernorm.weight": "attention_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attention.wq.weight",
    "self_attn.k_proj.weight": "attention.wk.weight",
    "self_attn.v_proj.weight": "attention.wv.weight",
    "self_attn.o_proj.weight": "attention.wo.weight",
    "mlp.gate_proj.weight": "feed_forward.w1.weight",
    "mlp.down_proj.weight": "feed_forward.w2.weight",
    "mlp.up_proj.weight": "feed_forward.w3.weight",
}
_TOP_NAMES = {
    "model.embed_tokens.weight": "tok_embeddings.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "output.weight",
}


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

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        given = self.config.get("head_dim")
        return int(given or self.config["hidden_size"] // self.config["num_attention_heads"])


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
    names = config.get("architectures") or ["none"]
    if names[0] not in SUPPORTED:
        known = "; ".join(f"{name} ({models})" for name, models in SUPPORTED.items())
        raise ModelError(
            f"The architecture {names[0]} of {folder} cannot be exported. Supported: {known}. "
            f"Use the transformers backend for this model, or choose another checkpoint."
        )
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


def permute_rotary(weight: Any, heads: int) -> Any:
    """Rows of a query or key projection from the half-split to the interleaved rotary layout.

    Parameters
    ----------
    weight : tensor, shape (heads * head_dim, ...)
        Row ``i`` and row ``i + head_dim / 2`` of each head rotate together.
    heads : int

    Returns
    -------
    tensor of the same shape
        Rows ``2 i`` and ``2 i + 1`` of each head rotate together.
    """
    rows = weight.shape[0]
    split = weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:])
    return split.transpose(1, 2).reshape(weight.shape).contiguous()


def meta_weights(checkpoint: Checkpoint, state: Mapping[str, Any]) -> State:
    """Rename and permute a checkpoint's tensors; numbers become fp32.

    Raises
    ------
    ModelError
        When a tensor is missing or has no place in the exported model.
    """
    heads = int(checkpoint.config["num_attention_heads"])
    key_heads = int(checkpoint.config.get("num_key_value_heads") or heads)
    permuted = {"attention.wq.weight": heads, "attention.wk.weight": key_heads}
    wanted = dict(_TOP_NAMES)
    for layer in range(int(checkpoint.config["num_hidden_layers"])):
        wanted |= {
            f"model.layers.{layer}.{source}": f"layers.{layer}.{target}"
            for source, target in _LAYER_NAMES.items()
        }
    if checkpoint.tied:
        del wanted["lm_head.weight"]
    _refuse_misfit(checkpoint, state, wanted)
    converted: State = {}
    for source, target in wanted.items():
        tensor = state[source].float()
        rotary_heads = permuted.get(target.split(".", 2)[-1])
        converted[target] = tensor if rotary_heads is None else permute_rotary(tensor, rotary_heads)
    if checkpoint.tied:
        converted["output.weight"] = converted["tok_embeddings.weight"]
    return converted


def _refuse_misfit(
    checkpoint: Checkpoint, state: Mapping[str, Any], wanted: Mapping[str, str]
) -> None:
    missing = sorted(set(wanted) - set(state))
    # A tied checkpoint may store the output layer as well; old ones store rotary tables.
    extra = sorted(
        name
        for name in set(state) - set(wanted)
        if name != "lm_head.weight" and not name.endswith("rotary_emb.inv_freq")
    )
    if missing or extra:
        kind, names = ("lacks", missing) if missing else ("has the unknown", extra)
        raise ModelError(
            f"The checkpoint {checkpoint.folder} {kind} tensor {names[0]} "
            f"({len(names)} in all); expected the weights of a plain "
            f"{checkpoint.architecture}. Merge adapters with --adapter, or use the transformers "
            f"backend for this model."
        )


def meta_params(checkpoint: Checkpoint) -> dict[str, Any]:
    """The parameters of ExecuTorch's model arguments for a checkpoint.

    Raises
    ------
    ModelError
        When the rotary embedding is of a kind that the export does not know.
    """
    config = checkpoint.config
    # transformers 5 writes rope_parameters, older versions rope_theta and rope_scaling.
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    params: dict[str, Any] = {
        "dim": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "n_kv_heads": config.get("num_key_value_heads") or config["num_attention_heads"],
        "head_dim": checkpoint.head_dim,
        "vocab_size": config["vocab_size"],
        "hidden_dim": config["intermediate_size"],
        "norm_eps": config.get("rms_norm_eps", 1e-6),
        "rope_theta": float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0),
    }
    if kind == "llama3":
        params |= _llama3_rope(checkpoint, rope)
    elif kind != "default":
        raise ModelError(
            f"The rotary embedding {kind!r} of {checkpoint.folder} cannot be exported; expected "
            f"'default' or 'llama3'. Use the transformers backend for this model."
        )
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise ModelError(
            f"The checkpoint {checkpoint.folder} has biases in attention or MLP layers, which the "
            f"export of {checkpoint.architecture} does not know. Use the transformers backend."
        )
    return params


def _llama3_rope(checkpoint: Checkpoint, rope: Mapping[str, Any]) -> dict[str, Any]:
    # ExecuTorch's scaling has these two numbers built in.
    fixed = {"low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
    for name, expected in fixed.items():
        if float(rope.get(name, expected)) != expected:
            raise ModelError(
                f"The rotary embedding of {checkpoint.folder} has {name} {rope[name]}; the export "
                f"knows only {expected}. Use the transformers backend for this model."
            )
    return {
        "use_scaled_rope": True,
        "rope_scale_factor": int(rope["factor"]),
        "high_freq_factor": int(rope.get("high_freq_factor", 4)),
    }


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
