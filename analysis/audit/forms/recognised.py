"""The forms in which tables are published, and what each of them says as records.

A table may be of several forms at once: frequencies with means behind them, groups with percentages.
What is of no form is left alone and said.
"""

from __future__ import annotations

from analysis.audit.forms.agreement import agreement_records
from analysis.audit.forms.frequencies import long_frequencies, shares, wide_frequencies
from analysis.audit.forms.groups import comparisons, parts_of_columns, parts_of_rows, summaries
from analysis.audit.records import Published
from analysis.audit.sheet import Sheet, point_columns


def add_records(sheet: Sheet, published: Published) -> None:
    """Add what a table says; a note where it says nothing that can be checked.

    Parameters
    ----------
    sheet : Sheet
    published : Published
        Is added to.
    """
    before = _count(published)
    if agreement_records(sheet, published):
        return
    if point_columns(sheet):
        published.frequencies += wide_frequencies(sheet)
    else:
        blocks = long_frequencies(sheet)
        published.frequencies += blocks
        if not blocks:
            published.shares += shares(sheet)
            rows = summaries(sheet)
            published.summaries += rows
            published.comparisons += comparisons(sheet, rows)
            published.parts += parts_of_rows(sheet)
    published.parts += parts_of_columns(sheet)
    if _count(published) == before:
        names = ", ".join(header.name for header in sheet.headers)
        published.notes.append(
            f"{sheet.file}: of no form that can be checked (columns {names}), so nothing was. "
            "docs/audit.md says how to write down a table."
        )


def _count(published: Published) -> int:
    return sum(len(part) for part in vars(published).values())
