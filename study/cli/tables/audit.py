"""The command audit: what in published tables contradicts itself, whatever was rounded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.options import packed, print_json, print_table, say, warn
from study.cli.tables import sheet_option
from study.errors import AnalysisError, Finding
from study.table_file.names import listed_names

if TYPE_CHECKING:
    from analysis.audit.audit import Audit


@dataclass(frozen=True)
class AuditOptions:
    """The options of ``audit``."""

    files: tuple[Path, ...]
    n: int | None
    items: int | None
    scale: str | None
    missing: tuple[str, ...]
    decimal: str | None
    sheet: str | None
    form: str
    page: Path | None


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "--n", type=click.IntRange(min=1), help="Answers behind each percentage, where none is printed."
)
@click.option(
    "--items",
    type=click.IntRange(min=1),
    help="Items that a mean averages, where none are printed.",
)
@click.option("--scale", metavar="LOW-HIGH", help="Ends of the scale, where none are printed: 1-5.")
@click.option(
    "--missing", metavar="WORDS", multiple=True, help="Words that stand for a missing value: NA,-."
)
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    show_default="as the numbers say",
    help="Mark before decimals.",
)
@sheet_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What is printed.",
)
@click.option(
    "-o",
    "--output",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="Write the findings as a page, too.",
)
@packed(AuditOptions)
def audit(options: AuditOptions) -> None:
    """Check published tables: counts, percentages, means, spreads and p against one another.

    FILE is a table as it was printed: frequencies, groups with n, mean and SD, percentages of n, totals,
    kappas with
    the ratings. Several files are checked one against the other where they are about the same. A number
    counts as all that would be rounded to it, so nothing is told that rounding explains. docs/audit.md says
    how to write a table down and what each rule computes. Exit code 1 with findings, 0 without, 2 where a
    file
    cannot be read.

    \b
    Examples:
      evenhand audit table3.csv
      evenhand audit table3.csv table2.csv tables5_7.csv -o findings.html
      evenhand audit percentages.csv --n 100 --format json
      evenhand audit means.csv --items 8 --scale 1-5
      evenhand audit kappas.csv ratings.csv
    """
    from analysis.audit.audit import audit_files
    from analysis.audit.sheet import Told

    low, high = _ends(options.scale)
    found = audit_files(
        options.files,
        Told(options.n, options.items, low, high),
        missing=[word for given in options.missing for word in listed_names(given)],
        decimal=options.decimal,
        sheet=options.sheet,
    )
    if options.page is not None:
        _write(found, options.page)
    if options.form == "json":
        print_json(found.to_dict())
    else:
        _show(found)
    if found.findings:
        number = len(found.findings)
        raise Finding(f"{number} finding{'s' if number > 1 else ''}.")


def _ends(scale: str | None) -> tuple[int | None, int | None]:
    if scale is None:
        return None, None
    low, mark, high = scale.strip().rpartition("-")
    try:
        ends = int(low), int(high)
    except ValueError:
        mark = ""
    if not mark or ends[0] >= ends[1]:
        raise AnalysisError(
            f"Found the scale {scale!r}, expected its two ends, such as --scale 1-5."
        )
    return ends


def _write(found: Audit, page: Path) -> None:
    from analysis.audit.page import audit_page
    from study.whole_files import FOR_ALL, write_whole

    write_whole(page, audit_page(found), mode=FOR_ALL)
    warn(f"Written: {page}")


def _show(found: Audit) -> None:
    from analysis.audit.page import COLUMNS, rows_of

    for number, one in enumerate(found.findings, start=1):
        print_table(COLUMNS, rows_of(one), title=f"{number}. {one.about} ({one.sure})")
        say(f"  Why: {one.why}")
        if one.repair:
            say(f"  Repair: {one.repair}")
        if one.suspects:
            say("  Or one of: " + "; ".join(c.in_words for c in one.suspects))
        say("")
    for note in found.notes:
        say(f"Note: {note}")
    kinds = ", ".join(f"{number} {name}" for name, number in found.read.items())
    number = len(found.findings)
    findings = "1 finding" if number == 1 else f"{number or 'No'} findings"
    say(f"Read: {kinds or 'nothing that can be checked'}. {findings}.")
