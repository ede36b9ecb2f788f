"""Export of checkpoints: refusals, adapters, and one tiny export against transformers."""

from __future__ import annotations

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from models.decoding import DecodingSettings
from models.demo_tokenizer import save_tokenizer, train_tokenizer
from models.offline_export import (
    estimated_memory,
    file_sha256,
    licence_line,
    quantize,
    read_manifest,
    refuse_missing_libraries,
    refuse_too_little_memory,
    stop_tokens,
    stored_weights,
    tokenizer_folder,
)
from models.offline_weights import (
    add_adapter,
    load_weights,
    open_checkpoint,
)
from study.errors import ModelError
from study.installation import install_command

MESSAGES = [
    {"role": "user", "content": text} for text in ("I cannot sleep.", "Thank you.", "Why me?")
]
TEXTS = ["I cannot sleep at night.", "Thank you for writing. That sounds hard."]


def make_checkpoint(folder: Path, **overrides: Any) -> Path:
    """A tiny Llama checkpoint with random weights, as transformers writes it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    tokenizer = train_tokenizer(TEXTS, vocab_size=280, context_length=64)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.3,
    }
    LlamaForCausalLM(LlamaConfig(**(settings | overrides))).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


TOKENS = [1, 4, 100, 7, 250, 33, 33, 9, 120, 64]


def make_adapter(folder: Path, base: str, width: int = 64) -> Path:
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    torch.manual_seed(4)
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    save_file(
        {
            f"{module}.lora_A.weight": torch.randn(2, width),
            f"{module}.lora_B.weight": torch.randn(64, 2),
        },
        folder / "adapter_model.safetensors",
    )
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "target_modules": ["q_proj"],
        "layers_to_transform": [0],
        "r": 2,
        "lora_alpha": 4,
        "base_model_name_or_path": base,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_an_adapter_adds_scale_times_b_a(checkpoint: Path, tmp_path: Path) -> None:
    # By hand: W + (alpha / r) B A, here alpha / r = 2.
    import torch
    from safetensors.torch import load_file

    adapter = make_adapter(tmp_path / "adapter", "somewhere/tiny")
    source = open_checkpoint(checkpoint)
    before, after = load_weights(source), load_weights(source)
    add_adapter(source, after, adapter)
    tensors = load_file(adapter / "adapter_model.safetensors")
    a, b = (next(t for n, t in tensors.items() if f"lora_{p}" in n) for p in "AB")
    name = "model.layers.0.self_attn.q_proj.weight"
    torch.testing.assert_close(after[name], before[name].float() + 2 * b @ a)
    assert all(torch.equal(after[n], before[n]) for n in before if n != name)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_merged_adapter_gives_the_logits_of_peft(checkpoint: Path, tmp_path: Path) -> None:
    # Oracle: peft's own model with the adapter switched on.
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    config = peft.LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "v_proj", "down_proj"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    with_adapter = peft.get_peft_model(base, config).eval()
    with_adapter.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        expected = with_adapter(input_ids=torch.tensor([TOKENS])).logits[0]

    source = open_checkpoint(checkpoint)
    state = load_weights(source)
    add_adapter(source, state, tmp_path / "adapter")
    merged = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    merged.load_state_dict(state, strict=False)
    with torch.no_grad():
        found = merged(input_ids=torch.tensor([TOKENS])).logits[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_an_adapter_of_another_base_is_refused_by_name(checkpoint: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", "somewhere/other-model")
    with pytest.raises(ModelError, match=r"trained on 'somewhere/other-model'.*rename the folder"):
        quantize(checkpoint, tmp_path / "x.pte", adapter=adapter)


def test_an_adapter_of_another_base_is_refused_by_shape(checkpoint: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", "tiny", width=32)
    source = open_checkpoint(checkpoint)
    with pytest.raises(ModelError, match=r"shape \(64, 32\).*has \(64, 64\)"):
        add_adapter(source, load_weights(source), adapter)


def edited(checkpoint: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


def test_an_unknown_architecture_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "c", architectures=["MambaForCausalLM"])
    with pytest.raises(ModelError, match=r"MambaForCausalLM.*Supported: LlamaForCausalLM"):
        quantize(folder, tmp_path / "x.pte")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(checkpoint: Path, tmp_path: Path, name: str) -> None:
    folder = edited(checkpoint, tmp_path / "c")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}"):
        quantize(folder, tmp_path / "x.pte")


def test_a_truncated_weight_file_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "c")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        quantize(folder, tmp_path / "x.pte")


def test_settings_that_cannot_work_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.pte"
    with pytest.raises(ModelError, match="--group-size is 48"):
        quantize(checkpoint, output, group_size=48)
    with pytest.raises(ModelError, match=r"--group-size is 64 and the intermediate_size.*is 96"):
        quantize(checkpoint, output, group_size=64)
    with pytest.raises(ModelError, match=r"--max-seq-len is 513; expected 2 to 512"):
        quantize(checkpoint, output, max_seq_len=513)
    with pytest.raises(ModelError, match="scheme 'int3' is unknown"):
        quantize(checkpoint, output, scheme="int3")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"must end in \.pte"):
        quantize(checkpoint, tmp_path / "x.bin")


def test_no_chat_template_and_no_end_token_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "c", eos_token_id=None)
    (folder / "generation_config.json").unlink()
    with pytest.raises(ModelError, match="names no end token"):
        stop_tokens(open_checkpoint(folder))
    other = edited(checkpoint, tmp_path / "d")
    settings = json.loads((other / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="no chat template"):
        quantize(other, tmp_path / "x.pte", max_seq_len=64)


def test_memory_is_estimated_and_too_little_is_refused(checkpoint: Path) -> None:
    # By hand: embedding 280 x 64 twice (tied), two layers of 64 x 64 x 2 + 64 x 32 x 2 attention
    # weights, 3 x 64 x 96 feed-forward weights and 2 x 64 norms, and the last norm of 64.
    vocabulary = json.loads((checkpoint / "config.json").read_text())["vocab_size"]
    layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96 + 2 * 64
    assert stored_weights(open_checkpoint(checkpoint)) == 2 * vocabulary * 64 + 2 * layer + 64
    # Measured: 9.8 GB for the 1.5 thousand million stored weights of a Llama-3.2-1B shape.
    assert estimated_memory(1_500_000_000) == pytest.approx(9.8e9, rel=0.2)
    with pytest.raises(ModelError, match=r"needs about 11\.\d GB of memory; 4\.0 GB are free"):
        refuse_too_little_memory(1_500_000_000, 4_000_000_000)
    refuse_too_little_memory(1_500_000_000, None)


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    refuse_missing_libraries(["json"])
    with pytest.raises(
        ModelError, match="nothing_of_this_name.*" + re.escape(install_command("models"))
    ):
        refuse_missing_libraries(["json", "nothing_of_this_name"])


def test_the_licence_line_comes_from_the_card(tmp_path: Path) -> None:
    assert licence_line(tmp_path) == "not stated in the checkpoint"
    (tmp_path / "LICENSE").write_text("\nSome Licence 1.0\nmore\n")
    assert licence_line(tmp_path) == "Some Licence 1.0"
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    assert licence_line(tmp_path) == "apache-2.0"


@pytest.mark.slow
@pytest.mark.offline_model
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_tiny_export_with_an_adapter_agrees_with_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unquantized, so logits, greedy tokens and greedy replies are those of transformers and PEFT."""
    import torch
    from transformers import AutoModelForCausalLM

    from models.backends.transformers_backend import TransformersBackend
    from models.offline_runtime import OfflineRuntime

    asked = refuse_network(monkeypatch)

    folder = make_checkpoint(tmp_path / "tiny", num_hidden_layers=1)
    adapter = make_adapter(tmp_path / "adapter", "tiny")
    output = tmp_path / "out" / "tiny.pte"
    shares: list[float] = []
    manifest = quantize(
        folder,
        output,
        adapter=adapter,
        scheme="none",
        max_seq_len=64,
        progress=lambda message, share: shares.append(share),
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert read_manifest(output) == manifest
    assert set(manifest.adapter or {}) == {"adapter_config.json", "adapter_model.safetensors"}
    for name, digest in manifest.outputs.items():
        assert file_sha256(output.parent / name) == digest
    assert (tokenizer_folder(output) / "tokenizer.json").is_file()

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    source = open_checkpoint(folder)
    state = load_weights(source)
    add_adapter(source, state, adapter)
    with torch.no_grad():
        base = model(input_ids=torch.tensor([TOKENS])).logits[0].numpy()
        model.load_state_dict(state, strict=False)
        expected = model(input_ids=torch.tensor([TOKENS])).logits[0].numpy()
    greedy = DecodingSettings(temperature=0, max_new_tokens=24)
    with OfflineRuntime(output) as runtime:
        found = runtime.token_logits(TOKENS)
        replies = [runtime.generate([message], greedy).raw_text for message in MESSAGES]
    assert found == pytest.approx(expected, abs=1e-3)
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert abs(base - expected).max() > 0.1

    # PEFT runs the adapter beside the weights; the file has it merged into them.
    with_peft = TransformersBackend(folder, adapter=adapter)
    without = TransformersBackend(folder)
    assert replies == [with_peft.generate([message], greedy).raw_text for message in MESSAGES]
    assert replies != [without.generate([message], greedy).raw_text for message in MESSAGES]
    assert all(replies)
    assert asked == []


def refuse_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """No name is looked up and no connection opened from here on; gives what was tried."""
    asked: list[object] = []
    connect = socket.socket.connect

    def refuse(*args: object, **kwargs: object) -> None:
        asked.append((args, kwargs))
        raise OSError("no network in this test")

    def local_only(this: socket.socket, address: Any) -> None:
        if this.family != socket.AF_UNIX:
            refuse(address)
        connect(this, address)

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", local_only)
    return asked
