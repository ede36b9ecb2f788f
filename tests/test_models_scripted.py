"""The scripted floor: kind, grammatical and safe for any text, and decoded by the common rules."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backends import scripted_phrases as say
from models.backends.decoding import DecodingSettings
from models.backends.opening import open_backend
from models.backends.scripted import ScriptedBackend, recognised_feelings, recognised_topic
from study.errors import ModelError
from study.protocol.systems import System


def reply(text: str, **decoding: object) -> str:
    chosen = DecodingSettings(**({"seed": 1} | decoding))  # type: ignore[arg-type]
    return ScriptedBackend().generate([{"role": "user", "content": text}], chosen).text


def assert_well_formed(text: str) -> None:
    assert re.fullmatch(r"[A-Z][^{}<>\n]*[.?]", text)
    assert "  " not in text
    for before, after in pairwise(re.split(r"(?<=[.?]) ", text)):
        assert before[-1] in ".?"
        assert after[0].isupper()
    assert 15 <= len(text.split()) <= 120
    assert not re.search(r"\b(\w+) \1\b", text), text


@given(text=st.text(max_size=400), seed=st.integers(0, 2**31))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_a_well_formed_reply(text: str, seed: int) -> None:
    """Property: form of the reply for arbitrary Unicode, and the same reply again."""
    first = reply(text, seed=seed)
    assert_well_formed(first)
    assert reply(text, seed=seed) == first


@given(
    pair=st.lists(st.sampled_from(say.FEELINGS), min_size=1, max_size=2, unique=True),
    seed=st.integers(0, 50),
    own=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_feeling_fits_every_sentence(pair: list[say.Feeling], seed: int, own: bool) -> None:
    """Property: each feeling by its first listed word, for the writer and for another person."""
    words = [re.sub(r"\(.*?\)|\\w[+*]|[?\\]", "", f.pattern.split("|")[0]).strip() for f in pair]
    text = reply(f"{'I feel' if own else 'My sister is'} {' and '.join(words)}.", seed=seed)
    assert_well_formed(text)


@pytest.mark.parametrize(
    ("text", "feeling", "topic_word"),
    [
        ("I am so worried about my exams.", "anxious", "stud|book|result"),
        ("I feel lonely since I moved to a new city.", "lonely", "new place|move"),
        ("My girlfriend broke up with me and I feel sad.", "very low", "close|Close"),
        ("My boss shouts at me and I am furious.", "angry", "[Ww]ork"),
        ("I feel guilty that my grandmother died alone.", "guilty", "[Ll]os|[Mm]iss"),
        ("I can't sleep, I am exhausted.", "worn out", "sleep|rest"),
        ("I feel ashamed of my weight when I see the mirror.", "ashamed", "body|look"),
        ("I am stressed because I cannot pay my rent.", "under pressure", "money"),
    ],
)
def test_feeling_and_topic_are_reflected(text: str, feeling: str, topic_word: str) -> None:
    """Oracle: a person's reading of each prompt."""
    answer = reply(text)
    assert f"feeling {feeling}" in answer
    assert re.search(topic_word, answer)
    assert answer.endswith("?")


def test_whose_feeling_and_negation() -> None:
    """Oracle: a person's reading. Another's sadness is not put into the writer's heart."""
    feelings, own = recognised_feelings("My brother is depressed and I don't know what to do.")
    assert ([f.noun for f in feelings], own) == (["sadness"], False)
    assert "you are feeling" not in reply("My brother is depressed.").lower()
    assert recognised_feelings("I am not worried about it.")[0] == []
    assert recognised_feelings("I am not happy.")[0][0].adjective == "very low"
    glad = reply("I passed my exam and I am so happy and proud!")
    assert "glad and proud" in glad
    assert "hard" not in glad.replace("harder days", "")
    assert recognised_topic("qwertz") is say.NO_TOPIC


CRISIS = [
    "I want to die.",
    "Sometimes I think about killing myself",
    "i dont want to be here anymore, i don't want to live",
    "Everyone would be better off without me.",
    "I have been cutting myself again.",
    "I'm having suicidal thoughts",
    "There is no point in living.",
    "I wish I was dead",
    "I just want to end it all, exams or not.",
    "I took an overdose once and I feel like that again",
    "My best friend says she wants to kill herself.",
    "He told me he is suicidal and I am scared.",
    "I can’t go on like this",
    "I don’t want to wake up tomorrow.",
]


@pytest.mark.parametrize("text", CRISIS)
@pytest.mark.parametrize("seed", range(4))
def test_a_crisis_is_answered_with_local_help_and_trusted_people(text: str, seed: int) -> None:
    """Rule of the design: emergency services and trusted people, and no invented number."""
    answer = reply(text, seed=seed)
    assert_well_formed(answer)
    assert "local emergency services" in answer
    assert "you trust" in answer
    assert not re.search(r"\d|http|www|hotline|helpline|lifeline", answer)


@pytest.mark.parametrize(
    "text",
    [
        "This homework is killing me.",
        "I am dying to see my friends again.",
        "I cut myself some slack and went to the party.",
    ],
)
def test_figures_of_speech(text: str) -> None:
    """Oracle: a person's reading; none of them is a crisis."""
    assert "emergency" not in reply(text)


def test_violence_and_earlier_turns_keep_safety_first() -> None:
    assert "local emergency services" in reply("My husband hits me and I am ashamed.")
    turns = [
        {"role": "user", "content": "I want to die."},
        {"role": "assistant", "content": "Is there someone who could be with you right now?"},
        {"role": "user", "content": "My exams are tomorrow."},
    ]
    answer = ScriptedBackend().generate(turns, DecodingSettings(seed=1)).text
    assert "local emergency services" in answer


def test_decoding_settings_mean_what_they_mean_elsewhere() -> None:
    """Property: greedy ignores the seed, sampling does not; limits and stop strings cut."""
    text = "I worry about work."
    assert len({reply(text, temperature=0, seed=s) for s in range(20)}) == 1
    assert len({reply(text, top_k=1, seed=s) for s in range(20)}) == 1
    assert len({reply(text, temperature=1.0, seed=s) for s in range(20)}) > 5
    messages = [{"role": "user", "content": text}]
    pieces: list[str] = []
    short = ScriptedBackend().generate(
        messages, DecodingSettings(max_new_tokens=6, seed=1), on_text=pieces.append
    )
    assert (short.stop_reason, short.completion_tokens) == ("length", 6)
    assert "".join(pieces) == short.text == " ".join(reply(text).split()[:6])
    stopped = ScriptedBackend().generate(messages, DecodingSettings(stop=(".",), seed=1))
    assert stopped.stop_reason == "stop_string"
    assert stopped.text == reply(text).split(".")[0]


def test_repetition_penalty_turns_to_other_sentences() -> None:
    """Hand arithmetic: at penalty 2 greedy logits -1.0 (said) become -2.0, below all others."""
    text = "I worry about work."
    said = reply(text, temperature=0)
    turns = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": said},
        {"role": "user", "content": text},
    ]
    greedy = DecodingSettings(temperature=0)
    assert ScriptedBackend().generate(turns, greedy).text == said
    other = ScriptedBackend().generate(
        turns, DecodingSettings(temperature=0, repetition_penalty=2.0)
    )
    assert not set(other.text.split(". ")) & set(said.split(". "))


def test_it_is_labelled_and_needs_a_user(tmp_path: Path) -> None:
    backend = open_backend(
        System(id="floor", title="Floor", backend="scripted"), study_folder=tmp_path
    )
    provenance = backend.provenance()
    assert provenance["backend"] == "scripted"
    assert provenance["scripted"] is True
    assert set(provenance["files_sha256"]) == {
        *("scripted.py", "scripted_phrases.py", "danger_signs.py", "dialogue.toml"),
        *("safety_replies.toml", "en.toml", "es.toml", "de.toml", "ar.toml"),
    }
    with pytest.raises(ModelError, match="no message of the user"):
        backend.generate([{"role": "system", "content": "Be kind."}], DecodingSettings())
    backend.close()
