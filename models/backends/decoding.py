"""How logits become text: one set of decoding rules for every backend that sees logits.

The functions are pure (logits and a seeded generator in, token out) and need numpy only, so the
offline runtime and the transformers backend mean the same thing by the same settings.

References
----------
[1] A. Holtzman et al. (2020). The curious case of neural text degeneration. ICLR. (top-p)
[2] A. Fan, M. Lewis, Y. Dauphin (2018). Hierarchical neural story generation. ACL. (top-k)
[3] N. S. Keskar et al. (2019). CTRL: a conditional transformer language model.
    arXiv:1909.05858. (repetition penalty)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from study.errors import ModelError

StopReason = Literal["stop_token", "stop_string", "length", "time", "context"]
Logits = NDArray[np.floating[Any]]

# Sorting a vocabulary of 128,000 takes as long as a fifth of a token of a small model; the most
# likely of them nearly always hold the mass that top-p asks for.
_ENOUGH_FOR_TOP_P = 512

# What an incomplete UTF-8 sequence decodes to; a character may span several byte-level tokens.
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class DecodingSettings:
    """How a system turns its probabilities into a reply.

    Parameters
    ----------
    max_new_tokens : int
        At least 1.
    temperature : float
        0 (greedy: always the most likely token) or more.
    top_k : int
        Keep the k most likely tokens [2]_; 0 means off.
    top_p : float
        Keep the smallest set of most likely tokens whose probability reaches p [1]_, 0 < p <= 1.
    repetition_penalty : float
        Divides positive and multiplies negative logits of every token that occurred in the prompt
        or the reply [3]_; 1.0 means off.
    seed : int
        Seed of the sampling, 0 or more. Same seed, same file, same prompt: same text.
    stop : tuple of str
        The reply ends before the first of these strings.
    time_limit_s : float or None
        The reply ends with the first token that is ready after this many seconds.

    Raises
    ------
    ModelError
        When a value is outside its range.
    """

    max_new_tokens: int = 128
    temperature: float = 0.7
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", tuple(self.stop))
        _require("max_new_tokens", self.max_new_tokens, self.max_new_tokens >= 1, "1 or more")
        _require(
            "temperature",
            self.temperature,
            math.isfinite(self.temperature) and self.temperature >= 0,
            "0 (greedy) or more",
        )
        _require("top_k", self.top_k, self.top_k >= 0, "0 (off) or more")
        _require("top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1 (off)")
        _require(
            "repetition_penalty",
            self.repetition_penalty,
            math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0,
            "above 0 (1.0 is off)",
        )
        _require("seed", self.seed, self.seed >= 0, "0 or more")
        _require("stop", self.stop, all(self.stop), "strings that are not empty")
        if self.time_limit_s is not None:
            _require("time_limit_s", self.time_limit_s, self.time_limit_s > 0, "above 0 seconds")


def _require(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise ModelError(
            f"The decoding setting {name} is {value!r}; expected {expected}. "
            f"Correct it under the system's decoding settings."
        )


@dataclass(frozen=True)
class Generated:
    """One reply of a system and what it took to make it.

    Attributes
    ----------
    text : str
        The reply up to a stop string, without white space at its ends.
    raw_text : str
        All that the model wrote, stop string included.
    prompt_tokens, completion_tokens : int
        The stop token counts as one of the completion.
    latency_s, first_token_s : float
        Seconds from the start of reading the prompt to the last and to the first token.
    stop_reason : str
        ``stop_token``, ``stop_string``, ``length``, ``time`` or ``context`` (the model's context
        was full).
    peak_memory_bytes : int or None
        Most resident memory that the model's process has held so far; None where it is not known.
    """

    text: str
    raw_text: str
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    first_token_s: float
    stop_reason: StopReason
    peak_memory_bytes: int | None = None


def penalize_repetition(logits: Logits, seen: Sequence[int], penalty: float) -> Logits:
    """Lower the logits of tokens that occurred before [3]_.

    Parameters
    ----------
    logits : array, shape (vocabulary,)
    seen : sequence of int
        Tokens of the prompt and the reply so far, in any order, repeats allowed.
    penalty : float
        Above 0; 1.0 changes nothing.
    """
    if penalty == 1.0 or len(seen) == 0:
        return logits
    tokens = np.unique(np.asarray(seen, dtype=np.int64))
    penalized = logits.copy()
    values = penalized[tokens]
    penalized[tokens] = np.where(values > 0, values / penalty, values * penalty)
    return penalized


def token_probabilities(
    logits: Logits, *, temperature: float, top_k: int = 0, top_p: float = 1.0
) -> NDArray[np.float64]:
    """Probabilities after temperature, then top-k, then top-p (the order of transformers).

    Parameters
    ----------
    logits : array, shape (vocabulary,)
    temperature : float
        Above 0.
    top_k : int
        0 means off. Among equal logits the lower token number stays.
    top_p : float
        1.0 means off. The most likely token always stays.

    Returns
    -------
    array, shape (vocabulary,)
        Sums to 1; zero where a token was cut off.
    """
    scaled: NDArray[np.float64] = np.asarray(logits, dtype=np.float64) / temperature
    shifted: NDArray[np.float64] = scaled - scaled.max()
    if top_k:
        # The exponential of a whole vocabulary costs as much as all the rest.
        order = _most_likely(logits, top_k)[:top_k]
        kept = np.exp(shifted[order])
        kept /= kept.sum()
    else:
        weights: NDArray[np.float64] = np.exp(shifted)
        whole_mass = weights.sum()
        if top_p >= 1.0:
            whole: NDArray[np.float64] = weights / whole_mass
            return whole
        # Ordered by the logits: weights of nearly equal logits may round to the same number.
        order = _most_likely(logits, _ENOUGH_FOR_TOP_P)
        if weights[order].sum() < top_p * whole_mass:
            order = _most_likely(logits, len(weights))
        kept = weights[order] / whole_mass
    if top_p < 1.0:
        # A token stays while the mass before it is still below p.
        before = np.cumsum(kept) - kept
        keep = before < top_p
        keep[0] = True
        order, kept = order[keep], kept[keep]
    probabilities = np.zeros_like(shifted)
    probabilities[order] = kept / kept.sum()
    return probabilities


def _most_likely(logits: Logits, count: int) -> NDArray[np.intp]:
    """Tokens in descending order of their logits, ties by number: ``count`` or, with ties, more."""
    candidates = np.arange(len(logits))
    if count < len(logits):
        least = np.partition(logits, len(logits) - count)[len(logits) - count]
        candidates = np.flatnonzero(logits >= least)
    order: NDArray[np.intp] = candidates[np.argsort(-logits[candidates], kind="stable")]
    return order


def choose_token(
    logits: Logits, seen: Sequence[int], settings: DecodingSettings, generator: np.random.Generator
) -> int:
    """Choose the next token.

    Sampling uses one uniform number per token (inverse of the cumulated probabilities in the
    order of the vocabulary), so a replay with the same seed stays in step.

    Parameters
    ----------
    logits : array, shape (vocabulary,)
    seen : sequence of int
        Prompt and reply so far, for the repetition penalty.
    settings : DecodingSettings
    generator : numpy Generator
        Seeded with ``settings.seed`` at the start of the reply.

    Raises
    ------
    ModelError
        When the model gave no usable numbers (a damaged or mismatched file).
    """
    values: Logits = np.asarray(logits, dtype=np.float64).reshape(-1)
    if np.isnan(values).any() or not np.isfinite(values.max()):
        raise ModelError(
            "The model gave logits that are not numbers; expected finite values. "
            "The model file or its numeric type is unsuitable: make it again or use fp32."
        )
    values = penalize_repetition(values, seen, settings.repetition_penalty)
    if settings.temperature == 0:
        return int(np.argmax(values))
    probabilities = token_probabilities(
        values, temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p
    )
    cumulated = np.cumsum(probabilities)
    draw = generator.random() * cumulated[-1]
    chosen = int(np.searchsorted(cumulated, draw, side="right"))
    # Rounding can put the draw on the very end, past the last token that has any probability.
    past_the_end = chosen == len(probabilities) or probabilities[chosen] == 0
    return int(np.flatnonzero(probabilities)[-1]) if past_the_end else chosen


class TextStream:
    """Turns tokens into text pieces that are whole characters and hold no stop string.

    What might still become a stop string, or the rest of a character, is held back until it is
    known.
    """

    def __init__(
        self,
        decode: Callable[[list[int]], str],
        stop: tuple[str, ...] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self._decode = decode
        self._stop = stop
        self._on_text = on_text
        self._tokens: list[int] = []
        self._sent = 0
        self.raw_text = ""
        self.cut: int | None = None

    def add(self, token: int) -> bool:
        """Take one token; True when a stop string is now complete."""
        self._tokens.append(token)
        self.raw_text = self._decode(self._tokens)
        self.cut = first_stop(self.raw_text, self._stop)
        if self.cut is not None:
            self._send(self.cut)
            return True
        whole = len(self.raw_text.rstrip(REPLACEMENT))
        self._send(whole - _held_back(self.raw_text[:whole], self._stop))
        return False

    def finish(self) -> str:
        """Send what was held back; returns the whole text up to a stop string."""
        end = len(self.raw_text) if self.cut is None else self.cut
        self._send(end)
        return self.raw_text[:end]

    def _send(self, end: int) -> None:
        if end > self._sent:
            if self._on_text is not None:
                self._on_text(self.raw_text[self._sent : end])
            self._sent = end


def first_stop(text: str, stop: tuple[str, ...]) -> int | None:
    """Position of the earliest stop string in ``text``, or None."""
    found = [position for position in (text.find(end) for end in stop) if position >= 0]
    return min(found) if found else None


def _held_back(text: str, stop: tuple[str, ...]) -> int:
    """Length of the longest end of ``text`` that begins a stop string."""
    longest = 0
    for end in stop:
        for length in range(min(len(end) - 1, len(text)), longest, -1):
            if text.endswith(end[:length]):
                longest = length
                break
    return longest


def decode_reply(
    prompt: Sequence[int],
    forward: Callable[[Sequence[int], int], Logits],
    decode: Callable[[list[int]], str],
    settings: DecodingSettings,
    *,
    stop_tokens: frozenset[int],
    context_length: int,
    on_text: Callable[[str], None] | None = None,
) -> Generated:
    """Write one reply, token by token.

    Parameters
    ----------
    prompt : sequence of int
        The whole prompt's tokens, shorter than the context.
    forward : callable
        ``forward(tokens, position)`` reads ``tokens``, the first of which stands at ``position``
        of the context, and returns the logits after the last, shape (vocabulary,).
    decode : callable
        Tokens to text, special tokens left out.
    settings : DecodingSettings
    stop_tokens : frozenset of int
        End-of-turn and end-of-text tokens.
    context_length : int
        Most tokens that prompt and reply can have together.
    on_text : callable or None
        Gets each new piece of text.

    Raises
    ------
    ModelError
        When the prompt is empty or leaves no room for a reply.
    """
    refuse_overlong(len(prompt), context_length)
    generator = np.random.default_rng(settings.seed)
    stream = TextStream(decode, settings.stop, on_text)
    seen = list(prompt)
    started = time.perf_counter()
    logits = forward(prompt, 0)
    first_token_s = 0.0
    count = 0
    while True:
        token = choose_token(logits, seen, settings, generator)
        count += 1
        elapsed = time.perf_counter() - started
        if count == 1:
            first_token_s = elapsed
        reason = _reason_to_stop(
            token in stop_tokens or stream.add(token),
            token in stop_tokens,
            count,
            len(prompt),
            elapsed,
            settings,
            context_length,
        )
        if reason is not None:
            break
        seen.append(token)
        logits = forward([token], len(seen) - 1)
    text = stream.finish()
    return Generated(
        text=text.strip(),
        raw_text=stream.raw_text,
        prompt_tokens=len(prompt),
        completion_tokens=count,
        latency_s=time.perf_counter() - started,
        first_token_s=first_token_s,
        stop_reason=reason,
    )


def _reason_to_stop(
    stopped: bool,
    by_token: bool,
    count: int,
    prompt_tokens: int,
    elapsed: float,
    settings: DecodingSettings,
    context_length: int,
) -> StopReason | None:
    if stopped:
        return "stop_token" if by_token else "stop_string"
    if count >= settings.max_new_tokens:
        return "length"
    # The token just chosen would stand at prompt_tokens + count - 1 when it is read.
    if prompt_tokens + count >= context_length:
        return "context"
    if settings.time_limit_s is not None and elapsed >= settings.time_limit_s:
        return "time"
    return None


def refuse_overlong(prompt_tokens: int, context_length: int) -> None:
    """Refuse a prompt that is empty or fills the context.

    Dropping old turns without a word would give raters replies to a conversation that nobody
    wrote, so an overlong prompt is an error; a reply that fills the context ends with the stop
    reason ``context``.
    """
    if prompt_tokens == 0:
        raise ModelError("The prompt is empty; expected at least one message with text.")
    if prompt_tokens >= context_length:
        raise ModelError(
            f"The prompt has {prompt_tokens} tokens; this model's context holds "
            f"{context_length} for prompt and reply together. Shorten the prompt or the system "
            f"message, or export the model with a larger --max-seq-len."
        )
