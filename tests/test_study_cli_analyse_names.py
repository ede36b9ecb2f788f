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


LONG = "u,who,m,y\n1,{a},A,3\n1,ben,B,4\n2,{b},A,2\n2,ben,B,2\n3,{a},A,1\n3,ben,B,1\n"


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("Anna", "anna", "'Anna' (line 2) and 'anna' (line 4)"),
        ("01", "1", "'01' (line 2) and '1' (line 4)"),
        ("1e5", "100000", "'1e5' (line 2) and '100000' (line 4)"),
        ("Jos\u00e9", "Jose\u0301", r"'Jos\xe9' (line 2) and 'Jose\u0301' (line 4)"),
        ("an\u200bna", "anna", r"'an\u200bna' (line 2) and 'anna' (line 4)"),
        ("an na", "an\u00a0na", r"'an na' (line 2) and 'an\xa0na' (line 4)"),
    ],
)
def test_names_that_differ_only_in_how_they_are_written_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, first: str, second: str, shown: str
) -> None:
    """They stay two (the numbers are those of x and y for them), and a line on the error stream says so."""
    file = written(tmp_path, LONG.format(a=first, b=second))
    plain = written(tmp_path, LONG.format(a="x", b="y"), "p.csv")
    roles = ["--unit", "u", "--rater", "who", "--value", "y", "--points", "1-5"]
    assert run(["analyse", "agreement", file, *roles, "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert f"column 'who': {shown} differ only in how they are written" in told.err
    assert run(["analyse", "agreement", plain, *roles, "--json"]) == 0
    other = capsys.readouterr()
    assert other.err == ""
    found, expected = json.loads(told.out), json.loads(other.out)
    assert found["blocks"][0]["results"] == expected["blocks"][0]["results"]


def test_spellings_are_told_wherever_names_count(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    groups = written(tmp_path, "g,y\nmale,1\nMale,2\nmale,3\nMale,5\n")
    for arguments in (
        ["compare", groups, "--value", "y", "--by", "g"],
        ["frequencies", groups, "--value", "y", "--by", "g", "--points", "1-5"],
    ):
        assert run(["analyse", *arguments]) == 0
        assert "'male' (line 2) and 'Male' (line 3)" in capsys.readouterr().err
    rows = "".join(
        f"r{i},{'P' if i == 2 else 'p'}{t},{m},{1 + (i * 7 + t * 3 + (m == 'b')) % 5}\n"
        for i in range(4)
        for t in range(3)
        for m in "ab"
    )
    long = written(tmp_path, "rater,topic,model,y\n" + rows, "l.csv")
    roles = ["--value", "y", "--effect", "model", "--rater", "rater", "--prompt", "topic"]
    assert run(["analyse", "mixed", long, *roles]) == 0
    assert "column 'topic': 'p0' (line 2) and 'P0' (line 14)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ("joy,Joy\nfear,fear\njoy,joy\n", "'joy' (line 2) and 'Joy' (line 2)"),
        ("01,1\n02,2\n01,1\n", "'01' (line 2) and '1' (line 2); '02' (line 3) and '2' (line 3)"),
        ("joy,joy\nfear,fear \njoy,joy\n", ""),
    ],
)
def test_labels_of_two_annotators_that_differ_only_in_spelling_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: str, shown: str
) -> None:
    """Each column alone is even; together they hold the label twice, and agreement is disagreement."""
    assert run(["analyse", "emotion", written(tmp_path, "reference,ann\n" + rows)]) == 0
    assert ("differ only in how they are written" in (out := capsys.readouterr().out)) == bool(
        shown
    )
    assert shown in out


@pytest.mark.parametrize(
    "content",
    [
        "rater,d1,d2,d3\nanna,4,2,5\nben,5,2,5\n",
        "annotator,d1,d2,d3\n1,4,2,5\n2,5,2,5\n3,4,3,5\n",
        "d1,d2,coder,d3\n4,2,1,5\n5,2,2,5\n4,3,1,5\n",
        "rater_id,d1,d2\n1,4,2\n2,5,2\n",
        "Teilnehmer;d1;d2\n3;4;2\n3;5;2\n",
    ],
)
def test_raters_in_the_rows_are_no_units(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    message = refused(capsys, "agreement", written(tmp_path, content), "--points", "1-5")
    assert "each row seems to hold one rater's ratings" in message
    assert "--unit, --rater and --value" in message


def test_two_raters_one_of_them_called_annotator_are_raters(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = written(tmp_path, "annotator,llm\n4,5\n2,2\n5,5\n1,3\n")
    assert run(["analyse", "agreement", file, "--points", "1-5"]) == 0
    assert "4 units by 2 raters: annotator, llm." in capsys.readouterr().out


def test_ratings_off_the_scale_are_not_only_taken_for_ids(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for content in ("r1,r2,r3\n0,1,0\n2,2,2\n4,4,3\n0,0,1\n", "r1,r2\n3,2\n4,99\n5,3\n4,4\n2,1\n"):
        message = refused(capsys, "agreement", written(tmp_path, content), "--points", "1-5")
        assert "--points" in message and "--missing" in message


@pytest.mark.parametrize("header", ["Email Address", "E-Mail", "username", "Nickname"])
def test_people_who_repeat_under_other_headers_are_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, header: str
) -> None:
    file = written(tmp_path, f"x,y,{header}\n3,2,a@b.c\n4,3,d@b.c\n5,3,a@b.c\n4,4,d@b.c\n")
    message = refused(capsys, "paired", file, "--columns", "x,y")
    assert f"--rater {shlex.quote(header)}" in message


def test_a_column_called_reference_in_any_case_is_the_reference(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As an annotator it would count in the agreement among annotators; the oracle is the small letter."""
    rows = "joy,joy,joy\nfear,joy,fear\njoy,joy,fear\nfear,fear,fear\n"
    small = results_of(capsys, "emotion", written(tmp_path, "reference,ann1,ann2\n" + rows))
    for header in ("Reference", "REFERENCE"):
        file = written(tmp_path, f"{header},ann1,ann2\n{rows}", "c.csv")
        assert results_of(capsys, "emotion", file) == small
