"""Trains the shipped demo model, base and tuned, from scratch: ``python -m models.demo_training``.

On one machine the same command with the same number of threads gives the same file hashes: seeds,
threads and the order of the data are fixed. Between machines the hashes may differ, because the
matrix kernels are chosen by the processor and add in another order; the held-out losses then agree
to about two decimals. The tokenizer files are the same everywhere.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.demo_corpus import Dialogue, Style, draw_dialogues
from models.demo_tokenizer import save_tokenizer, train_tokenizer

CHECKPOINT_NOTE = """---
license: apache-2.0
---
A demo model of evenhand, for trying the toolkit only; see the model card in the folder above.
"""

HELD_OUT_SEED = 900_001
IGNORED = -100

Progress = Callable[[str, int, int, float], None]


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
class Example:
    """One dialogue as tokens; ``labels`` are -100 where the loss does not look."""

    tokens: tuple[int, ...]
    labels: tuple[int, ...]


def encode(dialogue: Dialogue, tokenizer: Any, *, replies_only: bool) -> Example:
    """Tokens and labels of a dialogue in the chat format."""
    encoded = tokenizer.apply_chat_template(
        list(dialogue.messages), return_dict=True, return_assistant_tokens_mask=True
    )
    tokens = list(encoded["input_ids"])
    if not replies_only:
        return Example(tuple(tokens), tuple(tokens))
    mask = encoded["assistant_masks"]
    labels = (t if m else IGNORED for t, m in zip(tokens, mask, strict=True))
    return Example(tuple(tokens), tuple(labels))


def batches(examples: Sequence[Example], size: int, rng: random.Random) -> Iterator[list[Example]]:
    """Shuffled batches of examples of similar length, so that little is padding."""
    order = list(range(len(examples)))
    rng.shuffle(order)
    stretch = size * 20
    ready = []
    for start in range(0, len(order), stretch):
        part = sorted(order[start : start + stretch], key=lambda i: len(examples[i].tokens))
        ready += [part[at : at + size] for at in range(0, len(part), size)]
    rng.shuffle(ready)
    for batch in ready:
        yield [examples[i] for i in batch]


def as_tensors(batch: Sequence[Example], pad: int) -> tuple[Any, Any]:
    """Right-padded tokens and labels, shape (batch, longest); causal attention needs no mask."""
    import torch

    longest = max(len(example.tokens) for example in batch)
    tokens = torch.full((len(batch), longest), pad, dtype=torch.long)
    labels = torch.full((len(batch), longest), IGNORED, dtype=torch.long)
    for row, example in enumerate(batch):
        tokens[row, : len(example.tokens)] = torch.tensor(example.tokens)
        labels[row, : len(example.labels)] = torch.tensor(example.labels)
    return tokens, labels


def new_model(recipe: DemoRecipe, tokenizer: Any) -> Any:
    """A LlamaForCausalLM with random weights drawn from the recipe's seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

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
    return LlamaForCausalLM(config)


def train_stage(
    model: Any,
    examples: Sequence[Example],
    *,
    name: str,
    steps: int,
    rate: float,
    recipe: DemoRecipe,
    progress: Progress,
) -> None:
    """Run ``steps`` of AdamW with linear warm-up and cosine decay to a tenth of the rate."""
    import math

    import torch

    pad = model.config.pad_token_id
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay
    )

    def scale(step: int) -> float:
        warm = min(1.0, (step + 1) / recipe.warmup_steps)
        return warm * (0.55 + 0.45 * math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
    rng = random.Random(f"{recipe.seed} {name}")  # noqa: S311 - the order must repeat
    model.train()
    step = 0
    while step < steps:
        for batch in batches(examples, recipe.batch_size, rng):
            tokens, labels = as_tensors(batch, pad)
            loss = model(input_ids=tokens, labels=labels).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            progress(name, step, steps, float(loss.detach()))
            if step == steps:
                break


def held_out_loss(model: Any, examples: Sequence[Example], pad: int) -> float:
    """Mean cross-entropy in nats per reply token over the examples."""
    import torch

    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(examples), 50):
            tokens, labels = as_tensors(examples[start : start + 50], pad)
            looked_at = int((labels[:, 1:] != IGNORED).sum())
            total += float(model(input_ids=tokens, labels=labels).loss) * looked_at
            count += looked_at
    return total / count


def train_demo_model(
    output: Path, recipe: DemoRecipe, progress: Progress
) -> dict[str, dict[str, float]]:
    """Train and write ``demo-base`` and ``demo-tuned`` under ``output``.

    Returns
    -------
    dict
        Held-out loss in nats per reply token: by model, on plain and on supportive replies.
    """
    import torch

    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    size = recipe.batch_size
    sizes: dict[Style, int] = {
        "plain": size * recipe.base_steps,
        "supportive": size * recipe.tuned_steps,
    }
    drawn = {style: draw_dialogues(style, n, recipe.seed) for style, n in sizes.items()}
    texts = (m["content"] for part in drawn.values() for d in part for m in d.messages)
    tokenizer = train_tokenizer(
        texts, vocab_size=recipe.vocab_size, context_length=recipe.context_length
    )
    held_out = {
        style: [
            encode(d, tokenizer, replies_only=True)
            for d in draw_dialogues(style, recipe.held_out, HELD_OUT_SEED)
        ]
        for style in sizes
    }
    model = new_model(recipe, tokenizer)
    losses: dict[str, dict[str, float]] = {}
    stages: tuple[tuple[str, Style, int, float], ...] = (
        ("demo-base", "plain", recipe.base_steps, recipe.base_rate),
        ("demo-tuned", "supportive", recipe.tuned_steps, recipe.tuned_rate),
    )
    for name, style, steps, rate in stages:
        # The base learns messages and replies as running text, the tuned one only to reply.
        examples = [encode(d, tokenizer, replies_only=style == "supportive") for d in drawn[style]]
        train_stage(
            model, examples, name=name, steps=steps, rate=rate, recipe=recipe, progress=progress
        )
        losses[name] = {
            str(s): round(held_out_loss(model, part, tokenizer.pad_token_id), 4)
            for s, part in held_out.items()
        }
        save_checkpoint(model, tokenizer, output / name)
    return losses


def save_checkpoint(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a Hugging Face checkpoint with 16-bit weights; the model itself stays as it is."""
    import copy

    import torch

    halved = copy.deepcopy(model).to(torch.float16)
    halved.config.dtype = torch.float16
    halved.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    (folder / "README.md").write_text(CHECKPOINT_NOTE, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the training."""
    from rich.progress import Progress as Bar

    defaults = DemoRecipe()
    parser = argparse.ArgumentParser(prog="python -m models.demo_training", description=__doc__)
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
            "demo-base": bar.add_task("demo-base", total=recipe.base_steps),
            "demo-tuned": bar.add_task("demo-tuned", total=recipe.tuned_steps),
        }

        def show(name: str, step: int, steps: int, loss: float) -> None:
            bar.update(tasks[name], completed=step, description=f"{name} loss {loss:.3f}")

        losses = train_demo_model(output, recipe, show)
    record = {"recipe": asdict(recipe), "held_out_loss_nats_per_reply_token": losses}
    (output / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
