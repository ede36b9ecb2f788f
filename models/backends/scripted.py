"""The scripted reflective-listening system: the floor that a language model has to beat.

It reflects the feeling words and the topic of the last message, says that the reaction is
understandable, and asks an open question (reflective listening in the sense of [1]_), by rules
and without a model. Each sentence is drawn from a short list with the decoding rules that every
system uses, so temperature, top-k, top-p, the repetition penalty and the seed mean the same here;
its tokens are words.

References
----------
[1] C. R. Rogers, R. E. Farson (1957). Active listening. University of Chicago.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.backends import scripted_phrases as say
from models.backends.decoding import (
    DecodingSettings,
    Generated,
    StopReason,
    choose_token,
    first_stop,
)
from models.backends.interface import Message
from models.backends.model_files import library_versions, sha256_of_file
from models.dialogue import conversation_plan, danger_signs
from models.dialogue.emotion_classifier import Emotion
from models.dialogue.safety_replies import safety_sentences
from models.dialogue.state_table import state_table
from study.errors import ModelError

_NEGATION = re.compile(
    r"\b(?:not|never|no longer|without|isn.?t|aren.?t|wasn.?t|don.?t)\b[^.!?,;]{0,14}$"
)
_PERSON = re.compile(
    r"\b(?P<own>i|i.m|i.ve|me|myself)\b"
    r"|\b(?:he|she|they|him|her|them|friend|people|everyone|somebody|someone"
    r"|my (?!own|self|god)\w+ (?:is|was|has|feels|seems|keeps))\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;\n]")
_DIALOGUE = Path(conversation_plan.__file__).parent
# The files that hold the rules, beside this one.
_RULES = (
    Path(say.__file__),
    Path(danger_signs.__file__),
    _DIALOGUE / "dialogue.toml",
    _DIALOGUE / "safety_replies.toml",
    *(danger_signs.SIGNS_FOLDER / f"{code}.toml" for code in danger_signs.LANGUAGES),
)


class ScriptedBackend:
    """Replies by rules, without a model; labelled as scripted in the provenance."""

    def provenance(self) -> dict[str, Any]:
        """Which rules were in force: hashes of the files that hold them."""
        files = {path.name: sha256_of_file(path) for path in (Path(__file__), *_RULES)}
        return {
            "backend": "scripted",
            "scripted": True,
            "model": "reflective listening by rules, no model",
            "files_sha256": files,
            "tokens_are": "words",
            "peak_memory_missing": "a rule without a process of its own",
            "libraries": library_versions("numpy"),
        }

    def generate(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        """Reply to the last message of the user.

        Raises
        ------
        ModelError
            When no message is the user's.
        """
        started = time.perf_counter()
        turns = [message["content"] for message in messages if message["role"] == "user"]
        if not turns:
            raise ModelError("The conversation has no message of the user; expected at least one.")
        earlier = " ".join(m["content"] for m in messages if m["role"] == "assistant")
        sentences = reply_sentences(turns, earlier, settings)
        text, raw_text, words, reason = _fit(" ".join(sentences), settings)
        if on_text is not None:
            for piece in re.findall(r"\S+\s*", text):
                on_text(piece)
        elapsed = time.perf_counter() - started
        return Generated(
            text=text,
            raw_text=raw_text,
            prompt_tokens=sum(len(message["content"].split()) for message in messages),
            completion_tokens=words,
            latency_s=elapsed,
            first_token_s=elapsed,
            stop_reason=reason,
        )

    def close(self) -> None:
        """Nothing is held open."""


def reply_sentences(turns: Sequence[str], earlier: str, settings: DecodingSettings) -> list[str]:
    """Choose the sentences of a reply.

    Parameters
    ----------
    turns : sequence of str
        What the user wrote, oldest first. Feelings and topic come from the last turn. A sign of
        danger leads to a fixed reply, and so do the turns after it, until the dialogue's table
        leaves its states of safety.
    earlier : str
        What this system said before; its sentences fall under the repetition penalty.
    settings : DecodingSettings
    """
    pick = picker(earlier, settings)
    # The emotion plays no part in how the states of safety are reached and left.
    neutral = Emotion("neutral", {"neutral": 1.0})
    step = conversation_plan.plan_conversation(turns, lambda _: neutral, state_table())[-1]
    if step.technique.fixed and step.sign is not None:
        return safety_sentences(step.technique.id, step.sign, pick)
    return _reflection(turns[-1], pick)


Pick = Callable[[Sequence[str]], str]


def picker(earlier: str, settings: DecodingSettings) -> Pick:
    """Chooses one of several wordings by the decoding settings; what was said before counts less."""
    generator = np.random.default_rng(settings.seed)

    def pick(variants: Sequence[str]) -> str:
        # Nearly even odds; the first is the most likely, so greedy decoding has one answer.
        logits = -1.0 - 0.05 * np.arange(len(variants), dtype=np.float64)
        said = [number for number, text in enumerate(variants) if _fixed_part(text) in earlier]
        return variants[choose_token(logits, said, settings, generator)]

    return pick


def _reflection(text: str, pick: Pick) -> list[str]:
    feelings, own = recognised_feelings(text)
    topic = recognised_topic(text)
    pleasant = bool(feelings) and feelings[0].pleasant
    if not feelings:
        opening, validation = pick(say.OPENINGS_NO_FEELING), pick(say.VALIDATIONS_NEUTRAL)
    else:
        words = " and ".join(f.adjective if own else f.noun for f in feelings)
        opening = pick(say.OPENINGS_OWN if own else say.OPENINGS_NOUN).format(feelings=words)
        validation = pick(say.VALIDATIONS_GLAD if pleasant else say.VALIDATIONS_HARD)
    if pleasant:
        return [opening, validation, pick(say.QUESTIONS_GLAD)]
    return [
        opening,
        pick(topic.reflections),
        validation,
        pick(say.INVITATIONS),
        pick(topic.questions),
    ]


def recognised_feelings(text: str) -> tuple[list[say.Feeling], bool]:
    """Feelings named in ``text``, at most two, in order; and whether they are the writer's own.

    A negated feeling ("not happy") is left out. Where unpleasant feelings are named, pleasant
    ones are not reflected.
    """
    found = []
    for feeling in say.FEELINGS:
        match = _search(feeling.pattern, text)
        if match and not _NEGATION.search(text[: match.start()].lower()):
            found.append((match.start(), feeling))
    unpleasant = [(start, feeling) for start, feeling in found if not feeling.pleasant]
    chosen = sorted(unpleasant or found, key=lambda entry: entry[0])[:2]
    own = bool(chosen) and all(_is_own(text, start) for start, _ in chosen)
    return [feeling for _, feeling in chosen], own


def recognised_topic(text: str) -> say.TopicRule:
    """The topic with the most words in ``text``; the earlier rule wins a tie."""
    counts = [
        len(re.findall(rf"\b(?:{topic.pattern})\b", text, re.IGNORECASE)) for topic in say.TOPICS
    ]
    most = max(counts)
    return say.TOPICS[counts.index(most)] if most else say.NO_TOPIC


def _search(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE)


def _is_own(text: str, position: int) -> bool:
    """Whether the last person named before ``position``, in its sentence, is the writer."""
    before = _SENTENCE_END.split(text[:position])[-1]
    people = list(_PERSON.finditer(before))
    # "Feeling low lately": nobody is named, so the writer speaks of themselves.
    return not people or people[-1].group("own") is not None


def _fixed_part(variant: str) -> str:
    return variant.partition("{")[0]


def _fit(text: str, settings: DecodingSettings) -> tuple[str, str, int, StopReason]:
    """Apply token limit and stop strings: text, raw text, words written, why it ended."""
    reason: StopReason = "stop_token"
    words = re.findall(r"\S+\s*", text)
    if len(words) > settings.max_new_tokens:
        words, reason = words[: settings.max_new_tokens], "length"
    raw_text = "".join(words)
    cut = first_stop(raw_text, settings.stop)
    if cut is not None:
        return raw_text[:cut].strip(), raw_text, len(raw_text[:cut].split()), "stop_string"
    return raw_text.strip(), raw_text, len(words), reason
