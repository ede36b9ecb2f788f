"""Frequency tables: counts against n, percentages, cumulated ones, means, spreads, medians, top shares."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isqrt

from analysis.audit.columns import places_of_labels
from analysis.audit.count_bounds import (
    COMPLETE,
    Around,
    Bound,
    Number,
    Solution,
    is_scale,
    solutions,
)
from analysis.audit.findings import CERTAIN, LIKELY, CellFinding, Finding, cell
from analysis.audit.printed import Printed, Rounding, shown
from analysis.audit.records import Frequencies, Published, told
from analysis.audit.sheet import Told

_RULES = {
    "count": "counts",
    "n": "counts",
    COMPLETE: "counts",
    "percent": "percentage",
    "cumulative": "cumulative",
    "cumulative_count": "cumulative",
    "mean": "mean",
    "top": "top-two",
}


@dataclass(frozen=True)
class Solved:
    """A frequency table with the counts that its numbers allow."""

    table: Frequencies
    around: Around
    ways: Sequence[Solution]

    @property
    def best(self) -> Solution:
        """The way that is told."""
        return self.ways[0]


@functools.lru_cache(maxsize=4)  # several rules ask for the same
def solved(published: Published, told: Told, rounding: Rounding) -> list[Solved]:
    """Every frequency table, solved with what the tables of its file have in common."""
    found = []
    for table in published.frequencies:
        around = _around([one for one in published.frequencies if one.file == table.file], told)
        found.append(
            Solved(table, around, _ordered(solutions(table, around, rounding), table, around))
        )
    return found


def best_solved(published: Published, told: Told) -> list[Solved]:
    """The tables solved as rounded or as cut off, by which fewer of their cells are wrong.

    For rules about other numbers, which may have been rounded in the other way.
    """
    both = [solved(published, told, way) for way in Rounding]
    return min(both, key=lambda ways: sum(one.best.cost for one in ways))


def _around(tables: Sequence[Frequencies], told: Told) -> Around:
    sums = [sum(t.counts) if t.counts else None for t in tables]
    stated = [t.n.whole if t.n is not None else None for t in tables]
    ratios = Counter(
        a // b for a, b in zip(sums, stated, strict=True) if a and b and a % b == 0 and a > b
    )
    ratio, times = ratios.most_common(1)[0] if ratios else (1, 0)
    both = sum(1 for a, b in zip(sums, stated, strict=True) if a and b)
    per_person = ratio if 2 * times > both else 1
    usual = Counter(b * per_person if b else a for a, b in zip(sums, stated, strict=True) if a or b)
    n, times = usual.most_common(1)[0] if usual else (0, 0)
    points = [point for table in tables for point in table.points or []]
    highest = told.high if told.high is not None else max(points, default=None)
    if told.n is not None:
        return Around(told.n, True, per_person, highest)
    return Around(n if times > 1 else None, False, per_person, highest)


def _ordered(ways: Sequence[Solution], table: Frequencies, around: Around) -> list[Solution]:
    """The ways, the most credible first: a usual n, wrong cells in one row, printed counts kept."""

    def key(way: Solution) -> tuple[int, ...]:
        stated = (
            table.n.whole * around.per_person if table.n is not None and table.n.whole else None
        )
        rows = {bound.at for bound in way.left_out if bound.kind != "n"}
        kinds = [bound.kind for bound in way.left_out]
        return (
            int(around.usual_n is not None and way.n != around.usual_n),
            len(rows),
            kinds.count("count"),
            int(stated is not None and way.n != stated),
        )

    return sorted(ways, key=key)


def frequency_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Counts against n, percentages, cumulated percentages, means and top shares of each table."""
    everything = solved(published, told, rounding)
    for one in everything:
        if not one.best.left_out:
            continue
        if _is_a_selection(one, everything):
            continue
        yield _finding(one)


def _is_a_selection(one: Solved, everything: Sequence[Solved]) -> bool:
    """Whether nothing is wrong but that the options printed are not all, which many tables do on purpose."""
    if [bound.kind for bound in one.best.left_out] != [COMPLETE]:
        return False
    if not is_scale(one.table) or len(one.table.options) < 3:
        return True
    whole = [o for o in everything if o.table.file == one.table.file and not o.best.left_out]
    return not whole and one.table.n is None


def _finding(one: Solved) -> Finding:
    best = one.best
    cells = [found for bound in best.left_out if (found := _cell(one, best, bound)) is not None]
    sure, why = CERTAIN, " ".join(_why(one, best, bound) for bound in best.left_out)
    if [bound.kind for bound in best.left_out] == [COMPLETE]:
        sure = LIKELY
        cells = [
            found
            for option in one.table.options[-1:]
            for printed in (option.count or option.percent or option.cumulative,)
            if printed is not None
            for found in (cell(printed),)
        ]
    others = [
        found
        for way in one.ways[1:]
        for bound in way.left_out
        if (found := _cell(one, way, bound)) is not None
        and found.place not in {c.place for c in cells}
    ]
    kind = min((b.kind for b in best.left_out), key=list(_RULES).index)
    rule = _RULES[kind]
    if (
        kind in ("percent", "cumulative")
        and not any(o.count for o in one.table.options)
        and best.n is not None
    ):
        rule = "no-count"
    return Finding(
        rule, told(one.table.names), cells, why, sure, _repair(one, cells), _once(others)
    )


def _once(cells: Sequence[CellFinding]) -> list[CellFinding]:
    return list({found.place: found for found in cells}.values())


def _cell(one: Solved, way: Solution, bound: Bound) -> CellFinding | None:
    return None if bound.cell is None else cell(bound.cell, _recomputed(one, way, bound))


def _recomputed(one: Solved, way: Solution, bound: Bound) -> str:
    """What a cell would have to be, by the counts that all others allow; empty for no cell."""
    if bound.cell is None:
        return ""
    low, high = _value(one, way, bound, 0), _value(one, way, bound, 1)
    if low is None or high is None:
        return ""
    first, last = bound.cell.like(low), bound.cell.like(high)
    return first if first == last else f"{first} to {last}"


def _value(one: Solved, way: Solution, bound: Bound, end: int) -> Fraction | None:
    counts = [pair[end] for pair in way.counts]
    whole, n = (1 if one.table.share else 100), way.n
    total: Number = n if n is not None else whole
    if bound.kind == "count":
        return Fraction(counts[bound.at])
    if bound.kind == "n":
        return Fraction(n or 0) / one.around.per_person
    if bound.kind == "percent":
        return Fraction(counts[bound.at]) * whole / (way.base if way.base else whole)
    # The ends of a sum are not the sums of the ends, but with exact counts they are.
    if bound.kind == "cumulative":
        return _sum(way, bound.at, end) * whole / total
    if bound.kind == "cumulative_count":
        return _sum(way, bound.at, end)
    ends = [
        pair[end] if w >= 0 else pair[1 - end]
        for w, pair in zip(bound.weights, way.counts, strict=True)
    ]
    weighted = Fraction(sum(w * c for w, c in zip(bound.weights, ends, strict=True)))
    if bound.kind == "top" and bound.cell is not None:
        as_share = bound.cell.value <= 1 and bound.cell.decimals > 0 and not bound.cell.percent
        return weighted * (1 if as_share else 100) / total
    return weighted / total


def _sum(way: Solution, last: int, end: int) -> Fraction:
    """The least or greatest sum of the counts up to an option, bounded from both ends."""
    before = sum(pair[end] for pair in way.counts[: last + 1])
    total: Number = way.n if way.n is not None else 100
    after = total - sum(pair[1 - end] for pair in way.counts[last + 1 :])
    return Fraction(min(before, after) if end else max(before, after))


def _why(one: Solved, way: Solution, bound: Bound) -> str:
    value, n = (_recomputed(one, way, bound) if bound.cell is not None else ""), way.n
    label = one.table.options[bound.at].label
    if bound.kind == "percent":
        exact, base = way.counts[bound.at], way.base
        if exact[0] == exact[1] and base:
            return f"Option {label}: {exact[0]} of {base} is {value} %."
        return (
            f"Option {label}: no count of {n} fits; the others leave {value} %."
            if n
            else (f"Option {label}: the other percentages leave {value} %.")
        )
    if bound.kind in ("cumulative", "cumulative_count"):
        low, high = _sum(way, bound.at, 0), _sum(way, bound.at, 1)
        of = f" of {n}, {value}" if n and bound.kind == "cumulative" else ""
        if n is None:
            return f"Up to option {label} the percentages come to {value}."
        return f"Up to option {label} there are {low}{'' if low == high else f' to {high}'}{of}."
    if bound.kind == "count":
        return f"{_added(one)} the rest leaves {value} for option {label}."
    if bound.kind == "n":
        return f"The counts add up to {n}."
    if bound.kind == COMPLETE:
        return f"{_added(one)} the options printed leave some out."
    if bound.kind == "mean":
        return f"The frequencies have the mean {value}."
    return f"The two highest points have {value} % by the frequencies."


def _added(one: Solved) -> str:
    counts, n = one.table.counts, one.best.n
    if counts and n is not None:
        return f"The counts add up to {sum(counts)}, n is {n};"
    percents = [o.percent.value for o in one.table.options if o.percent is not None]
    return f"The percentages add up to {shown(sum(percents, Fraction(0)), 2)};"


def _repair(one: Solved, cells: Sequence[CellFinding]) -> str:
    done = [
        f"{c.place.row or one.table.item}, {c.place.column}: {c.recomputed}"
        for c in cells
        if c.recomputed
    ]
    return "; ".join(done)


def spread_findings(published: Published, told_too: Told, rounding: Rounding) -> Iterator[Finding]:
    """Standard deviations and medians against the frequencies."""
    for one in best_solved(published, told_too):
        counts, points = one.best.exact, one.table.points
        if counts is None or points is None or one.best.n is None or one.best.left_out:
            continue
        whole = [int(c) for c in counts]
        printed = one.table.sd
        if printed is not None and printed.relation == "=":
            fits = [_sd_range(whole, points, by) for by in (one.best.n - 1, one.best.n) if by > 0]
            low, high = printed.range(rounding)
            # Squares are compared, so that nothing is rounded on the way.
            if fits and not any(max(low, Fraction(0)) ** 2 <= v <= high**2 for v in fits):
                yield _spread(one, printed, _root(fits[0], printed), "standard deviation")
        median = one.table.median
        if median is not None and median.relation == "=":
            middle = _median(whole, points)
            if not median.fits(middle, rounding):
                yield _spread(one, median, median.like(middle), "median")


def _spread(one: Solved, printed: Printed, value: str, what: str) -> Finding:
    return Finding(
        "mean",
        told(one.table.names),
        [cell(printed, value)],
        f"The frequencies have the {what} {value}.",
        CERTAIN,
        f"{what} {value}",
    )


def _sd_range(counts: Sequence[int], points: Sequence[int], by: int) -> Fraction:
    """The variance, exactly."""
    n = sum(counts)
    total = sum(c * p for c, p in zip(counts, points, strict=True))
    squares = sum(c * p * p for c, p in zip(counts, points, strict=True))
    return Fraction(squares * n - total * total, n * by)


def _root(value: Fraction, printed: Printed) -> str:
    scale = 10 ** (printed.decimals + 4)
    return printed.like(
        Fraction(isqrt(value.numerator * scale * scale // value.denominator), scale)
    )


def _median(counts: Sequence[int], points: Sequence[int]) -> Fraction:
    answers = sorted(zip(points, counts, strict=True))
    middle, n = [], sum(counts)
    for place in ((n - 1) // 2, n // 2):
        seen = 0
        for point, count in answers:
            seen += count
            if seen > place:
                middle.append(point)
                break
    return Fraction(sum(middle), 2)


def order_findings(published: Published, told_too: Told, rounding: Rounding) -> Iterator[Finding]:
    """Options out of order, named twice, or outside the scale; one number with two labels."""
    del rounding
    for table in published.frequencies:
        labels = [option.label for option in table.options]
        places = table.points or places_of_labels(labels)
        first = next((label for label in labels if labels.count(label) > 1), None)
        if first is not None and is_scale(table):
            yield _label(table, labels.index(first, labels.index(first) + 1), "is there twice")
            continue
        if places is None or _sorted_by_count(table):
            continue
        rising = sum(a < b for a, b in pairwise(places))
        falling = sum(a > b for a, b in pairwise(places))
        if min(rising, falling):
            at = _out_of_order(places, rising >= falling)
            yield _label(table, at, "is out of order")
        ends = (told_too.low, told_too.high)
        for at, point in enumerate(table.points or ()):
            if None not in ends and not (ends[0] or 0) <= point <= (ends[1] or 0):
                yield _label(table, at, f"is outside the scale {ends[0]} to {ends[1]}")


def _sorted_by_count(table: Frequencies) -> bool:
    """Whether the rows stand by how often they were chosen, which is an order too."""
    sizes = [(o.count or o.percent) for o in table.options]
    values = [one.value for one in sizes if one is not None]
    cumulated = any(option.cumulative is not None for option in table.options)
    return (
        len(values) > 2
        and not cumulated
        and values in (sorted(values), sorted(values, reverse=True))
    )


def _out_of_order(places: Sequence[int], rising: bool) -> int:
    """The option without which the others are in order, the first of several."""
    for at in range(len(places)):
        rest = [*places[:at], *places[at + 1 :]]
        if rest == sorted(set(rest), reverse=not rising):
            return at
    turns = (at for at, (a, b) in enumerate(pairwise(places), start=1) if (a < b) != rising)
    return next(turns, len(places) - 1)


def _label(table: Frequencies, at: int, what: str) -> Finding:
    option = table.options[at]
    shown_labels = ", ".join(o.label for o in table.options)
    return Finding(
        "labels",
        told(table.names),
        [CellFinding(option.place, option.label)],
        f"Option {option.label} {what} in {shown_labels}.",
        LIKELY,
        "the options in the order of the scale, each once",
    )
