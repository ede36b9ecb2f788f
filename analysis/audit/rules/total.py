"""Means of one table against the frequencies of another: total scores, and single items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from analysis.audit.columns import words
from analysis.audit.findings import CERTAIN, LIKELY, Finding, cell
from analysis.audit.printed import Printed, Rounding
from analysis.audit.records import Frequencies, Published, Summary, identity
from analysis.audit.rules.frequency import Solved, best_solved
from analysis.audit.sheet import Told

_TOTAL = {"total", "totals", "sum", "mean", "score", "scores"}


def total_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Mean totals that the items' frequencies do not add up to, and items' means that are not theirs."""
    tables = best_solved(published, told)
    for one in published.summaries:
        if one.mean is None or one.mean.relation != "=" or not one.size:
            continue
        if one.is_total:
            yield from _total(one, one.mean, one.size, _items_of(one, tables), rounding)
        else:
            yield from _item(one, one.mean, tables, rounding)


def _system(table: Frequencies) -> frozenset[str]:
    """The words of what an item was asked about: its names without the item's own."""
    return identity({column: name for column, name in table.names.items() if name != table.item})


def _said(one: Summary) -> frozenset[str]:
    return (identity(one.names) | set(words(one.group)) | set(words(one.what))) - _TOTAL


def _items_of(one: Summary, tables: Sequence[Solved]) -> list[Solved]:
    found = [
        s
        for s in tables
        if s.table.points is not None
        and s.best.n is not None
        and _system(s.table)
        and _system(s.table) == _said(one)
    ]
    items = [s.table.item for s in found]
    wanted = one.scale.items or len(items)
    complete = len(items) == len(set(items)) == wanted and len(items) > 1
    per_person = one.scale.topics or 1
    alike = all(s.best.n == (one.size or 0) * per_person for s in found)
    return found if complete and alike else []


def _points(table: Frequencies, counts: Sequence[Fraction | int]) -> Fraction:
    return Fraction(sum(p * c for p, c in zip(table.points or [], counts, strict=True)))


def _total(
    one: Summary, mean: Printed, n: int, items: Sequence[Solved], rounding: Rounding
) -> Iterator[Finding]:
    if not items:
        return
    low = sum((_end(s, 0) for s in items), Fraction(0)) / n
    high = sum((_end(s, 1) for s in items), Fraction(0)) / n
    least, most = mean.range(rounding)
    if low <= most and least <= high:
        return
    as_printed, mended = _as_printed(items), sum((_end(s, 0) for s in items), Fraction(0)) / n
    printed_value = as_printed / n if as_printed is not None else mended
    changed = [
        f"{option.label} of {s.table.item} as {low}"
        for s in items
        if s.table.counts is not None and s.best.exact is not None
        for option, given, low in zip(s.table.options, s.table.counts, s.best.exact, strict=True)
        if given != low
    ]
    also = f" (with option {', '.join(changed)}: {mean.like(mended)})" if changed else ""
    file = items[0].table.file
    yield Finding(
        "mean",
        one.about,
        [cell(mean, mean.like(printed_value))],
        f"The frequencies in {file} give {n} people a mean total of {mean.like(printed_value)}{also}; "
        f"printed is "
        f"{mean.text}. One of the two tables is wrong.",
        CERTAIN,
        f"mean total {mean.like(mended)}, or other frequencies in {file}",
    )


def _end(one: Solved, end: int) -> Fraction:
    return _points(one.table, [pair[end] for pair in one.best.counts])


def _as_printed(items: Sequence[Solved]) -> Fraction | None:
    counts = [s.table.counts for s in items]
    if any(c is None for c in counts):
        return None
    return sum((_points(s.table, c or []) for s, c in zip(items, counts, strict=True)), Fraction(0))


def _item(
    one: Summary, mean: Printed, tables: Sequence[Solved], rounding: Rounding
) -> Iterator[Finding]:
    """The mean of an item against its own frequencies in another table."""
    same = [
        s
        for s in tables
        if s.table.points is not None
        and s.best.n
        and identity(s.table.names) == _said(one)
        and s.best.exact is not None
        and s.table.file != one.place.file
    ]
    if len(same) != 1 or same[0].best.n is None or same[0].best.exact is None:
        return
    value = _points(same[0].table, same[0].best.exact) / same[0].best.n
    if not mean.fits(value, rounding):
        yield Finding(
            "mean", one.about, [cell(mean, mean.like(value))],
            f"The frequencies in {same[0].table.file} have the mean {mean.like(value)}.", LIKELY,
            f"mean {mean.like(value)}, or other frequencies",
        )  # fmt: skip
