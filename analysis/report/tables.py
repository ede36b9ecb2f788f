"""A table of the report as HTML (great_tables) and as CSV with full precision."""

from __future__ import annotations

import html
import re
from typing import Any

import pandas as pd

from analysis.report.blocks import Table

# great_tables brings a style sheet of 9 kB with each table and numbers its ids by heading text;
# the report has one style sheet, and header cells are tied to data by their scope.
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_IDS = re.compile(r' (?:id|headers)="[^"]*"')
_TABLE_TAG = re.compile(r"<table [^>]*>")
ROWS_KEPT_ON_ONE_PAGE = 24
_EMPTY_STUBHEAD = re.compile(r"(<th[^>]*>)\s*</th>")


def table_html(table: Table, label: str) -> str:
    """The table as an HTML fragment with a caption, header scopes and notes.

    Parameters
    ----------
    table : Table
    label : str
        Its number, for example ``"Table 3"``.
    """
    from great_tables import GT, loc, style

    names = [f"c{i}" for i in range(len(table.columns))]
    grouped = any(group.label for group in table.groups)
    rows = [
        {**dict(zip(names, row.cells, strict=True)), "group": group.label}
        for group in table.groups
        for row in group.rows
    ]
    frame = pd.DataFrame(rows, columns=[*names, "group"], dtype=object)
    if not grouped:
        frame = frame.drop(columns="group")
    gt = GT(frame, rowname_col=names[0], groupname_col="group" if grouped else None, id=table.key)
    labels: dict[str, Any] = {n: c.label for n, c in zip(names[1:], table.columns[1:], strict=True)}
    gt = gt.cols_label(cases=labels).tab_stubhead(table.columns[0].label)
    numeric = [n for n, c in zip(names[1:], table.columns[1:], strict=True) if c.numeric]
    words = [n for n, c in zip(names[1:], table.columns[1:], strict=True) if not c.numeric]
    gt = gt.cols_align("right", columns=numeric) if numeric else gt
    gt = gt.cols_align("left", columns=words) if words else gt
    strong = [i for i, row in enumerate(table.rows) if row.strong]
    if strong:
        bold = style.text(weight="bold")
        gt = gt.tab_style(bold, [loc.body(rows=strong), loc.stub(rows=strong)])
    return _framed(gt.as_raw_html(), table, label)


def _framed(raw: str, table: Table, label: str) -> str:
    body = raw[raw.index("<table") : raw.index("</table>") + len("</table>")]
    body = _IDS.sub("", _STYLE.sub("", body))
    caption = f"<caption><b>{html.escape(label)}.</b> {html.escape(table.caption)}</caption>"
    body = _TABLE_TAG.sub(f'<table class="gt_table">\n{caption}', body, count=1)
    body = _EMPTY_STUBHEAD.sub(r"\1&#8203;</th>", body)
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in table.notes)
    foot = f'<div class="notes">{notes}</div>' if notes else ""
    kind = "table short" if len(table.rows) <= ROWS_KEPT_ON_ONE_PAGE else "table"
    return (
        f'<div class="{kind}" id="table-{html.escape(table.key)}" tabindex="0" role="region" '
        f'aria-label="{html.escape(label)}">\n{body}\n{foot}</div>'
    )


def table_csv(table: Table, *, simulated: bool) -> bytes:
    """The unrounded table as UTF-8 CSV; ``simulated`` is its first column, true or false."""
    frame = table.data.copy()
    frame.insert(0, "simulated", "true" if simulated else "false")
    text: str = frame.to_csv(index=False, lineterminator="\n", na_rep="", float_format="%.17g")
    return text.encode("utf-8")
