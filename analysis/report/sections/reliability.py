"""Do the items of an instrument measure one thing? Per system, over raters."""

from __future__ import annotations

import pandas as pd

from analysis.reliability import ScaleReliability, scale_reliability
from analysis.reliability_omega import omega_minres
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
from analysis.report.context import ReportContext
from analysis.report.numbers import level_text, number


def reliability_section(context: ReportContext) -> Section:
    """Alpha with Feldt's interval, omega, and the scale without each item."""
    instruments: dict[str, list[int]] = {}
    for place, item in enumerate(context.data.items):
        instruments.setdefault(item.instrument, []).append(place)
    notes, alpha_groups, item_groups = Footnotes(), [], []
    flat, flat_items = [], []
    for instrument, places in instruments.items():
        rows = []
        for s, system in enumerate(context.data.systems):
            table = pd.DataFrame(
                context.shaped.rater_item_means[:, s, :][:, places],
                columns=[context.data.items[i].label for i in places],
            )
            scale = scale_reliability(table, level=context.level)
            omega = omega_minres(table)
            rows.append(
                Row(
                    (
                        system.label,
                        str(scale.alpha.n),
                        notes.with_interval(scale.alpha),
                        notes.estimate(scale.alpha_standardised),
                        notes.estimate(omega),
                    )
                )
            )
            keys = {"instrument": instrument, "system": system.id}
            flat += [(keys, e) for e in (scale.alpha, scale.alpha_standardised, omega)]
            if scale.items:
                label = f"{instrument}, {system.label}"
                item_groups.append(RowGroup(label, _item_rows(scale)))
                flat_items += [{**keys, **_item_record(i)} for i in scale.items]
        alpha_groups.append(RowGroup(instrument, tuple(rows)))
    text = (
        "A rater's answers to an item are averaged over the prompts first, so the units are raters. "
        "Alpha is the reliability of the sum only when all items measure one thing equally well; "
        "omega does not need equal loadings."
    )
    alpha_table = Table(
        "reliability",
        f"Internal consistency per system, intervals at {level_text(context.level)} (Feldt)",
        "rater, n in the table",
        "exploratory",
        (
            Column("System", False),
            Column("n"),
            Column("Cronbach’s α"),
            Column("α, standardised"),
            Column("McDonald’s ω, one factor"),
        ),
        tuple(alpha_groups),
        tidy(flat),
        notes.notes(),
    )
    blocks: list[Block] = [Paragraph(text), alpha_table, *_item_table(item_groups, flat_items)]
    return Section("reliability", "Internal consistency of the items", tuple(blocks))


def _item_rows(scale: ScaleReliability) -> tuple[Row, ...]:
    return tuple(
        Row(
            (
                i.item,
                str(i.n),
                number(i.mean),
                number(i.sd),
                number(i.r_rest),
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
