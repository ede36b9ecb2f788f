"""What the coefficients of agreement depend on: how often each point is given, and confused."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from analysis.chapters.answers.point_use import GroupPointUse, Points, ScaleUse, point_use_chapter
from analysis.chapters.context import ReportContext
from analysis.report.blocks import Block, Column, Figure, Row, RowGroup, Table, one_group
from analysis.report.figures import draw_confusion
from analysis.report.numbers import count, n_text, percent


def point_use_blocks(context: ReportContext) -> list[Block]:
    """For each scale: shares of the points by group, and for each group who gave what for what."""
    blocks: list[Block] = []
    for scale in point_use_chapter(context):
        suffix = f"-{scale.place + 1}" if len(context.scales) > 1 else ""
        blocks.append(_prevalence_table(context, scale, suffix))
        for group in scale.groups:
            if group.beside:
                blocks += _confusion(context, scale, group, suffix)
    return blocks


def _heads(points: Points) -> list[str]:
    return [f"{value} {anchor}".strip() for value, anchor in points]


def _prevalence_table(context: ReportContext, scale: ScaleUse, suffix: str) -> Table:
    groups, flat, total = [], [], 0
    for group in scale.groups:
        rows = []
        for item, name, found in group.given:
            shares = [percent(k, found.n, 1) for k in found.counts]
            rows.append(Row((name, count(found.n), *shares), strong=item == "all"))
            flat += [
                {"item": item, "group": group.key, "point": v, "label": anchor, "frequency": k,
                 "share": k / found.n if found.n else None, "n": found.n}
                for (v, anchor), k in zip(scale.points, found.counts, strict=True)
            ]  # fmt: skip
            total = max(total, found.n)
        groups.append(RowGroup(group.label, tuple(rows)))
    return Table(
        f"prevalence{suffix}",
        "How often each point was given, in percent of the ratings, by group of raters, all systems "
        "together",
        n_text("rating", total),
        "descriptive",
        (Column("Item", False), Column("n"), *(Column(head) for head in _heads(scale.points))),
        tuple(groups),
        pd.DataFrame(flat),
        ("Where one point is given nearly always, chance-corrected coefficients are low or "
         "undefined whatever the raters do.",),
    )  # fmt: skip


def _confusion(
    context: ReportContext, scale: ScaleUse, group: GroupPointUse, suffix: str
) -> list[Block]:
    points, names, whole = scale.points, group.names, group.beside[-1][1]
    pairs, two = int(whole.sum()), len(names) == 2
    sides = (f"{names[0]} gave", f"{names[1]} gave") if two else ("One rater gave", "Another gave")
    every = "" if two else ", every two raters from both sides"
    which = "all items" if len(scale.items) > 1 else scale.items[0]
    title = (
        f"What was given for what: where {sides[0].lower() if not two else sides[0]} the point of "
        f"the row, which did {names[1] if two else 'another'} give to the same response? Percent of "
        f"each row{every}, {which}: {group.label}"
    )
    unit = n_text("pair of ratings", pairs if two else pairs // 2)
    heads = _heads(points)
    agreed = percent(int(np.trace(whole)), pairs, 1)
    figure = Figure(
        f"confusion-{group.key}{suffix}",
        title,
        unit,
        "descriptive",
        f"Heat map of {len(points)} by {len(points)} points. {agreed} % of the pairs are on the "
        f"diagonal, where both gave the same point. {_words(points, whole)}",
        partial(draw_confusion, whole, heads, sides),
    )
    return [figure, _confusion_table(figure, points, group)]


def _words(points: Points, whole: np.ndarray) -> str:
    """For each point, what was given most often beside it."""
    said = []
    for (value, _), row in zip(points, whole, strict=True):
        if row.sum():
            best = int(row.argmax())
            share = percent(int(row[best]), int(row.sum()), 0)
            said.append(f"beside {value} most often {points[best][0]} ({share} %)")
        else:
            said.append(f"{value} was never given beside another rating")
    return "; ".join(said).capitalize() + "."


def _confusion_table(figure: Figure, points: Points, group: GroupPointUse) -> Table:
    """The numbers behind the figure, and those of each item."""
    heads = _heads(points)
    rows = []
    for head, row in zip(heads, group.beside[-1][1].tolist(), strict=True):
        cells = [f"{count(k)} ({percent(k, sum(row), 1)})" for k in row]
        rows.append(Row((head, *cells, count(sum(row)))))
    flat = [
        {"item": item, "first_point": points[i][0], "second_point": points[j][0],
         "pairs": int(table[i, j]), "row_pairs": int(table[i].sum())}
        for item, table in group.beside
        for i in range(len(points))
        for j in range(len(points))
    ]  # fmt: skip
    return Table(
        figure.key,
        figure.title.replace("Percent", "Pairs and percent"),
        figure.unit,
        "descriptive",
        (
            Column("Row: the first; columns: the other", False),
            *(Column(head) for head in heads),
            Column("Sum"),
        ),
        one_group(rows),
        pd.DataFrame(flat),
        ("The CSV file holds each item as well.",),
    )
