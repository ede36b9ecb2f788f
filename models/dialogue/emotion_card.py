"""The card of an emotion classifier: what it is, what was measured, what it must not be used for."""

from __future__ import annotations

from pathlib import Path

from models.dialogue.emotion_classifier import CARD_FILE, EmotionClassifier
from models.dialogue.emotion_measures import EmotionMeasures
from study.whole_files import FOR_ALL, write_whole

_USE = """**For:** choosing the next technique of evenhand's dialogue system in a study.
**Not for:** finding out how a person is. It names the most probable of five words for a message,
from short labelled sentences; it was not tested on help-seekers, and it does not notice danger."""


def write_card(
    folder: Path, classifier: EmotionClassifier, measured: EmotionMeasures, words: EmotionMeasures
) -> None:
    """Write the card beside the classifier's file."""
    write_whole(folder / CARD_FILE, card_text(classifier, measured, words), mode=FOR_ALL)


def card_text(
    classifier: EmotionClassifier, measured: EmotionMeasures, words: EmotionMeasures
) -> str:
    """The card in Markdown."""
    training = classifier.training
    files = "\n".join(
        f"| `{name}` | `{digest}` |"
        for name, digest in sorted(classifier.checkpoint["files_sha256"].items())
    )
    return f"""# Emotion of a message, read from `{classifier.checkpoint["name"]}`

{_USE}

Multinomial logistic regression (squared penalty {training["l2"]:g}) on the mean of the hidden states
of layer {classifier.layer} of {training["layers"] - 1} (0 is the token embeddings). Layer and penalty
were chosen by five-fold cross-validation within the {training["messages"]} training messages of
`{training["data"]}` (accuracy there {training["cross_validated_accuracy"]:.3f}); seed {training["seed"]}.

## Measured on {measured.messages} held-out messages

| | accuracy | 95 % interval | macro F1 |
|---|---:|---|---:|
| this classifier | {measured.accuracy:.3f} | {_interval(measured)} | {_number(measured.macro_f1)} |
| counted words instead | {words.accuracy:.3f} | {_interval(words)} | {_number(words.macro_f1)} |
| always the commonest emotion | {measured.base_rate:.3f} | | |

{_verdict(measured, words)}

| emotion | precision | recall | F1 | messages |
|---|---:|---:|---:|---:|
{_class_rows(measured)}

Rows: what the message is. Columns: what it was called.

{_confusion(measured)}

## Bound to these files

| file of the checkpoint | SHA-256 |
|---|---|
{files}

Data: SHA-256 `{training["data_sha256"]}`.
"""


def _verdict(measured: EmotionMeasures, words: EmotionMeasures) -> str:
    wrong = round(measured.messages * (1 - measured.accuracy))
    line = f"{wrong} of the {measured.messages} messages were called by a wrong name."
    if measured.accuracy < words.accuracy:
        line += " Counting words does better: the checkpoint's vectors are weak for this."
    return line


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(measured: EmotionMeasures) -> str:
    low, high = measured.accuracy_interval
    return f"{low:.3f} to {high:.3f}"


def _class_rows(measured: EmotionMeasures) -> str:
    return "\n".join(
        f"| {name} | {_number(found.precision)} | {_number(found.recall)} | {_number(found.f1)} "
        f"| {found.messages} |"
        for name, found in measured.classes.items()
    )


def _confusion(measured: EmotionMeasures) -> str:
    names = list(measured.classes)
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for name, row in zip(names, measured.confusion, strict=True):
        lines.append(f"| {name} | " + " | ".join(str(cell) for cell in row) + " |")
    return "\n".join(lines)
