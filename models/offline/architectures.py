"""The model families that can be exported: their tensors' names and their parameters.

ExecuTorch's transformer keeps Meta's names. For Llama it also keeps Meta's rotary layout
(neighbouring pairs), where transformers keeps the two halves of a head apart, so the rows of the
query and key projections are permuted; the other families run with transformers' layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.offline.config import (
    read_as_transformers,
    refuse_impossible_numbers,
    refuse_long_texts,
    refuse_rope,
    refuse_short_window,
    refuse_unknown_fields,
)
from study.errors import ModelError

Config = Mapping[str, Any]
State = dict[str, Any]

_TOP = {
    "model.embed_tokens.weight": "tok_embeddings.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER = {
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
_BIASES = {f"self_attn.{name}_proj.bias": f"attention.w{name}.bias" for name in ("q", "k", "v")}
_HEAD_NORMS = {
    f"self_attn.{name}_norm.weight": f"attention.{name}_norm_fn.weight" for name in ("q", "k")
}


@dataclass(frozen=True)
class Architecture:
    """How one family is exported."""

    models: str
    model_type: str
    layer_names: Mapping[str, str]
    permuted: bool = False
    rope_kinds: tuple[str, ...] = ("default",)
    partial_rotary: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    # Settings of the family's own with the values that change nothing.
    neutral: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


ARCHITECTURES: dict[str, Architecture] = {
    "LlamaForCausalLM": Architecture(
        models="Llama 3.x, SmolLM2",
        model_type="llama",
        layer_names=_LAYER,
        permuted=True,
        rope_kinds=("default", "llama3"),
    ),
    "Qwen2ForCausalLM": Architecture(
        models="Qwen 2.5",
        model_type="qwen2",
        layer_names=_LAYER | _BIASES,
        params={"use_hf_rope": True, "attention_qkv_bias": True},
        # Queries, keys and values have biases whatever the file says.
        neutral={"attention_bias": (False, True)},
    ),
    "Qwen3ForCausalLM": Architecture(
        models="Qwen 3",
        model_type="qwen3",
        layer_names=_LAYER | _HEAD_NORMS,
        params={"use_hf_rope": True, "use_qk_norm": True, "qk_norm_before_rope": True},
    ),
    "Phi3ForCausalLM": Architecture(
        models="Phi-3.5-mini, Phi-4-mini",
        model_type="phi3",
        layer_names=_LAYER,
        rope_kinds=("default", "longrope"),
        partial_rotary=True,
        params={"use_hf_rope": True},
    ),
}


def find_architecture(config: Config, where: str) -> Architecture:
    """The architecture of a configuration.

    Raises
    ------
    ModelError
        When it cannot be exported.
    """
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else "none"
    if name not in ARCHITECTURES:
        known = "; ".join(f"{key} ({value.models})" for key, value in ARCHITECTURES.items())
        raise ModelError(
            f"The architecture {name} of {where} cannot be exported. Supported: {known}. "
            f"Use the transformers backend for this model, or choose another checkpoint."
        )
    return ARCHITECTURES[name]


def exportable_config(config: Config, max_seq_len: int, where: str) -> dict[str, Any]:
    """A checkpoint's configuration as transformers reads it, when a file can carry all of it.

    Parameters
    ----------
    config : mapping
        The content of ``config.json``.
    max_seq_len : int
        Tokens of prompt and reply together that the file is to hold.
    where : str
        The checkpoint, for messages.

    Raises
    ------
    ModelError
        Naming the first setting that would be lost.
    """
    architecture = find_architecture(config, where)
    refuse_unknown_fields(config, architecture.neutral, where)
    found = read_as_transformers(config, architecture.model_type, where)
    refuse_rope(found, architecture.rope_kinds, where)
    refuse_impossible_numbers(found, where)
    part = found["rope_parameters"].get("partial_rotary_factor")
    if part not in (None, 1) and not (architecture.partial_rotary and 0 < part < 1):
        most = "1 or less" if architecture.partial_rotary else "1"
        raise ModelError(
            f"{where} has partial_rotary_factor {part}, which the export of "
            f"{config['architectures'][0]} does not carry; expected {most}. Use the transformers "
            f"backend."
        )
    refuse_short_window(found, max_seq_len, where)
    refuse_long_texts(found, max_seq_len, where)
    return found


def head_dim(config: Config) -> int:
    """Width of one attention head."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def key_value_heads(config: Config) -> int:
    """Number of key and value heads."""
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def meta_params(config: Config, where: str) -> dict[str, Any]:
    """The arguments of ExecuTorch's transformer for a configuration.

    Parameters
    ----------
    config : mapping
        As :func:`exportable_config` gives it.
    where : str

    Raises
    ------
    ModelError
        When a number of the rotary embedding is one that ExecuTorch cannot take.
    """
    architecture = find_architecture(config, where)
    return {
        "dim": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "n_kv_heads": key_value_heads(config),
        "head_dim": head_dim(config),
        "vocab_size": config["vocab_size"],
        "hidden_dim": config["intermediate_size"],
        "norm_eps": config["rms_norm_eps"],
        **architecture.params,
        **_rope_params(config, where),
    }


def _rope_params(config: Config, where: str) -> dict[str, Any]:
    rope = config["rope_parameters"]
    params: dict[str, Any] = {"rope_theta": float(rope["rope_theta"])}
    if rope.get("partial_rotary_factor") not in (None, 1):
        params["partial_rotary_factor"] = float(rope["partial_rotary_factor"])
    if rope["rope_type"] == "llama3":
        return params | _llama3_rope(rope, where)
    if rope["rope_type"] == "longrope":
        params |= {
            "rope_scaling_short_factor": list(rope["short_factor"]),
            "rope_scaling_long_factor": list(rope["long_factor"]),
            "original_max_position_embeddings": rope["original_max_position_embeddings"],
            "max_position_embeddings": config["max_position_embeddings"],
            # Always given: left out, ExecuTorch works it out from the two lengths, transformers
            # from "factor" where there is one.
            "rope_scaling_attention_factor": rope["attention_factor"],
        }
    return params


def _llama3_rope(rope: Mapping[str, Any], where: str) -> dict[str, Any]:
    # ExecuTorch's scaling has these two numbers built in.
    fixed = {"low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
    for name, expected in fixed.items():
        if float(rope[name]) != expected:
            raise ModelError(
                f"The rotary embedding of {where} has {name} {rope[name]}; the export knows only "
                f"{expected}. Use the transformers backend for this model."
            )
    factor, high = float(rope["factor"]), float(rope["high_freq_factor"])
    if high <= 1:
        raise ModelError(
            f"The rotary embedding of {where} has high_freq_factor {high}; expected more than "
            f"low_freq_factor, 1. Copy config.json again."
        )
    # Not as whole numbers, though ExecuTorch's types say so: its arithmetic takes a factor of 8.5 as it is.
    return {"use_scaled_rope": True, "rope_scale_factor": factor, "high_freq_factor": high}


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


def meta_weights(config: Config, state: Mapping[str, Any], where: str) -> State:
    """Rename, split and permute a model's tensors; numbers become fp32.

    Parameters
    ----------
    config : mapping
        As :func:`exportable_config` gives it.
    state : mapping
        Of transformers' model, an adapter merged. Its output layer stands in it also where it is tied
        to the embedding: an adapter may have parted the two, and the file holds both anyway.
    where : str

    Raises
    ------
    ModelError
        When a tensor is missing or has no place in the exported model.
    """
    architecture = find_architecture(config, where)
    state = _split_fused(config, state)
    wanted = dict(_TOP)
    for layer in range(int(config["num_hidden_layers"])):
        wanted |= {
            f"model.layers.{layer}.{source}": f"layers.{layer}.{target}"
            for source, target in architecture.layer_names.items()
        }
    _refuse_misfit(state, wanted, where)
    heads = {"wq": int(config["num_attention_heads"]), "wk": key_value_heads(config)}
    converted: State = {}
    for source, target in wanted.items():
        tensor = state[source].float()
        rotated = heads.get(target.split(".")[-2]) if architecture.permuted else None
        converted[target] = tensor if rotated is None else permute_rotary(tensor, rotated)
    return converted


def _split_fused(config: Config, state: Mapping[str, Any]) -> State:
    """Take Phi's joined projections apart: query, key and value; gate and up."""
    width = head_dim(config)
    keys = width * key_value_heads(config)
    queries = width * int(config["num_attention_heads"])
    split: State = {}
    for name, tensor in state.items():
        if name.endswith("self_attn.qkv_proj.weight"):
            parts = tensor.split([queries, keys, keys])
            names = [name.replace("qkv_proj", f"{part}_proj") for part in "qkv"]
        elif name.endswith("mlp.gate_up_proj.weight"):
            parts = tensor.chunk(2)
            names = [name.replace("gate_up", part) for part in ("gate", "up")]
        else:
            parts, names = (tensor,), [name]
        split |= dict(zip(names, parts, strict=True))
    return split


def _refuse_misfit(state: Mapping[str, Any], wanted: Mapping[str, str], where: str) -> None:
    missing = sorted(set(wanted) - set(state))
    extra = sorted(set(state) - set(wanted))
    if missing or extra:
        kind, names = ("lacks the", missing) if missing else ("has the unknown", extra)
        raise ModelError(
            f"The checkpoint {where} {kind} tensor {names[0]} ({len(names)} in all); expected "
            f"the weights of a plain model of its architecture. Use the transformers backend for "
            f"this model."
        )
