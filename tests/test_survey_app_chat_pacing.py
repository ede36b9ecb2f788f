"""The pace of replies: what a rater can time is the same for a fast and a slow system.

Oracles: the rules in ``survey_app/chat/pacing.py`` worked out by hand; for blinding, the two-sample
Kolmogorov-Smirnov test, which has to separate the systems before pacing and not after it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from models.serving.application import ServedModel, create_app
from study.errors import ModelError
from study.protocol.chat import ChatPace
from survey_app.chat.pacing import PacedReply
from survey_app.chat.reply_stream import ReplyStream, made_by
from survey_app.chat.systems import ChatSystem
from tests.fixtures_chat import TimedBackend
from tests.test_models_serve import served_app

EVEN = ChatPace(typing_from_s=2, typing_to_s=2, words_per_second=4, jitter=0)


def test_words_appear_at_the_declared_rate_after_the_typing_time() -> None:
    # Hand arithmetic: 2 s of typing, then a word every 0.25 s.
    reply = PacedReply(EVEN, 1, asked_at=10.0)
    reply.receive("one two", 10.1)
    reply.receive(" three", 10.2)
    assert (reply.shown(12.0), reply.ready) == ("", False)
    reply.close(10.3)
    assert reply.word_times == (12.0, 12.25, 12.5)
    assert [reply.shown(at) for at in (11.99, 12.0, 12.3, 12.5)] == [
        "", "one", "one two", "one two three",
    ]  # fmt: skip
    assert (reply.next_change(12.0), reply.next_change(12.5)) == (12.25, None)
    assert (reply.ends_at, reply.pace_missed) == (12.5, False)


def test_a_late_reply_starts_after_whole_seconds_and_is_counted() -> None:
    reply = PacedReply(EVEN, 1, asked_at=0.0)
    reply.receive("late but here", 4.1)
    reply.close(4.2)
    # 2.2 s after the end of the typing time: three seconds after it.
    assert reply.word_times == (5.0, 5.25, 5.5)
    assert reply.pace_missed


def test_a_long_reply_begins_before_its_end_only_when_it_comes_fast() -> None:
    fast, slow = PacedReply(EVEN, 1, 0.0), PacedReply(EVEN, 1, 0.0)
    for i in range(40):
        fast.receive(f"w{i} ", 0.1 + 0.1 * i)  # 10 words a second: more than twice the pace
        slow.receive(f"w{i} ", 0.1 + 0.2 * i)  # 5 words a second
    assert (fast.ready, slow.ready) == (True, False)
    assert fast.word_times[0] == 2.0
    slow.close(8.0)
    assert slow.word_times[0] == 8.0
    assert (fast.pace_missed, slow.pace_missed) == (False, True)


def test_a_reply_that_stalls_waits_and_is_counted() -> None:
    reply = PacedReply(EVEN, 1, 0.0)
    for i in range(14):
        reply.receive(f"w{i} ", 0.01 * i)
    assert reply.ready and not reply.pace_missed
    reply.receive("more words ", 9.0)
    reply.close(9.0)
    assert reply.word_times[12] == 5.0
    assert reply.word_times[13] == 9.0
    assert reply.pace_missed


@given(
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=30),
    gaps=st.lists(st.floats(0, 2), min_size=30, max_size=30),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=60, deadline=None)
def test_nothing_is_shown_before_it_came_and_all_of_it_in_the_end(
    cuts: list[int], gaps: list[float], seed: int
) -> None:
    text = "I hear you. It is **hard** to sleep\n\n- when you worry\n- and lie awake. " * 2
    reply, at, start, came = PacedReply(ChatPace(), seed, 0.0), 0.0, 0, ""
    for cut, gap in zip(itertools.cycle(cuts), itertools.cycle(gaps), strict=False):
        if start >= len(text):
            break
        at += gap
        came = text[: start + cut]
        reply.receive(text[start : start + cut], at)
        start += cut
        assert came.startswith(reply.shown(at))
    reply.close(at)
    assert reply.ends_at is not None
    assert list(reply.word_times) == sorted(reply.word_times)
    assert reply.shown(reply.ends_at) == text.strip()
    assert reply.word_times[0] >= 2.0


# --- blinding: real HTTP, a clock that runs four times as fast ---------------------------------------

SPEED_UP = 4.0
TURNS = 500


@dataclass
class Times:
    """What can be timed of many replies, in seconds of the fast clock."""

    first: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    raw_first: list[float] = field(default_factory=list)
    raw_between: list[float] = field(default_factory=list)
    missed: int = 0


def clock() -> float:
    return time.monotonic() * SPEED_UP


async def one_turn(
    client: httpx2.AsyncClient, system: ChatSystem, seed: int, pace: ChatPace, times: Times
) -> None:
    asked = clock()
    paced, arrivals = PacedReply(pace, seed, asked), []
    stream = ReplyStream(client, system, [{"role": "user", "content": "hello"}], 1, 30)
    async for piece in stream.pieces():
        arrivals.append(clock())
        paced.receive(piece, arrivals[-1])
    paced.close(clock())
    times.first.append(paced.word_times[0] - asked)
    times.between += [b - a for a, b in itertools.pairwise(paced.word_times)]
    times.raw_first.append(arrivals[0] - asked)
    times.raw_between += [b - a for a, b in itertools.pairwise(arrivals)]
    times.missed += paced.pace_missed


async def many_turns(address: str, pace: ChatPace, first_seed: int, at_once: int) -> Times:
    times = Times()
    seeds = iter(range(first_seed, first_seed + TURNS))
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def rater(model: str) -> None:
            for seed in seeds:
                system = ChatSystem(address, model, {}, "", None)
                await one_turn(client, system, seed, pace, times)

        await asyncio.gather(*(rater(f"m-{i}") for i in range(at_once)))
    return times


def timed(token_ms: float, first_s: float, first_seed: int, at_once: int) -> Times:
    """Turns with a system of this speed (on the fast clock), so many of them at once."""
    models = [
        ServedModel(
            f"m-{i}", TimedBackend(token_ms / 1000 / SPEED_UP, first_s / SPEED_UP, words=24)
        )
        for i in range(at_once)
    ]
    # The shipped pace of nile-user-study.
    pace = ChatPace(typing_from_s=2.5, typing_to_s=4.5, words_per_second=5, jitter=0.4)
    with served_app(create_app(models)) as address:
        return asyncio.run(many_turns(address, pace, first_seed, at_once))


# Alone on the machine: beside others too many replies come late to say anything.
@pytest.mark.slow
@pytest.mark.alone
def test_two_systems_of_very_different_speed_cannot_be_told_apart_by_time() -> None:
    fast, slow = timed(5, 0.05, 0, 3), timed(60, 1.0, TURNS, 20)
    assert len(fast.first) == len(slow.first) == TURNS
    # The test can fail: without pacing it separates them at once.
    assert ks_2samp(fast.raw_first, slow.raw_first).pvalue < 1e-30
    assert ks_2samp(fast.raw_between, slow.raw_between).pvalue < 1e-30
    first = ks_2samp(fast.first, slow.first)
    between = ks_2samp(fast.between, slow.between)
    print(f"first word: {first}\nbetween words: {between}\nmissed {fast.missed} {slow.missed}")
    assert first.pvalue > 0.05
    assert between.pvalue > 0.05
    # A busy machine may make a few late; they are counted, and the coordinator sees them.
    assert fast.missed + slow.missed <= 25


# --- the stream itself ------------------------------------------------------------------------------


def test_the_stream_tells_what_made_a_reply() -> None:
    backend = TimedBackend(words=5)
    with served_app(create_app([ServedModel("m-1", backend)])) as address:
        system = ChatSystem(address, "m-1", {"temperature": 0.5}, "Be kind.", None)

        async def ask() -> tuple[str, dict[str, object], dict[str, object]]:
            async with httpx2.AsyncClient(trust_env=False) as client:
                messages = [{"role": "user", "content": "hello"}]
                stream = ReplyStream(client, system, messages, 77, 10)
                text = "".join([piece async for piece in stream.pieces()])
                return text, stream.provenance, await made_by(client, system)

        text, told, model = asyncio.run(ask())
    assert text == "w1x0 w1x1 w1x2 w1x3 w1x4"
    assert backend.given == [
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}]
    ]
    assert (told["seed"], told["settings"], told["messages_sent"]) == (77, {"temperature": 0.5}, 1)
    assert (told["completion_tokens"], told["finish_reason"]) == (5, "stop")
    assert str(told["fingerprint"]).startswith("fp_")
    assert model == backend.provenance()
    assert "m-1" not in repr(system)


def test_a_system_that_finds_the_conversation_too_long_is_given_less_of_it() -> None:
    class Forgetful(TimedBackend):
        def generate(self, messages, settings, *, on_text=None):  # type: ignore[no-untyped-def]
            if len(messages) > 3:
                raise ModelError("too long")
            return super().generate(messages, settings, on_text=on_text)

    backend = Forgetful(words=3)
    talk = [
        {"role": role, "content": f"{role} {i}"} for i in range(3) for role in ("user", "assistant")
    ][:5]
    with served_app(create_app([ServedModel("m-1", backend)])) as address:

        async def ask() -> ReplyStream:
            async with httpx2.AsyncClient(trust_env=False) as client:
                stream = ReplyStream(client, ChatSystem(address, "m-1", {}, "", None), talk, 1, 10)
                assert [piece async for piece in stream.pieces()]
                return stream

        stream = asyncio.run(ask())
    assert backend.given == [talk[2:]]
    assert stream.provenance["messages_sent"] == 3


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "http://[broken/v1"])
def test_a_system_that_is_gone_is_one_error_that_names_nothing(address: str) -> None:
    async def ask() -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            system = ChatSystem(address, "quokka", {}, "", None)
            stream = ReplyStream(client, system, [{"role": "user", "content": "x"}], 1, 5)
            async for _ in stream.pieces():
                pass

    with pytest.raises(ModelError) as raised:
        asyncio.run(ask())
    assert "quokka" not in str(raised.value) and "127.0.0.1" not in str(raised.value)
