"""What whole answers allow: means (GRIM), standard deviations (GRIMMER), and both within the scale's ends.

A mean of n people whose scores are whole numbers divided by k (the items averaged; 1 for a total) is a
whole number divided by n k. The squares of n whole numbers add up to a whole number that is even exactly
where their sum is, is least where they lie next to each other and greatest where they lie at the ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from analysis.audit.findings import CERTAIN, LIKELY, Finding, cell
from analysis.audit.printed import Printed, Rounding, shown
from analysis.audit.records import Published, Summary
from analysis.audit.sheet import Told

# Means that all are possible by chance this rarely are taken for means of whole answers.
_BY_CHANCE = 0.002


@dataclass(frozen=True)
class Grained:
    """A summary whose answers are whole numbers.

    Parameters
    ----------
    summary : Summary
    n : int
    parts : int
        Whole answers that a person's score averages.
    sure : str
        ``certain`` where the table says so, ``likely`` where its other means do.
    """

    summary: Summary
    n: int
    parts: int
    sure: str

    def sums(self, rounding: Rounding, n: int | None = None) -> range:
        """Sums of all answers that give the printed mean."""
        mean = self.summary.mean
        if mean is None:
            return range(0)
        low, high = mean.range(rounding)
        by = (n or self.n) * self.parts
        return range(math.ceil(low * by), math.floor(high * by) + 1)

    @property
    def ends(self) -> tuple[int, int] | None:
        """Lowest and highest score of a person, times ``parts``."""
        scale = self.summary.scale
        if scale.low is None or scale.high is None:
            return None
        times = self.parts
        if self.summary.is_total:
            if scale.items is None:
                return None
            times = scale.items * (scale.topics or 1)
        return scale.low * times, scale.high * times


def grained(published: Published, rounding: Rounding) -> list[Grained]:
    """Summaries of whole answers: those that say so, and files whose means could hardly be so by chance."""
    found, open_ones = [], []
    for one in published.summaries:
        if one.mean is None or one.size is None or one.size < 1 or one.mean.relation != "=":
            continue
        if one.is_total:
            found.append(Grained(one, one.size, 1, CERTAIN))
        elif one.scale.items:
            found.append(Grained(one, one.size, one.scale.items * (one.scale.topics or 1), CERTAIN))
        else:
            open_ones.append(Grained(one, one.size, 1, LIKELY))
    by_file: dict[str, list[Grained]] = {}
    for grain in open_ones:
        by_file.setdefault(grain.summary.place.file, []).append(grain)
    for grains in by_file.values():
        if _are_whole(grains, rounding):
            found += grains
    return found


def _are_whole(grains: Sequence[Grained], rounding: Rounding) -> bool:
    chance, failed = 1.0, 0
    for grain in grains:
        mean = grain.summary.mean
        if mean is None:
            continue
        if grain.sums(rounding):
            chance *= min(1.0, float(mean.unit * grain.n))
        else:
            failed += 1
    return chance < _BY_CHANCE and failed <= max(1, len(grains) // 6)


def grim_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Means that no whole answers of n people have (Brown & Heathers 2017)."""
    del told
    for grain in grained(published, rounding):
        mean = grain.summary.mean
        if mean is None or grain.sums(rounding):
            continue
        by = grain.n * grain.parts
        below, above = (
            Fraction(math.floor(mean.value * by), by),
            Fraction(math.ceil(mean.value * by), by),
        )
        near = " or ".join(dict.fromkeys((mean.like(below), mean.like(above))))
        whole = f"{grain.n} people" + (f" x {grain.parts} answers" if grain.parts > 1 else "")
        sizes = [n for n in range(max(1, grain.n - 5), grain.n + 6) if grain.sums(rounding, n)]
        also = f"; or n of {', '.join(map(str, sizes))}" if sizes else ""
        yield Finding(
            "grim",
            grain.summary.about,
            [cell(mean, near)],
            f"{whole} with whole answers have a mean of {near}, never {mean.text}"
            + (
                " (the other means of the table say that answers are whole)."
                if grain.sure == LIKELY
                else "."
            ),
            grain.sure,
            f"mean {near}{also}",
            [cell(grain.summary.n, ", ".join(map(str, sizes)))] if grain.summary.n else [],
        )


def grimmer_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Standard deviations that whole answers with this mean do not have (Anaya 2016; Allard 2018)."""
    del told
    likely: list[Finding] = []
    tried = 0
    for grain in grained(published, rounding):
        sums, sd = grain.sums(rounding), grain.summary.sd
        if not sums or sd is None or sd.relation != "=" or grain.n < 2:
            continue
        tried += grain.sure == LIKELY
        if any(
            _squares(grain, total, sd, rounding, by)
            for total in sums
            for by in (grain.n - 1, grain.n)
        ):
            continue
        finding = _grimmer(grain, sums, sd)
        if grain.sure == CERTAIN:
            yield finding
        else:
            likely.append(finding)
    # Where many fail, the spread printed is not that of single whole answers.
    if len(likely) <= max(1, tried // 4):
        yield from likely


def _least_and_most(grain: Grained, total: int) -> tuple[int, int | None]:
    """Least and greatest sum of squares of n whole numbers with this sum."""
    base, over = divmod(total, grain.n)
    least = (grain.n - over) * base**2 + over * (base + 1) ** 2
    ends = grain.ends
    if ends is None or not grain.n * ends[0] <= total <= grain.n * ends[1]:
        return least, None
    low, high = ends
    at_high, rest = divmod(total - grain.n * low, high - low) if high > low else (0, 0)
    most = at_high * high**2
    if at_high < grain.n:
        most += (low + rest) ** 2 + (grain.n - at_high - 1) * low**2
    return least, most


def _squares(grain: Grained, total: int, sd: Printed, rounding: Rounding, by: int) -> bool:
    """Whether a whole, rightly even or odd sum of squares gives the printed standard deviation."""
    low, high = sd.range(rounding)
    scale, mean_part = grain.parts**2, Fraction(total * total, grain.n)
    first = max(Fraction(0), low) ** 2 * scale * by + mean_part
    last = high**2 * scale * by + mean_part
    least, most = _least_and_most(grain, total)
    start = max(math.ceil(first), least)
    end = math.floor(last) if most is None else min(math.floor(last), most)
    start += (start - total) % 2
    return start <= end


def _grimmer(grain: Grained, sums: range, sd: Printed) -> Finding:
    near = _nearest_spreads(grain, sums, sd)
    mean = grain.summary.mean
    return Finding(
        "grimmer",
        grain.summary.about,
        [cell(sd, near)],
        f"{grain.n} whole answers with the mean {mean.text if mean else ''} have a standard deviation of "
        f"{near}, "
        f"never {sd.text}.",
        grain.sure,
        f"standard deviation {near}, or another mean or n",
        [
            one
            for one in (
                cell(mean) if mean else None,
                cell(grain.summary.n) if grain.summary.n else None,
            )
            if one
        ],
    )


def _nearest_spreads(grain: Grained, sums: range, sd: Printed) -> str:
    """The possible standard deviations next to the printed one."""
    below, above = -math.inf, math.inf
    for total in sums:
        least, most = _least_and_most(grain, total)
        middle = float(
            sd.value**2 * grain.parts**2 * (grain.n - 1) + Fraction(total * total, grain.n)
        )
        around = [
            least,
            *range(math.floor(middle) - 3, math.floor(middle) + 5),
            *([most] if most else []),
        ]
        for squares in around:
            if squares < least or (most is not None and squares > most) or (squares - total) % 2:
                continue
            variance = (squares - total * total / grain.n) / (grain.n - 1) / grain.parts**2
            value = math.sqrt(max(0.0, variance))
            if value <= sd.value:
                below = max(below, value)
            else:
                above = min(above, value)
    found = [shown(v, max(sd.decimals, 0)) for v in (below, above) if math.isfinite(v)]
    return " or ".join(dict.fromkeys(found)) or "another size"


def scale_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Means beyond the scale, spreads wider than it, estimates outside their interval or their ends."""
    del told
    for one in published.summaries:
        yield from _outside(one, rounding)
        yield from _too_wide(one, rounding)


def _outside(one: Summary, rounding: Rounding) -> Iterator[Finding]:
    mean = one.mean
    if mean is None or mean.relation != "=":
        return
    low, high = mean.range(rounding)
    for end, is_low in ((one.ci_low, True), (one.ci_high, False)):
        if end is None or end.relation != "=":
            continue
        least, most = end.range(rounding)
        if (high < least) if is_low else (low > most):
            yield Finding(
                "scale", one.about, [cell(mean), cell(end)],
                f"The mean {mean.text} lies {'below' if is_low else 'above'} {end.place.column} {end.text}.",
                CERTAIN, "another mean or limit",
            )  # fmt: skip
    ends = _ends(one)
    if ends is not None and (high < ends[0] or low > ends[1]):
        yield Finding(
            "scale", one.about, [cell(mean)],
            f"Scores lie between {ends[0]} and {ends[1]}; no mean is {mean.text}.", CERTAIN, "another mean",
        )  # fmt: skip


def _ends(one: Summary) -> tuple[int, int] | None:
    scale = one.scale
    if scale.low is None or scale.high is None:
        return None
    if not one.is_total:
        return scale.low, scale.high
    times = (scale.items or 0) * (scale.topics or 1)
    return (scale.low * times, scale.high * times) if times else None


def _too_wide(one: Summary, rounding: Rounding) -> Iterator[Finding]:
    ends, n, mean, sd = _ends(one), one.size, one.mean, one.sd
    if ends is None or not n or n < 2 or mean is None or sd is None or sd.relation != "=":
        return
    low, high = mean.range(rounding)
    middle = Fraction(ends[0] + ends[1], 2)
    nearest = min(max(middle, low), high)
    widest = Fraction(n, n - 1) * (ends[1] - nearest) * (nearest - ends[0])
    least = max(Fraction(0), sd.range(rounding)[0])
    if widest >= 0 and least**2 > widest:
        most = shown(math.sqrt(widest), max(sd.decimals, 0))
        yield Finding(
            "grimmer", one.about, [cell(sd, f"at most {most}")],
            f"With the mean {mean.text} on {ends[0]} to {ends[1]}, the standard deviation is at most {most}.",
            CERTAIN, f"a standard deviation up to {most}", [cell(mean)],
        )  # fmt: skip


def error_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """Standard errors that are not SD / sqrt(n)."""
    del told
    found, tried = [], 0
    for one in published.summaries:
        sd, se, n = one.sd, one.se, one.size
        if sd is None or se is None or not n or "=" not in (sd.relation, se.relation):
            continue
        tried += 1
        low, high = sd.range(rounding)
        least, most = se.range(rounding)
        if max(low, Fraction(0)) ** 2 > most**2 * n or high**2 < max(least, Fraction(0)) ** 2 * n:
            value = shown(float(sd.value) / math.sqrt(n), max(se.decimals, 0))
            found.append(
                Finding("grimmer", one.about, [cell(se, value)], f"{sd.text} / sqrt({n}) is {value}.", LIKELY,
                        f"standard error {value}", [cell(sd)])
            )  # fmt: skip
    # Standard errors of a model are none of these, and then most differ.
    if 2 * len(found) <= max(tried, 2):
        yield from found
