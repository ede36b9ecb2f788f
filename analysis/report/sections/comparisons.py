"""Pages that show two responses: which one raters prefer, by how much, and whether they agree."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.agreement.coefficients import fleiss_kappa, gwet_ac, percent_agreement
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.chapters.context import ReportContext
from analysis.contrasts.cluster_means import clustered_share
from analysis.contrasts.preference import TIE, Comparison, davidson
from analysis.judge_worth.consistency import order_effects
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
    one_group,
    tidy,
)
from analysis.report.figures import ForestRow, draw_forest
from analysis.report.numbers import count, interval_text, level_text, number
from analysis.results import Estimate
from study.report_view.data import ReportItem

_HOW = (
    "Each page showed two responses to one prompt, A and B, and a rater said which is better or that "
    "they tie. Wins, ties and losses are counted from the first system's side. Strengths come from "
    "Bradley and Terry’s model with Davidson’s ties and an effect of the place on the page; a "
    "difference is the log odds of being preferred where there is no tie and no effect of the place. "
    "All intervals take raters as clusters, so they speak to other raters, with these prompts."
)
Results = list[tuple[dict[str, object], Estimate]]


def comparisons_section(context: ReportContext) -> Section:
    """Wins, strengths, what the place does, and agreement, for each question."""
    heading = "Comparisons of two responses"
    items = [i for i in context.data.compared if i.kind == "pairwise"]
    if not items:
        return Section("comparisons", heading)
    if not len(context.data.comparisons):
        text = "Nothing can be compared, because no comparison was answered."
        return Section("comparisons", heading, (Paragraph(text),))
    blocks: list[Block] = [Paragraph(_HOW), _wins_table(context, items)]
    blocks += [*_strength_blocks(context, items), _place_table(context, items)]
    blocks += [_agreement_table(context, items)]
    return Section("comparisons", heading, tuple(blocks))


def _rows(context: ReportContext, item: ReportItem, group: str | None = None) -> pd.DataFrame:
    frame = context.data.comparisons
    frame = frame[frame["item"] == item.id]
    return frame if group is None else frame[frame["group"] == group]


def _groups(context: ReportContext) -> list[tuple[str | None, str]]:
    """All raters, then each group when there are several."""
    present = set(context.data.comparisons["group"])
    groups: list[tuple[str | None, str]] = [
        (g.id, g.label) for g in context.data.groups if g.id in present
    ]
    return [(None, "All raters"), *(groups if len(groups) > 1 else [])]


def _wins_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    systems = context.data.systems
    for item in items:
        rows = []
        for group, group_label in _groups(context):
            frame = _rows(context, item, group)
            for one, two in combinations(systems, 2):
                own = frame[
                    frame["place_a"].isin([one.id, two.id])
                    & frame["place_b"].isin([one.id, two.id])
                ]
                if not len(own):
                    continue
                cells, raters = [], own["rater"].tolist()
                for what, chosen in (("wins", one.id), ("ties", TIE), ("losses", two.id)):
                    hits = (own["chosen"] == chosen).to_numpy(dtype=float)
                    share = clustered_share(
                        hits, raters, statistic=what, level=context.level, unit="comparison"
                    )
                    cells.append(_share_cell(share, int(hits.sum()), notes))
                    keys = {"item": item.id, "group": group or "all"}
                    flat.append(({**keys, "system": one.id, "against": two.id}, share))
                name = f"{group_label}: {one.label} against {two.label}"
                rows.append(Row((name, count(len(own)), *cells)))
        groups.append(RowGroup(item.label, tuple(rows)))
    return Table(
        "comparisons",
        f"Wins, ties and losses of the first system, number, percent and interval at "
        f"{level_text(context.level)}",
        "rater (clusters); n counts comparisons",
        "exploratory",
        (
            Column("Pair", False),
            Column("n"),
            Column("Wins"),
            Column("Ties"),
            Column("Losses"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _share_cell(share: Estimate, hits: int, notes: Footnotes) -> str:
    if share.estimate is None:
        return notes.undefined(share.undefined_because)
    text = f"{count(hits)}: {number(100 * share.estimate, 1)}"
    if share.ci_low is None or share.ci_high is None:
        return text
    return f"{text} [{number(100 * share.ci_low, 1)}, {number(100 * share.ci_high, 1)}]"


def _comparisons(frame: pd.DataFrame) -> list[Comparison]:
    """A rater's choices hang together, so the rater is the cluster."""
    columns = (frame[name].tolist() for name in ("place_a", "place_b", "chosen", "rater"))
    return [
        Comparison((str(a), str(b)), str(chosen), str(rater))
        for a, b, chosen, rater in zip(*columns, strict=True)
    ]


def _strength_blocks(context: ReportContext, items: list[ReportItem]) -> list[Block]:
    notes, groups, lines = Footnotes(), [], []
    flat: Results = []
    labels = {s.id: s.label for s in context.data.systems}
    for item in items:
        found = davidson(_comparisons(_rows(context, item)), level=context.level)
        results = [(f"Strength: {labels[s]}", e) for s, e in found.strengths]
        for a, b, e in found.differences:
            results.append((f"{labels[a]} minus {labels[b]}", e))
            lines.append(
                ForestRow(
                    f"{item.label}: {labels[a]} − {labels[b]}", e.estimate, e.ci_low, e.ci_high
                )
            )
        results.append(("Weight of a tie (Davidson’s ν)", found.tie))
        rows = [
            Row((name, notes.with_interval(e), notes.p_value(e), str(e.n))) for name, e in results
        ]
        groups.append(RowGroup(item.label, tuple(rows)))
        flat += [({"item": item.id, "name": name}, e) for name, e in results]
    table = Table(
        "comparisons-strengths",
        f"Bradley–Terry strengths with ties, on the log scale, intervals at "
        f"{level_text(context.level)}",
        "rater (clusters); n counts comparisons",
        "exploratory",
        (Column("Strength or difference", False), Column("Estimate"), Column("p"), Column("n")),
        tuple(groups),
        tidy(flat),
        ("Strengths of a question add up to zero.", *notes.notes()),
    )
    if all(line.estimate is None for line in lines):
        return [table]
    words = "; ".join(
        f"{line.label}: {'undefined' if line.estimate is None else number(line.estimate)}"
        for line in lines
    )
    figure = Figure(
        "comparisons-forest",
        f"Differences of strengths with intervals at {level_text(context.level)}; right of 0 the first "
        "system is preferred",
        "rater (clusters); n in the table",
        "exploratory",
        f"Forest of differences. {words}.",
        partial(draw_forest, lines, "Log odds of being preferred"),
    )
    return [table, figure]


def _place_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, rows = Footnotes(), []
    flat: Results = []
    for item in items:
        rate = order_effects(
            _comparisons(_rows(context, item)), level=context.level
        ).first_place_rate
        n = str(rate.n)
        if rate.estimate is None:
            cell = notes.undefined(rate.undefined_because)
        else:
            interval = interval_text(_in_percent(rate), 1)
            cell = f"{number(100 * rate.estimate, 1)} {interval}".strip()
        rows.append(Row((item.label, cell, n, str(rate.n_missing))))
        flat.append(({"item": item.id}, rate))
    return Table(
        "comparisons-place",
        f"How often the response at A, shown first, is preferred: percent of the comparisons without "
        f"a tie, intervals at {level_text(context.level)}",
        "rater (clusters); n counts comparisons",
        "exploratory",
        (Column("Question", False), Column("A preferred, %"), Column("n"), Column("Ties left out")),
        one_group(rows),
        tidy(flat),
        ("By design each system stands at A and at B equally often: without an effect of the place, 50 %.",
         *notes.notes()),
    )  # fmt: skip


def _in_percent(rate: Estimate) -> Estimate:
    from dataclasses import replace

    def times(value: float | None) -> float | None:
        return None if value is None else 100 * value

    return replace(
        rate, estimate=times(rate.estimate), ci_low=times(rate.ci_low), ci_high=times(rate.ci_high)
    )


def _agreement_table(context: ReportContext, items: list[ReportItem]) -> Table:
    notes, groups = Footnotes(), []
    flat: Results = []
    for item in items:
        rows = []
        for group, label in _groups(context):
            matrix = _choices(_rows(context, item, group))
            points, level = [-1, 0, 1], context.level
            results = (
                percent_agreement(matrix, points, level=level),
                fleiss_kappa(matrix, points, level=level),
                gwet_ac(matrix, points, level=level),
                krippendorff_alpha(matrix, points, metric="nominal", level=level),
            )
            n = max(r.n for r in results)
            name = f"{label}, {matrix.shape[1]} raters"
            rows.append(Row((name, str(n), *(notes.with_interval(r) for r in results))))
            flat += [({"item": item.id, "group": group or "all"}, r) for r in results]
        groups.append(RowGroup(item.label, tuple(rows)))
    return Table(
        "comparisons-agreement",
        f"Do raters choose alike? First, second or tie, intervals at {level_text(context.level)}",
        "pair of responses, n in the table counts those with two or more raters",
        "exploratory",
        (
            Column("Raters", False),
            Column("n"),
            Column("Share of agreeing pairs"),
            Column("Fleiss’ κ"),
            Column("Gwet’s AC1"),
            Column("Krippendorff’s α, nominal"),
        ),
        tuple(groups),
        tidy(flat),
        notes.notes(),
    )


def _choices(frame: pd.DataFrame) -> np.ndarray:
    """Pairs of responses by raters: -1 for the system that is first by name, 1 for the other."""
    low = np.minimum(frame["place_a"].astype(str), frame["place_b"].astype(str))
    high = np.maximum(frame["place_a"].astype(str), frame["place_b"].astype(str))
    value = np.where(frame["chosen"] == TIE, 0.0, np.where(frame["chosen"] == low, -1.0, 1.0))
    coded = frame.assign(low=low, high=high, coded=value)
    wide = coded.pivot_table(
        index=["prompt", "low", "high"], columns="rater", values="coded", aggfunc="first"
    )
    return wide.to_numpy(dtype=np.float64)
