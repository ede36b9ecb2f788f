"""The backends behind one interface: opening, refusing, and replies of a real tiny checkpoint."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.backends.decoding import DecodingSettings
from models.backends.model_files import SHIPPED_FOLDER, sha256_of_file
from models.backends.opening import open_backend, settings_of
from study.errors import ModelError
from study.installation import install_command
from study.protocol.systems import Decoding, System

MESSAGES = [{"role": "user", "content": "I cannot sleep before the exam."}]
SENTENCES = [
    "I cannot sleep before the exam and I worry all night.",
    "It sounds like the exam is on your mind even at night.",
    "What would help you to rest a little before the exam?",
    "user assistant system",
]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers with random weights and a byte-level tokenizer, made here."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("checkpoint") / "tiny-llama"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|bos|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|bos|>", eos_token="<|end|>"
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=96,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def system(backend: str, **fields: Any) -> System:
    return System(id="arm", title="Arm under test", backend=backend, **fields)


def copy_of(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


# transformers ------------------------------------------------------------------------------------


def test_greedy_reply_has_the_tokens_of_transformers_own_generate(checkpoint: Path) -> None:
    """Oracle: transformers' generate() with do_sample=False, which has its own loop and cache."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    prompt = tokenizer.apply_chat_template(
        MESSAGES, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    tokens = model.generate(**prompt, max_new_tokens=24, do_sample=False, pad_token_id=1)
    expected = tokenizer.decode(tokens[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)

    backend = open_backend(
        system("transformers", model=str(checkpoint)), study_folder=checkpoint.parent
    )
    reply = backend.generate(MESSAGES, DecodingSettings(max_new_tokens=24, temperature=0))
    assert reply.raw_text == expected
    assert reply.prompt_tokens == prompt["input_ids"].shape[1]
    assert 1 <= reply.completion_tokens <= 24


def test_same_seed_same_text_and_another_seed_another_text(checkpoint: Path) -> None:
    """Property, over two separately loaded backends; top-k 1 must be greedy whatever the seed."""
    declared = system("transformers", model="tiny-llama")
    texts = []
    for seed in (1, 1, 2):
        backend = open_backend(declared, study_folder=checkpoint.parent)
        settings = DecodingSettings(max_new_tokens=30, temperature=1.0, seed=seed)
        texts.append(backend.generate(MESSAGES, settings).raw_text)
    assert texts[0] == texts[1] != texts[2]
    greedy = backend.generate(MESSAGES, DecodingSettings(max_new_tokens=30, temperature=0))
    top_1 = backend.generate(
        MESSAGES, DecodingSettings(max_new_tokens=30, temperature=1.5, top_k=1, seed=9)
    )
    assert top_1.raw_text == greedy.raw_text
    backend.close()


def test_another_process_writes_the_same_and_shows_no_noise(checkpoint: Path) -> None:
    """Property: nothing of this process goes into a reply; torchao's warnings stay unseen."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from models.backends.transformers_backend import TransformersBackend\n"
        "from models.backends.decoding import DecodingSettings\n"
        "messages = [{'role': 'user', 'content': 'I cannot sleep before the exam.'}]\n"
        "settings = DecodingSettings(max_new_tokens=30, temperature=1.0, seed=3)\n"
        "reply = TransformersBackend(Path(sys.argv[1])).generate(messages, settings)\n"
        "print(ascii(reply.raw_text))\n"
    )
    root = str(Path(__file__).resolve().parents[1])
    other = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": root, "PYTHONHASHSEED": "77"},
    )
    backend = open_backend(
        system("transformers", model=str(checkpoint)), study_folder=checkpoint.parent
    )
    here = backend.generate(MESSAGES, DecodingSettings(max_new_tokens=30, temperature=1.0, seed=3))
    assert (other.stdout.strip(), other.stderr) == (ascii(here.raw_text), "")


def test_pieces_stop_string_and_full_context(checkpoint: Path) -> None:
    """Property: the pieces add up to the text; a stop string and the context end the reply."""
    backend = open_backend(
        system("transformers", model=str(checkpoint)), study_folder=checkpoint.parent
    )
    pieces: list[str] = []
    settings = DecodingSettings(max_new_tokens=30, temperature=1.0, seed=4)
    whole = backend.generate(MESSAGES, settings, on_text=pieces.append)
    assert "".join(pieces).strip() == whole.text
    stop = whole.text[5:9]
    cut = backend.generate(
        MESSAGES, DecodingSettings(max_new_tokens=30, temperature=1.0, seed=4, stop=(stop,))
    )
    assert cut.stop_reason == "stop_string"
    assert cut.text == whole.raw_text[: whole.raw_text.index(stop)].strip()
    long = backend.generate(MESSAGES, DecodingSettings(max_new_tokens=500, temperature=0, seed=4))
    assert long.stop_reason in {"context", "stop_token"}
    assert long.prompt_tokens + long.completion_tokens <= 96
    with pytest.raises(ModelError, match=r"context holds 96"):
        backend.generate([{"role": "user", "content": "exam " * 200}], settings)
    late = backend.generate(MESSAGES, DecodingSettings(max_new_tokens=60, time_limit_s=1e-6))
    assert (late.stop_reason, late.completion_tokens) == ("time", 1)


@pytest.mark.parametrize(
    ("eos", "generation", "eos_token"),
    [
        (0, True, "<|end|>"),
        (0, False, "<|pad|>"),
        (None, False, "<|pad|>"),
        ([0, 1], True, "<|pad|>"),
    ],
)
def test_replies_end_where_the_template_ends_them(
    tmp_path: Path, eos: Any, generation: bool, eos_token: str
) -> None:
    # Oracle: the same checkpoint with its settings whole, where all three name <|end|>, token 2.
    def reply(folder: Path) -> Any:
        return open_backend(
            system("transformers", model=str(folder)), study_folder=tmp_path
        ).generate(
            [{"role": "user", "content": "I cannot sleep."}],
            DecodingSettings(temperature=0, max_new_tokens=200),
        )

    folder = Path(shutil.copytree(SHIPPED_FOLDER / "demo-tuned", tmp_path / "copy"))
    for name, changes in [
        ("config.json", {"eos_token_id": eos}),
        ("tokenizer_config.json", {"eos_token": eos_token}),
        ("generation_config.json", {"eos_token_id": eos}),
    ]:
        settings = json.loads((folder / name).read_text()) | changes
        (folder / name).write_text(json.dumps(settings))
    if not generation:
        (folder / "generation_config.json").unlink()
    whole = reply(SHIPPED_FOLDER / "demo-tuned")
    assert whole.stop_reason == "stop_token"
    assert (reply(folder).text, reply(folder).stop_reason) == (whole.text, "stop_token")


def test_provenance_ties_the_reply_to_the_files(checkpoint: Path, tmp_path: Path) -> None:
    """Oracle: hashlib on the file; one changed byte of any file changes the model's hash."""
    folder = copy_of(checkpoint, tmp_path)
    declared = system("transformers", model="copy")
    before = open_backend(declared, study_folder=tmp_path).provenance()
    weights = (folder / "model.safetensors").read_bytes()
    assert before["files_sha256"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert before["libraries"]["transformers"][0].isdigit()
    assert before["precision"] == "fp32"
    assert json.loads(json.dumps(before)) == before
    (folder / "generation_config.json").write_text('{"eos_token_id": 1, "top_k": 7}')
    after = open_backend(declared, study_folder=tmp_path).provenance()
    assert before["model_sha256"] != after["model_sha256"]


def test_bf16_is_loaded_as_such(checkpoint: Path) -> None:
    """Property: bfloat16 changes the sampled numbers of a random model, not the interface."""
    from models.backends.transformers_backend import TransformersBackend

    backend = TransformersBackend(checkpoint, precision="bf16")
    assert backend.provenance()["precision"] == "bf16"
    assert backend.generate(MESSAGES, DecodingSettings(max_new_tokens=5)).completion_tokens <= 5
    with pytest.raises(ModelError, match=r"precision is 'int3'; expected one of: fp32, bf16"):
        TransformersBackend(checkpoint, precision="int3")  # type: ignore[arg-type]


def test_loading_and_replying_asks_no_network(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Property: no name is looked up and no connection opened, not even one that is forgiven."""
    asked: list[object] = []

    def refuse(*args: object, **kwargs: object) -> None:
        asked.append((args, kwargs))
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    backend = open_backend(
        system("transformers", model=str(checkpoint)), study_folder=checkpoint.parent
    )
    assert backend.generate(MESSAGES, DecodingSettings(max_new_tokens=3)).completion_tokens <= 3
    assert asked == []


def test_damaged_checkpoints_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """Each damage by hand; above all tensors that are missing, which transformers only warns of."""
    from safetensors.torch import load_file, save_file

    declared = system("transformers", model="copy")
    folder = copy_of(checkpoint, tmp_path)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()

    tensors = load_file(weights)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 missing tensors, the first is .*up_proj"):
        open_backend(declared, study_folder=tmp_path)

    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"cannot be loaded: .* copy it again, whole"):
        open_backend(declared, study_folder=tmp_path)

    weights.unlink()
    with pytest.raises(ModelError, match=r"lacks weights \(\*\.safetensors\)"):
        open_backend(declared, study_folder=tmp_path)

    weights.write_bytes(whole)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match=r"no chat template"):
        open_backend(declared, study_folder=tmp_path)

    (folder / "config.json").write_text("{ not json")
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        open_backend(declared, study_folder=tmp_path)


# executorch --------------------------------------------------------------------------------------


def test_no_pte_says_how_to_make_one(tmp_path: Path) -> None:
    declared = system("executorch", model="model.pte")
    with pytest.raises(ModelError, match=r"no \.pte file at .*model\.pte.*evenhand quantize"):
        open_backend(declared, study_folder=tmp_path)
    (tmp_path / "model.pte").mkdir()
    with pytest.raises(ModelError, match=r"is a folder; the executorch backend needs a \.pte"):
        open_backend(declared, study_folder=tmp_path)
    (tmp_path / "model.pte").rmdir()
    (tmp_path / "model.pte").write_bytes(b"")
    with pytest.raises(ModelError, match=r"no tokenizer\.json in .*'tokenizer' field"):
        open_backend(declared, study_folder=tmp_path)


# opening -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (system("transformers"), r"but no 'model'"),
        (system("transformers", model="nowhere"), r"no checkpoint at .*nowhere"),
        (system("transformers", model="shipped:../x"), r"no valid name after 'shipped:'"),
        (system("transformers", model="shipped:no-such-model"), r"shipped models: "),
        (system("executorch", model="shipped:no-such-model"), r"no-such-model\.pte"),
        (system("openai", model="m"), r"but no 'endpoint'"),
        (system("openai", endpoint="http://127.0.0.1:1/v1"), r"but no 'model'"),
        (system("openai", model="m", endpoint="localhost:8000"), r"expected an address such as"),
        (system("scripted", model="x.pte"), r"is scripted and uses no model"),
        (system("scripted", endpoint="http://h/v1"), r"'endpoint', which backend 'scripted'"),
        (system("transformers", model="m", tokenizer="t"), r"only 'executorch' does"),
        (
            system("openai", model="m", endpoint="http://h/v1", decoding=Decoding(top_k=40)),
            r"top_k is 40; the OpenAI chat protocol has no such setting",
        ),
        (
            system(
                "openai",
                model="m",
                endpoint="http://h/v1",
                decoding=Decoding(repetition_penalty=1.2),
            ),
            r"repetition_penalty is 1\.2",
        ),
        (
            system("openai", model="m", endpoint="http://h/v1", api_key_variable="NO_SUCH_KEY"),
            r"environment variable NO_SUCH_KEY is not set",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    declared: System, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        open_backend(declared, study_folder=tmp_path)


def test_settings_are_the_declared_ones() -> None:
    """Property: every field of the protocol's decoding block reaches the backend."""
    declared = Decoding(
        max_new_tokens=7,
        temperature=0.3,
        top_k=5,
        top_p=0.9,
        repetition_penalty=1.1,
        seed=42,
        stop=("END",),
        time_limit_s=9.5,
    )
    settings = settings_of(system("scripted", decoding=declared))
    assert {name: getattr(settings, name) for name in Decoding.model_fields} == (
        declared.model_dump()
    )
    assert settings_of(system("scripted", decoding=declared), seed=3).seed == 3


def test_missing_package_names_the_command(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting a module to None makes its import fail as on a machine without the extra."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=re.escape(install_command("models"))):
        open_backend(system("transformers", model=str(checkpoint)), study_folder=checkpoint.parent)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ModelError, match=re.escape(install_command("models"))):
        open_backend(
            system("openai", model="m", endpoint="http://127.0.0.1:1/v1"),
            study_folder=checkpoint.parent,
        )


SHIPPED_PTE = SHIPPED_FOLDER / "demo-tuned.pte"


@pytest.mark.offline_model
def test_shipped_pte_and_its_hash() -> None:
    """Oracle: hashlib on the shipped file; the same seed gives the same text after a restart."""
    if not SHIPPED_PTE.exists():
        pytest.skip("the shipped .pte is not in this checkout")
    declared = system("executorch", model="shipped:demo-tuned.pte")
    texts = []
    for _ in range(2):
        backend = open_backend(declared, study_folder=Path())
        try:
            reply = backend.generate(MESSAGES, DecodingSettings(max_new_tokens=40, seed=5))
            texts.append(reply.text)
            assert backend.provenance()["model_sha256"] == sha256_of_file(SHIPPED_PTE)
        finally:
            backend.close()
    assert texts[0] == texts[1] != ""


@pytest.mark.offline_model
def test_truncated_pte_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    """Half of the shipped file, with its own tokenizer."""
    if not SHIPPED_PTE.exists():
        pytest.skip("the shipped .pte is not in this checkout")
    half = tmp_path / "half.pte"
    half.write_bytes(SHIPPED_PTE.read_bytes()[: SHIPPED_PTE.stat().st_size // 2])
    declared = system("executorch", model="half.pte", tokenizer="shipped:demo-tuned")
    with pytest.raises(ModelError, match="half"):
        backend = open_backend(declared, study_folder=tmp_path)
        backend.generate(MESSAGES, DecodingSettings(max_new_tokens=4))
