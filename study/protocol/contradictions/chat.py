"""Contradictions in the block about conversations."""

from __future__ import annotations

from collections.abc import Iterator

from study.protocol.schema import Protocol
from study.protocol.yaml_tree import Location


def chat_contradictions(protocol: Protocol) -> Iterator[tuple[Location, str]]:
    """A block without conversations, conversations without it, and settings that exclude each other."""
    talks, chat = protocol.design.shows == "conversation", protocol.chat
    if chat is None:
        if talks:
            yield ("design", "shows"), "conversations need the block 'chat', which is missing"
        return
    if not talks:
        yield (
            ("chat",),
            f"the block has no effect, because design.shows is {protocol.design.shows!r}; expected "
            "'conversation', or no block 'chat'",
        )
    pace = chat.pace
    if pace.typing_from_s > pace.typing_to_s:
        yield (
            ("chat", "pace", "typing_from_s"),
            f"found {pace.typing_from_s}, expected at most typing_to_s, which is {pace.typing_to_s}",
        )
    if pace.typing_to_s >= chat.longest_wait_s:
        yield (
            ("chat", "longest_wait_s"),
            f"found {chat.longest_wait_s}, expected more than the longest typing time, which is "
            f"{pace.typing_to_s}",
        )
    if chat.fewest_turns > chat.turns:
        yield (
            ("chat", "fewest_turns"),
            f"found {chat.fewest_turns}, expected at most the {chat.turns} turns",
        )
    forgetful = [s.id for s in protocol.systems if s.backend == "dialogue"]
    if chat.history_turns is not None and forgetful:
        yield (
            ("chat", "history_turns"),
            f"found {chat.history_turns}, expected none, because the dialogue system {forgetful[0]!r} would "
            "forget a sign of danger in an older message; set dialogue.generator_turns in the system "
            "instead",
        )
    for i, system in enumerate(protocol.systems):
        if talks and system.proxy:
            yield (
                ("systems", i, "proxy"),
                "in a study of conversations the systems are asked directly, because a proxy could read "
                "what participants write; remove it",
            )
    if talks and protocol.judge is not None:
        yield (
            ("judge",),
            "the judge scores stored responses, and a study of conversations has none; remove the "
            "block 'judge'",
        )
