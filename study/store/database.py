"""Opens the database of a study: SQLite in the study folder, or PostgreSQL by address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from study.errors import StoreError

ADDRESS_VARIABLE = "EVENHAND_DATABASE_URL"
_MIGRATIONS = Path(__file__).parent / "migrations"


def database_url(folder: Path) -> str:
    """Address of a study's database; ``EVENHAND_DATABASE_URL`` overrides the SQLite file."""
    return os.environ.get(ADDRESS_VARIABLE) or f"sqlite:///{folder.resolve() / 'study.db'}"


def open_engine(url: str) -> Engine:
    """An engine with the settings under which no acknowledged answer is lost.

    Raises
    ------
    StoreError
        When the address cannot be read or its driver is not installed.
    """
    try:
        if make_url(url).get_backend_name() != "sqlite":
            return create_engine(url, pool_pre_ping=True)
        engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})
    except ArgumentError:
        raise StoreError(
            f"{ADDRESS_VARIABLE} is not a database address. Expected something like "
            "postgresql+psycopg://user@host/database; unset it to use the study folder's SQLite file."
        ) from None
    except ModuleNotFoundError as error:
        raise StoreError(
            f"The database driver {error.name!r} is not installed. Install it with "
            'pip install "evenhand[postgres]".'
        ) from None
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # pysqlite must not start transactions by itself: _begin_sqlite says which kind.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails when another writer came between.
    writes = connection.get_execution_options().get("evenhand_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to a revision; data are kept."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with (
        engine.connect().execution_options(evenhand_writes=True) as connection,
        connection.begin(),
    ):
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@contextmanager
def transaction(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    """One transaction; committed when the block ends, rolled back when it raises.

    Raises
    ------
    StoreError
        When the database cannot be reached, is full, locked or damaged. Nothing of the block is kept.
    """
    try:
        with (
            engine.connect().execution_options(evenhand_writes=writes) as connection,
            connection.begin(),
        ):
            yield connection
    except DBAPIError as error:
        if error.__class__.__name__ == "IntegrityError":
            raise
        reason = " ".join(str(error.orig).split())
        raise StoreError(
            f"The study's database did not do what was asked ({reason}). Nothing was changed by this "
            "step. Check that the disk is not full and the database is running, then try again."
        ) from error
