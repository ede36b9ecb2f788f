"""Opens the database of a study: SQLite in the study folder, or PostgreSQL by address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from study.errors import StoreError
from study.installation import install_command

DATABASE_FILE = "study.db"
ADDRESS_VARIABLE = "EVENHAND_DATABASE_URL"
POSTGRES_DRIVER = "postgresql+psycopg"
# How long a writer waits for another one, in milliseconds.
BUSY_MS = 30_000
_MIGRATIONS = Path(__file__).parent / "migrations"


def database_url(folder: Path) -> str:
    """Address of a study's database; ``EVENHAND_DATABASE_URL`` overrides the SQLite file."""
    return os.environ.get(ADDRESS_VARIABLE) or f"sqlite:///{folder.resolve() / DATABASE_FILE}"


def open_engine(url: str) -> Engine:
    """An engine with the settings under which no acknowledged answer is lost.

    Raises
    ------
    StoreError
        When the address cannot be read or its driver is not installed.
    """
    try:
        address = _with_known_driver(make_url(url))
        # hide_parameters: SQLAlchemy's messages would quote answers and the names of systems.
        if address.get_backend_name() != "sqlite":
            # pre_ping: a server that was started anew closed the pool's connections, and without a look
            # the next rater of each would get an error page.
            return create_engine(address, pool_pre_ping=True, hide_parameters=True)
        engine = create_engine(
            address,
            hide_parameters=True,
            # Each run of a page is another thread, and the pool hands on what another one opened.
            connect_args={"timeout": 30, "check_same_thread": False},
        )
    except ArgumentError:
        raise StoreError(
            f"{ADDRESS_VARIABLE} is not a database address. Expected something like "
            "postgresql+psycopg://user@host/database; unset it to use the study folder's SQLite file."
        ) from None
    except ImportError as error:
        # psycopg without its binary part raises a plain ImportError, which has no name.
        raise StoreError(
            f"PostgreSQL needs the package psycopg, which cannot be used here ({error}). Install it "
            f"with: {install_command('postgres')}"
        ) from None
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _with_known_driver(address: URL) -> URL:
    """The address with the driver that evenhand brings; without one, SQLAlchemy would ask for psycopg2."""
    if address.drivername in ("postgresql", "postgres"):
        return address.set(drivername=POSTGRES_DRIVER)
    if address.drivername not in (POSTGRES_DRIVER, "sqlite", "sqlite+pysqlite"):
        raise StoreError(
            f"{ADDRESS_VARIABLE} begins with {address.drivername}://, which evenhand does not use. It "
            f"keeps studies in SQLite or, through psycopg 3, in PostgreSQL: begin it with "
            f"{POSTGRES_DRIVER}://"
        )
    return address


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # pysqlite must not start transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    # synchronous: with a write-ahead log, NORMAL may lose the last commits when the power fails, and the page
    # has called them saved. foreign_keys: SQLite follows none unless each connection asks for it.
    # secure_delete: what a withdrawal erases is overwritten, not only released for later use.
    for pragma in (
        f"busy_timeout={BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails when another writer came between.
    writes = connection.get_execution_options().get("evenhand_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def database_file(engine: Engine) -> Path | None:
    """The SQLite file of an engine; None for a database server."""
    is_file = engine.url.get_backend_name() == "sqlite" and engine.url.database
    return Path(engine.url.database) if is_file and engine.url.database else None


def empty_write_ahead_log(engine: Engine, *, patience_ms: int = BUSY_MS) -> None:
    """Move SQLite's write-ahead log into the database file, so that nothing erased stays in it.

    It has to wait until nobody else reads or writes, ``patience_ms`` milliseconds at most.
    """
    if database_file(engine) is None:
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={patience_ms}")
        try:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_MS}")  # the pool keeps it


def migrate(engine: Engine, revision: str = "head", *, must_exist: bool = False) -> None:
    """Bring the schema up to a revision; data are kept.

    Raises
    ------
    StoreError
        When the database was written by a newer version of evenhand, or when ``must_exist`` and it holds
        no study's tables.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    present = _present_revision(engine)
    if revision == "head" and present == scripts.get_current_head():
        return  # without the lock on writing: opening a study must not wait for its raters
    if present is None and must_exist:
        raise StoreError(no_study_in(engine.url.render_as_string()))
    if present is not None and present not in {s.revision for s in scripts.walk_revisions()}:
        raise StoreError(
            f"The study's database has the schema {present}, which this version of evenhand does not "
            "know: a newer version wrote it. Update evenhand, then try again."
        )
    with _references_unchecked(engine) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            # Two processes that open a new database at once would both make its tables.
            connection.execute(text("SELECT pg_advisory_xact_lock(7310425)"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if connection.dialect.name == "sqlite":
            dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if dangling:
                raise StoreError(
                    f"The study's database could not be brought up to date: a row of the table "
                    f"{dangling[0][0]} belongs to nothing. Nothing was changed; restore a copy."
                )


def no_study_in(database: str) -> str:
    """What is wrong with a database that another program made, or none."""
    return (
        f"The database {database} holds no study. Put study.db back from your copy of the study folder, or "
        f"check {ADDRESS_VARIABLE}. Nothing was changed."
    )


@contextmanager
def _references_unchecked(engine: Engine) -> Iterator[Connection]:
    """A connection on which SQLite does not follow foreign keys.

    A migration that changes a column copies the table and drops the old one; with foreign keys
    followed, dropping it would be refused because of the rows that refer to it.
    """
    with engine.connect().execution_options(evenhand_writes=True) as connection:
        if connection.dialect.name != "sqlite":
            yield connection
            return
        # On the driver's own connection: within a transaction the setting would change nothing.
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield connection
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _present_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(
            text("SELECT version_num FROM alembic_version")
        ).scalar()
    return found


@contextmanager
def transaction(engine: Engine, *, writes: bool, one_moment: bool = False) -> Iterator[Connection]:
    """One transaction; committed when the block ends, rolled back when it raises.

    Parameters
    ----------
    one_moment : bool
        Every statement sees the database as the first one does.

    Raises
    ------
    StoreError
        When the database cannot be reached, is full, locked or damaged. Nothing of the block is kept.
    """
    if one_moment and engine.dialect.name != "sqlite":
        # SQLite's transactions are so already; PostgreSQL's see what was committed in between.
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        with (
            engine.connect().execution_options(evenhand_writes=writes) as connection,
            connection.begin(),
        ):
            yield connection
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        reason = driver_reason(error)
        raise StoreError(
            f"The study's database did not do what was asked ({reason}). Nothing was changed by this "
            f"step. {remedy(reason)}"
        ) from error


# What SQLite says -> what to do. Its words are the same in every language.
_REMEDIES = {
    "readonly": (
        "Even to read, SQLite writes into the study folder: copy the folder to a place where you may "
        "write, or have its rights changed."
    ),
    "unable to open": (
        "SQLite needs room, and the right to write, in the study folder, even to read: make room, or copy "
        "the folder to a place where you may write."
    ),
    "full": "Make room on the disk, then try again.",
    "i/o": "Check that the disk is not full and is in order, then try again.",
    "malformed": "The file is damaged: put study.db back from your copy of the study folder.",
    "not a database": "The file is damaged: put study.db back from your copy of the study folder.",
    "locked": "Another program holds it: wait until that one has ended, then try again.",
}


def remedy(reason: str) -> str:
    """What to do about what a database said."""
    for said, told in _REMEDIES.items():
        if said in reason.lower():
            return told
    return (
        "Check that study.db is not damaged and the disk is not full and, with "
        f"{ADDRESS_VARIABLE}, that the server is running; then try again."
    )


def driver_reason(error: Exception) -> str:
    """What the database itself said, on one line."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(said).split())
