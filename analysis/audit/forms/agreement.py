"""Published kappas, single ratings that they can be computed from, and tables of two raters' counts."""

from __future__ import annotations

import re
from fractions import Fraction

from analysis.audit.columns import point_in, words
from analysis.audit.records import Confusion, KappaCell, Published, RatingRows
from analysis.audit.sheet import Sheet

_RATER = {
    "rater",
    "annotator",
    "judge",
    "coder",
    "reviewer",
    "participant",
    "person",
    "respondent",
    "expert",
}
_UNIT = {
    "unit",
    "conversation",
    "response",
    "dialogue",
    "item",
    "prompt",
    "topic",
    "reply",
    "text",
    "case",
}


def agreement_records(sheet: Sheet, published: Published) -> bool:
    """Add kappas, ratings or a confusion table; whether the table was one of these."""
    table = _confusion(sheet)
    if table is not None:
        published.confusions.append(table)
        return True
    kappa = next((at for at, h in enumerate(sheet.headers) if h.roles == ("kappa",)), None)
    if kappa is not None:
        published.kappas += _kappas(sheet, kappa)
        return True
    rows = _rating_rows(sheet)
    if rows is not None:
        published.ratings.append(rows)
        return True
    return False


def _pair_columns(sheet: Sheet) -> list[int]:
    return [
        at
        for at in sheet.name_columns
        if set(words(sheet.headers[at].name)) & (_RATER | {"pair", "raters"})
    ]


def _kappas(sheet: Sheet, kappa: int) -> list[KappaCell]:
    pairs = _pair_columns(sheet)
    names = [at for at in sheet.name_columns if at not in pairs]
    found = []
    for row in range(len(sheet.rows)):
        one = sheet.number(row, kappa)
        if one is not None and one.relation == "=":
            raters = _raters([sheet.rows[row][at] for at in pairs])
            found.append(KappaCell(sheet.names(row, names), raters, one))
    return found


def _raters(cells: list[str]) -> tuple[str, str] | None:
    """Two raters' names, in two cells or in one: ``('a', 'b')``, ``a vs. b``, ``a - b``, ``a & b``."""
    if len(cells) == 2 and all(cells):
        return cells[0], cells[1]
    if len(cells) != 1:
        return None
    quoted = re.findall(r"['\"]([^'\"]+)['\"]", cells[0])
    parts = quoted or re.split(
        r"\s+(?:vs?\.?|and|with|[-\u2013\u2014&x×])\s+|\s*[/,;]\s*", cells[0].strip("() ")
    )
    return (parts[0].strip(), parts[1].strip()) if len(parts) == 2 else None


def _rating_rows(sheet: Sheet) -> RatingRows | None:
    """A long table of single ratings: a rater, a value and what was rated, and no statistics."""
    value = next((at for at, h in enumerate(sheet.headers) if h.roles == ("value",)), None)
    if value is None:
        value = next(
            (at for at, h in enumerate(sheet.headers) if h.name.lower() in ("y", "rating")), None
        )
    rater = next(
        (at for at, h in enumerate(sheet.headers) if set(words(h.name)) & _RATER and at != value),
        None,
    )
    others = {r for h in sheet.headers for r in h.roles} - {"value", "topics"}
    if value is None or rater is None or others - {"n"} or not sheet.is_numeric(value):
        return None
    keys = [at for at in range(len(sheet.headers)) if at not in (value, rater)]
    rows = []
    for row, cells in enumerate(sheet.rows):
        one = sheet.number(row, value)
        if one is not None:
            unit = "\0".join(cells[at] for at in keys)
            names = {sheet.headers[at].name: cells[at] for at in keys}
            rows.append((names, unit, cells[rater], one.value))
    return RatingRows(sheet.file, [sheet.headers[at].name for at in keys], rows)


def _confusion(sheet: Sheet) -> Confusion | None:
    """A square table: the categories are the first column's cells and the columns' names."""
    labels = [" ".join(words(row[0])) for row in sheet.rows]
    columns = {" ".join(words(h.name)): at for at, h in enumerate(sheet.headers) if at > 0}
    kept = [
        at
        for at, label in enumerate(labels)
        if label in columns and label not in ("total", "sum", "")
    ]
    categories = [labels[at] for at in kept]
    beside = {"total", "sum", "n"} | {
        c for c, at in columns.items() if "kappa" in sheet.headers[at].roles
    }
    if set(columns) - beside != set(categories):
        return None
    if len(kept) < 2 or len(set(categories)) < len(kept) or len(categories) < len(labels) - 2:
        return None
    counts = []
    for at in kept:
        cells = [sheet.number(at, columns[label]) for label in categories]
        whole = [one.whole for one in cells if one is not None and one.whole is not None]
        if len(whole) < len(categories):
            return None
        counts.append(whole)
    kappa = [at for at, h in enumerate(sheet.headers) if "kappa" in h.roles]
    printed = [
        one
        for at in kappa
        for row in range(len(sheet.rows))
        if (one := sheet.number(row, at)) is not None
    ]
    unique = {(one.value, one.place.column): one for one in printed}
    points = [point_in(label) for label in categories]
    values = [Fraction(one) for one in points if one is not None]
    return Confusion(
        {"table": sheet.file},
        [sheet.rows[at][0] for at in kept],
        values if len(values) == len(points) else None,
        counts,
        list(unique.values()),
    )
