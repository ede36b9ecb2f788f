"""Percentages of n, shares of the top two points beside means, and numbers beside what they come to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from analysis.audit.findings import CERTAIN, LIKELY, CellFinding, Finding, cell
from analysis.audit.printed import Printed, Rounding
from analysis.audit.records import Parts, Published, Share, Summary, told
from analysis.audit.sheet import Told


def share_findings(published: Published, told_too: Told, rounding: Rounding) -> Iterator[Finding]:
    """Percentages that no count of n gives, or not the count printed beside them."""
    del told_too
    for share in published.shares:
        if share.n:
            yield from _share(share, share.n, rounding)


def _share(share: Share, n: int, rounding: Rounding) -> Iterator[Finding]:
    whole, about = (1 if share.one else 100), told(share.names)
    low, high = share.percent.range(rounding)
    least, most = math.ceil(low * n / whole), math.floor(high * n / whole)
    count = share.count.whole if share.count is not None else None
    if share.count is not None and count is not None:
        if least <= count <= most:
            return
        value = share.percent.like(Fraction(count * whole, n))
        counts = [cell(share.count, str(least))] if least <= most else []
        yield Finding("percentage", about, [cell(share.percent, value)], f"{count} of {n} is {value} %.",
                      CERTAIN, value, [*counts, *([cell(share.n_cell)] if share.n_cell else [])])  # fmt: skip
        return
    if least <= most or whole < share.percent.value:
        if whole < share.percent.value:
            yield Finding("percentage", about, [cell(share.percent)], f"{share.percent.text} % is above 100.",
                          LIKELY, "a percentage up to 100")  # fmt: skip
        return
    near = [Fraction(math.floor(share.percent.value * n / whole) + k) for k in (0, 1)]
    values = " or ".join(dict.fromkeys(share.percent.like(k * whole / n) for k in near))
    sizes = [
        m
        for m in range(max(1, n - 6), n + 7)
        if math.ceil(low * m / whole) <= math.floor(high * m / whole)
    ]
    also = f"; or n of {', '.join(map(str, sizes))}" if sizes else ""
    yield Finding(
        "no-count", about, [cell(share.percent, values)],
        f"{int(near[0])} and {int(near[1])} of {n} are {values} %; no count gives {share.percent.text}.",
        CERTAIN if share.n_cell else LIKELY, f"{values}{also}",
        [cell(share.n_cell, ", ".join(map(str, sizes)))] if share.n_cell else [],
    )  # fmt: skip


def top_two_findings(published: Published, told_too: Told, rounding: Rounding) -> Iterator[Finding]:
    """Shares of the top two points that no answers with this mean have."""
    del told_too
    for one in published.summaries:
        scale = one.scale
        if (
            one.top_two is not None
            and one.mean is not None
            and scale.low is not None
            and scale.high is not None
        ):
            yield from _top_two(one, one.top_two, one.mean, (scale.low, scale.high), rounding)


def _top_two(
    one: Summary, top: Printed, mean: Printed, ends: tuple[int, int], rounding: Rounding
) -> Iterator[Finding]:
    """With a share s at the top two, the mean lies between all others lowest and all highest they can be."""
    low, high = ends
    as_share = top.value <= 1 and top.decimals > 0 and not top.percent
    shares = [
        min(max(end / (1 if as_share else 100), Fraction(0)), Fraction(1))
        for end in top.range(rounding)
    ]
    least = low * (1 - shares[0]) + (high - 1) * shares[0]
    most = (high - 2) * (1 - shares[1]) + high * shares[1]
    if high - low < 2 or (mean.range(rounding)[1] >= least and mean.range(rounding)[0] <= most):
        return
    yield Finding(
        "top-two", one.about, [cell(top), cell(mean, f"{mean.like(least)} to {mean.like(most)}")],
        f"With {top.text}{'' if as_share else ' %'} at the two highest points of {low} to {high} the mean "
        f"lies between "
        f"{mean.like(least)} and {mean.like(most)}.", CERTAIN, "another mean or share",
    )  # fmt: skip


def parts_findings(published: Published, told_too: Told, rounding: Rounding) -> Iterator[Finding]:
    """An overall figure that is not the mean (or the sum) of those beside it.

    A column called average says that it is; one called overall may be a question of its own, so that it is
    taken for their mean only where most other rows agree.
    """
    del told_too
    by_column: dict[tuple[str, str, bool], list[Parts]] = {}
    for one in published.parts:
        place = one.whole.place
        by_column.setdefault(
            (place.file, place.column if not one.declared else "", one.declared), []
        ).append(one)
    for rows in by_column.values():
        kind = max(
            ("mean", "sum"), key=lambda kind: sum(_fits(one, kind, rounding) for one in rows)
        )
        wrong = [one for one in rows if not _fits(one, kind, rounding)]
        fitting = len(rows) - len(wrong)
        if not rows[0].declared and (fitting < 2 or len(wrong) > max(1, fitting // 3)):
            continue
        if rows[0].declared and len(rows) > 2 and len(wrong) > len(rows) / 2:
            continue
        for one in wrong:
            yield _parts(one, kind)


def _ends(one: Parts, kind: str, rounding: Rounding) -> tuple[Fraction, Fraction]:
    by = len(one.parts) if kind == "mean" else 1
    low, high = Fraction(0), Fraction(0)
    for part in one.parts:
        least, most = part.range(rounding)
        low, high = low + least, high + most
    return low / by, high / by


def _fits(one: Parts, kind: str, rounding: Rounding) -> bool:
    low, high = _ends(one, kind, rounding)
    least, most = one.whole.range(rounding)
    return low <= most and least <= high


def _parts(one: Parts, kind: str) -> Finding:
    by = len(one.parts) if kind == "mean" else 1
    total = sum((part.value for part in one.parts), Fraction(0))
    value = one.whole.like(total / by)
    return Finding(
        "overall", one.about, [cell(one.whole, value)],
        f"The {kind} of {', '.join(part.text for part in one.parts)} is {value}.",
        CERTAIN if one.declared else LIKELY, value, _parts_that_fit(one.parts, one.whole, total, by),
    )  # fmt: skip


def _parts_that_fit(
    parts: Sequence[Printed], whole: Printed, total: Fraction, by: int
) -> list[CellFinding]:
    return [cell(part, part.like(part.value + whole.value * by - total)) for part in parts]
