"""A table of the report as CSV with full precision."""

from __future__ import annotations

from analysis.report.blocks import Table


def table_csv(table: Table, *, simulated: bool) -> bytes:
    """The unrounded table as UTF-8 CSV; ``simulated`` is its first column, true or false."""
    frame = table.data.copy()
    frame.insert(0, "simulated", "true" if simulated else "false")
    text: str = frame.to_csv(index=False, lineterminator="\n", na_rep="", float_format="%.17g")
    return text.encode("utf-8")
