"""The command export: the study's data as files for other software."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.options import say, warn, with_study
from study.errors import StoreError
from study.whole_files import whole_file, write_whole

if TYPE_CHECKING:
    from analysis.tables.spss_stata import LabelledTable, QuestionLabel
    from study.store.study import Study


@click.command()
@click.option(
    "--what",
    type=click.Choice(
        [
            "ratings",
            "raters",
            "responses",
            "conversations",
            "turns",
            "checks",
            "verdicts",
            "panel",
            "codebook",
            "protocol",
            "log",
        ]
    ),
    default="ratings",
    show_default=True,
    help="Which data.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "sav", "dta"]),
    default="csv",
    show_default=True,
    help="CSV, one JSON object per line, or a file for SPSS (sav) or Stata (dta) with labels.",
)
@click.option(
    "--for-excel",
    is_flag=True,
    help="CSV that Excel opens as it is: marked as UTF-8, and no cell can be a formula.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file.")
@with_study
def export(study: Study, what: str, kind: str, for_excel: bool, output: Path | None) -> None:
    """Export the data; systems under their blind codes until unblinded.

    In CSV, what people and models wrote cannot start a formula in a spreadsheet: an apostrophe stands
    in front of a cell that looks like one (the codebook says how). The files for SPSS and Stata hold
    the ratings with what raters said of themselves, or the raters alone.

    \b
    Examples:
      evenhand export -o ratings.csv
      evenhand export --what codebook -o codebook.csv
      evenhand export --what responses --format jsonl
      evenhand export --what turns -o transcripts.csv
      evenhand export --what verdicts -o verdicts.csv
      evenhand export --format sav -o ratings.sav
      evenhand export --what raters --format dta -o raters.dta
      evenhand export --for-excel -o ratings.csv
    """
    if for_excel and kind != "csv":
        raise StoreError(
            f"--for-excel is for CSV; found --format {kind}. Leave one of the two out."
        )
    if kind in ("sav", "dta"):
        _export_statistics_file(study, what, kind, output)
        return
    text = _export_text(study, what, kind, for_excel)
    if not text:
        warn(_why_empty(study, what))
    if output is None:
        click.echo(text, nl=False)
        return
    write_whole(output, text)
    say(f"Wrote {output}.")


def _why_empty(study: Study, what: str) -> str:
    from study.store.raters import read_raters

    if what in ("conversations", "turns") and study.protocol.design.shows != "conversation":
        return f"There is nothing to export: this study has no conversations, so no {what}."
    if what == "verdicts":
        declared = study.protocol.judge is not None
        return (
            "There are no verdicts yet. Let the judge score the responses: evenhand judge"
            if declared
            else "There is nothing to export as verdicts: the protocol declares no judge."
        )
    if what == "responses":
        return (
            "There are no responses yet. Bring them in: evenhand generate or evenhand import FILE"
        )
    if not read_raters(study):
        return f"There is nothing to export as {what} yet: nobody is enrolled."
    return f"There is nothing to export as {what} yet."


def _export_statistics_file(study: Study, what: str, kind: str, output: Path | None) -> None:
    from analysis.tables.spss_stata import write_statistics_file

    makers = {"ratings": _ratings_table, "raters": _raters_table}
    if what not in makers:
        raise StoreError(
            f"The format {kind} is for the ratings and the raters; found --what {what}. Export this one as "
            "csv or jsonl."
        )
    if output is None or output.suffix != f".{kind}":
        found = "no file" if output is None else str(output)
        raise StoreError(
            f"The format {kind} needs a file whose name ends in .{kind}; found {found}. Give one: evenhand "
            f"export --what {what} --format {kind} -o {what}.{kind}"
        )
    table = makers[what](study)
    with whole_file(output) as part:
        write_statistics_file(table, part, title=study.protocol.title)
    say(f"Wrote {output}.")
    for told in _told_of_columns(study, what):
        say(told)


def _ratings_table(study: Study) -> LabelledTable:
    import pandas as pd

    from analysis.tables.spss_stata import ItemLabels, ratings_table
    from study.comparisons import numeric_rows
    from study.export import numeric_variables, rater_rows

    if not any(numeric_variables(study, item) for item in study.protocol.items):
        raise StoreError(
            "The formats sav and dta hold numbers, and this study asks for free text only. Export its "
            "answers as csv or jsonl."
        )
    rows, questions = numeric_rows(study)
    if not rows:
        raise StoreError("Nobody is enrolled yet, so there are no ratings to export.")
    protocol = study.protocol
    labels = {item.id: item.anchors(protocol.scale_of(item.id)) for item in protocol.items}
    items = [
        ItemLabels(name, text, {v: said for v, said in labels.get(name, {}).items() if said})
        for name, text in questions.items()
    ]
    people = pd.DataFrame(rater_rows(study))
    return ratings_table(pd.DataFrame(rows), items, people, _questions(study))


def _raters_table(study: Study) -> LabelledTable:
    import pandas as pd

    from analysis.tables.spss_stata import raters_table
    from study.export import rater_rows, statistics_file_names

    rows = rater_rows(study)
    if not rows:
        raise StoreError("Nobody is enrolled yet, so there are no raters to export.")
    items = list(statistics_file_names(study).items)
    return raters_table(pd.DataFrame(rows), _questions(study), items)


def _questions(study: Study) -> list[QuestionLabel]:
    from analysis.tables.spss_stata import QuestionLabel

    return [
        QuestionLabel(asked.id, asked.question, asked.kind == "integer")
        for asked in study.protocol.demographics
    ]


def _told_of_columns(study: Study, what: str) -> list[str]:
    """Which columns are not called like their ids, and what is not in the file."""
    from study.export import numeric_variables, statistics_file_names

    names = statistics_file_names(study)
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
    texts = [i.id for i in study.protocol.items if not numeric_variables(study, i)]
    if texts and what == "ratings":
        told.append(f"Free text is not in it ({', '.join(texts)}): export that as csv or jsonl.")
    return told


def _export_text(study: Study, what: str, kind: str, for_excel: bool) -> str:
    from study import conversation_export as talks
    from study import export as rows_of
    from study.csv_text import csv_text
    from study.verdict_export import verdict_rows

    if what == "protocol":
        return rows_of.protocol_text(study)
    makers: dict[str, Callable[[Study], list[dict[str, Any]]]] = {
        "ratings": rows_of.rating_rows,
        "raters": rows_of.rater_rows,
        "responses": rows_of.response_rows,
        "checks": rows_of.check_rows,
        "verdicts": verdict_rows,
        "panel": rows_of.panel_rows,
        "codebook": rows_of.codebook_rows,
        "log": rows_of.log_rows,
        "conversations": talks.conversation_rows,
        "turns": talks.turn_rows,
    }
    rows = makers[what](study)
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    # The codebook is written by the coordinator, and its column "text" is a question.
    written = rows_of.FREE_TEXT if what != "codebook" else frozenset()
    return csv_text(rows, free_text=written, for_excel=for_excel)
