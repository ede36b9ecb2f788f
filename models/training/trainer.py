"""transformers' Trainer with a held-out loss per token, progress, early stop and QAT's start.

Imported only where a training runs: transformers and torch load with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from models.training.fake_quantization import switch_fake_quantization
from models.training.learned_tokens import IGNORED, Example
from models.training.model_loading import uses_bf16
from models.training.recipes import TrainingSettings

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
_STATES_KEPT = 2


@dataclass(frozen=True)
class Step:
    """How far a training is.

    Attributes
    ----------
    done, total : int
        Steps of the optimizer.
    loss, held_out_loss : float or None
        Latest values, in nats per learned token.
    """

    done: int
    total: int
    loss: float | None
    held_out_loss: float | None


Progress = Callable[[Step], None]


class Examples(torch.utils.data.Dataset[dict[str, list[int]]]):
    """Encoded conversations as transformers takes them."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = tuple(examples)

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, at: int) -> dict[str, list[int]]:
        example = self.examples[at]
        return {"input_ids": list(example.tokens), "labels": list(example.labels)}


@dataclass(frozen=True)
class Padding:
    """Joins examples into one batch, padded on the right."""

    pad_token: int

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Tensors of shape (batch, longest)."""
        longest = max(len(row["input_ids"]) for row in rows)
        shape = (len(rows), longest)
        batch = {
            "input_ids": torch.full(shape, self.pad_token, dtype=torch.long),
            "labels": torch.full(shape, IGNORED, dtype=torch.long),
            "attention_mask": torch.zeros(shape, dtype=torch.long),
        }
        for at, row in enumerate(rows):
            length = len(row["input_ids"])
            batch["input_ids"][at, :length] = torch.tensor(row["input_ids"])
            batch["labels"][at, :length] = torch.tensor(row["labels"])
            batch["attention_mask"][at, :length] = 1
        return batch


class SimilarLengths(torch.utils.data.Sampler[int]):
    """Shuffled batches of examples of similar length; the order depends on seed and epoch only.

    transformers' own sampler draws from the global generator, so that a resumed training would see
    another order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        rng = random.Random(f"{self.seed} {self.epoch}")  # noqa: S311 - the order must repeat
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        size, stretch = self.batch_size, self.batch_size * 20
        batches = []
        for start in range(0, len(order), stretch):
            part = sorted(order[start : start + stretch], key=lambda at: self.lengths[at])
            batches += [part[at : at + size] for at in range(0, len(part), size)]
        rng.shuffle(batches)
        # A short batch would shift all batches after it.
        batches.sort(key=lambda batch: len(batch) < size)
        return (at for batch in batches for at in batch)


def held_out_loss(
    model: Any, examples: Sequence[Example], pad_token: int, batch: int = 16
) -> float:
    """Mean cross-entropy in nats per learned token over all examples."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    padding = Padding(pad_token)
    # Similar lengths together; the sum does not depend on the order.
    rows = sorted(Examples(examples), key=lambda row: len(row["input_ids"]))  # type: ignore[call-overload]
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(rows), batch):
            tensors = {k: v.to(device) for k, v in padding(rows[start : start + batch]).items()}
            labels = tensors.pop("labels")[:, 1:]
            logits = model(**tensors).logits[:, :-1].float()
            looked_at = labels != IGNORED
            total += float(
                torch.nn.functional.cross_entropy(
                    logits[looked_at], labels[looked_at], reduction="sum"
                )
            )
            count += int(looked_at.sum())
    model.train(was_training)
    return total / count


class RecipeTrainer(Trainer):  # type: ignore[misc]  # transformers has no types
    """Trainer whose held-out loss is the mean over tokens, not over batches."""

    control: TrainerControl

    def __init__(self, *, settings: TrainingSettings, held_out: Sequence[Example], **kwargs: Any):
        self.settings = settings
        self.held_out = held_out
        super().__init__(**kwargs)
        self.remove_callback(PrinterCallback)

    def evaluate(self, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Held-out loss in nats per learned token, logged."""
        metrics = {
            "eval_loss": held_out_loss(self.model, self.held_out, self.data_collator.pad_token)
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.settings.group_by_length:
            return super()._get_train_sampler(train_dataset)
        lengths = [
            len(example.tokens) for example in (train_dataset or self.train_dataset).examples
        ]
        size = self.settings.batch_size * self.settings.accumulation
        return SimilarLengths(lengths, size, self.settings.seed)


class ToldProgress(TrainerCallback):  # type: ignore[misc]
    """Tells every step and the latest losses."""

    def __init__(self, told: Progress) -> None:
        self.told = told
        self.loss: float | None = None
        self.held_out_loss: float | None = None

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
        """Remember the latest losses."""
        self.loss = logs.get("loss", self.loss)
        self.held_out_loss = logs.get("eval_loss", self.held_out_loss)
        self._tell(state)

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Tell the step."""
        self._tell(state)

    def _tell(self, state: Any) -> None:
        self.told(Step(state.global_step, state.max_steps, self.loss, self.held_out_loss))


class FakeQuantizationStart(TrainerCallback):  # type: ignore[misc]
    """Switches fake quantization on from a step; also right after resuming."""

    def __init__(self, model: Any, first_step: int) -> None:
        self.model = model
        self.first_step = first_step

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Switch on once the step is reached."""
        # global_step counts the steps that are done.
        switch_fake_quantization(self.model, on=state.global_step >= self.first_step)


class StopWithoutGain(TrainerCallback):  # type: ignore[misc]
    """Ends the training at the first held-out loss that is ``steps`` after the best one or later.

    transformers' own early stop counts evaluations; the recipe counts steps. The history is the
    trainer's own, so that nothing is forgotten by resuming.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_evaluate(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Compare with the best so far."""
        losses = [
            (entry["eval_loss"], entry["step"])
            for entry in state.log_history
            if "eval_loss" in entry and entry["step"] > 0
        ]
        if losses and state.global_step - min(losses)[1] >= self.steps:
            control.should_training_stop = True


def trainer_arguments(settings: TrainingSettings, folder: Path, *, resumed: bool) -> Any:
    """The settings in transformers' words; nothing is reported to any service."""
    together = {"strategy": "steps", "steps": settings.evaluate_every}
    if settings.evaluate_every == 0:
        together = {"strategy": "epoch", "steps": 1}
    saving = together if settings.keep_best else {"strategy": "steps", "steps": settings.save_every}
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=_SCHEDULES[settings.schedule],
        warmup_steps=settings.warmup_steps or settings.warmup_share,
        weight_decay=settings.weight_decay,
        optim="adamw_torch",
        adam_beta2=settings.beta2,
        max_grad_norm=settings.clip_norm,
        eval_strategy=together["strategy"],
        eval_steps=together["steps"],
        eval_on_start=not resumed,
        save_strategy=saving["strategy"],
        save_steps=saving["steps"],
        save_total_limit=_STATES_KEPT,
        load_best_model_at_end=settings.keep_best,
        metric_for_best_model="eval_loss" if settings.keep_best else None,
        greater_is_better=False if settings.keep_best else None,
        logging_steps=settings.log_every,
        bf16=uses_bf16(settings),
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
        push_to_hub=False,
    )
