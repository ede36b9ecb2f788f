"""Training data: forms, cleaning, names, split. Oracles: hand-made rows, and properties."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.conversation_data import Conversation, read_conversations
from models.training.data_cleaning import clean_conversations
from models.training.data_preparation import DataFiles, prepare_data
from models.training.identity_examples import identity_examples
from models.training.personal_names import introduced_names, read_names, replace_names
from models.training.recipes import training_settings
from models.training.splitting import (
    same_messages_key,
    split_conversations,
    strata_of,
    without_held_out,
)
from study.errors import ImportFileError, ModelError

NILE = training_settings("nile")


def write(path: Path, rows: list[Any], lines: bool = False) -> Path:
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    path.write_text(text, encoding="utf-8")
    return path


def talk(*turns: str, **labels: str) -> Conversation:
    roles = ("user", "assistant")
    messages = tuple({"role": roles[at % 2], "content": t} for at, t in enumerate(turns))
    return Conversation(messages, labels)


ALPACA = {
    "instruction": "Answer kindly.",
    "input": "I am sad.",
    "output": "That is hard.",
    "history": [["Hello", "Hi"]],
    "emotion": "sadness",
}
SHAREGPT = {
    "system": "Be brief.",
    "conversations": [
        {"from": "human", "value": "I cannot sleep."},
        {"from": "gpt", "value": "Since when?"},
        {"from": "human", "value": "Two weeks."},
    ],
}
ESCONV = {
    "emotion_type": "anxiety",
    "problem_type": "job crisis",
    "dialog": [
        {"speaker": "supporter", "content": "Hello, how are you?"},
        {"speaker": "seeker", "content": "Not well.\n"},
        {"speaker": "seeker", "content": "I may lose my job."},
        {"speaker": "supporter", "content": "What makes you think so?", "annotation": {}},
        {"speaker": "sys", "content": "Tell me."},
    ],
}


@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
@pytest.mark.parametrize(
    ("row", "form", "messages", "labels"),
    [
        (
            ALPACA,
            "alpaca",
            [
                ("user", "Hello"),
                ("assistant", "Hi"),
                ("user", "Answer kindly.\n\nI am sad."),
                ("assistant", "That is hard."),
            ],
            {"source": "data", "emotion": "sadness"},
        ),
        (
            SHAREGPT,
            "sharegpt",
            [("system", "Be brief."), ("user", "I cannot sleep."), ("assistant", "Since when?")],
            {"source": "data"},
        ),
        (
            ESCONV,
            "esconv",
            [
                ("user", "Not well.\nI may lose my job."),
                ("assistant", "What makes you think so?\nTell me."),
            ],
            {"source": "data", "emotion": "anxiety", "topic": "job crisis"},
        ),
    ],
)
def test_each_form_is_recognised_and_read(
    tmp_path: Path, lines: bool, row: Any, form: str, messages: Any, labels: Any
) -> None:
    read = read_conversations(write(tmp_path / "data.json", [row, row], lines))
    assert read.form == form
    assert len(read.conversations) == 2
    found = [(m["role"], m["content"]) for m in read.conversations[1].messages]
    assert found == messages
    assert read.conversations[0].labels == labels


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"text": "x"}], "not recognised: its first row has text"),
        ([], "holds no conversation"),
        ([ALPACA, {"instruction": "x"}], "row 2 has output None, expected text"),
        ([ALPACA, 3], "row 2 is no JSON object"),
        ([{"conversations": [{"from": "bard", "value": "x"}]}], "row 1 turn 1 is by 'bard'"),
        ([{"conversations": [{"from": "human", "value": "x"}]}], "has no message with a reply"),
        ([{"dialog": "x"}], "row 1 has no list dialog"),
    ],
)
def test_unusable_rows_are_named_by_file_and_row(tmp_path: Path, rows: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said) as error:
        read_conversations(write(tmp_path / "talks.json", rows))
    assert "talks.json" in str(error.value)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(json.dumps(ALPACA) + '\n\n{"instruction": \n', encoding="utf-8")
    with pytest.raises(ImportFileError, match=r"talks.jsonl, line 3: not valid JSON"):
        read_conversations(path)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_lines_of_json_end_where_json_says(tmp_path: Path, codec: str) -> None:
    """An unescaped U+2028 or U+0085 is allowed in JSON and does not end the line."""
    path = tmp_path / "talks.jsonl"
    row = {**ALPACA, "output": "One\u2028two\u0085three"}
    path.write_bytes(("\r\n" + json.dumps(row, ensure_ascii=False) + "\r\n").encode(codec))
    (read,) = read_conversations(path).conversations
    assert read.messages[-1]["content"] == "One\u2028two\u0085three"


def test_links_and_names_are_cleaned_and_counted() -> None:
    # Counted by hand: 2 images, 3 links (one with a name), Ana 3 times, Dr. Reyes once.
    cleaned = clean_conversations(
        [
            talk(
                "My name is Ana. See https://a.org/x?y=1. ![cat](http://b.org/c) and www.d.org!",
                "Hello Ana, [this page](https://e.org) helps. http://f.org/p.png Ask Dr. Reyes.",
                "Ana again, reyes in lower case stays",
                "Fine.",
            )
        ],
        NILE,
    )
    texts = [m["content"] for m in cleaned.conversations[0].messages]
    assert texts == [
        "My name is [name]. See [link]. and [link]!",
        "Hello [name], this page helps. Ask Dr. [name].",
        "[name] again, reyes in lower case stays",
        "Fine.",
    ]
    made = {change: count for change, count in cleaned.counts.items() if count}
    assert made == {"image links removed": 2, "links replaced": 3, "names replaced": 4}


def test_declared_names_are_replaced_and_other_words_are_not(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("# of this data set\nYusuf\nMary Ann\n", encoding="utf-8")
    names = read_names(path)
    assert replace_names("Mary Ann told Yusuf's Yusufian joke", names) == (
        "[name] told [name]'s Yusufian joke",
        2,
    )
    assert (
        introduced_names(["Hi Everyone, my name is a secret. Dear Diary, Thanks Again!"]) == set()
    )
    assert introduced_names(["I'm called Zoë. This is Omar speaking. My friend, Li Wei"]) == {
        "Zoë",
        "Omar",
        "Li",
        "Wei",
    }


def test_lengths_decide_what_is_left_out() -> None:
    limits = training_settings("nile", {"min_reply_words": 2, "max_turn_words": 5})
    data = [
        talk("one two", "three four"),
        talk("one two", "short"),
        talk("one two three four five six", "three four"),
        talk("https://a.org/b.png", "three four"),
    ]
    cleaned = clean_conversations(data, limits)
    assert cleaned.conversations == (data[0],)
    left_out = {c: n for c, n in cleaned.counts.items() if "left out" in c}
    assert set(left_out.values()) == {1} and len(left_out) == 3


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(2, 40), min_size=1, max_size=5),
    st.floats(0.05, 0.6),
    st.integers(0, 1000),
)
def test_a_split_keeps_the_shares_of_the_strata(sizes: list[int], share: float, seed: int) -> None:
    # Property: without duplicates each stratum's number is within one of its size times share,
    # and the whole is the rounded whole.
    data = [
        talk(f"message {stratum} {at}", "reply", topic=f"t{stratum}")
        for stratum, size in enumerate(sizes)
        for at in range(size)
    ]
    split = split_conversations(data, share=share, by="auto", seed=seed)
    assert split.label == "topic"
    held = Counter(c.labels["topic"] for c in split.held_out)
    for stratum, size in enumerate(sizes):
        assert abs(held[f"t{stratum}"] - share * size) <= 1
    assert len(split.held_out) == max(1, round(share * len(data)))
    assert Counter(map(id, split.training + split.held_out)) == Counter(map(id, data))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_no_message_is_on_both_sides(seed: int) -> None:
    # Property: duplicates differ in case, punctuation or reply only.
    rng = random.Random(seed)  # noqa: S311 - the draw must repeat
    data = [
        talk(rng.choice(("I feel {}!", "i feel {}")).format(rng.randrange(30)), f"reply {at}")
        for at in range(100)
    ]
    split = split_conversations(data, share=0.2, by="none", seed=seed)
    keys = [{same_messages_key(c) for c in side} for side in (split.training, split.held_out)]
    assert not keys[0] & keys[1]
    assert split.duplicates == 100 - len(keys[0] | keys[1])


def test_the_seed_decides_the_split() -> None:
    data = [talk(f"message {at}", "reply") for at in range(50)]
    first, again, other = (
        split_conversations(data, share=0.2, by="none", seed=seed).held_out for seed in (1, 1, 2)
    )
    assert first == again != other


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ModelError, match="3 conversations in 1 different ones cannot be split"):
        split_conversations([talk("a", "b")] * 3, share=0.1, by="none", seed=1)


def test_strata_without_a_label_are_unlabelled() -> None:
    data = [talk("a", "b", emotion="fear", source="x"), talk("c", "d", source="x")]
    assert strata_of(data, "auto") == ("emotion", ["fear", "unlabelled"])
    assert strata_of(data, "source") == ("source", ["x", "x"])


def test_a_held_out_file_takes_its_messages_from_the_training(tmp_path: Path) -> None:
    rows = [{"instruction": f"message {at}", "output": f"reply {at}"} for at in range(10)]
    held = [{"instruction": "MESSAGE 3!", "output": "x"}, {"instruction": "new", "output": "x"}]
    files = DataFiles(
        (write(tmp_path / "a.json", rows),),
        (write(tmp_path / "h.json", held),),
        identity="Sage",
    )
    data = prepare_data(files, NILE)
    assert data.facts["split"]["left out of training because held out"] == 1
    assert data.facts["split"]["identity examples"] == 30
    assert len(data.split.training) == 9 + 30
    assert len(data.split.held_out) == 2


def test_identity_examples_name_the_system_and_say_that_it_is_no_person() -> None:
    examples = identity_examples("Sage", 2)
    assert len(examples) == 12
    answers = {e.messages[1]["content"] for e in examples}
    assert all("Sage" in answer for answer in answers)
    assert all("computer program" in answer for answer in answers)
    kept, removed = without_held_out(examples, [talk("who are you", "x")])
    assert (len(kept), removed) == (10, 2)
