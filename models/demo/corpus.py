"""The demo dialogues: a grammar of help-seeker messages and of two kinds of replies.

``supportive`` replies name the feeling, reflect the situation and offer a step or a question;
``plain`` replies are correct English that fits any message and helps little. The base model
learns the plain ones, the tuned model the supportive ones. All text was written for this project.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Style = Literal["plain", "supportive"]
Message = dict[str, str]

GRAMMAR = Path(__file__).parent

_CHOICE = re.compile(r"\{([^{}]*)\}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Topic:
    """One topic of the grammar, as read from its file."""

    id: str
    title: str
    keywords: tuple[str, ...]
    parts: dict[str, Any]


@dataclass(frozen=True)
class Dialogue:
    """One dialogue as chat messages, and the topic that it was drawn from."""

    topic: str
    style: Style
    messages: tuple[Message, ...]


@cache
def topics() -> tuple[Topic, ...]:
    """All topics, in the order of their file names."""
    read = []
    for path in sorted((GRAMMAR / "topics").glob("*.toml")):
        parts = tomllib.loads(path.read_text(encoding="utf-8"))
        read.append(Topic(path.stem, parts["title"], tuple(parts["keywords"]), parts))
    return tuple(read)


@cache
def shared() -> dict[str, list[str]]:
    """Phrases that all topics share."""
    parts: dict[str, list[str]] = tomllib.loads((GRAMMAR / "shared.toml").read_text("utf-8"))
    return parts


@cache
def feelings() -> tuple[str, ...]:
    """Every feeling that a help-seeker of any topic may name."""
    return tuple(sorted({feeling for topic in topics() for feeling in topic.parts["feelings"]}))


def expand(phrase: str, rng: random.Random) -> str:
    """Choose one alternative in every ``{a|b|c}``, innermost first, and tidy the spaces."""
    while (found := _CHOICE.search(phrase)) is not None:
        chosen = rng.choice(found.group(1).split("|"))
        phrase = phrase[: found.start()] + chosen + phrase[found.end() :]
    return re.sub(r" +([.,?!]|$)", r"\1", re.sub(r" {2,}", " ", phrase))


def alternatives(phrase: str) -> Iterator[str]:
    """All alternatives' texts of a phrase, for vocabularies (not all sentences)."""
    yield from re.split(r"[{}|]", phrase)


def _pick(phrases: Sequence[str], rng: random.Random) -> str:
    return expand(rng.choice(phrases), rng)


def help_seeker_message(
    topic: Topic, rng: random.Random
) -> tuple[str, dict[str, Any] | None, str | None]:
    """Draw a message of one to six sentences.

    Returns
    -------
    tuple
        The text, the situation that it tells of and the feeling that it names (None if none).
    """
    situation = rng.choice(topic.parts["situation"])
    told = rng.choice((0, 1, 1, 1, 2))
    core = [_pick(situation["user"], rng) for _ in range(told)]
    core += [_pick(topic.parts["user"], rng) for _ in range(rng.choice((0, 1, 1, 2)))]
    if not core or rng.random() < 0.25:
        core.append(_word_sentence(topic, rng))
    feeling = None
    if rng.random() < 0.45:
        own = topic.parts["feelings"]
        feeling = rng.choice(own if rng.random() < 0.7 else feelings())
        core.append(_pick(shared()["user_feeling"], rng).replace("FEELING", feeling))
    if rng.random() < 0.25:
        core.append(_pick(shared()["user_neutral"], rng))
    rng.shuffle(core)
    core = list(dict.fromkeys(core))[:4]
    if rng.random() < 0.25:
        core.insert(0, _pick(shared()["user_open"], rng))
    if rng.random() < 0.4:
        core.append(_pick(shared()["user_close"], rng))
    if rng.random() < 0.15:
        core[0] = f"{rng.choice(shared()['greeting'])}, {core[0]}"
    return roughen(" ".join(core), rng), situation if told else None, feeling


def _word_sentence(topic: Topic, rng: random.Random) -> str:
    """A sentence that only names one or two of the topic's words."""
    sentence = _pick(shared()["user_word"], rng)
    while "WORD" in sentence:
        sentence = sentence.replace("WORD", rng.choice(topic.parts["words"]), 1)
    return sentence[0].upper() + sentence[1:]


def roughen(text: str, rng: random.Random) -> str:
    """Make a message less tidy: filler words, unknown words, lost words, lower case.

    Real messages hold words that the grammar does not know. Unknown words here teach the model to
    find the topic in the others.
    """
    if rng.random() < 0.4:
        return text
    words = []
    for word in text.split(" "):
        draw = rng.random()
        if draw < 0.03:
            continue
        if draw < 0.05:
            words.append(rng.choice(shared()["user_filler"]))
        elif draw < 0.09:
            words.append("".join(rng.choices(_LETTERS, k=rng.randint(2, 9))))
            if rng.random() < 0.5:
                continue
        words.append(word)
    text = " ".join(words) or text
    if rng.random() < 0.15:
        text = text.lower()
    if rng.random() < 0.1:
        text = text.replace(". ", ", ")
    return text


def supportive_reply(
    topic: Topic, situation: dict[str, Any] | None, feeling: str | None, rng: random.Random
) -> str:
    """Draw an on-topic reply of three to five sentences."""
    parts = topic.parts
    named = feeling or rng.choice(parts["feelings"])
    pattern = rng.choice(shared()["reply_feeling"]).replace("FEELING", named)
    sentences = [
        expand(pattern.replace("ABOUT", rng.choice(parts["about"])), rng),
        _pick(situation["reflect"] if situation else parts["normal"], rng),
    ]
    if rng.random() < 0.5:
        rng.shuffle(sentences)
    if rng.random() < 0.5:
        sentences.insert(0, _pick(shared()["reply_open"], rng))
    if situation and rng.random() < 0.5:
        sentences.append(_pick(parts["normal"], rng))
    sentences.append(_pick(parts[rng.choice(("step", "step", "question"))], rng))
    if len(sentences) < 5 and rng.random() < 0.25:
        sentences.append(_pick(shared()["reply_close"], rng))
    return " ".join(sentences)


def plain_reply(rng: random.Random) -> str:
    """Draw a reply that fits any message: two to four sentences."""
    parts = shared()
    middle = {_pick(parts["plain_middle"], rng): None for _ in range(rng.choice((1, 2, 2)))}
    sentences = [_pick(parts["plain_open"], rng), *middle]
    if rng.random() < 0.6:
        sentences.append(_pick(parts["plain_close"], rng))
    return " ".join(sentences)


def small_talk(rng: random.Random) -> tuple[str, str]:
    """A greeting, thanks, question or goodbye, and its reply."""
    kind = rng.randrange(len(shared()["small_user"]))
    return expand(shared()["small_user"][kind], rng), shared()["small_reply"][kind]


def draw_dialogue(style: Style, rng: random.Random) -> Dialogue:
    """Draw one dialogue of one or two turns."""
    messages: list[Message] = []
    if rng.random() < 0.45:
        system = roughen(_pick(shared()["system"], rng), rng)
        messages.append({"role": "system", "content": system})
    if rng.random() < 0.02:
        user, reply = small_talk(rng)
        messages += [
            {"role": "user", "content": user},
            {"role": "assistant", "content": reply},
        ]
        return Dialogue("small-talk", style, tuple(messages))
    topic = rng.choice(topics())
    for _ in range(2 if rng.random() < 0.1 else 1):
        user, situation, feeling = help_seeker_message(topic, rng)
        reply = (
            plain_reply(rng)
            if style == "plain"
            else supportive_reply(topic, situation, feeling, rng)
        )
        messages += [
            {"role": "user", "content": user},
            {"role": "assistant", "content": reply},
        ]
    return Dialogue(topic.id, style, tuple(messages))


def draw_dialogues(style: Style, count: int, seed: int) -> list[Dialogue]:
    """Draw ``count`` dialogues; the same seed gives the same dialogues everywhere."""
    rng = random.Random(seed)  # noqa: S311 - not a secret, and the draw must repeat
    return [draw_dialogue(style, rng) for _ in range(count)]
