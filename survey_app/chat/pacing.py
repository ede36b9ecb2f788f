"""When each word of a reply is shown. The same for every system, so that speed gives none away.

A reply is held until its drawn typing time is over and enough of it is there; then its words appear
at the declared rate. All draws come from a generator that the study's key and the turn seed, so they
do not depend on the system. What a system's speed can still change is counted: a reply that is not
there in time starts late, in whole seconds, and is marked as having missed its pace.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable

from study.protocol.chat import ChatPace

# A reply that is still being written may begin once so many words are there ...
_LEAD_WORDS = 12
# ... and have come at least so many times as fast as they will be shown.
_LEAD_SPEED = 2.0
_LATE_STEP_S = 1.0
_WORD = re.compile(r"\s*\S+\s*")


class PacedReply:
    """One reply: what has come of it, and what of it is shown at a moment.

    Parameters
    ----------
    pace : ChatPace
    seed : int
        Of all draws of this reply.
    asked_at : float
        When the system was asked, in seconds of the caller's clock; every ``at`` is of that clock
        and none may be before an earlier one.
    """

    def __init__(self, pace: ChatPace, seed: int, asked_at: float) -> None:
        draws = random.Random(seed)  # noqa: S311 (a pace, not a secret)
        self._due = asked_at + draws.uniform(pace.typing_from_s, pace.typing_to_s)
        self._gap: Callable[[], float] = lambda: (
            draws.uniform(1 - pace.jitter, 1 + pace.jitter) / pace.words_per_second
        )
        self._rate = pace.words_per_second
        self._first_at: float | None = None
        self._words: list[str] = []
        self._times: list[float] = []
        self._closed_at: float | None = None
        self._failed = False
        self._ready = False
        self.text = ""
        self.pace_missed = False

    @property
    def ready(self) -> bool:
        """Whether enough is there for the first word to be shown when its time has come."""
        return self._ready

    def receive(self, text: str, at: float) -> None:
        """Take some more text of the reply."""
        if self._first_at is None and text.strip():
            self._first_at = at
        self.text += text
        words = _WORD.findall(self.text)
        # The last word may go on with the next piece.
        self._schedule(words[:-1], at)

    def close(self, at: float, *, failed: bool = False) -> None:
        """Note that no more text comes."""
        self._closed_at, self._failed = at, failed
        self._schedule(_WORD.findall(self.text), at)

    def _schedule(self, words: list[str], at: float) -> None:
        self._words = words
        if not self._ready and (self._closed_at is not None or self._comes_fast(at)):
            self._ready = True
            if at > self._due:
                self._due += _LATE_STEP_S * math.ceil((at - self._due) / _LATE_STEP_S)
                self.pace_missed = True
        if not self._ready:
            return
        while len(self._times) < len(words):
            wanted = self._times[-1] + self._gap() if self._times else self._due
            if at > wanted:
                self.pace_missed = True
            self._times.append(max(wanted, at))

    def _comes_fast(self, at: float) -> bool:
        if self._first_at is None or len(self._words) < _LEAD_WORDS:
            return False
        seconds = at - self._first_at
        return len(self._words) - 1 >= _LEAD_SPEED * self._rate * seconds

    @property
    def word_times(self) -> tuple[float, ...]:
        """When each word so far is shown."""
        return tuple(self._times)

    def shown(self, at: float) -> str:
        """What of the reply is shown at a moment."""
        return "".join(self._words[: self._number_shown(at)]).strip()

    def _number_shown(self, at: float) -> int:
        # Words are few and this is asked once a word.
        return sum(time <= at for time in self._times)

    def begun(self, at: float) -> bool:
        """Whether the first word is shown."""
        return bool(self._times) and self._times[0] <= at

    def next_change(self, at: float) -> float | None:
        """When the next word, or the end, is shown; None while that is not known."""
        later = [time for time in self._times if time > at]
        if later:
            return later[0]
        end = self.ends_at
        return end if end is not None and end > at else None

    @property
    def ends_at(self) -> float | None:
        """When all that came is shown, which a failure waits for too; None while more may come."""
        if self._closed_at is None:
            return None
        return self._times[-1] if self._times else max(self._due, self._closed_at)
