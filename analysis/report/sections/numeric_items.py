"""Items that are answered with any number between two ends, such as sliders."""

from __future__ import annotations

from functools import partial

from analysis.chapters.answers.numeric_items import NumericChapter
from analysis.chapters.context import ReportContext
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Row,
    RowGroup,
    Table,
    tidy,
)
from analysis.report.figures import draw_boxes
from analysis.report.numbers import count, level_text, n_text, number

NUMERIC_HOW = (
    "Numeric items are answered with any whole number between two ends, so they have no table of "
    "frequencies. Mean, SD and quartiles are of the single ratings. The mean over raters takes "
    "each rater's mean over the prompts as one number, so its interval speaks to other raters."
)


def numeric_blocks(context: ReportContext, chapter: NumericChapter) -> list[Block]:
    """Figure and table of the numeric items for one sample of raters."""
    return [*_figures(context, chapter), _table(context, chapter)]


def _figures(context: ReportContext, chapter: NumericChapter) -> list[Figure]:
    """Boxes, one figure for each pair of ends."""
    found = chapter.answers
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, s in found:
        points = context.data.items[i].points
        ends.setdefault((points[0][0], points[-1][0]), []).append((i, s))
    figures = []
    for place, ((low, high), keys) in enumerate(ends.items()):
        rows = [(_name(context, k), found[k].given) for k in keys]
        medians = [(k, found[k].ratings.median.estimate) for k in keys]
        words = "; ".join(
            f"{_name(context, k)}: "
            f"{'no ratings' if median is None else f'median {number(median, 1)}'}"
            for k, median in medians
        )
        suffix = f"-{place + 1}" if len(ends) > 1 else ""
        figures.append(
            Figure(
                f"numeric-{chapter.key}{suffix}",
                f"Spread of the numeric ratings per item and system: {chapter.label}; the box holds "
                "the middle half, the thick line is the median, the whiskers reach the extremes",
                n_text("rating", sum(found[k].ratings.n for k in keys)),
                "descriptive",
                f"Boxes from {low} to {high}. {words}.",
                partial(draw_boxes, rows, low, high),
            )
        )
    return figures


def _name(context: ReportContext, key: tuple[int, int]) -> str:
    return f"{context.data.items[key[0]].label}, {context.system_labels[key[1]]}"


def _table(context: ReportContext, chapter: NumericChapter) -> Table:
    notes, groups, flat = Footnotes(), [], []
    reasons = [
        r
        for r in context.shaped.reasons
        if any(a.ratings.missing_by_reason.get(r) for a in chapter.answers.values())
    ]
    for i in context.numeric_places:
        item, rows = context.data.items[i], []
        for s, system in enumerate(context.data.systems):
            f, over = chapter.answers[i, s].ratings, chapter.answers[i, s].over_raters
            quartiles = "–"
            if f.lower_quartile.estimate is not None and f.upper_quartile.estimate is not None:
                low, high = f.lower_quartile.estimate, f.upper_quartile.estimate
                quartiles = f"{number(low, 1)} to {number(high, 1)}"
            cells = (
                count(f.n), notes.estimate(f.mean), notes.estimate(f.sd),
                notes.with_interval(f.median, 1), quartiles, notes.with_interval(over),
                *(count(f.missing_by_reason.get(r, 0)) for r in reasons),
            )  # fmt: skip
            rows.append(Row((system.label, *cells)))
            keys = {"item": item.id, "system": system.id, "group": chapter.key}
            flat += [({**keys, "of": "ratings"}, e) for e in f.estimates]
            flat.append(({**keys, "of": "rater_means"}, over))
        groups.append(RowGroup(item.label, tuple(rows)))
    return Table(
        f"numeric-statistics-{chapter.key}",
        f"Numeric items: {chapter.label}, intervals at {level_text(context.level)}",
        "rating; of the mean over raters: rater; n in the table",
        "descriptive",
        (
            Column("System", False),
            Column("n"),
            Column("Mean"),
            Column("SD"),
            Column("Median (order statistics)"),
            Column("Quartiles"),
            Column("Mean over raters (t)"),
            *(Column(f"Missing: {reason}") for reason in reasons),
        ),
        tuple(groups),
        tidy(flat),
        (
            "The interval of the median treats ratings as independent; ratings by one rater are not.",
            *(() if reasons else ("No answer is missing.",)),
            *notes.notes(),
        ),
    )
