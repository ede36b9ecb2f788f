"""Items with options that have no order: how often each was chosen, and do annotators agree?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.agreement.coefficients import fleiss_kappa, gwet_ac, percent_agreement
from analysis.agreement.confusion import pooled_confusion, specific_agreement
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.agreement.labels import AnnotationScores, annotation_scores
from analysis.agreement.two_raters import Confusion, cohen_kappa, confusion
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray, FloatArray
from analysis.description.proportions import wilson_share
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
from analysis.report.figures import draw_confusion
from analysis.report.numbers import count, level_text, number, percent
from analysis.resampling import cautions
from analysis.results import Estimate
from study.report_view.data import ReportItem

SEED = 20250301
_HOW = (
    "These items offer options without an order. Their answers are annotations: each option's share "
    "is shown by system, and where two or more raters annotated the same responses, how well they "
    "agree. Precision, recall and F1 of an option take the first of two raters as the reference; F1 "
    "is the same the other way round, precision and recall change places. Specific agreement is the "
    "same as F1 and extends to more than two raters."
)


def choices_section(context: ReportContext) -> Section:
    """Shares by system, then agreement of each group with two raters or more."""
    items = context.data.choices
    blocks: list[Block] = [Paragraph(_HOW)] if items else []
    for item in items:
        blocks.append(_share_table(context, item))
        for sample in context.samples:
            blocks += _agreement_blocks(context, item, sample)
    return Section("choices", "Items with options", tuple(blocks))


def _answers(context: ReportContext, item: ReportItem) -> pd.DataFrame:
    frame = context.data.choice_ratings
    return frame[frame["item"] == item.id]


def _share_table(context: ReportContext, item: ReportItem) -> Table:
    frame, flat, systems = _answers(context, item), [], context.data.systems
    cells: dict[int, list[str]] = {value: [] for value, _ in item.points}
    missing: dict[str, list[str]] = {}
    gone = frame[frame["value"].isna()]
    reasons = sorted({str(r) or "no reason recorded" for r in gone["missing_reason"]})
    sizes = []
    for system in systems:
        own = frame[frame["system"] == system.id]
        given = own["value"].dropna()
        sizes.append(len(given))
        for value, anchor in item.points:
            share = wilson_share(int((given == value).sum()), len(given), level=context.level)
            flat.append(
                ({"item": item.id, "system": system.id, "option": value, "label": anchor}, share)
            )
            cells[value].append(_share_cell(share))
        for reason in reasons:
            why = own.loc[own["value"].isna(), "missing_reason"]
            n = int((why.replace("", "no reason recorded") == reason).sum())
            missing.setdefault(reason, []).append(count(n))
    rows = [Row((anchor, *cells[value])) for value, anchor in item.points]
    rows.append(Row(("Answers", *(count(n) for n in sizes)), strong=True))
    rows += [Row((f"Missing: {reason}", *numbers)) for reason, numbers in missing.items()]
    return Table(
        f"choices-{item.id}",
        f"{item.label} (“{item.text}”) by system, answers and percent with Wilson intervals at "
        f"{level_text(context.level)}",
        context.n_text("answer", sum(sizes)),
        "descriptive",
        (Column("Option", False), *(Column(s.label) for s in systems)),
        one_group(rows),
        tidy(flat),
        ("The intervals treat answers as independent; answers by one rater are not.",),
    )


def _share_cell(share: Estimate) -> str:
    if share.estimate is None:
        return "–"
    low, high = share.ci_low or 0.0, share.ci_high or 0.0
    n = int(share.details["count"])
    return f"{count(n)}: {number(100 * share.estimate, 1)} [{number(100 * low, 1)}, {number(100 * high, 1)}]"


def _matrix(
    context: ReportContext, item: ReportItem, raters: BoolArray
) -> tuple[FloatArray, list[str]]:
    """Responses by raters who gave an answer."""
    names = [r for r, chosen in zip(context.shaped.rater_ids, raters, strict=True) if chosen]
    frame = _answers(context, item)
    frame = frame[frame["rater"].isin(names)]
    if not len(frame):
        return np.empty((0, 0)), []
    wide = frame.pivot(index=["system", "prompt"], columns="rater", values="value")
    wide = wide.reindex(columns=[n for n in names if n in wide.columns]).dropna(axis=1, how="all")
    return wide.to_numpy(dtype=np.float64), [str(name) for name in wide.columns]


def _agreement_blocks(
    context: ReportContext, item: ReportItem, sample: tuple[str, str, BoolArray]
) -> list[Block]:
    key, label, raters = sample
    matrix, names = _matrix(context, item, raters)
    if len(names) < 2:
        return []
    points, options = [v for v, _ in item.points], [a for _, a in item.points]
    order = np.argsort(points)
    ordered, shown = [points[k] for k in order], [options[k] for k in order]
    two = len(names) == 2
    found = (
        confusion(matrix[:, 0], matrix[:, 1], ordered) if two else pooled_confusion(matrix, ordered)
    )
    scores = _scores(matrix, ordered, shown, context.level) if two else None
    stem = f"{item.id}-{key}"
    blocks: list[Block] = [
        _coefficients(context, stem, f"{item.label}: {label}", matrix, ordered, names, scores),
        _classes(context, stem, f"{item.label}: {label}", matrix, ordered, shown, names, scores),
    ]
    return [
        *blocks,
        *_confusion_blocks(context, stem, f"{item.label}: {label}", found, shown, names),
    ]


def _scores(
    matrix: FloatArray, points: Sequence[int], options: Sequence[str], level: float
) -> AnnotationScores:
    """The second rater against the first."""
    text = [
        [None if np.isnan(v) else options[points.index(int(v))] for v in column]
        for column in matrix.T
    ]
    return annotation_scores(text[0], text[1], options, level=level, seed=SEED)


def _coefficients(
    context: ReportContext,
    stem: str,
    title: str,
    matrix: FloatArray,
    points: Sequence[int],
    names: Sequence[str],
    scores: AnnotationScores | None,
) -> Table:
    level, notes = context.level, Footnotes()
    kinds: list[tuple[str, Estimate]] = [
        ("Share of agreeing pairs", percent_agreement(matrix, points, level=level)),
        ("Fleiss’ κ", fleiss_kappa(matrix, points, level=level)),
        ("Gwet’s AC1", gwet_ac(matrix, points, level=level)),
        (
            "Krippendorff’s α, nominal",
            krippendorff_alpha(matrix, points, metric="nominal", level=level),
        ),
    ]
    if scores is not None:
        kappa = cohen_kappa(matrix[:, 0], matrix[:, 1], points, level=level)
        kinds = [
            ("Accuracy (share of equal labels)", scores.accuracy),
            ("Cohen’s κ", kappa),
            *kinds[1:],
            ("Macro precision", scores.macro_precision),
            ("Macro recall", scores.macro_recall),
            ("Macro F1", scores.macro_f1),
            ("F1 weighted by the reference’s shares", scores.weighted_f1),
        ]
    rows = [
        Row((name, notes.with_interval(e), e.ci_method or "–", str(e.n), str(e.n_missing)))
        for name, e in kinds
    ]
    who = " and ".join(names) if len(names) == 2 else f"{len(names)} raters"
    return Table(
        f"annotation-{stem}",
        f"Agreement of {who}, {title}, intervals at {level_text(level)}",
        "response, n in the table",
        "exploratory",
        (
            Column("Statistic", False),
            Column("Estimate and interval"),
            Column("Interval", False),
            Column("n"),
            Column("Left out"),
        ),
        one_group(rows),
        tidy([({"name": name}, e) for name, e in kinds]),
        notes.notes(),
    )


def _classes(
    context: ReportContext,
    stem: str,
    title: str,
    matrix: FloatArray,
    points: Sequence[int],
    options: Sequence[str],
    names: Sequence[str],
    scores: AnnotationScores | None,
) -> Table:
    notes, rows = Footnotes(), []
    flat: list[tuple[dict[str, str], Estimate]] = []
    specific = specific_agreement(matrix, points, level=context.level, seed=SEED)
    for k, option in enumerate(options):
        cells = [notes.with_interval(specific[k])]
        results = [specific[k]]
        if scores is not None:
            c = scores.classes[k]
            cells += [notes.with_interval(e) for e in (c.precision, c.recall, c.f1)]
            results += [c.precision, c.recall, c.f1]
        given = [count(int((column == points[k]).sum())) for column in matrix.T]
        shown = given if len(names) == 2 else [count(int((matrix == points[k]).sum()))]
        rows.append(Row((option, *shown, *cells)))
        flat += [({"option": option}, e) for e in results]
    two = len(names) == 2
    heads = [Column(f"Given by {n}") for n in names] if two else [Column("Given")]
    more = [Column("Precision"), Column("Recall"), Column("F1")] if scores is not None else []
    narrow = cautions(e for _, e in flat)
    reference = (f"Reference: {names[0]}. Precision and recall: Wilson.",) if two else ()
    drawn = "specific agreement and F1" if two else "specific agreement"
    return Table(
        f"annotation-classes-{stem}",
        f"Agreement on each option, {title}, intervals at {level_text(context.level)}",
        "response, n in the table before",
        "exploratory",
        (Column("Option", False), *heads, Column("Specific agreement"), *more),
        one_group(rows),
        tidy(flat),
        (*reference, f"Interval of {drawn}: responses drawn again.", *narrow, *notes.notes()),
    )  # fmt: skip


def _confusion_blocks(
    context: ReportContext,
    stem: str,
    title: str,
    found: Confusion,
    options: Sequence[str],
    names: Sequence[str],
) -> list[Block]:
    counts = np.asarray(found.counts)
    total = int(counts.sum())
    if not total:
        return []
    two = len(names) == 2
    sides = (
        (f"{names[0]} chose", f"{names[1]} chose") if two else ("One rater chose", "Another chose")
    )
    every = "" if two else ", every two raters from both sides"
    unit = context.n_text("response" if two else "pair of answers", total if two else total // 2)
    rows = [
        Row((option, *(f"{count(k)} ({percent(k, sum(row), 1)})" for k in row), count(sum(row))))
        for option, row in zip(options, counts.tolist(), strict=True)
    ]
    flat = [
        {"first_option": one, "second_option": two_, "pairs": int(counts[i, j])}
        for i, one in enumerate(options)
        for j, two_ in enumerate(options)
    ]
    agreed = percent(int(np.trace(counts)), total, 1)
    words = "; ".join(
        f"{option}: {percent(int(counts[i, i]), int(counts[i].sum()), 0)} %"
        for i, option in enumerate(options)
        if counts[i].sum()
    )
    heading = f"Which option was chosen for which{every}, percent of each row. {title}"
    figure = Figure(
        f"annotation-confusion-{stem}",
        heading,
        unit,
        "descriptive",
        f"Heat map of {len(options)} by {len(options)} options. {agreed} % are on the diagonal, where "
        f"both chose the same. Share of the row on the diagonal: {words}.",
        partial(draw_confusion, counts, list(options), sides),
    )
    table = Table(
        f"annotation-confusion-{stem}",
        heading.replace("percent", "number and percent"),
        unit,
        "descriptive",
        (
            Column(
                f"{sides[0]}; columns: {sides[1][0].lower() if not two else sides[1][0]}{sides[1][1:]}",
                False,
            ),
            *(Column(o) for o in options),
            Column("Sum"),
        ),
        one_group(rows),
        pd.DataFrame(flat),
    )
    return [figure, table]
