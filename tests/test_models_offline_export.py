"""Export of checkpoints: refusals, adapters, and one tiny export against transformers."""

from __future__ import annotations

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from models.backends.decoding import DecodingSettings
from models.demo.tokenizer import save_tokenizer, train_tokenizer
from models.library_noise import libraries_kept_quiet
from models.offline.export import (
    estimated_memory,
    file_sha256,
    licence_line,
    quantize,
    read_manifest,
    refuse_missing_libraries,
    refuse_too_little_memory,
    tokenizer_folder,
)
from models.offline.stops import stop_tokens
from models.offline.weights import open_checkpoint, stored_weights
from study.cli.group import run
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


def test_an_adapter_of_another_base_is_refused_by_name(checkpoint: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", "somewhere/other-model")
    with pytest.raises(ModelError, match=r"trained on 'somewhere/other-model'.*rename the folder"):
        quantize(checkpoint, tmp_path / "x.pte", adapter=adapter)


def edited(checkpoint: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping 50.0"),
        ({"qk_clip": 30}, "the field 'qk_clip'"),
        ({"sliding_window": 16}, "Use --max-seq-len 16 or less"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "'linear'"),
        ({"eos_token_id": 6}, "ordinary text"),
    ],
    ids=str,
)
def test_the_command_refuses_in_one_sentence_and_writes_nothing(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    said: str,
) -> None:
    folder = edited(checkpoint, tmp_path / "c", **changes)
    output = tmp_path / "out" / "x.pte"
    assert run(["quantize", str(folder), "-o", str(output)]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err
    assert not output.parent.exists()


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


def rewritten(folder: Path, name: str, **changes: Any) -> None:
    settings = json.loads((folder / name).read_text()) | changes
    (folder / name).write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))


def test_no_chat_template_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    other = edited(checkpoint, tmp_path / "d")
    rewritten(other, "tokenizer_config.json", chat_template=None)
    with pytest.raises(ModelError, match="no chat template"):
        quantize(other, tmp_path / "x.pte", max_seq_len=64)


OPEN = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{{ '\\n' }}{% endfor %}"
# In the tokenizer of these checkpoints: 0 <|pad|>, 1 <|begin|>, 2 <|end|>, 4 <|user|>.
TURNS = "{% for m in messages %}<|user|>{{ m['content'] }} \n<|begin|>\n{% endfor %}"
LAST_OPEN = (
    "{% for m in messages %}<|user|>{{ m['content'] }}{% if not loop.last %}<|begin|>{% endif %}"
    "{% endfor %}"
)


@pytest.mark.parametrize(
    ("config", "generation", "tokenizer", "expected"),
    [
        # config.json names another token than the one that the tokenizer ends turns with.
        ({"eos_token_id": 0}, {"eos_token_id": 0}, {}, [0, 2]),
        ({"eos_token_id": None}, None, {}, [2]),
        ({"eos_token_id": [0, 1]}, {"eos_token_id": 2}, {}, [0, 1, 2]),
        # eos_token is the end of a document; the template ends turns with another token.
        ({"eos_token_id": 0}, None, {"eos_token": "<|pad|>"}, [0, 2]),
        ({"eos_token_id": 2}, None, {"chat_template": TURNS}, [1, 2]),
        ({"eos_token_id": 2}, None, {"chat_template": LAST_OPEN}, [1, 2]),
        ({"eos_token_id": 2}, None, {"chat_template": OPEN}, [2]),
        ({"eos_token_id": None}, None, {"eos_token": None}, [2]),
    ],
)
def test_replies_end_where_tokenizer_template_or_settings_say(
    checkpoint: Path,
    tmp_path: Path,
    config: dict[str, Any],
    generation: dict[str, Any] | None,
    tokenizer: dict[str, Any],
    expected: list[int],
) -> None:
    # Oracle: by hand, from the tokenizer's table and the template.
    folder = edited(checkpoint, tmp_path / "c", **config)
    (folder / "generation_config.json").unlink()
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    rewritten(folder, "tokenizer_config.json", **tokenizer)
    assert stop_tokens(open_checkpoint(folder)) == expected


def test_end_tokens_that_cannot_be_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    def refused(said: str, **eos: Any) -> None:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        with pytest.raises(ModelError, match=said):
            stop_tokens(open_checkpoint(edited(checkpoint, folder, **eos)))

    # "!" is the first byte of a byte-level vocabulary: an id of 0 in a checkpoint of another tokenizer.
    refused(r"config\.json .*eos_token_id 6, which is ordinary text \('!'\)", eos_token_id=6)
    refused("eos_token_id 280, which is no token", eos_token_id=[2, 280])
    refused("eos_token_id -1, which is no token", eos_token_id=-1)
    named = edited(checkpoint, tmp_path / "named")
    for wrong in ("2", True, 2.0):
        (named / "generation_config.json").write_text(json.dumps({"eos_token_id": wrong}))
        with pytest.raises(ModelError, match=r"generation_config\.json .*which is no token"):
            stop_tokens(open_checkpoint(named))
    folder = edited(checkpoint, tmp_path / "none", eos_token_id=None)
    (folder / "generation_config.json").unlink()
    rewritten(folder, "tokenizer_config.json", eos_token=None, chat_template=OPEN)
    with pytest.raises(ModelError, match="names no end token"):
        stop_tokens(open_checkpoint(folder))


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
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_tiny_export_with_an_adapter_agrees_with_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unquantized, so logits, greedy tokens and greedy replies are those of transformers and PEFT."""
    import torch
    from transformers import AutoModelForCausalLM

    from models.backends.transformers_backend import TransformersBackend
    from models.offline.runtime import OfflineRuntime

    asked = refuse_network(monkeypatch)

    folder = make_checkpoint(tmp_path / "tiny", num_hidden_layers=1)
    # Takes a part out of its base at the start, and changes the output layer of a tied pair.
    adapter = tuned_adapter(folder, tmp_path / "adapter")
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

    from peft import PeftModel

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        base = model(input_ids=torch.tensor([TOKENS])).logits[0].numpy()
        with libraries_kept_quiet():
            model = PeftModel.from_pretrained(model, str(adapter)).eval()
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


def tuned_adapter(checkpoint: Path, folder: Path) -> Path:
    """A PiSSA adapter on the queries and the output layer, moved from its start at random."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    with libraries_kept_quiet():
        base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        config = peft.LoraConfig(
            r=4,
            lora_alpha=8,
            target_modules=["q_proj", "lm_head"],
            init_lora_weights="pissa",
            task_type="CAUSAL_LM",
        )
        model = peft.get_peft_model(base, config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.05)
        model.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.mark.slow
@pytest.mark.offline_model
@pytest.mark.timeout(900)
def test_a_file_that_quantizing_spoils_is_a_finding_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # One weight of every group is 500 times the others and meets an input of 0: it changes nothing in fp32,
    # and its scale leaves nothing of the others in four bits.
    import torch
    from transformers import AutoModelForCausalLM

    folder = make_checkpoint(tmp_path / "tiny", num_hidden_layers=1, tie_word_embeddings=False)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight[::32] = 0
            elif weight.shape[1] == 64 and "embed" not in name and "o_proj" not in name:
                weight[:, ::32] = 500 * weight.std()
    model.save_pretrained(folder)
    output = tmp_path / "spoiled.pte"
    command = ["quantize", str(folder), "-o", str(output), "--verify", "--texts", "2", "--json"]
    assert run(command) == 1
    said = capsys.readouterr()
    parity = json.loads(said.out)["parity"]
    assert parity["top1_agreement"] < 0.9
    assert parity == read_manifest(output).parity
    assert f"same next token at {parity['top1_agreement']:.3f} of the positions" in said.err
    assert "expected 0.9 or more" in said.err


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
