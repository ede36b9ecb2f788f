"""A published table with its columns read: which hold names, which numbers and of what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.audit.columns import (
    OUTCOMES,
    Header,
    is_numbering,
    is_whole,
    point_in,
    read_header,
    words,
)
from analysis.audit.printed import Place, Printed, decimal_mark, numbers_in, with_zeros
from study.table_file import Table

_PAIR = re.compile(r"\d\s*(?:\(|\[|±|\+/-)\s*[-\d.]")
_STATISTICS = {
    "n", "mean", "sd", "se", "median", "p", "t", "df", "f", "d", "percent", "frequency", "kappa", "items",
    "topics", "top", "minimum", "maximum", "ci_low", "ci_high",
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What the user adds to what is printed: n, items of a score, the ends of the scale."""

    n: int | None = None
    items: int | None = None
    low: int | None = None
    high: int | None = None


@dataclass
class Sheet:
    """A table whose headers and numbers are read.

    Parameters
    ----------
    file : str
    headers : list of Header
    rows : list of list of str
        Cells as text, empty where missing; names that a table prints once for several rows are repeated.
    lines : list of int
    told : Told
    """

    file: str
    headers: list[Header]
    rows: list[list[str]]
    lines: list[int]
    told: Told
    decimal: str = "."
    places: list[list[Place]] = field(default_factory=list)
    _numbers: dict[int, list[list[Printed]]] = field(default_factory=dict)
    _numeric: dict[int, bool] = field(default_factory=dict)

    def numbers(self, column: int) -> list[list[Printed]]:
        """The numbers of each cell of a column, with the zeros that a spreadsheet took from them."""
        if column not in self._numbers:
            cells = [
                numbers_in(row[column], place[column], self.decimal)
                for row, place in zip(self.rows, self.places, strict=True)
            ]
            for at in range(max(map(len, cells), default=0)):
                again = with_zeros([one[at] for one in cells if len(one) > at])
                for one in cells:
                    if len(one) > at:
                        one[at] = next(again)
            self._numbers[column] = cells
        return self._numbers[column]

    def number(self, row: int, column: int | None, at: int = 0) -> Printed | None:
        """One number of a cell, or None where it has none."""
        if column is None:
            return None
        found = self.numbers(column)[row]
        return found[at] if len(found) > at else None

    def with_role(self, role: str, *, plain: bool = True) -> list[int]:
        """Columns with this role alone; ``plain`` without a group in their names."""
        return [
            at
            for at, header in enumerate(self.headers)
            if header.roles == (role,)
            and not header.cumulative
            and (not plain or not set(header.rest.split()) - OUTCOMES)
        ]

    def first(self, role: str) -> int | None:
        """The first column with this role and no group in its name."""
        return next(iter(self.with_role(role)), None)

    def cumulative(self, *roles: str) -> int | None:
        """The column with cumulated percentages (``percent``) or counts (``frequency``, ``n``)."""
        return next(
            (
                at
                for at, h in enumerate(self.headers)
                if h.cumulative
                and (set(h.roles) & set(roles) or (not h.roles and "percent" in roles))
            ),
            None,
        )

    @property
    def name_columns(self) -> list[int]:
        """Columns of words, numbering included."""
        return [
            at
            for at, header in enumerate(self.headers)
            if not header.roles
            and not header.cumulative
            and (is_numbering(header.name) or not self.is_numeric(at))
        ]

    def is_numeric(self, column: int) -> bool:
        """Whether the cells that are filled hold numbers and not names with a digit in them."""
        if column not in self._numeric:
            cells = [row[column] for row in self.rows if row[column]]
            self._numeric[column] = bool(cells) and 2 * sum(map(_is_number, cells)) > len(cells)
        return self._numeric[column]

    def holds_pairs(self, column: int) -> bool:
        """Whether cells are pairs such as ``3.52 (0.81)``."""
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and 2 * sum(bool(_PAIR.search(cell)) for cell in cells) > len(cells)

    def holds_percent_signs(self, column: int) -> bool:
        """Whether most filled cells have a percent sign."""
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and 2 * sum("%" in cell for cell in cells) > len(cells)

    def names(self, row: int, columns: Sequence[int]) -> dict[str, str]:
        """The row's names by their columns, numbering left out where others are there."""
        told = [at for at in columns if not is_numbering(self.headers[at].name)] or list(columns)
        return {self.headers[at].name: self.rows[row][at] for at in told if self.rows[row][at]}


def read_sheet(table: Table, told: Told) -> Sheet:
    """A table as a sheet; one with a column of statistics' names is turned first, a column for each."""
    cells = [[cell or "" for cell in row] for row in table.rows]
    decimal = table.decimal
    if decimal == ".":
        decimal = decimal_mark([cell for row in cells for cell in row if _is_number(cell)])
    headers = [read_header(name) for name in table.columns]
    sheet = Sheet(table.name, headers, cells, list(table.lines), told, decimal)
    sheet.places = [
        [Place(table.name, line, name) for name in table.columns] for line in table.lines
    ]
    turned = _turned(sheet)
    # What is called measure and holds no names of statistics holds names of what was measured.
    turned.headers = [
        Header(h.name, (), h.rest, None, False) if h.roles == ("statistic",) else h
        for h in turned.headers
    ]
    _repeat_names(turned)
    _name_rows(turned)
    return turned


def _is_number(cell: str) -> bool:
    bare = re.sub(r"\d[eE][-+]?\d|\b[pPtFn]\s*[<=>]|n\.?\s*s\.?", "", cell)
    letters = re.findall(r"[^\W\d_]", bare)
    # A footnote's letter may follow a number; Q1 and R2 are names.
    return (
        bool(re.search(r"\d", cell))
        and len(letters) <= 1
        and not re.match(r"\W*[^\W\d_]\W*\d", bare)
    )


def _repeat_names(sheet: Sheet) -> None:
    """Fill names that are printed once, above the rows that they are about.

    Only where the first row has a name and some row after it none; a row whose numbers are all empty is
    a heading of its own and gives its name to nothing here.
    """
    names = sheet.name_columns
    with_options = _has_value(sheet)
    for order, at in enumerate(names):
        last = ""
        for row in sheet.rows:
            # A new name in a column before it ends what was said of the columns behind.
            if row[at]:
                last = row[at]
            elif last and (order < len(names) - 1 or len(names) == 1 or with_options):
                row[at] = last


def _has_value(sheet: Sheet) -> bool:
    return any(header.roles == ("value",) for header in sheet.headers)


def _name_rows(sheet: Sheet) -> None:
    """Give every place the words of its row."""
    values = [at for at, h in enumerate(sheet.headers) if h.roles == ("value",)]
    columns = sheet.name_columns
    for row, places in zip(sheet.rows, sheet.places, strict=True):
        names = dict.fromkeys(row[at] for at in columns if row[at])
        label = ", ".join([*names, *(row[at] for at in values if row[at])])
        places[:] = [Place(p.file, p.line, p.column, label) for p in places]
    sheet._numbers.clear()


def _turned(sheet: Sheet) -> Sheet:
    """A long table of statistics (one printed number a row) as one with a column for each of them."""
    by = next((at for at, h in enumerate(sheet.headers) if h.roles == ("statistic",)), None)
    if by is None:
        return sheet
    value = next(
        (
            at
            for at, h in enumerate(sheet.headers)
            if at != by
            and (h.roles == ("value",) or set(words(h.name)) & {"printed", "number", "reported"})
        ),
        None,
    )
    kinds = list(dict.fromkeys(row[by] for row in sheet.rows if row[by]))
    known = [kind for kind in kinds if set(read_header(kind).roles) & _STATISTICS]
    if value is None or 2 * len(known) < len(kinds):
        return sheet
    keys = [at for at in range(len(sheet.headers)) if at not in (by, value)]
    found: dict[tuple[str, ...], int] = {}
    wide = Sheet(sheet.file, [], [], [], sheet.told, sheet.decimal)
    wide.headers = [sheet.headers[at] for at in keys] + [read_header(kind) for kind in kinds]
    for row, line, places in zip(sheet.rows, sheet.lines, sheet.places, strict=True):
        key = tuple(row[at] for at in keys)
        if key not in found:
            found[key] = len(wide.rows)
            wide.rows.append([*key, *[""] * len(kinds)])
            wide.lines.append(line)
            wide.places.append([places[at] for at in keys] + [places[value]] * len(kinds))
        if row[by]:
            at = len(keys) + kinds.index(row[by])
            wide.rows[found[key]][at] = row[value]
            wide.places[found[key]][at] = Place(
                sheet.file, line, f"{sheet.headers[value].name} ({row[by]})"
            )
    return wide


def point_columns(sheet: Sheet) -> dict[int, tuple[int | None, str, tuple[str, ...]]]:
    """Columns that stand for the options of a scale: their point, their label and what their cells hold.

    Three or more of them, consecutive numbers or the words of one scale.
    """
    from analysis.audit.columns import places_of_labels

    found: dict[int, tuple[int | None, str, tuple[str, ...]]] = {}
    for at, header in enumerate(sheet.headers):
        if (
            header.cumulative
            or set(header.roles) - {"n", "frequency", "percent"}
            or not header.rest
        ):
            continue
        point = point_in(header.rest)
        only = re.fullmatch(
            r"(?:score |rating |point |option |value |stars? |level )?\d{1,2}(?: stars?)?",
            header.rest,
        )
        if (
            (only and point is not None and point <= 10)
            or places_of_labels([header.rest]) is not None
            or (point is not None and places_of_labels([re.sub(r"\d+", "", header.rest).strip()]))
        ):
            found[at] = (point, header.rest, header.roles)
    labels = list(dict.fromkeys(label for _, label, _ in found.values()))
    points = sorted({point for point, _, _ in found.values() if point is not None})
    consecutive = len(points) >= 3 and points[-1] - points[0] == len(points) - 1
    named = len(labels) >= 3 and places_of_labels(labels) is not None
    numeric = all(sheet.is_numeric(at) or sheet.holds_pairs(at) for at in found)
    return found if numeric and (consecutive or named) else {}


def whole_columns(sheet: Sheet) -> list[int]:
    """Columns with what the others come to: an overall, a total, an average."""
    return [
        at
        for at, header in enumerate(sheet.headers)
        if is_whole(header.name)
        or (header.roles == ("mean",) and not set(header.rest.split()) - OUTCOMES)
    ]
