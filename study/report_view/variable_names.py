"""Names of columns in files for SPSS and Stata: legal in both, and none takes another's place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# The columns that say who, where and what; no item and no question may have one of these names.
KEY_COLUMNS = (
    "rater", "group", "simulated", "position", "prompt", "topic", "system", "shown", "seconds",
    "status", "language", "screened_out_because", "responses_rated", "responses_planned",
)  # fmt: skip
# Stata allows 32 characters, SPSS 64. A set of value labels gets its variable's name, and pyreadstat takes 31
# characters of that: an item with a name of 32 could not be written to .dta.
_LONGEST = 31
# Stata, User's Guide, 11.3 "Naming conventions"; str1 to str2045 as well. SPSS Statistics, Command
# Syntax Reference, "Variable names". Neither program tells them apart by case here: SPSS never does.
_STATA_RESERVED = frozenset(
    {
        "_all", "_b", "byte", "_coef", "_cons", "double", "float", "if", "in", "int", "long", "_n", "_pi",
        "_pred", "_rc", "_skip", "str", "strl", "using", "with",
    }
)  # fmt: skip
_SPSS_RESERVED = frozenset(
    {"all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"}
)
_STATA_TEXT_TYPE = re.compile(r"str\d+")


@dataclass(frozen=True)
class VariableNames:
    """What the columns are called.

    Parameters
    ----------
    items : mapping
        Id of an item, or of a variable made from one -> its column.
    reasons : mapping
        The same id -> the column that says why its answer is missing.
    questions : mapping
        Id of a question about the rater -> its column.
    """

    items: Mapping[str, str]
    reasons: Mapping[str, str]
    questions: Mapping[str, str]


def variable_names(items: Sequence[str], questions: Sequence[str] = ()) -> VariableNames:
    """A name for each column that SPSS and Stata both take: unique, whatever the case of letters.

    An id that is a legal name keeps it, so what others are called does not change it. One that is a
    key column's or a reserved word gets ``item_`` or ``about_`` in front.

    Parameters
    ----------
    items : sequence of str
        Ids of items, all different.
    questions : sequence of str
        Ids of the questions about the rater, all different.

    Examples
    --------
    >>> variable_names(["system", "long-term", "if"], ["1st"]).items
    {'system': 'item_system', 'long-term': 'long_term', 'if': 'item_if'}
    >>> variable_names(["empathy", "empathy-missing"]).reasons["empathy"]
    'empathy_missing_2'
    """
    taken = set(KEY_COLUMNS)
    of_items = _named(items, "item_", taken)
    of_questions = _named(questions, "about_", taken)
    reasons = {}
    for identity in items:
        reasons[identity] = _free(of_items[identity], taken, end="_missing")
    return VariableNames(of_items, reasons, of_questions)


def _named(ids: Sequence[str], before: str, taken: set[str]) -> dict[str, str]:
    wanted = {identity: _legal(identity, before) for identity in ids}
    # Unchanged ones first: "a_b" stays so beside "a-b", in whichever order they stand.
    changed_last = sorted(ids, key=lambda identity: wanted[identity] != identity)
    found = {identity: _free(wanted[identity], taken) for identity in changed_last}
    return {identity: found[identity] for identity in ids}


def _legal(identity: str, before: str) -> str:
    name = re.sub(r"\W", "_", identity, flags=re.ASCII)
    if not name[:1].isalpha():
        return f"v_{name}"
    plain = name.lower()
    reserved = plain in _STATA_RESERVED | _SPSS_RESERVED or _STATA_TEXT_TYPE.fullmatch(plain)
    return before + name if reserved or plain in KEY_COLUMNS else name


def _free(name: str, taken: set[str], end: str = "") -> str:
    """The name, shortened and numbered until nothing has it; from then on it is taken."""
    candidate, number = name[: _LONGEST - len(end)] + end, 2
    while candidate.lower() in taken:
        tail = f"{end}_{number}"
        candidate = name[: _LONGEST - len(tail)] + tail
        number += 1
    taken.add(candidate.lower())
    return candidate
