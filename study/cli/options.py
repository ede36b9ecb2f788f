"""What the commands share: the option for the study's folder, output as text or JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.errors import StoreError

if TYPE_CHECKING:
    from study.store.study import Study

study_option = click.option(
    "--study",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    show_default="the current folder, or the only study in it",
    envvar="EVENHAND_STUDY",
    help="The study's folder.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

_ADDRESS_EXAMPLE = "http://192.168.1.20:8501"


def _checked_address(
    context: click.Context, parameter: click.Parameter, given: str | None
) -> str | None:
    """A click callback: the address without a slash at the end; None where none was given."""
    from survey_app.server.addresses import address_fault

    del context
    if given is None:
        return None
    address = given.strip().rstrip("/")
    reason = address_fault(address)
    if reason:
        raise StoreError(
            f"{parameter.opts[0]}: found {given!r}, {reason}; expected something like {_ADDRESS_EXAMPLE}."
        )
    return address


address_option = click.option(
    "--address",
    callback=_checked_address,
    show_default="the one given last, else http://127.0.0.1:8501",
    envvar="EVENHAND_ADDRESS",
    help=(
        "Address under which the raters' tablets reach the server; links start with it. Kept with the "
        "study for the next command."
    ),
)

cluster_option = click.option(
    "--cluster",
    metavar="ADDRESS",
    envvar="EVENHAND_CLUSTER",
    help="Work on the machines of this Dask scheduler, tcp://HOST:PORT or tls://HOST:PORT.",
)


def with_study(command: Callable[..., Any]) -> Callable[..., Any]:
    """Open the study that ``--study`` names, hand it in as ``study`` and close it afterwards."""

    @study_option
    @functools.wraps(command)
    def wrapped(*args: Any, folder: Path | None, **kwargs: Any) -> Any:
        from study.store.study import opened

        with opened(folder or find_study_folder(Path())) as study:
            if study.stored_key is None:
                _tell_of_lost_key(study)
            return command(*args, study=study, **kwargs)

    return wrapped


def packed(into: type[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Hand a command its options as ``options``, one frozen dataclass with a field for each.

    click hands every option over by its name. What the class has no field for goes on as it is: the
    study, or ``as_json``.
    """
    names = [field.name for field in dataclasses.fields(into)]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            options = into(**{name: given.pop(name) for name in names})
            return command(options=options, **given)

        return wrapped

    return decorate


def _tell_of_lost_key(study: Study) -> None:
    from study.store.locking import codes_are_kept, read_lock
    from study.store.study import key_lost

    warn(f"Warning: {key_lost(study.folder)}")
    if read_lock(study) is not None and not codes_are_kept(study):
        warn(
            "Warning: the study was locked by an older version, so its systems' codes are not those of "
            "earlier reports."
        )


def find_study_folder(here: Path) -> Path:
    """The study meant when none is named: ``here``, or the only study in a folder of it.

    Raises
    ------
    StoreError
        When several folders here hold a study.
    """
    from study.store.study import PROTOCOL_FILE

    inside = sorted(path.parent for path in here.glob(f"*/{PROTOCOL_FILE}"))
    if (here / PROTOCOL_FILE).is_file() or not inside:
        return here
    if len(inside) > 1:
        raise StoreError(
            f"Several folders here hold a study: {', '.join(str(path) for path in inside)}. Say which "
            "one with --study DIR."
        )
    click.echo(f"Study: {inside[0]}", err=True)
    return inside[0]


def refuse_where_nobody_can_answer(as_json: bool, otherwise: str) -> None:
    """Refuse to go on where a question could not be answered: with ``--json``, or without a terminal.

    Raises
    ------
    StoreError
        With ``otherwise``, which says what was not done and which option does it.
    """
    if as_json or not sys.stdin.isatty():
        why = "With --json" if as_json else "Here, where the input is no terminal,"
        raise StoreError(f"{why} nothing can be asked, so {otherwise}")


def say(text: str) -> None:
    """Print one line of the result."""
    click.echo(text)


def warn(text: str) -> None:
    """Print one line about the result on the error stream, where no program reads it as the result."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print a result as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_as_text))


def _as_text(value: object) -> str:
    from study.clock import time_text

    return time_text(value) if isinstance(value, dt.datetime) else str(value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table that fits the terminal; what does not fit is folded, never cut."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width; the usual 80 columns would fold names.
        console = Console(width=160)
    console.print(table, markup=False)


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """A progress bar on the error stream; call the given function with a text and the steps done.

    It is drawn at the first call, so that no empty bar stands before the sentence of a refusal.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = progress.add_task(description, total=total)

    def show(now_doing: str, done: int) -> None:
        progress.start()
        progress.update(task, completed=done, description=now_doing or description)

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def share_bar(description: str) -> Iterator[Callable[[str, float], None]]:
    """A progress bar for work that tells its share done, 0 to 1."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task(description, total=1.0)

        def told(message: str, share: float) -> None:
            progress.update(task, completed=share, description=f"{description}: {message}")

        yield told
