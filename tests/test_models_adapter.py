"""A LoRA adapter in the transformers backend: the reply of PEFT's merged model, and refusals."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from models.backends.chat_prompt import prompt_tokens
from models.backends.decoding import DecodingSettings
from models.backends.model_files import sha256_of_file
from models.backends.opening import files_sha256, open_backend
from models.demo.tokenizer import save_tokenizer, train_tokenizer
from study.errors import ModelError
from study.protocol.systems import System

# PEFT asks transformers by a name that it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

MESSAGES = [{"role": "user", "content": "I cannot sleep at night."}]
GREEDY = DecodingSettings(temperature=0, max_new_tokens=12)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny checkpoint and an adapter that PEFT made for it, both random."""
    import peft
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models")
    texts = ["I cannot sleep at night.", "That sounds hard."]
    tokenizer = train_tokenizer(texts, vocab_size=280, context_length=64)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(7)
    LlamaForCausalLM(config).save_pretrained(folder / "tiny")
    save_tokenizer(tokenizer, folder / "tiny")
    base = LlamaForCausalLM.from_pretrained(folder / "tiny")
    lora = peft.LoraConfig(
        r=4,
        lora_alpha=16,
        target_modules=["q_proj", "v_proj", "down_proj"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    peft.get_peft_model(base, lora).save_pretrained(folder / "adapter")
    return folder


def tuned(models: Path, **fields: Any) -> System:
    given: dict[str, Any] = {"model": "tiny", "adapter": "adapter"}
    return System(id="arm", title="Arm", backend="transformers", **(given | fields))


def test_the_reply_is_that_of_pefts_merged_model(models: Path) -> None:
    # Oracle: peft's merge_and_unload and transformers' own greedy generate.
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    backend = open_backend(tuned(models), study_folder=models)
    reply = backend.generate(MESSAGES, GREEDY)
    base = open_backend(tuned(models, adapter=""), study_folder=models)
    plain = base.generate(MESSAGES, GREEDY)

    model: Any = AutoModelForCausalLM.from_pretrained(models / "tiny", dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, str(models / "adapter")).merge_and_unload()
    tokenizer = AutoTokenizer.from_pretrained(models / "tiny")
    prompt = prompt_tokens(tokenizer, MESSAGES)
    written = merged.generate(
        input_ids=torch.tensor([prompt]), max_new_tokens=12, do_sample=False, pad_token_id=0
    )[0, len(prompt) :]
    assert reply.raw_text == tokenizer.decode(written, skip_special_tokens=True)
    assert reply.raw_text != plain.raw_text


def test_a_base_known_by_its_name_is_not_looked_up(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # PEFT asks the Hub for the base's config when the adapter names no folder on this machine.
    asked: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        asked.append(args)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    adapter = edited(models, tmp_path / "named", base_model_name_or_path="somebody/tiny")
    backend = open_backend(tuned(models, adapter=str(adapter)), study_folder=models)
    assert backend.generate(MESSAGES, GREEDY).completion_tokens <= 12
    assert asked == []


def test_provenance_has_the_adapter_and_its_hash(models: Path) -> None:
    facts = open_backend(tuned(models, precision="bf16"), study_folder=models).provenance()
    base = open_backend(tuned(models, adapter=""), study_folder=models).provenance()
    weights = models / "adapter" / "adapter_model.safetensors"
    name = "adapter/adapter_model.safetensors"
    assert facts["files_sha256"][name] == sha256_of_file(weights)
    assert facts["files_sha256"] == files_sha256(tuned(models), models)
    assert (facts["adapter"], len(facts["adapter_sha256"])) == ("adapter", 64)
    assert facts["precision"] == "bf16"
    assert facts["libraries"]["peft"][0].isdigit()
    assert facts["model_sha256"] == base["model_sha256"]
    assert "adapter" not in base


def edited(models: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(models / "adapter", folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | changes))
    return folder


def test_adapters_that_do_not_fit_are_refused(models: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    def refused(adapter: Path, said: str) -> None:
        with pytest.raises(ModelError, match=said):
            open_backend(tuned(models, adapter=str(adapter)), study_folder=models)

    refused(tmp_path / "none", "there is no LoRA adapter at")
    other = edited(models, tmp_path / "other", base_model_name_or_path="somewhere/other-model")
    refused(other, r"trained on 'somewhere/other-model'")
    for kind in ("PREFIX_TUNING", "PROMPT_TUNING", "NO_SUCH_KIND"):
        refused(
            edited(models, tmp_path / kind, peft_type=kind),
            f"is of type {kind}, which is no change",
        )
    for start in ("lora_ga", "corda", "pissa_niter_4"):
        data = edited(models, tmp_path / start, init_lora_weights=start)
        refused(data, f"init_lora_weights '{start}'.*path_initial_model_for_weight_conversion")
    refused(edited(models, tmp_path / "rank", r=8), "does not fit the checkpoint")

    # The tokenizer that a trainer stored beside the adapter.
    for kept in ("chat_template.jinja", "tokenizer_config.json"):
        trained = edited(models, tmp_path / kept)
        template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
        text = template if kept.endswith("jinja") else json.dumps({"chat_template": template})
        (trained / kept).write_text(text)
        refused(trained, r"chat template of its own.*Copy its tokenizer's")
    same = edited(models, tmp_path / "same")
    save_tokenizer(train_tokenizer(["I cannot sleep."], vocab_size=280, context_length=64), same)
    assert open_backend(tuned(models, adapter=str(same)), study_folder=models)

    # PEFT only warns of a missing matrix and runs on with its start value.
    lacking = edited(models, tmp_path / "lacking")
    tensors = load_file(lacking / "adapter_model.safetensors")
    first = min(tensors)
    del tensors[first]
    save_file(tensors, lacking / "adapter_model.safetensors")
    refused(lacking, "1 of its tensors differ, the first is")


def test_4_bit_without_a_gpu_and_an_adapter_elsewhere_are_refused(models: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="'4bit' needs an NVIDIA GPU, and torch finds none"):
            open_backend(tuned(models, precision="4bit"), study_folder=models)
    offline = System(id="arm", title="Arm", backend="executorch", model="x.pte", adapter="adapter")
    with pytest.raises(ModelError, match=r"has 'adapter', which backend 'executorch' does not"):
        open_backend(offline, study_folder=models)
