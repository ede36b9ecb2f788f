"""The command ``evenhand``: finds its subcommands and turns errors into sentences."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

import click

from study.errors import EvenhandError

EXIT_DEFECT = 70

# In the order in which a study needs them: where each is, and the first line of its help. The line stands
# here too, so that the list of commands is shown without importing their modules; a test holds the two equal.
COMMANDS = {
    "demo": (
        "study.cli.demo:demo",
        "Make a small study from the shipped protocol and model, serve it and print the links.",
    ),
    "protocols": (
        "study.cli.setup:protocols_command",
        "List the protocols that come with evenhand.",
    ),
    "init": ("study.cli.setup:init", "Make a new study folder from a protocol."),
    "check": (
        "study.cli.setup:check",
        "Validate the protocol and show the design: who rates what, in which time.",
    ),
    "generate": (
        "study.cli.responses:generate",
        "Write the responses of every system to every prompt; goes on where it stopped.",
    ),
    "import": (
        "study.cli.responses:import_file",
        "Import responses made elsewhere, from CSV, JSON Lines or .xlsx.",
    ),
    "lock": (
        "study.cli.fieldwork:lock",
        "Freeze protocol, responses, allocation, analysis plan and the judge's rubrics; print their hashes.",
    ),
    "enrol": (
        "study.cli.fieldwork:enrol",
        "Enrol raters: codes, personal links and a printable sheet with everybody's QR codes.",
    ),
    "links": (
        "study.cli.fieldwork:links",
        "Print all raters' links and write the sheet with QR codes again.",
    ),
    "serve": ("study.cli.fieldwork:serve", "Serve the survey app until Ctrl-C."),
    "rehearse": (
        "study.cli.fieldwork:rehearse",
        "Let simulated raters complete the study, the same way as people on the pages.",
    ),
    "reconcile": (
        "study.cli.panel:reconcile",
        "Compare a panel's export with the database, or check one receipt code.",
    ),
    "withdraw": (
        "study.cli.fieldwork:withdraw",
        "Erase one participant everywhere: answers, answers about the person, link, log.",
    ),
    "judge": (
        "study.cli.judge:judge",
        "Let the LLM judge score the locked responses; goes on where it stopped.",
    ),
    "review": (
        "study.cli.review:review",
        "List, show and decide the cases that a person has to look at.",
    ),
    "report": ("study.cli.results:report", "Write the report, with every table also as CSV."),
    "export": (
        "study.cli.export_data:export",
        "Export the data; systems under their blind codes until unblinded.",
    ),
    "unblind": (
        "study.cli.results:unblind",
        "Reveal which code stands for which system. Two people; recorded in the audit log.",
    ),
    "verify": (
        "study.cli.results:verify",
        "Check the audit chain, the saved answers and raters against it, the allocation and the lock.",
    ),
    "analyse": (
        "study.cli.analyse:analyse",
        "Statistics on any table, as a table or as JSON with full precision.",
    ),
    "audit": (
        "study.cli.tables.audit:audit",
        "Check published tables: counts, percentages, means, spreads and p against one another.",
    ),
    "power": (
        "study.cli.power:power",
        "How many raters, prompts and raters per response a study needs, before it is locked.",
    ),
    "train": (
        "study.cli.training:train",
        "Train a model from a Hugging Face checkpoint folder and conversations.",
    ),
    "quantize": (
        "study.cli.models:quantize",
        "Turn a Hugging Face checkpoint into an offline ExecuTorch file.",
    ),
    "train-emotion": (
        "study.cli.training:train_emotion",
        "Train what reads the emotion of a message for the dialogue system, and measure it.",
    ),
    "serve-model": (
        "study.cli.models:serve_model",
        "Serve one system of the study, or all, behind an OpenAI-compatible address, until Ctrl-C.",
    ),
    "bench": (
        "study.cli.bench:bench",
        "Run benchmarks; all of them when none is named (models then with the demo model only).",
    ),
}


def load_command(name: str) -> click.Command:
    """The command of this name, whose module is imported now.

    Raises
    ------
    TypeError
        When what stands in its place is no command.
    """
    place, _ = COMMANDS[name]
    module, _, attribute = place.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{place} is not a command")
    return command


class StudyCommands(click.Group):
    """A group whose commands are names and lines of help until one of them is asked for.

    Lists of commands, the shell's completion of their names and the suggestions for a misspelt one need no
    more than that.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a study."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, loaded, and the arguments that are left for it."""
        name, command, left = super().resolve_command(ctx, args)
        return name, None if command is None or name is None else load_command(name), left


@click.command(
    cls=StudyCommands,
    commands={name: click.Command(name, help=line) for name, (_, line) in COMMANDS.items()},
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
    from study.installation import install_command

    click.echo(
        f"This command needs the package {package!r}, which is not installed. Install all that evenhand "
        f"uses with: {install_command('all')}",
        err=True,
    )
    return EvenhandError.exit_code


def _report_system_error(error: OSError) -> int:
    from study.whole_files import OF_FILES

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
    from study.whole_files import NO_ROOM

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
    import tempfile
    import traceback
    from pathlib import Path

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
