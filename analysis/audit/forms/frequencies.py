"""Frequency tables, one row an option or one column an option, and percentages of n."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from analysis.audit.columns import is_missing, is_numbering, is_whole, point_in, words
from analysis.audit.printed import Printed
from analysis.audit.records import Frequencies, Option, Scale, Share
from analysis.audit.sheet import Sheet, point_columns

_ITEMS = {
    "item",
    "question",
    "statement",
    "dimension",
    "criterion",
    "aspect",
    "characteristic",
    "variable",
    "measure",
}


def long_frequencies(sheet: Sheet) -> list[Frequencies]:
    """Tables with a row an option."""
    label = _label_column(sheet)
    if label is None:
        return []
    columns = _Columns(sheet, label)
    names = [at for at in sheet.name_columns if at != label]
    if not columns.are_enough:
        return _side_by_side(sheet, label, names)
    blocks = [_block(sheet, columns, names, rows) for rows in _blocks(sheet, names, label)]
    return [block for block in blocks if block.options]


def _side_by_side(sheet: Sheet, label: int, names: Sequence[int]) -> list[Frequencies]:
    """A row an option and columns for each system or group, as ``EAI n (%)`` beside ``Phi-4 n (%)``."""
    kinds = {"n", "frequency", "percent"}
    sides: dict[str, dict[str, int]] = {}
    for at, h in enumerate(sheet.headers):
        if h.rest and h.roles and set(h.roles) <= kinds and at != label:
            key = "pair" if len(h.roles) > 1 else "percent" if h.roles == ("percent",) else "count"
            side = sides.setdefault(h.rest, {})
            side["cumulative" if h.cumulative else key] = at
    found = []
    for rest, side in sides.items():
        columns = _Columns(sheet, label)
        columns.n = columns.count = None
        columns.count, columns.pair = side.get("count"), side.get("pair")
        columns.percent = [side["percent"]] if "percent" in side else []
        columns.cumulative = side.get("cumulative")
        for rows in _blocks(sheet, names, label):
            block = _block(sheet, columns, names, rows)
            if block.options:
                found.append(replace(block, names={**block.names, "columns": rest}))
    return found if len(sides) > 1 else []


class _Columns:
    """Which columns hold an option's numbers."""

    def __init__(self, sheet: Sheet, label: int) -> None:
        self.label = label
        self.n = sheet.first("n")
        self.count = sheet.first("frequency")
        self.percent = sheet.with_role("percent")
        self.pair = next(
            (
                at
                for at, h in enumerate(sheet.headers)
                if set(h.roles) in ({"n", "percent"}, {"frequency", "percent"}) and not h.rest
            ),
            None,
        )
        self.cumulative = sheet.cumulative("percent")
        self.cumulative_count = sheet.cumulative("frequency", "n")
        if self.cumulative_count == self.cumulative:
            self.cumulative_count = None
        if self.count is None and self.pair is None and self.n is not None and self._counts(sheet):
            self.count, self.n = self.n, None
        self.top = [at for at, h in enumerate(sheet.headers) if "top" in h.roles]
        self.mean, self.sd, self.median = (sheet.first(r) for r in ("mean", "sd", "median"))

    def _counts(self, sheet: Sheet) -> bool:
        """Whether the column n counts each option: it differs between the rows of one table."""
        names = [at for at in sheet.name_columns if at != self.label]
        cells = [
            {sheet.rows[row][self.n or 0] for row in rows}
            for rows in _blocks(sheet, names, self.label)
        ]
        return any(len(one) > 1 for one in cells) or (not self.percent and self.mean is None)

    @property
    def are_enough(self) -> bool:
        return any(x is not None for x in (self.count, self.pair)) or (
            bool(self.percent) or self.cumulative is not None
        )


def _label_column(sheet: Sheet) -> int | None:
    """The column with the options: called so, or the last names before counts and percentages."""
    told = [at for at, header in enumerate(sheet.headers) if header.roles == ("value",)]
    if told:
        return told[0]
    counts = [
        at
        for at, h in enumerate(sheet.headers)
        if set(h.roles) & {"frequency", "percent"} and not h.rest and "top" not in h.roles
    ]
    n = sheet.first("n")
    names = [at for at in sheet.name_columns if not is_numbering(sheet.headers[at].name)]
    if not counts or not names or sheet.with_role("mean") or sheet.with_role("kappa"):
        return None
    at = names[-1]
    others = [name for name in sheet.name_columns if name != at]
    blocks = _blocks(sheet, others, at)
    if not any(len(rows) > 1 for rows in blocks):
        return None
    if n is not None and sheet.with_role("frequency"):
        # Counts and n of every row: each row is a share of its own, but where n is the sum of the rows.
        return (
            at
            if all(len({sheet.rows[r][n] for r in rows}) == 1 for rows in blocks)
            and _adds(sheet, sheet.with_role("frequency")[0], n, blocks)
            else None
        )
    return at if _come_to_all(sheet, counts, blocks) else None


def _adds(sheet: Sheet, count: int, n: int, blocks: Sequence[Sequence[int]]) -> bool:
    good = 0
    for rows in blocks:
        total = sum((p.value for r in rows if (p := sheet.number(r, count))), Fraction(0))
        stated = sheet.number(rows[0], n)
        good += stated is not None and total == stated.value
    return 2 * good > len(blocks)


def _come_to_all(sheet: Sheet, columns: Sequence[int], blocks: Sequence[Sequence[int]]) -> bool:
    """Whether the percentages of most tables come to about 100."""
    good = 0
    for rows in blocks:
        cells = [_percent_of(sheet.numbers(columns[-1])[row]) for row in rows]
        total = sum((one.value for one in cells if one is not None), Fraction(0))
        if sheet.first("n") is not None and not sheet.with_role("frequency"):
            # n beside each percentage: shares of their own, but where they come to 100 to the last digit.
            room = sum((one.unit for one in cells if one is not None), Fraction(0))
            good += abs(total - 100) <= room
            continue
        good += (
            97 <= total <= 103
            or 197 <= total <= 203
            or Fraction(97, 100) <= total <= Fraction(103, 100)
        )
    return 2 * good > len(blocks)


def _percent_of(cells: Sequence[Printed]) -> Printed | None:
    marked = [one for one in cells if one.percent]
    return marked[0] if marked else cells[-1] if cells else None


def _blocks(sheet: Sheet, names: Sequence[int], label: int) -> list[list[int]]:
    """The rows of each table: those with the same names, and a new one where an option comes again."""
    found: dict[tuple[str, ...], list[list[int]]] = {}
    for row, cells in enumerate(sheet.rows):
        key = tuple(cells[at] for at in names)
        tables = found.setdefault(key, [[]])
        if any(sheet.rows[r][label] == cells[label] for r in tables[-1]) and not names:
            tables.append([])
        tables[-1].append(row)
    return [rows for tables in found.values() for rows in tables if rows]


def _block(
    sheet: Sheet, columns: _Columns, names: Sequence[int], rows: Sequence[int]
) -> Frequencies:
    options, n, missing = [], None, 0
    for row in rows:
        label = sheet.rows[row][columns.label]
        one = _option(sheet, columns, row)
        if is_whole(label):
            n = one.count or n
        elif is_missing(label) and point_in(label) is None:
            missing += (one.count.whole or 0) if one.count is not None else 0
        elif one.cells:
            options.append(one)
    labels = sheet.names(rows[0], names)

    def first(column: int | None) -> Printed | None:
        found = (sheet.number(row, column) for row in rows)
        return next((one for one in found if one is not None), None)

    return Frequencies(
        labels,
        options,
        sheet.file,
        item=_item(labels),
        n=first(columns.n) or n,
        missing=missing,
        mean=first(columns.mean),
        sd=first(columns.sd),
        median=first(columns.median),
        top_two=[top for at in columns.top if (top := first(at)) is not None],
        share=_is_share(options),
        scale=Scale(sheet.told.low, sheet.told.high),
    )


def _item(names: dict[str, str]) -> str:
    called = [name for column, name in names.items() if set(words(column)) & _ITEMS]
    return (called or [*names.values(), ""])[-1] if not called else called[0]


def _option(sheet: Sheet, columns: _Columns, row: int) -> Option:
    label = sheet.rows[row][columns.label]
    count, percent = sheet.number(row, columns.count), None
    if columns.percent:
        percent = sheet.number(row, columns.percent[-1])
    if columns.pair is not None:
        count, percent = _count_and_percent(sheet, columns.pair, row)
    return Option(
        label,
        point_in(label),
        sheet.places[row][columns.label],
        count,
        percent,
        sheet.number(row, columns.cumulative),
        sheet.number(row, columns.cumulative_count),
    )


def _count_and_percent(
    sheet: Sheet, column: int, row: int
) -> tuple[Printed | None, Printed | None]:
    """The two numbers of ``12 (33.3%)``, in either order: the one with the sign is the percentage."""
    cells = sheet.numbers(column)[row]
    if not cells:
        return None, None
    roles = sheet.headers[column].roles
    percent = next((one for one in cells if one.percent), None)
    if percent is None and len(cells) > 1:
        percent = cells[0] if roles and roles[0] == "percent" else cells[-1]
    counts = [one for one in cells if one is not percent and one.whole is not None]
    return (counts[0] if counts else None), percent


def _is_share(options: Sequence[Option]) -> bool:
    cells = [one.percent or one.cumulative for one in options]
    values = [one.value for one in cells if one is not None]
    return bool(values) and max(values) <= 1 and any(v.denominator > 1 for v in values)


def wide_frequencies(sheet: Sheet) -> list[Frequencies]:
    """Tables with a column an option; each row is one."""
    columns = point_columns(sheet)
    signs = any("percent" in roles for _, _, roles in columns.values())
    single = {at: _holds(sheet, at, roles) for at, (_, _, roles) in columns.items()}
    if not signs and all(kind == "count" for kind in single.values()):
        single = dict.fromkeys(single, _of_all(sheet, list(columns)))
    mean, sd, median, n = (sheet.first(r) for r in ("mean", "sd", "median", "n"))
    top = [at for at, h in enumerate(sheet.headers) if "top" in h.roles]
    totals = [at for at, h in enumerate(sheet.headers) if is_whole(h.name) and sheet.is_numeric(at)]
    found = []
    for row in range(len(sheet.rows)):
        options: dict[str, Option] = {}
        for at, (point, label, _) in columns.items():
            new = Option(label, point, sheet.places[row][at])
            one = options.get(label, new)
            options[label] = _with_cell(sheet, one, single[at], at, row)
        kept = [one for one in options.values() if one.cells]
        if not kept:
            continue
        names = sheet.names(row, sheet.name_columns)
        stated = sheet.number(row, n)
        if stated is None and totals and single[next(iter(columns))] == "count":
            stated = sheet.number(row, totals[0])
        found.append(
            Frequencies(
                names,
                kept,
                sheet.file,
                item=_item(names),
                n=stated,
                mean=sheet.number(row, mean),
                sd=sheet.number(row, sd),
                median=sheet.number(row, median),
                top_two=[share for at in top if (share := sheet.number(row, at)) is not None],
                share=_is_share(kept),
                scale=Scale(sheet.told.low, sheet.told.high),
            )
        )
    return found


def _holds(sheet: Sheet, column: int, roles: Sequence[str]) -> str:
    if sheet.holds_pairs(column) or len(roles) > 1:
        return "pair"
    if "percent" in roles or sheet.holds_percent_signs(column):
        return "percent"
    return "count"


def _of_all(sheet: Sheet, columns: Sequence[int]) -> str:
    """Counts, or percentages without a sign: those have decimals or come to 100 in most rows."""
    sums, decimals = [], False
    for row in range(len(sheet.rows)):
        cells = [one for at in columns if (one := sheet.number(row, at)) is not None]
        decimals = decimals or any(one.value.denominator > 1 for one in cells)
        if cells:
            sums.append(sum((one.value for one in cells), Fraction(0)))
    n = sheet.first("n")
    sizes = [
        one.value for row in range(len(sheet.rows)) if (one := sheet.number(row, n)) is not None
    ]
    hundreds = sum(98 <= total <= 102 for total in sums)
    if decimals or (
        2 * hundreds > len(sums) and not (sizes and all(98 <= n <= 102 for n in sizes))
    ):
        told = sheet.told.n
        return "count" if told is not None and not decimals and told in sums else "percent"
    return "count"


def _with_cell(sheet: Sheet, option: Option, kind: str, column: int, row: int) -> Option:
    if kind == "pair":
        count, percent = _count_and_percent(sheet, column, row)
        return replace(option, count=count, percent=percent)
    if kind == "percent":
        return replace(option, percent=sheet.number(row, column))
    return replace(option, count=sheet.number(row, column))


def shares(sheet: Sheet) -> list[Share]:
    """Percentages of an n in the same row, in the column's name, or told."""
    n, count = sheet.first("n"), sheet.first("frequency")
    found = []
    columns = [
        at
        for at, h in enumerate(sheet.headers)
        if "percent" in h.roles
        or ("top" in h.roles and sheet.is_numeric(at))
        or (not h.roles and sheet.is_numeric(at) and sheet.holds_percent_signs(at))
    ]
    plain = [at for at in columns if not sheet.headers[at].rest]
    for at in columns:
        header = sheet.headers[at]
        if header.cumulative:
            continue
        own = next(
            (a for a, h in enumerate(sheet.headers) if h.rest == header.rest and h.roles == ("n",)),
            n,
        )
        its_count = next(
            (
                a
                for a, h in enumerate(sheet.headers)
                if h.rest == header.rest and h.roles == ("frequency",)
            ),
            count if at in plain else None,
        )
        for row in range(len(sheet.rows)):
            one = _share(sheet, row, at, own, its_count)
            if one is not None:
                found.append(one)
    if count is None and n is not None:
        found = _with_counts(found)
    one_by_one = [s.percent.value for s in found]
    as_share = bool(found) and max(one_by_one) <= 1 and any(v.denominator > 1 for v in one_by_one)
    return [replace(s, one=as_share) for s in found]


def _with_counts(found: Sequence[Share]) -> list[Share]:
    """The shares with their n as counts of one larger number, where more of them fit so.

    A table of several answers a person has a column n that counts who gave each.
    """
    counts = [(s.n_cell, s.percent) for s in found if s.n_cell is not None and s.n_cell.whole]
    if len({n.value for n, _ in counts}) < 2:
        return list(found)
    wholes = [round(100 * n.value / p.value) for n, p in counts if p.value > 0]
    fits = {w: sum(p.fits(100 * n.value / w) for n, p in counts) for w in wholes if w > 0}
    best = max(fits, key=lambda w: fits[w], default=0)
    as_sizes = sum(_some_count(n.value, p) for n, p in counts)
    if not best or fits[best] < 2 or fits[best] <= as_sizes or 2 * fits[best] <= len(counts):
        return list(found)
    return [
        replace(s, n=best, count=s.n_cell, n_cell=None) if s.n_cell is not None else s
        for s in found
    ]


def _some_count(n: Fraction, percent: Printed) -> bool:
    low, high = percent.range()
    return -(-low * n // 100) <= high * n // 100


def _share(sheet: Sheet, row: int, column: int, n: int | None, count: int | None) -> Share | None:
    header, cells = sheet.headers[column], sheet.numbers(column)[row]
    percent = _percent_of(cells)
    if percent is None or percent.relation != "=":
        return None
    stated = sheet.number(row, n)
    size = stated.whole if stated is not None else header.n or sheet.told.n
    topics = sheet.number(row, sheet.first("topics"))
    if size is not None and topics is not None and topics.whole:
        size *= topics.whole
    given = sheet.number(row, count)
    others = [one for one in cells if one is not percent and one.whole is not None]
    if len(others) == 1 and {"n", "percent"} <= set(header.roles):
        given = others[0]
    elif len(others) == 2:
        given, size = others[0], others[1].whole
    if header.roles == ("n", "percent") and stated is None:
        stated = None
    names = sheet.names(row, sheet.name_columns)
    return Share({**names, "column": header.name}, percent, size or None, given, stated)
