"""The one reader of tables that a user hands in: CSV and its kin, JSON Lines, Excel's .xlsx.

The contract, whoever reads:

- Every cell is text as it is written, without the blanks around it, until a column's use says number
  (:func:`study.table_file.cells.number`). ``01`` is not ``1``, ``1.10`` not ``1.1``, ``1e5`` not ``100000``.
- Missing are empty cells and the words that the user names. ``None``, ``NA`` and ``null`` are labels.
- Nothing slides: a row with more or fewer cells than the header is refused, and so are two columns of one
  name, with the line that an editor shows (blank lines and line breaks within quotes are counted).
"""

from __future__ import annotations

from study.table_file.reading import Table, holds_objects, read_objects, read_table

__all__ = ["Table", "holds_objects", "read_objects", "read_table"]
