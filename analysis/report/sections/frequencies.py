"""How often each point of the scale was given, per item and system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.chapters.answers.frequencies import FrequencyChapter, frequency_chapters
from analysis.chapters.answers.numeric_items import numeric_chapters
from analysis.chapters.context import ReportContext
from analysis.description.frequencies import FrequencyTable
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    tidy,
)
from analysis.report.figures import MOST_POINTS_AS_BARS, LikertBar, draw_boxes, draw_likert
from analysis.report.numbers import count, level_text, n_text, number
from analysis.report.result_rows import percent_cell
from analysis.report.sections.numeric_items import NUMERIC_HOW, numeric_blocks

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

_NOT_INDEPENDENT = (
    "The intervals treat ratings as independent. Ratings by one rater are not, so these intervals "
    "are too narrow for inference beyond these raters; the contrast by rater and the mixed models "
    "are made for that."
)
_HOW_TO_READ = (
    "Percentages are of the answers given; missing answers stand below each item with their reason. "
    "Cumulative percentages are made from counts. Points that nobody used stand as 0."
)
_COLUMNS = (
    Column("Point of the scale", False),
    Column("Frequency"),
    Column("Percentage (%)"),
    Column("Cumulative percentage (%)"),
    Column("Wilson interval of the percentage"),
)


def frequency_section(context: ReportContext) -> Section:
    """Tables for all raters together, the figure, and item statistics."""
    chapter, numeric = frequency_chapters(context)[0], numeric_chapters(context)
    blocks: list[Block] = [Paragraph(_HOW_TO_READ)] if chapter.tables else []
    blocks += _point_blocks(context, chapter)
    if numeric:
        blocks += [Paragraph(NUMERIC_HOW), *numeric_blocks(context, numeric[0])]
    return Section("frequencies", "Frequencies per item and system", tuple(blocks))


def group_frequency_section(context: ReportContext) -> Section:
    """The same for each group of raters, when there are several."""
    blocks: list[Block] = []
    numeric = {n.key: n for n in numeric_chapters(context)}
    for chapter in frequency_chapters(context)[1:]:
        blocks += _point_blocks(context, chapter)
        if chapter.key in numeric:
            blocks += numeric_blocks(context, numeric[chapter.key])
    return Section("frequencies-by-group", "Frequencies by group of raters", tuple(blocks))


def _point_blocks(context: ReportContext, chapter: FrequencyChapter) -> list[Block]:
    """Figure, frequency tables and statistics of the items on points; nothing without any."""
    if not chapter.tables:
        return []
    return [
        *_likert_figures(context, chapter),
        *_frequency_tables(context, chapter),
        _statistics_table(context, chapter),
    ]


def _frequency_tables(context: ReportContext, chapter: FrequencyChapter) -> list[Table]:
    made, tables = [], chapter.tables
    for s, system in enumerate(context.data.systems):
        groups, flat = [], []
        for i in chapter.items:
            item, table = context.data.items[i], tables[i, s]
            anchors = dict(item.points)
            groups.append(RowGroup(item.label, tuple(_rows(table, anchors))))
            flat += _flat_rows(table, chapter.key, anchors)
        n = sum(tables[i, s].n for i in chapter.items)
        made.append(
            Table(
                f"frequencies-{system.id}-{chapter.key}",
                f"Frequencies for {system.label}: {chapter.label}, intervals at {level_text(context.level)}",
                n_text("rating", n),
                "descriptive",
                _COLUMNS,
                tuple(groups),
                pd.DataFrame(flat),
                (_NOT_INDEPENDENT,),
            )
        )
    return made


def _rows(table: FrequencyTable, anchors: dict[int, str]) -> list[Row]:
    rows = []
    for row in table.rows:
        shown = f"{int(row.point)} {anchors[int(row.point)]}"
        if row.percent is None or row.cumulative_percent is None:
            rows.append(Row((shown, "0", "–", "–", "–")))
            continue
        low, high = row.share.ci_low or 0.0, row.share.ci_high or 0.0
        interval = f"[{number(100 * low, 1)}, {number(100 * high, 1)}]"
        percent, cumulated = number(row.percent), number(row.cumulative_percent)
        rows.append(Row((shown, count(row.frequency), percent, cumulated, interval)))
    whole = number(100.0) if table.n else "–"
    rows.append(Row(("Total", count(table.n), whole, "", ""), strong=True))
    for reason, n in table.missing_by_reason.items():
        rows.append(Row((f"Missing: {reason}", count(n), "", "", "")))
    if not table.n_missing:
        rows.append(Row(("Missing", "0", "", "", "")))
    return rows


def _flat_rows(table: FrequencyTable, key: str, anchors: dict[int, str]) -> list[dict[str, object]]:
    same = {"item": table.item, "system": table.system, "group": key}
    rows: list[dict[str, object]] = [
        {
            **same,
            "row": "point",
            "point": int(r.point),
            "label": anchors[int(r.point)],
            "frequency": r.frequency,
            "percent": r.percent,
            "cumulative_percent": r.cumulative_percent,
            "wilson_low": r.share.ci_low,
            "wilson_high": r.share.ci_high,
            "simultaneous_low": r.simultaneous_low,
            "simultaneous_high": r.simultaneous_high,
        }
        for r in table.rows
    ]
    rows.append({**same, "row": "total", "label": "total", "frequency": table.n})
    rows += [
        {**same, "row": "missing", "label": reason, "frequency": n}
        for reason, n in table.missing_by_reason.items()
    ]
    return rows


def _statistics_table(context: ReportContext, chapter: FrequencyChapter) -> Table:
    notes, groups, flat = Footnotes(), [], []
    for i in chapter.items:
        item, rows = context.data.items[i], []
        for s, system in enumerate(context.data.systems):
            t = chapter.tables[i, s]
            rows.append(
                Row(
                    (
                        system.label,
                        count(t.n),
                        count(t.n_missing),
                        notes.estimate(t.mean),
                        notes.estimate(t.sd),
                        notes.estimate(t.median, 1),
                        percent_cell(t.top_share, notes),
                    )
                )
            )
            keys = {"item": t.item, "system": t.system, "group": chapter.key}
            flat += [(keys, e) for e in (t.mean, t.sd, t.median, t.top_share)]
        groups.append(RowGroup(item.label, tuple(rows)))
    top = context.data.plan.top_points
    return Table(
        f"item-statistics-{chapter.key}",
        f"Item statistics: {chapter.label}",
        "rating, n in the table",
        "descriptive",
        (
            Column("System", False),
            Column("n"),
            Column("Missing"),
            Column("Mean"),
            Column("SD"),
            Column("Median"),
            Column(f"Upper {top} points, % and Wilson interval ({level_text(context.level)})"),
        ),
        tuple(groups),
        tidy(flat),
        (_NOT_INDEPENDENT, *notes.notes()),
    )


def _likert_figures(context: ReportContext, chapter: FrequencyChapter) -> list[Figure]:
    figures, tables = [], chapter.tables
    for number_of_scale, (points, places) in enumerate(context.scales):
        suffix = f"-{number_of_scale + 1}" if len(context.scales) > 1 else ""
        keys = [(i, s) for i in places for s in range(len(context.data.systems))]
        n = sum(tables[k].n for k in keys)
        draw: Callable[[], Drawing]
        if len(points) > MOST_POINTS_AS_BARS:
            draw = partial(_draw_boxes, context, tables, keys, points)
            title = f"Spread of the ratings per item and system: {chapter.label}"
        else:
            bars = [_bar(context, tables[k], k) for k in keys]
            draw = partial(draw_likert, bars, points)
            title = (
                f"Ratings per item and system around the middle of the scale: {chapter.label}; the "
                "numbers in the bars are percentages"
            )
        figures.append(
            Figure(
                f"likert-{chapter.key}{suffix}",
                title,
                n_text("rating", n),
                "descriptive",
                _likert_words(context, tables, keys),
                draw,
            )
        )
    return figures


def _bar(context: ReportContext, table: FrequencyTable, key: tuple[int, int]) -> LikertBar:
    i, s = key
    counts = tuple(r.frequency for r in table.rows)
    return LikertBar(context.data.items[i].label, context.system_labels[s], counts)


def _draw_boxes(
    context: ReportContext,
    tables: Mapping[tuple[int, int], FrequencyTable],
    keys: list[tuple[int, int]],
    points: tuple[tuple[int, str], ...],
) -> Drawing:
    rows = []
    for i, s in keys:
        t = tables[i, s]
        values = np.repeat([r.point for r in t.rows], [r.frequency for r in t.rows])
        rows.append((f"{context.data.items[i].label}, {context.system_labels[s]}", values))
    return draw_boxes(rows, points[0][0], points[-1][0])


def _likert_words(
    context: ReportContext,
    tables: Mapping[tuple[int, int], FrequencyTable],
    keys: list[tuple[int, int]],
) -> str:
    """The figure in words: the favourable share of each bar."""
    words = []
    for i, s in keys:
        share = tables[i, s].top_share
        what = f"{context.data.items[i].label}, {context.system_labels[s]}"
        if share.estimate is None:
            words.append(f"{what}: no ratings")
        else:
            words.append(f"{what}: {number(100 * share.estimate, 0)} % in the upper points")
    return "Stacked bars of the ratings. " + "; ".join(words) + "."
