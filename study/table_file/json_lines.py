"""JSON Lines: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from study.errors import ImportFileError


def json_objects(
    text: str, name: str, *, decimal: str | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects with their lines; blank lines are counted and passed over.

    Parameters
    ----------
    text : str
    name : str
        Of the file, for messages.
    decimal : {'.', ','}, optional
        Numbers as text, as they are written but for this mark before decimals: 1.10 does not become
        1.1. Without it they are numbers.

    Raises
    ------
    ImportFileError
        With the line, when it is no JSON object or holds a name twice.
    """
    options: dict[str, Any] = {}
    if decimal is not None:
        options = {
            "parse_int": str,
            "parse_float": lambda written: written.replace(".", decimal),
            "parse_constant": str,
        }
    if text.lstrip().startswith("["):
        raise ImportFileError(
            f"{name} holds a JSON list; expected JSON Lines, one object per line. Write each object of "
            "the list on a line of its own."
        )
    # Not splitlines: JSON text may hold U+2028 and its like unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            found = json.loads(line, object_pairs_hook=_no_doubles, **options)
            line.encode()
            json.dumps(found, ensure_ascii=False).encode()
        except _NameTwiceError as error:
            raise ImportFileError(
                f"{where}: the name {error.args[0]!r} is there twice in one object. Remove one of them."
            ) from None
        except UnicodeEncodeError:
            raise ImportFileError(
                f"{where}: half of a surrogate pair (\\ud800 to \\udfff) is no character. Remove it."
            ) from None
        except (ValueError, RecursionError) as error:
            # A bare ValueError: a whole number of more digits than Python converts.
            what = error.msg if isinstance(error, json.JSONDecodeError) else "too many digits"
            what = "nested too deep" if isinstance(error, RecursionError) else what
            raise ImportFileError(
                f'{where}: not valid JSON ({what}). Expected one object per line, such as {{"text": "..."}}.'
            ) from None
        if not isinstance(found, dict):
            raise ImportFileError(
                f'{where}: found {type(found).__name__}, expected an object such as {{"text": "..."}}.'
            )
        yield number, found


class _NameTwiceError(Exception):
    """A name that one object gives twice."""


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _NameTwiceError(next(name for name in names if names.count(name) > 1))
    return found


def as_cell(value: Any) -> str:
    """A value of an object as a cell's text; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value, ensure_ascii=False)
