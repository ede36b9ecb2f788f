"""Commands of a session with raters: lock, enrol, links, serve, rehearse, withdraw."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.options import (
    address_option,
    find_study_folder,
    json_option,
    print_json,
    print_table,
    progress_bar,
    refuse_where_nobody_can_answer,
    say,
    study_option,
    warn,
    with_study,
)
from study.errors import StoreError
from study.installation import install_command
from study.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.conversation import ReplySource
    from study.rehearsal import Rehearsed
    from study.store.study import Study


NO_CONVERSATIONS = "--chat-address does nothing here: this study has no conversations."


@click.command()
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="FINDING",
    help="Id of a finding that a person has read and accepts; may be given several times.",
)
@click.option("--by", default="", help="Who accepts the findings; goes into the audit log.")
@click.option(
    "--restore", is_flag=True, help="Put the locked protocol back after study.yaml was changed."
)
@click.option(
    "--models-elsewhere",
    is_flag=True,
    help="The models that people talk to lie on another machine, where serve-model runs.",
)
@json_option
@study_option
def lock(
    folder: Path | None,
    accepted: tuple[str, ...],
    by: str,
    restore: bool,
    models_elsewhere: bool,
    as_json: bool,
) -> None:
    """Freeze protocol, responses, allocation, analysis plan and the judge's rubrics; print their hashes.

    Refuses while a response is missing, or while a text gives a system away or needs a person's look.

    \b
    Examples:
      evenhand lock
      evenhand lock --accept 3f9a12bc77d0 --by "Dr Weiss"
      evenhand lock --restore
    """
    from models.locking import lock_checked
    from study.store.locking import read_lock
    from study.store.study import opened, restore_locked_protocol

    where = folder or find_study_folder(Path())
    if restore:
        # Not through open_study, which refuses a folder whose protocol was changed.
        kept = restore_locked_protocol(where)
        say(f"The locked protocol is back in study.yaml; the changed one is in {kept.name}.")
    with opened(where) as study:
        before = read_lock(study) is not None
        locked = lock_checked(study, accepted, by, models_elsewhere=models_elsewhere)
    if as_json:
        print_json({"locked_at": locked.at, "locked_before": before, "sha256": locked.hashes})
        return
    # The log keeps microseconds; people write down seconds.
    when = locked.at.astimezone(dt.UTC)
    at = f"{when:%Y-%m-%d %H:%M:%S} UTC"
    say(f"It was locked before, at {at}; nothing changed." if before else f"Locked at {at}.")
    print_table(["what", "SHA-256"], [(k.replace("_", " "), v) for k, v in locked.hashes.items()])
    say("Put these hashes into your preregistration. Next: evenhand enrol --group GROUP -n N")


@click.command()
@click.option("--group", help="A group of the protocol; may be left out where it has only one.")
@click.option("-n", "number", type=int, help="Number of raters.")
@address_option
@click.option("--yes", is_flag=True, help="Do not ask when the group has raters already.")
@click.option(
    "--undo",
    is_flag=True,
    help="Remove raters who never opened their link, the last ones first: all, or -n of them.",
)
@json_option
@with_study
def enrol(
    study: Study,
    group: str | None,
    number: int | None,
    address: str | None,
    yes: bool,
    undo: bool,
    as_json: bool,
) -> None:
    """Enrol raters: codes, personal links and a printable sheet with everybody's QR codes.

    A link opens one person's pages, any number of times, and goes on where that person stopped.

    A second enrolment in the same group asks first, because it is mostly a mistake; where nothing can be
    asked (a script, --json), it needs --yes. --undo takes raters back who never opened their link: they
    count as nothing, the log tells of it, and their cards are dead until the same places are enrolled
    again.

    \b
    Examples:
      evenhand enrol --group student -n 36
      evenhand enrol --group professional -n 3 --address http://192.168.1.20:8501
      evenhand enrol --group student -n 2 --yes
      evenhand enrol --group student -n 36 --undo
    """
    from study.store.raters import enrol as enrol_raters
    from study.store.raters import enrolled_before

    if undo:
        _undo_enrolment(study, group, number, as_json)
        return
    names = [g.id for g in study.protocol.groups]
    if group is None and len(names) == 1:
        group = names[0]
    if group is None or number is None:
        groups = ", ".join(names)
        raise StoreError(f"Say whom to enrol: --group GROUP -n N. The protocol's groups: {groups}.")
    if not yes:
        _ask_before_enrolling_more(study, group, number, as_json)
    enrolled = enrol_raters(study, group, number)
    planned = next(g.planned for g in study.protocol.groups if g.id == group)
    _show_links(study, address, as_json, only={e.rater.code for e in enrolled})
    if (again := enrolled_before(study, [e.rater for e in enrolled])) and not as_json:
        codes = listed([rater.code for rater in again])
        warn(
            f"Cards of an enrolment that was undone open these places again: {codes}. Whoever "
            "still holds one would answer in another person's place: destroy the old cards first."
        )
    in_group = max(e.rater.slot for e in enrolled) + 1
    if in_group > planned and not as_json:
        say(f"Note: {in_group} raters are now enrolled in {group}; the protocol planned {planned}.")


def _ask_before_enrolling_more(study: Study, group: str, number: int, as_json: bool) -> None:
    from study.store.raters import read_raters

    there = sum(rater.group == group and not rater.simulated for rater in read_raters(study))
    if not there:
        return
    planned = next(g.planned for g in study.protocol.groups if g.id == group)
    warn(f"{there} raters are enrolled in {group} already; the protocol planned {planned}.")
    refuse_where_nobody_can_answer(
        as_json, f"nobody was enrolled; give --yes to enrol {number} more."
    )
    click.confirm(f"Enrol {number} more?", abort=True, err=True)


def _undo_enrolment(study: Study, group: str | None, number: int | None, as_json: bool) -> None:
    from study.store.raters import read_raters, undo_enrolment
    from survey_app.server.link_sheet import SHEET_FILE

    if number is not None and number < 1:
        raise StoreError(
            f"Found -n {number}, expected 1 or more. Leave it out to undo all that can be."
        )
    gone = undo_enrolment(study, group, number)
    people = [rater for rater in read_raters(study) if not rater.simulated]
    left = sum(group in (None, rater.group) for rater in people)
    if as_json:
        print_json({"removed": [rater.code for rater in gone], "left": left})
        return
    if not gone:
        say("Nobody was removed: everybody enrolled has opened their link, or nobody is enrolled.")
        return
    say(
        f"Removed: {listed([rater.code for rater in gone])}, who had not opened their link. Destroy their "
        f"cards. {left} raters stay."
    )
    if people:  # of another group, too: the sheet holds everybody's cards
        say("Write the sheet of cards again: evenhand links")
    else:
        (study.folder / SHEET_FILE).unlink(missing_ok=True)


@click.command()
@address_option
@json_option
@with_study
def links(study: Study, address: str | None, as_json: bool) -> None:
    """Print all raters' links and write the sheet with QR codes again.

    \b
    Examples:
      evenhand links --address http://192.168.1.20:8501
    """
    from study.store.raters import read_raters

    raters = read_raters(study)
    if all(rater.simulated for rater in raters):
        others = " but simulated raters, who need no link" if raters else " yet"
        raise StoreError(f"Nobody is enrolled{others}. Run: evenhand enrol --group GROUP -n N")
    _show_links(study, address, as_json)


def _show_links(
    study: Study, given: str | None, as_json: bool, only: set[str] | None = None
) -> None:
    """Print the links of these raters, or of all, and write the sheet of all."""
    from study.store.raters import read_raters
    from survey_app.server.addresses import links_remarks, settle_address
    from survey_app.server.link_sheet import rater_links, write_link_sheet

    address, before = settle_address(study, given)
    people = [rater.code for rater in read_raters(study) if not rater.simulated]
    cards = rater_links(study, people, address)
    sheet = write_link_sheet(study, cards)
    rows = [card for card in cards if only is None or card.code in only]
    panel = study.protocol.completion.panel
    entry = f"{address}/panel?{panel.participant_parameter}=" if panel else None
    if as_json:
        told = {"sheet": str(sheet), "cards": len(cards), "address": address}
        told |= {"raters": [vars(row) for row in rows]}
        print_json({**told, "panel_address": entry} if entry else told)
    else:
        for row in rows:
            say(f"{row.code}  {row.group}  {row.link}")
        say(
            f"Sheet to print, with QR codes: {sheet} ({len(cards)} card{'s' * (len(cards) != 1)}, of "
            "all raters enrolled so far)"
        )
        if entry:
            say(f"For the panel, with its participant id at the end: {entry}")
    for remark in [*_replaced(before, address), *links_remarks(address)]:
        warn(remark)


def _replaced(before: str | None, address: str) -> list[str]:
    if before is None:
        return []
    return [
        f"Links began with {before} before and begin with {address} now: print the cards again that "
        "were given out already."
    ]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets tablets in.")
@click.option(
    "--port",
    default=8501,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port to listen on.",
)
@address_option
@click.option(
    "--chat-address",
    envvar="EVENHAND_CHAT_ADDRESS",
    help=(
        "In a study of conversations: where its systems answer, as `evenhand serve-model --all` says. "
        "A key for it is read from EVENHAND_CHAT_KEY."
    ),
)
@with_study
def serve(
    study: Study, host: str, port: int, address: str | None, chat_address: str | None
) -> None:
    """Serve the survey app until Ctrl-C.

    \b
    Examples:
      evenhand serve
      evenhand serve --host 0.0.0.0 --port 8501
      evenhand serve --chat-address http://127.0.0.1:8000/v1
    """
    from study import blinding
    from study.store.link_address import read_address
    from survey_app.server.addresses import ANY_HOST, fits, serving_remarks, settle_address

    links_begin, before = settle_address(study, address)
    named = read_address(study)
    talks = study.protocol.design.shows == "conversation"

    def told(listening: int) -> None:
        here = f"http://{'127.0.0.1' if host == ANY_HOST else host}:{listening}"
        shown = named if named and (address or fits(named, host, listening)) else here
        say(f"Coordinator: {shown}/coordinator/{blinding.coordinator_token(study.key)}")
        say("Raters: the links of `evenhand links`. Stop with Ctrl-C; saved answers stay saved.")
        remarks = serving_remarks(links_begin, host, listening)
        if before:
            remarks.append(
                f"The sheet of links was written for {before}. Write it again: evenhand links"
            )
        if chat_address and not talks:
            remarks.append(NO_CONVERSATIONS)
        if talks:
            from survey_app.chat.answering import chat_remark

            wrong = chat_remark(study, chat_address)
            remarks += [wrong] if wrong else []
        for remark in remarks:
            warn(remark)

    start_server(study, host, port, named, told, chat_address)


def start_server(
    study: Study,
    host: str,
    port: int,
    address: str | None,
    when_listening: Callable[[int], None],
    chat_address: str | None = None,
) -> None:
    """Run the survey app until it is stopped."""
    try:
        from survey_app.server.serving import serve as run_server
    except ModuleNotFoundError as error:
        raise StoreError(
            f"The survey app needs the package {error.name!r}. Install it with: "
            f"{install_command('survey')}"
        ) from None
    from study.store.exclusive import Serving

    serving = Serving(study)
    first = serving.first()

    def told(listening: int) -> None:
        if first is not None:
            warn(_second_server(study, first))
        serving.listens(f"port {listening} of {host}")
        when_listening(listening)

    try:
        run_server(
            study.folder,
            host,
            port,
            address=address,
            chat_address=chat_address,
            when_listening=told,
        )
    finally:
        serving.end()


def _second_server(study: Study, first: str) -> str:
    talks = study.protocol.design.shows == "conversation"
    harm = (
        "Both cut each other's replies off: stop one of them."
        if talks
        else "Both save into the same study.db, so nothing is lost, but links and stops are easily mixed up: "
        "stop the one that is not meant."
    )
    return f"Warning: another `evenhand serve` serves this study already, on {first}. {harm}"


@click.command()
@click.option("-n", "number", type=click.IntRange(1), help="New simulated raters in all.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Fixes all answers, 0 or more.",
)
@click.option(
    "--careless",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of simulated raters who answer the protocol's checks at random.",
)
@click.option(
    "--chat-address",
    help=(
        "In a study of conversations: let the systems themselves answer there, as `evenhand serve-model "
        "--all` offers them. Without it, the scripted system answers for all of them."
    ),
)
@json_option
@with_study
def rehearse(
    study: Study,
    number: int | None,
    seed: int,
    careless: float,
    chat_address: str | None,
    as_json: bool,
) -> None:
    """Let simulated raters complete the study, the same way as people on the pages.

    Without -n, every enrolled rater who has not started becomes a simulated one. Simulated data stay
    marked as such in the database, on every page, in every figure and export.

    \b
    Examples:
      evenhand rehearse --seed 1
      evenhand rehearse -n 12 --seed 1
      evenhand rehearse -n 12 --careless 0.25
      evenhand rehearse -n 4 --chat-address http://127.0.0.1:8000/v1
    """
    if chat_address and study.protocol.design.shows != "conversation":
        warn(NO_CONVERSATIONS)
    done = rehearse_with_progress(study, seed, number, careless, chat_address)
    if as_json:
        told = {"simulated_raters": done.raters, "answers": done.answers}
        print_json({**told, "screened_out": done.screened_out})
        return
    say(f"SIMULATED: {done.raters} raters gave {done.answers} answers. Next: evenhand report")
    if done.screened_out:
        say(f"{done.screened_out} of them did not pass the checks.")


def rehearse_with_progress(
    study: Study,
    seed: int,
    number: int | None,
    careless: float = 0.0,
    chat_address: str | None = None,
) -> Rehearsed:
    """Rehearse, with a progress bar."""
    from study.rehearsal import rehearse as run_rehearsal
    from study.store.raters import read_raters

    total = number or sum(r.status.value == "enrolled" for r in read_raters(study))
    with progress_bar("Simulated raters", total) as tell:
        return run_rehearsal(
            study,
            seed,
            number,
            careless=careless,
            replies=_reply_source(study, chat_address),
            on_rater=lambda done: tell("", done),
        )


def _reply_source(study: Study, chat_address: str | None) -> ReplySource | None:
    """The systems at their addresses or, without one, the scripted system; None without conversations."""
    if study.protocol.design.shows != "conversation":
        return None
    if chat_address:
        from survey_app.chat.asking import reply_source

        return reply_source(study, chat_address)
    from models.generation.rehearsed_reply import scripted_reply

    return scripted_reply


@click.command()
@click.argument("code")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_study
def withdraw(study: Study, code: str, yes: bool) -> None:
    """Erase one participant everywhere: answers, answers about the person, link, log.

    \b
    Examples:
      evenhand withdraw 7QK2-M4XV
    """
    from study.store.raters import find_by_code
    from study.store.raters import withdraw as erase

    rater = find_by_code(study, code)
    if not yes:
        refuse_where_nobody_can_answer(
            False, f"{rater.code} was not erased: that cannot be undone. Give --yes."
        )
        click.confirm(
            f"Erase everything that {rater.code} answered? This cannot be undone", abort=True
        )
    erase(study, rater.code)
    say(f"{rater.code} is erased. The flow of raters in the report counts one withdrawal.")
    made_before = [p.name for p in (study.folder / "reports").glob("*") if p.is_dir()]
    if made_before:
        say(
            f"Reports made before still hold this person's answers; delete them: "
            f"{', '.join(f'reports/{name}' for name in sorted(made_before))}."
        )
    say("Files exported before, the printed links and copies of the folder hold them too.")
