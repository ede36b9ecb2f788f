"""What a worker process loads or opens once and keeps between its tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Anything that holds memory or connections until it is closed."""

    def close(self) -> None:
        """Give them back."""


T = TypeVar("T", bound=Closable)


class Held(Generic[T]):
    """The one thing that this process holds; another one takes its place.

    The old one is closed before the new one is opened, since two models may not fit the memory side
    by side. May be used by several threads of a worker; whether they may use what is held at the same
    time is its own matter.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._key: Hashable = None
        self._held: T | None = None

    def get(self, key: Hashable, open_new: Callable[[], T]) -> T:
        """What is held under this key, opened now when something else or nothing is.

        Whatever ``open_new`` raises passes through, and nothing is held then.
        """
        with self._turn:
            if self._held is None or key != self._key:
                self._drop()
                self._held, self._key = open_new(), key
            return self._held

    def close(self) -> None:
        """Let go of what is held."""
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        if self._held is not None:
            self._held.close()
        self._held = self._key = None
