"""The address with which the raters' links begin; no part of what the lock freezes."""

from __future__ import annotations

from sqlalchemy import select, update

from study.store import tables
from study.store.study import Study


def read_address(study: Study) -> str | None:
    """The address that was given last, without a slash at the end; None before the first."""
    with study.reading() as connection:
        address: str | None = connection.execute(select(tables.study.c.address)).scalar_one()
    return address


def keep_address(study: Study, address: str) -> None:
    """Keep the address for the next links and the next server."""
    with study.writing() as connection:
        connection.execute(update(tables.study).values(address=address))
