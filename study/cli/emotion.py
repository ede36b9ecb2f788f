"""The command train-emotion: a classifier for the dialogue system."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from study.cli.handed_table import sheet_option
from study.cli.options import json_option, print_json, print_table, say, share_bar


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
