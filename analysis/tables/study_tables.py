"""A study's ratings and raters as tables for SPSS and Stata."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from analysis.tables.spss_stata import (
    ItemLabels,
    LabelledTable,
    QuestionLabel,
    raters_table,
    ratings_table,
)
from study.errors import StoreError
from study.report_view.comparisons import numeric_rows
from study.report_view.export import numeric_variables, rater_rows, statistics_file_names
from study.report_view.snapshot import Snapshot


def _ratings_table(seen: Snapshot) -> LabelledTable:
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


def _raters_table(seen: Snapshot) -> LabelledTable:
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
    "ratings": _ratings_table,
    "raters": _raters_table,
}
