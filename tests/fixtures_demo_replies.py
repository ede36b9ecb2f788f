"""Checks of the demo model's replies: on the topic, and correct English.

The checks know the grammar that the model was trained on, and say nothing about replies of other
models.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from models.demo.corpus import feelings, shared, topics

_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_SENTENCE = re.compile(r"[^.!?]+[.!?]+")
_SHARED_REPLIES = (
    "reply_open",
    "reply_feeling",
    "reply_close",
    "plain_open",
    "plain_middle",
    "plain_close",
    "small_reply",
)


def words(text: str) -> list[str]:
    """Words in lower case."""
    return _WORD.findall(text.lower())


def keyword_counts(reply: str) -> dict[str, int]:
    """How many different keywords of each topic a reply holds, by topic id."""
    found = set(words(reply))
    return {topic.id: len(found & set(topic.keywords)) for topic in topics()}


def on_topic(reply: str, topic_id: str) -> bool:
    """Whether a reply has keywords of its topic and no other topic has more."""
    counts = keyword_counts(reply)
    return counts[topic_id] > 0 and counts[topic_id] == max(counts.values())


def sentences(text: str) -> list[str]:
    """Sentences with their closing mark; a rest without one is a sentence too."""
    found = [part.strip() for part in _SENTENCE.findall(text)]
    rest = _SENTENCE.sub("", text).strip()
    return found + ([rest] if rest else [])


@cache
def reply_phrases() -> tuple[str, ...]:
    """Every phrase of the grammar that a reply may hold."""
    phrases = [phrase for name in _SHARED_REPLIES for phrase in shared()[name]]
    for topic in topics():
        for name in ("normal", "step", "question"):
            phrases += topic.parts[name]
        for situation in topic.parts["situation"]:
            phrases += situation["reflect"]
    return tuple(phrases)


@cache
def reply_vocabulary() -> frozenset[str]:
    """Every word that the grammar's replies hold."""
    texts = [*reply_phrases(), *feelings()]
    texts += [about for topic in topics() for about in topic.parts["about"]]
    return frozenset(word for text in texts for word in words(re.sub("FEELING|ABOUT", " ", text)))


@cache
def _patterns() -> re.Pattern[str]:
    abouts = [about for topic in topics() for about in topic.parts["about"]]
    alternatives = {
        "FEELING": "|".join(map(re.escape, feelings())),
        "ABOUT": "|".join(map(re.escape, abouts)),
    }
    compiled = []
    for phrase in reply_phrases():
        pattern = ""
        for part in re.split(r"(\{[^{}]*\}|FEELING|ABOUT)", phrase):
            if part in alternatives:
                pattern += f"(?:{alternatives[part]})"
            elif part.startswith("{"):
                pattern += f"(?:{'|'.join(map(re.escape, part[1:-1].split('|')))})"
            else:
                pattern += re.escape(part)
        compiled.append(pattern)
    return re.compile("|".join(f"(?:{pattern})" for pattern in compiled))


def from_grammar(sentence: str) -> bool:
    """Whether the grammar could have written this sentence.

    Small talk is written in pairs of sentences, of which one alone is not recognised.
    """
    return _patterns().fullmatch(sentence) is not None


def language_faults(reply: str) -> list[str]:
    """What is wrong with a reply's English, as short notes; empty when nothing was found.

    Looks for: no text, a sentence without capital or closing mark, a broken token, a word that
    the grammar does not know, a word twice in a row, four words that occur twice.
    """
    faults = []
    if not reply.strip():
        return ["no text"]
    if "\ufffd" in reply or "<|" in reply:
        faults.append("broken token")
    for sentence in sentences(reply):
        if not sentence[0].isupper():
            faults.append(f"no capital: {sentence}")
        if sentence[-1] not in ".!?":
            faults.append(f"no closing mark: {sentence}")
    found = words(reply)
    faults += [f"unknown word: {word}" for word in found if word not in reply_vocabulary()]
    for sentence in sentences(reply):
        faults += [f"twice in a row: {a}" for a, b in pairwise(words(sentence)) if a == b]
    fours = [tuple(found[i : i + 4]) for i in range(len(found) - 3)]
    faults += [f"repeated: {' '.join(f)}" for f in dict.fromkeys(fours) if fours.count(f) > 1]
    return faults
