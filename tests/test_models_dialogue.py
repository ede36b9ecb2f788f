"""The dialogue system: its table in every state, its walk, and its replies with the shipped model."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from models.backends.decoding import DecodingSettings
from models.backends.opening import files_sha256, open_backend, settings_of
from models.backends.scripted import reply_sentences
from models.dialogue.backend import DialogueBackend, sentence_of, with_instruction
from models.dialogue.conversation_plan import plan_conversation, signal_in
from models.dialogue.emotion_classifier import EMOTIONS, Emotion
from models.dialogue.state_table import ANSWERS, CARRIED, TABLE_FILE, state_table, table_of
from models.generation.response import write_response
from models.serving.application import ServedModel, create_app
from study.errors import GenerationError, ModelError, ProtocolError
from study.leaks import RULES
from study.protocol import parse_protocol
from study.protocol.schema import Prompt
from study.protocol.systems import Dialogue, System
from tests.fixtures_commands import page_writer

ROOT = Path(__file__).parent.parent
TABLE = state_table()
# What a turn can carry, as a message that carries it.
TURNS = {name: name for name in EMOTIONS} | {
    "danger": "I want to kill myself.",
    "farewell": "Thanks, bye!",
}
WORRY = "I can't sleep because of my exams, I worry all night."


def test_the_page_shows_the_table_that_is_in_force() -> None:
    """When this fails: python docs/writers/systems_page.py"""
    writer = page_writer("systems")
    page = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    assert page == writer.page_text(page)


def by_name(text: str) -> Emotion:
    """Reads the emotion that the message names; the walk is what is tested."""
    name = text if text in EMOTIONS else "neutral"
    return Emotion(name, {name: 1.0})


def walks(length: int) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for carried in itertools.product(CARRIED, repeat=length):
        yield carried, plan_conversation([TURNS[c] for c in carried], by_name, TABLE)


def test_every_state_says_what_follows_whatever_a_message_carries() -> None:
    assert set(TABLE.moves) == set(TABLE.states)
    for state, row in TABLE.moves.items():
        asked = {"safe", "unsafe"} if state in ("asking", "waiting") else set()
        assert set(row) == {*EMOTIONS, "danger", "farewell"} | asked
    named = {name for row in TABLE.moves.values() for move in row.values() for name in move.choose}
    assert named == set(TABLE.techniques)


SAFETY = ("safety", "steadying", "asking", "waiting")


def within_safety(carried: Sequence[str]) -> list[bool]:
    """The rule by hand: left after four messages without danger and without a goodbye."""
    since, found = None, []
    for turn in carried:
        if turn == "danger" or (since is not None and turn == "farewell"):
            since = 0
        elif since is not None:
            since = since + 1 if since < 3 else None
        found.append(since is not None)
    return found


def test_every_walk_of_five_turns() -> None:
    # 7 ** 5 walks. Properties: the next state is the table's, no technique twice running unless
    # declared, nothing but danger leads to safety, and it is left by the rule and not before.
    reached, used = set(), set()
    for carried, planned in walks(5):
        state = "opening"
        for turn, step in zip(carried, planned, strict=True):
            assert step.state_before == state
            assert step.state == TABLE.moves[state][turn].next
            assert step.technique.id in TABLE.moves[state][turn].choose
            state = step.state
        for before, after in itertools.pairwise(planned):
            assert before.technique != after.technique or after.technique.may_repeat
        assert [step.state in SAFETY for step in planned] == within_safety(carried)
        assert [step.technique.fixed for step in planned] == within_safety(carried)
        reached |= {step.state_before for step in planned}
        used |= {step.technique.id for step in planned}
    assert reached == set(TABLE.states)
    assert used == set(TABLE.techniques)


@pytest.mark.parametrize(
    ("turns", "states"),
    [
        # Asked after two messages without a sign; a yes leaves at once.
        (["danger", "sad", "neutral", "Yes, I am safe."], ["safety", *SAFETY[1:3], "listening"]),
        (["danger", "sad", "neutral", "sad", "yes"], [*SAFETY, "listening"]),
        # Not before the question, though.
        (["danger", "Yes, I am safe.", "yes"], ["safety", "steadying", "asking"]),
        # A no, not knowing, a goodbye or another sign: the count starts anew.
        (["danger", "sad", "neutral", "No."], ["safety", *SAFETY[1:3], "safety"]),
        (["danger", "sad", "neutral", "I don't know."], ["safety", *SAFETY[1:3], "safety"]),
        (["danger", "sad", "farewell", "sad"], ["safety", "steadying", "safety", "steadying"]),
        (["danger", "sad", "neutral", "danger"], ["safety", *SAFETY[1:3], "safety"]),
        # Nothing said about it: four messages.
        (["danger", "sad", "happy", "sad", "angry"], [*SAFETY, "listening"]),
    ],
)
def test_safety_is_left_by_the_stated_rule(turns: list[str], states: list[str]) -> None:
    planned = plan_conversation([TURNS.get(t, t) for t in turns], by_name, TABLE)
    assert [step.state for step in planned] == states
    assert set(ANSWERS) == {"safe", "unsafe"}


def test_the_walk_depends_on_the_turns_alone() -> None:
    # A longer history begins as the shorter one did: so it can be walked anew at every request.
    for carried, planned in walks(3):
        texts = [TURNS[c] for c in carried]
        assert plan_conversation(texts[:2], by_name, TABLE) == planned[:2]


def test_the_technique_used_least_comes_next() -> None:
    # By hand: anxious in opening, calming and thinking gives grounding, evidence and
    # problem-solving; acting offers grounding and problem-solving, of which the latter was just
    # used, so grounding comes a second time.
    planned = plan_conversation(["anxious"] * 4, by_name, TABLE)
    assert [step.technique.id for step in planned] == [
        "grounding",
        "evidence",
        "problem-solving",
        "grounding",
    ]


def broken(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = tomllib.loads(TABLE_FILE.read_text(encoding="utf-8"))
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["moves"]["acting"].pop("sad"), "moves of 'acting' are for"),
        (lambda c: c["moves"].pop("acting"), "differ"),
        (lambda c: c["moves"]["asking"].pop("safe"), "both or neither"),
        (lambda c: c["moves"]["acting"]["sad"].update(next="nowhere"), "unknown state 'nowhere'"),
        (lambda c: c["moves"]["acting"]["sad"].update(choose=["x", "y"]), "unknown techniques"),
        (lambda c: c["moves"]["acting"]["sad"].update(choose=["pause"]), "no other technique"),
        (lambda c: c["techniques"]["pause"].pop("says"), "'pause' has nothing to say"),
        (
            lambda c: (c["states"].update(idle="x"), c["moves"].update(idle=c["moves"]["acting"])),
            r"\['idle'\] cannot be reached",
        ),
    ],
)
def test_a_table_with_a_gap_is_refused(change: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        table_of(broken(change))


def test_no_sentence_of_ours_is_a_finding_or_comes_twice() -> None:
    sentences = [text for technique in TABLE.techniques.values() for text in technique.says]
    assert len(sentences) == len(set(sentences)) >= 30
    found = [(rule.name, text) for text in sentences for rule in RULES if rule.pattern.search(text)]
    assert found == []


@pytest.mark.parametrize(
    ("turn", "signal"),
    [
        ("Bye!", "farewell"),
        ("Thank you so much, goodbye.", "farewell"),
        ("Okay, that's all for today", "farewell"),
        ("I feel better. I have to go now.", "farewell"),
        ("My grandfather died and I could not say goodbye to him.", None),
        ("I could not even say goodbye.", None),
        ("I have to go to the doctor and I am afraid", None),
        ("What does goodbye mean?", None),
        ("Bye, I want to kill myself", "danger"),
        ("My father beats me.", "danger"),
        ("I fail at everything.", None),
    ],
)
def test_signals_go_before_the_emotion(turn: str, signal: str | None) -> None:
    assert signal_in(turn) == signal


def test_a_sentence_that_was_said_is_not_said_again_while_there_is_another() -> None:
    grounding = TABLE.techniques["grounding"]
    assert sentence_of(grounding, "") == grounding.says[0]
    assert sentence_of(grounding, f"A. {grounding.says[0]} B.") == grounding.says[1]
    assert sentence_of(grounding, " ".join(grounding.says)) == grounding.says[0]


def test_an_instruction_joins_the_system_message() -> None:
    user = {"role": "user", "content": "Hello"}
    assert with_instruction([user], "Ask.") == [{"role": "system", "content": "Ask."}, user]
    with_system = [{"role": "system", "content": "Be kind."}, user]
    assert with_instruction(with_system, "Ask.") == [
        {"role": "system", "content": "Be kind.\n\nAsk."},
        user,
    ]


def arm(**fields: Any) -> System:
    given: dict[str, Any] = {
        "backend": "dialogue",
        "model": "shipped:demo-tuned",
        "decoding": {"temperature": 0, "max_new_tokens": 60},
        "dialogue": Dialogue(generator="transformers"),
    }
    return System(id="arm", title="Arm", **(given | fields))


@pytest.fixture(scope="module")
def dialogue() -> Iterator[Any]:
    backend = open_backend(arm(), study_folder=Path())
    yield backend
    backend.close()


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


SETTINGS = DecodingSettings(temperature=0, max_new_tokens=60)


def test_a_reply_is_the_generated_part_and_the_techniques_sentence(dialogue: Any) -> None:
    reply = dialogue.generate([user(WORRY)], SETTINGS)
    facts = dialogue.provenance()["dialogue"]
    technique = TABLE.techniques[facts["technique"]]
    assert reply.text == f"{facts['generated_text']}\n\n{technique.says[0]}"
    assert facts["said"] == technique.says[0]
    assert facts["emotion"] in EMOTIONS
    assert sum(facts["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    move = TABLE.moves["opening"][facts["emotion"]]
    assert (facts["state_before"], facts["state"]) == ("opening", move.next)

    # The generated part is what the generator alone writes.
    alone = open_backend(arm(backend="transformers", dialogue=None), study_folder=Path())
    assert facts["generated_raw_text"] == alone.generate([user(WORRY)], SETTINGS).raw_text
    alone.close()


def test_the_history_moves_the_state_and_no_technique_comes_twice_running(dialogue: Any) -> None:
    messages: list[dict[str, str]] = []
    techniques = []
    for text in (WORRY, "I am so nervous.", "I am so nervous!", "Nobody likes me and I cry."):
        messages.append(user(text))
        reply = dialogue.generate(messages, SETTINGS)
        facts = dialogue.provenance()["dialogue"]
        assert facts["techniques_before"] == techniques
        techniques.append(facts["technique"])
        messages.append({"role": "assistant", "content": reply.text})
    assert all(a != b for a, b in itertools.pairwise(techniques))
    # Stateless: the whole history at once gives the last reply again.
    assert dialogue.generate(messages[:-1], SETTINGS).text == messages[-1]["content"]


def test_a_sign_of_danger_in_any_turn_gives_the_fixed_reply_and_nothing_generated(
    dialogue: Any,
) -> None:
    turns = ["I want to kill myself.", "Never mind, I had lunch."]
    first = dialogue.generate([user(turns[0])], DecodingSettings(temperature=0, max_new_tokens=2))
    # The floor's own fixed reply, whole: no limit cuts it.
    assert first.text == " ".join(reply_sentences(turns[:1], "", SETTINGS))
    facts = dialogue.provenance()["dialogue"]
    assert (facts["generator_asked"], facts["emotion"], facts["signal"]) == (False, None, "danger")
    assert first.completion_tokens == 0
    assert facts["danger"] == "crisis"
    later = dialogue.generate([user(turns[0]), user(turns[1])], SETTINGS)
    assert "emergency services" in later.text
    assert later.text != first.text
    facts = dialogue.provenance()["dialogue"]
    assert (facts["generator_asked"], facts["state"], facts["danger"]) == (False, "steadying", None)
    # The person says that all is well when asked: the model writes again.
    talk = [*turns, "It was only a bad day.", "Yes, I am safe now."]
    asked = dialogue.generate([user(text) for text in talk[:3]], SETTINGS)
    assert "safe right now?" in asked.text
    dialogue.generate([user(text) for text in talk], SETTINGS)
    facts = dialogue.provenance()["dialogue"]
    assert (facts["generator_asked"], facts["state"], facts["signal"]) == (
        True,
        "listening",
        "safe",
    )


class Leaking:
    """A generator that leaks its training format, as small tuned models do."""

    def __init__(self, written: str, stop_reason: Any = "stop_token") -> None:
        self.written = written
        self.stop_reason = stop_reason
        self.asked: list[Any] = []

    def provenance(self) -> dict[str, Any]:
        return {"backend": "transformers", "model": "leaking", "libraries": {}}

    def generate(self, messages: Any, settings: Any, *, on_text: Any = None) -> Any:
        from models.backends.decoding import Generated

        self.asked.append(messages)
        return Generated(self.written.strip(), self.written, 5, 7, 0.1, 0.05, self.stop_reason)

    def close(self) -> None:
        pass


def around(generator: Any, **settings: Any) -> DialogueBackend:
    from models.shipped import shipped_path

    return DialogueBackend(generator, Dialogue(**settings), shipped_path("demo-tuned"), Path())


def test_the_generated_part_is_cleaned_before_the_sentence_follows() -> None:
    generator = Leaking("That is hard.\nUser: I also said this")
    backend = around(generator)
    reply = backend.generate([user(WORRY)], SETTINGS)
    facts = backend.provenance()["dialogue"]
    assert reply.text == f"That is hard.\n\n{facts['said']}"
    assert reply.raw_text == f"That is hard.\nUser: I also said this\n\n{facts['said']}"
    assert facts["generated_cleaning"] == ["leaked turn cut off"]
    generator.written = "<|end|>"
    with pytest.raises(GenerationError, match="empty after cleaning"):
        backend.generate([user(WORRY)], SETTINGS)
    with pytest.raises(ModelError, match="no message of the user"):
        backend.generate([{"role": "assistant", "content": "Hello"}], SETTINGS)


def test_the_generator_gets_the_last_turns_and_danger_is_remembered_from_all() -> None:
    generator = Leaking("That is hard.")
    backend = around(generator, generator_turns=2)
    talk = [{"role": "system", "content": "Be kind."}]
    for word in ("one", "two", "three"):
        talk += [user(f"I worry about {word}."), {"role": "assistant", "content": f"So {word}."}]
    backend.generate([*talk, user("And four.")], SETTINGS)
    assert generator.asked == [[talk[0], *talk[5:], user("And four.")]]
    talk[1] = user("I want to kill myself.")
    later = backend.generate([*talk, user("And four.")], SETTINGS)
    assert "emergency services" in later.text
    assert len(generator.asked) == 1


@pytest.mark.parametrize("limit", ["length", "context", "time"])
def test_a_part_that_ran_into_a_limit_ends_with_a_whole_sentence(limit: str) -> None:
    broken = "That is hard. Perhaps you can plan your revision for one day only and"
    generator = Leaking(broken, limit)
    backend = around(generator)
    reply = backend.generate([user(WORRY)], SETTINGS)
    facts = backend.provenance()["dialogue"]
    assert reply.text == f"That is hard.\n\n{facts['said']}"
    assert reply.raw_text == f"{broken}\n\n{facts['said']}"
    assert facts["generated_raw_text"] == broken
    assert facts["generated_text"] == "That is hard."
    assert facts["generated_cleaning"] == ["unfinished sentence cut off"]

    # The same text that ended by itself is the system's own and stays.
    generator.stop_reason = "stop_token"
    assert backend.generate([user(WORRY)], SETTINGS).text.startswith(f"{broken}\n\n")

    # Nothing whole: the technique's sentence stands alone, and without one there is no reply.
    generator.written, generator.stop_reason = "Perhaps you can plan your", limit
    reply = backend.generate([user(WORRY)], SETTINGS)
    assert reply.text == backend.provenance()["dialogue"]["said"]
    alone = around(generator, technique_goes="to-generator")
    with pytest.raises(GenerationError, match=f"no whole sentence.*stopped by {limit}"):
        alone.generate([user(WORRY)], SETTINGS)


# Words and signs of ordinary English in which tokens are short.
LONG_MESSAGE = (
    "My supervisor humiliated me in front of the whole department yesterday. I'd prepared the "
    "presentation for weeks, including supplementary statistics about microplastics in the Danube, "
    "and she interrupted after two slides. Afterwards nobody said anything. I'm considering quitting "
    "my doctorate altogether, although my scholarship would be cancelled retroactively. What now?!?"
)


@pytest.mark.parametrize("name", ["nile-user-study", "sus", "umux-lite"])
def test_the_longest_conversation_of_a_shipped_chat_study_fits_the_shipped_model(name: str) -> None:
    """Oracle: the tokenizer's count, with the longest technique's sentence after each reply."""
    from transformers import AutoTokenizer

    from models.shipped import shipped_path
    from study.protocol import load_protocol

    protocol = load_protocol(ROOT / "protocols" / f"{name}.yaml")
    chat, system = protocol.chat, protocol.systems[0]
    assert chat is not None
    turns = system.dialogue.generator_turns if system.dialogue else chat.history_turns
    assert turns is not None
    tokenizer = AutoTokenizer.from_pretrained(shipped_path("demo-tuned"))
    context = tokenizer.model_max_length
    assert context == 512
    message = (LONG_MESSAGE + LONG_MESSAGE)[: chat.longest_message]
    talk = [user(message)]
    for _ in range(turns - 1):
        talk += [{"role": "assistant", "content": ""}, user(message)]
    prompt = len(tokenizer.apply_chat_template(talk, add_generation_prompt=True)["input_ids"])
    sentences = [text for t in TABLE.techniques.values() for text in t.says]
    said = max(len(tokenizer(f"\n\n{text}")["input_ids"]) for text in sentences)
    budget = system.decoding.max_new_tokens
    replies = (turns - 1) * (budget + said * (system.backend == "dialogue")) + budget
    assert prompt + replies <= context


def test_replies_of_the_shipped_model_end_by_themselves() -> None:
    # The shipped chat studies' own settings; a reply cut by its budget would say "length".
    from study.protocol import load_protocol

    protocol = load_protocol(ROOT / "protocols" / "nile-user-study.yaml")
    topics = load_protocol(ROOT / "protocols" / "emosapp-students.yaml").prompts
    system = protocol.systems[0].model_copy(
        update={"backend": "transformers", "dialogue": None, "precision": "fp32"}
    )
    alone = open_backend(system, study_folder=Path())
    reasons = [alone.generate([user(p.text)], settings_of(system)).stop_reason for p in topics]
    alone.close()
    assert reasons == ["stop_token"] * len(topics)


def test_the_technique_can_go_to_the_generator_instead() -> None:
    generator = Leaking("That is hard.")
    backend = around(generator, technique_goes="to-generator")
    assert backend.generate([user(WORRY)], SETTINGS).text == "That is hard."
    technique = TABLE.techniques[backend.provenance()["dialogue"]["technique"]]
    assert generator.asked[0][0] == {"role": "system", "content": technique.instruction}


def test_a_response_of_a_study_carries_raw_and_cleaned_text_and_what_led_to_it(
    dialogue: Any,
) -> None:
    written = write_response(arm(), dialogue, Prompt(id="p", topic="t", text=WORRY))
    facts = written.provenance
    assert (facts["backend"], facts["generator"]) == ("dialogue", "transformers")
    assert facts["dialogue"]["generated_raw_text"]
    assert written.text.startswith(facts["dialogue"]["generated_text"])
    # Every file that a worker elsewhere would be checked for is in the provenance.
    assert facts["files_sha256"] == files_sha256(arm(), Path())
    assert "emotion-demo/classifier.json" in facts["files_sha256"]


def test_over_http_streamed_and_not(dialogue: Any) -> None:
    # Real requests through the ASGI application by Starlette's own client.
    from starlette.testclient import TestClient

    served = ServedModel("arm", dialogue, settings_of(arm()), "")
    body = {"model": "arm", "messages": [user(WORRY)]}
    with TestClient(create_app([served], queue_size=1)) as client:
        whole = client.post("/v1/chat/completions", json=body).json()
        streamed = client.post("/v1/chat/completions", json=body | {"stream": True}).text
    text = whole["choices"][0]["message"]["content"]
    assert text == dialogue.generate([user(WORRY)], SETTINGS).text
    pieces = [line for line in streamed.split("\n\n") if '"content"' in line]
    assert "\\n\\n" in pieces[-1]
    assert streamed.endswith("data: [DONE]\n\n")


def test_the_defaults_run_the_shipped_offline_file() -> None:
    assert arm(dialogue=None).runs_on == "executorch"
    files = files_sha256(arm(dialogue=None), Path())
    assert "demo-tuned.pte" in files
    assert "emotion-demo/classifier.json" in files


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {
                "dialogue": {"generator": "openai", "embeddings": "shipped:demo-base"},
                "endpoint": "http://127.0.0.1:9/v1",
            },
            "trained on the checkpoint",
        ),
        ({"dialogue": {"embeddings": "nowhere"}}, "there is no checkpoint at"),
        ({"dialogue": {"generator": "transformers", "classifier": "nowhere"}}, "no emotion class"),
        ({"dialogue": None, "precision": "bf16"}, "has 'precision', which backend"),
        ({"dialogue": {"generator": "openai"}}, "no 'endpoint'"),
        (
            {
                "dialogue": {"generator": "openai"},
                "endpoint": "http://127.0.0.1:9/v1",
                "decoding": {"top_k": 5},
            },
            "top_k is 5",
        ),
        ({"backend": "scripted", "model": "", "dialogue": {}}, "has 'dialogue', which backend"),
    ],
)
def test_what_cannot_be_honoured_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        open_backend(arm(**fields), study_folder=Path())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("scripted\n    dialogue: {generator: openai}", "which has no dialogue; remove the block"),
        ("dialogue", "which needs a model"),
        (
            "dialogue\n    model: m\n    dialogue: {generator: openai}",
            r"endpoint: found '', expected an address",
        ),
        ("dialogue\n    model: m\n    dialogue: {generator: scripted}", "generator"),
    ],
)
def test_check_tells_what_a_dialogue_system_lacks(written: str, said: str) -> None:
    folder, old = ROOT / "protocols", "    backend: scripted\n"
    text = (folder / "demo.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    with pytest.raises(ProtocolError, match=said):
        parse_protocol(text.replace(old, f"    backend: {written}\n"), "demo.yaml", folder=folder)
    whole = text.replace(old, "    backend: dialogue\n    model: m\n")
    assert parse_protocol(whole, "demo.yaml", folder=folder).systems[-1].runs_on == "executorch"
