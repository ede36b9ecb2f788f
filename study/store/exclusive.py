"""Work that only one process at a time may do on a study, also when another one was killed.

The operating system holds the lock (``flock``) and lets go of it with the process, however that ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import text

from study.errors import StoreError
from study.store.database import database_file
from study.store.study import Study
from study.whole_files import OWNER_ONLY, write_whole

# Of PostgreSQL's locks that a session holds; study.store.database has another number.
_WRITING_NUMBER = 7310426
_JUDGING_NUMBER = 7310427


@contextlib.contextmanager
def only_writer(study: Study) -> Iterator[None]:
    """Keep everybody else from generating or importing responses until the block ends.

    Raises
    ------
    StoreError
        When another process is at it.
    """
    refusal = (
        f"Another `evenhand generate` or `evenhand import` is at work on {study.folder}. Wait until it has "
        "ended, then run this again: what is there by then is not written twice."
    )
    with _only_one(study, ".responses.lock", _WRITING_NUMBER, refusal):
        yield


@contextlib.contextmanager
def only_judge(study: Study) -> Iterator[None]:
    """Keep a second judge out of a study until the block ends.

    Raises
    ------
    StoreError
        When another run is under way: it would pay for the same calls.
    """
    refusal = (
        f"Another `evenhand judge` is at work on {study.folder}. Wait until it has ended; two at "
        "once would pay twice for the same calls."
    )
    with _only_one(study, "judge.lock", _JUDGING_NUMBER, refusal):
        yield


@contextlib.contextmanager
def _only_one(study: Study, file: str, number: int, refusal: str) -> Iterator[None]:
    try:
        lock = FileLock(study.folder / file, timeout=0, mode=OWNER_ONLY)
        with lock, _only_session(study, number, refusal):
            yield
    except Timeout:
        raise StoreError(refusal) from None


@contextlib.contextmanager
def _only_session(study: Study, number: int, refusal: str) -> Iterator[None]:
    """With PostgreSQL, the same for processes on other machines, which have folders of their own."""
    if database_file(study.engine) is not None:
        yield
        return
    with study.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        named = {"number": number}
        if not connection.execute(text("SELECT pg_try_advisory_lock(:number)"), named).scalar_one():
            raise StoreError(refusal)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), named)


class Serving:
    """Which server serves a study from its SQLite file; several may, and each is told of the first."""

    def __init__(self, study: Study) -> None:
        self._lock = FileLock(study.folder / ".serving.lock", timeout=0, mode=OWNER_ONLY)
        self._note: Path = study.folder / ".serving.address"
        self._one_file = database_file(study.engine) is not None

    def first(self) -> str | None:
        """Where another server listens that was there before; None for the first, or on PostgreSQL."""
        if not self._one_file:
            return None
        try:
            self._lock.acquire()
        except Timeout:
            return self._note.read_text(encoding="utf-8") if self._note.exists() else "this machine"
        return None

    def listens(self, address: str) -> None:
        """Note where this server listens, for one that comes later."""
        if self._lock.is_locked:
            write_whole(self._note, address)

    def end(self) -> None:
        """Let go, so that the next server is the first."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
            self._lock.release()
