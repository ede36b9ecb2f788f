"""Personal names in training text, replaced by ``[name]``.

Found are names from a list that the user declares for the data set, and names that the text itself
introduces ("my name is Ana", "Dear Ana,", "Dr. Reyes"); a name that was introduced once is replaced
in the whole conversation. A name that nothing introduces and no list has is not found, and neither
is one in lower case: this lessens the names in a data set and does not make it anonymous.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from study.errors import ModelError

MARK = "[name]"

_NAME = (
    r"(?P<name>[^\W\d_a-z][^\W\d_]+(?:[-'’][^\W\d_]+)?(?: [^\W\d_a-z][^\W\d_]+(?:-[^\W\d_]+)?)?)"
)
_INTRODUCED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?i:my (?:first |full )?name(?:'s|’s| is)|i am called|i'm called|call me|named) {_NAME}",
        rf"\b(?i:mr|mrs|ms|miss|dr|prof|professor|doctor)\.? {_NAME}",
        rf"\b(?i:dear|hi|hello|hey|thanks|thank you),? {_NAME}(?=[,.!?\n]|$)",
        rf"\b(?i:this is) {_NAME} (?i:speaking|here)\b",
        rf"\b(?i:my (?:friend|best friend|boyfriend|girlfriend|husband|wife|partner|brother|sister"
        rf"|son|daughter|roommate|flatmate|boss|colleague)),? {_NAME}",
    )
)
# Capitalised words that stand where a name does and are none.
_NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        """
        All Everyone Everybody Friend Friends Folks Guys Team Sir Madam Diary God Lord Love Mom Mum
        Dad Mama Papa Dude Man Girl Doctor Professor Teacher Again There And But So Because Since
        When Who What The That This They She He It We You Your I In On At For Very Much Anyway Also
        Now Today Yesterday Tomorrow Monday Tuesday Wednesday Thursday Friday Saturday Sunday
        Christmas
        """,
    )
)


def read_names(path: Path) -> frozenset[str]:
    """Names of a data set from a file, one a line; lines that begin with # are left out.

    Raises
    ------
    ModelError
        When the file cannot be read or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"The list of names {path} cannot be read ({error}). Expected one name a line in UTF-8."
        ) from error
    names = frozenset(line.strip() for line in lines if line.strip() and line.strip()[0] != "#")
    if not names:
        raise ModelError(f"The list of names {path} is empty. Expected one name a line.")
    return names


def introduced_names(texts: Iterable[str]) -> set[str]:
    """Names that one of the texts introduces."""
    found: set[str] = set()
    for text in texts:
        for pattern in _INTRODUCED:
            for match in pattern.finditer(text):
                parts = match["name"].split(" ")
                if parts[0] in _NO_NAMES or parts[0].isupper():
                    continue
                found.update(part for part in parts if part not in _NO_NAMES)
    return found


def replace_names(text: str, names: Iterable[str]) -> tuple[str, int]:
    """``text`` with every whole-word occurrence of a name replaced, and how many there were."""
    known = sorted(names, key=lambda name: (-len(name), name))
    if not known:
        return text, 0
    pattern = rf"\b(?:{'|'.join(map(re.escape, known))})\b"
    # A first and a second name in a row are one person's.
    return re.subn(rf"{pattern}(?: {pattern})*", MARK, text)
