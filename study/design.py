"""Design: who rates which response, in which order.

Every rater rates every response once; where a page shows several responses to a prompt, every pair
of systems, or all of them. The order is a row of a Williams square [1]_ over all pages, so that over
a full cycle of rows each page stands in each position equally often, and each page follows each
other one equally often. The pages are numbered so that the system (or pair of systems) cycles within
the square's own zigzag: in any first part of any row the numbers of pages of two systems differ by
at most one, so a rater who drops out leaves the systems balanced.

The places of the responses on a page (A, B, ...) follow the rows of a second, small Williams square
that moves on by one from rater to rater and from prompt to prompt. So, within each rater and within
each page over raters, each system stands at each place equally often, but for a remainder; over a
full cycle, at each position as well.

.. [1] E. J. Williams (1949), Experimental designs balanced for the estimation of residual effects
   of treatments. Australian Journal of Scientific Research A, 2, 149-168.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from study.protocol.schema import Protocol


@dataclass(frozen=True, order=True)
class Condition:
    """One page: a prompt with the systems whose responses it shows, by place."""

    prompt: str
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Allocation:
    """The orders in which raters meet the conditions; raters of a group take the rows in turn.

    Parameters
    ----------
    rows : tuple of tuple of Condition
        A full cycle of the design; rater number ``slot`` of a group gets ``rows[slot % len(rows)]``.
    """

    rows: tuple[tuple[Condition, ...], ...]

    def row(self, slot: int) -> tuple[Condition, ...]:
        """The order of the rater in a slot (counted from 0)."""
        return self.rows[slot % len(self.rows)]

    @property
    def sha256(self) -> str:
        """Hash of the whole allocation, as fixed by ``lock``."""
        # The JSON of all rows, [[["p1","a"],...],...], without ever holding all of it: a design of 1,000
        # pages has a million entries, and each page is one object in all of its rows.
        said: dict[int, str] = {}
        digest = hashlib.sha256(b"[")
        for number, row in enumerate(self.rows):
            for page in row:
                if id(page) not in said:
                    plain = [page.prompt, *page.systems]
                    said[id(page)] = json.dumps(plain, separators=(",", ":"))
            text = ",".join(said[id(page)] for page in row)
            digest.update(f"{',' if number else ''}[{text}]".encode())
        digest.update(b"]")
        return digest.hexdigest()


def williams_square(n: int) -> list[list[int]]:
    """Rows of a Williams design for ``n`` conditions.

    Parameters
    ----------
    n : int
        Number of conditions, at least 1.

    Returns
    -------
    list of list of int
        ``n`` rows for even ``n``, ``2 n`` rows for odd ``n``; each row is a permutation of
        ``0 ... n - 1``. Each condition is in each position once (twice for odd ``n``) and directly
        follows each other condition once (twice for odd ``n``).
    """
    zigzag = [0]
    for step in range(1, n):
        zigzag.append((step + 1) // 2 if step % 2 else n - step // 2)
    rows = [[(value + shift) % n for value in zigzag] for shift in range(n)]
    if n % 2 and n > 1:
        rows += [list(reversed(row)) for row in rows]
    return rows


def allocate(protocol: Protocol) -> Allocation:
    """The allocation of a protocol, fixed by ``design.seed``."""
    # random.Random(int) is specified to give the same sequence in every Python version.
    generator = random.Random(protocol.design.seed)  # noqa: S311 (a design, not a secret)
    prompts = [prompt.id for prompt in protocol.prompts]
    systems = [system.id for system in protocol.systems]
    generator.shuffle(prompts)
    generator.shuffle(systems)
    sets = sets_of_systems(protocol.design.shows, systems)
    conditions = [(i, j) for i in range(len(prompts)) for j in range(len(sets))]
    square = williams_square(len(conditions))
    order = _alternate_first_system(square, len(sets), generator)
    places = williams_square(len(sets[0]))
    # made[i][j][turn]: every page once, however many rows it stands in.
    made = [
        [
            [Condition(prompt, tuple(shown[place] for place in turn)) for turn in places]
            for shown in sets
        ]
        for prompt in prompts
    ]
    rows = []
    for cycle in range(len(places)):
        for r, row in enumerate(order):
            numbers = (conditions[n] for n in row)
            rows.append(tuple(made[i][j][(r + i + j + cycle) % len(places)] for i, j in numbers))
    return Allocation(tuple(rows))


def sets_of_systems(shows: str, systems: Sequence[str]) -> list[tuple[str, ...]]:
    """Which systems appear together on a page: each alone, every pair, or all of them."""
    if shows == "pair":
        return list(combinations(systems, 2))
    if shows == "all":
        return [tuple(systems)]
    return [(system,) for system in systems]


def _alternate_first_system(
    square: Sequence[Sequence[int]], n_systems: int, generator: random.Random
) -> list[Sequence[int]]:
    """Random order of rows in which the system that comes first takes turns.

    So any few raters in a row, and not only a full cycle, start with each system about equally
    often.
    """
    by_first_system: list[list[Sequence[int]]] = [[] for _ in range(n_systems)]
    for row in square:
        by_first_system[row[0] % n_systems].append(row)
    for rows in by_first_system:
        generator.shuffle(rows)
    return [row for turn in zip(*by_first_system, strict=True) for row in turn]


@dataclass(frozen=True)
class Workload:
    """What a design asks of one rater."""

    pages: int
    answers: int
    minutes: float


def workload(
    protocol: Protocol, *, words_per_minute: float = 220, seconds_per_item: float = 6
) -> Workload:
    """Expected time of one rater, from reading and answering pace.

    Parameters
    ----------
    words_per_minute : float
        Silent reading of adults; about 240 words a minute for English non-fiction (M. Brysbaert
        2019, Journal of Memory and Language 109), taken lower for tablets.
    seconds_per_item : float
        A planning value; measured times are in the report.
    """
    sets = sets_of_systems(protocol.design.shows, [system.id for system in protocol.systems])
    pages = len(protocol.prompts) * len(sets)
    answers = pages * len(protocol.items)
    prompt_words = sum(len(prompt.text.split()) for prompt in protocol.prompts)
    # A token is about three quarters of an English word; the limit is the most that can come.
    longest = {system.id: 0.75 * system.decoding.max_new_tokens for system in protocol.systems}
    response_words = len(protocol.prompts) * sum(longest[s] for shown in sets for s in shown)
    words = prompt_words * len(sets) + response_words
    reading = words / words_per_minute
    if protocol.chat is not None:
        reading = pages * protocol.chat.minutes
    minutes = reading + answers * seconds_per_item / 60
    return Workload(pages, answers, minutes)
