"""Reliability of the items of a table, long or wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.tables.rating_table import RatingTable, Roles
from analysis.tables.ratings import ResultBlock, reliability_of
from analysis.tables.scales import Scales
from analysis.tables.values_on_scale import check_values

_REMEDY = (
    "Take the single persons' answers instead, leave the averaged item out by --raters, or give --averaged "
    "to leave out what needs categories."
)
AVERAGED_NOTE = (
    "Averaged answers: the ordinal omega and the polychoric correlations, which need categories, are left "
    "out. A mean of several answers is more reliable than one of them."
)


def item_roles(roles: Roles) -> Roles:
    """Roles of a long table of a scale, whose columns become the items.

    The items are in ``by`` where it is given, and a row of the scale is then one rater's answers about
    one unit, whichever of the two are said. Otherwise they are in ``rater``.
    """
    if roles.by is None:
        return roles
    persons = ",".join(filter(None, (roles.unit, roles.rater)))
    return replace(roles, unit=persons or None, rater=roles.by, by=None)


def reliability_by(
    tables: Sequence[RatingTable],
    scales: Scales,
    *,
    averaged: bool = False,
    level: float = 0.95,
) -> list[ResultBlock]:
    """Reliability of the items in each table.

    Parameters
    ----------
    tables : sequence of RatingTable
        Persons in rows, items in columns.
    scales, averaged, level
        As in `analysis.tables.agreement.agreement_by`.

    Raises
    ------
    AnalysisError
        When a value is not on the scale, or lies between its points and ``averaged`` is not said.
    """
    blocks = []
    for table in tables:
        points = scales.of(table.name)
        check_values(table, points, averaged=averaged, remedy=_REMEDY)
        for block in reliability_of(table.cells, None if averaged else points, level=level):
            notes = [*([AVERAGED_NOTE] if averaged else []), *block.facts.get("notes", [])]
            blocks.append(replace(block, facts={**block.facts, "notes": notes}))
    return blocks
