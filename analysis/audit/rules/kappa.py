"""Published kappas against the ratings, or the counts, that they were computed from.

Quadratic weights are squared differences of values. Software that is not told the scale takes the places of
the used categories instead, which is another number as soon as a point stays unused or ratings are averages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from analysis.audit.columns import words
from analysis.audit.findings import CERTAIN, LIKELY, Finding, cell
from analysis.audit.printed import Printed, Rounding, shown
from analysis.audit.records import Confusion, KappaCell, Published, RatingRows, told
from analysis.audit.sheet import Told
from analysis.results import Estimate


def kappa_findings(published: Published, told_too: Told, rounding: Rounding) -> Iterator[Finding]:
    """Kappas that are none of the ratings' own, or only those weighted by places."""
    del told_too
    for ratings in published.ratings:
        rows = _by_rater(ratings)
        for one in published.kappas:
            pair = _pair(one, ratings, rows)
            if pair is not None:
                yield from _against(
                    one.kappa, *pair, told(one.names), _is_weighted(one.kappa), rounding
                )
    for table in published.confusions:
        for kappa in table.kappas:
            yield from _of_counts(table, kappa, rounding)


_Rows = dict[str, list[tuple[dict[str, str], str, Fraction]]]


def _by_rater(ratings: RatingRows) -> _Rows:
    found: _Rows = {}
    for names, unit, rater, value in ratings.rows:
        plain = {key: " ".join(words(name)) for key, name in names.items()}
        found.setdefault(" ".join(words(rater)), []).append((plain, unit, value))
    return found


def _pair(
    one: KappaCell, ratings: RatingRows, rows: _Rows
) -> tuple[list[float], list[float]] | None:
    """The ratings of both raters of what both rated, of the part that the kappa's names say."""
    if one.raters is None:
        return None
    raters = [" ".join(words(name)) for name in one.raters]
    if any(name not in rows for name in raters):
        return None
    wanted = {}
    for column, name in one.names.items():
        key = next((k for k in ratings.keys if words(k) == words(column)), None)
        if key is not None:
            wanted[key] = " ".join(words(name))
    values = [
        {
            unit: float(value)
            for names, unit, value in rows[rater]
            if all(names.get(key, "") == name for key, name in wanted.items())
        }
        for rater in raters
    ]
    units = [unit for unit in values[0] if unit in values[1]]
    if len(units) < 2:
        return None
    return [values[0][u] for u in units], [values[1][u] for u in units]


def _is_weighted(kappa: Printed) -> bool | None:
    """Whether the column's name says weighted or quadratic; None where it says nothing."""
    said = set(words(kappa.place.column))
    if said & {"weighted", "quadratic", "qwk"}:
        return "linear" not in said
    return False if said & {"unweighted", "simple"} else None


def _against(
    kappa: Printed,
    first: Sequence[float],
    second: Sequence[float],
    about: str,
    weighted: bool | None,
    rounding: Rounding,
) -> Iterator[Finding]:
    from analysis.agreement.quadratic_kappas import quadratic_kappas
    from analysis.agreement.two_raters import cohen_kappa

    by_value, by_place = quadratic_kappas(first, second)
    used = sorted({*first, *second})
    others: dict[str, Estimate] = {}
    if weighted is not True and len(used) > 1:
        others["unweighted"] = cohen_kappa(first, second, used)
        others["linear"] = cohen_kappa(first, second, used, weights="linear")
    yield from _told(kappa, (by_value, by_place), others, about, rounding)


def _told(
    kappa: Printed,
    quadratic: tuple[Estimate, Estimate],
    others: dict[str, Estimate],
    about: str,
    rounding: Rounding,
) -> Iterator[Finding]:
    by_value, by_place = (one.estimate for one in quadratic)
    if by_value is None or any(
        _fits(kappa, one, rounding) for one in (quadratic[0], *others.values())
    ):
        return
    value, places = (
        kappa.like(by_value),
        shown(by_place, kappa.decimals) if by_place is not None else "undefined",
    )
    if _fits(kappa, quadratic[1], rounding):
        why = (
            f"Weighted by value kappa is {value}; {kappa.text} has its weights by places among the used "
            "categories."
        )
        yield Finding(
            "kappa",
            about,
            [cell(kappa, value)],
            why,
            CERTAIN,
            f"{value}, or say that weights go by places",
        )
        return
    also = "".join(
        f", {name} {shown(e.estimate, kappa.decimals)}"
        for name, e in others.items()
        if e.estimate is not None
    )
    yield Finding("kappa", about, [cell(kappa, value)],
                  f"The ratings give {value} by value, {places} by places{also}.", LIKELY, value)  # fmt: skip


def _fits(kappa: Printed, estimate: Estimate, rounding: Rounding) -> bool:
    # Floating-point work, so that a value on the edge may lie a little beside it.
    if estimate.estimate is None:
        return False
    return any(kappa.fits(estimate.estimate + off, rounding) for off in (0.0, -1e-12, 1e-12))


def _of_counts(table: Confusion, kappa: Printed, rounding: Rounding) -> Iterator[Finding]:
    places = [float(at) for at in range(len(table.categories))]
    values = [float(v) for v in table.values] if table.values is not None else places
    first, second = [], []
    for at, row in enumerate(table.counts):
        for other, count in enumerate(row):
            first += [values[at]] * count
            second += [values[other]] * count
    if len(first) > 1:
        yield from _against(kappa, first, second, told(table.names), _is_weighted(kappa), rounding)
