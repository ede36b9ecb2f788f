"""Converted weights of every supported family against the logits of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.offline.architectures import (
    ARCHITECTURES,
    exportable_config,
    find_architecture,
    meta_params,
    meta_weights,
    permute_rotary,
)
from study.errors import ModelError

# torchao and torch.library warn at import about things that are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

SIZES: dict[str, Any] = {
    "vocab_size": 280,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TOKENS = [1, 4, 100, 7, 250, 33, 33, 9, 120, 64]
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
}
# Factors that are no whole numbers; a large theta, so that slow frequencies are scaled and show.
ODD_LLAMA3 = LLAMA3_ROPE | {"factor": 2.6, "high_freq_factor": 900.7, "rope_theta": 1000.0}
HALF_ROTARY = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0, 1.1, 1.2, 1.5, 1.6, 1.9],
    "long_factor": [1.0, 1.3, 2.0, 4.0, 8.0, 16.0],
    "original_max_position_embeddings": 512,
    "partial_rotary_factor": 0.75,
}


def random_model(name: str, **overrides: Any) -> Any:
    """A tiny model of a family with random weights, norms and biases too."""
    import torch
    import transformers

    torch.manual_seed(3)
    config = getattr(transformers, name.replace("ForCausalLM", "Config"))(**(SIZES | overrides))
    model = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def as_stored(model: Any, name: str) -> dict[str, Any]:
    """The configuration as config.json would hold it."""
    import json

    config: dict[str, Any] = json.loads(model.config.to_json_string(use_diff=False))
    return config | {"architectures": [name]}


def logits_of_both(name: str, **overrides: Any) -> tuple[Any, Any]:
    """Logits of ExecuTorch's transformer with the converted weights, and of transformers."""
    import torch
    from executorch.examples.models.llama.llama_transformer import construct_transformer
    from executorch.examples.models.llama.model_args import ModelArgs

    model = random_model(name, **overrides)
    config = exportable_config(as_stored(model, name), 64, "x")
    arguments = ModelArgs(
        max_seq_len=64, max_context_len=64, generate_full_logits=True, **meta_params(config, "x")
    )
    converted = construct_transformer(arguments).eval()
    missing, unexpected = converted.load_state_dict(
        meta_weights(config, model.state_dict(), "x"), strict=False
    )
    assert not unexpected
    assert not [m for m in missing if m.endswith((".weight", ".bias"))]
    with torch.no_grad():
        found = converted(torch.tensor([TOKENS]))
        expected = model(input_ids=torch.tensor([TOKENS])).logits[0]
    return (found[0] if isinstance(found, tuple) else found)[0], expected


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("LlamaForCausalLM", {"tie_word_embeddings": True}),
        ("LlamaForCausalLM", {"tie_word_embeddings": False, "num_key_value_heads": 4}),
        ("LlamaForCausalLM", {"head_dim": 32}),
        ("LlamaForCausalLM", {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}),
        ("LlamaForCausalLM", {"rope_parameters": LLAMA3_ROPE, "max_position_embeddings": 131072}),
        ("Qwen2ForCausalLM", {"tie_word_embeddings": True}),
        ("Qwen3ForCausalLM", {"head_dim": 32, "tie_word_embeddings": True}),
        ("Phi3ForCausalLM", {"tie_word_embeddings": True}),
        ("Phi3ForCausalLM", {"rope_parameters": LONG_ROPE, "max_position_embeddings": 4096}),
        # Numbers that would be rounded, derived otherwise, or left to another default.
        ("LlamaForCausalLM", {"rope_parameters": ODD_LLAMA3, "max_position_embeddings": 131072}),
        ("Phi3ForCausalLM", {"head_dim": 32}),
        ("Qwen2ForCausalLM", {"head_dim": 32}),
        ("LlamaForCausalLM", {"rms_norm_eps": 0.5}),
        ("Qwen3ForCausalLM", {"rms_norm_eps": 0.5}),
        ("Phi3ForCausalLM", {"rope_parameters": HALF_ROTARY}),
        ("Phi3ForCausalLM", {"rope_parameters": LONG_ROPE | {"factor": 64.0}}),
        ("Phi3ForCausalLM", {"rope_parameters": LONG_ROPE | {"attention_factor": 1.7}}),
        ("Phi3ForCausalLM", {"sliding_window": 64}),
        (
            "Qwen2ForCausalLM",
            {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 1},
        ),
    ],
    ids=[
        "llama-tied",
        "llama-untied",
        "llama-head-dim",
        "llama-theta",
        "llama3-rope",
        "qwen2",
        "qwen3",
        "phi3",
        "phi4-mini",
        "llama3-rope-odd",
        "phi3-head-dim",
        "qwen2-head-dim",
        "llama-eps",
        "qwen3-eps",
        "phi3-half-rotary",
        "longrope-factor",
        "longrope-attention-factor",
        "phi3-window-as-long-as-the-file",
        "qwen2-window-as-long-as-the-file",
    ],
)
def test_converted_weights_give_the_logits_of_transformers(
    name: str, overrides: dict[str, Any]
) -> None:
    # Oracle: transformers on the same weights; fp32 rounding only.
    import torch

    found, expected = logits_of_both(name, **overrides)
    assert expected.std() > 0.1  # logits that are all alike would agree by accident
    torch.testing.assert_close(found, expected, atol=5e-4, rtol=5e-4)


def test_permutation_by_hand() -> None:
    # One head of width 4: rows 0 and 2, 1 and 3 rotate together; they become neighbours.
    import torch

    rows = torch.arange(4.0)[:, None]
    assert permute_rotary(rows, 1)[:, 0].tolist() == [0.0, 2.0, 1.0, 3.0]
    two_heads = torch.arange(8.0)[:, None]
    assert permute_rotary(two_heads, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def config(name: str = "LlamaForCausalLM", **changes: Any) -> dict[str, Any]:
    return SIZES | {"architectures": [name]} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["MambaForCausalLM"]}, r"MambaForCausalLM of x cannot be exported"),
        ({"architectures": None}, r"architecture none of x"),
        ({"attention_bias": True}, r"attention_bias True"),
        ({"hidden_act": "gelu"}, r"hidden_act 'gelu'.*expected 'silu'"),
        ({"rope_scaling": {"type": "yarn", "factor": 4}}, r"'yarn' of x.*default or llama3"),
        ({"rope_parameters": LLAMA3_ROPE | {"low_freq_factor": 2.0}}, r"low_freq_factor 2\.0"),
        ({"rope_parameters": LLAMA3_ROPE | {"high_freq_factor": 1.0}}, r"high_freq_factor 1\.0"),
        ({"rope_parameters": LLAMA3_ROPE | {"factor": 0.0}}, r"has factor 0\.0; expected a number"),
    ],
)
def test_what_would_come_out_wrong_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        meta_params(exportable_config(config(**changes), 64, "x"), "x")


def test_old_and_new_rotary_settings_mean_the_same() -> None:
    old = config(rope_theta=5e5, rope_scaling=LLAMA3_ROPE)
    new = config(rope_parameters=LLAMA3_ROPE)
    first, second = (meta_params(exportable_config(c, 64, "x"), "x") for c in (old, new))
    assert first == second
    assert first["use_scaled_rope"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("model.norm.weight"), r"lacks the tensor model\.norm\.weight"),
        (lambda state: state.update(extra=1), r"has the unknown tensor extra"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    model = random_model("LlamaForCausalLM")
    state = dict(model.state_dict())
    change(state)
    with pytest.raises(ModelError, match=message):
        meta_weights(exportable_config(as_stored(model, "LlamaForCausalLM"), 64, "x"), state, "x")


def test_every_architecture_is_tested_above() -> None:
    for name in ARCHITECTURES:
        assert find_architecture(config(name), "x").models
