"""Do the items of an instrument measure one thing? Per system, over raters."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.reliability.consistency import ScaleReliability, scale_reliability
from analysis.reliability.omega import IMPROPER
from analysis.reliability.omega_bootstrap import bootstrap_omega
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
from analysis.report.numbers import level_text, number
from analysis.report.sections.polychoric import FEW_PAGES, ordinal_omega, polychoric_blocks
from analysis.results import Estimate

REPLICATES = 1000
SEED = 20250301


_HOW = (
    "A rater's answers to an item are averaged over the prompts first, so the units are raters. "
    "Alpha is the reliability of the sum only when all items measure one thing equally well; "
    "omega does not need equal loadings. Ordinal omega is about the normal variables behind the "
    "answers and takes every page as a unit, so raters’ own levels are in it; it is the reliability "
    "of those variables and not of the sum of answers, which is lower."
)


def reliability_section(context: ReportContext) -> Section:
    """Alpha with Feldt's interval, omega, and the scale without each item."""
    instruments: dict[str, list[int]] = {}
    for place, item in enumerate(context.data.items):
        instruments.setdefault(item.instrument, []).append(place)
    notes, alpha_groups, item_groups = Footnotes(), [], []
    flat, flat_items = [], []
    methods: dict[str, None] = {}
    improper: list[str] = []
    for instrument, places in instruments.items():
        rows = []
        for s, system in enumerate(context.data.systems):
            table = pd.DataFrame(
                context.shaped.rater_item_means[:, s, :][:, places],
                columns=[context.data.items[i].label for i in places],
            )
            scale = scale_reliability(table, level=context.level)
            omega = bootstrap_omega(table, replicates=REPLICATES, level=context.level, seed=SEED)
            ordinal = ordinal_omega(context, s, places)
            rows.append(
                Row(
                    (
                        system.label,
                        str(scale.alpha.n),
                        notes.with_interval(scale.alpha),
                        notes.estimate(scale.alpha_standardised),
                        notes.with_interval(omega),
                        notes.estimate(ordinal),
                    )
                )
            )
            keys = {"instrument": instrument, "system": system.id}
            flat += [(keys, e) for e in (scale.alpha, scale.alpha_standardised, omega, ordinal)]
            if omega.estimate is not None:
                methods[_interval_of(omega)] = None
            improper += [
                f"{name} of {system.label} ({instrument})"
                for name, e in (("ω", omega), ("ordinal ω", ordinal))
                if e.details.get("improper") == "yes"
            ]
            if scale.items:
                label = f"{instrument}, {system.label}"
                item_groups.append(RowGroup(label, _item_rows(scale)))
                flat_items += [{**keys, **_item_record(i)} for i in scale.items]
        alpha_groups.append(RowGroup(instrument, tuple(rows)))
    blocks: list[Block] = [
        Paragraph(_HOW),
        _alpha_table(context, alpha_groups, flat, notes, list(methods), improper),
        *_item_table(item_groups, flat_items),
    ]
    for number_of, (instrument, places) in enumerate(instruments.items(), start=1):
        blocks += polychoric_blocks(context, instrument, number_of, places)
    return Section("reliability", "Internal consistency of the items", tuple(blocks))


def _interval_of(omega: Estimate) -> str:
    """How the interval was made, or why there is none; what is improper is said once for the table."""
    method = omega.ci_method.removesuffix(IMPROPER)
    return "none, because " + method.removeprefix("none: ") if omega.ci_low is None else method


def _alpha_table(
    context: ReportContext,
    groups: list[RowGroup],
    flat: list[tuple[dict[str, str], Estimate]],
    notes: Footnotes,
    methods: list[str],
    improper: list[str],
) -> Table:
    pages = [e.n for _, e in flat if e.statistic == "omega_ordinal" and e.estimate is not None]
    few = (
        (f"Ordinal ω from as few as {min(pages)} pages: below {FEW_PAGES} read it as a sketch.",)
        if pages and min(pages) < FEW_PAGES
        else ()
    )
    ends = dict.fromkeys((min(pages), max(pages))) if pages else {}
    units = (
        (
            f"Ordinal ω: the unit is the page, n = {' to '.join(map(str, ends))}, pages with an answer "
            "to every item (listwise); α and ω take for every two items the raters who answered both "
            "(pairwise).",
        )
        if ends
        else ()
    )
    what = (
        "Improper solution (Heywood case: an item has no unique variance, or a polychoric correlation "
        "lies at its bound of 1 or −1)"
    )
    marked = (f"{what}: {', '.join(improper)}.",) if improper else ()
    return Table(
        "reliability",
        f"Internal consistency per system, intervals at {level_text(context.level)}",
        "rater, n in the table" + ("; of ordinal ω page, n below the table" if pages else ""),
        "exploratory",
        (
            Column("System", False),
            Column("n"),
            Column("Cronbach’s α"),
            Column("α, standardised"),
            Column("McDonald’s ω, one factor"),
            Column("Ordinal ω, pages"),
        ),
        tuple(groups),
        tidy(flat),
        (
            f"Interval of α: Feldt. Interval of ω: {'; '.join(methods) or 'none'}. Ordinal ω has none, "
            "because pages of one rater hang together.",
            *units,
            *few,
            *marked,
            *notes.notes(),
        ),
    )


def _item_rows(scale: ScaleReliability) -> tuple[Row, ...]:
    return tuple(
        Row(
            (
                i.item,
                str(i.n),
                number(i.mean),
                number(i.sd),
                "–" if i.r_rest is None else number(i.r_rest),
                "–" if i.without is None else number(i.without.raw_alpha),
            )
        )
        for i in scale.items
    )


def _item_record(item: object) -> dict[str, object]:
    plain = dict(vars(item))
    without = plain.pop("without")
    plain["alpha_without"] = None if without is None else without.raw_alpha
    return plain


def _item_table(groups: list[RowGroup], flat: list[dict[str, object]]) -> list[Table]:
    if not groups:
        return []
    return [
        Table(
            "reliability-items",
            "Each item and the scale without it",
            "rater, n in the table",
            "exploratory",
            (
                Column("Item", False),
                Column("n"),
                Column("Mean"),
                Column("SD"),
                Column("r with the rest"),
                Column("α without the item"),
            ),
            tuple(groups),
            pd.DataFrame(flat),
        )
    ]
