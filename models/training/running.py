"""One training from checkpoint and data to the folder that ``evenhand quantize`` takes."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.library_noise import libraries_kept_quiet, library_noise_kept_out
from models.offline.architectures import exportable_config
from models.offline.export import TOKENIZER_FILES, file_sha256, licence_line
from models.offline.weights import Checkpoint, open_checkpoint
from models.training.data_preparation import PreparedData
from models.training.learned_tokens import EncodedData, encode_conversations
from models.training.loss_curve import PLOT, TABLE, loss_points, write_loss_curve
from models.training.recipes import PUBLISHED, TrainingSettings
from models.training.resuming import STATES, begin
from models.training.training_card import TrainingCard, changed_notes, library_versions
from study.errors import ModelError
from study.whole_files import FOR_ALL, write_whole

if TYPE_CHECKING:
    from models.training.trainer import RecipeTrainer, Step

CHECKPOINT, ADAPTER = "checkpoint", "adapter"


@dataclass(frozen=True)
class TrainingJob:
    """What to train, with what, and where to."""

    checkpoint: Path
    data: PreparedData
    output: Path
    recipe: str
    settings: TrainingSettings


@dataclass(frozen=True)
class _Encoded:
    training: EncodedData
    held_out: EncodedData
    max_tokens: int
    pad_token: int

    def facts(self) -> dict[str, int]:
        return {
            "longest conversation": self.max_tokens,
            "shortened: last turns left out": self.training.shortened + self.held_out.shortened,
            "left out: first exchange too long": self.training.left_out + self.held_out.left_out,
            "learned tokens": sum(example.learned for example in self.training.examples),
            "held-out tokens": sum(example.learned for example in self.held_out.examples),
        }


def train(
    job: TrainingJob, *, resume: bool = False, progress: Callable[[Step], None] | None = None
) -> TrainingCard:
    """Train, and write model or adapter, losses and card.

    The output folder gets ``checkpoint/`` (method full) or ``adapter/`` (a PEFT adapter),
    ``losses.csv``, ``losses.svg``, ``training.json`` and ``TRAINING.md``.

    Parameters
    ----------
    job : TrainingJob
    resume : bool
        Go on with a training that was stopped; it ends as if it had not been.
    progress : callable or None
        Gets a :class:`models.training.trainer.Step` after each step.

    Raises
    ------
    ModelError
        When checkpoint, data or settings cannot be used, or there is nothing to resume.
    """
    with library_noise_kept_out():
        from models.training.model_loading import load_model, load_tokenizer, refuse_missing_gpu

        refuse_missing_gpu(job.settings)
        source = open_checkpoint(job.checkpoint)
        # What could never become an offline file is told before the training; its length is chosen later.
        exportable_config(source.config, 2, str(job.checkpoint))
        encoded = _encode(job, source, load_tokenizer(source))
        _refuse_late_start(job.settings, len(encoded.training.examples))
        _set_threads_and_seed(job.settings)
        state = begin(job.output, _start(job, source), resume=resume)
        model = load_model(source, job.settings)
    started = time.monotonic()
    with libraries_kept_quiet():
        trainer = _trainer(job, model, encoded, progress, resumed=state is not None)
        trainer.train(resume_from_checkpoint=None if state is None else str(state))
        kept = _kept(trainer, encoded)
        outputs = _save(job, source, trainer.model)
    card = _card(job, source, encoded, trainer.state, kept, outputs)
    card = replace(card, seconds=round(time.monotonic() - started, 1))
    card.write(job.output)
    shutil.rmtree(job.output / STATES, ignore_errors=True)
    return card


def _card(
    job: TrainingJob,
    source: Checkpoint,
    encoded: _Encoded,
    state: Any,
    kept: tuple[int, float],
    outputs: dict[str, str],
) -> TrainingCard:
    """Write the loss curve, and say what was trained."""
    points = loss_points(state.log_history)
    qat = job.settings.method == "qat-lora"
    write_loss_curve(points, job.output, job.settings.fake_quantization_from if qat else None)
    before = next((p.loss for p in points if p.step == 0 and p.kind == "held out"), None)
    curves = {name: file_sha256(job.output / name) for name in (TABLE, PLOT)}
    return TrainingCard(
        recipe=job.recipe,
        settings=job.settings.model_dump(),
        checkpoint=_checkpoint_facts(source),
        data=job.data.facts | {"tokens": encoded.facts()},
        steps=int(state.global_step),
        seconds=0.0,
        held_out_loss={"before": before, "after": kept[1]},
        kept_step=kept[0],
        stopped="early stop" if state.global_step < state.max_steps else "the last step",
        outputs=outputs | curves,
        device=_device(),
        libraries=library_versions(),
        notes=_notes(job, encoded),
    )


def _encode(job: TrainingJob, source: Checkpoint, tokenizer: Any) -> _Encoded:
    limit = int(source.config.get("max_position_embeddings") or job.settings.max_tokens)
    longest = min(job.settings.max_tokens, limit)
    sides = [
        encode_conversations(part, tokenizer, max_tokens=longest, learn=job.settings.learn)
        for part in (job.data.split.training, job.data.split.held_out)
    ]
    for name, side in zip(("training", "held-out"), sides, strict=True):
        if not side.examples:
            raise ModelError(
                f"No {name} conversation is left: each of them is longer than {longest} tokens. "
                f"Set max_tokens higher (the checkpoint takes {limit}), or give shorter ones."
            )
    pad = tokenizer.pad_token_id
    return _Encoded(sides[0], sides[1], longest, tokenizer.eos_token_id if pad is None else pad)


def total_steps(settings: TrainingSettings, conversations: int) -> int:
    """Steps of the optimizer that the settings make of so many conversations."""
    passes = math.ceil(conversations / settings.batch_size)
    by_epochs = math.ceil(settings.epochs * math.ceil(passes / settings.accumulation))
    return settings.max_steps or by_epochs


def _refuse_late_start(settings: TrainingSettings, conversations: int) -> None:
    steps = total_steps(settings, conversations)
    if settings.method == "qat-lora" and settings.fake_quantization_from >= steps:
        raise ModelError(
            f"fake_quantization_from is {settings.fake_quantization_from}, and the training has "
            f"{steps} steps, so fake quantization would never begin. Set it lower, or train longer."
        )


def _set_threads_and_seed(settings: TrainingSettings) -> None:
    import torch
    from transformers import set_seed

    if settings.threads:
        torch.set_num_threads(settings.threads)
    # Before the model is made: the seed decides LoRA's first weights.
    set_seed(settings.seed)


def _start(job: TrainingJob, source: Checkpoint) -> dict[str, Any]:
    start = {
        "recipe": job.recipe,
        "settings": job.settings.model_dump(),
        "checkpoint": _checkpoint_facts(source)["sha256"],
        "data": {name: file["sha256"] for name, file in job.data.facts["files"].items()},
        "cleaned": job.data.facts["cleaned"],
        "split": job.data.facts["split"],
    }
    result: dict[str, Any] = json.loads(json.dumps(start))
    return result


def _checkpoint_facts(source: Checkpoint) -> dict[str, Any]:
    used = [source.folder / "config.json", *source.weight_files]
    used += [source.folder / n for n in TOKENIZER_FILES if (source.folder / n).is_file()]
    return {
        "name": source.folder.resolve().name,
        "licence": licence_line(source.folder),
        "sha256": {path.name: file_sha256(path) for path in used},
    }


def _trainer(
    job: TrainingJob,
    model: Any,
    encoded: _Encoded,
    progress: Callable[[Step], None] | None,
    *,
    resumed: bool,
) -> RecipeTrainer:
    from models.training import trainer as parts

    settings = job.settings
    trainer = parts.RecipeTrainer(
        settings=settings,
        held_out=encoded.held_out.examples,
        model=model,
        args=parts.trainer_arguments(settings, job.output / STATES, resumed=resumed),
        train_dataset=parts.Examples(encoded.training.examples),
        eval_dataset=parts.Examples(encoded.held_out.examples),
        data_collator=parts.Padding(encoded.pad_token),
    )
    if settings.method == "qat-lora":
        trainer.add_callback(
            parts.FakeQuantizationStart(trainer.model, settings.fake_quantization_from)
        )
    if settings.stop_after:
        trainer.add_callback(parts.StopWithoutGain(settings.stop_after))
    if progress is not None:
        trainer.add_callback(parts.ToldProgress(progress))
    return trainer


def _kept(trainer: RecipeTrainer, encoded: _Encoded) -> tuple[int, float]:
    """The step whose weights the model has now, and their held-out loss."""
    from models.training.trainer import held_out_loss

    best = trainer.args.load_best_model_at_end and trainer.state.best_global_step
    step = int(best or trainer.state.global_step)
    loss = held_out_loss(trainer.model, encoded.held_out.examples, encoded.pad_token)
    if not math.isfinite(loss):
        raise ModelError(
            f"The training diverged: the held-out loss of step {step} is {loss}. Nothing was kept. "
            f"Set a lower learning_rate (it was {trainer.settings.learning_rate:g}) or a longer "
            f"warm-up, and train into a new folder."
        )
    return step, loss


def _save(job: TrainingJob, source: Checkpoint, model: Any) -> dict[str, str]:
    full = job.settings.method == "full"
    folder = job.output / (CHECKPOINT if full else ADAPTER)
    if full:
        _save_checkpoint(source, model, folder)
    else:
        _save_adapter(source, model, folder)
    licence = licence_line(source.folder)
    (folder / "README.md").write_text(
        f"---\nlicense: {licence}\n---\nTrained by evenhand from the checkpoint "
        f"{source.folder.resolve().name}; {job.recipe}, {job.settings.method}. The training card "
        f"lies in the folder above.\n",
        encoding="utf-8",
    )
    return {
        path.relative_to(job.output).as_posix(): file_sha256(path)
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def _save_checkpoint(source: Checkpoint, model: Any, folder: Path) -> None:
    import torch

    stored = source.config.get("dtype") or source.config.get("torch_dtype") or "float32"
    # Weights are stored as the checkpoint stored them.
    model.to(getattr(torch, str(stored)))
    model.config.use_cache = True
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (source.folder / name).is_file():
            shutil.copyfile(source.folder / name, folder / name)


def _save_adapter(source: Checkpoint, model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # The folder's name is enough to know the base; its path is of this machine only.
    config["base_model_name_or_path"] = source.folder.resolve().name
    write_whole(path, json.dumps(config, indent=2, sort_keys=True) + "\n", mode=FOR_ALL)


def _device() -> str:
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "CPU"


def _notes(job: TrainingJob, encoded: _Encoded) -> list[str]:
    settings = job.settings.model_dump()
    # The methods are alternatives of one recipe, each with settings of its own.
    unused = {"method"}
    if job.settings.method == "full":
        unused |= {"rank", "alpha", "targets", "dropout"}
    if job.settings.method != "qat-lora":
        unused |= {"fake_quantization_from"}
    published = {n: value for n, value in PUBLISHED[job.recipe].items() if n not in unused}
    notes = changed_notes(published, settings)
    if encoded.max_tokens < job.settings.max_tokens:
        notes.append(
            f"Conversations were cut at {encoded.max_tokens} tokens, the checkpoint's limit; the "
            f"setting is {job.settings.max_tokens}."
        )
    return notes
