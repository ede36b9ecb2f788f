"""Decoding rules: hand arithmetic and properties."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.backends.decoding import (
    DecodingSettings,
    Logits,
    TextStream,
    choose_token,
    decode_reply,
    first_stop,
    penalize_repetition,
    token_probabilities,
)
from study.errors import ModelError


def logs(*probabilities: float) -> Logits:
    return np.log(np.asarray(probabilities))


def test_probabilities_without_cuts_are_the_softmax() -> None:
    # By hand: exp(log p) = p.
    found = token_probabilities(logs(0.5, 0.3, 0.2), temperature=1.0)
    assert found == pytest.approx([0.5, 0.3, 0.2], abs=1e-12)


def test_temperature_half_squares_the_odds() -> None:
    # By hand: p^2 / sum(p^2) = 0.64/0.68, 0.04/0.68.
    found = token_probabilities(logs(0.8, 0.2), temperature=0.5)
    assert found == pytest.approx([0.64 / 0.68, 0.04 / 0.68], abs=1e-12)


def test_top_k_keeps_the_k_most_likely() -> None:
    found = token_probabilities(logs(0.2, 0.5, 0.3), temperature=1.0, top_k=2)
    assert found == pytest.approx([0.0, 0.625, 0.375], abs=1e-12)


def test_top_k_tie_keeps_the_lower_token() -> None:
    found = token_probabilities(logs(0.25, 0.25, 0.5), temperature=1.0, top_k=2)
    assert found == pytest.approx([1 / 3, 0.0, 2 / 3], abs=1e-12)


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.5, [1.0, 0.0, 0.0]),  # 0.6 alone reaches 0.5
        (0.61, [2 / 3, 1 / 3, 0.0]),  # 0.6 does not, 0.9 does
        (0.95, [0.6, 0.3, 0.1]),
        (1e-9, [1.0, 0.0, 0.0]),  # the most likely always stays
    ],
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(top_p: float, expected: list[float]) -> None:
    found = token_probabilities(logs(0.6, 0.3, 0.1), temperature=1.0, top_p=top_p)
    assert found == pytest.approx(expected, abs=1e-12)


def test_top_k_is_cut_before_top_p() -> None:
    # Top 2 of (0.4, 0.3, 0.3) are 4/7 and 3/7; 4/7 = 0.571 reaches 0.55 alone.
    # Without top-k 0.4 alone would not.
    found = token_probabilities(logs(0.4, 0.3, 0.3), temperature=1.0, top_k=2, top_p=0.55)
    assert found == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)


def test_agrees_with_the_warpers_of_transformers() -> None:
    # Oracle: transformers' own temperature, top-k and top-p processors.
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    rng = np.random.default_rng(5)
    for _ in range(20):
        logits = rng.normal(size=50) * 3
        theirs = torch.tensor(logits[None])
        for warper in (TemperatureLogitsWarper(0.8), TopKLogitsWarper(20), TopPLogitsWarper(0.9)):
            theirs = warper(None, theirs)
        expected = torch.softmax(theirs, -1)[0].numpy()
        found = token_probabilities(logits, temperature=0.8, top_k=20, top_p=0.9)
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [0.01, 1.0, 8.0])
def test_a_large_vocabulary_gives_what_sorting_all_of_it_gives(scale: float) -> None:
    # Oracle: top-p by a full sort, written out here; flat and peaked distributions, with ties.
    logits = np.round(np.random.default_rng(9).normal(size=20_000) * scale, 2)
    order = np.argsort(-logits, kind="stable")
    share = np.exp(logits - logits.max())
    share /= share.sum()
    mass = np.cumsum(share[order])
    kept = order[: int(np.searchsorted(mass, 0.9)) + 1]
    expected = np.zeros_like(share)
    expected[kept] = share[kept] / share[kept].sum()
    found = token_probabilities(logits, temperature=1.0, top_p=0.9)
    assert found == pytest.approx(expected, abs=1e-12)


def test_repetition_penalty_divides_positive_and_multiplies_negative() -> None:
    found = penalize_repetition(np.array([2.0, -2.0, 1.0]), [0, 1, 1], 2.0)
    assert found.tolist() == [1.0, -4.0, 1.0]


def test_repetition_penalty_leaves_its_input_alone() -> None:
    logits = np.array([2.0, 1.0])
    penalize_repetition(logits, [0], 2.0)
    assert logits.tolist() == [2.0, 1.0]


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=40), st.integers(0, 2**32))
def test_greedy_takes_the_first_maximum_whatever_the_seed(values: list[float], seed: int) -> None:
    settings = DecodingSettings(temperature=0)
    chosen = choose_token(np.array(values), [], settings, np.random.default_rng(seed))
    assert chosen == values.index(max(values))


@given(
    st.lists(st.floats(-30, 30), min_size=2, max_size=40),
    st.integers(0, 2**32),
    st.integers(1, 5),
)
def test_a_sampled_token_is_among_the_top_k(values: list[float], seed: int, k: int) -> None:
    settings = DecodingSettings(temperature=1.3, top_k=k)
    chosen = choose_token(np.array(values), [], settings, np.random.default_rng(seed))
    assert sum(value > values[chosen] for value in values) < k


def test_sampling_has_the_stated_frequencies() -> None:
    # Oracle: binomial standard error sqrt(p q / n) = 0.0046 at n = 10,000; bound of 5 errors.
    generator = np.random.default_rng(7)
    settings = DecodingSettings(temperature=1.0)
    logits = logs(0.7, 0.3)
    drawn = [choose_token(logits, [], settings, generator) for _ in range(10_000)]
    assert np.mean(drawn) == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 10_000))


def test_logits_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ModelError, match="not numbers"):
        choose_token(np.array([math.nan, 1.0]), [], DecodingSettings(), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("repetition_penalty", 0.0),
        ("seed", -1),
        ("stop", ("",)),
        ("time_limit_s", 0.0),
    ],
)
def test_a_setting_outside_its_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ModelError, match=f"setting {name} is .*expected"):
        DecodingSettings(**{name: value})  # type: ignore[arg-type]


def byte_decode(tokens: list[int]) -> str:
    """A byte-level tokenizer in miniature: token = byte, as ByteLevel decoders do it."""
    return bytes(tokens).decode("utf-8", errors="replace")


@given(st.text(max_size=40))
def test_streamed_pieces_are_whole_characters_and_join_to_the_text(text: str) -> None:
    # Property: joined pieces equal the text; no piece holds a broken character.
    pieces: list[str] = []
    stream = TextStream(byte_decode, (), pieces.append)
    for byte in text.encode():
        stream.add(byte)
    assert stream.finish() == text
    assert "".join(pieces) == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


def test_a_character_over_four_tokens_comes_as_one_piece() -> None:
    pieces: list[str] = []
    stream = TextStream(byte_decode, (), pieces.append)
    for byte in "a😀b".encode():
        stream.add(byte)
    stream.finish()
    assert pieces == ["a", "😀", "b"]


def test_an_unfinished_character_is_sent_at_the_end_and_not_before() -> None:
    pieces: list[str] = []
    stream = TextStream(byte_decode, (), pieces.append)
    for byte in "ä".encode()[:1]:
        stream.add(byte)
    assert pieces == []
    assert stream.finish() == "\ufffd"


@given(st.text(alphabet="abUs:", max_size=30))
def test_no_part_of_a_stop_string_is_ever_streamed(text: str) -> None:
    # Property: what was streamed is the text before the first stop string, known here by split.
    pieces: list[str] = []
    stream = TextStream(byte_decode, ("Us:", "ba"), pieces.append)
    for byte in text.encode():
        if stream.add(byte):
            break
    stream.finish()
    cut = min((text + end).find(end) for end in ("Us:", "ba"))
    assert "".join(pieces) == text[: min(cut, len(text))]


def test_the_earliest_stop_string_wins() -> None:
    assert first_stop("one two three", ("three", "two")) == 4
    assert first_stop("one", ("two",)) is None


class Script:
    """A model that says given tokens one after the other and remembers what it was asked."""

    def __init__(self, tokens: Sequence[int], vocabulary: int = 256) -> None:
        self.tokens = list(tokens)
        self.vocabulary = vocabulary
        self.calls: list[tuple[list[int], int]] = []

    def __call__(self, tokens: Sequence[int], position: int) -> Logits:
        self.calls.append((list(tokens), position))
        logits = np.zeros(self.vocabulary)
        logits[self.tokens[len(self.calls) - 1]] = 50.0
        return logits


STOP = frozenset({0})


def reply(script: Script, context: int = 100, **settings: object) -> object:
    return decode_reply(
        [1, 2, 3],
        script,
        byte_decode,
        DecodingSettings(temperature=0, **settings),  # type: ignore[arg-type]
        stop_tokens=STOP,
        context_length=context,
    )


def test_each_token_is_read_at_its_own_position() -> None:
    # By hand: the prompt at 0, then the reply's tokens at 3 and 4; the stop token is not read.
    script = Script([*b"hi", 0])
    found = reply(script)
    assert script.calls == [([1, 2, 3], 0), ([ord("h")], 3), ([ord("i")], 4)]
    assert (found.text, found.stop_reason) == ("hi", "stop_token")  # type: ignore[attr-defined]
    assert (found.prompt_tokens, found.completion_tokens) == (3, 3)  # type: ignore[attr-defined]


def test_length_ends_a_reply() -> None:
    found = reply(Script(b"hello"), max_new_tokens=3)
    assert (found.text, found.stop_reason) == ("hel", "length")  # type: ignore[attr-defined]


def test_a_stop_string_ends_a_reply_and_stays_in_the_raw_text() -> None:
    found = reply(Script(b"Fine. User: more"), stop=("User:",))
    assert found.text == "Fine."  # type: ignore[attr-defined]
    assert found.raw_text == "Fine. User:"  # type: ignore[attr-defined]
    assert found.stop_reason == "stop_string"  # type: ignore[attr-defined]


def test_a_full_context_ends_a_reply_and_is_never_overrun() -> None:
    # By hand: positions 0 to 4 exist; the prompt takes 3, so "h" is read at 3 and "e" ends it.
    script = Script(b"hello")
    found = reply(script, context=5)
    assert (found.text, found.stop_reason) == ("he", "context")  # type: ignore[attr-defined]
    assert max(position for _, position in script.calls) == 3


def test_a_time_limit_ends_a_reply_after_its_token() -> None:
    found = reply(Script(b"hello"), time_limit_s=1e-9)
    assert (found.text, found.stop_reason) == ("h", "time")  # type: ignore[attr-defined]


@pytest.mark.parametrize("context", [2, 3])
def test_a_prompt_that_leaves_no_room_is_refused(context: int) -> None:
    with pytest.raises(ModelError, match=f"3 tokens.*{context} for prompt and reply"):
        reply(Script(b"x"), context=context)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ModelError, match="prompt is empty"):
        decode_reply(
            [], Script(b"x"), byte_decode, DecodingSettings(), stop_tokens=STOP, context_length=9
        )
