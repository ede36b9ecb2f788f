"""Printed p, t, F and d against n, mean and standard deviation, each printed number taken with its rounding.

Student's and Welch's test are both allowed, since few tables say which. Where the groups are systems or
times that the same people met, any test of differences may have been printed, and only what no correlation
gives is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from analysis.audit.findings import CERTAIN, LIKELY, POSSIBLE, CellFinding, Finding, cell
from analysis.audit.printed import Printed, Rounding, shown
from analysis.audit.records import Comparison, Published, Summary
from analysis.audit.sheet import Told

Ends = tuple[float, float]
_SIGNIFICANT = 0.05
# Floating-point work on exact ends; far below any printed digit.
_SLACK = 1e-9


@dataclass(frozen=True)
class Group:
    """n with the ends of mean and standard deviation, and what was printed."""

    n: int
    mean: Ends
    sd: Ends
    middle: tuple[float, float]

    def at(self, mean: float, sd: float) -> Group:
        """The same with one mean and one standard deviation."""
        return replace(self, mean=(mean, mean), sd=(sd, sd), middle=(mean, sd))


def _group(one: Summary, rounding: Rounding) -> Group | None:
    n, mean, sd = one.size, one.mean, one.sd
    if (
        n is None
        or n < 2
        or mean is None
        or sd is None
        or (mean.relation, sd.relation) != ("=", "=")
    ):
        return None
    low, high = map(float, sd.range(rounding))
    least, most = map(float, mean.range(rounding))
    return Group(n, (least, most), (max(0.0, low), high), (float(mean.value), float(sd.value)))


@dataclass(frozen=True)
class TwoGroups:
    """What two groups' printed figures allow for t, its degrees of freedom and p, by each test."""

    a: Group
    b: Group

    def _difference(self) -> Ends:
        low = self.a.mean[0] - self.b.mean[1]
        high = self.a.mean[1] - self.b.mean[0]
        if low <= 0 <= high:
            return 0.0, max(-low, high)
        return min(abs(low), abs(high)), max(abs(low), abs(high))

    def _errors(self, kind: str) -> Ends:
        ends = []
        for end in (0, 1):
            one, two = self.a.sd[end] ** 2, self.b.sd[end] ** 2
            n, m = self.a.n, self.b.n
            if kind == "Student":
                pooled = ((n - 1) * one + (m - 1) * two) / (n + m - 2)
                ends.append(math.sqrt(pooled * (1 / n + 1 / m)))
            else:
                ends.append(math.sqrt(one / n + two / m))
        return ends[0], ends[1]

    def t(self, kind: str) -> Ends:
        """Size of t, least and greatest."""
        (low, high), (least, most) = self._difference(), self._errors(kind)
        return (low / most if most else 0.0), (high / least if least else math.inf)

    def df(self, kind: str) -> Ends:
        """Degrees of freedom; of Welch's test between its values at the corners and those as printed."""
        n, m = self.a.n, self.b.n
        if kind == "Student":
            return float(n + m - 2), float(n + m - 2)
        found = []
        for one in (*self.a.sd, self.a.middle[1]):
            for two in (*self.b.sd, self.b.middle[1]):
                v, w = one**2 / n, two**2 / m
                if v + w > 0:
                    found.append((v + w) ** 2 / (v**2 / (n - 1) + w**2 / (m - 1)))
        return (min(found), max(found)) if found else (1.0, float(n + m - 2))

    def p(self, kind: str) -> Ends:
        """Two-sided p, least and greatest."""
        (low, high), (fewest, most) = self.t(kind), self.df(kind)
        return two_sided(high, most), two_sided(low, fewest)

    def paired_p(self) -> Ends:
        """What a test of differences within people can give, by the correlation between -1 and 1."""
        low, high = self._difference()
        n = self.a.n
        least = max(0.0, max(self.a.sd[0] - self.b.sd[1], self.b.sd[0] - self.a.sd[1])) / math.sqrt(
            n
        )
        most = (self.a.sd[1] + self.b.sd[1]) / math.sqrt(n)
        return two_sided(high / least if least else math.inf, n - 1), two_sided(
            low / most if most else 0.0, n - 1
        )

    def exact(self) -> TwoGroups:
        """Taken as printed, without rounding."""
        return TwoGroups(self.a.at(*self.a.middle), self.b.at(*self.b.middle))


def two_sided(t: float, df: float) -> float:
    """Two-sided p of t."""
    from scipy import special

    return 0.0 if math.isinf(t) else float(2 * special.stdtr(df, -abs(t)))


def p_ends(p: Printed, rounding: Rounding) -> Ends:
    """The ps that are printed like this one; ``ns`` is .05 and more, .000 anything below .0005."""
    if p.relation == "ns":
        return _SIGNIFICANT, 1.0
    if p.relation == "<":
        return 0.0, float(p.value)
    if p.relation == ">":
        return float(p.value), 1.0
    low, high = map(float, p.range(rounding))
    return max(0.0, low), min(1.0, high)


def _meet(one: Ends, two: Ends) -> bool:
    return one[0] <= two[1] + _SLACK and two[0] <= one[1] + _SLACK


def p_findings(published: Published, told: Told, rounding: Rounding) -> Iterator[Finding]:
    """p, t and degrees of freedom of two groups; F and p of several."""
    del told
    for comparison in published.comparisons:
        if comparison.other_test:
            continue
        groups = [_group(one, rounding) for one in comparison.groups]
        known = [one for one in groups if one is not None]
        if len(known) < len(groups):
            continue
        if len(known) == 2:
            yield from _two(comparison, TwoGroups(known[0], known[1]), rounding)
        elif len(known) > 2:
            yield from _several(comparison, known, rounding)


def _two(comparison: Comparison, two: TwoGroups, rounding: Rounding) -> Iterator[Finding]:
    p, t = comparison.p, comparison.t
    if _may_be_paired(comparison, two):
        if p is not None and t is None and not _meet(two.paired_p(), p_ends(p, rounding)):
            yield _wrong_p(comparison, two, p, rounding, POSSIBLE)
        return
    fits_p = p is None or _p_fits(two, p, rounding)
    fits_t = t is None or _t_fits(two, t, rounding)
    if not fits_t and t is not None:
        yield _wrong_t(comparison, two, t, rounding, both=not fits_p)
    elif not fits_p and p is not None:
        yield _wrong_p(comparison, two, p, rounding, LIKELY if t is None else CERTAIN)
    df = comparison.df
    if df is not None and df.relation == "=" and not _df_fits(two, df, rounding):
        values = " or ".join(
            shown(two.exact().df(kind)[0], k) for kind, k in (("Student", 0), ("Welch", 2))
        )
        yield Finding("p-value", comparison.about, [cell(df, values)],
                      f"Student's and Welch's tests of {two.a.n} and {two.b.n} have {values} degrees of "
                      "freedom.",
                      LIKELY, f"{values}, or other group sizes", _sizes_as_cells(comparison))  # fmt: skip
    if comparison.d is not None:
        yield from _effect(comparison, two, comparison.d, rounding)


def _may_be_paired(comparison: Comparison, two: TwoGroups) -> bool:
    if two.a.n != two.b.n:
        return False
    df = comparison.df
    return comparison.within or (df is not None and df.value == two.a.n - 1)


def _p_fits(two: TwoGroups, p: Printed, rounding: Rounding) -> bool:
    return any(_meet(two.p(kind), p_ends(p, rounding)) for kind in ("Student", "Welch"))


def _t_ends(t: Printed, rounding: Rounding) -> Ends:
    low, high = map(float, t.range(rounding))
    return (
        (0.0, max(abs(low), abs(high)))
        if low <= 0 <= high
        else (min(abs(low), abs(high)), max(abs(low), abs(high)))
    )


def _t_fits(two: TwoGroups, t: Printed, rounding: Rounding) -> bool:
    return any(_meet(two.t(kind), _t_ends(t, rounding)) for kind in ("Student", "Welch"))


def _df_fits(two: TwoGroups, df: Printed, rounding: Rounding) -> bool:
    low, high = map(float, df.range(rounding))
    least, most = two.df("Welch")
    # Welch's are often given cut off to whole ones.
    return _meet((low, high), two.df("Student")) or _meet((low, high + 0.5), (least, most))


def _wrong_t(
    comparison: Comparison, two: TwoGroups, t: Printed, rounding: Rounding, *, both: bool
) -> Finding:
    values = {kind: two.exact().t(kind)[0] for kind in ("Student", "Welch")}
    told = ", ".join(f"{kind}'s t is {shown(v, max(t.decimals, 2))}" for kind, v in values.items())
    cells = [cell(t, t.like(values["Student"]))]
    if both and comparison.p is not None:
        ps = two.exact().p("Student")[0]
        cells.append(cell(comparison.p, _p_text(ps, comparison.p)))
    return Finding(
        "p-value", comparison.about, cells,
        f"From n, means and standard deviations {told}; printed is {t.text}.",
        CERTAIN if not both else LIKELY, _told_repair(two, comparison, rounding, values["Student"]),
        [] if not both else _suspects(comparison, two, abs(float(t.value))),
    )  # fmt: skip


def _p_text(value: float, like: Printed) -> str:
    return shown(value, max(like.decimals, 3))


def _told_repair(two: TwoGroups, comparison: Comparison, rounding: Rounding, t: float) -> str:
    sizes = _sizes_that_fit(two, comparison, rounding)
    told = f"t {shown(t, 2)}"
    return f"{told}; or {sizes}" if sizes else told


def _wrong_p(
    comparison: Comparison, two: TwoGroups, p: Printed, rounding: Rounding, sure: str
) -> Finding:
    exact = two.exact()
    told = []
    for kind in ("Student", "Welch"):
        low, high = two.p(kind)
        t, df, value = exact.t(kind)[0], exact.df(kind)[0], exact.p(kind)[0]
        by = f"{kind} t({shown(df, 0 if kind == 'Student' else 3)}) = {shown(t, 4)}"
        told.append(
            f"{by}, p = {shown(value, 4)} ({shown(low, 4)} to {shown(high, 4)} with rounding)"
        )
    student = exact.p("Student")[0]
    welch = exact.p("Welch")[0]
    repair = [f"p {_p_text(student, p)} (Student) or {_p_text(welch, p)} (Welch)"]
    sizes = _sizes_that_fit(two, comparison, rounding)
    if sizes:
        repair.append(sizes)
    ends = p_ends(p, rounding)
    if any(_meet((low / 2, high / 2), ends) for low, high in (two.p("Student"), two.p("Welch"))):
        repair.append("it is the one-sided p")
    return Finding(
        "p-value",
        comparison.about,
        [cell(p, " or ".join(dict.fromkeys((_p_text(student, p), _p_text(welch, p)))))],
        "; ".join(told) + ".",
        sure,
        "; or ".join(repair),
        _suspects(comparison, two, _t_of(p, two.a.n + two.b.n - 2)),
    )


def _t_of(p: Printed, df: float) -> float | None:
    from scipy import special

    if p.relation != "=" or not 0 < p.value < 1:
        return None
    return float(-special.stdtrit(df, float(p.value) / 2))


def _sizes_that_fit(two: TwoGroups, comparison: Comparison, rounding: Rounding) -> str:
    """Group sizes, of the same number of people, with which t and p are those printed."""
    n, found = two.a.n + two.b.n, []
    for first in range(2, n - 1):
        other = TwoGroups(replace(two.a, n=first), replace(two.b, n=n - first))
        p, t = comparison.p, comparison.t
        if (p is None or _p_fits(other, p, rounding)) and (
            t is None or _t_fits(other, t, rounding)
        ):
            found.append((first, n - first))
    near = sorted(found, key=lambda pair: abs(pair[0] - two.a.n))[:3]
    return "group sizes " + ", ".join(f"{a} and {b}" for a, b in near) if near else ""


def _sizes_as_cells(comparison: Comparison) -> list[CellFinding]:
    return [cell(one.n) for one in comparison.groups if one.n is not None]


def _suspects(comparison: Comparison, two: TwoGroups, t: float | None) -> list[CellFinding]:
    """The printed figures, each with the value that alone gives this t by Student's test."""
    first, second = comparison.groups
    found = _sizes_as_cells(comparison)
    (m1, s1), (m2, s2) = two.a.middle, two.b.middle
    n1, n2 = two.a.n, two.b.n
    error = two.exact()._errors("Student")[0]
    sign = 1 if m1 >= m2 else -1
    for one, other, way in ((first, m2, sign), (second, m1, -sign)):
        if one.mean is not None:
            found.append(
                cell(one.mean, one.mean.like(other + way * t * error) if t is not None else "")
            )
    for one, own, n, other, m in ((first, s1, n1, s2, n2), (second, s2, n2, s1, n1)):
        if one.sd is None:
            continue
        value = ""
        if t and m1 != m2:
            pooled = ((m1 - m2) / t) ** 2 / (1 / n1 + 1 / n2) * (n1 + n2 - 2)
            variance = (pooled - (m - 1) * other**2) / (n - 1)
            value = one.sd.like(math.sqrt(variance)) if variance >= 0 else ""
        del own
        found.append(cell(one.sd, value))
    return found


def _effect(
    comparison: Comparison, two: TwoGroups, d: Printed, rounding: Rounding
) -> Iterator[Finding]:
    """A standardised difference by any usual spread: pooled, average, either group's; corrected or not."""
    if d.relation != "=":
        return
    ends = _t_ends(d, rounding)
    (low, high), n = two._difference(), two.a.n + two.b.n
    spreads: list[Ends] = [two.a.sd, two.b.sd]
    for weights in ((two.a.n - 1, two.b.n - 1), (1, 1), (two.a.n, two.b.n)):
        pair = [
            math.sqrt(
                sum(w * sd[end] ** 2 for w, sd in zip(weights, (two.a.sd, two.b.sd), strict=True))
                / sum(weights)
            )
            for end in (0, 1)
        ]
        spreads.append((pair[0], pair[1]))
    correction = 1 - 3 / (4 * n - 9)
    for least, most in spreads:
        if least <= 0 or _meet((low / most * correction, high / least), ends):
            return
    pooled = spreads[2]
    value = abs(two.a.middle[0] - two.b.middle[0]) / ((pooled[0] + pooled[1]) / 2)
    yield Finding(
        "p-value", comparison.about, [cell(d, d.like(value))],
        f"The difference in pooled standard deviations is {shown(value, 3)} (Hedges "
        f"{shown(value * correction, 3)}).",
        LIKELY, f"{d.like(value)}", [cell(one.sd) for one in comparison.groups if one.sd is not None],
    )  # fmt: skip


def _several(comparison: Comparison, groups: list[Group], rounding: Rounding) -> Iterator[Finding]:
    """One-way analysis of variance of three and more groups."""
    f, p = comparison.f, comparison.p
    if comparison.within or (f is None and p is None):
        return
    low, high = _f_ends(groups)
    df = (len(groups) - 1, sum(one.n for one in groups) - len(groups))
    exact = _f_ends([one.at(*one.middle) for one in groups])[0]
    value = _f_tail(exact, df)
    if f is not None and f.relation == "=" and not _meet((low, high), _t_ends(f, rounding)):
        yield Finding("p-value", comparison.about, [cell(f, f.like(exact))],
                      f"F({df[0]}, {df[1]}) is {shown(exact, 3)}.", LIKELY, f"F {shown(exact, 3)}",
                      _sizes_as_cells(comparison))  # fmt: skip
    elif p is not None and not _meet((_f_tail(high, df), _f_tail(low, df)), p_ends(p, rounding)):
        if f is None and _meet(_welch_ends(groups), p_ends(p, rounding)):
            return
        yield Finding("p-value", comparison.about, [cell(p, _p_text(value, p))],
                      f"F({df[0]}, {df[1]}) = {shown(exact, 3)}, p = {shown(value, 4)}.",
                      POSSIBLE if f is None else CERTAIN, f"p {_p_text(value, p)}",
                      [c for g in comparison.groups for c in map(cell, filter(None, (g.n, g.mean, g.sd)))],
                      )  # fmt: skip


def _f_ends(groups: list[Group]) -> Ends:
    from analysis.audit.rules.group import between_groups

    sizes = [one.n for one in groups]
    ranges = [one.mean for one in groups]
    k, n = len(groups), sum(sizes)
    within = [sum((one.n - 1) * one.sd[end] ** 2 for one in groups) / (n - k) for end in (0, 1)]
    low, high = (between_groups(sizes, ranges, least=least) / (k - 1) for least in (True, False))
    return (low / within[1] if within[1] else 0.0), (high / within[0] if within[0] else math.inf)


def _f_tail(f: float, df: tuple[int, int]) -> float:
    from scipy import special

    return 0.0 if math.isinf(f) else float(special.fdtrc(df[0], df[1], max(f, 0.0)))


def _welch_ends(groups: list[Group]) -> Ends:
    """p of Welch's analysis of variance at the printed figures, with room for their rounding."""
    from scipy import special

    weights = [one.n / max(one.middle[1], 1e-12) ** 2 for one in groups]
    total, k = sum(weights), len(groups)
    grand = sum(w * one.middle[0] for w, one in zip(weights, groups, strict=True)) / total
    spread = sum(
        w * (one.middle[0] - grand) ** 2 for w, one in zip(weights, groups, strict=True)
    ) / (k - 1)
    lost = sum((1 - w / total) ** 2 / (one.n - 1) for w, one in zip(weights, groups, strict=True))
    f = spread / (1 + 2 * (k - 2) / (k**2 - 1) * lost)
    p = float(special.fdtrc(k - 1, (k**2 - 1) / (3 * lost), f))
    low, high = _f_ends(groups)
    exact = _f_ends([one.at(*one.middle) for one in groups])[0]
    room = max(high / exact if exact else 2.0, exact / low if low else 2.0)
    df = (k**2 - 1) / (3 * lost)
    return float(special.fdtrc(k - 1, df, f * room)), max(
        p, float(special.fdtrc(k - 1, df, f / room))
    )


def noted_tests(published: Published, rounding: Rounding) -> list[str]:
    """A note for every printed p that is one test's and not the other's."""
    notes = []
    for comparison in published.comparisons:
        groups = [_group(one, rounding) for one in comparison.groups]
        p = comparison.p
        if (
            len(groups) != 2
            or groups[0] is None
            or groups[1] is None
            or p is None
            or comparison.other_test
        ):
            continue
        two = TwoGroups(groups[0], groups[1])
        if _may_be_paired(comparison, two):
            continue
        fits = {kind: _meet(two.p(kind), p_ends(p, rounding)) for kind in ("Student", "Welch")}
        if sum(fits.values()) == 1:
            exact = two.exact()
            ps = {kind: exact.p(kind)[0] for kind in fits}
            mine = "Student" if fits["Student"] else "Welch"
            other = "Welch" if mine == "Student" else "Student"
            notes.append(
                f"{comparison.about}: p {p.text} is {mine}'s ({shown(ps[mine], 4)}); {other}'s is "
                f"{shown(ps[other], 4)}."
            )
    return notes
