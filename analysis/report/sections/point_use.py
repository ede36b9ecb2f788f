"""What the coefficients of agreement depend on: how often each point is given, and confused."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.agreement.confusion import pooled_confusion
from analysis.agreement.two_raters import Confusion, confusion, prevalence
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray
from analysis.report.blocks import Block, Column, Figure, Row, RowGroup, Table, one_group
from analysis.report.figures import draw_confusion
from analysis.report.numbers import count, percent

# Columns of a longer scale fit on no page.
MOST_POINTS = 11
Points = tuple[tuple[int, str], ...]


def point_use_blocks(context: ReportContext) -> list[Block]:
    """For each scale: shares of the points by group, and for each group who gave what for what."""
    blocks: list[Block] = []
    for place, (points, items) in enumerate(context.scales):
        if len(points) > MOST_POINTS:
            continue
        suffix = f"-{place + 1}" if len(context.scales) > 1 else ""
        blocks.append(_prevalence_table(context, points, items, suffix))
        for key, label, raters in context.samples:
            if int(raters.sum()) >= 2:
                blocks += _confusion(context, points, items, (f"{key}{suffix}", label, raters))
    return blocks


def _heads(points: Points) -> list[str]:
    return [f"{value} {anchor}".strip() for value, anchor in points]


def _prevalence_table(
    context: ReportContext, points: Points, items: Sequence[int], suffix: str
) -> Table:
    scale, groups, flat, total = [v for v, _ in points], [], [], 0
    for key, label, raters in context.samples:
        rows = []
        named = [(context.data.items[i].id, context.data.items[i].label, [i]) for i in items]
        if len(items) > 1:
            named.append(("all", "All items", list(items)))
        for item, name, places in named:
            found = prevalence(
                np.vstack([context.item_matrix(i, raters) for i in places]).reshape(-1, 1), scale
            )
            shares = [percent(k, found.n, 1) for k in found.counts]
            rows.append(Row((name, count(found.n), *shares), strong=item == "all"))
            flat += [
                {"item": item, "group": key, "point": v, "label": anchor, "frequency": k,
                 "share": k / found.n if found.n else None, "n": found.n}
                for (v, anchor), k in zip(points, found.counts, strict=True)
            ]  # fmt: skip
            total = max(total, found.n)
        groups.append(RowGroup(label, tuple(rows)))
    return Table(
        f"prevalence{suffix}",
        "How often each point was given, in percent of the ratings, by group of raters, all systems "
        "together",
        context.n_text("rating", total),
        "descriptive",
        (Column("Item", False), Column("n"), *(Column(head) for head in _heads(points))),
        tuple(groups),
        pd.DataFrame(flat),
        ("Where one point is given nearly always, chance-corrected coefficients are low or "
         "undefined whatever the raters do.",),
    )  # fmt: skip


def _cross_table(
    context: ReportContext, points: Points, place: int, raters: BoolArray
) -> Confusion:
    """Two raters: the first by the second. More: each with each other, both ways round."""
    scale, matrix = [v for v, _ in points], context.item_matrix(place, raters)
    if matrix.shape[1] == 2:
        return confusion(matrix[:, 0], matrix[:, 1], scale)
    return pooled_confusion(matrix, scale)


def _confusion(
    context: ReportContext,
    points: Points,
    items: Sequence[int],
    sample: tuple[str, str, BoolArray],
) -> list[Block]:
    key, label, raters = sample
    found = [_cross_table(context, points, i, raters) for i in items]
    whole = np.sum([np.asarray(f.counts) for f in found], axis=0)
    pairs = int(whole.sum())
    if not pairs:
        return []
    names = [r for r, chosen in zip(context.shaped.rater_ids, raters, strict=True) if chosen]
    two = len(names) == 2
    sides = (f"{names[0]} gave", f"{names[1]} gave") if two else ("One rater gave", "Another gave")
    every = "" if two else ", every two raters from both sides"
    which = "all items" if len(items) > 1 else context.data.items[items[0]].label
    title = (
        f"What was given for what: where {sides[0].lower() if not two else sides[0]} the point of "
        f"the row, which did {names[1] if two else 'another'} give to the same response? Percent of "
        f"each row{every}, {which}: {label}"
    )
    unit = context.n_text("pair of ratings", pairs if two else pairs // 2)
    heads = _heads(points)
    agreed = percent(int(np.trace(whole)), pairs, 1)
    figure = Figure(
        f"confusion-{key}",
        title,
        unit,
        "descriptive",
        f"Heat map of {len(points)} by {len(points)} points. {agreed} % of the pairs are on the "
        f"diagonal, where both gave the same point. {_words(points, whole)}",
        partial(draw_confusion, whole, heads, sides),
    )
    return [figure, _confusion_table(context, points, items, found, whole, key, title, unit)]


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


def _confusion_table(
    context: ReportContext,
    points: Points,
    items: Sequence[int],
    found: Sequence[Confusion],
    whole: np.ndarray,
    key: str,
    title: str,
    unit: str,
) -> Table:
    heads = _heads(points)
    rows = []
    for head, row in zip(heads, whole.tolist(), strict=True):
        cells = [f"{count(k)} ({percent(k, sum(row), 1)})" for k in row]
        rows.append(Row((head, *cells, count(sum(row)))))
    tables = [
        (context.data.items[i].id, np.asarray(f.counts)) for i, f in zip(items, found, strict=True)
    ]
    flat = [
        {"item": item, "first_point": points[i][0], "second_point": points[j][0],
         "pairs": int(table[i, j]), "row_pairs": int(table[i].sum())}
        for item, table in (*tables, ("all", whole))
        for i in range(len(points))
        for j in range(len(points))
    ]  # fmt: skip
    return Table(
        f"confusion-{key}",
        title.replace("Percent", "Pairs and percent"),
        unit,
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
