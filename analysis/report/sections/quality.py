"""Data quality: who straight-lined, rushed or left gaps, and whether order mattered."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.description.quality import (
    Missingness,
    Straightlining,
    missingness,
    order_effect,
    place_effect,
    position_effect,
    straightlining,
    too_fast,
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
from analysis.report.numbers import count, level_text, number, percent
from analysis.report.sections.attention import attention_blocks
from analysis.report.sections.contrast import no_pair, primary_pair
from analysis.report.sections.exclusions import exclusion_blocks
from analysis.results import Estimate, undefined

MOST_RATERS_SHOWN = 60
# Twice the mean speed of silent reading (238 words a minute, Brysbaert 2019), per 100 words.
SECONDS_PER_100_WORDS = 100 / (2 * 238) * 60


def quality_section(context: ReportContext) -> Section:
    """The section shows; only what the plan declares leaves anybody out, beside the whole result."""
    if not len(context.data.ratings):
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
    gaps = missingness(context.data.ratings, "item")
    blocks: list[Block] = [
        Paragraph(text),
        _rater_table(context),
        *attention_blocks(context),
        _missing_table(context, gaps),
        *_missing_figure(context),
        _order_table(context),
        *exclusions,
    ]
    return Section("quality", "Data quality", tuple(blocks))


def _in_order(context: ReportContext) -> pd.DataFrame:
    ratings = context.data.ratings
    place = {item.id: i for i, item in enumerate(context.data.items)}
    keyed = ratings.assign(item_place=ratings["item"].map(place))
    return keyed.sort_values(["rater", "position", "item_place"], kind="stable")


def _fast_words(context: ReportContext) -> str:
    if not len(context.data.responses):
        return "No page is called fast, because none shows a response to read."
    return (
        f"A page is called fast when it took less than {number(SECONDS_PER_100_WORDS, 1)} seconds per "
        "100 words of the response, twice the usual speed of silent reading."
    )


def _fast(context: ReportContext) -> dict[str, Estimate]:
    """Share of fast pages of each rater, from the arrays: one row for each page with a time."""
    shaped = context.shaped
    r, s, p = np.nonzero(~np.isnan(shaped.seconds))
    responses = context.data.responses
    if not r.size or not len(responses):
        return {}
    words = {
        (str(system), str(prompt)): len(str(text).split())
        for system, prompt, text in zip(
            responses["system"], responses["prompt"], responses["text"].fillna(""), strict=True
        )
    }
    table = np.array(
        [[words.get((x.id, q), 0) for q in shaped.prompt_ids] for x in context.data.systems]
    )
    pages = pd.DataFrame(
        {
            "rater": np.array(shaped.rater_ids, dtype=object)[r],
            "seconds": shaped.seconds[r, s, p],
            "words": table[s, p].astype(float),
        }
    )
    return dict(too_fast(pages, minimum_seconds=SECONDS_PER_100_WORDS, level=context.level))


def _rater_table(context: ReportContext) -> Table:
    notes, rows, flat = Footnotes(), [], []
    lines = straightlining(_in_order(context), _ranges(context))
    fast = _fast(context)
    no_speed = "no time was recorded" if len(context.data.responses) else "no response was shown"
    gaps = {m.label: m for m in missingness(context.data.ratings, "rater")}
    ranked = sorted(lines, key=lambda x: (-_share_uniform(x), -x.longest_run, x.rater))
    for line in ranked[:MOST_RATERS_SHOWN]:
        quick = fast.get(line.rater)
        share = notes.undefined(no_speed) if quick is None else _percent_or(quick, notes)
        variance = (
            notes.undefined("a variance needs two answers")
            if line.variance is None
            else number(line.variance, 3)
        )
        uniform = f"{line.uniform_responses} of {line.responses}"
        missing = str(gaps[line.rater].n_missing) if line.rater in gaps else "0"
        cells = (str(line.n), missing, str(line.longest_run), uniform, variance, share)
        rows.append(Row((line.rater, *cells)))
    for line in lines:
        quick = fast.get(line.rater)
        share_fast = None if quick is None else quick.estimate
        gap = gaps.get(line.rater)
        flat.append(
            {**vars(line), "n_missing": gap.n_missing if gap else 0, "too_fast_share": share_fast}
        )
    left = len(lines) - len(rows)
    further = (f"{left} further raters are in the CSV file only.",) if left > 0 else ()
    return Table(
        "quality-raters",
        "How each rater answered, those with most uniform responses first",
        context.n_text("rater", len(lines)),
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


def _ranges(context: ReportContext) -> dict[str, tuple[float, float]]:
    """Lowest and highest point of every item."""
    return {
        item.id: (float(item.points[0][0]), float(item.points[-1][0]))
        for item in context.data.items
    }


def _scales(context: ReportContext) -> str:
    """What 0 and 1 stand for on each scale of the study."""
    ends = dict.fromkeys((item.points[0][0], item.points[-1][0]) for item in context.data.items)
    return f" (0 the lowest point, 1 the highest: {', '.join(f'{a} to {b}' for a, b in ends)})"


def _share_uniform(line: Straightlining) -> float:
    return line.uniform_responses / line.responses if line.responses else 0.0


def _percent_or(share: Estimate, notes: Footnotes) -> str:
    if share.estimate is None:
        return notes.undefined(share.undefined_because)
    return number(100 * share.estimate, 1)


def _missing_table(context: ReportContext, gaps: tuple[Missingness, ...]) -> Table:
    reasons = context.shaped.reasons
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
        context.n_text("planned answer", planned),
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


def _missing_figure(context: ReportContext) -> list[Figure]:
    shaped = context.shaped
    planned = shaped.planned.sum(axis=(1, 2))
    missing = (shaped.reason > 0).sum(axis=(1, 2))
    if not missing.any():
        return []
    shares = np.divide(missing, planned, out=np.full(planned.shape, np.nan), where=planned > 0)
    gappy = np.flatnonzero(missing.any(axis=1))
    ranked = gappy[np.argsort(-missing[gappy].sum(axis=1), kind="stable")][:MOST_RATERS_SHOWN]
    labels = [item.label for item in context.data.items]
    names = [shaped.rater_ids[i] for i in ranked]
    return [
        Figure(
            "missingness",
            "Missing answers of the raters who left any, rater by item, in percent of the planned "
            "answers (a dot stands for none)"
            + (f"; the {len(ranked)} with most are drawn" if len(ranked) < len(gappy) else ""),
            context.n_text("planned answer", int(planned.sum())),
            "descriptive",
            f"{len(gappy)} of {len(shaped.rater_ids)} raters left answers out, {int(missing.sum())} "
            "answers in all. Rows are raters, columns are items.",
            partial(draw_missingness, shares[ranked], names, labels),
        )
    ]


def _order_table(context: ReportContext) -> Table:
    notes = Footnotes()
    drift = position_effect(context.data.ratings, _ranges(context), level=context.level)
    carry, place = _order_effect(context), _place_effect(context)
    rows = [
        Row(
            (
                name,
                notes.with_interval(e, digits),
                "–" if e.estimate is None else number(float(e.details.get("t", 0.0))),
                notes.p_value(e),
                str(e.n),
            )
        )
        for name, e, digits in (
            ("Drift of ratings per position, share of the range", drift, 4),
            ("Drift of ratings per place of the item on the page, share of the range", place, 4),
            ("Primary contrast by the system seen first, difference of totals", carry, 2),
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
                ({"effect": "position"}, drift),
                ({"effect": "place"}, place),
                ({"effect": "order"}, carry),
            ]
        ),
        (
            "Position: the response's place in the rater's order, balanced over systems. Place: the "
            "item's place on the page, beside its own mean. Drifts are in shares of the scale's range"
            f"{_scales(context)}; the contrast is in points of the total.",
            *notes.notes(),
        ),
    )


def _place_effect(context: ReportContext) -> Estimate:
    ratings = context.data.ratings
    if "place" not in ratings:
        return undefined("place_slope", "no place on the page is recorded", unit="rater")
    return place_effect(ratings, _ranges(context), level=context.level)


def _order_effect(context: ReportContext) -> Estimate:
    pair = primary_pair(context)
    if pair is None:
        return undefined("order_effect", no_pair(context), unit="rater")
    one, two = pair
    system, against = context.data.systems[one].id, context.data.systems[two].id
    place = context.shaped.position[:, [one, two], :]
    known = np.where(np.isnan(place), np.inf, place).min(axis=2)
    difference = context.totals[:, one] - context.totals[:, two]
    usable = np.isfinite(known).all(axis=1) & ~np.isnan(difference)
    names = np.where(known[:, 0] < known[:, 1], system, against)
    return order_effect(difference[usable], list(names[usable]), level=context.level)
