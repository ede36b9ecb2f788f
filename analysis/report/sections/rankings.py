"""Pages that show the responses of all systems, put into an order by raters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.agreement.intraclass import kendall_w
from analysis.chapters.context import ReportContext
from analysis.contrasts.preference import plackett_luce
from analysis.description.numbers import number_summary
from analysis.report.blocks import (
    Block,
    Column,
    Footnotes,
    Paragraph,
    Row,
    RowGroup,
    Section,
    Table,
    tidy,
)
from analysis.report.numbers import count, level_text
from analysis.results import Estimate
from study.report_view.data import ReportItem

_HOW = (
    "A rater put the responses of all systems to a prompt into an order, 1 is best; responses that "
    "share a place have the mean of their ranks. Mean ranks and shares are first averaged over a "
    "rater’s prompts, so each rater counts once. A shared first place counts as a part of one."
)
Results = list[tuple[dict[str, object], Estimate]]


def rankings_section(context: ReportContext) -> Section:
    """Mean ranks, first places, strengths and concordance for each question."""
    heading = "Rankings of the responses"
    items = [i for i in context.data.compared if i.kind == "ranking"]
    if not items:
        return Section("rankings", heading)
    if not len(context.data.rankings):
        text = "There is no order to show, because no ranking was answered."
        return Section("rankings", heading, (Paragraph(text),))
    blocks: list[Block] = [Paragraph(_HOW), _ranks_table(context, items)]
    blocks += [_strength_table(context, items), _concordance_table(context, items)]
    return Section("rankings", heading, tuple(blocks))


def _rows(context: ReportContext, item: ReportItem) -> pd.DataFrame:
    frame = context.data.rankings
    frame = frame[frame["item"] == item.id]
    best = frame.groupby(["rater", "prompt"])["rank"].transform("min")
    first = frame["rank"] == best
    sharing = first.groupby([frame["rater"], frame["prompt"]]).transform("sum")
    return frame.assign(first=first / sharing)


def _ranks_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for item in items:
        frame, rows = _rows(context, item), []
        for system in context.data.systems:
            own = frame[frame["system"] == system.id].groupby("rater")[["rank", "first"]].mean()
            rank = number_summary(own["rank"].to_numpy(), level=context.level, unit="rater")
            share = number_summary(
                100 * own["first"].to_numpy(), level=context.level, unit="rater"
            ).mean
            rankings = int((frame["system"] == system.id).sum())
            cells = (
                str(rank.n), count(rankings), notes.with_interval(rank.mean),
                notes.estimate(rank.sd), notes.with_interval(share, 1),
            )  # fmt: skip
            rows.append(Row((system.label, *cells)))
            flat += [
                ({"item": item.id, "system": system.id, "of": "rank"}, rank.mean),
                ({"item": item.id, "system": system.id, "of": "first_place_percent"}, share),
            ]
        groups.append(RowGroup(item.label, tuple(rows)))
    return Table(
        "rankings",
        f"Mean rank and first places by system, t intervals at {level_text(context.level)}",
        "rater, n in the table",
        "exploratory",
        (
            Column("System", False),
            Column("n"),
            Column("Rankings"),
            Column("Mean rank"),
            Column("SD over raters"),
            Column("First place, %"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _orders(frame: pd.DataFrame) -> tuple[list[list[str]], list[str], int]:
    """Orders without shared places, their raters, and how many orders have shared places."""
    orders, raters, tied = [], [], 0
    for (rater, _), rows in frame.groupby(["rater", "prompt"], sort=True):
        if rows["rank"].nunique() < len(rows):
            tied += 1
            continue
        orders.append([str(s) for s in rows.sort_values("rank")["system"]])
        raters.append(str(rater))
    return orders, raters, tied


def _strength_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, groups, said = Footnotes(), [], []
    flat: Results = []
    labels = {s.id: s.label for s in context.data.systems}
    for item in items:
        orders, raters, tied = _orders(_rows(context, item))
        found = plackett_luce(orders, raters, level=context.level)
        results = [(f"Strength: {labels[s]}", e) for s, e in found.strengths]
        results += [(f"{labels[a]} minus {labels[b]}", e) for a, b, e in found.differences]
        rows = [
            Row((name, notes.with_interval(e), notes.p_value(e), str(e.n))) for name, e in results
        ]
        if not rows:
            mark = notes.undefined("no order is without shared places")
            rows = [Row(("All systems", mark, "–", "0"))]
        groups.append(RowGroup(item.label, tuple(rows)))
        flat += [({"item": item.id, "name": name}, e) for name, e in results]
        if tied:
            said.append(f"{item.label}: {tied} orders with shared places are left out.")
    return Table(
        "rankings-strengths",
        f"Plackett–Luce strengths, on the log scale, intervals at {level_text(context.level)}",
        "rater (clusters); n counts rankings",
        "exploratory",
        (Column("Strength or difference", False), Column("Estimate"), Column("p"), Column("n")),
        tuple(groups),
        tidy(flat) if flat else pd.DataFrame(columns=["item", "name"]),
        ("Strengths of a question add up to zero.", *said, *notes.notes()),
    )


def _concordance_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for item in items:
        frame, rows, found = _rows(context, item), [], []
        for prompt, own in frame.groupby("prompt", sort=True):
            table = own.pivot_table(
                index="system", columns="rater", values="rank", aggfunc="first"
            ).dropna(axis=1)
            w = kendall_w(table.to_numpy(dtype=np.float64))
            found.append(w)
            cells = (str(table.shape[1]), notes.estimate(w), notes.p_value(w))
            rows.append(Row((str(prompt), *cells)))
            flat.append(({"item": item.id, "prompt": str(prompt)}, w))
        known = [w.estimate for w in found if w.estimate is not None]
        mean = number_summary(known, level=context.level, unit="prompt").mean
        rows.append(Row(("Mean over prompts", "", notes.with_interval(mean), "–"), strong=True))
        flat.append(({"item": item.id, "prompt": "mean"}, mean))
        groups.append(RowGroup(item.label, tuple(rows)))
    return Table(
        "rankings-concordance",
        "Do raters order the systems alike? Kendall’s W by prompt",
        "prompt; raters in the table",
        "exploratory",
        (Column("Prompt", False), Column("Raters"), Column("Kendall’s W"), Column("p")),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )
