"""A cell of a table: when it is missing, and which number it holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from study.table_file.names import as_option

# ASCII digits only. float() would also take "nan", "inf", "1_000" and other scripts' digits: a word for
# something missing must not become a number, and what R and SPSS refuse must not pass here.
_NUMBER = {
    ".": re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"),
    ",": re.compile(r"[+-]?(?:[0-9]+,?[0-9]*|,[0-9]+)(?:[eE][+-]?[0-9]+)?"),
}
# Minus signs and the Arabic decimal mark as people type them.
_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u066b": "."})
_WITH_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_WITH_POINT = re.compile(r"[+-]?[0-9]+\.[0-9]+")


def number(cell: str, decimal: str = ".") -> float | None:
    """The number in a cell, or None when it holds something else.

    Parameters
    ----------
    cell : str
    decimal : {'.', ','}
        The mark before the decimals. The other one is no part of a number: marks between
        thousands are not read, because ``1.234`` means 1234 to some and 1.234 to others.
    """
    if not _NUMBER[decimal].fullmatch(cell):
        return None
    return float(cell.replace(",", "."))


def numbers_among(words: Sequence[str], decimal: str = ".") -> frozenset[float]:
    """The words for missing values that are numbers, so that -99 also finds -99.0."""
    found = (number(word, decimal) for word in words)
    return frozenset(value for value in found if value is not None)


def why_no_number(cell: str, decimal: str) -> str:
    """What a user may do about a cell in a column of numbers that holds none."""
    if decimal == "." and _WITH_COMMA.fullmatch(cell):
        return "For decimal commas give --decimal , (marks between thousands are not read)."
    if decimal == "," and _WITH_POINT.fullmatch(cell):
        return "With --decimal , a number has a comma before its decimals, as in 3,5."
    plain = unicodedata.normalize("NFKD", cell).translate(_SIGNS)
    figures = "".join(str(unicodedata.digit(sign, sign)) for sign in plain)
    if figures != cell and number(figures, decimal) is not None:
        return f"Write it as {figures}."
    if cell.endswith("%") and number(cell[:-1].strip(), decimal) is not None:
        return "Take the percent sign out of the whole column."
    if re.fullmatch(r"[^\s,0-9]{1,20}", cell):
        return f"Correct it; if it stands for a missing value, give --missing {as_option([cell])}."
    return "Correct it in the file."


def looks_split(cells: Sequence[str]) -> bool:
    """Whether two neighbouring cells could be one number with a decimal comma."""
    return any(_WITH_COMMA.fullmatch(f"{one},{two}") for one, two in pairwise(cells))


def join_decimals(cells: Sequence[str], width: int) -> list[str] | None:
    """A row whose decimal commas were taken for separators, put together again.

    Parameters
    ----------
    cells : sequence of str
        More of them than ``width``.
    width : int
        The number of columns.

    Returns
    -------
    list of str or None
        None when there is no way to get ``width`` cells by joining whole numbers in pairs, or more than
        one: 1,3,5 in two columns could be 1,3 and 5 as well as 1 and 3,5.
    """
    joins = len(cells) - width
    # ways[m]: at most two ways to write the cells from here on with m joins.
    after: list[list[list[str]]] = [[[]], *([] for _ in range(joins))]
    beyond: list[list[list[str]]] = [[] for _ in range(joins + 1)]
    for at in range(len(cells) - 1, -1, -1):
        ways = [[[cells[at], *rest] for rest in after[m]] for m in range(joins + 1)]
        if at + 1 < len(cells) and _WITH_COMMA.fullmatch(f"{cells[at]},{cells[at + 1]}"):
            joined = f"{cells[at]},{cells[at + 1]}"
            for m in range(1, joins + 1):
                ways[m] += [[joined, *rest] for rest in beyond[m - 1]]
        beyond, after = after, [found[:2] for found in ways]
    return after[joins][0] if len(after[joins]) == 1 else None
