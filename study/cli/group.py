"""The command ``evenhand``: finds its subcommands and turns errors into sentences."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from study.errors import EvenhandError
from study.installation import install_command
from study.whole_files import NO_ROOM, OF_FILES

EXIT_DEFECT = 70

# In the order in which a study needs them; modules load when their command runs.
COMMANDS = {
    "demo": "study.cli.demo:demo",
    "protocols": "study.cli.setup:protocols_command",
    "init": "study.cli.setup:init",
    "check": "study.cli.setup:check",
    "generate": "study.cli.responses:generate",
    "import": "study.cli.responses:import_file",
    "lock": "study.cli.fieldwork:lock",
    "enrol": "study.cli.fieldwork:enrol",
    "links": "study.cli.fieldwork:links",
    "serve": "study.cli.fieldwork:serve",
    "rehearse": "study.cli.fieldwork:rehearse",
    "reconcile": "study.cli.panel:reconcile",
    "withdraw": "study.cli.fieldwork:withdraw",
    "judge": "study.cli.judge:judge",
    "review": "study.cli.review:review",
    "report": "study.cli.results:report",
    "export": "study.cli.export_data:export",
    "unblind": "study.cli.results:unblind",
    "verify": "study.cli.results:verify",
    "analyse": "study.cli.analyse:analyse",
    "power": "study.cli.power:power",
    "train": "study.cli.training:train",
    "quantize": "study.cli.models:quantize",
    "train-emotion": "study.cli.emotion:train_emotion",
    "serve-model": "study.cli.models:serve_model",
    "bench": "study.cli.bench:bench",
}


class StudyCommands(click.Group):
    """Loads a subcommand's module only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a study."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is not a command")
        return command


@click.command(
    cls=StudyCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="evenhand")
def evenhand() -> None:
    """Blinded evaluation studies of mental-health support chatbots, by people and an LLM judge.

    \b
    Try it:
      evenhand demo --rehearse 12
    A study of your own, from protocol to report:
      evenhand init my-study --protocol eai-2025
      cd my-study
      evenhand check && evenhand generate && evenhand lock
      evenhand enrol --group student -n 36
      evenhand serve
      evenhand report
    """


def run(arguments: Sequence[str]) -> int:
    """Run a command line and give its exit code.

    0: done; 1: a check found something; 2: a mistake that the user can mend; 70: a defect of evenhand.
    """
    try:
        result = evenhand.main(args=list(arguments), prog_name="evenhand", standalone_mode=False)
        sys.stdout.flush()  # a full disk behind the output is known only now
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo(
            "Stopped. What was done so far is kept; run the command again to go on.", err=True
        )
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except EvenhandError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except ModuleNotFoundError as error:
        return _report_missing_package(error)
    except OSError as error:
        return _report_system_error(error)
    except Exception as error:  # noqa: BLE001 (the last line of defence: a user sees no traceback)
        return _report_full_disk() if _found_no_room(error) else _report_defect()
    return result if isinstance(result, int) else 0


def _report_missing_package(error: ModuleNotFoundError) -> int:
    package = (error.name or "").partition(".")[0]
    if package in ("study", "survey_app", "analysis", "models", "protocols"):
        return _report_defect()
    click.echo(
        f"This command needs the package {package!r}, which is not installed. Install all that evenhand "
        f"uses with: {install_command('all')}",
        err=True,
    )
    return EvenhandError.exit_code


def _report_system_error(error: OSError) -> int:
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):
        told = (
            "There is no temporary folder that can be written to. Make room on the disk, or name a "
            "folder in the environment variable TMPDIR."
        )
    elif error.filename is not None:
        told = (
            f"{error.filename} cannot be read or written ({error.strerror}). Check that the folder "
            "exists, that you may write to it and that the disk is not full."
        )
    elif error.errno in OF_FILES:
        told = f"The output could not be written ({error.strerror}). Make room, then run the command again."
    else:
        return _report_defect()
    click.echo(told, err=True)
    return EvenhandError.exit_code


# How libraries that write files by themselves (torch, safetensors) tell of a full disk: their errors
# carry no errno, and torch's own writer says in the end only that it is not where it should be.
_NO_ROOM_IN_WORDS = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.EFBIG),
    "PytorchStreamWriter failed writing",
    "] . unexpected pos ",
)


def _found_no_room(error: BaseException | None) -> bool:
    """Whether a full disk is what an error, or one of those before it, is about."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return True
        if any(words in str(error) for words in _NO_ROOM_IN_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _report_full_disk() -> int:
    click.echo(
        "There is no room on the disk: in the folder of the output, or in the one for temporary files "
        "(the environment variable TMPDIR names it). Make room, then run the command again.",
        err=True,
    )
    return EvenhandError.exit_code


def _report_defect() -> int:
    kind, value, _ = sys.exc_info()
    place = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="evenhand-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            place = Path(file.name)
            traceback.print_exc(file=file)
        told = f"Please report it with the file {Path(file.name)}."
    except OSError:
        if place is not None:
            place.unlink(missing_ok=True)
        told = (
            "The details could be written nowhere: make room on the disk, run the command again, and "
            "report the file that it names."
        )
    click.echo(
        f"evenhand has a defect ({kind.__name__ if kind else 'error'}: "
        f"{' '.join(str(value).split())}). Nothing that was saved before is lost. {told}",
        err=True,
    )
    return EXIT_DEFECT
