"""Makes the shipped demo model, base and tuned, by the recipe code: ``python -m models.demo.training``.

Both are trainings of all weights by the recipe emosapp with other numbers: the base from random
weights on whole dialogues with plain replies, the tuned model from the base on supportive replies.

On one machine the same command with the same number of threads gives the same weights: seeds,
threads and the order of the data are fixed. Between machines they may differ, because the matrix
kernels are chosen by the processor and add in another order; the held-out losses then agree to
about two decimals. The tokenizer files are the same everywhere.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.demo.corpus import Style, draw_dialogues
from models.demo.tokenizer import save_tokenizer, train_tokenizer
from models.training.conversation_data import read_conversations
from models.training.data_preparation import DataFiles, prepare_data
from models.training.measuring import stored_loss
from models.training.recipes import training_settings
from models.training.running import CHECKPOINT, TrainingJob, train

if TYPE_CHECKING:
    from models.training.trainer import Step

CHECKPOINT_NOTE = """---
license: apache-2.0
---
A demo model of evenhand, for trying the toolkit only; see the model card in the folder above.
"""

HELD_OUT_SEED = 900_001
RECIPE = "emosapp"
_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}

Progress = Callable[[str, "Step"], None]


@dataclass(frozen=True)
class DemoRecipe:
    """All numbers that decide the weights."""

    hidden_size: int = 192
    intermediate_size: int = 512
    layers: int = 4
    heads: int = 6
    key_value_heads: int = 2
    vocab_size: int = 2048
    context_length: int = 512
    batch_size: int = 24
    base_steps: int = 600
    tuned_steps: int = 1300
    base_rate: float = 3e-3
    tuned_rate: float = 2e-3
    warmup_steps: int = 50
    weight_decay: float = 0.05
    held_out: int = 300
    seed: int = 20250
    threads: int = 1


@dataclass(frozen=True)
class DemoStage:
    """One of the two trainings."""

    name: str
    style: Style
    steps: int
    rate: float
    learn: str


def stages(recipe: DemoRecipe) -> tuple[DemoStage, DemoStage]:
    """The base learns messages and replies as running text, the tuned one only to reply."""
    return (
        DemoStage("demo-base", "plain", recipe.base_steps, recipe.base_rate, "everything"),
        DemoStage("demo-tuned", "supportive", recipe.tuned_steps, recipe.tuned_rate, "replies"),
    )


def write_dialogues(style: Style, count: int, seed: int, path: Path) -> Path:
    """Write drawn dialogues in ShareGPT form, one a line, with their topic."""
    with path.open("w", encoding="utf-8") as file:
        for dialogue in draw_dialogues(style, count, seed):
            turns = [
                {"from": _SPEAKERS[message["role"]], "value": message["content"]}
                for message in dialogue.messages
            ]
            file.write(json.dumps({"topic": dialogue.topic, "conversations": turns}) + "\n")
    return path


def write_untrained(recipe: DemoRecipe, data: Sequence[Path], folder: Path) -> Path:
    """Write a checkpoint with random weights drawn from the recipe's seed, and its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    texts = (
        message["content"]
        for path in data
        for conversation in read_conversations(path).conversations
        for message in conversation.messages
    )
    tokenizer = train_tokenizer(
        texts, vocab_size=recipe.vocab_size, context_length=recipe.context_length
    )
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        max_position_embeddings=recipe.context_length,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model: Any = LlamaForCausalLM(config).to(torch.float16)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


def demo_changes(recipe: DemoRecipe, *, steps: int, rate: float, learn: str) -> dict[str, Any]:
    """The recipe's settings that are others for the demo model."""
    return {
        "learning_rate": rate,
        "schedule": "cosine",
        "warmup_steps": recipe.warmup_steps,
        "batch_size": recipe.batch_size,
        "epochs": 1,
        "max_steps": steps,
        "max_tokens": recipe.context_length,
        "weight_decay": recipe.weight_decay,
        "beta2": 0.95,
        "learn": learn,
        # The grammar has no names, and a roughened message can look like one.
        "clean_names": False,
        "group_by_length": True,
        "evaluate_every": 200,
        "save_every": 200,
        "threads": recipe.threads,
        "seed": recipe.seed,
    }


def train_demo_model(
    output: Path, recipe: DemoRecipe, progress: Progress
) -> dict[str, dict[str, float]]:
    """Train and write ``demo-base`` and ``demo-tuned`` under ``output``.

    The data, the training cards and loss curves are left in ``output/work``.

    Returns
    -------
    dict
        Held-out loss in nats per reply token: by model, on plain and on supportive replies.
    """
    work = output / "work"
    work.mkdir(parents=True)
    data, held_out = {}, {}
    for stage in stages(recipe):
        size = recipe.batch_size * stage.steps
        file = work / f"{stage.style}.jsonl"
        data[stage.style] = write_dialogues(stage.style, size, recipe.seed, file)
        file = work / f"held-out-{stage.style}.jsonl"
        held_out[stage.style] = write_dialogues(stage.style, recipe.held_out, HELD_OUT_SEED, file)
    checkpoint = write_untrained(recipe, list(data.values()), work / "untrained")
    losses: dict[str, dict[str, float]] = {}
    for stage in stages(recipe):
        changes = demo_changes(recipe, steps=stage.steps, rate=stage.rate, learn=stage.learn)
        settings = training_settings(RECIPE, {"method": "full"} | changes)
        files = DataFiles((data[stage.style],), (held_out[stage.style],))
        job = TrainingJob(
            checkpoint, prepare_data(files, settings), work / stage.name, RECIPE, settings
        )
        train(job, progress=lambda step, name=stage.name: progress(name, step))  # type: ignore[misc]
        checkpoint = (work / stage.name / CHECKPOINT).rename(output / stage.name)
        (checkpoint / "README.md").write_text(CHECKPOINT_NOTE, encoding="utf-8")
        losses[stage.name] = {
            style: round(stored_loss(checkpoint, read_conversations(path).conversations), 4)
            for style, path in held_out.items()
        }
    return losses


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the training."""
    from rich.progress import Progress as Bar

    defaults = DemoRecipe()
    parser = argparse.ArgumentParser(prog="python -m models.demo.training", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-model"))
    for name in ("base_steps", "tuned_steps", "threads", "seed", "held_out"):
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name)
        )
    options = vars(parser.parse_args(arguments))
    output = options.pop("output")
    recipe = DemoRecipe(**options)
    with Bar() as bar:
        tasks = {
            stage.name: bar.add_task(stage.name, total=stage.steps) for stage in stages(recipe)
        }

        def show(name: str, step: Step) -> None:
            loss = "" if step.loss is None else f" loss {step.loss:.3f}"
            bar.update(tasks[name], completed=step.done, description=f"{name}{loss}")

        losses = train_demo_model(output, recipe, show)
    record = {"recipe": asdict(recipe), "held_out_loss_nats_per_reply_token": losses}
    (output / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
