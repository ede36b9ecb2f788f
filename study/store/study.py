"""The study folder: its protocol, its key and its database."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select
from sqlalchemy.exc import SQLAlchemyError

from study import blinding
from study.clock import now
from study.errors import LockError, StoreError
from study.protocol import Protocol, parse_protocol
from study.protocol.analysis_plan import AnalysisPlan
from study.protocol.loading import load_protocol, read_text, resolve_includes
from study.store import tables
from study.store.database import (
    DATABASE_FILE,
    database_file,
    database_url,
    driver_reason,
    empty_write_ahead_log,
    migrate,
    no_study_in,
    open_engine,
    remedy,
    transaction,
)
from study.whole_files import FOR_ALL, OWNER_ONLY, write_whole
from study.wording import command

PROTOCOL_FILE = "study.yaml"
KEY_FILE = "study.key"

# One transaction, as ``reading`` and ``writing`` give it: for rooms that do not know the database.
Transaction = Connection


@dataclass(frozen=True)
class Study:
    """One protocol in force, in one folder, with one database.

    Make one with ``create_study`` or ``open_study``.
    """

    folder: Path
    # Not in the printed form: they name the systems, and the key opens every link.
    protocol: Protocol = field(repr=False)
    protocol_text: str = field(repr=False)
    stored_key: bytes | None = field(repr=False)
    engine: Engine = field(repr=False)
    # The transaction in which everything is read, see ``at_one_moment``.
    held: Connection | None = field(default=None, repr=False)

    @property
    def key(self) -> bytes:
        """The study's key.

        Raises
        ------
        StoreError
            When ``study.key`` is missing or damaged; what does not ask for it goes on working.
        """
        if self.stored_key is None:
            raise StoreError(key_lost(self.folder))
        return self.stored_key

    def reading(self) -> contextlib.AbstractContextManager[Connection]:
        """A transaction that reads."""
        if self.held is not None:
            return contextlib.nullcontext(self.held)
        return transaction(self.engine, writes=False)

    @contextmanager
    def at_one_moment(self) -> Iterator[Study]:
        """This study as it stands now: all that is read from what is given belongs together.

        What others save while the block runs is not seen in it, nor held up by it.
        """
        with transaction(self.engine, writes=False, one_moment=True) as connection:
            yield replace(self, held=connection)

    def writing(self) -> contextlib.AbstractContextManager[Connection]:
        """A transaction that writes: all of it is kept, or nothing."""
        return transaction(self.engine, writes=True)

    @cached_property
    def protocol_sha256(self) -> str:
        """SHA-256 of the protocol's text."""
        return hashlib.sha256(self.protocol_text.encode()).hexdigest()

    def in_language(self, language: str | None) -> Study:
        """This study with the protocol's texts in one of its languages; nothing else differs."""
        protocol = self.protocol.in_language(language)
        return self if protocol is self.protocol else replace(self, protocol=protocol)

    def close(self) -> None:
        """Give the database connections back."""
        self.engine.dispose()


def merge_write_ahead_log(study: Study) -> None:
    """Bring everything that was saved into the database file, so that a copy of it is whole.

    While another process reads or writes, this is left to that one after a short wait.
    """
    with contextlib.suppress(SQLAlchemyError):
        empty_write_ahead_log(study.engine, patience_ms=2_000)


def create_study(folder: Path, protocol_file: Path) -> Study:
    """Make a study folder from a protocol file.

    Raises
    ------
    ProtocolError
        When the protocol has a problem; nothing is made then.
    StoreError
        When the folder already holds a study or cannot be written.
    """
    load_protocol(protocol_file)
    if (folder / PROTOCOL_FILE).exists() or (folder / KEY_FILE).exists():
        raise StoreError(
            f"{folder} already holds a study. Choose another folder, or work with this one: "
            f"{command('check', '--study', folder)}"
        )
    key = blinding.new_key()
    text, database = resolve_includes(protocol_file), folder / DATABASE_FILE
    ours = [folder / PROTOCOL_FILE, folder / KEY_FILE]
    if not database.exists():
        ours += [database, folder / f"{DATABASE_FILE}-wal", folder / f"{DATABASE_FILE}-shm"]
    new_folder = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / PROTOCOL_FILE, text, mode=FOR_ALL)
        write_whole(folder / KEY_FILE, key.hex() + "\n")
        return _start(folder, key)
    except BaseException as error:
        # Half a study would only stand in the way of the next try.
        with contextlib.suppress(OSError):
            for path in ours:
                path.unlink(missing_ok=True)
            if new_folder:
                folder.rmdir()
        if isinstance(error, OSError):
            raise StoreError(
                f"The study folder {folder} cannot be written ({error.strerror}). Choose a folder where "
                "you may write."
            ) from None
        raise


def _start(folder: Path, key: bytes) -> Study:
    study = _connect(folder, key)
    try:
        with study.writing() as connection:
            if connection.execute(select(tables.study.c.id)).first():
                raise StoreError(_OTHER_STUDY)
            connection.execute(
                insert(tables.study).values(id=1, fingerprint=_fingerprint(key), created_at=now())
            )
            connection.execute(insert(tables.audit_head).values(id=1, seq=0, hash="0" * 64))
    except BaseException:
        study.close()
        raise
    return study


def open_study(folder: Path) -> Study:
    """Open a study folder, bringing its database up to the present schema.

    Without its key (``stored_key`` is None) a study still gives its data; links need the key.

    Raises
    ------
    StoreError
        When the folder or its database is missing, or the database or the key belongs to another study.
    ProtocolError
        When ``study.yaml`` has a problem.
    LockError
        When ``study.yaml`` differs from what was locked.
    """
    if not (folder / PROTOCOL_FILE).is_file():
        raise StoreError(
            f"There is no study in {folder} (no {PROTOCOL_FILE}). Give its folder with --study DIR, "
            "or make one: evenhand init DIR --protocol NAME"
        )
    study = _connect(folder, _read_key(folder / KEY_FILE), must_exist=True)
    try:
        row = _own_row(study)
        if row.locked_protocol is not None and row.locked_protocol != study.protocol_text:
            raise LockError(
                f"{PROTOCOL_FILE} was changed after the study was locked on {row.locked_at:%Y-%m-%d}. Put "
                "the locked text back with `evenhand lock --restore`, or start a new study."
            )
        study = _as_locked(study, row.lock_hashes)
    except BaseException:
        study.close()
        raise
    return study


def plan_sha256(plan: AnalysisPlan) -> str:
    """SHA-256 (hex) of an analysis plan, as the lock holds it."""
    text = json.dumps(plan.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_locked(study: Study, lock_hashes: str | None) -> Study:
    """The study with the plan that its lock froze: an older one meant a paired t test by none."""
    plan = study.protocol.analysis
    former = plan.with_former_test
    if lock_hashes is None or former is plan:
        return study
    if json.loads(lock_hashes).get("analysis_plan") != plan_sha256(former):
        return study
    return replace(study, protocol=study.protocol.model_copy(update={"analysis": former}))


def restore_locked_protocol(folder: Path) -> Path:
    """Write the locked text back to ``study.yaml``; what was there is kept beside it.

    Returns the path under which the changed text was kept.

    Raises
    ------
    LockError
        When the study is not locked.
    """
    engine = _open_database(folder, must_exist=True)
    try:
        with transaction(engine, writes=False) as connection:
            row = connection.execute(select(tables.study)).first()
    finally:
        engine.dispose()
    key = _read_key(folder / KEY_FILE)
    if row is None or (key is not None and row.fingerprint != _fingerprint(key)):
        raise StoreError(_OTHER_STUDY)
    if row.locked_protocol is None:
        raise LockError("The study is not locked, so there is no locked protocol to put back.")
    kept, protocol = folder / f"{PROTOCOL_FILE}.changed", folder / PROTOCOL_FILE
    if protocol.exists():
        write_whole(kept, protocol.read_bytes(), mode=FOR_ALL)
    write_whole(protocol, row.locked_protocol, mode=FOR_ALL)
    return kept


def _own_row(study: Study) -> Row[Any]:
    with study.reading() as connection:
        row = connection.execute(select(tables.study)).first()
    key = study.stored_key
    if row is None or (key is not None and row.fingerprint != _fingerprint(key)):
        raise StoreError(_OTHER_STUDY)
    return row


_OTHER_STUDY = (
    "The database belongs to another study, or study.key was replaced. Check "
    "EVENHAND_DATABASE_URL and put this study's own study.key back; every study needs a database of "
    "its own."
)


def _fingerprint(key: bytes) -> str:
    return hashlib.sha256(b"evenhand-study" + key).hexdigest()


def _connect(folder: Path, key: bytes | None, *, must_exist: bool = False) -> Study:
    text = read_text(folder / PROTOCOL_FILE)
    protocol = parse_protocol(text, PROTOCOL_FILE, folder=folder)
    return Study(folder, protocol, text, key, _open_database(folder, must_exist=must_exist))


def _open_database(folder: Path, *, must_exist: bool) -> Engine:
    engine = open_engine(database_url(folder))
    file = database_file(engine)
    if must_exist and file is not None and not file.exists():
        raise StoreError(
            f"The database {file} is missing. Put it back from your copy of the study folder; when the "
            "study's database is on a server, set EVENHAND_DATABASE_URL."
        )
    try:
        if file is not None:
            _prepare_file(file, must_exist=must_exist)
        migrate(engine, must_exist=must_exist)
    except BaseException as error:
        engine.dispose()
        # A listener's error on a damaged file comes as sqlite3's own.
        if isinstance(error, SQLAlchemyError | sqlite3.Error):
            reason = driver_reason(error)
            raise StoreError(
                f"The study's database cannot be opened ({reason}). {remedy(reason)}"
            ) from error
        raise
    return engine


def _is_anothers(file: Path) -> bool:
    """Whether this is a sound database of another program; looked at without changing a byte of it."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        ) as database:
            own = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
            return database.execute(own).fetchone() is None
    except sqlite3.Error:
        return False  # what is wrong is said when the engine opens it


def _prepare_file(file: Path, *, must_exist: bool) -> None:
    """Have the database file readable by its owner alone; SQLite gives its logs the same rights."""
    if not file.exists():
        with contextlib.suppress(OSError):  # SQLite says what is wrong with the folder
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        return
    log = file.with_name(f"{file.name}-wal")
    if must_exist and not file.stat().st_size and not (log.exists() and log.stat().st_size):
        raise StoreError(
            f"The database {file} is empty (0 bytes), perhaps because a disk was full when it was copied. "
            "Put it back from your copy of the study folder; nothing was changed."
        )
    if must_exist and _is_anothers(file):
        raise StoreError(no_study_in(str(file)))
    if file.stat().st_mode & 0o007:
        # A group may have been let in on purpose; all accounts of the machine were not.
        for path in (file, log, file.with_name(f"{file.name}-shm")):
            with contextlib.suppress(OSError):
                path.chmod(path.stat().st_mode & 0o770)


def _read_key(path: Path) -> bytes | None:
    """The key; None when the file is missing or does not hold one."""
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (FileNotFoundError, ValueError):
        return None
    return key if len(key) == blinding.KEY_BYTES else None


def key_lost(folder: Path) -> str:
    """What is lost with the key of this folder's study, and what to do."""
    path = folder / KEY_FILE
    state = (
        f"damaged (expected {2 * blinding.KEY_BYTES} hexadecimal digits)"
        if path.exists()
        else "missing"
    )
    return (
        f"{path} is {state}. Without it no rater's or coordinator's link can be made or checked, nobody can "
        "be enrolled, receipt codes are lost, and nothing vouches for the audit log; export, report, "
        "withdraw and unblind still work. Put the file back from your copy of the study folder."
    )


@contextmanager
def opened(folder: Path) -> Iterator[Study]:
    """A study that is closed when the block ends."""
    study = open_study(folder)
    try:
        yield study
    finally:
        study.close()
