"""Rows that hang together because one rater gave several: found, refused, or brought to one per rater."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.tables.rating_columns import words_of
from analysis.tables.reading import cell_at, described, numeric_columns
from analysis.validation import IntArray
from study.errors import AnalysisError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What a header that names people who rate or answer is made of; the second only where they stand alone
# or behind the first: rater, participant_id, WorkerId, code, but not expert_score.
_PEOPLE = _words(
    "rater raters participant participants person persons subject subjects subj respondent respondents "
    "annotator annotators judge coder evaluator reviewer assessor user student professional clinician "
    "therapist expert worker proband vp vpn teilnehmer bewerter participante evaluador sujeto pid uid "
    "prolific email emailaddress mail username nickname pseudonym initials matriculation correo "
    "مشارك مقيم"
)
_ALONE = _words("id ids code name nr no number who case")
_LEAST_NESTED = 3
# A row for each rating that a count stands for: 20 million take some seconds and half a gigabyte.
MOST_RATINGS = 20_000_000


def refuse_repeated_raters(
    frame: pd.DataFrame, used: Sequence[str], by: str | None, *, within: bool
) -> None:
    """Refuse a table in which one rater seems to have given several rows, when no rater was named.

    A column is taken for the rater's when its header says so (rater, participant_id, ...) and its
    names repeat. A column of any name is taken for one when each of its values lies in one group of
    ``by``, every group has three or more of them, and they repeat (R01 to R15 in one group, R16 to
    R36 in the other): whatever it names, its rows are no independent ones. A rater's column without
    repeats settles that every row is another rater's.

    Parameters
    ----------
    frame : DataFrame
    used : sequence of str
        The columns that the analysis uses.
    by : str or None
        The column with the groups.
    within : bool
        Whether only repeats within a group matter, as for tables of each group.

    Raises
    ------
    AnalysisError
        With the column and the options that settle it.
    """
    others = [str(c) for c in frame.columns if str(c) not in used]
    people = [c for c in others if _names_people(c)]
    alone = [c for c in others if "".join(words_of(c)) in _ALONE]
    for column in [*people, *alone]:
        names = frame[column].dropna()
        groups = None if by is None or not within else frame.loc[names.index, by].fillna("")
        again = pd.DataFrame({"name": names, "group": groups if groups is not None else ""})
        if again.duplicated().any():
            raise AnalysisError(
                _told(frame, column, f"holds {names.nunique()} names in {len(names)} rows")
            )
        if column in people and len(names) == len(frame):
            return
    for column in [] if by is None or within else others:
        if _nested(frame, column, str(by)):
            why = f"holds names of several rows each, all in one group of {by!r}"
            raise AnalysisError(_told(frame, column, why))


def _names_people(header: str) -> bool:
    whole = "".join(words_of(header))
    return any(
        whole.removeprefix(word) in {"", *_ALONE} or whole.removesuffix(word) in _ALONE
        for word in _PEOPLE
        if whole.startswith(word) or whole.endswith(word)
    )


def _told(frame: pd.DataFrame, column: str, why: str) -> str:
    return (
        f"{described(frame)}, column {column!r} {why}, so rows of one {column} may hang together and no test "
        f"or interval may take them for independent. Give --rater {shlex.quote(column)} to compute by "
        f"{column}, or --rows-independent when every row is a unit of its own."
    )


def _nested(frame: pd.DataFrame, column: str, by: str) -> bool:
    pairs = frame[[column, by]].dropna()
    levels = pairs.drop_duplicates()
    if not len(levels) or levels[column].duplicated().any() or 2 * len(levels) > len(pairs):
        return False
    return bool(levels.groupby(by).size().min() >= _LEAST_NESTED)


def counts_of_rows(frame: pd.DataFrame, weight: str) -> IntArray:
    """How many ratings each row stands for.

    Raises
    ------
    AnalysisError
        When a cell is not a whole number of 0 or more, with its line, or there are more than 20
        million ratings in all.
    """
    counts = numeric_columns(frame, [weight])[weight].to_numpy()
    wrong = np.flatnonzero(~((counts >= 0) & (counts == np.rint(counts))))
    if wrong.size:
        at = int(wrong[0])
        found = "an empty cell" if np.isnan(counts[at]) else f"{counts[at]:g}"
        raise AnalysisError(
            f"{cell_at(frame, at, weight)}: found {found}, expected a whole "
            "number of 0 or more: how many ratings the row stands for. Weights that are no counts (of "
            "a survey's design) are not computed here."
        )
    if not counts.any():
        raise AnalysisError(
            f"{described(frame)}, column {weight!r}: every count is 0, expected how many ratings a row "
            "stands for."
        )
    if counts.sum() > MOST_RATINGS:
        raise AnalysisError(
            f"{described(frame)}, column {weight!r}: the counts sum to {counts.sum():.0f}, expected up to "
            f"{MOST_RATINGS} ratings."
        )
    return counts.astype(np.int64)


@dataclass(frozen=True)
class Repeats:
    """Whether raters repeat, as the user says.

    Parameters
    ----------
    rater : str or None
        Column with the rater: inference goes by rater.
    weight : str or None
        Column with the number of answers that a row stands for.
    rows_independent : bool
        Rows are units of their own, whatever their columns are called.
    """

    rater: str | None = None
    weight: str | None = None
    rows_independent: bool = False

    def settle(
        self, frame: pd.DataFrame, used: Sequence[str], by: str | None, *, within: bool
    ) -> None:
        """Refuse a table in which raters repeat when nothing was said of them.

        Raises
        ------
        AnalysisError
        """
        if self.rater is None and not self.rows_independent:
            weights = [self.weight] if self.weight is not None else []
            refuse_repeated_raters(frame, [*used, *weights], by, within=within)

    def rows(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """A row for each answer, each row as often as its count says, and what to say of that."""
        if self.weight is None:
            return frame, ()
        counts = counts_of_rows(frame, self.weight)
        rows = frame.iloc[np.repeat(np.arange(len(frame)), counts)]
        rows.attrs = dict(frame.attrs)
        said = f"Each row counts as often as {self.weight} says: {len(rows)} ratings in {len(frame)} rows."
        return rows, (said,)


def refuse_two_roles(**named: str | None) -> None:
    """Refuse one column for two roles.

    Raises
    ------
    AnalysisError
    """
    given = {role: column for role, column in named.items() if column is not None}
    for role, column in given.items():
        other = next((r for r, c in given.items() if c == column and r != role), None)
        if other is not None:
            raise AnalysisError(
                f"Column {column!r} is named by --{role} and by --{other}, expected different columns."
            )
