"""Writes docs/commands.md from the commands' own help.

Run it after a change of a command: python docs/writers/commands_page.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from study.cli.group import COMMANDS, evenhand, load_command

PAGE = Path(__file__).parents[1] / "commands.md"
_HEAD = """\
# The commands

`evenhand COMMAND [OPTIONS]`. This page is written from the commands' own help; `evenhand COMMAND --help`
shows the same.

- `--study DIR` names the study's folder. Without it, the current folder is meant or, when it holds none,
  the only study in a folder of it; with several there, evenhand asks for `--study`.
- `--json` prints the result for programs; messages go to the error stream.
- Exit codes: 0 done; 1 a check found something (a text that gives a system away, a broken audit chain);
  2 a mistake that you can mend, told in a sentence; 70 a defect of evenhand, with the file to report.
- `EVENHAND_STUDY` and `EVENHAND_ADDRESS` stand for `--study` and `--address`; `EVENHAND_DATABASE_URL` is the
  address of a PostgreSQL database in place of the file `study.db`.
"""


def page_text() -> str:
    """The whole page."""
    context = click.Context(evenhand, info_name="evenhand")
    sections = []
    for name in COMMANDS:
        sections += list(_sections(load_command(name), f"evenhand {name}", context))
    return "\n".join([_HEAD, *sections])


def _sections(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    arguments = " ".join(
        p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)
    )
    first, _, examples = inspect.cleandoc(command.help or "").partition("\b\n")
    lines = [f"## {name}", "", f"`{f'{name} {arguments}'.strip()}`", "", first.strip(), ""]
    if examples:
        whole = re.sub(r"\\\n\s*", "", examples)
        shown = [line.strip() for line in whole.splitlines()[1:] if line.strip()]
        lines += ["```sh", *shown, "```", ""]
    rows = [_row(p, context) for p in command.params if isinstance(p, click.Option)]
    if rows:
        lines += ["| option | what it does | default |", "|---|---|---|", *rows, ""]
    yield "\n".join(lines)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            part = command.get_command(context, inner)
            if part is not None:
                yield from _sections(part, f"{name} {inner}", context)


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_extra(context)
    default = "required" if option.required else record.get("default", "")
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if not option.is_flag:
        names += f" {option.make_metavar(context)}"
    cells = (names, option.help or "", str(default))
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page_text(), encoding="utf-8")
