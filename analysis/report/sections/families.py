"""P values adjusted within the families that the plan declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.families import FamilyTest
from analysis.report.blocks import Block, Column, Footnotes, Row, RowGroup, Table
from analysis.report.result_rows import p_cell
from study.protocol.analysis_plan import Family

_METHODS = {
    "holm": "Holm",
    "hommel": "Hommel",
    "bh": "Benjamini–Hochberg",
    "by": "Benjamini–Yekutieli",
}


def family_blocks(context: ReportContext, tests: Mapping[str, FamilyTest]) -> list[Block]:
    """One table of all declared families, raw beside adjusted p; nothing without families."""
    families = context.data.plan.families
    if not families:
        return []
    notes, groups, flat, empty = Footnotes(), [], [], []
    for family in families:
        own = [t for t in tests.values() if t.adjusted.family == family.name]
        if not own:
            empty.append(f"Family {family.name}: none of its tests could be done.")
            continue
        groups.append(_family_rows(family, own, notes))
        flat += [
            {
                **vars(t.adjusted),
                "statistic": t.result.statistic,
                "estimate": t.result.estimate,
                "n": t.result.n,
                "undefined_because": t.result.undefined_because,
            }
            for t in own
        ]
    return [
        Table(
            "families",
            "p values adjusted within the families that the plan declares",
            "rater, n in the table",
            context.declared,
            (Column("Test", False), Column("n"), Column("p"), Column("p, adjusted")),
            tuple(groups),
            pd.DataFrame(flat),
            ("Tests outside these families are not adjusted.", *empty, *notes.notes()),
        )
    ]


def _family_rows(family: Family, tests: Sequence[FamilyTest], notes: Footnotes) -> RowGroup:
    rows = []
    for t in tests:
        p = p_cell(t.adjusted.adjusted_p_value)
        cells = (str(t.result.n), notes.p_value(t.result), p)
        rows.append(Row((t.label, *cells), strong=True))
    return RowGroup(f"{family.name} ({_METHODS[family.adjustment]})", tuple(rows))
