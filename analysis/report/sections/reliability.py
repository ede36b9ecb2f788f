"""Do the items of an instrument measure one thing? Per system, over raters."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.reliability import FEW_PAGES, SystemReliability, reliability_chapter
from analysis.reliability.consistency import ItemReliability
from analysis.reliability.omega import IMPROPER
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
from analysis.report.sections.polychoric import polychoric_blocks
from analysis.results import Estimate

_HOW = (
    "A rater's answers to an item are averaged over the prompts first, so the units are raters. "
    "Alpha is the reliability of the sum only when all items measure one thing equally well; "
    "omega does not need equal loadings. Ordinal omega is about the normal variables behind the "
    "answers and takes every page as a unit, so raters’ own levels are in it; it is the reliability "
    "of those variables and not of the sum of answers, which is lower."
)


def reliability_section(context: ReportContext) -> Section:
    """Alpha with Feldt's interval, omega, and the scale without each item."""
    instruments = reliability_chapter(context).instruments
    blocks: list[Block] = [
        Paragraph(_HOW),
        _alpha_table(instruments, context.level),
        *_item_table([one for systems in instruments for one in systems]),
    ]
    for number_of, systems in enumerate(instruments, start=1):
        for one in systems:
            blocks += polychoric_blocks(one, number_of)
    return Section("reliability", "Internal consistency of the items", tuple(blocks))


def _keys(one: SystemReliability) -> dict[str, str]:
    return {"instrument": one.instrument, "system": one.system.id}


def _interval_of(omega: Estimate) -> str:
    """How the interval was made, or why there is none; what is improper is said once for the table."""
    method = omega.ci_method.removesuffix(IMPROPER)
    return "none, because " + method.removeprefix("none: ") if omega.ci_low is None else method


def _alpha_table(instruments: Sequence[Sequence[SystemReliability]], level: float) -> Table:
    notes, groups = Footnotes(), []
    flat: list[tuple[dict[str, str], Estimate]] = []
    methods: dict[str, None] = {}
    improper: list[str] = []
    for systems in instruments:
        rows = []
        for one in systems:
            alpha, standardised = one.scale.alpha, one.scale.alpha_standardised
            cells = (
                one.system.label,
                str(alpha.n),
                notes.with_interval(alpha),
                notes.estimate(standardised),
                notes.with_interval(one.omega),
                notes.estimate(one.ordinal),
            )
            rows.append(Row(cells))
            flat += [(_keys(one), e) for e in (alpha, standardised, one.omega, one.ordinal)]
            if one.omega.estimate is not None:
                methods[_interval_of(one.omega)] = None
            improper += [
                f"{name} of {one.system.label} ({one.instrument})"
                for name, is_so in (("ω", one.omega_improper), ("ordinal ω", one.ordinal_improper))
                if is_so
            ]
        groups.append(RowGroup(systems[0].instrument, tuple(rows)))
    pages = [e.n for _, e in flat if e.statistic == "omega_ordinal" and e.estimate is not None]
    return Table(
        "reliability",
        f"Internal consistency per system, intervals at {level_text(level)}",
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
            *_about_pages(pages),
            *_about_improper(improper),
            *notes.notes(),
        ),
    )


def _about_pages(pages: Sequence[int]) -> list[str]:
    """How many pages the ordinal omegas rest on."""
    if not pages:
        return []
    ends = dict.fromkeys((min(pages), max(pages)))
    said = [
        f"Ordinal ω: the unit is the page, n = {' to '.join(map(str, ends))}, pages with an answer to "
        "every item (listwise); α and ω take for every two items the raters who answered both (pairwise)."
    ]
    if min(pages) < FEW_PAGES:
        said.append(
            f"Ordinal ω from as few as {min(pages)} pages: below {FEW_PAGES} read it as a sketch."
        )
    return said


def _about_improper(improper: Sequence[str]) -> list[str]:
    what = (
        "Improper solution (Heywood case: an item has no unique variance, or a polychoric correlation "
        "lies at its bound of 1 or −1)"
    )
    return [f"{what}: {', '.join(improper)}."] if improper else []


def _item_row(i: ItemReliability) -> Row:
    return Row(
        (
            i.item,
            str(i.n),
            number(i.mean),
            number(i.sd),
            "–" if i.r_rest is None else number(i.r_rest),
            "–" if i.without is None else number(i.without.raw_alpha),
        )
    )


def _item_record(item: ItemReliability) -> dict[str, object]:
    plain = dict(vars(item))
    without = plain.pop("without")
    plain["alpha_without"] = None if without is None else without.raw_alpha
    return plain


def _item_table(found: Sequence[SystemReliability]) -> list[Table]:
    shown = [one for one in found if one.scale.items]
    if not shown:
        return []
    groups = [
        RowGroup(f"{x.instrument}, {x.system.label}", tuple(_item_row(i) for i in x.scale.items))
        for x in shown
    ]
    flat = [{**_keys(one), **_item_record(i)} for one in shown for i in one.scale.items]
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
