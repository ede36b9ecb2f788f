"""A checkpoint of the shape of Llama-3.2-1B with random weights, to measure speed without a download."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.shipped import shipped_path

# The published configuration of Llama-3.2-1B: the shape only. No weight of it is used.
SHAPE: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "attention_bias": False,
    "mlp_bias": False,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 8192,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-05,
    "rope_parameters": {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
    "tie_word_embeddings": True,
    "initializer_range": 0.02,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "bfloat16",
}
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")


def write_random_checkpoint(
    folder: Path, shape: Mapping[str, Any] | None = None, *, seed: int = 1
) -> Path:
    """Write a Hugging Face checkpoint folder with random weights.

    The weights are normal with the standard deviation of the shape's ``initializer_range`` and the norms
    are ones; numbers are bfloat16, as in the checkpoints that are published. The tokenizer is the demo
    model's: its 2,048 tokens are the first of the vocabulary, and the others have no text.

    Parameters
    ----------
    folder : Path
        Made when it is not there; a checkpoint that lies there whole is left alone.
    shape : mapping or None
        A Llama configuration; None means that of Llama-3.2-1B.
    seed : int

    Returns
    -------
    Path
        The folder.
    """
    import torch
    from safetensors.torch import save_file

    config = dict(SHAPE if shape is None else shape)
    finished = folder / "config.json"
    if finished.is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    deviation = float(config["initializer_range"])
    state = {
        name: torch.ones(size, dtype=torch.bfloat16)
        if len(size) == 1
        else torch.empty(size, dtype=torch.bfloat16).normal_(0, deviation, generator=generator)
        for name, size in tensor_shapes(config).items()
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    for name in _TOKENIZER_FILES:
        shutil.copyfile(shipped_path("demo-tuned") / name, folder / name)
    # Last, so that a folder with a configuration is whole.
    finished.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def tensor_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a Llama checkpoint with tied embeddings."""
    width, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    queries = int(config["num_attention_heads"]) * int(config["head_dim"])
    keys = int(config["num_key_value_heads"]) * int(config["head_dim"])
    layer = {
        "input_layernorm": (width,),
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (int(config["vocab_size"]), width),
        "model.norm.weight": (width,),
    }
    for number in range(int(config["num_hidden_layers"])):
        shapes |= {f"model.layers.{number}.{name}.weight": size for name, size in layer.items()}
    return shapes
