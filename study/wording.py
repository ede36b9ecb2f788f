"""Long lists in sentences: the first few, and how many more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NAMED = 10


def listed(names: Iterable[str], most: int = NAMED) -> str:
    """Names with commas; of a long list the first ones and the number of the others.

    Examples
    --------
    >>> listed(["a", "b", "c", "d"], most=2)
    'a, b and 2 more'
    """
    known = list(names)
    if len(known) <= most + 1:  # "and 1 more" would be no shorter than the name
        return ", ".join(known)
    return f"{', '.join(known[:most])} and {len(known) - most:,} more"


def summed_up(lines: Sequence[str], most: int = 2 * NAMED) -> list[str]:
    """Lines of a message; of very many the first ones and one that counts the others."""
    if len(lines) <= most + 1:
        return list(lines)
    return [*lines[:most], f"... and {len(lines) - most:,} more"]
