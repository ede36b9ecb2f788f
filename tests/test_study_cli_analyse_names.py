"""Names as people have them, with commas, blanks and other spellings, in options and in advice."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from study.cli.group import run
from study.table_file.names import as_option, listed_names


def written(folder: Path, content: str, name: str = "t.csv") -> str:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return str(file)


def results_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["analyse", *arguments, "--json"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    found: dict[str, Any] = {}
    for result in (result for block in blocks for result in block["results"]):
        found.setdefault(result["statistic"], result["estimate"])
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["analyse", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    return told.err


@pytest.mark.parametrize(
    "names",
    [
        ["r1", "r2"],
        ["Smith, Anna", "ben"],
        ['the "old" one', "b"],
        ["Unnamed: 0", "it's", "#N/A"],
        ["$HOME", "a;b"],
    ],
)
def test_names_that_a_message_writes_are_read_again_behind_a_shell(names: list[str]) -> None:
    """The oracle is the shell's own reading, `shlex.split`."""
    (argument,) = shlex.split(as_option(names))
    assert listed_names(argument) == names


def test_names_with_commas_stand_in_double_quotes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every option that takes several names; the oracle is the same table with names without commas."""
    rows = "3,2\n4,3\n5,3\n4,4\n2,1\n"
    odd = written(tmp_path, '"Smith, Anna","Lee, Bo"\n' + rows)
    plain = written(tmp_path, "anna,bo\n" + rows, "p.csv")
    quoted = '"Smith, Anna","Lee, Bo"'
    told = results_of(capsys, "paired", odd, "--columns", quoted)
    assert told == results_of(capsys, "paired", plain, "--columns", "anna,bo")
    told = results_of(capsys, "agreement", odd, "--raters", quoted, "--points", "1-5")
    assert told == results_of(capsys, "agreement", plain, "--raters", "anna,bo", "--points", "1-5")
    labels = written(
        tmp_path, 'reference,ann\n"joy, mild",joy\n"joy, mild","joy, mild"\nno,"n, a"\n'
    )
    options = ["--labels", '"joy, mild",joy,no', "--missing", '"n, a"']
    assert results_of(capsys, "emotion", labels, *options)["accuracy"] == 0.5
    message = refused(capsys, "paired", odd, "--columns", "Smith, Anna,Lee, Bo")
    assert "a name that holds a comma stands in double quotes" in message
    message = refused(capsys, "paired", odd, "--columns", '"Smith, Anna,Lee')
    assert "in double quotes, which close" in message


@pytest.mark.parametrize(
    ("header", "advised"),
    [
        ('Unnamed: 0,"Smith, Anna",ben', ["--unit", "Unnamed: 0", "--raters", '"Smith, Anna",ben']),
        ("item no,r 1,r2", ["--unit", "item no", "--raters", "r 1,r2"]),
        ("id,it's,r2", ["--unit", "id", "--raters", "it's,r2"]),
    ],
)
def test_what_a_message_advises_can_be_copied_into_a_shell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, header: str, advised: list[str]
) -> None:
    file = written(tmp_path, header + "\n1,4,5\n2,2,2\n3,5,4\n4,1,2\n5,3,3\n")
    message = refused(capsys, "agreement", file, "--points", "1-5")
    unit = re.search(r"Give (--unit .+?) if it says", message)
    raters = re.search(r"such as (--raters .+)\.$", message.strip())
    assert unit and raters
    found = [*shlex.split(unit[1]), *shlex.split(raters[1])]
    assert found == advised
    both = [
        results_of(capsys, "agreement", file, "--points", "1-5", *found[i : i + 2]) for i in (0, 2)
    ]
    assert both[0] == both[1]
