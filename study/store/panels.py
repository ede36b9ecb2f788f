"""Participants of an online panel: one enrolled place for each participant id."""

from __future__ import annotations

import re

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from study import blinding
from study.entities import Rater
from study.errors import LinkError, StoreError
from study.store import events, tables
from study.store.study import Study

_PARTICIPANT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_participant_id(text: str) -> bool:
    """Whether this can be a panel's participant id: 1 to 64 letters, digits, '-' and '_'."""
    return _PARTICIPANT.fullmatch(text) is not None


def take_place(study: Study, participant: str) -> str:
    """The link's secret of this participant's place; the first visit takes a free one.

    A place is free when its link was never opened: no step of its rater is recorded.

    Raises
    ------
    LinkError
        When the protocol declares no panel, or the id cannot be one.
    StoreError
        When every enrolled place of the panel's group is taken.
    """
    panel = study.protocol.completion.panel
    if panel is None or not is_participant_id(participant):
        raise LinkError("This address has no participant id of a panel that this study works with.")
    for _ in range(3):
        try:
            rater = _take_place(study, panel.group, participant)
        except IntegrityError:
            continue  # the same participant in another tab took a place in between
        return blinding.rater_token(study.key, rater)
    raise StoreError("The place of a panel participant could not be taken. Try again.")


def _place_of(connection: Connection, participant: str) -> str | None:
    row = tables.rater.c
    found = connection.execute(select(row.id).where(row.panel_id == participant)).scalar()
    return None if found is None else str(found)


def _take_place(study: Study, group: str, participant: str) -> str:
    row = tables.rater.c
    with study.writing() as connection:
        while True:
            own = _place_of(connection, participant)
            if own is not None:
                return own
            free = connection.execute(
                select(row.id)
                .where(
                    row.group_id == group,
                    row.panel_id.is_(None),
                    row.last_seen_at.is_(None),
                    row.withdrawn_at.is_(None),
                    row.simulated.is_(False),
                )
                .order_by(row.slot)
                .limit(1)
            ).scalar()
            if free is None:
                # The participant's other tab may have taken the last place since this one looked.
                own = _place_of(connection, participant)
                if own is not None:
                    return own
                raise StoreError(
                    f"Every enrolled place of the group {group!r} is taken. Enrol more raters with "
                    f"`evenhand enrol --group {group} -n N`."
                )
            # The condition: another participant may have been quicker.
            taken = connection.execute(
                update(tables.rater)
                .where(row.id == free, row.panel_id.is_(None), row.last_seen_at.is_(None))
                .values(panel_id=participant)
            ).rowcount
            if taken:
                entered = {"participant": participant}
                events.append(connection, study, "panel_participant_entered", str(free), entered)
                return str(free)


def participants(study: Study) -> dict[str, str]:
    """Rater id -> the panel's participant id, of those who came through a panel."""
    row = tables.rater.c
    with study.reading() as connection:
        rows = connection.execute(
            select(row.id, row.panel_id).where(row.panel_id.is_not(None)).order_by(row.slot)
        ).all()
    return {row.id: row.panel_id for row in rows}


def participant_of(study: Study, rater: Rater) -> str | None:
    """The panel's id of one rater; None for who came by a link."""
    row = tables.rater.c
    with study.reading() as connection:
        found: str | None = connection.execute(
            select(row.panel_id).where(row.id == rater.id)
        ).scalar()
    return found
