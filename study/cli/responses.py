"""Commands that bring responses into a study: generate, import."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.options import (
    cluster_option,
    json_option,
    print_json,
    progress_bar,
    say,
    warn,
    with_study,
)
from study.cli.tables import sheet_option
from study.errors import ImportFileError, StoreError

if TYPE_CHECKING:
    from study.store.study import Study

NOTHING_TO_WRITE = (
    "There are no responses to write: in a study of conversations the systems answer live."
)


@click.command()
@click.option("--again", metavar="SYSTEM", help="Remove this system's responses first.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes on this machine; each loads a model of its own.",
)
@cluster_option
@json_option
@with_study
def generate(
    study: Study, again: str | None, workers: int, cluster: str | None, as_json: bool
) -> None:
    """Write the responses of every system to every prompt; goes on where it stopped.

    The same prompt, seed and model file give the same text with any number of workers. In a study of
    conversations there is nothing to write: the systems answer live.

    \b
    Examples:
      evenhand generate
      evenhand generate --again tuned-offline
      evenhand generate --workers 2
      evenhand generate --cluster tcp://192.168.1.10:8786
    """
    if study.protocol.design.shows == "conversation":
        if as_json:
            print_json({"written": {}, "skipped": {}})
        else:
            say(f"{NOTHING_TO_WRITE} Next: evenhand lock")
        return
    if cluster and workers > 1:
        raise StoreError(
            f"--workers {workers} starts processes here and --cluster {cluster} uses other machines. "
            "Give one of them."
        )
    from study.store.exclusive import only_writer

    with only_writer(study):
        _generate(study, again, workers, cluster or "", as_json)


def _generate(study: Study, again: str | None, workers: int, cluster: str, as_json: bool) -> None:
    from study.store.locking import read_lock
    from study.store.responses import delete_responses, imported_systems

    if again:
        known = [system.id for system in study.protocol.systems]
        if again not in known:
            raise StoreError(f"There is no system {again!r}. Declared: {', '.join(known)}.")
        if again in imported_systems(study) and read_lock(study) is None:
            raise StoreError(
                f"The responses of {again!r} were imported, so evenhand cannot write them again. Bring "
                "others in: evenhand import FILE --replace"
            )
        delete_responses(study, again)
    written, skipped = write_responses(study, workers=workers, cluster=cluster)
    if read_lock(study) is None:  # afterwards no output names a system
        for remark in _imported_remarks(study):
            warn(remark)
    if as_json:
        print_json({"written": written, "skipped": skipped})
    else:
        say(f"{sum(written.values())} responses written, {sum(skipped.values())} were there.")
        _say_next(study)


def _say_next(study: Study) -> None:
    """What comes after writing: the lock only where it is open and every place has its response."""
    from study.store.locking import read_lock
    from study.store.responses import read_responses

    planned = len(study.protocol.prompts) * len(study.protocol.systems)
    missing = planned - len(read_responses(study))
    if read_lock(study) is not None:
        say("The study is locked. Next: evenhand enrol --group GROUP -n N")
    elif missing:
        are = "response is" if missing == 1 else "responses are"
        say(f"{missing:,} {are} still missing; bring them in before the lock: evenhand import FILE")
    else:
        say("Next: read them (evenhand export --what responses), then: evenhand lock")


def write_responses(
    study: Study, *, workers: int = 1, cluster: str = ""
) -> tuple[dict[str, int], dict[str, int]]:
    """Generate what is missing, with a progress bar; numbers written and skipped by system."""
    from models.generation.missing_responses import missing_responses

    missing = missing_responses(study)
    if missing is None:
        return {}, {}
    with progress_bar("Writing responses", missing.number) as tell:
        summary = missing.write(workers, cluster, tell)
    return dict(summary.written), dict(summary.skipped)


def _imported_remarks(study: Study) -> list[str]:
    """What is said of systems that ``generate`` leaves alone."""
    from study.store.responses import imported_systems, read_responses

    number = Counter(response.system_id for response in read_responses(study))
    prompts = len(study.protocol.prompts)
    remarks = []
    for system in sorted(imported_systems(study)):
        lacks = prompts - number[system]
        left = f"; {lacks:,} are missing: evenhand import FILE" if lacks else ""
        remarks.append(
            f"System {system}: {number[system]:,} imported responses stay as they are{left}"
        )
    return remarks


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--replace",
    is_flag=True,
    help="Put the file's responses in the place of others, before the lock; the log tells of each.",
)
@sheet_option
@json_option
@with_study
def import_file(study: Study, file: Path, replace: bool, sheet: str | None, as_json: bool) -> None:
    """Import responses made elsewhere, from CSV, JSON Lines or .xlsx.

    Columns: prompt, system, text; further columns are kept as provenance. Either all rows are
    imported or, when a row has a fault, none. A system that holds imported responses (or says `backend:
    imported` in the protocol) is left alone by generate. Where another text is there already, the command
    says what differs and changes nothing without --replace.

    \b
    Examples:
      evenhand import responses.csv
      evenhand import responses.jsonl --study my-study
      evenhand import corrected.csv --replace
    """
    from study.response_file import read_response_file
    from study.store.exclusive import only_writer
    from study.store.responses import NewResponse, save_responses

    rows = read_response_file(file, study.protocol, sheet)
    if not rows:
        raise ImportFileError(f"{file.name} has no rows. Expected columns: prompt, system, text.")
    provenance = {"source_file": file.name}
    new_ones = [
        NewResponse(
            row.prompt_id,
            row.system_id,
            row.text,
            {**row.provenance, **provenance, "line": row.line},
        )
        for row in rows
    ]
    with only_writer(study):
        new = save_responses(study, new_ones, imported=True, replace=replace)
    if as_json:
        print_json({"imported": new, "already_there": len(rows) - new})
    else:
        there = len(rows) - new
        say(
            f"{new:,} response{'s' * (new != 1)} imported, {there:,} {'was' if there == 1 else 'were'} "
            "already there, the same."
        )
