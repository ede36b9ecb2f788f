"""The model families that can be exported: their tensors' names and their parameters.

ExecuTorch's transformer keeps Meta's names. For Llama it also keeps Meta's rotary layout
(neighbouring pairs), where transformers keeps the two halves of a head apart, so the rows of the
query and key projections are permuted; the other families run with transformers' layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
    layer_names: Mapping[str, str]
    permuted: bool = False
    rope_kinds: tuple[str, ...] = ("default",)
    params: Mapping[str, Any] = field(default_factory=dict)
    # Settings that change the computation in a way that the export does not know, with the
    # values that are harmless.
    required: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


_NO_BIAS = {"attention_bias": (None, False), "mlp_bias": (None, False)}
_SILU = {"hidden_act": (None, "silu")}

ARCHITECTURES: dict[str, Architecture] = {
    "LlamaForCausalLM": Architecture(
        models="Llama 3.x, SmolLM2",
        layer_names=_LAYER,
        permuted=True,
        rope_kinds=("default", "llama3"),
        required=_NO_BIAS | _SILU,
    ),
    "Qwen2ForCausalLM": Architecture(
        models="Qwen 2.5",
        layer_names=_LAYER | _BIASES,
        params={"use_hf_rope": True, "attention_qkv_bias": True},
        required=_SILU | {"use_sliding_window": (None, False)},
    ),
    "Qwen3ForCausalLM": Architecture(
        models="Qwen 3",
        layer_names=_LAYER | _HEAD_NORMS,
        params={"use_hf_rope": True, "use_qk_norm": True, "qk_norm_before_rope": True},
        required=_NO_BIAS | _SILU | {"use_sliding_window": (None, False)},
    ),
    "Phi3ForCausalLM": Architecture(
        models="Phi-4-mini",
        layer_names=_LAYER,
        rope_kinds=("default", "longrope"),
        params={"use_hf_rope": True},
        required=_NO_BIAS | _SILU,
    ),
}


def find_architecture(config: Config, where: str) -> Architecture:
    """The architecture of a configuration.

    Raises
    ------
    ModelError
        When it cannot be exported, or has a setting that the export does not know.
    """
    name = (config.get("architectures") or ["none"])[0]
    if name not in ARCHITECTURES:
        known = "; ".join(f"{key} ({value.models})" for key, value in ARCHITECTURES.items())
        raise ModelError(
            f"The architecture {name} of {where} cannot be exported. Supported: {known}. "
            f"Use the transformers backend for this model, or choose another checkpoint."
        )
    found = ARCHITECTURES[name]
    for setting, harmless in found.required.items():
        if config.get(setting) not in harmless:
            raise ModelError(
                f"{where} has {setting} {config[setting]!r}, which the export of {name} does not "
                f"know; expected {harmless[-1]!r}. Use the transformers backend for this model."
            )
    return found


def head_dim(config: Config) -> int:
    """Width of one attention head."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def key_value_heads(config: Config) -> int:
    """Number of key and value heads."""
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def rope_settings(config: Config) -> dict[str, Any]:
    """Rotary settings: transformers 5 writes rope_parameters, older ones rope_scaling."""
    settings = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    settings["kind"] = settings.get("rope_type") or settings.get("type") or "default"
    settings.setdefault("rope_theta", config.get("rope_theta") or 10_000.0)
    if "partial_rotary_factor" in config:
        settings.setdefault("partial_rotary_factor", config["partial_rotary_factor"])
    return settings


def meta_params(config: Config, where: str) -> dict[str, Any]:
    """The arguments of ExecuTorch's transformer for a configuration.

    Raises
    ------
    ModelError
        When the rotary embedding is of a kind that the export does not know.
    """
    architecture = find_architecture(config, where)
    rope = rope_settings(config)
    if rope["kind"] not in architecture.rope_kinds:
        raise ModelError(
            f"The rotary embedding {rope['kind']!r} of {where} cannot be exported; expected "
            f"{' or '.join(architecture.rope_kinds)}. Use the transformers backend."
        )
    return {
        "dim": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "n_kv_heads": key_value_heads(config),
        "head_dim": head_dim(config),
        "vocab_size": config["vocab_size"],
        "hidden_dim": config["intermediate_size"],
        "norm_eps": config.get("rms_norm_eps", 1e-6),
        "rope_theta": float(rope["rope_theta"]),
        **architecture.params,
        **_rope_params(config, rope, where),
    }


def _rope_params(config: Config, rope: Mapping[str, Any], where: str) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if float(rope.get("partial_rotary_factor", 1.0)) != 1.0:
        params["partial_rotary_factor"] = float(rope["partial_rotary_factor"])
    if rope["kind"] == "llama3":
        return params | _llama3_rope(rope, where)
    if rope["kind"] == "longrope":
        params |= {
            "rope_scaling_short_factor": list(rope["short_factor"]),
            "rope_scaling_long_factor": list(rope["long_factor"]),
            "original_max_position_embeddings": rope.get("original_max_position_embeddings")
            or config["original_max_position_embeddings"],
            "max_position_embeddings": config["max_position_embeddings"],
        }
        if rope.get("attention_factor"):
            params["rope_scaling_attention_factor"] = float(rope["attention_factor"])
    return params


def _llama3_rope(rope: Mapping[str, Any], where: str) -> dict[str, Any]:
    # ExecuTorch's scaling has these two numbers built in.
    fixed = {"low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
    for name, expected in fixed.items():
        if float(rope.get(name, expected)) != expected:
            raise ModelError(
                f"The rotary embedding of {where} has {name} {rope[name]}; the export knows only "
                f"{expected}. Use the transformers backend for this model."
            )
    return {
        "use_scaled_rope": True,
        "rope_scale_factor": int(rope["factor"]),
        "high_freq_factor": int(rope.get("high_freq_factor", 4)),
    }


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
    """Rename, split and permute a checkpoint's tensors; numbers become fp32.

    Raises
    ------
    ModelError
        When a tensor is missing or has no place in the exported model.
    """
    architecture = find_architecture(config, where)
    tied = bool(config.get("tie_word_embeddings", False))
    state = _split_fused(config, state)
    wanted = dict(_TOP)
    for layer in range(int(config["num_hidden_layers"])):
        wanted |= {
            f"model.layers.{layer}.{source}": f"layers.{layer}.{target}"
            for source, target in architecture.layer_names.items()
        }
    if tied:
        del wanted["lm_head.weight"]
    _refuse_misfit(state, wanted, where)
    heads = {"wq": int(config["num_attention_heads"]), "wk": key_value_heads(config)}
    converted: State = {}
    for source, target in wanted.items():
        tensor = state[source].float()
        rotated = heads.get(target.split(".")[-2]) if architecture.permuted else None
        converted[target] = tensor if rotated is None else permute_rotary(tensor, rotated)
    if tied:
        converted["output.weight"] = converted["tok_embeddings.weight"]
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
    # A tied checkpoint may store the output layer as well; old ones store rotary tables.
    extra = sorted(
        name
        for name in set(state) - set(wanted)
        if name != "lm_head.weight" and not name.endswith("rotary_emb.inv_freq")
    )
    if missing or extra:
        kind, names = ("lacks the", missing) if missing else ("has the unknown", extra)
        raise ModelError(
            f"The checkpoint {where} {kind} tensor {names[0]} ({len(names)} in all); expected "
            f"the weights of a plain model of its architecture. Merge adapters with --adapter, "
            f"or use the transformers backend for this model."
        )
