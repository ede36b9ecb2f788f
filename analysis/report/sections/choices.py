"""Items with options that have no order: how often each was chosen, and do annotators agree?"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from analysis.chapters.answers.choices import ChoiceAgreement, ChosenItem, choices_chapter
from analysis.chapters.context import ReportContext
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
from analysis.report.numbers import count, level_text, n_text, number, percent
from analysis.report.result_rows import cautions
from analysis.results import Estimate

_HOW = (
    "These items offer options without an order. Their answers are annotations: each option's share "
    "is shown by system, and where two or more raters annotated the same responses, how well they "
    "agree. Precision, recall and F1 of an option take the first of two raters as the reference; F1 "
    "is the same the other way round, precision and recall change places. Specific agreement is the "
    "same as F1 and extends to more than two raters."
)


def choices_section(context: ReportContext) -> Section:
    """Shares by system, then agreement of each group with two raters or more."""
    items = choices_chapter(context)
    blocks: list[Block] = [Paragraph(_HOW)] if items else []
    for one in items:
        blocks.append(_share_table(context, one))
        for found in one.agreement:
            stem = f"{one.item.id}-{found.key}"
            title = f"{one.item.label}: {found.label}"
            blocks += [
                _coefficients(found, stem, title, context.level),
                _classes(found, stem, title, context.level),
                *_confusion_blocks(context, found, stem, title),
            ]
    return Section("choices", "Items with options", tuple(blocks))


def _share_table(context: ReportContext, one: ChosenItem) -> Table:
    item, flat = one.item, []
    for s in one.systems:
        for (value, anchor), share in zip(item.points, s.shares, strict=True):
            keys = {"item": item.id, "system": s.system.id, "option": value, "label": anchor}
            flat.append((keys, share))
    rows = [
        Row((anchor, *(_share_cell(s.shares[k]) for s in one.systems)))
        for k, (_, anchor) in enumerate(item.points)
    ]
    rows.append(Row(("Answers", *(count(s.n) for s in one.systems)), strong=True))
    rows += [
        Row((f"Missing: {reason}", *(count(s.missing.get(reason, 0)) for s in one.systems)))
        for reason in one.reasons
    ]
    return Table(
        f"choices-{item.id}",
        f"{item.label} (“{item.text}”) by system, answers and percent with Wilson intervals at "
        f"{level_text(context.level)}",
        n_text("answer", sum(s.n for s in one.systems)),
        "descriptive",
        (Column("Option", False), *(Column(s.system.label) for s in one.systems)),
        one_group(rows),
        tidy(flat),
        ("The intervals treat answers as independent; answers by one rater are not.",),
    )


def _share_cell(share: Estimate) -> str:
    if share.estimate is None:
        return "–"
    low, high = share.ci_low or 0.0, share.ci_high or 0.0
    n = share.details.count
    return f"{count(n)}: {number(100 * share.estimate, 1)} [{number(100 * low, 1)}, {number(100 * high, 1)}]"


def _coefficients(found: ChoiceAgreement, stem: str, title: str, level: float) -> Table:
    notes, all_of = Footnotes(), found.together
    kinds: list[tuple[str, Estimate]] = [
        ("Share of agreeing pairs", all_of.agreeing_pairs),
        ("Fleiss’ κ", all_of.fleiss),
        ("Gwet’s AC1", all_of.ac1),
        ("Krippendorff’s α, nominal", all_of.alpha),
    ]
    scores = found.scores
    if scores is not None and found.kappa is not None:
        kinds = [
            ("Accuracy (share of equal labels)", scores.accuracy),
            ("Cohen’s κ", found.kappa),
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
    names = found.names
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


def _classes(found: ChoiceAgreement, stem: str, title: str, level: float) -> Table:
    notes, rows, scores = Footnotes(), [], found.scores
    flat: list[tuple[dict[str, str], Estimate]] = []
    names, two = found.names, len(found.names) == 2
    for k, option in enumerate(found.options):
        results = [found.specific[k]]
        if scores is not None:
            c = scores.classes[k]
            results += [c.precision, c.recall, c.f1]
        given = [own[k] for own in found.given]
        shown = [count(n) for n in (given if two else [sum(given)])]
        rows.append(Row((option, *shown, *(notes.with_interval(e) for e in results))))
        flat += [({"option": option}, e) for e in results]
    heads = [Column(f"Given by {n}") for n in names] if two else [Column("Given")]
    more = [Column("Precision"), Column("Recall"), Column("F1")] if scores is not None else []
    narrow = cautions(e for _, e in flat)
    reference = (f"Reference: {names[0]}. Precision and recall: Wilson.",) if two else ()
    drawn = "specific agreement and F1" if two else "specific agreement"
    return Table(
        f"annotation-classes-{stem}",
        f"Agreement on each option, {title}, intervals at {level_text(level)}",
        "response, n in the table before",
        "exploratory",
        (Column("Option", False), *heads, Column("Specific agreement"), *more),
        one_group(rows),
        tidy(flat),
        (*reference, f"Interval of {drawn}: responses drawn again.", *narrow, *notes.notes()),
    )  # fmt: skip


def _confusion_blocks(
    context: ReportContext, found: ChoiceAgreement, stem: str, title: str
) -> list[Block]:
    options, names = found.options, found.names
    counts = np.asarray(found.counts.counts)
    total, two = int(counts.sum()), len(names) == 2
    if not total:
        return []
    sides = (
        (f"{names[0]} chose", f"{names[1]} chose") if two else ("One rater chose", "Another chose")
    )
    every = "" if two else ", every two raters from both sides"
    unit = n_text("response" if two else "pair of answers", total if two else total // 2)
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
