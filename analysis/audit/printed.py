"""A number as it stands in print: what it can have been before it was rounded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction

Range = tuple[Fraction, Fraction]


class Rounding(Enum):
    """How a table's numbers were shortened. Both halves round, so half-even is no case of its own."""

    NEAREST = "rounded"
    TRUNCATED = "cut off"


@dataclass(frozen=True)
class Place:
    """Where a cell stands: file, its line (of a workbook: row) and the column's name."""

    file: str
    line: int
    column: str
    row: str = ""

    def to_dict(self) -> dict[str, str | int]:
        """The fields by name."""
        return {"file": self.file, "line": self.line, "row": self.row, "column": self.column}


@dataclass(frozen=True)
class Printed:
    """One number of a cell.

    Parameters
    ----------
    text : str
        As printed.
    value : Fraction
    decimals : int
        Behind the point, as far as they are known to have been printed (`with_zeros`).
    relation : {"=", "<", ">", "ns"}
        ``ns`` is printed for a p above .05 and has no number.
    percent : bool
        Whether a percent sign follows.
    place : Place
    """

    text: str
    value: Fraction
    decimals: int
    place: Place
    relation: str = "="
    percent: bool = False

    @property
    def unit(self) -> Fraction:
        """One in the last place."""
        return (
            Fraction(1, 10**self.decimals) if self.decimals >= 0 else Fraction(10**-self.decimals)
        )

    def range(self, rounding: Rounding = Rounding.NEAREST) -> Range:
        """The least and the greatest number that is printed like this one, both ends included.

        Examples
        --------
        >>> low, high = printed("23.06").range()
        >>> float(low), float(high)
        (23.055, 23.065)
        """
        if rounding is Rounding.NEAREST:
            return self.value - self.unit / 2, self.value + self.unit / 2
        # Digits are cut off towards zero.
        if self.value < 0:
            return self.value - self.unit, self.value
        return self.value, self.value + self.unit

    def fits(self, value: Fraction | float, rounding: Rounding = Rounding.NEAREST) -> bool:
        """Whether this number can be printed for ``value``."""
        low, high = self.range(rounding)
        return low <= value <= high

    def like(self, value: Fraction | float) -> str:
        """Another value, with the decimals of this one."""
        return shown(value, max(self.decimals, 0))

    @property
    def whole(self) -> int | None:
        """The number where it is a whole one, printed without decimals that say otherwise."""
        return int(self.value) if self.value.denominator == 1 and self.relation == "=" else None


def shown(value: Fraction | float, decimals: int) -> str:
    """A number with so many decimals, half up as by hand; never a negative zero.

    Examples
    --------
    >>> shown(Fraction(8300, 360), 2), shown(Fraction(1, 8), 2)
    ('23.06', '0.13')
    """
    exact = Fraction(value)
    scaled = abs(exact) * 10**decimals
    whole = (scaled + Fraction(1, 2)).__floor__()
    digits = str(whole).rjust(decimals + 1, "0")
    text = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    return f"-{text}" if exact < 0 and whole else text


_MINUS = str.maketrans(dict.fromkeys("\u2212\u2013\u2012\ufe63\uff0d", "-"))
_MIDDLE_DOTS = re.compile(r"(?<=\d)[\u00b7\u2219\u22c5\u066b](?=\d)")
_SPACES_IN_NUMBERS = re.compile(r"(?<=\d)[\u00a0\u2009\u202f\u2007'\u2019](?=\d{3}(?!\d))")
_THOUSANDS = re.compile(r"(?<![\d.,])([1-9]\d{0,2})((?:,\d{3})+)(?![\d,])")
_THOUSANDS_BY_POINT = re.compile(r"(?<![\d.,])([1-9]\d{0,2})((?:\.\d{3})+)(?=,|(?![\d.]))")
_NUMBER = re.compile(
    r"(?P<relation>[<>=≤≥≈~]+)?\s*(?P<number>(?<![\d.])-?(?:\d+\.?\d*|\.\d+)"
    r"(?:[eE][+-]?\d+(?!\w)|\s*[x×]\s*10\^?-?\d+)?)\s*(?P<percent>%)?"
)
_NOT_SIGNIFICANT = re.compile(r"(?:p\s*[=:]?\s*)?n\.?\s*s\.?", re.IGNORECASE)
NOWHERE = Place("", 0, "")


def numbers_in(text: str, place: Place = NOWHERE, decimal: str = ".") -> list[Printed]:
    """The numbers of a cell in their order, without footnote marks, letters and brackets.

    Superscripts are marks and no digits. A comma is a decimal mark, but for groups of three digits
    where the file's decimals have points.

    Examples
    --------
    >>> [(str(p.value), p.decimals) for p in numbers_in("3,52 (0,81)*")]
    [('88/25', 2), ('81/100', 2)]
    >>> [p.relation for p in numbers_in("p < .001")]
    ['<']
    """
    cell = _plain(text, decimal)
    if _NOT_SIGNIFICANT.fullmatch(cell.strip(" .*()")) or cell.strip().lower() == "n.s.":
        return [Printed(text, Fraction(0), 0, place, "ns")]
    return [_one(match, place) for match in _NUMBER.finditer(cell)]


def printed(text: str, place: Place = NOWHERE) -> Printed:
    """The first number of a text that has one."""
    return numbers_in(text, place)[0]


def _plain(text: str, decimal: str) -> str:
    """Without superscripts, with points before decimals and nothing between thousands."""
    kept = "".join(" " if _is_mark(sign) else sign for sign in text)
    cell = unicodedata.normalize("NFKC", _SPACES_IN_NUMBERS.sub("", _MIDDLE_DOTS.sub(".", kept)))
    cell = cell.translate(_MINUS)
    if decimal == ",":
        cell = _THOUSANDS_BY_POINT.sub(lambda m: m[1] + m[2].replace(".", ""), cell)
    else:
        cell = _THOUSANDS.sub(lambda m: m[1] + m[2].replace(",", ""), cell)
    # A range such as 1-5, and a hyphen behind a letter, have no negative number.
    cell = (
        re.sub(r"(?<=[\w)])-(?=\d)", " ", cell)
        if not re.search(r"\d[eE]-\d|10\^?-\d", cell)
        else cell
    )
    return re.sub(r"(?<!\d),(?=\d)|(?<=\d),(?=\d)", ".", cell)


def _is_mark(sign: str) -> bool:
    return unicodedata.decomposition(sign).startswith("<super>")


def _one(match: re.Match[str], place: Place) -> Printed:
    number = re.sub(r"\s*[x×]\s*10\^?", "e", match["number"])
    mantissa, _, power = number.partition("e" if "e" in number else "E")
    decimals = len(mantissa.partition(".")[2]) - int(power or 0)
    relation = match["relation"] or "="
    kind = "<" if "<" in relation or "≤" in relation else ">" if set(relation) & set(">≥") else "="
    value = Fraction(mantissa.rstrip(".")) * Fraction(10) ** int(power or 0)
    return Printed(
        match["number"].strip(), value, decimals, place, kind, match["percent"] is not None
    )


def decimal_mark(cells: Sequence[str]) -> str:
    """The mark before decimals in a file's cells: a comma where some are numbers only with it."""
    commas = points = 0
    for cell in cells:
        commas += bool(
            re.search(r"(?<![\d.,])(?:0|\d+),(?:\d{1,2}|\d{4,})(?!\d)|(?<!\d)0,\d", cell)
        )
        points += bool(re.search(r"\d\.\d|(?<!\d)\.\d", cell))
    return "," if commas > points else "."


def with_zeros(column: Sequence[Printed]) -> Iterator[Printed]:
    """A column whose numbers lost a zero at their end to a spreadsheet, with that zero again.

    A spreadsheet writes 10.00 as 10 and 44.40 as 44.4. Where no number of the column with all its
    decimals ends in zero and those one decimal short are few, as one zero in ten makes them, they are
    taken as such; otherwise, and when more than one decimal is short, a number has the decimals that are
    printed, for which a wider range rounds to it.
    """
    most = max((p.decimals for p in column), default=0)
    full = [p for p in column if p.decimals == most]
    short = [p for p in column if p.decimals == most - 1]
    kept = any(p.text.endswith("0") for p in full)
    dropped = most > 0 and not kept and len(short) <= max(1, round(0.35 * len(column)))
    for one in column:
        again = dropped and one.decimals == most - 1 and one.relation == "="
        yield replace(one, decimals=most) if again else one
