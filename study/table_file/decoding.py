"""The text of a file: UTF-8 or UTF-16, with or without a byte order mark."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from study.errors import ImportFileError

# UTF-32's mark begins with UTF-16's, so it stands first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 4096
_WORD = 40


def read_bytes(file: Path) -> bytes:
    """The file's content.

    Raises
    ------
    ImportFileError
        When there is no such file, it cannot be read, or it holds nothing.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise ImportFileError(f"There is no file {file}. Check the path.") from None
    except OSError as error:
        raise ImportFileError(
            f"{file} cannot be read ({error.strerror}). Give a file that you may read."
        ) from None
    if not content.strip():
        raise ImportFileError(
            f"{file.name} is empty, expected a table with a header. Save it again."
        )
    return content


def decode(content: bytes, name: str) -> str:
    """The text, without a byte order mark; every line ends in a newline, within quotes, too.

    Raises
    ------
    ImportFileError
        With the line, when it is neither UTF-8 nor UTF-16.
    """
    encoding = next((codec for mark, codec in _MARKS if content.startswith(mark)), "")
    try:
        text = content.decode(encoding or _unmarked(content))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ImportFileError(
            f"{name}, line {line}: the byte 0x{content[error.start]:02x} is not UTF-8 text"
            f"{_in_older_windows(content, error.start)}. Save the file from your spreadsheet as 'CSV UTF-8' "
            "or as .xlsx."
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        raise ImportFileError(
            f"{name}, line {line}: found a NUL character, which is not text; remove it, or save the "
            "file as CSV UTF-8."
        )
    return text


def _in_older_windows(content: bytes, at: int) -> str:
    """What the byte says in the code that Excel and R write under Western European Windows."""
    word = re.search(rb"[^\s,;\t\"]*\Z", content[:at])
    after = re.match(rb"[^\s,;\t\"]*", content[at:])
    found = (word[0] if word else b"") + (after[0] if after else b"")
    try:
        shown = found[:_WORD].decode("cp1252")
    except UnicodeDecodeError:
        return ""
    return (
        f" (in Windows-1252, Excel's older code, the word is {shown!r})"
        if shown.isprintable()
        else ""
    )


def _unmarked(content: bytes) -> str:
    """UTF-16 without a mark has a zero in every other byte of what is written in Latin letters."""
    start = content[:_LOOKED_AT]
    for first, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        zeros = start[first::2].count(0)
        if zeros > len(start) // 4 and len(content) % 2 == 0:
            return encoding
    return "utf-8"
