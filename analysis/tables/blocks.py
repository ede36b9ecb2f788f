"""What `evenhand analyse` prints or gives as JSON: blocks of results, one class for each kind of result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from analysis.results import Assumption, Estimate


@dataclass(frozen=True)
class Listing:
    """A table of numbers and words that stands before the estimates of a block.

    Parameters
    ----------
    title : str
    names : sequence of str
        Of the columns.
    rows : sequence of sequence
        Cells: a number, a text, or None for an empty one.
    """

    title: str
    names: Sequence[str]
    rows: Sequence[Sequence[float | str | None]]


@dataclass(frozen=True)
class ResultBlock:
    """Results that belong together, with what they are about.

    A kind of result is a subclass with ``@dataclass(frozen=True, kw_only=True)`` and a field for each
    thing that is no estimate. The fields are the keys of the JSON form, in their order; `listings`,
    `lines` and `checks` say how they are printed.

    Parameters
    ----------
    title : str
        For example ``"26 a, 10 b: y"``.
    estimates : tuple of Estimate
    notes : tuple of str or None
        What a reader must know. None where this kind of block has no notes: then the JSON form has no such
        key, where an empty tuple is an empty list.
    by : str
        Which of several tables the block is about; empty where there is one.
    """

    title: str
    estimates: tuple[Estimate, ...]
    notes: tuple[str, ...] | None = None
    by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form with full precision."""
        return {
            "title": self.title,
            **({"by": self.by} if self.by else {}),
            **self.facts(),
            **({} if self.notes is None else {"notes": list(self.notes)}),
            "results": [estimate.to_dict() for estimate in self.estimates],
        }

    def facts(self) -> dict[str, Any]:
        """What is not an estimate, as JSON: the subclass's own fields in their order."""
        common = {field.name for field in fields(ResultBlock)}
        own = [field.name for field in fields(self) if field.name not in common]
        return {name: getattr(self, name) for name in own}

    def lacks(self) -> str:
        """Why there is nothing to print but this reason; empty where there is."""
        return ""

    def listings(self) -> Sequence[Listing]:
        """Tables that stand before the estimates."""
        return ()

    def lines(self) -> Sequence[str]:
        """Sentences that stand before the notes."""
        return ()

    def checks(self) -> Sequence[Assumption]:
        """Assumptions that were looked at."""
        return ()


def under(name: str, block: ResultBlock) -> ResultBlock:
    """The block as one of several, of the table with that name; itself where there is no name."""
    return replace(block, title=f"{name}: {block.title}", by=name) if name else block


def noted(blocks: Sequence[ResultBlock], notes: Sequence[str]) -> list[ResultBlock]:
    """The blocks, each with these notes before its own."""
    if not notes:
        return list(blocks)
    return [replace(block, notes=(*notes, *(block.notes or ()))) for block in blocks]


def estimates_in(result: Any) -> tuple[Estimate, ...]:
    """All estimates that are fields of a frozen result, in the order of its fields."""
    values = [getattr(result, field.name) for field in fields(result)]
    return tuple(value for value in values if isinstance(value, Estimate))


@dataclass(frozen=True, kw_only=True)
class UndefinedBlock(ResultBlock):
    """A result that does not exist for these data, with the reason."""

    undefined_because: str

    def lacks(self) -> str:
        """The reason."""
        return self.undefined_because


def short(value: float | str | None) -> str:
    """A number as commands print it, five digits; nothing for None, a text as it is.

    Examples
    --------
    >>> short(0.123456), short(3), short(None), short("a")
    ('0.12346', '3', '', 'a')
    """
    if value is None:
        return ""
    return str(value) if isinstance(value, int | str) else f"{value:.5g}"
