"""Cleaning of training conversations, with a count of every kind of change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.training.conversation_data import Conversation
from models.training.personal_names import introduced_names, replace_names
from models.training.recipes import TrainingSettings

LINK_MARK = "[link]"

_IMAGE = re.compile(
    r"!\[[^\]]*\]\([^)]*\)|<img\b[^>]*>"
    r"|(?:https?://|www\.)\S+?\.(?:png|jpe?g|gif|webp|svg|bmp)(?:\?\S*)?(?=[\s)>\]]|$)",
    re.IGNORECASE,
)
_MARKDOWN_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?:https?://|www\.)[^)]*\)", re.IGNORECASE)
# A mark that closes the sentence is not of the address.
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"']*[^\s<>\"'.,;:!?)\]]", re.IGNORECASE)


@dataclass(frozen=True)
class CleanedData:
    """Conversations after cleaning.

    Attributes
    ----------
    conversations : tuple of Conversation
    counts : dict
        How often each change was made; a change that was never made has 0.
    """

    conversations: tuple[Conversation, ...]
    counts: dict[str, int]


CHANGES = (
    "image links removed",
    "links replaced",
    "names replaced",
    "conversations left out: empty turn after cleaning",
    "conversations left out: reply too short",
    "conversations left out: turn too long",
)


def clean_conversations(
    conversations: Sequence[Conversation],
    settings: TrainingSettings,
    names: Iterable[str] = (),
) -> CleanedData:
    """Clean all conversations.

    Parameters
    ----------
    conversations : sequence of Conversation
    settings : TrainingSettings
        What to clean and the limits of length.
    names : iterable of str
        Declared personal names of the data set.
    """
    counts: Counter[str] = Counter()
    declared = frozenset(names)
    kept = []
    for conversation in conversations:
        texts = [message["content"] for message in conversation.messages]
        if settings.clean_links:
            texts = [_without_links(text, counts) for text in texts]
        if settings.clean_names:
            known = declared | introduced_names(texts)
            texts = [_without_names(text, known, counts) for text in texts]
        messages = tuple(
            {**message, "content": text.strip()}
            for message, text in zip(conversation.messages, texts, strict=True)
        )
        fault = _length_fault(messages, settings)
        if fault:
            counts[f"conversations left out: {fault}"] += 1
        else:
            kept.append(Conversation(messages, conversation.labels))
    return CleanedData(tuple(kept), {change: counts[change] for change in CHANGES})


def _without_links(text: str, counts: Counter[str]) -> str:
    text, images = _IMAGE.subn("", text)
    text, named = _MARKDOWN_LINK.subn(r"\1", text)
    text, plain = _LINK.subn(LINK_MARK, text)
    counts["image links removed"] += images
    counts["links replaced"] += named + plain
    return re.sub(r"[ \t]{2,}", " ", text) if images else text


def _without_names(text: str, names: Iterable[str], counts: Counter[str]) -> str:
    text, replaced = replace_names(text, names)
    counts["names replaced"] += replaced
    return text


def _length_fault(messages: Sequence[dict[str, str]], settings: TrainingSettings) -> str | None:
    lengths: dict[str, list[int]] = {"system": [], "user": [], "assistant": []}
    for message in messages:
        lengths[message["role"]].append(len(message["content"].split()))
    if 0 in lengths["user"] + lengths["assistant"]:
        return "empty turn after cleaning"
    if min(lengths["assistant"]) < settings.min_reply_words:
        return "reply too short"
    if max(lengths["user"] + lengths["assistant"]) > settings.max_turn_words:
        return "turn too long"
    return None
