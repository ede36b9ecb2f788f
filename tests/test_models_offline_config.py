"""Every setting of config.json is carried, ignored for a reason, or refused by name.

Oracle of the tables: transformers' own configuration classes, and what its models do with a setting.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from models.offline.architectures import ARCHITECTURES, exportable_config, meta_params, meta_weights
from models.offline.config import CARRIED, IGNORED, NEUTRAL
from study.errors import ModelError

# torchao and torch.library warn at import about things that are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

LENGTH = 64

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def config(name: str = "LlamaForCausalLM", **changes: Any) -> dict[str, Any]:
    """A configuration as a checkpoint of the family stores it."""
    sizes: dict[str, Any] = {
        "architectures": [name],
        "model_type": ARCHITECTURES[name].model_type,
        "vocab_size": 280,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "pad_token_id": 0,
        "eos_token_id": 2,
    }
    return sizes | changes


def refused(said: str, stored: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=said):
        exportable_config(stored, LENGTH, "x")


def test_every_field_of_transformers_is_in_a_table() -> None:
    # A field that a later transformers adds is refused until somebody has looked at it.
    from transformers import CONFIG_MAPPING

    for name, architecture in ARCHITECTURES.items():
        stored: dict[str, Any] = CONFIG_MAPPING[architecture.model_type]().to_dict()
        known = CARRIED | set(IGNORED) | set(NEUTRAL) | set(architecture.neutral)
        assert set(stored) - known == set(), name
        assert exportable_config(stored | {"architectures": [name]}, LENGTH, "x")["vocab_size"]


def test_no_field_stands_in_two_tables_and_every_reason_is_given() -> None:
    assert set(IGNORED) & CARRIED == set()
    assert set(IGNORED) & set(NEUTRAL) == set()
    assert set(NEUTRAL) & CARRIED == set()
    assert all(IGNORED.values())


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("qk_clip", 30.0),
        ("attention_chunk_size", 16),
        ("num_experts", 4),
        ("use_parallel_residual", False),
        ("alibi", True),
        ("vision_config", {"hidden_size": 3}),
        ("logit_scale", 0.5),
        ("logits_scaling", 8.0),
        ("embedding_multiplier", 12.0),
        ("residual_multiplier", 0.22),
        ("attention_multiplier", 0.0078),
        ("final_logit_softcapping", 30.0),
        ("attn_logit_softcapping", 50.0),
        ("quantization_config", {"quant_method": "gptq", "bits": 4}),
        ("per_layer_config", {"0": {"sliding_window": 8}}),
        ("hidden_act", "gelu"),
        ("mlp_bias", True),
        ("mlp_bias", 1),
        ("lm_head_bias", True),
        ("rope_interleaved", True),
        ("use_mrope", True),
        ("full_attn_mod", 2),
        ("is_encoder_decoder", True),
    ],
)
def test_a_setting_that_the_file_would_not_carry_is_refused_by_name(
    name: str, field: str, value: Any
) -> None:
    refused(f"{field}.*{name}", config(name, **{field: value}))


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "Qwen3ForCausalLM", "Phi3ForCausalLM"])
def test_biases_of_the_attention_are_refused_where_the_family_has_none(name: str) -> None:
    refused(r"attention_bias True.*expected False", config(name, attention_bias=True))


def test_fields_of_real_checkpoints_pass() -> None:
    # As the published config.json files of SmolLM2, Qwen 2.5 and Phi-4-mini name them.
    smol = {
        "is_llama_config": True,
        "rope_interleaved": False,
        "pretraining_tp": 1,
        "rope_scaling": None,
        "rope_theta": 100000,
        "torch_dtype": "bfloat16",
        "transformers.js_config": {"dtype": "q4"},
        "attention_bias": False,
        "use_cache": True,
    }
    qwen = {
        "attention_dropout": 0.0,
        "max_window_layers": 2,
        "sliding_window": 32,
        "use_sliding_window": False,
        "use_mrope": False,
        "attention_bias": True,
    }
    phi = {
        "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"},
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "full_attn_mod": 1,
        "interpolate_factor": 1,
        "lm_head_bias": False,
        "mlp_bias": False,
        "sliding_window": 262144,
        "rope_scaling": None,
        "some_switch_that_is_off": None,
    }
    for name, fields in [("Llama", smol), ("Qwen2", qwen), ("Phi3", phi)]:
        assert exportable_config(config(f"{name}ForCausalLM", **fields), LENGTH, "x")


def test_what_the_file_leaves_out_is_the_familys_own_default() -> None:
    # Oracle: transformers' documented defaults. Phi-3's epsilon is not Llama's, and a head of Qwen 3 is
    # 128 wide whatever the model's width.
    def params(name: str) -> dict[str, Any]:
        return meta_params(exportable_config(config(name), LENGTH, "x"), "x")

    assert params("LlamaForCausalLM")["norm_eps"] == 1e-6
    assert params("Phi3ForCausalLM")["norm_eps"] == 1e-5
    assert params("LlamaForCausalLM")["head_dim"] == 16
    assert params("Qwen3ForCausalLM")["head_dim"] == 128
    sparse = {key: value for key, value in config().items() if key != "num_key_value_heads"}
    assert meta_params(exportable_config(sparse, LENGTH, "x"), "x")["n_kv_heads"] == 4


def test_a_file_of_another_family_or_with_a_wrong_type_is_refused() -> None:
    refused(r"model_type 'mistral'.*expected 'llama'", config(model_type="mistral"))
    refused(r"model_type 'phi3'.*expected 'qwen2'", config("Qwen2ForCausalLM", model_type="phi3"))
    refused(r"cannot read config\.json of x.*num_attention_heads", config(num_attention_heads="4"))
    refused(r"cannot read config\.json of x.*hidden size", config(hidden_size=66))


@pytest.mark.parametrize(
    "changes",
    [
        {"vocab_size": 0},
        {"num_hidden_layers": -1},
        {"num_attention_heads": 0},
        {"num_key_value_heads": 0},
        {"head_dim": 0},
        {"head_dim": 2.5},
        {"sliding_window": "16"},
        {"sliding_window": 0},
        {"rope_theta": None},
        {"rope_theta": "1e4"},
        {"rope_theta": 0},
        {"rope_scaling": {"rope_type": "llama3", "factor": None}},
        {"rope_scaling": LLAMA3 | {"factor": None}},
        {"rope_scaling": LLAMA3 | {"high_freq_factor": -4.0}},
    ],
    ids=str,
)
def test_numbers_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    refused("x", config(**changes))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Phi3ForCausalLM", {"sliding_window": 16}),
        ("Phi3ForCausalLM", {"sliding_window": LENGTH - 1}),
        ("Phi3ForCausalLM", {"sliding_window": 16, "use_sliding_window": False}),
        (
            "Qwen2ForCausalLM",
            {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
        ),
        (
            "Qwen3ForCausalLM",
            {
                "use_sliding_window": True,
                "sliding_window": 16,
                "layer_types": ["full_attention", "sliding_attention"],
            },
        ),
        ("LlamaForCausalLM", {"sliding_window": 16}),
    ],
)
def test_a_window_shorter_than_the_file_is_refused(name: str, changes: dict[str, Any]) -> None:
    window = changes["sliding_window"]
    refused(
        rf"sliding_window {window}.*--max-seq-len {LENGTH}.*Use --max-seq-len {window} or less",
        config(name, **changes),
    )
    assert exportable_config(config(name, **changes), window, "x")["vocab_size"] == 280


def test_a_window_that_no_layer_has_is_no_window() -> None:
    # Qwen's switch, and its first layers without a window: here all of them.
    for changes in (
        {"use_sliding_window": False, "sliding_window": 16},
        {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 2},
    ):
        assert exportable_config(config("Qwen2ForCausalLM", **changes), LENGTH, "x")
    refused("layer_types", config("Qwen2ForCausalLM", layer_types=["sliding_attention"] * 2))
    refused("layer_types", config("Qwen3ForCausalLM", layer_types=["chunked_attention"] * 2))


ROPE = {"rope_type": "default", "rope_theta": 10000.0}


@pytest.mark.parametrize(
    ("name", "rope", "said"),
    [
        ("LlamaForCausalLM", {"rope_type": "linear", "factor": 2.0}, "'linear' of x"),
        ("LlamaForCausalLM", {"rope_type": "dynamic", "factor": 2.0}, "'dynamic' of x"),
        ("Qwen2ForCausalLM", {"rope_type": "yarn", "factor": 4.0}, "'yarn' of x"),
        ("LlamaForCausalLM", ROPE | {"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
        ("Qwen3ForCausalLM", ROPE | {"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
        ("Qwen2ForCausalLM", ROPE | {"mrope_section": [2, 3, 3]}, r"mrope_section \[2, 3, 3\]"),
        ("LlamaForCausalLM", ROPE | {"factor": 4.0}, r"factor 4\.0.*'default'"),
        ("Phi3ForCausalLM", ROPE | {"long_mscale": 1.2}, r"long_mscale 1\.2"),
    ],
)
def test_rotary_settings_that_would_be_lost_are_refused(
    name: str, rope: dict[str, Any], said: str
) -> None:
    refused(said, config(name, rope_parameters=rope))
    # The same under its older name.
    refused(said, config(name, rope_scaling=rope, rope_theta=10000.0))


LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 1.9, 2.2],
    "long_factor": [1.0, 1.5, 2.5, 4.0, 8.0, 14.0, 22.0, 32.0],
}


def test_longrope_ends_where_its_short_factors_end() -> None:
    phi = config("Phi3ForCausalLM", rope_scaling=LONGROPE, original_max_position_embeddings=63)
    refused(r"two sets of rotary factors.*up to 63 .*Use --max-seq-len 63 or less", phi)
    found = exportable_config(phi, 63, "x")["rope_parameters"]
    older = {"type": "longrope"} | {k: v for k, v in LONGROPE.items() if k != "rope_type"}
    named = exportable_config(phi | {"rope_scaling": older}, 63, "x")["rope_parameters"]
    assert {k: v for k, v in named.items() if k != "type"} == found
    # The paper's formula: sqrt(1 + ln(s) / ln(original)), s the ratio of the two lengths.
    expected = math.sqrt(1 + math.log(4096 / 63) / math.log(63))
    assert found["attention_factor"] == pytest.approx(expected)


def test_longrope_beyond_its_short_factors_would_be_far_off() -> None:
    """Why it is refused. Oracle: transformers, which takes the short factors for a short text."""
    import torch
    from executorch.examples.models.llama.llama_transformer import construct_transformer
    from executorch.examples.models.llama.model_args import ModelArgs
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(3)
    stored = config(
        "Phi3ForCausalLM",
        rope_scaling=LONGROPE,
        original_max_position_embeddings=128,
        initializer_range=0.3,
    )
    model = Phi3ForCausalLM(Phi3Config(**stored)).eval()
    found = exportable_config(stored, 128, "x")
    weights = meta_weights(found, model.state_dict(), "x")
    tokens = torch.randint(280, (1, 100), generator=torch.Generator().manual_seed(5))

    def divergence(length: int) -> float:
        arguments = ModelArgs(
            max_seq_len=length,
            max_context_len=length,
            generate_full_logits=True,
            **meta_params(found, "x"),
        )
        exported = construct_transformer(arguments).eval()
        exported.load_state_dict(weights, strict=False)
        with torch.no_grad():
            p = model(input_ids=tokens).logits[0].log_softmax(-1)
            q = exported(tokens)
            q = (q[0] if isinstance(q, tuple) else q)[0].log_softmax(-1)
        return float((p.exp() * (p - q)).sum(-1).mean())

    assert divergence(128) == pytest.approx(0, abs=1e-6)
    assert divergence(129) > 0.05
