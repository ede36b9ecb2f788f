"""The command about online panels and receipts: reconcile."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.options import json_option, packed, print_json, print_table, say, with_study
from study.cli.tables import sheet_option
from study.errors import Finding, StoreError

if TYPE_CHECKING:
    from study.store.study import Study


@dataclass(frozen=True)
class Options:
    """The options of ``reconcile``."""

    file: Path | None
    receipt: str | None
    participant_column: str
    status_column: str
    code_column: str
    done: tuple[str, ...]
    sheet: str | None


@click.command()
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True)
)
@click.option("--receipt", help="Check one receipt code instead of a file.")
@click.option(
    "--participant-column",
    default="Participant id",
    show_default=True,
    help="Column of the panel's participant ids.",
)
@click.option(
    "--status-column", default="Status", show_default=True, help="Column of the panel's status."
)
@click.option(
    "--code-column",
    default="Completion code",
    show_default=True,
    help="Column of the codes that participants gave.",
)
@click.option(
    "--done",
    multiple=True,
    default=("APPROVED", "AWAITING REVIEW"),
    show_default=True,
    help="Status of those who finished, in the panel's words; may be given several times.",
)
@sheet_option
@json_option
@with_study
@packed(Options)
def reconcile(study: Study, options: Options, as_json: bool) -> None:
    """Compare a panel's export with the database, or check one receipt code.

    The columns' defaults are those of Prolific's export of submissions. Of several rows for one person, one
    whose status says done counts, and of several such, one with a right code.

    \b
    Examples:
      evenhand reconcile prolific_export.csv
      evenhand reconcile panel.csv --participant-column pid --status-column state --done complete
      evenhand reconcile --receipt 7QK2M-4XV9A
    """
    file = options.file
    if options.receipt is not None and file is None:
        _check_receipt(study, options.receipt, as_json)
        return
    if file is None or options.receipt is not None:
        raise StoreError("Give either the panel's file, or one code with --receipt CODE.")
    from study.panel_reconciliation import RULE, read_panel_file
    from study.panel_reconciliation import reconcile as compare

    rows = read_panel_file(
        file,
        options.participant_column,
        options.status_column,
        options.code_column,
        options.sheet,
    )
    result = compare(study, rows, options.done)
    if as_json:
        mismatches = [asdict(mismatch) for mismatch in result.mismatches]
        print_json({"complete": result.complete, "rule": RULE, "findings": mismatches})
    else:
        say(f"Done there, complete here and with a right code: {result.complete}.")
        say(RULE)
        if result.mismatches:
            table = [(m.kind, m.participant, m.rater, m.detail) for m in result.mismatches]
            print_table(["finding", "participant there", "rater here", "what"], table)
    if result.mismatches:
        number = len(result.mismatches)
        findings = "1 finding" if number == 1 else f"{number} findings"
        raise Finding(f"{findings}; look at each before you pay anybody.")


def _check_receipt(study: Study, code: str, as_json: bool) -> None:
    from study import completion

    rater = completion.rater_with_receipt(study, code)
    if rater is None:
        raise Finding(
            f"{code!r} is no receipt of this study. Expected ten letters and digits such as 7QK2M-4XV9A."
        )
    if completion.receipt(study, rater) is None:
        raise Finding(
            f"{code!r} is the receipt of {rater.code}, but not every required answer of "
            f"{rater.code} is in the database."
        )
    if as_json:
        print_json({"receipt": code, "rater": rater.code, "complete": True})
    else:
        say(f"{code} is the receipt of {rater.code}: every required answer is in the database.")
