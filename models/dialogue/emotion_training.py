"""Training of the emotion classifier: ``evenhand train-emotion``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.backends.model_files import library_versions, sha256_of_file
from models.dialogue.embeddings import Embedder
from models.dialogue.emotion_card import write_card
from models.dialogue.emotion_classifier import EMOTIONS, EmotionClassifier
from models.dialogue.emotion_measures import EmotionMeasures, measure
from models.dialogue.logistic_regression import (
    Floats,
    cross_validated_accuracy,
    fit,
    stratified_parts,
)
from models.shipped import FOLDER as SHIPPED_FOLDER
from study.errors import ImportFileError, ModelError
from study.table_file import Table, read_table

OWN_SENTENCES = Path(__file__).with_name("emotion_sentences.csv")
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
FOLDS = 5
FEWEST_PER_EMOTION = 10
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class LabelledMessages:
    """Messages with the emotion that people gave them.

    Attributes
    ----------
    texts : tuple of str
    classes : array of int, shape (messages,)
        Positions in :data:`models.dialogue.emotion_classifier.EMOTIONS`.
    """

    texts: tuple[str, ...]
    classes: NDArray[np.int64]


def read_messages(file: Path, sheet: str | None = None) -> LabelledMessages:
    """Read a table with the columns ``text`` and ``emotion``.

    Raises
    ------
    ImportFileError
        With the line, when a column is missing, a text is empty or there twice, or an emotion is
        unknown; or when an emotion has too few messages.
    """
    table = read_table(file, sheet=sheet)
    missing = {"text", "emotion"} - set(table.columns)
    if missing:
        raise ImportFileError(
            f"{table.described} has no column {' and no column '.join(sorted(missing))}; expected the "
            f"columns text and emotion, found {', '.join(table.columns)}."
        )
    text, emotion = (table.columns.index(name) for name in ("text", "emotion"))
    return _checked(table, [(row[text] or "", row[emotion] or "") for row in table.rows])


def _checked(table: Table, rows: Sequence[tuple[str, str]]) -> LabelledMessages:
    name = table.name
    lines: dict[str, int] = {}
    for line, (text, emotion) in zip(table.lines, rows, strict=True):
        where = f"{name}, {table.place} {line}"
        if not text:
            raise ImportFileError(f"{where}: the text is empty.")
        if emotion.lower() not in EMOTIONS:
            raise ImportFileError(
                f"{where}: the emotion is {emotion!r}; expected one of: {', '.join(EMOTIONS)}."
            )
        # The same text on both sides of the split would be measured as if it were new.
        words = " ".join(_WORD.findall(text.lower())) or text
        if words in lines:
            raise ImportFileError(
                f"{where}: the text is the one of {table.place} {lines[words]}; keep one of them."
            )
        lines[words] = line
    classes = [EMOTIONS.index(emotion.lower()) for _, emotion in rows]
    counted = Counter(classes)
    for number, emotion in enumerate(EMOTIONS):
        if counted[number] < FEWEST_PER_EMOTION:
            raise ImportFileError(
                f"{name} has {counted[number]} messages for {emotion!r}; expected at least "
                f"{FEWEST_PER_EMOTION} for each of: {', '.join(EMOTIONS)}."
            )
    texts = tuple(text for text, _ in rows)
    return LabelledMessages(texts, np.asarray(classes, dtype=np.int64))


@dataclass(frozen=True)
class TrainedEmotion:
    """What a training gave.

    Attributes
    ----------
    classifier : EmotionClassifier
    held_out, words_held_out : EmotionMeasures
        Of the classifier, and of the same regression on counted words instead of vectors.
    """

    classifier: EmotionClassifier
    held_out: EmotionMeasures
    words_held_out: EmotionMeasures


def train_emotion(
    checkpoint: Path,
    output: Path,
    *,
    data: Path = OWN_SENTENCES,
    sheet: str | None = None,
    held_out_share: float = 0.25,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainedEmotion:
    """Train a classifier on a checkpoint's vectors and write it with its card.

    Layer and penalty are chosen by five-fold cross-validation within the training messages; the
    held-out messages are used once, for the measures.

    Parameters
    ----------
    checkpoint : Path
        Checkpoint folder of a chat model.
    output : Path
        Folder to write; made where it is not there.
    data : Path
        A table with the columns ``text`` and ``emotion``.
    sheet : str or None
        Of a workbook with several.
    held_out_share : float
        Share of every emotion's messages kept for the measures, 0.05 to 0.5.
    seed : int
        Of the split and the folds.
    progress : callable or None
        Gets what is being done and the share done, 0 to 1.

    Raises
    ------
    ImportFileError
        When the data cannot be used.
    ModelError
        When the checkpoint cannot be loaded or a setting is out of range.
    """
    if not 0.05 <= held_out_share <= 0.5:
        raise ModelError(f"The held-out share is {held_out_share}; expected 0.05 to 0.5.")
    tell = progress or (lambda _message, _share: None)
    messages = read_messages(data, sheet)
    embedder = Embedder(checkpoint)
    vectors = _vectors(embedder, messages, tell)
    train, held_out = stratified_parts(messages.classes, (1 - held_out_share, held_out_share), seed)
    layer, l2, accuracy = _best(vectors[:, train], messages.classes[train], seed, tell)
    regression = fit(vectors[layer][train], messages.classes[train], len(EMOTIONS), l2)
    measures = _measures(regression.probabilities(vectors[layer][held_out]), messages, held_out)
    classifier = EmotionClassifier(
        layer=layer,
        regression=regression,
        checkpoint={"name": _name_of(checkpoint), "files_sha256": embedder.files_sha256},
        training={
            "data": data.name,
            "data_sha256": sha256_of_file(data),
            "messages": len(train),
            "held_out_share": held_out_share,
            "seed": seed,
            "l2": l2,
            "layers": len(vectors),
            "cross_validated_accuracy": round(accuracy, 4),
        },
        held_out=asdict(measures),
        libraries=library_versions("torch", "transformers", "tokenizers", "numpy"),
    )
    trained = TrainedEmotion(classifier, measures, _words_measured(messages, train, held_out, seed))
    output.mkdir(parents=True, exist_ok=True)
    classifier.save(output)
    write_card(output, classifier, measures, trained.words_held_out)
    tell("done", 1.0)
    return trained


def _name_of(checkpoint: Path) -> str:
    shipped = checkpoint.resolve().parent == SHIPPED_FOLDER.resolve()
    return f"shipped:{checkpoint.name}" if shipped else checkpoint.resolve().name


def _vectors(embedder: Embedder, messages: LabelledMessages, tell: Progress) -> Floats:
    """All messages' vectors, shape (layers, messages, width)."""
    found = []
    for done, text in enumerate(messages.texts):
        tell("reading the messages", 0.5 * done / len(messages.texts))
        found.append(embedder.vectors(text))
    return np.stack(found, axis=1)


def _best(
    vectors: Floats, classes: NDArray[np.int64], seed: int, tell: Progress
) -> tuple[int, float, float]:
    """Layer and penalty with the best cross-validated accuracy; the first of equals."""
    folds = stratified_parts(classes, [1 / FOLDS] * FOLDS, seed)
    candidates = [(layer, l2) for layer in range(len(vectors)) for l2 in PENALTIES]
    best = (0, PENALTIES[0], -1.0)
    for done, (layer, l2) in enumerate(candidates):
        tell("choosing layer and penalty", 0.5 + 0.5 * done / len(candidates))
        accuracy = cross_validated_accuracy(vectors[layer], classes, len(EMOTIONS), l2, folds)
        if accuracy > best[2]:
            best = (layer, l2, accuracy)
    return best


def _measures(
    probabilities: Floats, messages: LabelledMessages, rows: NDArray[np.intp]
) -> EmotionMeasures:
    named = probabilities.argmax(axis=1)
    return measure(messages.classes[rows].tolist(), named.tolist(), EMOTIONS)


def word_counts(texts: Sequence[str], vocabulary: Sequence[str]) -> Floats:
    """How often each word of the vocabulary stands in each text, shape (texts, words)."""
    column = {word: number for number, word in enumerate(vocabulary)}
    counts = np.zeros((len(texts), len(column)))
    for row, text in enumerate(texts):
        for word in _WORD.findall(text.lower()):
            if word in column:
                counts[row, column[word]] += 1
    return counts


def _words_measured(
    messages: LabelledMessages, train: NDArray[np.intp], held_out: NDArray[np.intp], seed: int
) -> EmotionMeasures:
    """The baseline: the same regression on the words that stand in two or more training messages."""
    texts = [messages.texts[row] for row in train]
    spread = Counter(word for text in texts for word in set(_WORD.findall(text.lower())))
    vocabulary = sorted(word for word, number in spread.items() if number >= 2)
    counts = word_counts(messages.texts, vocabulary)
    _, l2, _ = _best(counts[None, train], messages.classes[train], seed, lambda _m, _s: None)
    model = fit(counts[train], messages.classes[train], len(EMOTIONS), l2)
    return _measures(model.probabilities(counts[held_out]), messages, held_out)
