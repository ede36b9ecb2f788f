"""The split into training and held-out conversations: stratified, and without leakage."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.training.conversation_data import Conversation
from study.errors import ModelError

Label = Literal["auto", "topic", "emotion", "source", "none"]


@dataclass(frozen=True)
class Split:
    """Conversations to learn from and to measure on.

    Attributes
    ----------
    training, held_out : tuple of Conversation
    label : str
        The label whose shares were kept, or 'none'.
    duplicates : int
        Conversations that went with another one because their messages are the same.
    removed : int
        Training conversations left out because they are in the held-out file.
    """

    training: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]
    label: str
    duplicates: int = 0
    removed: int = 0


def same_messages_key(conversation: Conversation) -> str:
    """The help-seeker's turns without case, punctuation and space: equal keys are duplicates.

    Replies do not count: the same message with another reply would let held-out loss look at
    what was learned.
    """
    asked = " ".join(m["content"] for m in conversation.messages if m["role"] == "user")
    return " ".join(re.findall(r"\w+", asked.casefold())) or asked


def strata_of(conversations: Sequence[Conversation], by: Label) -> tuple[str, list[str]]:
    """The label in use and every conversation's stratum; 'unlabelled' where it has none."""
    if by == "auto":
        by = next(
            (
                label
                for label in ("topic", "emotion")
                if any(label in conversation.labels for conversation in conversations)
            ),
            "source",
        )
    if by == "none":
        return by, ["all"] * len(conversations)
    return by, [conversation.labels.get(by, "unlabelled") for conversation in conversations]


def split_conversations(
    conversations: Sequence[Conversation], *, share: float, by: Label, seed: int
) -> Split:
    """Hold out a share of every stratum; duplicates stay on one side.

    The number held out of a stratum is its size times ``share``, rounded so that the total is the
    rounded total (largest remainders first). A group of duplicates belongs to the stratum of its
    first member, so a stratum's number can be over by the group's size less one.

    Parameters
    ----------
    conversations : sequence of Conversation
    share : float
        0 to 1, exclusive.
    by : {'auto', 'topic', 'emotion', 'source', 'none'}
    seed : int

    Raises
    ------
    ModelError
        When one of the sides would be empty.
    """
    label, strata = strata_of(conversations, by)
    groups: dict[str, list[int]] = defaultdict(list)
    for at, conversation in enumerate(conversations):
        groups[same_messages_key(conversation)].append(at)
    by_stratum: dict[str, list[list[int]]] = defaultdict(list)
    for group in groups.values():
        by_stratum[strata[group[0]]].append(group)
    rng = random.Random(seed)  # noqa: S311 - not a secret, and the split must repeat
    held: set[int] = set()
    for stratum, wanted in _held_out_counts(by_stratum, share).items():
        drawn = by_stratum[stratum]
        rng.shuffle(drawn)
        taken = 0
        for group in drawn:
            if taken >= wanted:
                break
            held.update(group)
            taken += len(group)
    if not held or len(held) == len(conversations):
        raise ModelError(
            f"{len(conversations)} conversations in {len(groups)} different ones cannot be split "
            f"with {share:g} held out. Give more data, another held_out_share, or --held-out FILE."
        )
    return Split(
        training=tuple(c for at, c in enumerate(conversations) if at not in held),
        held_out=tuple(c for at, c in enumerate(conversations) if at in held),
        label=label,
        duplicates=len(conversations) - len(groups),
    )


def _held_out_counts(by_stratum: dict[str, list[list[int]]], share: float) -> dict[str, int]:
    quotas = {stratum: share * sum(map(len, by_stratum[stratum])) for stratum in sorted(by_stratum)}
    counts = {stratum: int(quota) for stratum, quota in quotas.items()}
    missing = max(1, round(sum(quotas.values()))) - sum(counts.values())
    for stratum in sorted(quotas, key=lambda s: (counts[s] - quotas[s], s))[: max(0, missing)]:
        counts[stratum] += 1
    return counts


def without_held_out(
    training: Sequence[Conversation], held_out: Sequence[Conversation]
) -> tuple[tuple[Conversation, ...], int]:
    """Training conversations whose messages are not held out, and how many were left out."""
    keys = {same_messages_key(conversation) for conversation in held_out}
    kept = tuple(c for c in training if same_messages_key(c) not in keys)
    return kept, len(training) - len(kept)
