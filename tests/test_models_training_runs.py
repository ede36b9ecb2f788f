"""Whole trainings of a tiny random checkpoint. Oracles: an unbroken run, hand counts, properties."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.demo.corpus import draw_dialogues
from models.demo.tokenizer import save_tokenizer, train_tokenizer
from models.library_noise import library_noise_kept_out
from models.offline.export import file_sha256
from models.offline.merging import load_to_export
from models.offline.weights import load_weights, open_checkpoint
from models.training.data_preparation import DataFiles, prepare_data
from models.training.learned_tokens import IGNORED, Example
from models.training.loss_curve import LossPoint, loss_points
from models.training.measuring import stored_loss
from models.training.recipes import training_settings
from models.training.resuming import last_state
from models.training.running import TrainingJob, total_steps, train
from study.cli.group import run
from study.errors import ModelError

pytestmark = [
    pytest.mark.offline_model,
]

QUICK = {"learning_rate": 0.02, "log_every": 1, "threads": 1, "seed": 3, "warmup_share": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "talks.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for dialogue in draw_dialogues("plain", 60, 1):
            turns = [{"role": m["role"], "content": m["content"]} for m in dialogue.messages]
            file.write(json.dumps({"topic": dialogue.topic, "messages": turns}) + "\n")
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A Llama of 32 x 1 with random weights."""
    with library_noise_kept_out():
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        import models.training.trainer  # noqa: F401
    tokenizer = train_tokenizer([data.read_text()], vocab_size=400, context_length=256)
    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    LlamaForCausalLM(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture
def job(checkpoint: Path, data: Path, tmp_path: Path) -> Callable[..., TrainingJob]:
    def make(name: str = "out", recipe: str = "emosapp", **changes: Any) -> TrainingJob:
        settings = training_settings(recipe, QUICK | changes)
        return TrainingJob(
            checkpoint,
            prepare_data(DataFiles((data,)), settings),
            tmp_path / name,
            recipe,
            settings,
        )

    return make


def test_twenty_steps_lower_the_loss_and_the_card_tells_the_training(
    job: Callable[..., TrainingJob], capfd: pytest.CaptureFixture[str]
) -> None:
    told = []
    run_job = job(method="full", max_steps=20, accumulation=2)
    card = train(run_job, progress=told.append)
    assert capfd.readouterr() == ("", "")
    before, after = card.held_out_loss["before"], card.held_out_loss["after"]
    assert before is not None and after is not None and after < before - 0.3
    output = run_job.output
    # The stored checkpoint is the trained one, measured apart from the Trainer.
    conversations = run_job.data.split.held_out
    assert stored_loss(output / "checkpoint", conversations) == pytest.approx(after, abs=1e-5)
    assert card.outputs["checkpoint/model.safetensors"] == file_sha256(
        output / "checkpoint" / "model.safetensors"
    )
    assert (told[-1].done, told[-1].total) == (20, 20)
    with (output / "losses.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["kind"] == "training" for row in rows) == 20
    assert next(row["step"] for row in rows if row["kind"] == "held out") == "0"
    # Accumulated losses are means over tokens, not sums over passes.
    assert abs(float(rows[1]["loss_nats_per_token"]) - before) < 0.5
    assert (output / "losses.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")
    saved = json.loads((output / "training.json").read_text(encoding="utf-8"))
    assert saved["settings"]["max_steps"] == 20 and saved["device"]
    assert saved["data"]["split"]["training"] == 54
    assert not (output / "states").exists()
    with pytest.raises(ModelError, match="is not empty"):
        train(run_job)
    with pytest.raises(ModelError, match="has ended"):
        train(run_job, resume=True)


@pytest.mark.parametrize("method", ["lora", "qat-lora"])
def test_an_adapter_merges_as_quantize_merges_it(
    job: Callable[..., TrainingJob], method: str
) -> None:
    # Oracle: the loss that the trainer measured; for QAT under fake quantization, so the export's
    # quantization of the merged weights must give the same.
    run_job = job(method=method, max_steps=6, fake_quantization_from=3)
    card = train(run_job)
    adapter = run_job.output / "adapter"
    source = open_checkpoint(run_job.checkpoint)
    before, merged = load_weights(source), load_to_export(source, adapter).state_dict()
    changed = {n for n in before if not before[n].equal(merged[n].to(before[n].dtype))}
    assert changed == {f"model.layers.0.self_attn.{p}_proj.weight" for p in "qkvo"}
    loss = stored_loss(
        run_job.checkpoint,
        run_job.data.split.held_out,
        adapter=adapter,
        group_size=32 if method == "qat-lora" else None,
    )
    assert loss == pytest.approx(card.held_out_loss["after"], abs=2e-4)


KILLED = """
import json, sys, time
from pathlib import Path
from models.training.data_preparation import DataFiles, prepare_data
from models.training.recipes import training_settings
from models.training.running import TrainingJob, train
checkpoint, data, output, changes = sys.argv[1:]
settings = training_settings("emosapp", json.loads(changes))
job = TrainingJob(
    Path(checkpoint), prepare_data(DataFiles((Path(data),)), settings), Path(output), "emosapp", settings
)
def wait(step):
    if step.done == 11:
        Path(output, "reached").touch()
        time.sleep(120)
train(job, progress=wait)
"""


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_weights_of_the_unbroken_one(
    job: Callable[..., TrainingJob], data: Path
) -> None:
    # Fake quantization begins before the kill, and the kill is in the middle of the second epoch.
    changes = {"fake_quantization_from": 3, "save_every": 4, "batch_size": 8, "max_steps": 16}
    changes |= {"group_by_length": True, "method": "qat-lora"}
    unbroken, broken = job("unbroken", **changes), job("broken", **changes)
    train(unbroken)
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            KILLED,
            str(broken.checkpoint),
            str(data),
            str(broken.output),
            json.dumps(QUICK | changes),
        ]
    )
    try:
        limit = time.monotonic() + 120
        while not (broken.output / "reached").exists():
            assert process.poll() is None and time.monotonic() < limit
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    # As if it had been killed while it wrote its next state, too.
    (broken.output / "states" / "checkpoint-12").mkdir()
    (broken.output / "reached").unlink()
    with pytest.raises(ModelError, match=r"began with settings seed 3, and now it is 4"):
        train(job("broken", **changes | {"seed": 4}), resume=True)
    told = []
    train(broken, resume=True, progress=told.append)
    assert told[0].done == 9
    files = [
        run_job.output / "adapter" / "adapter_model.safetensors" for run_job in (unbroken, broken)
    ]
    assert file_sha256(files[0]) == file_sha256(files[1])
    curves = [(run_job.output / "losses.csv").read_text() for run_job in (unbroken, broken)]
    assert curves[0] == curves[1]


def test_the_best_weights_are_kept_and_the_training_ends_without_gain(
    job: Callable[..., TrainingJob],
) -> None:
    # A rate this high makes the loss worse from some step on.
    run_job = job(
        recipe="nile",
        learning_rate=0.6,
        schedule="constant",
        warmup_steps=0,
        evaluate_every=2,
        stop_after=6,
        max_steps=60,
    )
    card = train(run_job)
    with (run_job.output / "losses.csv").open(encoding="utf-8") as file:
        held_out = {
            int(row["step"]): float(row["loss_nats_per_token"])
            for row in csv.DictReader(file)
            if row["kind"] == "held out" and row["step"] != "0"
        }
    best = min(held_out, key=lambda step: held_out[step])
    assert card.kept_step == best
    assert card.held_out_loss["after"] == pytest.approx(held_out[best], abs=1e-4)
    assert card.stopped == "early stop"
    assert max(held_out) == card.steps == best + 6


def test_early_stop_counts_steps_not_evaluations() -> None:
    # By hand: best at step 300, evaluations at 600 (300 later: goes on) and 900 (600: ends).
    from models.training.trainer import StopWithoutGain

    history = [{"step": s, "eval_loss": x} for s, x in ((0, 0.5), (300, 1.0), (600, 1.1))]
    for step, ends in ((600, False), (900, True)):
        control = SimpleNamespace(should_training_stop=False)
        if step == 900:
            history.append({"step": 900, "eval_loss": 1.2})
        state = SimpleNamespace(global_step=step, log_history=history)
        StopWithoutGain(500).on_evaluate(None, state, control)
        assert control.should_training_stop is ends


def test_held_out_loss_is_the_mean_over_tokens() -> None:
    # By hand: uniform logits over 8 tokens cost ln 8 at each of 1 + 3 learned positions, and the
    # token that the first text ends with costs ln 8 - ln 2 where its logit says so.
    import math

    import torch

    from models.training.trainer import held_out_loss

    class Uniform(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            logits = torch.zeros(*input_ids.shape, 8)
            logits[..., 5] = math.log(9)
            return SimpleNamespace(logits=logits)

    examples = [
        Example((1, 2, 5), (IGNORED, IGNORED, 5)),
        Example((1, 2, 3, 4, 3), (IGNORED, IGNORED, 3, 4, 3)),
    ]
    # Softmax: token 5 has 9 of 16, every other 1 of 16.
    expected = (math.log(16 / 9) + 3 * math.log(16)) / 4
    assert held_out_loss(Uniform(), examples, 0) == pytest.approx(expected, rel=1e-6)


def test_lora_layers_and_late_starts_are_checked(job: Callable[..., TrainingJob]) -> None:
    with pytest.raises(ModelError, match=r"no layer 'w_q'; it has .*q_proj"):
        train(job(method="lora", targets="w_q,q_proj"))
    with pytest.raises(ModelError, match="has 70 steps, so fake quantization would never begin"):
        train(job(fake_quantization_from=1000))
    with pytest.raises(ModelError, match="is longer than 8 tokens"):
        train(job(max_tokens=8, method="lora"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attention_bias": True}, "attention_bias True"),
        ({"logits_scaling": 8.0}, r"logits_scaling 8\.0"),
        ({"some_new_switch": "on"}, "the field 'some_new_switch'"),
    ],
    ids=str,
)
def test_a_checkpoint_that_could_never_be_exported_is_not_trained(
    job: Callable[..., TrainingJob], tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    run_job = job(max_steps=1)
    folder = tmp_path / "tiny"
    shutil.copytree(run_job.checkpoint, folder)
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=said):
        train(replace(run_job, checkpoint=folder))
    assert not run_job.output.exists()


def test_a_diverged_training_is_no_model(job: Callable[..., TrainingJob]) -> None:
    run_job = job(method="full", learning_rate=1e30, max_steps=3)
    with pytest.raises(ModelError, match=r"The training diverged: .* is nan"):
        train(run_job)
    assert not (run_job.output / "checkpoint").exists()


def test_qlora_without_a_gpu_is_refused(job: Callable[..., TrainingJob]) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(ModelError, match=r"needs a CUDA GPU.*Run with --quantization none"):
        train(job(recipe="eai"))


def test_steps_are_counted_as_the_trainer_counts_them() -> None:
    # By hand: 54 conversations, 2 x 8: 27 passes are 4 steps (the last of 3 passes), 3 epochs 12.
    assert total_steps(training_settings("eai"), 54) == 12
    assert total_steps(training_settings("emosapp"), 54) == 70
    assert total_steps(training_settings("nile", {"max_steps": 5}), 54) == 5


def test_half_written_states_are_left_out(tmp_path: Path) -> None:
    for step, text in ((4, "{}"), (8, "{}"), (12, '{"glob')):
        folder = tmp_path / "states" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "trainer_state.json").write_text(text)
    assert last_state(tmp_path) == tmp_path / "states" / "checkpoint-8"
    assert not (tmp_path / "states" / "checkpoint-12").exists()


def test_loss_points_take_the_last_of_a_step() -> None:
    history = [
        {"step": 0, "eval_loss": 3.0},
        {"step": 2, "loss": 2.0, "learning_rate": 0.1},
        {"step": 2, "eval_loss": 2.5},
        {"step": 2, "eval_loss": 2.4},
        {"step": 2, "train_runtime": 1.0},
    ]
    assert loss_points(history) == (
        LossPoint(0, "held out", 3.0),
        LossPoint(2, "held out", 2.4),
        LossPoint(2, "training", 2.0, 0.1),
    )


def test_the_command_trains_and_prints_its_card(
    checkpoint: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    changes = [f"--set={n}={v}" for n, v in (QUICK | {"max_steps": 2}).items()]
    arguments = [str(checkpoint), str(data), "--recipe", "eai", "--quantization", "none", "-o", out]
    assert run(["train", *arguments, *changes, "--identity", "Sage", "--json"]) == 0
    printed = capfd.readouterr()
    card = json.loads(printed.out)
    assert card["data"]["split"]["identity examples"] == 30
    assert (
        "Differs from the published recipe: quantization is none, published 4bit." in card["notes"]
    )
    assert "torchao" not in printed.err and "Writing" not in printed.err
    assert run(["train", *arguments, *changes]) == 2
    assert "is not empty" in capfd.readouterr().err
