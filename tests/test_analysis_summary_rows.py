"""Rows of sums and means below a table, as spreadsheets have them; the oracle is the table without them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from study.cli.group import run

ROWS = "a,3,2\nb,4,3\nc,5,3\nd,4,4\ne,2,1\nf,5,4\n"


def written(folder: Path, content: str) -> str:
    file = folder / "t.csv"
    file.write_text(content, encoding="utf-8")
    return str(file)


def difference(capsys: pytest.CaptureFixture[str], *arguments: str) -> float:
    assert run(["analyse", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["blocks"][0]["results"][0]["estimate"]
    return float(found)


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ("Total,23,17\n", "is called 'Total' in column 'who'"),
        ("Mean,4,3\n", "is called 'Mean' in column 'who'"),
        ("Mittelwert,4,3\nSumme,23,17\n", "is called 'Mittelwert'"),
        ("TOTAL SCORE,1,1\n,,\n", "is called 'TOTAL SCORE'"),
        (",23,17\n", "holds the sums of the rows above"),
        ("g,23,17\n", "holds the sums of the rows above"),
    ],
)
def test_a_row_that_sums_up_the_others_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, last: str, why: str
) -> None:
    file = written(tmp_path, "who,x,y\n" + ROWS + last)
    assert run(["analyse", "paired", file, "--columns", "x,y"]) == 2
    told = capsys.readouterr().err
    assert f"line 8: the row {why}" in told and told.count("\n") == 1
    # Said to be a unit of its own, it counts.
    difference(capsys, "paired", file, "--columns", "x,y", "--rows-independent")


@pytest.mark.parametrize(
    "rows",
    [
        "who,x,y\n" + ROWS,
        "who,x,y,remark\n" + ROWS.replace("\n", ",\n").replace("5,4,\n", "5,4,average\n"),
        "item,x,y\ntotal,3,2\nmean,4,3\ntotal,5,4\nmean,1,3\n",
        # Answers of 0 and 1, whose last ones are the sums of those above.
        "who,x,y\na,0,1\nb,0,0\nc,1,0\nd,0,0\ne,0,0\nf,1,1\n",
        "x,y\n1,1\n1,2\n1,1\n3,4\n",
    ],
)
def test_other_last_rows_count(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: str
) -> None:
    lines = [line.split(",") for line in rows.splitlines()]
    at = lines[0].index("x")
    differences = [float(cells[at]) - float(cells[at + 1]) for cells in lines[1:]]
    file = written(tmp_path, rows)
    mean = sum(differences) / len(differences)
    assert difference(capsys, "paired", file, "--columns", "x,y") == pytest.approx(mean)


def test_a_row_of_means_is_in_no_group(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = "who,g,y\na,m,1\nb,f,2\nc,m,4\nd,f,3\nMean,f,2.5\n"
    assert run(["analyse", "compare", written(tmp_path, rows), "--value", "y", "--by", "g"]) == 2
    assert "line 6: the row is called 'Mean' in column 'who'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["paired", "--columns", "x,x"],
        ["paired", "--columns", "x,y", "--rater", "x"],
        ["compare", "--value", "x", "--by", "x"],
        ["compare", "--value", "x", "--by", "who", "--rater", "who"],
        ["frequencies", "--value", "x", "--points", "1-5", "--weight", "x"],
        ["frequencies", "--value", "x", "--points", "1,nan"],
        ["frequencies", "--value", "x", "--points", "1,2,inf"],
    ],
)
def test_one_column_has_one_role_and_points_are_numbers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    file = written(tmp_path, "who,x,y\n" + ROWS)
    assert run(["analyse", arguments[0], file, *arguments[1:]]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "expected" in told.err and told.err.count("\n") == 1
