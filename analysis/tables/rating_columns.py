"""Columns of a wide table that do not look like a rater: names, numbers of rows, ids.

Nobody can see from 1, 2, 3, 4, 5 on a five-point scale whether a column numbers the rows or is a careful
rater's, and as one more rater it moved an ordinal alpha of .873 to .317. So what is likely to be no
rater is never taken for one in silence: the user is asked, by an error that names the option.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.tables.reading import described
from analysis.validation import place_of
from study.errors import AnalysisError
from study.table_file.cells import number
from study.table_file.names import as_option


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Fewer rows in a row, such as 1, 2, 3, are as likely ratings.
_IN_A_ROW = 4
_DISTINCT = 3
_SHUFFLED = 5

# At the end of a header, or at its beginning; a rater's own column is rarely called so.
_ID_ENDS = _words("id ids uid uuid guid pid nr no num number index idx")
_ID_STARTS = _words("id nr no index")
# As the whole header. Not model, system, user or judge: those rate.
_UNIT_WORDS = _words(
    "item items unit units observation obs sample document doc text prompt prompts topic question "
    "dialogue dialog dialogues conversation conv response responses reply turn message post utterance "
    "sentence stimulus video image name condition arm group dataset session trial position order page "
    "seconds duration age gender sex key code row rows rownames line case seq timestamp date time"
)
# What several raters or items came to: counted once more as one of them, it agrees with itself.
SUMMARY_WORDS = _words(
    "mean means average averages avg median consensus majority total totals sum sums mittelwert durchschnitt "
    "summe gesamt insgesamt gesamtwert media promedio suma moyenne somme المجموع المتوسط"
)
# Given by pandas and by R's readr to a column without a name.
_NAMELESS = re.compile(r"unnamed: ?[0-9]+|\.\.\.[0-9]+", re.IGNORECASE)
_PERSON_WORDS = _words(
    "person persons participant participants respondent respondents subject subjects subj rater raters "
    "annotator user student worker evaluator coder proband teilnehmer participante sujeto"
)
# As a header beside two other columns or more: what stands in its rows is one rater's each.
_IN_ROWS = _words(
    "rater raters annotator annotators coder coders participant participants person respondent "
    "respondents evaluator assessor reviewer proband teilnehmer participante bewerter"
)
_VALUE_WORDS = _words("value values rating ratings score scores answer label labels y")
_IF_RATINGS = (
    "; if these are ratings, give all points of the scale with --points, and codes for missing ones with "
    "--missing"
)


@dataclass(frozen=True)
class Nouns:
    """What rows and columns of a wide table are called, and how few columns there may be.

    Parameters
    ----------
    unit, rater : str
        Of a row and of a column.
    ratings : str
        What the cells hold.
    least : int
    points : tuple of float
        Of the scale; empty where it is not known or differs.
    labels : bool
        Cells are labels and not numbers.
    averaged : bool
        A column may be the mean of several raters.
    passed_over : tuple of str
        Headers, in small letters, that are known to be no raters.
    """

    unit: str = "unit"
    rater: str = "rater"
    ratings: str = "ratings"
    least: int = 2
    points: tuple[float, ...] = ()
    labels: bool = False
    averaged: bool = False
    passed_over: tuple[str, ...] = ()


def words_of(header: str) -> list[str]:
    """The words of a header in small letters: ``dialogueId`` and ``dialogue_id`` are dialogue, id."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+", header)
    return [part.lower() for part in parts]


def looks_like_an_id(header: str, nouns: Nouns) -> bool:
    """Whether a header names what was rated, or numbers it, and so no rater (or no item)."""
    words = words_of(header)
    if _NAMELESS.fullmatch(header):
        return True
    if not words or any(word.isdigit() for word in words):
        return False
    alone = _UNIT_WORDS | (_PERSON_WORDS if nouns.unit == "person" else frozenset())
    return words[-1] in _ID_ENDS or words[0] in _ID_STARTS or "".join(words) in alone


def refuse_what_is_no_rater(
    frame: pd.DataFrame, columns: Sequence[str], nouns: Nouns, settled: Sequence[str] = ()
) -> None:
    """Refuse a wide table in which a column is likely no rater.

    Parameters
    ----------
    frame : DataFrame
        Of `analysis.tables.reading.read_table`: text, the index holds the file's lines.
    columns : sequence of str
        Those that would count as raters.
    nouns : Nouns
    settled : sequence of str
        Those of them that the user named.

    Raises
    ------
    AnalysisError
        With what the column holds, and the options that settle it.
    """
    _refuse_a_long_table(frame, columns, nouns)
    taken = [column for column in columns if column.lower() not in nouns.passed_over]
    numbers = {column: _numbers(frame, column) for column in taken}
    if not nouns.labels and len(taken) > 1 and all(_are_names(found) for found in numbers.values()):
        raise AnalysisError(
            f"{described(frame)} holds labels and no numbers, expected a number in every row of each "
            f"{nouns.rater}. For labels such as joy, A or tie take `analyse emotion`."
        )
    for column in taken:
        if column in settled:
            continue
        others = [c for c in taken if c != column]
        _refuse_raters_in_rows(frame, column, others, nouns)
        why = _why_no_label(frame, column, others, nouns) if nouns.labels else ""
        # Ratings beyond the scale in every column speak of wrong --points, not of an id.
        scaled = any(_on_scale(numbers[c], nouns) for c in others)
        why = why or _why_no_number(frame, column, numbers[column], nouns, scaled)
        if not why and looks_like_an_id(column, nouns):
            why = f"its name is that of a {nouns.unit} or of its number, not of a {nouns.rater}"
        if why:
            long = ", with --rater and --value in a table with a row per rating"
            repeats = frame[column].dropna().duplicated().any()
            why += f". Give --unit {as_option([column])} if it says what was rated{long if repeats else ''}"
        elif set(words_of(column)) & SUMMARY_WORDS and not nouns.averaged:
            why = f"its name is that of what several {nouns.rater}s came to, not of one of them"
            why += "" if nouns.labels else ". Give --averaged if means are to count"
        if why:
            raise AnalysisError(
                f"{described(frame)}, column {column!r}: {why}; otherwise name the columns that hold "
                f"{nouns.ratings}, such as --raters {as_option(others)}."
            )


def _refuse_raters_in_rows(
    frame: pd.DataFrame, column: str, others: Sequence[str], nouns: Nouns
) -> None:
    # Beside one other column it may be a rater: annotator, llm.
    if nouns.labels or nouns.unit != "unit" or len(others) < 2:
        return
    words = words_of(column)
    if not words or words[0] not in _IN_ROWS or set(words[1:]) - _ID_ENDS - {"name", "code"}:
        return
    raise AnalysisError(
        f"{described(frame)}, column {column!r}: its name is that of raters, so each row seems to hold one "
        "rater's ratings, expected a row per unit and a column per rater. Turn the table on its side, or "
        "write a row per rating and give --unit, --rater and --value; otherwise name the columns that hold "
        f"ratings, such as --raters {as_option(others)}."
    )


def _refuse_a_long_table(frame: pd.DataFrame, columns: Sequence[str], nouns: Nouns) -> None:
    headers = {column: set(words_of(column)) for column in columns}
    rater = next((c for c, words in headers.items() if words and words <= _PERSON_WORDS), None)
    value = next((c for c, words in headers.items() if words and words <= _VALUE_WORDS), None)
    if rater is not None and value is not None:
        raise AnalysisError(
            f"{described(frame)} has the columns {rater!r} and {value!r} and seems to hold a rating in each "
            f"row. For such a long table give --unit COLUMN --rater {shlex.quote(rater)} --value "
            f"{shlex.quote(value)}; if its columns are {nouns.rater}s, name them: --raters "
            f"{as_option(columns)}."
        )


def _numbers(frame: pd.DataFrame, column: str) -> list[float | None]:
    """The cells that are there as numbers; None for what is none."""
    decimal = str(frame.attrs.get("decimal", "."))
    cells = frame[column].dropna()
    # Ratings have few different cells, so that each is read once.
    known = {cell: number(str(cell), decimal) for cell in cells.unique()}
    return [known[cell] for cell in cells]


def _are_names(numbers: Sequence[float | None]) -> bool:
    """Whether most cells are no numbers; a single slip of the pen leaves them numbers."""
    return len(numbers) > 2 * sum(value is not None for value in numbers)


def _on_scale(numbers: Sequence[float | None], nouns: Nouns) -> bool:
    return any(value in nouns.points for value in numbers)


def _why_no_number(
    frame: pd.DataFrame, column: str, numbers: Sequence[float | None], nouns: Nouns, scaled: bool
) -> str:
    """Why numbers of this column are no ratings; empty where they may be."""
    read = np.asarray([value for value in numbers if value is not None], dtype=np.float64)
    if not nouns.labels and _are_names(numbers):
        given = np.flatnonzero(frame[column].notna())
        at = int(given[[value is None for value in numbers].index(True)])
        cell = str(frame[column].iloc[at])
        return f"it holds names ({place_of(frame, at)}: {cell!r}), expected a number in every row"
    if read.size < max(len(numbers), _DISTINCT) or (read != np.rint(read)).any():
        return ""
    shown = f"{', '.join(f'{value:.15g}' for value in read[:_DISTINCT])}, ..."
    distinct = np.unique(read).size == read.size
    if distinct and read.size >= _IN_A_ROW and np.unique(np.diff(read)).size == 1:
        return f"it counts the rows ({shown})"
    # Shuffled rows: each number from 0 or 1 on once. A rater who gives every one of five points once in
    # five units is a rater.
    span = float(read.max() - read.min()) + 1
    if distinct and read.size > _SHUFFLED and span == read.size and read.min() in (0.0, 1.0):
        return f"it numbers the rows ({shown})"
    if not nouns.points or not scaled:
        return ""
    low, high = min(nouns.points), max(nouns.points)
    if distinct and ((read < low) | (read > high)).any():
        return (
            f"it holds a different whole number in every row, beyond {low:g} to {high:g} ({shown})"
            f"{_IF_RATINGS}"
        )
    if not np.isin(read, nouns.points).any():
        return f"it holds no point of the scale {low:g} to {high:g} ({shown}){_IF_RATINGS}"
    return ""


def _why_no_label(frame: pd.DataFrame, column: str, others: Sequence[str], nouns: Nouns) -> str:
    """Why labels of this column are none: no other column has one of them."""
    mine = set(frame[column].dropna())
    theirs = [set(frame[c].dropna()) for c in others]
    if not mine or not theirs or any(mine & labels for labels in theirs):
        return ""
    given = int(frame[column].notna().sum())
    different = given >= _DISTINCT and len(mine) == given
    agreed = any(a & b for i, a in enumerate(theirs) for b in theirs[:i])
    if not different and not agreed:
        return ""
    example = str(frame[column].dropna().iloc[0])
    return f"it shares no {nouns.ratings[:-1]} with another column (it begins with {example!r})"
