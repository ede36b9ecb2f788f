"""Blocks about conversations with a system: budget, pace, and what the system is given."""

from __future__ import annotations

from pydantic import Field

from study.protocol.block import Block, ShownText


class ChatPace(Block):
    """How a reply appears. It is the same for every system, so that speed gives none away."""

    typing_from_s: float = Field(
        default=2.0,
        ge=0.2,
        description="Shortest time for which the typing indicator is shown, in seconds.",
    )
    typing_to_s: float = Field(
        default=4.0,
        ge=0.2,
        description=(
            "Longest such time; it is drawn evenly for every reply. A system that needs longer is "
            "waited for, which the coordinator's page counts: choose it for the slowest system."
        ),
    )
    words_per_second: float = Field(
        default=5.0, ge=1, le=20, description="How fast the words of a reply appear, on average."
    )
    jitter: float = Field(
        default=0.4,
        ge=0,
        le=0.9,
        description="Largest share by which the time between two words differs from its average.",
    )


class Chat(Block):
    """A conversation of a rater with a system; needs ``design.shows: conversation``."""

    turns: int = Field(default=12, ge=1, le=200, description="Messages of the rater at most.")
    minutes: float = Field(
        default=9,
        gt=0,
        le=240,
        description=(
            "Time of one conversation, counted from the rater's first message. A reply that has begun "
            "is shown to its end."
        ),
    )
    fewest_turns: int = Field(
        default=1, ge=1, description="Answered messages before the rater may end it."
    )
    support: ShownText = Field(
        description=(
            "Stays in sight beside the conversation: that it may be left at any time, and whom a rater "
            "can talk to when it is upsetting."
        )
    )
    longest_message: int = Field(
        default=1000, ge=20, le=8000, description="Longest message of the rater, in characters."
    )
    history_turns: int | None = Field(
        default=None,
        ge=1,
        description=(
            "How many of the rater's last messages a system is given, with its replies to them; all by "
            "default. A system that refuses them as too long is given fewer, which is recorded."
        ),
    )
    longest_wait_s: float = Field(
        default=60,
        ge=1,
        le=600,
        description="How long a reply is waited for before the rater is asked to try again.",
    )
    pace: ChatPace = Field(default=ChatPace(), description="How replies appear.")
