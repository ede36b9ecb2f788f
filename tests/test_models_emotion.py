"""The emotion classifier: its regression, its measures, its data, the shipped file and the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.dialogue.danger_signs import find_danger
from models.dialogue.embeddings import Embedder
from models.dialogue.emotion_classifier import EMOTIONS, load_classifier
from models.dialogue.emotion_measures import measure, wilson_interval
from models.dialogue.emotion_training import (
    OWN_SENTENCES,
    read_messages,
    train_emotion,
    word_counts,
)
from models.dialogue.logistic_regression import fit, stratified_parts
from models.shipped import FOLDER, shipped_path
from study.cli.group import run
from study.errors import ImportFileError, ModelError


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(shipped_path("demo-tuned"))


def test_the_regression_is_that_of_scikit_learn() -> None:
    # Oracle: scikit-learn's LogisticRegression on standardized inputs, whose C is 1 / (l2 n).
    sklearn_linear = pytest.importorskip("sklearn.linear_model")
    generator = np.random.default_rng(5)
    inputs = generator.normal(3.0, [1.0, 4.0, 0.2, 9.0], size=(120, 4))
    classes = (inputs[:, 0] + generator.normal(size=120) > 3).astype(np.int64)
    classes[inputs[:, 1] > 6] = 2
    model = fit(inputs, classes, 3, l2=0.1)
    standardized = (inputs - inputs.mean(0)) / inputs.std(0)
    oracle = sklearn_linear.LogisticRegression(C=1 / (0.1 * 120), tol=1e-10, max_iter=5000)
    oracle.fit(standardized, classes)
    assert model.probabilities(inputs) == pytest.approx(
        oracle.predict_proba(standardized), abs=1e-5
    )
    with pytest.raises(ModelError, match=r"penalty is 0\.0; expected a number above 0"):
        fit(inputs, classes, 3, l2=0.0)


def test_a_column_that_never_changes_does_no_harm() -> None:
    inputs = np.array([[1.0, 7.0], [2.0, 7.0], [8.0, 7.0], [9.0, 7.0]])
    model = fit(inputs, np.array([0, 0, 1, 1]), 2, l2=0.01)
    assert model.probabilities(inputs).argmax(1).tolist() == [0, 0, 1, 1]


def test_measures_by_hand() -> None:
    # Truth a a a b b c; called a a b b a a. Right: 2 a, 1 b. a is called four times, b twice.
    found = measure([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0], ["a", "b", "c"])
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (1, 0, 0))
    assert found.accuracy == 3 / 6
    assert found.base_rate == 3 / 6
    assert (found.classes["a"].precision, found.classes["a"].recall) == (2 / 4, 2 / 3)
    assert found.classes["a"].f1 == pytest.approx(2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3))
    # c was never called: its precision is undefined, its recall and F1 are 0.
    assert found.classes["c"].precision is None
    assert (found.classes["c"].recall, found.classes["c"].f1) == (0.0, 0.0)
    assert found.macro_f1 == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)
    assert measure([0, 0], [0, 0], ["a", "b"]).macro_f1 is None


def test_the_wilson_interval_is_the_published_one() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 gives 0.2553 to 0.3662, and
    # 0 of 20 gives 0 to 0.1611.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_parts_hold_the_same_share_of_every_class() -> None:
    classes = np.array([0] * 40 + [1] * 20 + [2] * 12)
    train, held_out = stratified_parts(classes, (0.75, 0.25), seed=4)
    assert np.bincount(classes[held_out]).tolist() == [10, 5, 3]
    assert sorted([*train, *held_out]) == list(range(72))
    again = stratified_parts(classes, (0.75, 0.25), seed=4)[1]
    other = stratified_parts(classes, (0.75, 0.25), seed=5)[1]
    assert again.tolist() == held_out.tolist()
    assert other.tolist() != held_out.tolist()


def test_our_own_sentences_are_balanced_and_hold_no_sign_of_danger() -> None:
    messages = read_messages(OWN_SENTENCES)
    assert np.bincount(messages.classes).tolist() == [70] * len(EMOTIONS)
    assert [text for text in messages.texts if find_danger(text)] == []


def test_words_are_counted() -> None:
    counts = word_counts(["I can't, I can't!", "Nothing known"], ["can't", "i", "rest"])
    assert counts.tolist() == [[2, 2, 0], [0, 0, 0]]


def rows(per_emotion: int = 10) -> list[tuple[str, str]]:
    with OWN_SENTENCES.open(encoding="utf-8") as file:
        own = [(row["text"], row["emotion"]) for row in csv.DictReader(file)]
    return [
        pair for name in EMOTIONS for pair in [row for row in own if row[1] == name][:per_emotion]
    ]


def write(file: Path, content: list[tuple[str, str]], header: str = "text,emotion") -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(header + "\n")
        csv.writer(stream).writerows(content)
    return file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: [*r, ("So so.", "mixed")], r"line 52: the emotion is 'mixed'; expected one of"),
        (lambda r: [*r, (" ", "sad")], "line 52: the text is empty"),
        (lambda r: [*r, (r[0][0].upper(), "sad")], "line 52: the text is the one of line 2"),
        (lambda r: r[1:], "has 9 messages for 'happy'; expected at least 10"),
    ],
)
def test_a_fault_in_the_data_is_told_by_row(tmp_path: Path, change: Any, said: str) -> None:
    file = write(tmp_path / "data.csv", change(rows()))
    with pytest.raises(ImportFileError, match=said):
        read_messages(file)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="There is no file"):
        read_messages(tmp_path / "none.csv")
    with pytest.raises(ImportFileError, match="has no column emotion"):
        read_messages(write(tmp_path / "a.csv", rows(), "text,label"))
    (tmp_path / "b.csv").write_bytes(b"text,emotion\n\xff\xfe,sad\n")
    with pytest.raises(ImportFileError, match="line 2: the byte 0xff is not UTF-8 text"):
        read_messages(tmp_path / "b.csv")


@pytest.mark.parametrize(("mark", "codec"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-8")])
def test_messages_are_read_from_what_spreadsheets_write(
    tmp_path: Path, mark: str, codec: str
) -> None:
    """Oracle: the messages of the plain file; blank lines and a line break within quotes are counted."""
    plain = read_messages(write(tmp_path / "plain.csv", rows()))
    lines = ["text", *(f'"{text}"' for text, _ in rows())]
    marks = [
        mark.join((one, two))
        for one, two in zip(lines, ["emotion", *(e for _, e in rows())], strict=True)
    ]
    other = tmp_path / "other.csv"
    other.write_bytes("\r\n\r\n".join(marks).encode(codec))
    assert read_messages(other).texts == plain.texts
    other.write_bytes("\n\n".join([*marks, f'"a\nb"{mark}sad', f"So so.{mark}mixed"]).encode(codec))
    with pytest.raises(ImportFileError, match=f"line {2 * len(marks) + 4}: the emotion is 'mixed'"):
        read_messages(other)


def test_layer_0_is_the_mean_of_the_tokens_embeddings(embedder: Embedder) -> None:
    # Oracle: the embedding matrix of the file, rows of the chat template's tokens, averaged.
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    folder = shipped_path("demo-tuned")
    matrix = load_file(folder / "model.safetensors")["model.embed_tokens.weight"].double()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokens = tokenizer.apply_chat_template(
        [{"role": "user", "content": "I miss home."}], add_generation_prompt=True, return_dict=False
    )
    found = embedder.vectors("I miss home.")
    assert found.shape == (5, 192)
    assert found[0] == pytest.approx(matrix[tokens].mean(0).numpy(), abs=1e-6)
    # A message far longer than the context is read from its end.
    assert np.isfinite(embedder.vectors("I miss home. " * 400)).all()


def test_the_shipped_classifier_has_the_measures_that_its_card_tells(embedder: Embedder) -> None:
    # Held out anew from its data, read anew from the checkpoint: the file's own table must come.
    classifier, _ = load_classifier("shipped:emotion-demo", Path())
    classifier.refuse_other_checkpoint(embedder)
    messages = read_messages(OWN_SENTENCES)
    share, seed = classifier.training["held_out_share"], classifier.training["seed"]
    _, held_out = stratified_parts(messages.classes, (1 - share, share), seed)
    named = [
        EMOTIONS.index(classifier.read(embedder, messages.texts[row]).name) for row in held_out
    ]
    found = measure(messages.classes[held_out].tolist(), named, EMOTIONS)
    assert [list(row) for row in found.confusion] == classifier.held_out["confusion"]
    card = (FOLDER / "emotion-demo" / "README.md").read_text(encoding="utf-8")
    assert f"| this classifier | {found.accuracy:.3f} |" in card
    # Weak, and still better than a guess: the interval's lower end is above the base rate.
    assert found.accuracy_interval[0] > found.base_rate


def test_a_classifier_is_bound_to_its_checkpoint() -> None:
    classifier, _ = load_classifier("shipped:emotion-demo", Path())
    with pytest.raises(ModelError, match=r"trained on the checkpoint 'shipped:demo-tuned', and"):
        classifier.refuse_other_checkpoint(Embedder(shipped_path("demo-base")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "damaged or of another format"),
        ('{"format": "evenhand-emotion/9", "emotions": []}', "expected 'evenhand-emotion/1'"),
    ],
)
def test_a_damaged_classifier_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "classifier.json").write_text(content)
    with pytest.raises(ModelError, match=said):
        load_classifier(str(tmp_path), Path())
    with pytest.raises(ModelError, match="There is no emotion classifier"):
        load_classifier("elsewhere", tmp_path)


def test_a_share_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"held-out share is 0\.9; expected 0\.05 to 0\.5"):
        train_emotion(shipped_path("demo-tuned"), tmp_path, held_out_share=0.9)


@pytest.mark.slow
def test_the_command_trains_measures_and_writes_a_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], embedder: Embedder
) -> None:
    data = write(tmp_path / "own.csv", rows(12))
    command = ["train-emotion", str(shipped_path("demo-tuned")), str(data), "-o"]
    assert run([*command, str(tmp_path / "first"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["held_out"]["messages"] == 15
    assert sum(map(sum, told["held_out"]["confusion"])) == 15
    assert set(told["held_out"]["classes"]) == set(EMOTIONS)
    card = (tmp_path / "first" / "README.md").read_text(encoding="utf-8")
    assert f"| this classifier | {told['held_out']['accuracy']:.3f} |" in card
    assert "shipped:demo-tuned" in card

    # What was saved reads as what was trained: probabilities of the file's rounded weights.
    classifier, digest = load_classifier("first", tmp_path)
    read = classifier.read(embedder, "I am so nervous.")
    assert sum(read.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert read.name == max(read.probabilities, key=lambda name: read.probabilities[name])

    # The same seed gives the same file.
    assert run([*command, str(tmp_path / "second")]) == 0
    assert load_classifier("second", tmp_path)[1] == digest
    assert "Accuracy" in capsys.readouterr().out


def test_a_checkpoint_that_is_not_there_is_a_missing_folder(tmp_path: Path) -> None:
    """Oracle: the sentence; nothing is looked for on a public site."""
    with pytest.raises(ModelError, match=r"There is no checkpoint folder .*nowhere"):
        train_emotion(tmp_path / "nowhere", tmp_path / "out")
