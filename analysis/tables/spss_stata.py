"""Data files for SPSS and Stata, with variable and value labels.

Ratings have one row per rater and response and one column per item: the form in which both programs
expect questionnaires. A missing answer is system-missing in the item's column; its reason is in a text
column beside it. What raters said of themselves stands in every row of theirs.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from study.errors import AnalysisError, StoreError
from study.report_view.comparisons import numeric_rows
from study.report_view.export import numeric_variables, rater_rows, statistics_file_names
from study.report_view.snapshot import Snapshot
from study.report_view.variable_names import VariableNames, variable_names

_KEYS = ["rater", "group", "simulated", "position", "prompt", "topic", "system", "seconds"]
_SIMULATED = {0: "a person", 1: "SIMULATED"}


@dataclass(frozen=True)
class ItemLabels:
    """An item's question and the anchors of its points."""

    id: str
    text: str
    points: Mapping[int, str]


@dataclass(frozen=True)
class QuestionLabel:
    """A question about the rater.

    Parameters
    ----------
    id, text : str
    is_number : bool
        Whether its answers are whole numbers; else they are the ids of options, as in the CSV.
    """

    id: str
    text: str
    is_number: bool = False


@dataclass(frozen=True)
class LabelledTable:
    """A table as it is written, with what its columns and their values mean.

    Parameters
    ----------
    frame : DataFrame
    columns : mapping
        Column -> its label; columns without one are called as they are.
    values : mapping
        Column -> value -> its label.
    """

    frame: pd.DataFrame
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[int, str]]


def ratings_table(
    ratings: pd.DataFrame,
    items: Sequence[ItemLabels],
    raters: pd.DataFrame | None = None,
    questions: Sequence[QuestionLabel] = (),
) -> LabelledTable:
    """One row per rater and response; a column for each item and one for why it is missing.

    Parameters
    ----------
    ratings : DataFrame
        One row per planned answer: rater, group, simulated, position, prompt, topic, system, item,
        value, missing_reason, seconds.
    items : sequence of ItemLabels
    raters : DataFrame, optional
        One row per rater, with a column ``rater`` and one for each question, called by its id.
    questions : sequence of QuestionLabel
    """
    names = variable_names([i.id for i in items], [q.id for q in questions])
    place = ["rater", "position"]
    # Where a page shows several responses, the systems by place.
    keys = [*_KEYS, "shown"] if "shown" in ratings else _KEYS
    frame = ratings.drop_duplicates(place)[keys].set_index(place)
    numbers = ratings.assign(value=pd.to_numeric(ratings["value"]).astype("float64"))
    answered = numbers.pivot(index=place, columns="item", values="value")
    absent = numbers.pivot(index=place, columns="item", values="missing_reason")
    made = {}
    for item in items:
        made[names.items[item.id]] = answered[item.id]
        made[names.reasons[item.id]] = absent[item.id].fillna("")
    wide = pd.concat([frame, pd.DataFrame(made, index=frame.index)], axis=1).reset_index()
    wide["simulated"] = wide["simulated"].astype(int)
    wide["seconds"] = pd.to_numeric(wide["seconds"]).astype("float64")
    if raters is not None and questions:
        about = _answers(raters, questions, names).set_axis(raters["rater"].to_numpy())
        wide = pd.concat([wide, about.reindex(wide["rater"]).set_axis(wide.index)], axis=1)
    labels = {names.items[item.id]: item.text for item in items}
    labels |= {names.reasons[i.id]: f"Why {names.items[i.id]} is missing" for i in items}
    labels |= {names.questions[q.id]: q.text for q in questions}
    values = {names.items[item.id]: dict(item.points) for item in items}
    return LabelledTable(wide, labels, values | {"simulated": _SIMULATED})


def raters_table(
    raters: pd.DataFrame, questions: Sequence[QuestionLabel], items: Sequence[str] = ()
) -> LabelledTable:
    """One row per rater: the columns of the CSV, with the questions under the names of the ratings.

    Parameters
    ----------
    raters : DataFrame
        As ``study.report_view.export.rater_rows`` gives it.
    questions : sequence of QuestionLabel
    items : sequence of str
        Ids of the variables in the ratings file, so that a question is called alike in both.
    """
    names = variable_names(items, [q.id for q in questions])
    asked = [q.id for q in questions]
    plain = raters.drop(columns=asked).assign(simulated=raters["simulated"].astype(int))
    frame = pd.concat([plain, _answers(raters, questions, names)], axis=1)
    labels = {names.questions[q.id]: q.text for q in questions}
    return LabelledTable(frame, labels, {"simulated": _SIMULATED})


def _answers(
    raters: pd.DataFrame, questions: Sequence[QuestionLabel], names: VariableNames
) -> pd.DataFrame:
    made = {}
    for question in questions:
        given = raters[question.id]
        if question.is_number:
            made[names.questions[question.id]] = pd.to_numeric(given).astype("float64")
        else:
            made[names.questions[question.id]] = given.map(lambda v: "" if pd.isna(v) else str(v))
    return pd.DataFrame(made, index=raters.index)


def write_statistics_file(table: LabelledTable, path: Path, *, title: str) -> None:
    """Write a table for SPSS (``.sav``) or Stata (``.dta``).

    Raises
    ------
    AnalysisError
        When the file's ending is neither, or the format cannot hold the table, with the reason.
    OSError
        When there is no room for it.
    """
    import pyreadstat

    frame = table.frame
    columns: list[str | None] = [table.columns.get(column, column) for column in frame.columns]
    if path.suffix == ".sav":
        write: Any = pyreadstat.write_sav
        read: Any = pyreadstat.read_sav
        title = title[:64]
    elif path.suffix == ".dta":
        write, read = pyreadstat.write_dta, pyreadstat.read_dta
        # Stata keeps at most 80 characters of a label.
        title, columns = title[:80], [label[:80] if label else label for label in columns]
    else:
        raise AnalysisError(
            f"Found the file {path.name!r}, expected a name ending in .sav or .dta."
        )
    values: dict[str, dict[int | float, str]] = {
        name: dict(said.items()) for name, said in table.values.items() if said
    }
    try:
        write(frame, str(path), title, column_labels=columns, variable_value_labels=values)
        # On a full disk the library may end without a word and leave a file that is cut off.
        whole = len(read(str(path))[0]) == len(frame)
    except pyreadstat.ReadstatError as error:
        # A full disk shows itself in writing or reading back; all else is a fault of the table.
        if not re.search(r"\b(?:write|read|open|seek|file is)\b", str(error), re.IGNORECASE):
            raise AnalysisError(
                f"{path.name} cannot hold this table ({error}), so it was not written. Export it as csv, "
                "and tell the authors of evenhand, who hold this for a fault."
            ) from None
        whole = False
    if not whole:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _study_ratings(seen: Snapshot) -> LabelledTable:
    if not any(numeric_variables(seen, item) for item in seen.protocol.items):
        raise StoreError(
            "The formats sav and dta hold numbers, and this study asks for free text only. Export its "
            "answers as csv or jsonl."
        )
    rows, questions = numeric_rows(seen)
    if not rows:
        raise StoreError("Nobody is enrolled yet, so there are no ratings to export.")
    labels = {
        item.id: item.anchors(seen.protocol.scale_of(item.id)) for item in seen.protocol.items
    }
    items = [
        ItemLabels(name, text, {v: said for v, said in labels.get(name, {}).items() if said})
        for name, text in questions.items()
    ]
    people = pd.DataFrame(rater_rows(seen))
    return ratings_table(pd.DataFrame(rows), items, people, _questions(seen))


def _study_raters(seen: Snapshot) -> LabelledTable:
    rows = rater_rows(seen)
    if not rows:
        raise StoreError("Nobody is enrolled yet, so there are no raters to export.")
    items = list(statistics_file_names(seen).items)
    return raters_table(pd.DataFrame(rows), _questions(seen), items)


def _questions(seen: Snapshot) -> list[QuestionLabel]:
    return [
        QuestionLabel(asked.id, asked.question, asked.kind == "integer")
        for asked in seen.protocol.demographics
    ]


def told_of_columns(seen: Snapshot, what: str) -> list[str]:
    """Which columns are not called like their ids, and what is not in the file."""
    names = statistics_file_names(seen)
    shown = names.questions if what == "raters" else {**names.items, **names.questions}
    # A hyphen becomes an underscore in every second protocol; only other changes are told here.
    changed = [
        f"{identity} is {name}"
        for identity, name in shown.items()
        if identity.replace("-", "_").replace(".", "_") != name
    ]
    told = []
    if changed:
        told.append(
            f"Some columns have another name than the protocol gives: {', '.join(changed)} (a key column, a "
            "reserved word, or too long). All of them: evenhand export --what codebook"
        )
    texts = [i.id for i in seen.protocol.items if not numeric_variables(seen, i)]
    if texts and what == "ratings":
        told.append(f"Free text is not in it ({', '.join(texts)}): export that as csv or jsonl.")
    return told


# What can be exported for SPSS and Stata.
STUDY_TABLES: Mapping[str, Callable[[Snapshot], LabelledTable]] = {
    "ratings": _study_ratings,
    "raters": _study_raters,
}
