"""What each training method and quantization cost on the demo model: ``python -m models.demo.variants``.

Trains a base from random weights, and from the shipped base a full, LoRA and QAT-LoRA variants,
each in one epoch over a small part of the demo dialogues, and measures the held-out loss of each as
it is and quantized as the export does it. LoRA and QAT-LoRA have the same data, seed and settings
but for the fake quantization. The variants are for this table only; they are not shipped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.demo.corpus import Style
from models.demo.training import (
    HELD_OUT_SEED,
    RECIPE,
    DemoRecipe,
    demo_changes,
    write_dialogues,
    write_untrained,
)
from models.shipped import shipped_path
from models.training.conversation_data import read_conversations
from models.training.data_preparation import DataFiles, prepare_data
from models.training.measuring import stored_loss
from models.training.recipes import Method, training_settings
from models.training.running import ADAPTER, CHECKPOINT, TrainingJob, train
from models.training.training_card import library_versions

if TYPE_CHECKING:
    from models.training.trainer import Step

GROUP_SIZE = 32
_SEED = 20251
Progress = Callable[[str, "Step"], None]


@dataclass(frozen=True)
class Variant:
    """One training: where it begins, how, and what it learns."""

    name: str
    method: Method
    style: Style
    rate: float
    targets: str = "attention"
    fake_from: float = 0.5


# Fake quantization begins at a share of the steps: half of them, or three quarters.
VARIANTS = (
    Variant("base, from random weights", "full", "plain", 3e-3),
    Variant("full", "full", "supportive", 2e-3),
    Variant("LoRA", "lora", "supportive", 4e-3),
    Variant("QAT-LoRA", "qat-lora", "supportive", 4e-3),
    Variant("QAT-LoRA, late", "qat-lora", "supportive", 4e-3, fake_from=0.75),
    Variant("LoRA, all layers", "lora", "supportive", 4e-3, "all-linear"),
    Variant("QAT-LoRA, all layers", "qat-lora", "supportive", 4e-3, "all-linear"),
)


@dataclass(frozen=True)
class VariantLoss:
    """One row of the table.

    Attributes
    ----------
    variant : str
    held_out : str
        Kind of the held-out replies.
    steps, seconds : int
        Of the training; 0 for a model that was only measured.
    loss, quantized_loss : float
        Nats per reply token, in fp32 and as the scheme 8da4w.
    """

    variant: str
    held_out: str
    steps: int
    seconds: int
    loss: float
    quantized_loss: float


def measure_variants(
    work: Path, *, dialogues: int, batch_size: int, held_out: int, progress: Progress
) -> dict[str, Any]:
    """Train and measure all variants.

    Parameters
    ----------
    work : Path
        Folder for data and variants.
    dialogues, batch_size : int
        Dialogues that each variant learns in one epoch, and of one step.
    held_out : int
        Dialogues of each kind to measure on.
    progress : callable
        Gets the variant's name and its step.

    Returns
    -------
    dict
        What was run, and ``rows`` of :class:`VariantLoss`.
    """
    steps = dialogues // batch_size
    recipe = DemoRecipe(batch_size=batch_size, seed=_SEED)
    styles: tuple[Style, ...] = ("plain", "supportive")
    files = {
        style: DataFiles(
            (write_dialogues(style, dialogues, _SEED, work / f"{style}.jsonl"),),
            (write_dialogues(style, held_out, HELD_OUT_SEED, work / f"held-out-{style}.jsonl"),),
        )
        for style in styles
    }
    untrained = write_untrained(recipe, [f.training[0] for f in files.values()], work / "untrained")
    measured: list[tuple[str, Style]] = [
        ("shipped demo-base", "plain"),
        ("shipped demo-base", "supportive"),
    ]
    measured += [("shipped demo-tuned", "supportive")]
    rows = [
        _row(name, style, files[style], shipped_path(name.split()[-1])) for name, style in measured
    ]
    for variant in VARIANTS:
        learn = "everything" if variant.style == "plain" else "replies"
        changes = demo_changes(recipe, steps=steps, rate=variant.rate, learn=learn)
        changes |= {"method": variant.method, "targets": variant.targets}
        changes |= {"fake_quantization_from": int(steps * variant.fake_from)}
        settings = training_settings(RECIPE, changes)
        start = untrained if variant.style == "plain" else shipped_path("demo-base")
        data = prepare_data(files[variant.style], settings)
        job = TrainingJob(start, data, work / variant.name, RECIPE, settings)
        card = train(job, progress=lambda step, name=variant.name: progress(name, step))  # type: ignore[misc]
        full = variant.method == "full"
        rows.append(
            _row(
                variant.name,
                variant.style,
                files[variant.style],
                job.output / CHECKPOINT if full else start,
                adapter=None if full else job.output / ADAPTER,
                steps=card.steps,
                seconds=round(card.seconds),
            )
        )
    return {
        "dialogues": dialogues,
        "batch size": batch_size,
        "held-out dialogues of each kind": held_out,
        "variants": [asdict(variant) for variant in VARIANTS],
        "device": "CPU, one thread",
        "libraries": library_versions(),
        "rows": [asdict(row) for row in rows],
    }


def _row(
    name: str,
    style: str,
    files: DataFiles,
    checkpoint: Path,
    *,
    adapter: Path | None = None,
    steps: int = 0,
    seconds: int = 0,
) -> VariantLoss:
    held_out = read_conversations(files.held_out[0]).conversations
    losses = [
        round(stored_loss(checkpoint, held_out, adapter=adapter, group_size=size), 4)
        for size in (None, GROUP_SIZE)
    ]
    return VariantLoss(name, style, steps, seconds, losses[0], losses[1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the measurement."""
    import torch
    from rich.console import Console
    from rich.progress import Progress as Bar

    parser = argparse.ArgumentParser(prog="python -m models.demo.variants", description=__doc__)
    parser.add_argument("--dialogues", type=int, default=3600)
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--held-out", type=int, default=300)
    parser.add_argument("--output", type=Path, default=Path("variants.json"))
    options = vars(parser.parse_args(arguments))
    output = options.pop("output")
    # Two threads wait for each other longer than these small matrices take.
    torch.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory(prefix="evenhand-") as work,
        Bar(console=Console(stderr=True)) as bar,
    ):
        tasks = {v.name: bar.add_task(v.name, total=None) for v in VARIANTS}

        def show(name: str, step: Step) -> None:
            loss = "" if step.loss is None else f" loss {step.loss:.3f}"
            bar.update(
                tasks[name], completed=step.done, total=step.total, description=f"{name}{loss}"
            )

        record = measure_variants(Path(work), progress=show, **options)
    output.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
