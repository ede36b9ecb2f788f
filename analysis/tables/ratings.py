"""The statistics for data collected elsewhere: what each kind of analysis gives for one table.

Every function takes a data frame and returns one or more named blocks of results, which the command
``evenhand analyse`` prints as tables or as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from analysis.results import Estimate


@dataclass(frozen=True)
class ResultBlock:
    """Results that belong together, with what they are about.

    Parameters
    ----------
    title : str
        For example ``"26 a, 10 b: y"``.
    estimates : tuple of Estimate
    facts : mapping of str to plain values
        What is not an estimate: the rows of a frequency table, numbers of units.
    """

    title: str
    estimates: tuple[Estimate, ...]
    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form with full precision."""
        return {
            "title": self.title,
            **self.facts,
            "results": [estimate.to_dict() for estimate in self.estimates],
        }


def under(name: str, block: ResultBlock) -> ResultBlock:
    """The block as one of several, of the table with that name; itself where there is no name."""
    if not name:
        return block
    return replace(block, title=f"{name}: {block.title}", facts={"by": name, **block.facts})
