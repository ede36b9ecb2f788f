"""How an order of several responses is held: as text such as ``"B>A=C"``, best first.

A letter is a place on the page: A is the first response, B the second. ``=`` joins responses that
share a place, in the order of the letters, so that one order has one text only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.protocol.instruments import Item


def place_letter(place: int) -> str:
    """The letter of a place on the page, counted from 1."""
    return chr(ord("A") + place - 1)


def write_ranking(ranks: Mapping[str, float]) -> str:
    """The text of an order, from each letter's rank (1 is best; equal ranks share a place)."""
    steps = sorted(set(ranks.values()))
    return ">".join("=".join(sorted(k for k in ranks if ranks[k] == step)) for step in steps)


def read_ranking(text: str) -> list[list[str]]:
    """The letters of each place, best first."""
    return [step.split("=") for step in text.split(">")]


def ranking_of_systems(text: str, systems: Sequence[str]) -> str:
    """The same order in systems, which are given by place."""
    steps = [[systems[ord(letter) - ord("A")] for letter in step] for step in read_ranking(text)]
    return ">".join("=".join(step) for step in steps)


def mid_ranks(text: str) -> dict[str, float]:
    """Letter (or system) -> its rank; 1 is best, those on one place share the mean of their ranks."""
    ranks: dict[str, float] = {}
    for step in read_ranking(text):
        ranks |= dict.fromkeys(step, len(ranks) + (len(step) + 1) / 2)
    return ranks


def ranking_fault(item: Item, responses: Sequence[str], answer: object) -> str | None:
    """What is wrong with an order of these responses; None when it fits."""
    letters = [place_letter(place) for place in range(1, len(responses) + 1)]
    expected = f"expected each of {', '.join(letters)} once, best first, for example "
    expected += repr(">".join(reversed(letters)))
    if not isinstance(answer, str):
        return f"{answer!r} is no order for {item.label!r}; {expected}."
    steps = read_ranking(answer)
    if sorted(letter for step in steps for letter in step) != letters:
        return f"{answer!r} is no order for {item.label!r}; {expected}."
    if any(step != sorted(step) for step in steps):
        return f"{answer!r} has responses on one place out of the order of their letters."
    if len(steps) < len(letters) and not item.ties:
        return f"{answer!r} has two responses on one place, which {item.label!r} does not allow."
    return None
