"""What a worker holds between its tasks: one thing at a time, opened once, closed before the next."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.workers.held import Held


class Opened:
    """Writes down when it is opened and closed."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self._log = name, log
        log.append(f"open {name}")

    def close(self) -> None:
        self._log.append(f"close {self.name}")


def test_another_key_closes_what_is_held_before_it_opens_its_own() -> None:
    log: list[str] = []
    held: Held[Opened] = Held()
    first = held.get("a", lambda: Opened("a", log))
    assert held.get("a", lambda: Opened("a", log)) is first
    held.get("b", lambda: Opened("b", log))
    held.close()
    held.close()
    assert log == ["open a", "close a", "open b", "close b"]


def test_nothing_is_held_after_an_opening_that_failed() -> None:
    log: list[str] = []
    held: Held[Opened] = Held()
    held.get("a", lambda: Opened("a", log))

    def fail() -> Opened:
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        held.get("b", fail)
    held.get("a", lambda: Opened("a", log))
    assert log == ["open a", "close a", "open a"]


def test_threads_that_ask_at_once_are_given_the_same() -> None:
    log: list[str] = []
    held: Held[Opened] = Held()
    together = threading.Barrier(4, timeout=60)

    def ask(_number: int) -> Opened:
        together.wait()
        return held.get("a", lambda: Opened("a", log))

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(ask, range(4)))
    assert (len(found), log) == (1, ["open a"])
