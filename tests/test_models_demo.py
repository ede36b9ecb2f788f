"""The demo model: its grammar, its replies to unseen messages, its card."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.backends.decoding import DecodingSettings, Generated
from models.demo.card import shipped_files, variant_table
from models.demo.corpus import Dialogue, draw_dialogues, expand, topics
from models.demo.tokenizer import save_tokenizer, train_tokenizer
from models.demo.training import DemoRecipe, train_demo_model
from models.offline.export import file_sha256, read_manifest
from models.offline.runtime import OfflineRuntime
from models.shipped import FOLDER, shipped_path
from study.errors import ModelError
from tests.fixtures_demo_replies import from_grammar, language_faults, on_topic, sentences

# Messages on the ten topics, written apart from the grammar; two a topic. The grammar got more
# words after replies to these had been looked at.
PROMPTS = {
    "exam-stress": (
        "My physics final is on Thursday and I still have not understood half of the lectures. "
        "Whenever I think about it I get a knot in my stomach.",
        "I used to be a good student, but since I did badly in the winter exams I panic at the "
        "sight of a test paper. How do other people stay calm while they study?",
    ),
    "loneliness": (
        "I moved into student housing and in six weeks I have not made a single friend. In the "
        "evenings it is so quiet that I turn on the radio just to hear a voice.",
        "People are nice to me, but nobody ever asks me to join them. I feel lonely even in a "
        "full lecture hall.",
    ),
    "family-conflict": (
        "My father and I had a huge argument about my choice of subject and now he does not talk "
        "to me. My mother says I should say sorry.",
        "Whenever I go home my parents start to quarrel with each other and then both of them "
        "complain to me. I love them but I can't stand being there.",
    ),
    "romantic-breakup": (
        "My girlfriend left me after four years and I still reach for my phone to tell her about "
        "my day. I don't know how to be without her.",
        "He said he did not love me any more and a week later he was together with someone new. "
        "I feel thrown away.",
    ),
    "sleep": (
        "It is four in the morning again and I am still awake. My head is full of thoughts and "
        "tomorrow I have to be at work at eight.",
        "For two months I have slept badly. I wake up several times every night and during the "
        "day I am so tired that I forget things.",
    ),
    "low-mood": (
        "Nothing is fun any more. I stay in bed until noon and even taking a shower feels like "
        "too much work.",
        "I have been down for weeks and I cry easily. My life looks fine from outside, yet "
        "inside everything is grey and empty.",
    ),
    "social-anxiety": (
        "We must present our project in front of the whole class and I already feel my heart "
        "pounding. I am sure that everyone will see how my hands shake.",
        "I get nervous in every group. I think that people judge me when I speak, so I keep "
        "silent and go home early.",
    ),
    "career-worry": (
        "I will finish my degree in spring and I have sent more than forty applications without "
        "one offer. I wonder if anybody will ever give me a job.",
        "Everybody asks what I want to become and I have no answer. I fear that I chose a field "
        "with no future.",
    ),
    "self-esteem": (
        "When someone says that I did well I think they are only being polite. Deep inside I am "
        "convinced that I am not good enough.",
        "I look in the mirror and dislike what I see. Compared with my friends I feel ugly and "
        "worthless.",
    ),
    "homesickness": (
        "I came to this country for my master's degree and I miss home more than I expected. "
        "The food, the language, everything here is foreign to me.",
        "Since I moved away I count the days until I can visit my family. In this city I know "
        "no street and no face.",
    ),
}
# Written when the grammar's words were final; none of theirs went into it.
FRESH = {
    "exam-stress": (
        "In nine days I write my anatomy test and there are four hundred pages that I have "
        "not read. I cannot even start, I only stare at the books."
    ),
    "loneliness": (
        "I changed university and lost touch with everyone. On Saturdays I walk around alone "
        "and wish that one friend would call me."
    ),
    "family-conflict": (
        "My sister told our parents that I smoke and now my mother shouts at me every day. "
        "There is no peace in our family."
    ),
    "romantic-breakup": (
        "My boyfriend and I separated in summer, and yesterday I saw him with another girl. "
        "I thought I was over him, but my heart broke again."
    ),
    "sleep": (
        "I go to bed at eleven and at three I am still looking at the ceiling. I have tried "
        "everything and I just want one night of good sleep."
    ),
    "low-mood": (
        "For some time now I have had no energy and no joy in things I used to like. I feel "
        "heavy and sad and I don't know why."
    ),
    "social-anxiety": (
        "When I have to talk to people I do not know, I blush and my voice shakes. I avoid "
        "parties because everyone would look at me."
    ),
    "career-worry": (
        "My contract ends in June and I have not found a new job. I am afraid that nobody "
        "needs a historian and that my degree was for nothing."
    ),
    "self-esteem": (
        "Everyone around me is smarter and better looking. I feel like a failure and I "
        "cannot believe anyone who says something nice about me."
    ),
    "homesickness": (
        "It is my first winter abroad. I miss my grandmother's food, my language and the "
        "streets of my town, and home is so far away."
    ),
}
SUPPORT = "You are a warm assistant for students who write about their problems."


def first_reply(dialogue: Dialogue) -> str:
    return next(m["content"] for m in dialogue.messages if m["role"] == "assistant")


def test_the_ten_topics_have_the_ids_and_titles_of_the_protocol() -> None:
    assert {topic.id: topic.title for topic in topics()} == {
        "exam-stress": "Exam stress",
        "loneliness": "Loneliness",
        "family-conflict": "Conflict in the family",
        "romantic-breakup": "End of a relationship",
        "sleep": "Sleep problems",
        "low-mood": "Low mood",
        "social-anxiety": "Anxiety among people",
        "career-worry": "Worry about work and career",
        "self-esteem": "Low self-esteem",
        "homesickness": "Homesickness",
    }


def test_expansion_by_hand() -> None:
    rng = random.Random(0)  # noqa: S311 - the draw must repeat
    found = {expand("I {am |}{sad|{so |}tired}.", rng) for _ in range(200)}
    assert found == {
        "I am sad.",
        "I am tired.",
        "I am so tired.",
        "I sad.",
        "I tired.",
        "I so tired.",
    }


def test_the_same_seed_draws_the_same_dialogues() -> None:
    assert draw_dialogues("supportive", 50, 4) == draw_dialogues("supportive", 50, 4)
    assert draw_dialogues("supportive", 50, 4) != draw_dialogues("supportive", 50, 5)


def test_the_checks_pass_the_grammar_and_the_topic_check_tells_topics_apart() -> None:
    # Property: nearly every drawn reply is on its own topic, few are on a wrong one; plain
    # replies, which fit anything, are rarely on the topic.
    rng = random.Random(8)  # noqa: S311 - the draw must repeat
    drawn = [d for d in draw_dialogues("supportive", 600, 77) if d.topic != "small-talk"]
    own = sum(on_topic(first_reply(d), d.topic) for d in drawn)
    wrong = sum(
        on_topic(first_reply(d), rng.choice([t.id for t in topics() if t.id != d.topic]))
        for d in drawn
    )
    assert own > 0.97 * len(drawn)
    assert wrong < 0.03 * len(drawn)
    plain = [d for d in draw_dialogues("plain", 600, 77) if d.topic != "small-talk"]
    assert sum(on_topic(first_reply(d), d.topic) for d in plain) < 0.1 * len(plain)
    for dialogue in drawn:
        for sentence in sentences(first_reply(dialogue)):
            assert from_grammar(sentence), sentence


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("", "no text"),
        ("that sounds hard.", "no capital"),
        ("That sounds hard", "no closing mark"),
        ("That sounds hardly.", "unknown word: hardly"),
        ("That that sounds hard.", "twice in a row"),
        ("I am glad that you wrote. I am glad that you wrote.", "repeated: i am glad that"),
        ("That sounds \ufffd hard.", "broken token"),
    ],
)
def test_each_fault_is_found(reply: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in language_faults(reply))


def test_a_good_reply_has_no_fault() -> None:
    assert language_faults("That sounds hard. What is on your mind today?") == []


def test_the_tokenizer_loads_and_gives_every_text_back(tmp_path: Path) -> None:
    # Property of byte-level BPE: decoding gives the text back, also text it never saw.
    from transformers import AutoTokenizer

    tokenizer = train_tokenizer(["I cannot sleep."], vocab_size=280, context_length=64)
    save_tokenizer(tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("I cannot sleep.", "Zażółć gęślą jaźń 😀\n\tx"):
        assert loaded.decode(loaded(text)["input_ids"]) == text
    messages = [{"role": "user", "content": " hi "}, {"role": "assistant", "content": "yes"}]
    assert (
        loaded.apply_chat_template(messages, tokenize=False)
        == "<|begin|><|user|>hi<|end|><|assistant|>yes<|end|>"
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_training_twice_gives_the_same_files(tmp_path: Path) -> None:
    recipe = DemoRecipe(
        hidden_size=32,
        intermediate_size=64,
        layers=1,
        heads=2,
        key_value_heads=1,
        vocab_size=400,
        batch_size=4,
        base_steps=3,
        tuned_steps=3,
        held_out=4,
    )
    for name in ("a", "b"):
        train_demo_model(tmp_path / name, recipe, lambda *_: None)
    for model in ("demo-base", "demo-tuned"):
        files = sorted((tmp_path / "a" / model).iterdir())
        assert {path.name for path in files} >= {"model.safetensors", "tokenizer.json"}
        for path in files:
            assert file_sha256(path) == file_sha256(tmp_path / "b" / model / path.name), path.name


@pytest.fixture(scope="module")
def runtime() -> Iterator[OfflineRuntime]:
    with OfflineRuntime(shipped_path("demo-tuned.pte"), shipped_path("demo-tuned")) as model:
        yield model


def replies_to(
    runtime: OfflineRuntime, messages: list[tuple[str, str]], system: str | None
) -> list[tuple[str, Generated]]:
    before = [] if system is None else [{"role": "system", "content": system}]
    replies = []
    for seed, (topic, text) in enumerate(messages):
        settings = DecodingSettings(max_new_tokens=160, temperature=0.7, top_p=0.9, seed=seed)
        turns = [*before, {"role": "user", "content": text}]
        replies.append((topic, runtime.generate(turns, settings)))
    return replies


@pytest.mark.offline_model
@pytest.mark.parametrize("system", [None, SUPPORT], ids=["no-system", "system"])
def test_replies_are_on_topic_and_grammatical_in_eight_of_ten_topics(
    runtime: OfflineRuntime, system: str | None
) -> None:
    # The stated goal, on messages from which no word went into the grammar.
    found = replies_to(runtime, list(FRESH.items()), system)
    good = [t for t, r in found if on_topic(r.text, t) and not language_faults(r.text)]
    assert {reply.stop_reason for _, reply in found} == {"stop_token"}
    assert len(good) >= 8, f"only {good}"


@pytest.mark.offline_model
def test_most_replies_to_twenty_more_messages_are_on_topic(runtime: OfflineRuntime) -> None:
    messages = [(topic, text) for topic, texts in PROMPTS.items() for text in texts]
    found = replies_to(runtime, messages, None)
    assert sum(on_topic(reply.text, topic) for topic, reply in found) >= 15
    whole = sum(all(map(from_grammar, sentences(reply.text))) for _, reply in found)
    assert whole >= 18


@pytest.mark.offline_model
def test_replies_vary_with_the_seed(runtime: OfflineRuntime) -> None:
    message = [{"role": "user", "content": PROMPTS["sleep"][0]}]
    texts = {
        runtime.generate(message, DecodingSettings(seed=seed, max_new_tokens=160)).text
        for seed in range(5)
    }
    assert len(texts) >= 4


def test_the_shipped_files_are_at_most_15_mb() -> None:
    assert 0 < sum(path.stat().st_size for path in shipped_files()) <= 15_000_000


def test_the_card_names_the_hash_of_every_shipped_file() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"\| `([^`]+)` \|[^|]*\| `([0-9a-f]{64})` \|", card))
    assert listed == {
        path.relative_to(FOLDER).as_posix(): file_sha256(path) for path in shipped_files()
    }


def test_the_manifest_ties_the_offline_file_to_the_shipped_checkpoint() -> None:
    manifest = read_manifest(shipped_path("demo-tuned.pte"))
    tuned = shipped_path("demo-tuned")
    assert manifest.inputs["model.safetensors"] == file_sha256(tuned / "model.safetensors")
    assert manifest.sha256 == file_sha256(shipped_path("demo-tuned.pte"))
    assert (manifest.scheme, manifest.group_size) == ("8da4w", 32)


def test_the_card_states_the_recorded_losses() -> None:
    record = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    losses = record["held_out_loss_nats_per_reply_token"]
    for model, by_style in losses.items():
        for style, loss in by_style.items():
            assert re.search(rf"{model}.*{style}.*{loss:.3f}", card), (model, style, loss)


def test_the_card_has_the_table_of_the_recorded_variants() -> None:
    record = json.loads((FOLDER / "variants.json").read_text(encoding="utf-8"))
    assert len(variant_table().splitlines()) == 2 + len(record["rows"])
    assert variant_table() in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_an_unknown_shipped_name_is_refused() -> None:
    for name in ("demo-huge", "../demo-base", "README.md"):
        with pytest.raises(ModelError, match="There is no shipped model"):
            shipped_path(name)
