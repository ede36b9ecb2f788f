"""The documentation against the project: links lead somewhere, commands exist."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from study.cli.group import COMMANDS, load_command
from tests.fixtures_commands import page_writer

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [
        link for link in links if "://" not in link and not (page.parent / link).resolve().exists()
    ]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_shown_commands_and_their_options_exist(page: Path) -> None:
    """Every `evenhand ...` line of a code block names a command that is there, with its options."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    joined = [block.replace("\\\n", " ") for block in blocks]
    for line in (line for block in joined for line in block.splitlines()):
        for part in re.split(r"&&|\|", line.split("#")[0]):
            words = shlex.split(part)
            if not words or words[0] not in ("evenhand", ".venv/bin/evenhand"):
                continue
            assert words[1] in COMMANDS or words[1].startswith("-"), line
            if words[1] in COMMANDS:
                _options_exist(words[1], words[2:], line)


def _options_exist(name: str, words: list[str], line: str) -> None:
    command: click.Command | None = load_command(name)
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words[0])
        assert command is not None, line
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {option for parameter in command.params for option in parameter.secondary_opts}
    options = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = [option for option in options if option not in known | {"--help"}]
    assert unknown == [], line


def test_every_command_has_an_example_in_its_help() -> None:
    for name in COMMANDS:
        assert f"evenhand {name}" in (load_command(name).help or ""), name


def test_the_changelog_names_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"## {version.group(1)}" in (ROOT / "CHANGELOG.md").read_text()


def test_no_document_names_the_makers_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|root|home)/", page.read_text(encoding="utf-8")), page


def _statistics() -> dict[str, bool]:
    """Public functions of the rooms of statistics and of those within them; true for a result that
    has a reference of its own.
    """
    rooms = ("agreement", "reliability", "contrasts", "rating_models", "judge_worth", "description")
    found = {}
    for file in (f for room in rooms for f in (ROOT / "analysis" / room).rglob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                result = ast.unparse(node.returns) if node.returns else ""
                referenced = "References\n" in (ast.get_docstring(node) or "")
                found[node.name] = referenced and "Estimate" in result
    return found


def test_the_page_on_statistics_names_what_is_there_and_all_of_it() -> None:
    """Oracle: the source; every function that gives an estimate by a reference has its row."""
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z][a-z_0-9]*)`", page))
    statistics = _statistics()
    assert {name for name in named if "_" in name} - set(statistics) == set()
    assert {name for name, wanted in statistics.items() if wanted} - named == set()


def test_the_summary_of_the_validation_counts_the_pages_own_rows() -> None:
    """When this fails: python docs/writers/validation_page.py"""
    writer = page_writer("validation")
    page = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    assert writer.with_summary(page) == page
    counted = re.findall(r"^\| [^|]+ \| (\d+) \| \d+ \|", page, re.MULTILINE)
    assert len(counted) == 10
    rows = re.findall(r"\de[-+]\d\d \|$", page, re.MULTILINE)
    assert sum(map(int, counted)) == len(rows)
