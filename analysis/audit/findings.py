"""What an audit finds: where, printed, recomputed, by which rule, how sure, what would repair it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.audit.printed import Place, Printed

CERTAIN = "certain"
LIKELY = "likely"
POSSIBLE = "possible"


@dataclass(frozen=True)
class CellFinding:
    """One printed number and what it should be; ``recomputed`` is empty where nothing follows for it."""

    place: Place
    printed: str
    recomputed: str = ""

    @property
    def in_words(self) -> str:
        """Place, printed and recomputed in one phrase."""
        where = f"{self.place.file} line {self.place.line}, {self.place.column}"
        return f"{where}: {self.printed}" + (f" to be {self.recomputed}" if self.recomputed else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form."""
        return {**self.place.to_dict(), "printed": self.printed, "recomputed": self.recomputed}


@dataclass(frozen=True)
class Finding:
    """One contradiction within the printed numbers.

    Parameters
    ----------
    rule : str
        Its key in `analysis.audit.rules.register.RULES`.
    about : str
        The part of the table: its item, outcome or row.
    cells : sequence of CellFinding
        The cells that are wrong if as few as possible are; the first is the finding's place.
    why : str
        The arithmetic, in words and numbers.
    sure : {"certain", "likely", "possible"}
        ``certain``: the numbers contradict each other whatever was rounded, though another cell may be
        to blame. ``likely`` and ``possible``: if what ``why`` takes for granted holds.
    repair : str
        What would repair it.
    suspects : sequence of CellFinding
        Cells that would do it as well, each alone.
    """

    rule: str
    about: str
    cells: Sequence[CellFinding]
    why: str
    sure: str = CERTAIN
    repair: str = ""
    suspects: Sequence[CellFinding] = field(default=())

    @property
    def place(self) -> Place:
        """Of the first cell."""
        return self.cells[0].place

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form."""
        return {
            "rule": self.rule,
            "about": self.about,
            **self.cells[0].to_dict(),
            "why": self.why,
            "sure": self.sure,
            "repair": self.repair,
            "cells": [cell.to_dict() for cell in self.cells],
            "suspects": [cell.to_dict() for cell in self.suspects],
        }


def cell(one: Printed, recomputed: str = "") -> CellFinding:
    """A printed number as a part of a finding."""
    return CellFinding(one.place, one.text if one.relation == "=" else _with_sign(one), recomputed)


def _with_sign(one: Printed) -> str:
    return "ns" if one.relation == "ns" else f"{one.relation} {one.text}"
