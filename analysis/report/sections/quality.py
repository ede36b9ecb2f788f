"""Data quality: who straight-lined, rushed or left gaps, and whether order mattered."""

from __future__ import annotations

from functools import partial

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.quality import (
    SECONDS_PER_100_WORDS,
    QualityChapter,
    RaterQuality,
    quality_chapter,
)
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    Section,
    Table,
    one_group,
    tidy,
)
from analysis.report.figures import draw_missingness
from analysis.report.numbers import count, level_text, n_text, number, percent
from analysis.report.result_rows import test_row
from analysis.report.sections.attention import attention_blocks
from analysis.report.sections.exclusions import exclusion_blocks
from analysis.results import Estimate

MOST_RATERS_SHOWN = 60


def quality_section(context: ReportContext) -> Section:
    """The section shows; only what the plan declares leaves anybody out, beside the whole result."""
    chapter = quality_chapter(context)
    if chapter is None:
        text = "Data quality cannot be looked at, because there is no rating."
        return Section("quality", "Data quality", (Paragraph(text),))
    exclusions = exclusion_blocks(context)
    fate = (
        "The checks leave nobody out; the exclusions that the plan declares stand at the end, with "
        "the declared results with and without them."
        if exclusions
        else "No rater and no answer is excluded by these checks."
    )
    text = (
        f"{fate} {_fast_words(context)} Long runs of equal answers can be honest when the "
        "responses are alike."
    )
    blocks: list[Block] = [
        Paragraph(text),
        _rater_table(context, chapter),
        *attention_blocks(context),
        _missing_table(context, chapter),
        *_missing_figure(context, chapter),
        _order_table(context, chapter),
        *exclusions,
    ]
    return Section("quality", "Data quality", tuple(blocks))


def _fast_words(context: ReportContext) -> str:
    if not len(context.data.responses):
        return "No page is called fast, because none shows a response to read."
    return (
        f"A page is called fast when it took less than {number(SECONDS_PER_100_WORDS, 1)} seconds per "
        "100 words of the response, twice the usual speed of silent reading."
    )


def _rater_table(context: ReportContext, chapter: QualityChapter) -> Table:
    notes, raters = Footnotes(), chapter.raters
    no_speed = "no time was recorded" if len(context.data.responses) else "no response was shown"
    ranked = sorted(raters, key=lambda r: (-_share_uniform(r), -r.line.longest_run, r.line.rater))
    rows = [_rater_row(r, no_speed, notes) for r in ranked[:MOST_RATERS_SHOWN]]
    flat = [
        {
            **vars(r.line),
            "n_missing": r.n_missing,
            "too_fast_share": None if r.fast is None else r.fast.estimate,
        }
        for r in raters
    ]
    left = len(raters) - len(rows)
    further = (f"{left} further raters are in the CSV file only.",) if left > 0 else ()
    return Table(
        "quality-raters",
        "How each rater answered, those with most uniform responses first",
        n_text("rater", len(raters)),
        "exploratory",
        (
            Column("Rater", False),
            Column("Answers"),
            Column("Missing"),
            Column("Longest run of equal answers"),
            Column("Responses with all items equal"),
            Column("Variance, share of the range"),
            Column("Fast pages, %"),
        ),
        one_group(rows),
        pd.DataFrame(flat),
        (
            *further,
            f"The variance is of a rater's answers as shares of their scale's range{_scales(context)}.",
            *notes.notes(),
        ),
    )


def _rater_row(rater: RaterQuality, no_speed: str, notes: Footnotes) -> Row:
    line = rater.line
    share = notes.undefined(no_speed) if rater.fast is None else _percent_or(rater.fast, notes)
    variance = (
        notes.undefined("a variance needs two answers")
        if line.variance is None
        else number(line.variance, 3)
    )
    uniform = f"{line.uniform_responses} of {line.responses}"
    counts = (str(line.n), str(rater.n_missing), str(line.longest_run), uniform)
    return Row((line.rater, *counts, variance, share))


def _scales(context: ReportContext) -> str:
    """What 0 and 1 stand for on each scale of the study."""
    ends = dict.fromkeys((item.points[0][0], item.points[-1][0]) for item in context.data.items)
    return f" (0 the lowest point, 1 the highest: {', '.join(f'{a} to {b}' for a, b in ends)})"


def _share_uniform(rater: RaterQuality) -> float:
    line = rater.line
    return line.uniform_responses / line.responses if line.responses else 0.0


def _percent_or(share: Estimate, notes: Footnotes) -> str:
    if share.estimate is None:
        return notes.undefined(share.undefined_because)
    return number(100 * share.estimate, 1)


def _missing_table(context: ReportContext, chapter: QualityChapter) -> Table:
    gaps, reasons = chapter.by_item, context.shaped.reasons
    labels = {item.id: item.label for item in context.data.items}
    rows, flat = [], []
    for gap in gaps:
        planned = gap.n + gap.n_missing
        by_reason = [str(gap.by_reason.get(reason, 0)) for reason in reasons]
        share = percent(gap.n_missing, planned)
        cells = (count(planned), count(gap.n_missing), share, *by_reason)
        rows.append(Row((labels.get(gap.label, gap.label), *cells)))
        counts = {r: gap.by_reason.get(r, 0) for r in reasons}
        flat.append({"item": gap.label, "planned": planned, "missing": gap.n_missing, **counts})
    planned = sum(g.n + g.n_missing for g in gaps)
    return Table(
        "missing",
        f"Missing answers per item{' and reason' if reasons else ''}",
        n_text("planned answer", planned),
        "descriptive",
        (
            Column("Item", False),
            Column("Planned"),
            Column("Missing"),
            Column("Missing, %"),
            *(Column(reason.capitalize()) for reason in reasons),
        ),
        one_group(rows),
        pd.DataFrame(flat),
    )


def _missing_figure(context: ReportContext, chapter: QualityChapter) -> list[Figure]:
    gaps = chapter.gaps
    if not gaps.raters:
        return []
    names = list(gaps.raters[:MOST_RATERS_SHOWN])
    few = f"; the {len(names)} with most are drawn" if len(names) < len(gaps.raters) else ""
    return [
        Figure(
            "missingness",
            "Missing answers of the raters who left any, rater by item, in percent of the planned "
            f"answers (a dot stands for none){few}",
            n_text("planned answer", gaps.n_planned),
            "descriptive",
            f"{len(gaps.raters)} of {len(context.shaped.rater_ids)} raters left answers out, "
            f"{gaps.n_missing} answers in all. Rows are raters, columns are items.",
            partial(
                draw_missingness,
                gaps.shares[: len(names)],
                names,
                [item.label for item in context.data.items],
            ),
        )
    ]


def _order_table(context: ReportContext, chapter: QualityChapter) -> Table:
    notes = Footnotes()
    rows = [
        _order_row(name, e, notes, digits)
        for name, e, digits in (
            ("Drift of ratings per position, share of the range", chapter.position, 4),
            (
                "Drift of ratings per place of the item on the page, share of the range",
                chapter.place,
                4,
            ),
            ("Primary contrast by the system seen first, difference of totals", chapter.order, 2),
        )
    ]
    return Table(
        "order-effects",
        f"Does place or order matter? Intervals at {level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        (
            Column("Effect", False),
            Column("Estimate and interval"),
            Column("t"),
            Column("p"),
            Column("n"),
        ),
        one_group(rows),
        tidy(
            [
                ({"effect": "position"}, chapter.position),
                ({"effect": "place"}, chapter.place),
                ({"effect": "order"}, chapter.order),
            ]
        ),
        (
            "Position: the response's place in the rater's order, balanced over systems. Place: the "
            "item's place on the page, beside its own mean. Drifts are in shares of the scale's range"
            f"{_scales(context)}; the contrast is in points of the total.",
            *notes.notes(),
        ),
    )


def _order_row(name: str, effect: Estimate, notes: Footnotes, digits: int) -> Row:
    label, estimate, t, _, _, n = test_row(name, effect, notes, digits=digits).cells
    return Row((label, estimate, t, notes.p_value(effect), n))
