"""The command demo: a whole small study in one go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.fieldwork import rehearse_with_progress, start_server
from study.cli.options import say
from study.cli.responses import write_responses
from study.wording import command

if TYPE_CHECKING:
    from study.store.study import Study


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("demo-study"))
@click.option(
    "--rehearse", "simulated", type=click.IntRange(2), help="Add this many simulated raters."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8501,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port to listen on.",
)
@click.option("--no-serve", is_flag=True, help="Stop when the study is made.")
def demo(folder: Path, simulated: int | None, host: str, port: int, no_serve: bool) -> None:
    """Make a small study from the shipped protocol and model, serve it and print the links.

    The responses are written there and then by the shipped offline model, its base and a scripted
    baseline. Run it again to go on with the same folder.

    \b
    Examples:
      evenhand demo
      evenhand demo /tmp/try --rehearse 12
    """
    from models.locking import lock_checked
    from study.store.exclusive import only_writer

    study = _make_or_reopen(folder)
    try:
        with only_writer(study):
            write_responses(study)
        lock_checked(study)
        people = _enrol_people(study)
        if simulated:
            _add_simulated(study, simulated)
        if no_serve:
            _show_links(study, people, _address(host, port), no_serve)
            return
        start_server(
            study,
            host,
            port,
            None,
            lambda listening: _show_links(study, people, _address(host, listening), no_serve),
        )
    finally:
        study.close()


def _address(host: str, port: int) -> str:
    from survey_app.server.addresses import ANY_HOST, local_network_address

    own = (local_network_address() or "127.0.0.1") if host == ANY_HOST else host
    return f"http://{own}:{port}"


def _make_or_reopen(folder: Path) -> Study:
    from protocols import shipped_protocols
    from study.store.study import PROTOCOL_FILE, create_study, open_study

    if (folder / PROTOCOL_FILE).is_file():
        say(f"Going on with the study in {folder}.")
        return open_study(folder)
    say(f"Making a small study in {folder}.")
    return create_study(folder, shipped_protocols()["demo"])


def _enrol_people(study: Study) -> list[str]:
    """Two links for each group, for whoever tries the demo; the same ones on a second run."""
    from study.store.raters import enrol, read_raters

    if not any(not rater.simulated for rater in read_raters(study)):
        for group in study.protocol.groups:
            enrol(study, group.id, 2)
    return [rater.code for rater in read_raters(study) if not rater.simulated]


def _add_simulated(study: Study, number: int) -> None:
    from analysis.report.of_study import write_study_report
    from study.store.raters import any_simulated

    if any_simulated(study):
        say("Simulated raters are already there; none were added.")
        return
    rehearse_with_progress(study, 1, number)
    written = write_study_report(study)
    say(f"Report (SIMULATED data): {written.reports[0]}")


def _show_links(study: Study, codes: list[str], address: str, no_serve: bool) -> None:
    from study import blinding
    from survey_app.server.link_sheet import rater_links, write_link_sheet

    links = rater_links(study, codes, address)
    sheet = write_link_sheet(study, links)
    say("")
    for link in links:
        say(f"Rater ({link.group}): {link.link}")
    say(f"Coordinator: {address}/coordinator/{blinding.coordinator_token(study.key)}")
    say(f"Sheet with QR codes: {sheet}")
    if no_serve:
        say(f"Serve it with: {command('serve', '--study', study.folder)}")
    else:
        say("Open a rater's link in a browser. Stop with Ctrl-C; saved answers stay saved.")
