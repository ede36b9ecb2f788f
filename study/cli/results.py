"""Commands about what the ratings say: report, export, unblind, verify."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from study.cli.options import (
    json_option,
    print_json,
    refuse_where_nobody_can_answer,
    say,
    warn,
    with_study,
)
from study.entities import RaterStatus
from study.errors import Finding, ProtocolError
from study.wording import summed_up

if TYPE_CHECKING:
    from study.store.study import Study


@click.command()
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["html", "docx", "pdf"]),
    default=("html",),
    show_default=True,
    help="May be given several times.",
)
@click.option(
    "--section", "sections", multiple=True, help="Only this section; may be given several times."
)
@click.option(
    "--with-r",
    is_flag=True,
    help="Also write an R script with its data, and a note that says which tables it repeats.",
)
@json_option
@with_study
def report(
    study: Study, formats: tuple[str, ...], sections: tuple[str, ...], with_r: bool, as_json: bool
) -> None:
    """Write the report, with every table also as CSV.

    Before `evenhand unblind` the systems appear under their blind codes, and differences go in the
    order of the codes and not in the direction of the plan.

    \b
    Examples:
      evenhand report
      evenhand report --format html --format docx --format pdf
      evenhand report --with-r
    """
    from analysis.report.of_study import write_study_report

    written = write_study_report(study, formats, sections, with_r=with_r)
    if as_json:
        print_json(
            {
                "reports": [str(p) for p in written.reports],
                "tables": [str(p) for p in written.tables],
                "r_files": [str(p) for p in written.r_files],
            }
        )
        return
    for path in written.reports:
        say(f"Report: {path}")
    if written.tables:
        say(f"{len(written.tables)} tables as CSV: {written.tables[0].parent}")
    for path in written.r_files:
        say(f"R: {path}")


@click.command()
@click.option(
    "--person",
    "people",
    multiple=True,
    required=True,
    help="Who asks for it; give it twice, with two names.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_study
def unblind(study: Study, people: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Reveal which code stands for which system. Two people; recorded in the audit log.

    It cannot be undone, so it says first how many raters have finished, and asks. The report tells when
    it was done and how many answers were saved afterwards.

    \b
    Examples:
      evenhand unblind --person "A. Weiss" --person "B. Okoro"
      evenhand unblind --person "A. Weiss" --person "B. Okoro" --yes
    """
    from study.store.locking import system_codes, unblind_study, unblinded_at, unblinding_people

    first, second = unblinding_people(study, people)
    if unblinded_at(study) is None:
        _ask_before_unblinding(study, yes, as_json)
    at = unblind_study(study, first, second)
    codes = system_codes(study)
    if as_json:
        print_json({"unblinded_at": at, "codes": {code: system for system, code in codes.items()}})
        return
    for system, code in sorted(codes.items(), key=lambda entry: entry[1]):
        say(f"System {code}: {system} ({study.protocol.system(system).title})")


def _ask_before_unblinding(study: Study, yes: bool, as_json: bool) -> None:
    from study.store.raters import read_raters

    number = Counter(rater.status for rater in read_raters(study))
    gone = (
        number[RaterStatus.DECLINED]
        + number[RaterStatus.SCREENED_OUT]
        + number[RaterStatus.WITHDRAWN]
    )
    state = f"{number[RaterStatus.FINISHED]} of {number.total() - gone} raters have finished"
    if gone:
        state += f" ({gone} more declined, withdrew or did not pass the checks)"
    warn(f"{state}.")
    if yes:
        return
    refuse_where_nobody_can_answer(
        as_json, "the systems stay under their codes: unblinding cannot be undone. Give --yes."
    )
    click.confirm("Reveal the systems now? This cannot be undone", abort=True)


@click.command()
@json_option
@with_study
def verify(study: Study, as_json: bool) -> None:
    """Check the audit chain, the saved answers and raters against it, the allocation and the lock.

    The lock holds the hashes of protocol, responses, allocation, analysis plan and, where there is a
    judge, of its rubrics and prompts. A judge whose model changed behind its name is a fault, too.

    Note the number of lines and the last hash after each session: a database that was put back to
    an earlier state holds together, and only that note shows it.

    \b
    Examples:
      evenhand verify
    """
    from models.judge.wording.declaration import judge_hashes
    from study.store.audit import log_end, study_faults
    from study.store.judge.models import model_changes
    from study.store.judge.verdicts import read_ledger
    from study.store.locking import read_lock

    locked = read_lock(study) is not None
    lines, end = log_end(study)
    try:
        faults = study_faults(study, judge_hashes(study.protocol, study.folder))
    except ProtocolError as error:
        faults = [*study_faults(study), f"the judge's rubrics cannot be read: {error}"]
    faults += model_changes(read_ledger(study).calls)
    if as_json:
        print_json({"log_lines": lines, "last_hash": end, "locked": locked, "faults": faults})
    if faults:
        found = "1 fault was found" if len(faults) == 1 else f"{len(faults)} faults were found"
        told = [f"{found}:", *(f"  {fault}" for fault in summed_up(faults))]
        raise Finding(f"{found}." if as_json else "\n".join(told))
    if not as_json:
        say(
            f"The audit log holds ({lines} lines, the last one {end[:16]}), the saved answers agree "
            f"with it{', the lock holds' if locked else ''}."
        )
        if not locked:
            say(
                "The study is not locked yet, so nothing is frozen. When it is ready: evenhand lock"
            )
