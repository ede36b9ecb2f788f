"""The same weights as a GGUF file, so that llama.cpp can run them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from models.offline.architectures import head_dim, key_value_heads, permute_rotary
from models.offline.config import read_as_transformers
from models.offline.weights import Checkpoint, load_weights, open_checkpoint
from study.errors import ModelError

GgufType = Literal["F32", "Q8_0", "Q4_0"]

_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(checkpoint: Path, output: Path, kind: GgufType = "Q4_0") -> Path:
    """Write a Llama checkpoint as a GGUF file for llama.cpp.

    Every matrix, the embedding too, becomes ``kind``: Q4_0 has 32 weights of 4 bits under one scale of
    16 bits, 4.5 bits a weight. The norms stay fp32. The file has no vocabulary: it is fed with token
    numbers. The rotary scaling of Llama 3, which changes results and not speed, is left out.

    Parameters
    ----------
    checkpoint : Path
        A Hugging Face checkpoint folder of the architecture LlamaForCausalLM.
    output : Path
    kind : {"F32", "Q8_0", "Q4_0"}

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        When the checkpoint is of another architecture.
    """
    import gguf

    source = open_checkpoint(checkpoint)
    if source.architecture != "LlamaForCausalLM":
        raise ModelError(
            f"The checkpoint {checkpoint} is a {source.architecture}; only LlamaForCausalLM can be "
            f"written for llama.cpp here. Choose another checkpoint for the benchmark."
        )
    unfinished = output.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, "llama")
    _describe(writer, source.config)
    matrix = getattr(gguf.GGMLQuantizationType, kind)
    for name, tensor in _tensors(source):
        stored = matrix if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(tensor, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return unfinished.rename(output)


def _describe(writer: Any, config: dict[str, Any]) -> None:
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(int(config["num_attention_heads"]))
    writer.add_head_count_kv(key_value_heads(config))
    writer.add_key_length(head_dim(config))
    writer.add_value_length(head_dim(config))
    writer.add_rope_dimension_count(head_dim(config))
    rope = read_as_transformers(config, "llama", "the checkpoint")["rope_parameters"]
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_tokenizer_model("none")


def _tensors(source: Checkpoint) -> Iterator[tuple[str, Any]]:
    """Tensors under llama.cpp's names, in fp32, queries and keys in its rotary layout."""
    heads = {
        "self_attn.q_proj": int(source.config["num_attention_heads"]),
        "self_attn.k_proj": key_value_heads(source.config),
    }
    for name, tensor in load_weights(source).items():
        if name in _TOP:
            if name != "lm_head.weight" or not source.tied:
                yield _TOP[name], tensor.float().numpy()
            continue
        _, _, layer, *parts, _ = name.split(".")
        part = ".".join(parts)
        rows = permute_rotary(tensor, heads[part]) if part in heads else tensor
        yield f"blk.{layer}.{_LAYER[part]}.weight", rows.float().numpy()
