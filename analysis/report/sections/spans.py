"""Parts of a response that raters marked with labels."""

from __future__ import annotations

import pandas as pd

from analysis.agreement.spans import MarkedResponse, character_agreement
from analysis.chapters.context import ReportContext
from analysis.contrasts.cluster_means import clustered_share
from analysis.report.blocks import (
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    tidy,
)
from analysis.report.numbers import count, level_text, number
from analysis.resampling import cautions
from analysis.results import Estimate
from study.report_view.data import ReportItem

SEED = 20250301
_HOW = (
    "Raters marked parts of a response with labels. The share says in how many of the responses that "
    "raters read they marked anything with the label; its interval takes raters as clusters. "
    "Agreement is counted in characters: where one rater marked a character, the share of the other "
    "raters who marked it with the same label (F1 for two raters)."
)
Results = list[tuple[dict[str, object], Estimate]]


def spans_section(context: ReportContext) -> Section:
    """Share of responses with each label by system, and agreement on the characters."""
    heading = "Marked parts of the responses"
    items = [i for i in context.data.compared if i.kind == "spans"]
    if not items:
        return Section("spans", heading)
    if not len(context.data.spans):
        text = "There is nothing to show, because nobody has marked a response."
        return Section("spans", heading, (Paragraph(text),))
    return Section(
        "spans",
        heading,
        (Paragraph(_HOW), _share_table(context, items), _agreement_table(context, items)),
    )


def _rows(context: ReportContext, item: ReportItem) -> pd.DataFrame:
    return context.data.spans[context.data.spans["item"] == item.id]


def _share_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for item in items:
        frame = _rows(context, item)
        for label in item.labels:
            rows = []
            for system in context.data.systems:
                own = frame[frame["system"] == system.id]
                read = own.assign(hit=own["label"] == label.id)
                hits = read.groupby(["rater", "prompt"])["hit"].any()
                share = clustered_share(
                    hits.to_numpy(dtype=float), hits.index.get_level_values("rater").tolist(),
                    statistic="labelled_share", level=context.level, unit="response read",
                )  # fmt: skip
                marked = read[read["hit"]]
                cells = (count(len(hits)), _percent(share, notes), count(len(marked)))
                rows.append(Row((system.label, *cells)))
                flat.append(({"item": item.id, "label": label.id, "system": system.id}, share))
            groups.append(RowGroup(f"{item.label}: {label.label}", tuple(rows)))
    return Table(
        "spans",
        f"Responses with each label by system, percent and interval at {level_text(context.level)}",
        "rater (clusters); n counts responses read",
        "exploratory",
        (
            Column("System", False),
            Column("n"),
            Column("With the label, %"),
            Column("Marked parts"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _percent(share: Estimate, notes: Footnotes) -> str:
    if share.estimate is None:
        return notes.undefined(share.undefined_because)
    text = number(100 * share.estimate, 1)
    if share.ci_low is None or share.ci_high is None:
        return text
    return f"{text} [{number(100 * share.ci_low, 1)}, {number(100 * share.ci_high, 1)}]"


def _marked(frame: pd.DataFrame, label: str) -> list[MarkedResponse]:
    """Each response with what every one of its raters marked; nothing is an answer."""
    found = []
    for _, rows in frame.groupby(["system", "prompt"], sort=True):
        by_rater: dict[str, list[tuple[int, int]]] = {}
        for rater, start, end, given in zip(
            rows["rater"], rows["start"], rows["end"], rows["label"], strict=True
        ):
            parts = by_rater.setdefault(str(rater), [])
            if given == label:
                parts.append((int(start), int(end)))
        found.append(MarkedResponse(int(rows["length"].iloc[0]), by_rater))
    return found


def _agreement_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for item in items:
        rows = []
        for label in item.labels:
            found = character_agreement(
                _marked(_rows(context, item), label.id), level=context.level, seed=SEED
            )
            marked = int(found.details.get("marked", 0))
            rows.append(Row((label.label, str(found.n), count(marked), notes.with_interval(found))))
            flat.append(({"item": item.id, "label": label.id}, found))
        groups.append(RowGroup(item.label, tuple(rows)))
    return Table(
        "spans-agreement",
        f"Agreement on the marked characters, bootstrap of responses, intervals at "
        f"{level_text(context.level)}",
        "response, n in the table counts those with two or more raters",
        "exploratory",
        (
            Column("Label", False),
            Column("n"),
            Column("Characters marked, all raters"),
            Column("Agreement on characters"),
        ),
        tuple(groups),
        tidy(flat),
        (*cautions(e for _, e in flat), *notes.notes()),
    )
