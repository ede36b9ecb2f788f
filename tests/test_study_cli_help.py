"""The help: what it says, and how little is imported for it.

What is counted are imported modules in a fresh interpreter, never seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from study.cli.group import COMMANDS, evenhand, load_command, run

HEAVY = (
    "alembic",
    "executorch",
    "numpy",
    "openai",
    "pandas",
    "pydantic",
    "rich",
    "ruamel",
    "scipy",
    "sqlalchemy",
    "statsmodels",
    "streamlit",
    "torch",
    "transformers",
)


def _imported(folder: Path, *command_lines: list[str]) -> set[str]:
    """The modules that a fresh interpreter holds after these command lines."""
    program = (
        "import json, sys; from study.cli.group import run\n"
        f"for words in {list(command_lines)!r}:\n"
        "    assert run(words) == 0, words\n"
        "print(json.dumps(list(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return set(json.loads(done.stdout.splitlines()[-1]))


def _command_modules(imported: set[str]) -> set[str]:
    return imported & {place.partition(":")[0] for place, _ in COMMANDS.values()}


def test_the_list_of_commands_imports_none_of_them(tmp_path: Path) -> None:
    imported = _imported(tmp_path, ["--help"])
    assert _command_modules(imported) == set()
    # Modules of ours that are there: the package, the entry, the group and the errors.
    ours = {name for name in imported if name.partition(".")[0] == "study"}
    assert ours == {"study", "study.cli", "study.cli.group", "study.errors"}


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["report", "--help"], "study.cli.results"),
        (["analyse", "--help"], "study.cli.analyse"),
        (["analyse", "agreement", "--help"], "study.cli.analyse"),
    ],
)
def test_the_help_of_a_command_imports_this_one(
    words: list[str], module: str, tmp_path: Path
) -> None:
    assert _command_modules(_imported(tmp_path, words)) == {module}


def test_no_help_imports_anything_heavy(tmp_path: Path) -> None:
    """The help of every command in one fresh interpreter."""
    imported = _imported(tmp_path, ["--help"], *([name, "--help"] for name in COMMANDS))
    assert {name.partition(".")[0] for name in imported} & set(HEAVY) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_the_first_of_the_command_s_help(name: str) -> None:
    first_paragraph = (load_command(name).help or "").strip().split("\n\n")[0]
    assert COMMANDS[name][1] == first_paragraph


def test_the_list_is_the_one_of_loaded_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: click's own list, from a group that holds the loaded commands."""
    loaded = click.Group("evenhand", commands={name: load_command(name) for name in COMMANDS})
    loaded.list_commands = lambda ctx: list(COMMANDS)  # type: ignore[method-assign]
    context = click.Context(loaded, info_name="evenhand", max_content_width=100)
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out.partition("Commands:\n")[2]
    assert shown.strip() == loaded.get_help(context).partition("Commands:\n")[2].strip()


@pytest.mark.parametrize(
    ("words", "meant"), [(["reprot"], "report"), (["analyse", "agrement"], "agreement")]
)
def test_a_misspelt_command_is_told_what_was_meant(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    told = capsys.readouterr().err
    assert f"No such command '{words[-1]}'" in told
    assert f"'{meant}'" in told


@pytest.mark.parametrize(
    ("words", "begun", "completed"),
    [
        ([], "re", ["rehearse", "reconcile", "review", "report"]),
        (["analyse"], "re", ["reliability"]),
        (["report"], "--w", ["--with-r"]),
    ],
)
def test_the_shell_completes_commands_and_options(
    words: list[str], begun: str, completed: list[str]
) -> None:
    completion = ShellComplete(evenhand, {}, "evenhand", "_EVENHAND_COMPLETE")
    assert [item.value for item in completion.get_completions(words, begun)] == completed


def test_completing_a_name_imports_no_command(tmp_path: Path) -> None:
    """As bash asks for it: the variable of the console script, in a fresh interpreter."""
    program = (
        "import sys\nsys.argv = ['evenhand']\nfrom study.cli.group import evenhand\n"
        "try:\n    evenhand.main(prog_name='evenhand')\n"
        "except SystemExit:\n    print(*(m for m in sys.modules if m.startswith('study.')))"
    )
    asked = {
        "_EVENHAND_COMPLETE": "bash_complete",
        "COMP_WORDS": "evenhand unb",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    completed, imported = done.stdout.splitlines()
    assert completed == "plain,unblind"
    assert _command_modules(set(imported.split())) == set()
