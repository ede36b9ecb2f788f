"""Commands that train: a system's model by one of the studies' recipes, a classifier of emotion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.options import json_option, packed, print_json, print_table, say, share_bar
from study.cli.tables import sheet_option
from study.errors import ModelError

if TYPE_CHECKING:
    from models.training.conversation_data import Form
    from models.training.recipes import TrainingSettings
    from models.training.trainer import Step

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class Options:
    """The options of ``train``."""

    checkpoint: Path | None
    data: tuple[Path, ...]
    recipe: str
    output: Path | None
    method: str | None
    quantization: str | None
    pairs: tuple[str, ...]
    file: Path | None
    form: Form | None
    held_out: tuple[Path, ...]
    names: Path | None
    identity: str | None
    resume: bool
    show_recipe: bool


@click.command()
@click.argument("checkpoint", type=_FOLDER, required=False)
@click.argument("data", type=_FILE, nargs=-1)
@click.option(
    "--recipe",
    type=click.Choice(["emosapp", "eai", "nile"]),
    required=True,
    help="Whose published settings to begin with.",
)
@click.option("-o", "--output", type=_FOLDER, help="New folder for model or adapter, losses, card.")
@click.option(
    "--method",
    type=click.Choice(["full", "lora", "qat-lora"]),
    help="emosapp has all three; its default is qat-lora.",
)
@click.option(
    "--quantization",
    type=click.Choice(["4bit", "none"]),
    help="Of the frozen weights while training; 4bit (eai) needs a GPU.",
)
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Change one setting.")
@click.option("--settings", "file", type=_FILE, help="Changed settings, JSON or TOML; or a card.")
@click.option(
    "--form",
    type=click.Choice(["alpaca", "sharegpt", "esconv"]),
    help="Form of the data; else recognised.",
)
@click.option(
    "--held-out", type=_FILE, multiple=True, help="Held-out data, in place of a share of DATA."
)
@click.option("--names", type=_FILE, help="Personal names to replace, one a line.")
@click.option("--identity", metavar="NAME", help="Add examples in which the system says who it is.")
@click.option("--resume", is_flag=True, help="Go on with a stopped training.")
@click.option("--show-recipe", is_flag=True, help="Print all settings and end.")
@json_option
@packed(Options)
def train(options: Options, as_json: bool) -> None:
    """Train a model from a Hugging Face checkpoint folder and conversations.

    Reads Alpaca, ShareGPT and ESConv files (JSON or JSON lines), cleans and splits them, learns the
    assistant's turns only, and writes a checkpoint or a LoRA adapter that `evenhand quantize` takes, with
    losses and a training card.

    \b
    Examples:
      evenhand train --recipe emosapp --show-recipe
      evenhand train checkpoints/my-model talks.json --recipe emosapp -o tuned
      evenhand train checkpoints/my-model talks.json --recipe eai --quantization none -o tuned
      evenhand train checkpoints/my-model talks.json --recipe nile --set epochs=3 -o tuned --resume
      evenhand quantize checkpoints/my-model --adapter tuned/adapter -o tuned.pte
    """
    from models.training.recipes import read_changes, settings_table, training_settings

    recipe = options.recipe
    changes = read_changes(options.file, options.pairs)
    changes |= {"method": options.method} if options.method else {}
    changes |= {"quantization": options.quantization} if options.quantization else {}
    settings = training_settings(recipe, changes)
    if not options.show_recipe:
        _train(options, settings, as_json)
    elif as_json:
        print_json(settings.model_dump())
    else:
        print_table(
            ["setting", "value", "from", "meaning"], settings_table(recipe, settings), recipe
        )


def _train(options: Options, settings: TrainingSettings, as_json: bool) -> None:
    checkpoint, output = options.checkpoint, options.output
    if checkpoint is None or not options.data or output is None:
        raise ModelError(
            "Training needs a checkpoint folder, at least one data file and -o DIR, as in: "
            f"evenhand train checkpoints/my-model talks.json --recipe {options.recipe} -o tuned."
        )
    for path, what, there in (
        (checkpoint, "checkpoint folder", checkpoint.is_dir()),
        *((file, "data file", file.is_file()) for file in (*options.data, *options.held_out)),
    ):
        if not there:
            raise ModelError(f"There is no {what} {path}. Check the path.")
    from models.training.data_preparation import DataFiles, prepare_data
    from models.training.running import TrainingJob
    from models.training.running import train as run_training

    files = DataFiles(options.data, options.held_out, options.form, options.names, options.identity)
    job = TrainingJob(checkpoint, prepare_data(files, settings), output, options.recipe, settings)
    with _steps() as told:
        card = run_training(job, resume=options.resume, progress=told)
    facts = asdict(card)
    if as_json:
        print_json(facts)
        return
    _show(facts, output)


def _show(card: dict[str, Any], output: Path) -> None:
    rows = [(f"conversations, {name}", value) for name, value in card["data"]["split"].items()]
    rows += [(name, value) for name, value in card["data"]["cleaned"].items() if value]
    rows += [(name, value) for name, value in card["data"]["tokens"].items() if value]
    rows += [
        ("steps", card["steps"]),
        ("kept weights of step", card["kept_step"]),
        ("ended by", card["stopped"]),
    ]
    rows += [
        (f"held-out loss {when} (nats per token)", f"{loss:.4f}")
        for when, loss in card["held_out_loss"].items()
        if loss is not None
    ]
    print_table(["training", "value"], rows)
    for note in card["notes"]:
        say(note)
    made = "checkpoint" if card["settings"]["method"] == "full" else "adapter"
    say(f"Wrote {output / made}, losses.csv, losses.svg, training.json and TRAINING.md.")


@contextmanager
def _steps() -> Iterator[Callable[[Step], None]]:
    """A progress bar of steps with the latest losses."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task("Loading the model", total=None)

        def told(step: Step) -> None:
            losses = {"loss": step.loss, "held-out loss": step.held_out_loss}
            shown = [f"{name} {loss:.3f}" for name, loss in losses.items() if loss is not None]
            bar.update(
                task,
                completed=step.done,
                total=step.total or None,
                description=", ".join(["Training", *shown]),
            )

        yield told


@click.command("train-emotion")
@click.argument("checkpoint", type=click.Path(path_type=Path, file_okay=False))
@click.argument("data", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the classifier and its card.",
)
@click.option(
    "--held-out",
    default=0.25,
    show_default=True,
    help="Share of every emotion's messages kept for the measures.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Fixes the split, 0 or more.",
)
@sheet_option
@json_option
def train_emotion(
    checkpoint: Path,
    data: Path | None,
    output: Path,
    held_out: float,
    seed: int,
    sheet: str | None,
    as_json: bool,
) -> None:
    """Train what reads the emotion of a message for the dialogue system, and measure it.

    DATA is a table (CSV, .xlsx) with the columns text and emotion (happy, sad, anxious, angry or neutral);
    350 sentences of evenhand's own are used without it. The classifier reads the mean of CHECKPOINT's hidden
    states and can be used with that checkpoint only. Accuracy, precision, recall and F1 on held-out messages
    are printed and written to a card beside it.

    \b
    Examples:
      evenhand train-emotion checkpoints/my-model -o my-emotion
      evenhand train-emotion checkpoints/my-model messages.csv -o my-emotion --json
    """
    from models.dialogue import emotion_training

    with share_bar("Training") as told:
        trained = emotion_training.train_emotion(
            checkpoint,
            output,
            data=data or emotion_training.OWN_SENTENCES,
            sheet=sheet,
            held_out_share=held_out,
            seed=seed,
            progress=told,
        )
    if as_json:
        print_json(
            {
                "training": trained.classifier.training,
                "layer": trained.classifier.layer,
                "held_out": asdict(trained.held_out),
                "words_held_out": asdict(trained.words_held_out),
            }
        )
        return
    found = trained.held_out
    print_table(
        ["emotion", "precision", "recall", "F1", "messages"],
        [
            (name, _share(of.precision), _share(of.recall), _share(of.f1), of.messages)
            for name, of in found.classes.items()
        ],
        title=f"{found.messages} held-out messages",
    )
    names = list(found.classes)
    print_table(
        ["is / called", *names],
        [(name, *row) for name, row in zip(names, found.confusion, strict=True)],
    )
    low, high = found.accuracy_interval
    say(f"Accuracy {found.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}).")
    say(f"Counting words instead: {trained.words_held_out.accuracy:.3f}.")
    say(f"Always the commonest emotion: {found.base_rate:.3f}.")
    say(f"Wrote {output} with its card. Name it in a protocol: dialogue: {{classifier: {output}}}")


def _share(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
