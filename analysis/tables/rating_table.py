"""Who rated what: a table becomes units by raters, by what the user says about its columns.

A long table has a row per rating and says by ``unit``, ``rater`` and ``value`` which column holds what; a
wide one has a row per unit and a column per rater. In a wide table every column would be a rater, the
unit's own number too, so a column that does not look like one is refused with the option that settles it
(`analysis.tables.rating_columns`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.tables.rating_columns import Nouns, refuse_what_is_no_rater
from analysis.tables.reading import cell_at, described
from analysis.validation import columns_present, place_of
from study.errors import AnalysisError
from study.table_file.names import listed_names

_SHOWN = 3


@dataclass(frozen=True)
class Roles:
    """Which column holds what, as far as the user said.

    Parameters
    ----------
    unit : str or None
        What was rated: a column, or several with commas between (``dataset,conversation``).
    rater, value : str or None
        Of a long table; both or neither.
    by : str or None
        Of a long table: a column, or several, each value of which is a table of its own.
    raters : tuple of str
        The columns of a wide table, or the raters of a long one, that count; empty: all.
    """

    unit: str | None = None
    rater: str | None = None
    value: str | None = None
    by: str | None = None
    raters: tuple[str, ...] = ()

    @property
    def long(self) -> bool:
        """Whether a row is one rating."""
        return self.rater is not None or self.value is not None


@dataclass(frozen=True)
class RatingTable:
    """One table of units by raters.

    Parameters
    ----------
    name : str
        The value of ``by``; empty where there is none.
    cells : DataFrame
        A row per unit, a column per rater, as the file has them, missing where there is no rating.
    rows : DataFrame
        The rows of the file that the cells are from, with their lines.
    values : tuple of str
        The columns of ``rows`` that hold ratings.
    who : tuple of str
        Of a long table: the rater of each of the ``rows``.
    """

    name: str
    cells: pd.DataFrame
    rows: pd.DataFrame
    values: tuple[str, ...]
    who: tuple[str, ...] = ()


def rating_tables(
    frame: pd.DataFrame, roles: Roles, nouns: Nouns, settled: Sequence[str] = ()
) -> list[RatingTable]:
    """The table, or one for each value of ``by``, as units by raters.

    Parameters
    ----------
    frame : DataFrame
        Of `analysis.tables.reading.read_table`.
    roles : Roles
    nouns : Nouns
    settled : sequence of str
        Columns of a wide table that another option named.

    Raises
    ------
    AnalysisError
        When the roles contradict each other, a column or rater is not there, a unit or rater has no
        name, a unit has two ratings by one rater, or a wide table has a column that does not look like a
        rater and was not named; with the lines.
    """
    if not roles.long:
        if roles.by is not None:
            raise AnalysisError(
                "--by parts a long table; give --unit, --rater and --value too, or a table for each."
            )
        return [_wide(frame, roles, nouns, settled)]
    if roles.unit is None or roles.rater is None or roles.value is None:
        given = {"--unit": roles.unit, "--rater": roles.rater, "--value": roles.value}
        lacking = " and ".join(name for name, column in given.items() if column is None)
        raise AnalysisError(
            f"A long table needs --unit, --rater and --value; {lacking} is not given."
        )
    columns_present([*frame.columns], [roles.rater, roles.value], described(frame))
    return [_pivoted(name, rows, roles, nouns) for name, rows in _parts(frame, roles.by)]


def named_columns(frame: pd.DataFrame, told: str) -> list[str]:
    """The columns that an option names: one, or several with commas between."""
    if told in frame.columns:
        return [told]
    names = listed_names(told)
    columns_present([*frame.columns], names or [told], described(frame))
    return names


def names_in(frame: pd.DataFrame, told: str) -> pd.Series:
    """What the rows of one or several columns name, every row something.

    Raises
    ------
    AnalysisError
        When a column is not there, or a cell of it is empty; with the line.
    """
    columns = named_columns(frame, told)
    for column in columns:
        empty = np.flatnonzero(frame[column].isna())
        if empty.size:
            raise AnalysisError(
                f"{cell_at(frame, int(empty[0]), column)}: the cell is empty, "
                "expected a name in every row. Fill it in, or leave the row out of the file."
            )
    first = frame[columns[0]].astype(str)
    return first if len(columns) == 1 else frame[columns].astype(str).agg(" / ".join, axis=1)


def _parts(frame: pd.DataFrame, by: str | None) -> Iterator[tuple[str, pd.DataFrame]]:
    if by is None:
        yield "", frame
        return
    names = names_in(frame, by)
    for name in names.unique():
        yield str(name), frame[names == name]


def _pivoted(name: str, rows: pd.DataFrame, roles: Roles, nouns: Nouns) -> RatingTable:
    units, raters = names_in(rows, str(roles.unit)), names_in(rows, str(roles.rater))
    if roles.raters:
        unknown = [rater for rater in roles.raters if rater not in set(raters)]
        if unknown:
            raise AnalysisError(
                f"{described(rows)}{f', {name}' if name else ''}: there is no {nouns.rater} {unknown[0]!r} "
                f"in column {roles.rater!r}; found {', '.join(map(str, raters.unique()[:12]))}."
            )
        kept = raters.isin(roles.raters)
        rows, units, raters = rows[kept], units[kept], raters[kept]
    _refuse_repeated(rows, units, raters, name, nouns)
    ordered = list(roles.raters) or list(raters.unique())
    cells = pd.DataFrame(
        {"unit": units.array, "rater": raters.array, "value": rows[str(roles.value)].array}
    ).pivot(index="unit", columns="rater", values="value")
    cells = cells.reindex(index=units.unique(), columns=ordered)
    cells.columns.name = cells.index.name = None
    cells.attrs = dict(rows.attrs)
    return RatingTable(name, cells, rows, (str(roles.value),), tuple(raters))


def _refuse_repeated(
    rows: pd.DataFrame, units: pd.Series, raters: pd.Series, name: str, nouns: Nouns
) -> None:
    """A rater rates a unit once; the second row would replace the first in silence."""
    pairs = pd.Series(list(zip(units, raters, strict=True)))
    again = np.flatnonzero(pairs.duplicated())
    if not again.size:
        return
    unit, rater = pairs[int(again[0])]
    places = [place_of(rows, int(at)) for at in np.flatnonzero(pairs == (unit, rater))]
    shown = " and ".join(places[:_SHOWN]) + (" and more" if len(places) > _SHOWN else "")
    raise AnalysisError(
        f"{described(rows)}, {shown}: each has {nouns.unit} {unit!r} with {nouns.rater} {rater!r}"
        f"{f' in {name!r}' if name else ''}, expected one ({again.size} such rows in all). Keep one of them, "
        "or name what parts them: --by item, or several columns as the unit, --unit prompt,system."
    )


def _wide(frame: pd.DataFrame, roles: Roles, nouns: Nouns, settled: Sequence[str]) -> RatingTable:
    columns = [str(column) for column in frame.columns]
    if roles.unit is not None:
        named = named_columns(frame, roles.unit)
        units = names_in(frame, roles.unit)
        again = np.flatnonzero(units.duplicated())
        if again.size:
            unit = units.iloc[int(again[0])]
            places = [place_of(frame, int(at)) for at in np.flatnonzero(units == unit)]
            raise AnalysisError(
                f"{described(frame)}, {' and '.join(places[:_SHOWN])}: each is the row of {nouns.unit} "
                f"{unit!r}, expected one. In a table with a row per rating give --rater and --value too."
            )
        columns = [column for column in columns if column not in named]
    if roles.raters:
        columns_present([str(c) for c in frame.columns], roles.raters, described(frame))
        columns = list(roles.raters)
    else:
        refuse_what_is_no_rater(frame, columns, nouns, settled)
    if len(columns) < nouns.least:
        raise AnalysisError(
            f"{described(frame)} has {len(columns)} column{'s' if len(columns) != 1 else ''} with ratings, "
            f"expected a column for each {nouns.rater} (at least {nouns.least})."
        )
    return RatingTable("", frame[columns], frame[columns], tuple(columns))


def several(text: str | None) -> tuple[str, ...]:
    """The names of an option such as ``--raters anna,ben`` (`study.table_file.names`).

    Raises
    ------
    AnalysisError
        When one is there twice.
    """
    names = tuple(listed_names(text or ""))
    twice: Sequence[str] = [name for name in names if names.count(name) > 1]
    if twice:
        raise AnalysisError(
            f"Found the names {text!r}: {twice[0]!r} is there twice, expected once."
        )
    return names
