"""Design: properties of Williams squares, balance of any first part, and the allocation's hash."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import shipped_protocols
from study.design import Allocation, allocate, sets_of_systems, williams_square, workload
from study.protocol import Protocol, load_protocol, parse_protocol
from tests.fixtures_study import SMALL

ROOT = Path(__file__).parent.parent
SHIPPED = list(shipped_protocols())


def _sized(prompts: int, systems: int, seed: int = 1) -> Protocol:
    small = parse_protocol(SMALL, "small.yaml")
    plain = small.model_dump(mode="json")
    plain["prompts"] = [{**plain["prompts"][0], "id": f"p{i}"} for i in range(prompts)]
    plain["systems"] = [{**plain["systems"][0], "id": f"s{i}"} for i in range(systems)]
    plain["analysis"]["primary"] = {"system": "s0", "against": "s1"}
    plain["design"]["seed"] = seed
    return Protocol.model_validate(plain)


@pytest.mark.parametrize("n", range(1, 25))
def test_williams_square_is_balanced(n: int) -> None:
    """Williams (1949): each condition equally often in each position and after each other one."""
    rows = williams_square(n)
    times = 2 if n % 2 and n > 1 else 1
    assert len(rows) == n * times
    assert all(sorted(row) == list(range(n)) for row in rows)
    for position in range(n):
        assert set(Counter(row[position] for row in rows).values()) == {times}
    followers = Counter(pair for row in rows for pair in pairwise(row))
    assert len(followers) == n * (n - 1)
    assert set(followers.values()) <= {times}


def test_williams_square_of_four_is_the_published_one() -> None:
    """The zigzag 0 1 3 2, shifted: worked by hand from Williams' construction."""
    assert williams_square(4) == [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]]


def _worst_imbalance(allocation: Allocation, systems: list[str]) -> int:
    worst = 0
    for row in allocation.rows:
        seen = dict.fromkeys(systems, 0)
        for condition in row:
            for system in condition.systems:
                seen[system] += 1
            worst = max(worst, max(seen.values()) - min(seen.values()))
    return worst


def _is_complete(allocation: Allocation, protocol: Protocol) -> bool:
    sets = sets_of_systems(protocol.design.shows, [s.id for s in protocol.systems])
    every = {(p.id, frozenset(shown)) for p in protocol.prompts for shown in sets}
    return all(
        {(c.prompt, frozenset(c.systems)) for c in row} == every and len(row) == len(every)
        for row in allocation.rows
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_a_rater_who_stops_anywhere_leaves_the_systems_balanced(name: str) -> None:
    """In any first part of any order, the numbers of two systems differ by at most one."""
    protocol = load_protocol(shipped_protocols()[name])
    allocation = allocate(protocol)
    assert _worst_imbalance(allocation, [s.id for s in protocol.systems]) <= 1
    assert _is_complete(allocation, protocol)


@settings(max_examples=30, deadline=None)
@given(prompts=st.integers(1, 9), systems=st.integers(2, 6), seed=st.integers(0, 10**9))
def test_balance_holds_for_any_size_and_seed(prompts: int, systems: int, seed: int) -> None:
    """The same property for generated numbers of prompts and systems."""
    protocol = _sized(prompts, systems, seed)
    allocation = allocate(protocol)
    names = [s.id for s in protocol.systems]
    assert _worst_imbalance(allocation, names) <= 1
    assert _is_complete(allocation, protocol)
    # Raters in a row start with each system in turn.
    first = [row[0].systems[0] for row in allocation.rows]
    assert all(len(set(first[i : i + systems])) == systems for i in range(0, len(first), systems))
    # A full cycle keeps Williams' balance, whatever the order of its rows.
    for position in range(len(allocation.rows[0])):
        assert len(set(Counter(row[position] for row in allocation.rows).values())) == 1


def test_raters_take_the_rows_in_turn_and_begin_again() -> None:
    allocation = allocate(_sized(2, 2))
    assert [allocation.row(slot) for slot in range(4)] == list(allocation.rows)
    assert allocation.row(5) == allocation.rows[1]


def test_the_seed_fixes_the_allocation() -> None:
    assert allocate(_sized(5, 2, 1)).sha256 == allocate(_sized(5, 2, 1)).sha256
    assert len({allocate(_sized(5, 2, seed)).sha256 for seed in range(20)}) == 20


def test_the_allocation_does_not_depend_on_pythons_hash_seed() -> None:
    """Fresh interpreters with different PYTHONHASHSEED print the same hash."""
    program = (
        "from protocols import shipped_protocols as s\n"
        "from study.protocol import load_protocol as l\n"
        "from study.design import allocate as a\n"
        "print(a(l(s()['eai-2025'])).sha256)"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    assert hashes == {allocate(load_protocol(shipped_protocols()["eai-2025"])).sha256}


def test_workload_of_the_eai_study() -> None:
    """20 responses and 160 answers a rater, as published: 36 raters give 5,760."""
    protocol = load_protocol(shipped_protocols()["eai-2025"])
    load = workload(protocol)
    assert (load.pages, load.answers) == (20, 160)
    assert 36 * load.answers == 5760
    # By hand: 2 x prompt words + 0.75 x 96 tokens x 20 responses, at 220 a minute, + 160 x 6 s.
    words = 2 * sum(len(p.text.split()) for p in protocol.prompts) + 0.75 * 96 * 20
    assert load.minutes == pytest.approx(words / 220 + 16)


@pytest.mark.parametrize(("prompts", "systems"), [(3000, 2), (1999, 3), (1501, 1)])
def test_a_large_design_is_made_row_by_row(prompts: int, systems: int) -> None:
    """Enrolment needs a few rows of a cycle of millions: their memory is that of some rows.

    Oracle: each row holds every page once, and Python's own count of allocated memory stays under 40 MB
    (all rows of 6,000 pages as tuples took 1.7 GB).
    """
    protocol = _sized(prompts, 2).model_copy(
        update={"systems": tuple(_sized(1, max(systems, 2)).systems[:systems])}
    )
    pages = prompts * systems
    tracemalloc.start()
    try:
        allocation = allocate(protocol)
        rows = [allocation.row(slot) for slot in (0, 1, 35, len(allocation.rows) - 1)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(allocation.rows) == pages * (2 if pages % 2 else 1)
    assert all(len(set(row)) == len(row) == pages for row in rows)
    assert peak < 40e6


def test_rows_of_a_cycle_are_a_sequence_like_any_other() -> None:
    """Oracle: Python's own tuple of the same rows, from either end, by slices and past the end."""
    rows = allocate(_sized(3, 3)).rows
    plain = tuple(rows[i] for i in range(len(rows)))
    assert len(plain) == 18
    assert (rows[-1], rows[-18], rows[2:7:2], list(rows)) == (
        plain[-1],
        plain[0],
        plain[2:7:2],
        list(plain),
    )
    for outside in (18, -19):
        with pytest.raises(IndexError):
            rows[outside]
