"""What an export gets of an adapter: the weights whose logits are those of PEFT's own tuned model.

Oracle throughout: the model that PEFT trained (here: moved at random from its start), before it was
saved. It shares no step with the export, which loads the stored adapter and merges it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.demo.tokenizer import save_tokenizer, train_tokenizer
from models.offline.architectures import exportable_config, meta_weights
from models.offline.merging import load_to_export
from models.offline.parity import load_in_fp32
from models.offline.weights import open_checkpoint
from study.errors import ModelError

# PEFT warns of tied layers, of embeddings that it stores, and by a name that transformers will drop.
pytestmark = pytest.mark.filterwarnings("ignore")

TOKENS = [1, 4, 100, 7, 250, 33, 33, 9, 120, 64]
SIZES: dict[str, Any] = {
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


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random checkpoints of three families, all with tied embeddings."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("checkpoints")
    tokenizer = train_tokenizer(["I cannot sleep."], vocab_size=280, context_length=64)
    for family in ("Llama", "Qwen2", "Phi3"):
        torch.manual_seed(3)
        config = getattr(transformers, f"{family}Config")(
            vocab_size=len(tokenizer), tie_word_embeddings=True, **SIZES
        )
        model = getattr(transformers, f"{family}ForCausalLM")(config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        model.save_pretrained(folder / family)
        save_tokenizer(tokenizer, folder / family)
    return folder


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([TOKENS])).logits[0]


def tuned(checkpoint: Path, folder: Path, kind: str = "Lora", **settings: Any) -> Any:
    """PEFT's model, moved from its start and stored; gives its logits."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    if kind == "Lora":
        settings = {"r": 4, "lora_alpha": 8} | settings
    settings = {"target_modules": ["q_proj", "v_proj", "down_proj"]} | settings
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    config = getattr(peft, f"{kind}Config")(task_type="CAUSAL_LM", **settings)
    model = peft.get_peft_model(base, config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    return logits(model)


def check_merged(checkpoint: Path, folder: Path, expected: Any) -> Any:
    """The merged model, and the model that --verify compares with, give the logits of PEFT's."""
    import torch

    assert float((logits(load_in_fp32(checkpoint)[0]) - expected).abs().max()) > 0.05
    source = open_checkpoint(checkpoint)
    merged = load_to_export(source, folder)
    torch.testing.assert_close(logits(merged), expected, atol=2e-4, rtol=2e-4)
    beside, _ = load_in_fp32(checkpoint, folder)
    torch.testing.assert_close(logits(beside), expected, atol=1e-5, rtol=1e-5)
    # And every tensor of it has a place in the exported model.
    config = exportable_config(source.config, 64, "x")
    return meta_weights(config, merged.state_dict(), "x")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
        {"init_lora_weights": "eva"},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": "orthogonal"},
        {"init_lora_weights": "pissa", "use_rslora": True},
        {"use_rslora": True},
        {"use_dora": True},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 32}},
        {"modules_to_save": ["norm"]},
        {"layers_to_transform": [1]},
        {"trainable_token_indices": [5, 7]},
    ],
    ids=str,
)
def test_a_lora_adapter_is_merged_as_peft_runs_it(
    checkpoints: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    expected = tuned(checkpoints / "Llama", tmp_path / "a", **settings)
    check_merged(checkpoints / "Llama", tmp_path / "a", expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["embed_tokens", "lm_head"]},
        {"target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
    ],
    ids=str,
)
def test_tied_weights_part_where_the_adapter_parts_them(
    checkpoints: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    import torch
    from safetensors.torch import load_file

    expected = tuned(checkpoints / "Llama", tmp_path / "a", **settings)
    weights = check_merged(checkpoints / "Llama", tmp_path / "a", expected)
    stored = load_file(checkpoints / "Llama" / "model.safetensors")["model.embed_tokens.weight"]
    together = torch.equal(weights["output.weight"], weights["tok_embeddings.weight"])
    assert together == bool(settings.get("ensure_weight_tying"))
    touched = str(settings)
    assert torch.equal(weights["tok_embeddings.weight"], stored) == ("embed_tokens" not in touched)
    assert torch.equal(weights["output.weight"], stored) == ("lm_head" not in touched)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("Qwen2", {"bias": "lora_only"}),
        ("Qwen2", {"bias": "all", "init_lora_weights": "pissa"}),
        ("Qwen2", {"lora_bias": True, "target_modules": ["q_proj", "v_proj"]}),
        ("Phi3", {"target_modules": ["qkv_proj", "gate_up_proj"]}),
        ("Phi3", {"target_modules": "all-linear", "init_lora_weights": "olora"}),
    ],
    ids=str,
)
def test_biases_and_joined_projections_are_merged(
    checkpoints: Path, tmp_path: Path, family: str, settings: dict[str, Any]
) -> None:
    expected = tuned(checkpoints / family, tmp_path / "a", **settings)
    check_merged(checkpoints / family, tmp_path / "a", expected)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("LoHa", {"r": 4, "alpha": 8}),
        ("LoKr", {"r": 4, "alpha": 8}),
        ("IA3", {"feedforward_modules": ["down_proj"]}),
        ("OFT", {"r": 0, "oft_block_size": 16}),
        ("LNTuning", {"target_modules": ["input_layernorm", "norm"]}),
    ],
)
def test_other_kinds_that_peft_merges_are_merged(
    checkpoints: Path, tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    expected = tuned(checkpoints / "Llama", tmp_path / "a", kind, **settings)
    check_merged(checkpoints / "Llama", tmp_path / "a", expected)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"init_lora_weights": "pissa_niter_4"}, "'pissa_niter_4'.*cannot be found again"),
        ({"lora_bias": True}, r"PEFT cannot merge.*no bias.*transformers backend"),
        ({"alora_invocation_tokens": [5, 6]}, "PEFT cannot merge.*aLoRA"),
    ],
    ids=str,
)
def test_what_peft_cannot_merge_or_make_again_is_refused(
    checkpoints: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    tuned(checkpoints / "Llama", tmp_path / "a", **settings)
    with pytest.raises(ModelError, match=said):
        load_to_export(open_checkpoint(checkpoints / "Llama"), tmp_path / "a")


def test_an_adapter_that_adds_layers_is_refused(checkpoints: Path, tmp_path: Path) -> None:
    tuned(checkpoints / "Llama", tmp_path / "a", layer_replication=[[0, 2], [1, 2]])
    source = open_checkpoint(checkpoints / "Llama")
    merged = load_to_export(source, tmp_path / "a")
    with pytest.raises(ModelError, match=r"unknown tensor model\.layers\.2\."):
        meta_weights(exportable_config(source.config, 64, "x"), merged.state_dict(), "x")


def test_a_merge_that_changes_the_logits_is_refused(checkpoints: Path, tmp_path: Path) -> None:
    # As a merge would be that forgets a part: the tuned model is changed between the two looks.
    import torch

    from models.backends.adapter import merge_adapter

    tuned(checkpoints / "Llama", tmp_path / "a")
    model, _ = load_in_fp32(checkpoints / "Llama", tmp_path / "a")
    merge = model.merge_and_unload

    def forgetful(**settings: Any) -> Any:
        merged = merge(**settings)
        with torch.no_grad():
            merged.model.layers[0].self_attn.q_proj.weight.mul_(0.9)
        return merged

    model.merge_and_unload = forgetful
    with pytest.raises(ModelError, match=r"cannot be merged: a logit .* away"):
        merge_adapter(model, tmp_path / "a")


def test_an_adapter_of_another_width_is_refused(checkpoints: Path, tmp_path: Path) -> None:
    tuned(checkpoints / "Llama", tmp_path / "a")
    path = tmp_path / "a" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"r": 8}))
    with pytest.raises(
        ModelError, match=r"does not fit the checkpoint.*says PEFT.*size mismatch for .*lora_A"
    ):
        load_to_export(open_checkpoint(checkpoints / "Llama"), tmp_path / "a")


def test_output_layer_and_embedding_that_differ_in_the_files_are_both_kept(
    checkpoints: Path, tmp_path: Path
) -> None:
    # config.json says tied, the file holds two: transformers keeps both, and so must the export.
    import shutil

    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    folder = shutil.copytree(checkpoints / "Llama", tmp_path / "two")
    state = load_file(folder / "model.safetensors")
    state["lm_head.weight"] = state["model.embed_tokens.weight"].flip(0).contiguous()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    expected = logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))
    source = open_checkpoint(folder)
    model = load_to_export(source, None)
    torch.testing.assert_close(logits(model), expected)
    weights = meta_weights(exportable_config(source.config, 64, "x"), model.state_dict(), "x")
    assert torch.equal(weights["output.weight"], model.lm_head.weight)
