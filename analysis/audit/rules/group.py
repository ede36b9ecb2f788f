"""Groups against the whole, and two splits of the same people against each other.

Every person is in one group of a split, so the groups' sums come to the whole's sum, and the squares
within and between the groups to the whole's sum of squares: whatever the split.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product

from analysis.audit.columns import WHOLE_WORDS, words
from analysis.audit.findings import CERTAIN, LIKELY, CellFinding, Finding, cell
from analysis.audit.printed import Printed, Range, Rounding, shown
from analysis.audit.records import Comparison, Published, Summary, identity
from analysis.audit.sheet import Told

_MOST_GROUPS = 8


@dataclass(frozen=True)
class Split:
    """All people in groups: sizes, means and spreads."""

    comparison: Comparison
    sizes: tuple[int, ...]

    @property
    def n(self) -> int:
        """All people."""
        return sum(self.sizes)

    @property
    def means(self) -> list[Printed]:
        """The groups' printed means."""
        return [one.mean for one in self.comparison.groups if one.mean is not None]

    @property
    def spreads(self) -> list[Printed] | None:
        """The groups' standard deviations, where all are printed."""
        found = [
            one.sd
            for one in self.comparison.groups
            if one.sd is not None and one.sd.relation == "="
        ]
        return found if len(found) == len(self.sizes) else None

    def total(self, rounding: Rounding, sizes: Sequence[int] | None = None) -> Range:
        """The sum over all people, least and greatest; whole where scores are."""
        sizes = sizes or self.sizes
        whole = all(one.is_total for one in self.comparison.groups)
        low = high = Fraction(0)
        for n, mean in zip(sizes, self.means, strict=True):
            least, most = (end * n for end in mean.range(rounding))
            low += math.ceil(least) if whole and math.ceil(least) <= math.floor(most) else least
            high += math.floor(most) if whole and math.ceil(least) <= math.floor(most) else most
        return low, high

    @property
    def what(self) -> frozenset[str]:
        """The words of what was measured."""
        return _measured(self.comparison.groups[0])


def _measured(one: Summary) -> frozenset[str]:
    return (identity(one.names) | set(words(one.what))) - {"mean"}


def splits(published: Published) -> list[Split]:
    """Comparisons of groups of people with their sizes; systems and times are no split."""
    found = []
    for comparison in published.comparisons:
        sizes = [one.size for one in comparison.groups]
        known = [n for n in sizes if n]
        complete = all(
            one.mean is not None and one.mean.relation == "=" for one in comparison.groups
        )
        if (
            len(known) == len(sizes)
            and complete
            and not comparison.within
            and len(sizes) <= _MOST_GROUPS
        ):
            found.append(Split(comparison, tuple(known)))
    return found


def weighted_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Weighted means of groups against the whole's, and of two splits of the same people."""
    every = splits(published)
    for split in every:
        for whole in _wholes(split, published, told):
            if whole.size is not None and whole.size != split.n:
                if whole is split.comparison.whole:
                    yield _sizes(split, whole)
                continue
            yield from _against_whole(split, whole, rounding)
    for one, two in combinations(every, 2):
        if _same_people(one, two):
            yield from _against_split(one, two, rounding)


def _wholes(split: Split, published: Published, told: Told) -> list[Summary]:
    """Summaries of all people about the same outcome: the table's own, and other tables'."""
    own = [split.comparison.whole] if split.comparison.whole is not None else []
    inside = {one.place for one in split.comparison.groups}
    del told
    others = [
        one
        for one in published.summaries
        if one.mean is not None
        and one.size == split.n
        and one.place not in inside
        and (_measured(one) | set(words(one.group))) - _said_of_all(one) == split.what
        and one not in own
    ]
    return [*own, *others]


def _said_of_all(one: Summary) -> set[str]:
    return set(words(one.group)) if " ".join(words(one.group)) in WHOLE_WORDS else set()


def _same_people(one: Split, two: Split) -> bool:
    names = [{g.group for g in split.comparison.groups} for split in (one, two)]
    return (
        one.what == two.what and one.n == two.n and names[0] != names[1] and not names[0] & names[1]
    )


def _sizes(split: Split, whole: Summary) -> Finding:
    cells = (
        [cell(whole.n, str(split.n))] if whole.n else [CellFinding(whole.place, "", str(split.n))]
    )
    others = [cell(one.n, str(one.size + whole.size - split.n)) for one in split.comparison.groups
              if one.n and one.size and whole.size]  # fmt: skip
    return Finding(
        "weighted-means", split.comparison.about, cells,
        f"The groups have {' + '.join(map(str, split.sizes))} = {split.n} people, the whole {whole.size}.",
        LIKELY, f"n of {split.n}, or another group size", others,
    )  # fmt: skip


def _against_whole(split: Split, whole: Summary, rounding: Rounding) -> Iterator[Finding]:
    if whole.mean is None or whole.mean.relation != "=":
        return
    low, high = split.total(rounding)
    least, most = (end * split.n for end in whole.mean.range(rounding))
    if low > most or high < least:
        value = (
            sum((n * m.value for n, m in zip(split.sizes, split.means, strict=True)), Fraction(0))
            / split.n
        )
        sizes = _sizes_that_fit(split, (least, most), rounding)
        yield Finding(
            "weighted-means",
            split.comparison.about,
            [cell(whole.mean, whole.mean.like(value))],
            f"The groups' means weighted by {', '.join(map(str, split.sizes))} are {shown(value, 3)}, "
            f"the whole's "
            f"mean is {whole.mean.text}.",
            CERTAIN if whole is split.comparison.whole else LIKELY,
            _with_sizes(f"whole mean {whole.mean.like(value)}", sizes),
            _means_that_fit(split, whole.mean.value * split.n) + _size_cells(split, sizes),
        )
    elif whole.sd is not None and split.spreads is not None and whole.sd.relation == "=":
        yield from _spread_of_whole(split, whole, whole.sd, rounding)


def _sizes_that_fit(split: Split, wanted: Range, rounding: Rounding) -> list[tuple[int, int]]:
    """Sizes of two groups, of the same number of people, with which the means come to the whole."""
    if len(split.sizes) != 2:
        return []
    found = []
    for first in range(1, split.n):
        low, high = split.total(rounding, (first, split.n - first))
        if low <= wanted[1] and high >= wanted[0]:
            found.append((first, split.n - first))
    return found


def _with_sizes(repair: str, sizes: Sequence[tuple[int, ...]]) -> str:
    if not sizes:
        return repair
    listed = ", ".join(" and ".join(map(str, pair)) for pair in sizes[:4])
    return f"{repair}; or group sizes {listed}"


def _size_cells(split: Split, sizes: Sequence[tuple[int, ...]]) -> list[CellFinding]:
    cells = [one.n for one in split.comparison.groups]
    return [
        cell(n, str(pair[at])) for pair in sizes[:1] for at, n in enumerate(cells) if n is not None
    ]


def _means_that_fit(split: Split, wanted: Fraction) -> list[CellFinding]:
    """For each group the mean that would make the sum right."""
    total = sum((n * m.value for n, m in zip(split.sizes, split.means, strict=True)), Fraction(0))
    return [
        cell(mean, mean.like(mean.value + (wanted - total) / n))
        for n, mean in zip(split.sizes, split.means, strict=True)
    ]


def _against_split(one: Split, two: Split, rounding: Rounding) -> Iterator[Finding]:
    first, second = one.total(rounding), two.total(rounding)
    if first[0] > second[1] or first[1] < second[0]:
        values = [
            sum((n * m.value for n, m in zip(s.sizes, s.means, strict=True)), Fraction(0)) / s.n
            for s in (one, two)
        ]
        sizes = _sizes_that_fit(two, first, rounding)
        yield Finding(
            "weighted-means",
            f"{two.comparison.about} and {one.comparison.about}",
            [cell(mean) for mean in two.means],
            f"Two splits of {one.n} people have the weighted means {shown(values[0], 3)} and "
            f"{shown(values[1], 3)}.",
            LIKELY,
            _with_sizes("one of the groups' means", sizes),
            _means_that_fit(one, values[1] * one.n)
            + _means_that_fit(two, values[0] * two.n)
            + _size_cells(two, sizes),
        )


def squares_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Total sums of squares of two splits of the same people."""
    del told
    for one, two in combinations(splits(published), 2):
        if not _same_people(one, two) or one.spreads is None or two.spreads is None:
            continue
        pairs = [(_squares(one, rounding, less), _squares(two, rounding, less)) for less in (1, 0)]
        if any(a[0] <= b[1] and b[0] <= a[1] for a, b in pairs):
            continue
        (a, b), sizes = pairs[0], _sizes_for_squares(two, pairs[0][0], rounding)
        yield Finding(
            "sums-of-squares",
            f"{two.comparison.about} and {one.comparison.about}",
            [cell(sd) for sd in two.spreads],
            f"Two splits of {one.n} people have the total sums of squares {_told(a)} and {_told(b)}.",
            LIKELY,
            _with_sizes("one of the standard deviations or means", sizes),
            [
                *map(cell, one.spreads),
                *map(cell, two.means),
                *map(cell, one.means),
                *_size_cells(two, sizes),
            ],
        )


def _told(ends: tuple[float, float]) -> str:
    return f"{shown(ends[0], 0)} to {shown(ends[1], 0)}"


def _squares(
    split: Split, rounding: Rounding, less: int, sizes: Sequence[int] | None = None
) -> tuple[float, float]:
    """Total sum of squares, least and greatest: within from the spreads, between from the means.

    ``less`` is 1 where a spread divides by n - 1 and 0 where by n.
    """
    sizes = sizes or split.sizes
    low = high = 0.0
    for n, sd in zip(sizes, split.spreads or [], strict=True):
        least, most = sd.range(rounding)
        low += (n - less) * max(0.0, float(least)) ** 2
        high += (n - less) * float(most) ** 2
    ranges = [tuple(map(float, mean.range(rounding))) for mean in split.means]
    return low + between_groups(sizes, ranges, least=True), high + between_groups(
        sizes, ranges, least=False
    )


def between_groups(
    sizes: Sequence[int], ranges: Sequence[tuple[float, ...]], *, least: bool
) -> float:
    """Sum of squares between groups; it is convex in the means, so its most lies at a corner."""
    if not least:
        return max(_around_mean(sizes, corner) for corner in product(*ranges))
    # Its least: every mean as near to a common value as its range lets it; convex in that value.
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    for _ in range(200):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if _to(sizes, ranges, a) < _to(sizes, ranges, b):
            high = b
        else:
            low = a
    return _to(sizes, ranges, (low + high) / 2)


def _around_mean(sizes: Sequence[int], means: Sequence[float]) -> float:
    grand = sum(n * m for n, m in zip(sizes, means, strict=True)) / sum(sizes)
    return sum(n * (m - grand) ** 2 for n, m in zip(sizes, means, strict=True))


def _to(sizes: Sequence[int], ranges: Sequence[tuple[float, ...]], value: float) -> float:
    near = [min(max(value, low), high) for low, high in ranges]
    return sum(n * (m - value) ** 2 for n, m in zip(sizes, near, strict=True))


def _sizes_for_squares(
    split: Split, wanted: tuple[float, float], rounding: Rounding
) -> list[tuple[int, int]]:
    if len(split.sizes) != 2:
        return []
    found = []
    for first in range(2, split.n - 1):
        pair = (first, split.n - first)
        low, high = _squares(split, rounding, 1, pair)
        if low <= wanted[1] and high >= wanted[0]:
            found.append(pair)
    return found


def _spread_of_whole(
    split: Split, whole: Summary, sd: Printed, rounding: Rounding
) -> Iterator[Finding]:
    least, most = (max(0.0, float(end)) ** 2 for end in sd.range(rounding))
    for less in (1, 0):
        low, high = _squares(split, rounding, less)
        if low <= most * (split.n - less) and high >= least * (split.n - less):
            return
    low, high = _squares(split, rounding, 1)
    value = sd.like(math.sqrt((low + high) / 2 / (split.n - 1)))
    yield Finding(
        "sums-of-squares",
        split.comparison.about,
        [cell(sd, value)],
        f"The squares within and between the groups come to a standard deviation of {value} for the whole.",
        CERTAIN if whole is split.comparison.whole else LIKELY,
        f"standard deviation {value} of the whole, or another in the groups",
        [*map(cell, split.spreads or []), *map(cell, split.means)],
    )
