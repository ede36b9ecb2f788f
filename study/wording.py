"""Parts of sentences: commands that can be copied, and long lists cut to the first few."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

NAMED = 10


def command(*words: object) -> str:
    """An evenhand command to copy into a shell: paths with spaces and their like are quoted.

    Examples
    --------
    >>> command("check", "--study", "my study")
    "evenhand check --study 'my study'"
    """
    return shlex.join(["evenhand", *(str(word) for word in words)])


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
