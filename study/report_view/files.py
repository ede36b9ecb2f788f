"""The exports as text: CSV, or a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from study.report_view import conversations, export
from study.report_view.csv_text import csv_text
from study.report_view.snapshot import Snapshot
from study.report_view.verdicts import verdict_rows

_ROWS: dict[str, Callable[[Snapshot], list[dict[str, Any]]]] = {
    "ratings": export.rating_rows,
    "raters": export.rater_rows,
    "responses": export.response_rows,
    "checks": export.check_rows,
    "verdicts": verdict_rows,
    "panel": export.panel_rows,
    "codebook": export.codebook_rows,
    "log": export.log_rows,
    "conversations": conversations.conversation_rows,
    "turns": conversations.turn_rows,
}


def export_text(seen: Snapshot, what: str, *, json_lines: bool, for_excel: bool) -> str:
    """One export; empty where there is no row.

    Parameters
    ----------
    what : str
        ``"protocol"``, or one of the kinds of rows.
    json_lines : bool
        A JSON object a line in the place of CSV.
    for_excel : bool
        CSV that Excel opens as it is, see :func:`csv_text`.
    """
    if what == "protocol":
        return export.protocol_text(seen)
    rows = _ROWS[what](seen)
    if json_lines:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    # The codebook is written by the coordinator, and its column "text" is a question.
    written = export.FREE_TEXT if what != "codebook" else frozenset()
    return csv_text(rows, free_text=written, for_excel=for_excel)


def why_empty(seen: Snapshot, what: str) -> str:
    """What to do where an export has no row."""
    if what in ("conversations", "turns") and seen.protocol.design.shows != "conversation":
        return f"There is nothing to export: this study has no conversations, so no {what}."
    if what == "verdicts":
        declared = seen.protocol.judge is not None
        return (
            "There are no verdicts yet. Let the judge score the responses: evenhand judge"
            if declared
            else "There is nothing to export as verdicts: the protocol declares no judge."
        )
    if what == "responses":
        return (
            "There are no responses yet. Bring them in: evenhand generate or evenhand import FILE"
        )
    if not seen.raters:
        return f"There is nothing to export as {what} yet: nobody is enrolled."
    return f"There is nothing to export as {what} yet."
