"""Data rows as CSV, which a spreadsheet may open without running what somebody typed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

# A spreadsheet takes a cell that begins like this for a formula; a rater's remark could then call
# programs or send other cells away when the coordinator opens the file. Full-width forms count in East
# Asian versions. An apostrophe in front makes it text; one that stands there already gets another one,
# so that taking one away always gives back what was written.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
BYTE_ORDER_MARK = "\ufeff"


def neutralised(cell: str) -> str:
    """A text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> neutralised("=1+1"), neutralised("-5, because"), neutralised("'=1"), neutralised("I'm sad")
    ("'=1+1", "'-5, because", "''=1", "I'm sad")
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def csv_text(
    rows: Sequence[Mapping[str, Any]],
    *,
    free_text: Collection[str] = (),
    for_excel: bool = False,
) -> str:
    """Rows with a header, as CSV.

    Parameters
    ----------
    rows : sequence of mapping
        All with the keys of the first; a mapping in a cell is written as JSON.
    free_text : collection of str
        Columns with what people or models wrote: their texts are neutralised.
    for_excel : bool
        With a byte order mark, without which Excel takes UTF-8 for another code, and all texts
        neutralised.
    """
    buffer = io.StringIO()
    if rows:
        writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: _cell(v, for_excel or k in free_text) for k, v in row.items()})
    return (BYTE_ORDER_MARK if for_excel else "") + buffer.getvalue()


def _cell(value: Any, neutralise: bool) -> Any:
    plain = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
    return neutralised(plain) if neutralise and isinstance(plain, str) else plain
