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
from typing import Any, overload

from study.protocol.schema import Protocol


@dataclass(frozen=True, order=True)
class Condition:
    """One page: a prompt with the systems whose responses it shows, by place."""

    prompt: str
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Cycle(Sequence[tuple[Condition, ...]]):
    """The rows of a full cycle of orders, each made when it is asked for.

    A design of 6,000 pages has 36 million entries: as tuples they filled 1.7 GB, while an enrolment needs
    a few rows of them and the hash one after the other.

    Parameters
    ----------
    zigzag : tuple of int
        The first row of the Williams square over all pages.
    order : tuple of int
        Which row of the square comes when, as `williams_row` counts them.
    pages : tuple of tuple of Condition
        Every page once, in each turn of its responses' places: ``pages[number][turn]``.
    shift : tuple of int
        What a page adds to the turn of its places.
    """

    zigzag: tuple[int, ...]
    order: tuple[int, ...]
    pages: tuple[tuple[Condition, ...], ...]
    shift: tuple[int, ...]

    @property
    def turns(self) -> int:
        """How often the square is gone through, with other places for the responses each time."""
        return len(self.pages[0])

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.order) * self.turns

    @overload
    def __getitem__(self, index: int) -> tuple[Condition, ...]: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Condition, ...], ...]: ...

    def __getitem__(
        self, index: int | slice
    ) -> tuple[Condition, ...] | tuple[tuple[Condition, ...], ...]:
        """One row, or several."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        again, r = divmod(range(len(self))[index], len(self.order))
        row = williams_row(self.zigzag, self.order[r])
        if self.turns == 1:
            return tuple(self.pages[n][0] for n in row)
        return tuple(self.pages[n][(r + self.shift[n] + again) % self.turns] for n in row)


@dataclass(frozen=True)
class Allocation:
    """The orders in which raters meet the conditions; raters of a group take the rows in turn.

    Parameters
    ----------
    rows : sequence of tuple of Condition
        A full cycle of the design; rater number ``slot`` of a group gets ``rows[slot % len(rows)]``.
    """

    rows: Sequence[tuple[Condition, ...]]

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
            text = ",".join([said[id(page)] for page in row])
            digest.update(f"{',' if number else ''}[{text}]".encode())
        digest.update(b"]")
        return digest.hexdigest()


def williams_zigzag(n: int) -> tuple[int, ...]:
    """First row of a Williams square: 0, 1, n - 1, 2, n - 2, ..."""
    return tuple((step + 1) // 2 if step % 2 else (n - step // 2) % n for step in range(n))


def williams_row(zigzag: Sequence[int], number: int) -> list[int]:
    """Row ``number`` of the square that begins with this zigzag, counted from 0.

    From ``len(zigzag)`` on, the rows of an odd square backwards.
    """
    n = len(zigzag)
    row = [(value + number) % n for value in zigzag]
    return row if number < n else row[::-1]


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
    zigzag = williams_zigzag(n)
    return [williams_row(zigzag, number) for number in range(_rows_of_square(n))]


def _rows_of_square(n: int) -> int:
    return 2 * n if n % 2 and n > 1 else n


def allocate(protocol: Protocol) -> Allocation:
    """The allocation of a protocol, fixed by ``design.seed``."""
    # random.Random(int) is specified to give the same sequence in every Python version.
    generator = random.Random(protocol.design.seed)  # noqa: S311 (a design, not a secret)
    prompts = [prompt.id for prompt in protocol.prompts]
    systems = [system.id for system in protocol.systems]
    generator.shuffle(prompts)
    generator.shuffle(systems)
    sets = sets_of_systems(protocol.design.shows, systems)
    zigzag = williams_zigzag(len(prompts) * len(sets))
    order = _alternate_first_system(zigzag, len(sets), generator)
    places = williams_square(len(sets[0]))
    pages = tuple(
        tuple(Condition(prompt, tuple(shown[place] for place in turn)) for turn in places)
        for prompt in prompts
        for shown in sets
    )
    shift = tuple(i + j for i in range(len(prompts)) for j in range(len(sets)))
    return Allocation(Cycle(zigzag, order, pages, shift))


def sets_of_systems(shows: str, systems: Sequence[str]) -> list[tuple[str, ...]]:
    """Which systems appear together on a page: each alone, every pair, or all of them."""
    if shows == "pair":
        return list(combinations(systems, 2))
    if shows == "all":
        return [tuple(systems)]
    return [(system,) for system in systems]


def _alternate_first_system(
    zigzag: Sequence[int], n_systems: int, generator: random.Random
) -> tuple[int, ...]:
    """Random order of the square's rows in which the system that comes first takes turns.

    So any few raters in a row, and not only a full cycle, start with each system about equally
    often.
    """
    n = len(zigzag)
    by_first_system: list[list[int]] = [[] for _ in range(n_systems)]
    for number in range(_rows_of_square(n)):
        first = (zigzag[0 if number < n else -1] + number) % n
        by_first_system[first % n_systems].append(number)
    for rows in by_first_system:
        generator.shuffle(rows)
    return tuple(row for turn in zip(*by_first_system, strict=True) for row in turn)


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


# Ratings get careless long before; the published studies asked for less than two hours.
LONGEST_MINUTES = 120
# An order for each page of the cycle: above, making all of them takes minutes and gigabytes.
MOST_PAGES_TO_ALLOCATE = 1_000


def too_much_for_a_rater(protocol: Protocol) -> list[str]:
    """A warning where no rater could do what the design asks."""
    load = workload(protocol)
    if load.minutes <= LONGEST_MINUTES:
        return []
    return [
        f"Warning: one rater would need about {load.minutes:,.0f} minutes at most, for {load.pages:,} pages "
        f"with {load.answers:,} answers. Nobody rates for longer than {LONGEST_MINUTES} minutes with care: "
        "take fewer prompts, systems or items, or shorter responses (decoding.max_new_tokens)."
    ]


def design_facts(protocol: Protocol) -> dict[str, Any]:
    """The design in numbers, as ``check`` shows it."""
    load = workload(protocol)
    raters = sum(group.planned for group in protocol.groups)
    allocation = allocate(protocol) if load.pages <= MOST_PAGES_TO_ALLOCATE else None
    not_made = f"not made for more than {MOST_PAGES_TO_ALLOCATE:,} pages"
    return {
        "raters": ", ".join(f"{group.planned} {group.id}" for group in protocol.groups),
        "systems": len(protocol.systems),
        "prompts": len(protocol.prompts),
        "items": len(protocol.items),
        "pages_per_rater": load.pages,
        "answers_per_rater": load.answers,
        "minutes_per_rater_at_most_about": round(load.minutes),
        "raters_per_response": raters,
        "answers_in_all": raters * load.answers,
        "orders_in_a_full_cycle": len(allocation.rows) if allocation else not_made,
        "allocation_sha256": allocation.sha256 if allocation else not_made,
    }
