"""The emotion of a message: a trained classifier over one checkpoint's vectors, as a file.

The file is bound by hashes to the checkpoint whose vectors it was trained on: with another one, the
same weights would mean nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.backends.model_files import resolve_path, sha256_of_file
from models.dialogue.embeddings import Embedder
from models.dialogue.logistic_regression import LogisticRegression
from study.errors import ModelError
from study.whole_files import FOR_ALL, write_whole
from study.wording import command

EMOTIONS = ("happy", "sad", "anxious", "angry", "neutral")
CLASSIFIER_FILE = "classifier.json"
CARD_FILE = "README.md"
FORMAT = "evenhand-emotion/1"
_DIGITS = 7


@dataclass(frozen=True)
class Emotion:
    """What the classifier reads in a message; the most probable emotion, not a finding about a person.

    Attributes
    ----------
    name : str
        One of :data:`EMOTIONS`.
    probabilities : dict
        By emotion, 0 to 1; they sum to 1.
    """

    name: str
    probabilities: dict[str, float]


@dataclass(frozen=True)
class EmotionClassifier:
    """Weights over one layer's vectors, and what they were made from.

    Attributes
    ----------
    layer : int
        Row of :meth:`models.dialogue.embeddings.Embedder.vectors`; 0 is the token embeddings.
    regression : LogisticRegression
        Classes in the order of :data:`EMOTIONS`.
    checkpoint : dict
        ``name`` and ``files_sha256`` of the checkpoint.
    training, held_out, libraries : dict
        What it was trained on, what was measured on held-out messages, and with which versions.
    """

    layer: int
    regression: LogisticRegression
    checkpoint: dict[str, Any]
    training: dict[str, Any]
    held_out: dict[str, Any]
    libraries: dict[str, str]

    def read(self, embedder: Embedder, text: str) -> Emotion:
        """The emotion of one message."""
        found = self.regression.probabilities(embedder.vectors(text)[self.layer])[0]
        return Emotion(
            EMOTIONS[int(found.argmax())],
            {name: round(float(p), 6) for name, p in zip(EMOTIONS, found, strict=True)},
        )

    def refuse_other_checkpoint(self, embedder: Embedder) -> None:
        """Refuse a checkpoint with other files than the classifier was trained on."""
        for name, digest in self.checkpoint["files_sha256"].items():
            if embedder.files_sha256.get(name) != digest:
                raise ModelError(
                    f"The emotion classifier was trained on the checkpoint "
                    f"{self.checkpoint['name']!r}, and {name} in {embedder.checkpoint} is another "
                    f"file. Name that checkpoint in 'embeddings', or train a classifier with: "
                    f"{command('train-emotion', embedder.checkpoint, '-o', 'FOLDER')}"
                )

    def save(self, folder: Path) -> Path:
        """Write the classifier's file; returns its path."""
        content = {
            "format": FORMAT,
            "emotions": list(EMOTIONS),
            "layer": self.layer,
            "checkpoint": self.checkpoint,
            "training": self.training,
            "held_out": self.held_out,
            "libraries": self.libraries,
            "bias": _rounded(self.regression.bias),
            "weights": [_rounded(row) for row in self.regression.weights],
        }
        path = folder / CLASSIFIER_FILE
        # One line for each row of weights: readable, and a change shows as one.
        lines = ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in content.items())
        write_whole(path, f"{{\n{lines}\n}}\n", mode=FOR_ALL)
        return path


def _rounded(row: Any) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in row]


def load_classifier(declared: str, study_folder: Path) -> tuple[EmotionClassifier, str]:
    """Read a classifier.

    Parameters
    ----------
    declared : str
        ``shipped:NAME``, or the folder that ``evenhand train-emotion`` wrote.
    study_folder : Path
        Where relative paths start.

    Returns
    -------
    classifier, sha256 : EmotionClassifier, str
        The hash is that of the file.

    Raises
    ------
    ModelError
        When there is none, or the file is damaged or of another format.
    """
    folder = resolve_path(declared, study_folder)
    path = folder / CLASSIFIER_FILE
    if not path.is_file():
        raise ModelError(
            f"There is no emotion classifier at {path}; expected the folder that "
            f"'evenhand train-emotion CHECKPOINT -o FOLDER' wrote, or shipped:emotion-demo."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["emotions"] != list(EMOTIONS):
            raise ValueError(f"format {content['format']!r}, expected {FORMAT!r}")
        weights = np.asarray(content["weights"], dtype=np.float64)
        bias = np.asarray(content["bias"], dtype=np.float64)
        if weights.ndim != 2 or len(weights) != len(EMOTIONS) or bias.shape != (len(EMOTIONS),):
            raise ValueError(f"weights of shape {weights.shape}, expected {len(EMOTIONS)} rows")
        classifier = EmotionClassifier(
            layer=int(content["layer"]),
            regression=LogisticRegression(weights, bias),
            checkpoint=content["checkpoint"],
            training=content["training"],
            held_out=content["held_out"],
            libraries=content["libraries"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"The emotion classifier {path} is damaged or of another format ({error}). "
            f"Make it again with: evenhand train-emotion CHECKPOINT -o {folder}"
        ) from error
    return classifier, sha256_of_file(path)
