"""Names in one option, separated by commas; and how a message writes them, ready for the shell."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence

from study.errors import ImportFileError


def listed_names(told: str) -> list[str]:
    """The names in an option; one that holds a comma stands in double quotes, as in CSV.

    Raises
    ------
    ImportFileError
        When double quotes do not close.

    Examples
    --------
    >>> listed_names('anna, ben'), listed_names('"Smith, Anna",ben')
    (['anna', 'ben'], ['Smith, Anna', 'ben'])
    """
    try:
        rows = list(csv.reader([told], skipinitialspace=True, strict=True))
    except csv.Error:
        raise ImportFileError(
            f"Found the names {told!r}, expected them separated by commas, and a name that holds a comma "
            "or a quote in double quotes, which close: '\"Smith, Anna\",ben'."
        ) from None
    return [name.strip() for row in rows for name in row if name.strip()]


def as_option(names: Sequence[str]) -> str:
    """The names as a shell takes them for one option, read again by :func:`listed_names`.

    Examples
    --------
    >>> print(as_option(["r1", "r2"]), as_option(["Unnamed: 0"]), as_option(["Smith, Anna", "ben"]))
    r1,r2 'Unnamed: 0' '"Smith, Anna",ben'
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return shlex.quote(line.getvalue())
