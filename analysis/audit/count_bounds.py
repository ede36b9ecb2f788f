"""Which counts a frequency table allows: every printed number bounds a count or a sum of counts.

Percentages, cumulated percentages, n, mean and top shares are bounds on the whole numbers behind them, so
that two rounded numbers are never compared with one another. Where the bounds contradict each other, the
fewest that have to go are looked for: those cells are wrong, if as few as possible are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

from analysis.audit.printed import Printed, Range, Rounding
from analysis.audit.records import Frequencies
from study.errors import AnalysisError

Number = Fraction | int
# What is left of the scale's options: the counts come to n. It is printed nowhere, so it goes last.
COMPLETE = "complete"
_WEIGHT_OF_COMPLETE = 1.5
_MOST_IN_THREES = 26


@dataclass(frozen=True)
class Bound:
    """Low and high of a weighted sum of counts.

    Parameters
    ----------
    kind : str
        ``count``, ``percent``, ``cumulative``, ``cumulative_count``, ``n``, ``mean``, ``top`` or
        ``complete``.
    at : int
        The option's place.
    cell : Printed or None
    low, high : number
    weights : tuple of int
        Of the counts in the sum; empty for single counts and cumulated ones.
    """

    kind: str
    at: int
    cell: Printed | None
    low: Number
    high: Number
    weights: tuple[int, ...] = ()

    @property
    def cost(self) -> float:
        """Of leaving it out."""
        return _WEIGHT_OF_COMPLETE if self.kind == COMPLETE else 1.0


@dataclass(frozen=True)
class Solution:
    """Counts that fit all bounds but those left out.

    Parameters
    ----------
    n : int or None
        None where only percentages are known; then ``counts`` are in percent.
    counts : tuple of (low, high)
        Of each option.
    left_out : tuple of Bound
    cost : float
    base : int or None
        What percentages are of, where rows for missing answers count in.
    """

    n: int | None
    counts: tuple[tuple[Number, Number], ...]
    left_out: tuple[Bound, ...]
    cost: float
    base: int | None

    @property
    def exact(self) -> list[Number] | None:
        """The counts, where each can only be one."""
        return [low for low, _ in self.counts] if all(a == b for a, b in self.counts) else None


@dataclass(frozen=True)
class Around:
    """What other tables say that a table alone does not.

    Parameters
    ----------
    usual_n : int or None
        The n of most tables of the file, or told.
    told : bool
        Whether ``usual_n`` was told by the user.
    per_person : int
        Answers of one person to each item.
    highest : int or None
        The highest point of the scale.
    """

    usual_n: int | None = None
    told: bool = False
    per_person: int = 1
    highest: int | None = None


def bounds_of(cell: Printed, rounding: Rounding, highest: Number) -> Range:
    """The range of a printed number, those printed as below or above something too."""
    if cell.relation == "<":
        return Fraction(0), cell.value
    if cell.relation == ">":
        return cell.value, Fraction(highest)
    return cell.range(rounding)


@dataclass
class Case:
    """A table with one n tried for it."""

    table: Frequencies
    n: int | None
    base: int | None
    rounding: Rounding
    around: Around
    bounds: list[Bound] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bounds = [*self._of_options(), *self._of_all()]

    @property
    def _whole(self) -> int:
        """What percentages are of."""
        return 100 if self.table.share is False else 1

    def _counts_of(self, share: Range, of: int | None) -> tuple[Number, Number]:
        """Counts whose share of n is in a range."""
        if self.n is None or of is None:
            return share
        low, high = share[0] * of / self._whole, share[1] * of / self._whole
        return math.ceil(low), math.floor(high)

    def _of_options(self) -> Iterator[Bound]:
        for at, option in enumerate(self.table.options):
            if option.count is not None and option.count.whole is not None and self.n is not None:
                yield Bound("count", at, option.count, option.count.whole, option.count.whole)
            if option.percent is not None:
                share = bounds_of(option.percent, self.rounding, self._whole)
                yield Bound("percent", at, option.percent, *self._counts_of(share, self.base))
            if option.cumulative is not None:
                share = bounds_of(option.cumulative, self.rounding, self._whole)
                yield Bound("cumulative", at, option.cumulative, *self._counts_of(share, self.n))
            cumulated = option.cumulative_count
            if cumulated is not None and cumulated.whole is not None and self.n is not None:
                yield Bound("cumulative_count", at, cumulated, cumulated.whole, cumulated.whole)

    def _of_all(self) -> Iterator[Bound]:
        last, points = len(self.table.options) - 1, self.table.points
        total: Number = self._whole if self.n is None else self.n
        yield Bound(COMPLETE, last, None, total, total)
        stated = self.table.n
        if stated is not None and stated.whole is not None and self.n is not None:
            fits = self.n in (
                stated.whole * self.around.per_person,
                stated.whole - self.table.missing,
            )
            # A sum of no counts: 0 where n is the stated one, which nothing else can mend.
            yield Bound("n", 0, stated, 0 if fits else 1, 0 if fits else 1, (0,) * (last + 1))
        if points is None:
            return
        if self.table.mean is not None and self.table.mean.relation == "=":
            low, high = self.table.mean.range(self.rounding)
            yield Bound("mean", 0, self.table.mean, low * total, high * total, tuple(points))
        for top in self.table.top_two:
            if top.relation == "=" and self.around.highest is not None:
                yield self._of_top(top, points, total)

    def _of_top(self, top: Printed, points: Sequence[int], total: Number) -> Bound:
        highest = self.around.highest or 0
        weights = tuple(int(point >= highest - 1) for point in points)
        whole = 1 if top.value <= 1 and top.decimals > 0 and not top.percent else 100
        low, high = top.range(self.rounding)
        return Bound("top", 0, top, low * total / whole, high * total / whole, weights)

    def solve(self, left_out: Sequence[Bound] = ()) -> Solution | None:
        """Counts that fit, by bounds of sums forward and backward; None where there are none."""
        gone = {id(bound) for bound in left_out}
        kept = [bound for bound in self.bounds if id(bound) not in gone]
        size = len(self.table.options)
        most: Number = max(self.n or 0, *(b.high for b in kept if not b.weights), self._whole, 0)
        ones: list[tuple[Number, Number]] = [(0, most)] * size
        sums: list[tuple[Number, Number]] = [(0, most * size)] * size
        for bound in kept:
            if bound.weights:
                continue
            where = ones if bound.kind in ("count", "percent") else sums
            low, high = where[bound.at]
            where[bound.at] = max(low, bound.low), min(high, bound.high)
        if self.n is not None and not _is_open(self.table):
            sums = [(low, min(high, self.n)) for low, high in sums]
        tight = _tightened(ones, sums)
        if tight is None or not all(_can(bound, tight) for bound in kept if bound.weights):
            return None
        cost = sum(bound.cost for bound in left_out)
        return Solution(self.n, tuple(tight), tuple(left_out), cost, self.base)

    def ways(self) -> Iterator[Sequence[Bound]]:
        """What may be left out, the cheapest first: nothing, one, two, three bounds.

        Of a table taken as cut off one at most: it is tried beside the usual rounding, and a table that was
        rounded would need most of its cells left out.
        """
        yield ()
        ranked = sorted(self.bounds, key=lambda bound: bound.cost)
        for number in (1, 2, 3) if self.rounding is Rounding.NEAREST else (1,):
            if number == 3 and len(ranked) > _MOST_IN_THREES:
                return
            yield from combinations(ranked, number)


def _is_open(table: Frequencies) -> bool:
    """Options without an order may have been chosen several at a time."""
    from analysis.audit.columns import places_of_labels

    if table.points is not None:
        return False
    return places_of_labels([option.label for option in table.options]) is None


def is_scale(table: Frequencies) -> bool:
    """Whether the options are points of a scale."""
    return not _is_open(table)


def _tightened(
    ones: Sequence[tuple[Number, Number]], sums: Sequence[tuple[Number, Number]]
) -> list[tuple[Number, Number]] | None:
    """Bounds of single counts that the bounds of the sums allow."""
    forward: list[tuple[Number, Number]] = []
    before: tuple[Number, Number] = (0, 0)
    for (low, high), (least, most) in zip(ones, sums, strict=True):
        here = max(before[0] + low, least), min(before[1] + high, most)
        if low > high or here[0] > here[1]:
            return None
        forward.append(here)
        before = here
    tight: list[tuple[Number, Number]] = []
    after = forward[-1]
    for at in range(len(ones) - 1, -1, -1):
        earlier: tuple[Number, Number] = forward[at - 1] if at else (0, 0)
        low = max(ones[at][0], after[0] - earlier[1])
        high = min(ones[at][1], after[1] - earlier[0])
        if low > high:
            return None
        tight.append((low, high))
        after = max(earlier[0], after[0] - high), min(earlier[1], after[1] - low)
    return tight[::-1]


def _can(bound: Bound, counts: Sequence[tuple[Number, Number]]) -> bool:
    """Whether the weighted sum can lie in its bounds (box only, so that nothing possible is refused)."""
    least = sum(
        w * (low if w >= 0 else high) for w, (low, high) in zip(bound.weights, counts, strict=True)
    )
    most = sum(
        w * (high if w >= 0 else low) for w, (low, high) in zip(bound.weights, counts, strict=True)
    )
    if bound.kind == "n":
        return bound.low == 0
    return least <= bound.high and most >= bound.low


def sizes_to_try(table: Frequencies, around: Around) -> list[int | None]:
    """The ns that a table may have: stated, usual in the file, its counts' sum, what shares imply."""
    counts, found = table.counts, []
    if table.n is not None and table.n.whole:
        found.append(table.n.whole * around.per_person)
        if table.missing:
            found.append(table.n.whole - table.missing)
    if around.usual_n:
        found.append(around.usual_n)
    if counts:
        found.append(sum(counts))
    whole = 1 if table.share else 100
    pairs = [
        (option.count.whole, option.percent.value)
        for option in table.options
        if option.count is not None
        and option.count.whole
        and option.percent is not None
        and option.percent.value > 0
    ]
    for count, percent in sorted(pairs, reverse=True)[:3]:
        found.append(round(whole * count / percent))
    positive: list[int | None] = [one for one in dict.fromkeys(found) if one > 0]
    if (
        not any(option.count is not None for option in table.options)
        and table.n is None
        and not around.told
    ):
        positive = [*positive, None]
    return positive or [None]


def solutions(table: Frequencies, around: Around, rounding: Rounding) -> list[Solution]:
    """All cheapest ways to make the table's numbers fit: one that leaves nothing out, where there is one."""
    best: list[Solution] = []
    for n in sizes_to_try(table, around):
        bases = dict.fromkeys([n, n + table.missing if n is not None else None])
        for base in bases:
            best = _cheapest(Case(table, n, base, rounding, around), best)
            if best and best[0].cost == 0:
                return best[:1]
    return best or [_by_and_by(table, around, rounding)]


def _by_and_by(table: Frequencies, around: Around, rounding: Rounding) -> Solution:
    """Where more than three bounds have to go: counts first, then each bound that still fits."""
    order = ("count", COMPLETE, "n", "percent", "cumulative_count", "mean", "top", "cumulative")
    found: Solution | None = None
    for n in sizes_to_try(table, around):
        case = Case(table, n, n, rounding, around)
        out = sorted(case.bounds, key=lambda bound: order.index(bound.kind))
        here = None
        for bound in list(out):
            fewer = [one for one in out if one is not bound]
            here_too = case.solve(fewer)
            if here_too is not None:
                out, here = fewer, here_too
        if here is not None and (found is None or here.cost < found.cost):
            found = here
    if found is None:
        raise AnalysisError(
            f"{table.file}: no counts fit any of its numbers; report the table, please."
        )
    return found


def _cheapest(case: Case, best: list[Solution]) -> list[Solution]:
    limit = best[0].cost if best else math.inf
    for left_out in case.ways():
        cost = sum(bound.cost for bound in left_out)
        if cost > limit:
            if len(left_out) > limit:
                break
            continue
        found = case.solve(left_out)
        if found is None:
            continue
        if found.cost < limit:
            best, limit = [], found.cost
        best.append(found)
        if cost == 0:
            break
    return best
