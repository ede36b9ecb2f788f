"""What a report consists of, before any file format: sections of paragraphs, tables and figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd

from analysis.chapters.context import Standing
from analysis.report.numbers import estimate_text, interval_text, p_text
from analysis.results import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

SIMULATED = "SIMULATED DATA: made by a computer, not by people"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text. ``notice`` is set apart from the running text."""

    text: str
    kind: Literal["plain", "notice"] = "plain"


@dataclass(frozen=True)
class Column:
    """A column of a table as readers see it."""

    label: str
    numeric: bool = True


@dataclass(frozen=True)
class Row:
    """Cells as readers see them. ``strong`` marks totals and declared tests."""

    cells: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class RowGroup:
    """Rows under one heading; the heading may be empty."""

    label: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table: formatted cells for readers, and the same figures unrounded for its CSV file.

    Parameters
    ----------
    key : str
        Stem of the CSV file, unique in the report.
    title : str
        Without a full stop; writers add number, unit and standing.
    unit : str
        Unit of inference with its n, for example ``"rater, n = 36"``.
    standing : str
        ``declared`` in the locked plan, ``exploratory`` or ``descriptive`` (counts only).
    columns : tuple of Column
        The first one heads the rows.
    groups : tuple of RowGroup
        One without a label has no heading. A label may come again: the groups stay apart.
    data : DataFrame
        Unrounded, snake_case columns; missing is empty.
    notes : tuple of str

    Raises
    ------
    ValueError
        When a row does not have one cell for each column.
    """

    key: str
    title: str
    unit: str
    standing: Standing
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    data: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Here and not in a writer: Word would take the cells into the next row without a word.
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"a row of table {self.key!r} has {len(row.cells)} cells and the table has "
                    f"{len(self.columns)} columns: {row.cells}"
                )

    @property
    def caption(self) -> str:
        """Title with unit of inference, n and standing."""
        return f"{self.title}. Unit: {self.unit} ({self.standing})."

    @property
    def flush_right(self) -> tuple[bool, ...]:
        """Which columns are set flush right: those of numbers, but never the one that heads the rows."""
        return tuple(place > 0 and column.numeric for place, column in enumerate(self.columns))

    @property
    def rows(self) -> tuple[Row, ...]:
        """Rows of all groups."""
        return tuple(row for group in self.groups for row in group.rows)


@dataclass(frozen=True)
class Figure:
    """A figure that is drawn when a writer needs it.

    Parameters
    ----------
    key, title, unit, standing : str
        As for tables.
    alt : str
        What the figure shows, in words, for readers who cannot see it.
    draw : callable
        Gives a matplotlib figure; the same one each time.
    """

    key: str
    title: str
    unit: str
    standing: Standing
    alt: str
    draw: Callable[[], Drawing]

    @property
    def caption(self) -> str:
        """Title with unit of inference, n and standing."""
        return f"{self.title}. Unit: {self.unit} ({self.standing})."


Block: TypeAlias = Paragraph | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it. ``level`` 2 is a chapter, 3 a part of one."""

    key: str
    heading: str
    blocks: tuple[Block, ...] = ()
    level: Literal[2, 3] = 2


@dataclass(frozen=True)
class Document:
    """A whole report, ready for any writer."""

    title: str
    subtitle: str
    created: dt.date
    simulated: bool
    opening: tuple[Paragraph, ...]
    sections: tuple[Section, ...]
    language: str = "en"

    def numbered(self) -> Iterator[tuple[Section, list[tuple[str, Block]]]]:
        """Sections with their blocks, each with its label (``"Table 3"``, empty for paragraphs)."""
        tables = figures = 0
        for section in self.sections:
            labelled: list[tuple[str, Block]] = []
            for block in section.blocks:
                label = ""
                if isinstance(block, Table):
                    tables += 1
                    label = f"Table {tables}"
                elif isinstance(block, Figure):
                    figures += 1
                    label = f"Figure {figures}"
                labelled.append((label, block))
            yield section, labelled

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in order."""
        return tuple(b for s in self.sections for b in s.blocks if isinstance(b, Table))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures, in order."""
        return tuple(b for s in self.sections for b in s.blocks if isinstance(b, Figure))


@dataclass
class Footnotes:
    """Collects the notes of one table, so that a long reason does not stand in a narrow cell."""

    _marks: dict[str, str] = field(default_factory=dict)

    def undefined(self, because: str) -> str:
        """Cell for a statistic that does not exist, and its reason below the table."""
        reason = because.strip().rstrip(".")
        if reason not in self._marks:
            self._marks[reason] = _letters(len(self._marks))
        return f"undefined ({self._marks[reason]})"

    def estimate(self, result: Estimate, digits: int = 2) -> str:
        """Cell with the estimate, or a mark when it is undefined."""
        if result.estimate is None:
            return self.undefined(result.undefined_because)
        return estimate_text(result, digits)

    def with_interval(self, result: Estimate, digits: int = 2) -> str:
        """Cell with estimate and interval."""
        if result.estimate is None:
            return self.undefined(result.undefined_because)
        interval = interval_text(result, digits)
        return f"{estimate_text(result, digits)} {interval}".strip()

    def p_value(self, result: Estimate) -> str:
        """Cell with the p value; a dash where the method gives none."""
        if result.estimate is None:
            return self.undefined(result.undefined_because)
        return p_text(result.p_value) if result.p_value is not None else "–"

    def notes(self) -> tuple[str, ...]:
        """One line for each reason."""
        return tuple(f"({mark}) undefined, because {why}." for why, mark in self._marks.items())


def _letters(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def one_group(rows: Sequence[Row]) -> tuple[RowGroup, ...]:
    """Rows without a heading of their own."""
    return (RowGroup("", tuple(rows)),)


def tidy(results: Sequence[tuple[Mapping[str, object], Estimate]]) -> pd.DataFrame:
    """Results as a long table, full precision, one row each.

    Parameters
    ----------
    results : sequence of (dict, Estimate)
        What tells the row from the others (item, group, ...), and the result.
    """
    rows = []
    for keys, result in results:
        plain = result.to_dict()
        details = plain.pop("details")
        plain.pop("assumptions")
        numbers = {k: v for k, v in details.items() if isinstance(v, int | float | str)}
        rows.append({**keys, **plain, **{k: v for k, v in numbers.items() if k not in plain}})
    return pd.DataFrame(rows)
