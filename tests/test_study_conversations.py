"""Conversations in the store: kept once, cut off when nobody writes on, erased, verified, exported.

Oracle: the statements of study/conversation.py and study/store/conversations.py, worked out by hand
for small conversations, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, select, text, update

from protocols import shipped_protocols
from study import conversation, participation
from study.cli.group import run
from study.conversation import Phase, Reply
from study.entities import Answer, ConversationEnd, Rater, TurnOutcome
from study.errors import ProtocolError, RatingError
from study.participation import Step
from study.protocol import parse_protocol
from study.rehearsal import rehearse
from study.report_view.conversations import conversation_rows, turn_rows
from study.report_view.snapshot import Snapshot
from study.store import conversations, events, tables
from study.store.audit import study_faults
from study.store.conversations import Written
from study.store.locking import unblind_study
from study.store.raters import find_by_code, link_secret, read_raters, withdraw
from study.store.study import Study
from tests.conftest import eventually
from tests.fixtures_chat import make_chat_study

ABOUT = {"gender": "woman", "experience": "never"}


@pytest.fixture
def study(tmp_path: Path, store_url: str) -> Iterator[Study]:
    made = make_chat_study(tmp_path / "study", raters=2, turns=3, history_turns=2)
    yield made
    made.close()


@pytest.fixture
def rater(study: Study) -> Rater:
    """A rater whose first conversation is about to begin."""
    one = read_raters(study)[0]
    participation.consent(study, one)
    participation.save_demographics(study, one, ABOUT)
    participation.finish_practice(study, one)
    return find_by_code(study, one.code)


def place(study: Study, rater: Rater) -> participation.Place:
    return participation.find_place(study, link_secret(study, rater))


def talk_of(study: Study, rater: Rater) -> str:
    found = place(study, rater).conversation
    assert found is not None
    return found.assignment_id


def replied(study: Study, rater: Rater, talk: str, text: str = "I hear you.") -> None:
    number = conversations.begin_reply(study, rater, talk)
    conversations.finish_reply(study, rater, talk, number, Written(text, provenance={"seed": 5}))


def phase(study: Study, talk: str) -> Phase:
    chat = conversation.declared_chat(study)
    return conversation.phase(conversations.read(study, talk), chat, dt.datetime.now(dt.UTC))


def test_a_whole_conversation_and_its_place_in_the_study(study: Study, rater: Rater) -> None:
    talk = talk_of(study, rater)
    assert (place(study, rater).step, phase(study, talk)) == (Step.CONVERSATION, Phase.WRITE)
    for turn in (1, 3, 5):
        assert conversations.say(study, rater, talk, turn, f"message {turn}")
        assert phase(study, talk) is Phase.ASK_AGAIN
        replied(study, rater, talk, f"reply {turn}")
    # Three of the rater's messages are the budget.
    assert phase(study, talk) is Phase.OVER
    assert conversation.end(study, rater, talk)
    ended = conversations.read(study, talk)
    assert ended.ended_by is ConversationEnd.TURN_BUDGET
    assert [t.text for t in ended.turns] == [
        "message 1", "reply 1", "message 3", "reply 3", "message 5", "reply 5",
    ]  # fmt: skip
    # The last two of the rater's messages, with what came between and after them.
    assert conversation.messages_for(ended, conversation.declared_chat(study)) == [
        {"role": "user", "content": "message 3"},
        {"role": "assistant", "content": "reply 3"},
        {"role": "user", "content": "message 5"},
        {"role": "assistant", "content": "reply 5"},
    ]
    assert place(study, rater).step is Step.RATING
    answers = {i.id: Answer("fine" if i.is_text else 4) for i in study.protocol.items}
    assert participation.submit(study, rater, talk, answers)
    after = place(study, rater)
    assert after.step is Step.CONVERSATION
    assert after.conversation is not None and after.conversation.assignment_id != talk
    assert study_faults(study) == []


def test_a_message_that_is_sent_twice_is_there_once(study: Study, rater: Rater) -> None:
    talk = talk_of(study, rater)
    assert conversations.say(study, rater, talk, 1, "hello")
    assert not conversations.say(study, rater, talk, 1, "hello")
    with pytest.raises(RatingError, match="Something else was written"):
        conversations.say(study, rater, talk, 1, "from another window")
    with pytest.raises(RatingError, match="not finished"):
        conversations.say(study, rater, talk, 2, "a second one before the reply")
    number = conversations.begin_reply(study, rater, talk)
    with pytest.raises(RatingError, match="No reply is due"):
        conversations.begin_reply(study, rater, talk)
    assert number == 2
    other = read_raters(study)[1]
    with pytest.raises(RatingError):
        conversations.say(study, other, talk, 3, "not my conversation")
    assert len(conversations.read(study, talk).turns) == 2


def test_a_reply_that_nobody_writes_on_is_cut_off_and_asked_for_again(
    study: Study, rater: Rater
) -> None:
    talk = talk_of(study, rater)
    conversations.say(study, rater, talk, 1, "hello")
    number = conversations.begin_reply(study, rater, talk)
    conversations.grow_reply(study, talk, number, "I hear")
    assert phase(study, talk) is Phase.REPLY
    assert conversations.cut_unfinished(study) == 1
    assert conversations.cut_unfinished(study) == 0
    cut = conversations.read(study, talk)
    assert (cut.turns[1].outcome, cut.turns[1].text) == (TurnOutcome.CUT_OFF, "I hear")
    assert [t.number for t in conversation.shown_turns(cut)] == [1, 2]
    assert phase(study, talk) is Phase.ASK_AGAIN
    replied(study, rater, talk, "I hear you now.")
    again = conversations.read(study, talk)
    # The broken one stays in the data and leaves the page and the system's view.
    assert [t.number for t in conversation.shown_turns(again)] == [1, 3]
    assert conversation.messages_for(again, conversation.declared_chat(study)) == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "I hear you now."},
    ]
    assert study_faults(study) == []


@pytest.mark.postgres
@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_reply_that_ends_while_it_is_cut_off_waits_and_both_are_kept(
    study: Study, rater: Rater
) -> None:
    """The server writes the end of a reply when another start of it cuts that reply off.

    The first transaction goes on from its first row only when the second holds a row of its own or
    waits for one, as PostgreSQL's own table of locks tells: with rows held in two orders, that is a
    deadlock every time.
    """
    talk = talk_of(study, rater)
    conversations.say(study, rater, talk, 1, "hello")
    number = conversations.begin_reply(study, rater, talk)
    conversations.grow_reply(study, talk, number, "I hear")
    held = {"cutting": threading.Event(), "finishing": threading.Event()}

    def waits() -> bool:
        with study.engine.connect() as connection:
            return bool(connection.execute(text(_WAITING)).scalar_one())

    def after(connection: object, cursor: object, statement: str, *rest: object) -> None:
        name = threading.current_thread().name
        ours = "audit_head" in statement or "UPDATE conversation_turn" in statement
        if not ours or name not in held or held[name].is_set():
            return
        held[name].set()
        if name == "cutting":
            eventually(lambda: held["finishing"].is_set() or waits(), want=True)

    event.listen(study.engine, "after_cursor_execute", after)
    whole = Written("I hear you.")
    with (
        ThreadPoolExecutor(1, initializer=_named("cutting")) as first,
        ThreadPoolExecutor(1, initializer=_named("finishing")) as second,
    ):
        cut = first.submit(conversations.cut_off, study, talk, number)
        eventually(lambda: held["cutting"].is_set() or cut.done(), want=True)
        kept = second.submit(conversations.finish_reply, study, rater, talk, number, whole)
        assert (cut.result(), kept.result()) == (True, True)
    event.remove(study.engine, "after_cursor_execute", after)
    turn = conversations.read(study, talk).turns[1]
    assert (turn.outcome, turn.text) == (TurnOutcome.COMPLETE, "I hear you.")
    with study.reading() as connection:
        lines = [e.payload for e in events.read(connection) if e.payload is not None]
    outcomes = [line["outcome"] for line in lines if line.get("number") == number]
    assert outcomes == ["cut off", "complete"]
    assert study_faults(study) == []


# Sessions of this database that wait for a lock of another one.
_WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND datname = current_database()
"""


def _named(name: str) -> Callable[[], None]:
    def name_thread() -> None:
        threading.current_thread().name = name

    return name_thread


def test_ending_needs_an_answer_and_says_why_it_ended(study: Study, rater: Rater) -> None:
    talk = talk_of(study, rater)
    assert not conversation.end(study, rater, talk)
    conversations.say(study, rater, talk, 1, "hello")
    replied(study, rater, talk)
    conversations.say(study, rater, talk, 3, "and then?")
    number = conversations.begin_reply(study, rater, talk)
    assert not conversation.end(study, rater, talk)
    silent = Written("", TurnOutcome.FAILED, {"failure": "silent"})
    conversations.finish_reply(study, rater, talk, number, silent)
    assert conversation.end(study, rater, talk)
    assert not conversation.end(study, rater, talk)
    assert conversations.read(study, talk).ended_by is ConversationEnd.SYSTEM_SILENT
    with pytest.raises(RatingError, match="over"):
        conversations.say(study, rater, talk, 5, "too late")


def test_the_time_budget_counts_from_the_first_message(study: Study, rater: Rater) -> None:
    talk = talk_of(study, rater)
    chat = conversation.declared_chat(study)
    empty = conversations.read(study, talk)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=60)
    assert conversation.seconds_left(empty, chat, later) == 9 * 60
    conversations.say(study, rater, talk, 1, "hello")
    replied(study, rater, talk)
    begun = conversations.read(study, talk)
    assert begun.started_at is not None
    at = begun.started_at + dt.timedelta(seconds=539)
    assert conversation.phase(begun, chat, at) is Phase.WRITE
    assert conversation.seconds_left(begun, chat, at) == 1
    at += dt.timedelta(seconds=1)
    assert conversation.phase(begun, chat, at) is Phase.OVER
    assert conversation.reason_of_end(begun, chat, at) is ConversationEnd.TIME_BUDGET


def test_troubles_are_counted_by_system_since_a_time(study: Study, rater: Rater) -> None:
    talk = talk_of(study, rater)
    system = conversations.system_of(study, talk)
    conversations.say(study, rater, talk, 1, "hello")
    begun = dt.datetime.now(dt.UTC)
    for outcome in (TurnOutcome.FAILED, TurnOutcome.COMPLETE):
        number = conversations.begin_reply(study, rater, talk)
        written = Written("x", outcome, pace_missed=outcome is TurnOutcome.COMPLETE)
        conversations.finish_reply(study, rater, talk, number, written)
    counted = {system: {"replies": 2, "failed": 1, "late": 1}}
    assert conversations.troubles(study, begun - dt.timedelta(minutes=1)) == counted
    assert conversations.troubles(study, begun + dt.timedelta(minutes=1)) == {}


def test_withdrawing_erases_what_was_said_and_a_late_reply_does_not_come_back(
    study: Study, rater: Rater
) -> None:
    talk = talk_of(study, rater)
    conversations.say(study, rater, talk, 1, "a secret of mine")
    number = conversations.begin_reply(study, rater, talk)
    withdraw(study, rater.code)
    assert not conversations.finish_reply(study, rater, talk, number, Written("late"))
    empty = conversations.read(study, talk)
    assert (empty.turns, empty.started_at) == ((), None)
    assert study_faults(study) == []
    assert not any(row["rater"] == rater.code for row in turn_rows(Snapshot(study)))
    with study.reading() as connection:
        payloads = connection.execute(select(tables.event.c.payload)).scalars().all()
    assert not any("secret" in (payload or "") for payload in payloads)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": "another reply"}, "turn 2 of the conversation"),
        ({"provenance": '{"seed": 6}'}, "turn 2 of the conversation"),
        ({"outcome": "failed"}, "turn 2 of the conversation"),
    ],
)
def test_verify_finds_a_changed_transcript(
    study: Study, rater: Rater, change: dict[str, str], said: str
) -> None:
    talk = talk_of(study, rater)
    conversations.say(study, rater, talk, 1, "hello")
    replied(study, rater, talk)
    assert study_faults(study) == []
    turn = tables.conversation_turn
    with study.writing() as connection:
        connection.execute(update(turn).where(turn.c.number == 2).values(**change))
    assert [fault for fault in study_faults(study) if fault.startswith(said)]


def test_verify_finds_turns_that_were_added_or_removed(study: Study, rater: Rater) -> None:
    talk = talk_of(study, rater)
    conversations.say(study, rater, talk, 1, "hello")
    replied(study, rater, talk)
    turn = tables.conversation_turn
    with study.writing() as connection:
        connection.execute(turn.delete().where(turn.c.number == 2))
    assert study_faults(study) == [
        f"turn 2 of the conversation of assignment {talk} was logged but is not stored"
    ]
    with study.writing() as connection:
        kept = connection.execute(select(turn).where(turn.c.number == 1)).one()
        connection.execute(turn.insert().values(**{**kept._asdict(), "number": 2}))
        connection.execute(turn.insert().values(**{**kept._asdict(), "number": 3}))
    faults = study_faults(study)
    assert (
        f"turn 3 of the conversation of assignment {talk} is stored but was never logged" in faults
    )
    assert (
        f"turn 2 of the conversation of assignment {talk} differs from what the log says" in faults
    )


def test_the_export_names_no_system_and_no_speed_before_unblinding(
    study: Study, rater: Rater
) -> None:
    talk = talk_of(study, rater)
    conversations.say(study, rater, talk, 1, "hello")
    number = conversations.begin_reply(study, rater, talk)
    system = conversations.system_of(study, talk)
    made_by = {"model": system, "latency_s": 1.25}
    written = Written("I hear you.", provenance=made_by)
    conversations.finish_reply(study, rater, talk, number, written)
    before = json.dumps([turn_rows(Snapshot(study)), conversation_rows(Snapshot(study))])
    for name in ("zebrafinch", "quokka", "latency", "provenance", "pace_missed"):
        assert name not in before
    reply = turn_rows(Snapshot(study))[1]
    assert (reply["role"], reply["text"], reply["finished_at"]) == ("system", "I hear you.", "")
    assert reply["system"] in ("A", "B")
    first = conversation_rows(Snapshot(study))[0]
    assert (first["rater_turns"], first["replies_complete"], first["rater_words"]) == (1, 1, 1)
    unblind_study(study, "A. Weiss", "B. Okoro")
    after = turn_rows(Snapshot(study))[1]
    assert (after["system"], after["provenance"]) == (system, made_by)


def test_simulated_raters_hold_conversations_and_the_report_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    study = make_chat_study(tmp_path / "study", raters=4)
    asked: list[str] = []

    def source(system_id: str, messages: list[dict[str, str]], seed: int) -> Reply:
        asked.append(messages[-1]["content"])
        if len(asked) == 3:
            raise RuntimeError("the machine was switched off")
        return Reply(f"reply {len(asked)}", {"seed": seed})

    with pytest.raises(RuntimeError):
        rehearse(study, seed=1, replies=source)
    # The next run goes on where the first one broke off.
    done = rehearse(study, seed=1, replies=source)
    assert done.answers >= 4 * 2 * 6 - 7
    assert study_faults(study) == []
    rows = conversation_rows(Snapshot(study))
    assert len(rows) == 8
    assert all(row["simulated"] and row["ended_by"] and row["rater_turns"] for row in rows)
    assert sum(row["replies_cut_off"] for row in rows) == 1
    study.close()
    folder = ["--study", str(tmp_path / "study")]
    assert run(["verify", *folder]) == 0
    capsys.readouterr()
    assert run(["export", "--what", "turns", "--format", "jsonl", *folder]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == sum(2 * row["rater_turns"] for row in rows) + 1
    for command in ("check", "generate"):
        assert run([command, *folder]) == 0
        assert "no responses to write" in capsys.readouterr().out


def test_a_dialogue_system_is_given_the_whole_conversation() -> None:
    folder = shipped_protocols()["nile-user-study"].parent
    whole = shipped_protocols()["nile-user-study"].read_text(encoding="utf-8")
    with pytest.raises(ProtocolError, match="would forget a sign of danger"):
        parse_protocol(
            whole.replace("chat:\n", "chat:\n  history_turns: 2\n"), "p.yaml", folder=folder
        )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("shows: conversation", "shows: response", "the block has no effect"),
        ("typing_from_s: 0.3", "typing_from_s: 9", "expected at most typing_to_s"),
        ("fewest_turns: 1", "fewest_turns: 13", "expected at most the 12 turns"),
        ("longest_wait_s: 60", "longest_wait_s: 0.5", "greater than or equal to 1"),
    ],
)
def test_contradictions_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    made = make_chat_study(tmp_path / "study", raters=1)
    made.close()
    assert old in made.protocol_text
    with pytest.raises(ProtocolError, match=said):
        parse_protocol(made.protocol_text.replace(old, new), "study.yaml")


def test_conversations_need_their_block(study: Study) -> None:
    without = dataclasses.replace(study).protocol_text
    head, _, rest = without.partition("\nchat:")
    tail = rest[rest.index("\nconsent:") :]
    with pytest.raises(ProtocolError, match="need the block 'chat'"):
        parse_protocol(head + tail, "study.yaml")


def test_the_shipped_protocol_is_checked_rehearsed_and_verified_by_its_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Oracle: two raters, two conversations each, seven items after each conversation.
    monkeypatch.delenv("EVENHAND_DATABASE_URL", raising=False)
    folder = ["--study", str(tmp_path / "study")]
    assert run(["init", str(tmp_path / "study"), "--protocol", "nile-user-study"]) == 0
    for command in (["check"], ["lock"], ["rehearse", "-n", "2", "--json"]):
        capsys.readouterr()
        assert run([*command, *folder]) == 0
    assert json.loads(capsys.readouterr().out)["answers"] == 2 * 2 * 7
    assert run(["verify", *folder]) == 0
    capsys.readouterr()
    assert run(["export", "--what", "conversations", "--format", "jsonl", *folder]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["system"] for row in rows] in (["A", "B", "B", "A"], ["B", "A", "A", "B"])
    assert all(row["ended_by"] for row in rows)
