"""The command export: the study's data as files for other software."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.options import say, warn, with_study
from study.errors import StoreError
from study.whole_files import whole_file, write_whole

if TYPE_CHECKING:
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
    from study.report_view.files import export_text, why_empty
    from study.report_view.snapshot import snapshot

    if for_excel and kind != "csv":
        raise StoreError(
            f"--for-excel is for CSV; found --format {kind}. Leave one of the two out."
        )
    if kind in ("sav", "dta"):
        _export_statistics_file(study, what, kind, output)
        return
    with snapshot(study) as seen:
        text = export_text(seen, what, json_lines=kind == "jsonl", for_excel=for_excel)
        if not text:
            warn(why_empty(seen, what))
    if output is None:
        click.echo(text, nl=False)
        return
    write_whole(output, text)
    say(f"Wrote {output}.")


def _export_statistics_file(study: Study, what: str, kind: str, output: Path | None) -> None:
    from analysis.tables.spss_stata import STUDY_TABLES, told_of_columns, write_statistics_file
    from study.report_view.snapshot import snapshot

    if what not in STUDY_TABLES:
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
    with snapshot(study) as seen:
        table, told = STUDY_TABLES[what](seen), told_of_columns(seen, what)
    with whole_file(output) as part:
        write_statistics_file(table, part, title=study.protocol.title)
    for line in (f"Wrote {output}.", *told):
        say(line)
