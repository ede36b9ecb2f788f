"""Tables of n, mean and spread by group, with tests; and numbers beside what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.audit.columns import OUTCOMES, is_grouping, is_numbering, is_whole, is_within, words
from analysis.audit.printed import Printed
from analysis.audit.records import Comparison, Parts, Scale, Summary
from analysis.audit.sheet import Sheet, whole_columns

_ONE_OF_TWO_TIMES = {
    "pre",
    "post",
    "before",
    "after",
    "baseline",
    "follow",
    "followup",
    "t0",
    "t1",
    "t2",
    "time",
}


def summaries(sheet: Sheet) -> list[Summary]:
    """n, mean and spread of every row, and of every group that has columns of its own."""
    wide = _groups_in_columns(sheet)
    if wide:
        return [
            one
            for row in range(len(sheet.rows))
            for number, group in enumerate(wide)
            if (one := _of_columns(sheet, row, group, number)).mean is not None
        ]
    pairs = [
        at
        for at, h in enumerate(sheet.headers)
        if set(h.roles) == {"mean", "sd"} and not _group_of(h.rest)
    ]
    if not sheet.with_role("mean") and not pairs:
        return []
    column = _group_column(sheet)
    names = [at for at in _keys(sheet) if at != column]
    found = []
    for row in range(len(sheet.rows)):
        one = _of_row(sheet, row, names, column, pairs)
        if one.mean is not None:
            found.append(one)
    return found


def _keys(sheet: Sheet) -> list[int]:
    """Columns of names; one called level or response holds names here."""
    values = [
        at
        for at, h in enumerate(sheet.headers)
        if h.roles == ("value",) and not sheet.is_numeric(at)
    ]
    return sorted({*sheet.name_columns, *values})


def _group_column(sheet: Sheet) -> int | None:
    names = [at for at in _keys(sheet) if not is_numbering(sheet.headers[at].name)]
    grouping = [at for at in names if is_grouping(sheet.headers[at].name)]
    between = [at for at in grouping if not is_within(sheet.headers[at].name)]
    if between or grouping:
        return (between or grouping)[-1]
    return names[-1] if len(names) > 1 else None


def _mean_and_sd(sheet: Sheet, row: int, column: int) -> tuple[Printed | None, Printed | None]:
    cells = sheet.numbers(column)[row]
    return (cells[0] if cells else None), (cells[1] if len(cells) > 1 else None)


def _of_row(
    sheet: Sheet, row: int, names: Sequence[int], column: int | None, pairs: Sequence[int]
) -> Summary:
    def one(role: str) -> Printed | None:
        return sheet.number(row, sheet.first(role))

    mean_column = pairs[0] if pairs else sheet.first("mean")
    mean, sd = one("mean"), one("sd")
    if pairs:
        mean, sd = _mean_and_sd(sheet, row, pairs[0])
    elif mean_column is not None and sd is None and sheet.holds_pairs(mean_column):
        mean, sd = _mean_and_sd(sheet, row, mean_column)
    top = next((at for at, h in enumerate(sheet.headers) if "top" in h.roles), None)
    low, high = one("ci_low"), one("ci_high")
    if low is None and high is None and not set(_scale_columns(sheet)):
        low, high = one("minimum"), one("maximum")
    header = sheet.headers[mean_column] if mean_column is not None else None
    return Summary(
        sheet.names(row, names),
        sheet.rows[row][column] if column is not None else "",
        sheet.places[row][0],
        n=one("n"),
        stated_n=(header.n if header else None) or sheet.told.n,
        mean=mean,
        sd=sd,
        se=one("se"),
        median=one("median"),
        ci_low=low,
        ci_high=high,
        top_two=sheet.number(row, top),
        scale=_scale(sheet, row),
        within=column is not None and is_within(sheet.headers[column].name),
        what=header.rest if header else "",
    )


def _scale_columns(sheet: Sheet) -> list[int]:
    return [at for at, h in enumerate(sheet.headers) if "scale" in words(h.name)]


def _scale(sheet: Sheet, row: int) -> Scale:
    def whole(role: str) -> int | None:
        found = sheet.number(row, sheet.first(role))
        return found.whole if found is not None else None

    low, high = sheet.told.low, sheet.told.high
    columns = _scale_columns(sheet)
    ends = [p.whole for at in columns for p in sheet.numbers(at)[row] if p.whole is not None]
    if len(ends) == 2:
        low, high = min(ends), max(ends)
    return Scale(low, high, whole("items") or sheet.told.items, whole("topics"))


def _group_of(rest: str) -> str:
    return "" if not set(rest.split()) - OUTCOMES else rest


def _groups_in_columns(sheet: Sheet) -> list[dict[str, int]]:
    """Columns of each group, by role, where groups stand side by side."""
    found: dict[str, dict[str, int]] = {}
    for at, header in enumerate(sheet.headers):
        group = _group_of(header.rest)
        roles = header.roles
        if not roles and header.n is not None and sheet.holds_pairs(at):
            roles = ("mean", "sd")
        if not group or not roles or set(roles) - {"mean", "sd", "se", "n", "median"}:
            continue
        found.setdefault(group, {})["+".join(roles)] = at
    with_means = {g: c for g, c in found.items() if any("mean" in role for role in c)}
    if len(with_means) < 2:
        return []
    return [{**columns, "name:" + group: 0} for group, columns in with_means.items()]


def _of_columns(sheet: Sheet, row: int, group: dict[str, int], number: int) -> Summary:
    name = next(key[5:] for key in group if key.startswith("name:"))
    pair = next((at for roles, at in group.items() if roles in ("mean+sd", "sd+mean")), None)
    mean, sd = sheet.number(row, group.get("mean")), sheet.number(row, group.get("sd"))
    if pair is not None:
        mean, sd = _mean_and_sd(sheet, row, pair)
    elif "mean" in group and sheet.holds_pairs(group["mean"]):
        mean, sd = _mean_and_sd(sheet, row, group["mean"])
    stated = next(
        (
            sheet.headers[at].n
            for role, at in group.items()
            if not role.startswith("name:") and sheet.headers[at].n
        ),
        None,
    )
    called = [at for at in sheet.name_columns if words(sheet.headers[at].name)[-1:] == [name]]
    label = sheet.rows[row][called[0]] if called else name
    named = [at for at in _keys(sheet) if at not in called and not _names_a_group(sheet, at)]
    n = sheet.number(row, group.get("n"))
    if n is None and stated is None:
        n = _n_of_whole(sheet, row)
    del number
    return Summary(
        sheet.names(row, named),
        label,
        sheet.places[row][0],
        n=n,
        stated_n=stated or sheet.told.n,
        mean=mean,
        sd=sd,
        se=sheet.number(row, group.get("se")),
        median=sheet.number(row, group.get("median")),
        scale=_scale(sheet, row),
        within=bool(set(words(label)) & _ONE_OF_TWO_TIMES),
    )


def _n_of_whole(sheet: Sheet, row: int) -> Printed | None:
    """An n without a group beside groups in columns is that of all who met both, when times say so."""
    names = {word for h in sheet.headers for word in h.rest.split()}
    return sheet.number(row, sheet.first("n")) if names & _ONE_OF_TWO_TIMES else None


def _names_a_group(sheet: Sheet, column: int) -> bool:
    told = words(sheet.headers[column].name)
    return len(told) == 2 and told[0] in ("group", "name") and told[1].isdigit()


def comparisons(sheet: Sheet, rows: Sequence[Summary]) -> list[Comparison]:
    """The rows of each outcome side by side, with the test printed about them."""
    found: dict[tuple[str, ...], list[Summary]] = {}
    for one in rows:
        number = _table_number(sheet, one)
        found.setdefault((number, *one.names.values()), []).append(one)
    other = any("other_test" in header.roles for header in sheet.headers)
    return [
        _comparison(sheet, groups, other)
        for groups in found.values()
        if len(groups) > 1 and groups[0].group
    ]


def _table_number(sheet: Sheet, one: Summary) -> str:
    row = sheet.lines.index(one.place.line)
    return ", ".join(
        sheet.rows[row][at] for at in sheet.name_columns if is_numbering(sheet.headers[at].name)
    )


def _comparison(sheet: Sheet, groups: Sequence[Summary], other: bool) -> Comparison:
    lines = dict.fromkeys(sheet.lines.index(one.place.line) for one in groups)

    def printed(role: str) -> Printed | None:
        column = sheet.first(role) if sheet.with_role(role) else None
        if column is None:
            column = next(
                (
                    at
                    for at, h in enumerate(sheet.headers)
                    if role in h.roles and "mean" not in h.roles
                ),
                None,
            )
        cells = [one for row in lines if (one := sheet.number(row, column)) is not None]
        if role == "t" and cells and len(sheet.numbers(column or 0)[next(iter(lines))]) > 1:
            return sheet.numbers(column or 0)[next(iter(lines))][-1]
        # One a row is about each group against another, not about all of them.
        return (
            cells[0] if cells and len({(one.value, one.relation) for one in cells}) == 1 else None
        )

    whole = [one for one in groups if is_whole(one.group)]
    own = [one for one in groups if not is_whole(one.group)]
    p = printed("p")
    return Comparison(
        groups[0].names,
        [replace(one) for one in own],
        whole[0] if whole else None,
        p=p,
        t=printed("t"),
        df=printed("df"),
        f=printed("f"),
        d=printed("d"),
        other_test=other,
        within=any(one.within for one in own),
    )


def parts_of_columns(sheet: Sheet) -> list[Parts]:
    """Numbers of a row and the column that they come to: an overall, an average, a total."""
    wholes = [at for at in whole_columns(sheet) if sheet.is_numeric(at)]
    if not wholes or sheet.with_role("sd", plain=False) or sheet.with_role("p", plain=False):
        return []
    whole = wholes[-1]
    parts = [
        at
        for at, h in enumerate(sheet.headers)
        if at not in wholes
        and not set(h.roles) - {"percent", "mean", "top"}
        and (not h.roles or h.rest)
        and not is_numbering(h.name)
        and not h.cumulative
        and sheet.is_numeric(at)
    ]
    if len(parts) < 2:
        return []
    name = sheet.headers[whole]
    declared = name.roles == ("mean",) or "average" in words(name.name)
    kind = "sum" if set(words(name.name)) & {"total", "sum"} else "mean"
    found = []
    for row in range(len(sheet.rows)):
        cells = [sheet.number(row, at) for at in parts]
        numbers = [one for one in cells if one is not None]
        overall = sheet.number(row, whole)
        if overall is not None and len(numbers) == len(cells):
            about = ", ".join(sheet.names(row, sheet.name_columns).values())
            found.append(Parts(about, numbers, overall, declared, kind))
    return found


def parts_of_rows(sheet: Sheet) -> list[Parts]:
    """Means of the rows of one system and the row that they come to, where rows are no groups of people."""
    names = [at for at in _keys(sheet) if not is_numbering(sheet.headers[at].name)]
    if not names or is_grouping(sheet.headers[names[-1]].name):
        return []
    found = []
    for column in sheet.with_role("mean", plain=False):
        tables: dict[tuple[str, ...], list[int]] = {}
        for row, cells in enumerate(sheet.rows):
            tables.setdefault(tuple(cells[at] for at in names[:-1]), []).append(row)
        for rows in tables.values():
            wholes = [row for row in rows if _says_whole(sheet.rows[row][names[-1]])]
            parts = [
                one
                for row in rows
                if row not in wholes and (one := sheet.number(row, column)) is not None
            ]
            overall = sheet.number(wholes[0], column) if len(wholes) == 1 else None
            if overall is not None and len(parts) > 1:
                label = sheet.rows[wholes[0]][names[-1]]
                declared = bool({"average", "mean", "avg"} & set(words(label)))
                kind = "sum" if {"total", "sum"} & set(words(label)) else "mean"
                found.append(
                    Parts(
                        f"{overall.place.row}, {sheet.headers[column].name}",
                        parts,
                        overall,
                        declared,
                        kind,
                    )
                )
    return found


def _says_whole(label: str) -> bool:
    return is_whole(label) or " ".join(words(label)) in (
        "average",
        "mean",
        "avg",
        "average score",
        "mean score",
    )
