"""The points of a scale, of all tables or of those whose names fit a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from analysis.tables.reading import parse_points
from study.errors import AnalysisError


@dataclass(frozen=True)
class Scales:
    """Points by name.

    Parameters
    ----------
    patterns : tuple of (str, tuple of float)
        In the order of the command line; the first that fits counts.
    otherwise : tuple of float or None
        Of tables that fit none.
    """

    patterns: tuple[tuple[str, tuple[float, ...]], ...] = ()
    otherwise: tuple[float, ...] | None = None

    def of(self, name: str) -> list[float] | None:
        """The points of the table of that name; None where nothing was said.

        Raises
        ------
        AnalysisError
            When points were said for other names only.
        """
        for pattern, points in self.patterns:
            if fnmatchcase(name, pattern):
                return list(points)
        if self.otherwise is None and self.patterns:
            raise AnalysisError(
                f"No points are given for {name!r}: give --points {name}=1-5, or --points 1-5 for all others."
            )
        return None if self.otherwise is None else list(self.otherwise)


def parse_scales(texts: Sequence[str]) -> Scales:
    """Scales written as ``1-5`` or, for the tables that a pattern names, ``m_*=1-7``.

    Raises
    ------
    AnalysisError
        When one is neither, or two are for all others.
    """
    patterns, otherwise = [], []
    for text in texts:
        pattern, mark, points = text.rpartition("=")
        if mark:
            patterns.append((pattern.strip(), tuple(parse_points(points))))
        else:
            otherwise.append(tuple(parse_points(text)))
    if len(otherwise) > 1:
        raise AnalysisError(
            f"Found the points {' and '.join(texts)}; expected one scale, and further ones with the names "
            "they are for, such as --points 1-5 --points 'm_*=1-7'."
        )
    return Scales(tuple(patterns), otherwise[0] if otherwise else None)
