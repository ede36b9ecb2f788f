"""Groups and frequencies where raters repeat or rows have counts, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.cli.group import run

# 36 raters with 20 ratings each, made up; a t test of the 720 rows gives p = .0058 for gender.
REPEATED = Path(__file__).parent / "reference" / "stats" / "repeated_raters.csv"


def blocks_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run(["analyse", *arguments, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["blocks"]
    return found


def results(blocks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {result["statistic"]: result for block in blocks for result in block["results"]}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["analyse", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    return told.err


def test_gender_is_tested_by_rater(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: scipy's tests of one mean per rater: Welch .1621, Mann-Whitney .1984."""
    gender = ("compare", str(REPEATED), "--value", "y", "--by", "gender")
    found = results(blocks_of(capsys, *gender, "--rater", "rater"))
    data = pd.read_csv(REPEATED)
    means = data.groupby(["gender", "rater"])["y"].mean()
    welch = stats.ttest_ind(means["F"], means["M"], equal_var=False).pvalue
    ranks = stats.mannwhitneyu(means["F"], means["M"]).pvalue
    assert round(welch, 3) == 0.162
    assert found["cluster_robust_difference"]["p_value"] == pytest.approx(welch)
    assert found["welch_t_difference"]["p_value"] == pytest.approx(welch)
    assert found["mann_whitney_u"]["p_value"] == pytest.approx(ranks)
    assert (found["cluster_robust_difference"]["n"], found["welch_t_difference"]["n"]) == (720, 36)
    assert found["welch_t_difference"]["unit"] == "rater"
    message = refused(capsys, *gender)
    assert "column 'rater' holds 36 names in 720 rows" in message
    assert "--rater rater" in message and "--rows-independent" in message
    rows = results(blocks_of(capsys, *gender, "--rows-independent"))
    assert rows["welch_t_difference"]["p_value"] == pytest.approx(0.0058, abs=5e-5)


def test_raters_in_both_groups_are_not_tested_as_independent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Oracle: the paired t test of the raters' means, for ten ratings of each rater and model."""
    found = blocks_of(
        capsys, "compare", str(REPEATED), "--value", "y", "--by", "model", "--rater", "rater"
    )
    means = pd.read_csv(REPEATED).groupby(["rater", "model"])["y"].mean().unstack()
    paired = stats.ttest_rel(means["EAI"], means["Phi4"]).pvalue
    assert list(results(found)) == ["cluster_robust_difference"]
    assert results(found)["cluster_robust_difference"]["p_value"] == pytest.approx(paired)
    assert "36 of 36 raters have ratings in both groups" in found[0]["notes"][0]


@pytest.mark.parametrize(
    "header",
    [
        "rater",
        "Participant_ID",
        "raterId",
        "PROLIFIC_PID",
        "subject",
        "id",
        "code",
        "Teilnehmer",
        "k",
    ],
)
def test_a_column_of_people_that_repeats_is_found_by_name_or_by_shape(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, header: str
) -> None:
    """Property: what it is called does not matter where all rows of a name lie in one group."""
    file = tmp_path / "c.csv"
    rows = [f"{name},{group},{y}" for group, names in (("f", "abc"), ("m", "xyz"))
            for name in names for y in (1, 2, 4)]  # fmt: skip
    file.write_text("\n".join([f"{header},sex,y", *rows, ""]))
    arguments = ("compare", str(file), "--value", "y", "--by", "sex")
    assert f"column {header!r} holds" in refused(capsys, *arguments)
    assert f"--rater {header}" in refused(capsys, *arguments)
    assert blocks_of(capsys, *arguments, "--rows-independent")


@pytest.mark.parametrize(
    "table",
    [
        "rater,sex,y\n" + "".join(f"r{i},{'fm'[i % 2]},{i % 5 + 1}\n" for i in range(12)),
        "rater,field,sex,y\n" + "".join(f"r{i},{i % 6},{'fm'[i % 2]},{i % 5}\n" for i in range(18)),
        "sex,y,expert_score\n" + "".join(f"{'fm'[i % 2]},{i % 5},{i % 3}\n" for i in range(18)),
        "topic,sex,y\n" + "".join(f"t{i % 3},{'fm'[i % 2]},{i % 5}\n" for i in range(18)),
    ],
)
def test_independent_rows_are_asked_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, table: str
) -> None:
    """Property: a rater's column without repeats, a score and a crossed topic are no repeated raters."""
    file = tmp_path / "c.csv"
    file.write_text(table)
    found = results(blocks_of(capsys, "compare", str(file), "--value", "y", "--by", "sex"))
    assert found["welch_t_difference"]["unit"] == "row"


def test_counts_are_rows_written_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Property: the table with counts gives what the table with a row per rating gives."""
    rng = np.random.default_rng(4)
    rows = pd.DataFrame({"y": rng.integers(1, 6, 90), "g": rng.choice(["a", "b"], 90)})
    whole, counted = tmp_path / "w.csv", tmp_path / "n.csv"
    rows.to_csv(whole, index=False)
    rows.value_counts().rename("n").reset_index().to_csv(counted, index=False)
    for kind, options in (("compare", []), ("frequencies", ["--points", "1-5"])):
        common = ("--value", "y", "--by", "g", *options)
        one = blocks_of(capsys, kind, str(whole), *common)
        two = blocks_of(capsys, kind, str(counted), *common, "--weight", "n")
        assert "90 ratings in 10 rows" in two[0]["notes"][0]
        by_title = {block["title"]: block for block in two}
        for block in one:
            again = by_title[block["title"]]
            assert block.get("frequencies") == again.get("frequencies")
            for a, b in zip(block["results"], again["results"], strict=True):
                assert b["estimate"] == pytest.approx(a["estimate"])
                assert b["p_value"] == pytest.approx(a["p_value"])


def test_counts_and_raters_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Property: the counts of each rater's points give what the single ratings give by rater."""
    counted = tmp_path / "n.csv"
    data = pd.read_csv(REPEATED)
    counts = data[["rater", "gender", "y"]].value_counts().rename("n").reset_index()
    counts.to_csv(counted, index=False)
    for kind, by, options in (
        ("compare", "gender", []),
        ("frequencies", "gender", ["--points", "1-5"]),
    ):
        common = ("--value", "y", "--by", by, "--rater", "rater", *options)
        one = {b["title"]: b for b in blocks_of(capsys, kind, str(REPEATED), *common)}
        two = {
            b["title"]: b for b in blocks_of(capsys, kind, str(counted), *common, "--weight", "n")
        }
        assert one.keys() == two.keys()
        for title, block in one.items():
            for a, b in zip(block["results"], two[title]["results"], strict=True):
                assert b["estimate"] == pytest.approx(a["estimate"])
                assert b["ci_low"] == pytest.approx(a["ci_low"])


@pytest.mark.parametrize("cell", ["2.5", "-1", "", "many"])
def test_a_weight_that_is_no_count_is_refused_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, cell: str
) -> None:
    file = tmp_path / "n.csv"
    file.write_text(f"y,g,n\n1,a,2\n2,b,{cell}\n")
    for kind, options in (("compare", ["--by", "g"]), ("frequencies", ["--points", "1-5"])):
        message = refused(capsys, kind, str(file), "--value", "y", *options, "--weight", "n")
        assert "line 3, column 'n': found" in message and "number" in message
        zeros = tmp_path / "z.csv"
        zeros.write_text("y,g,n\n1,a,0\n2,b,0\n")
        message = refused(capsys, kind, str(zeros), "--value", "y", *options, "--weight", "n")
        assert "every count is 0" in message


def test_frequencies_by_rater_have_wider_intervals_and_the_same_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Property: raters who lean to a point make its share less certain than 720 independent answers."""
    common = ("frequencies", str(REPEATED), "--value", "y", "--points", "1-5")
    assert "--rater rater" in refused(capsys, *common)
    assert "--rater rater" in refused(capsys, *common, "--by", "model")
    rows = blocks_of(capsys, *common, "--rows-independent")[0]
    by_rater = blocks_of(capsys, *common, "--rater", "rater")[0]
    for one, two in zip(rows["frequencies"], by_rater["frequencies"], strict=True):
        assert (one["frequency"], one["percent"]) == (two["frequency"], two["percent"])
    five = rows["frequencies"][4], by_rater["frequencies"][4]
    assert five[1]["ci_high"] - five[1]["ci_low"] > five[0]["ci_high"] - five[0]["ci_low"]


def test_one_answer_of_each_rater_in_each_table_is_asked_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Property: a rater stands twice in the file and once in each table."""
    file = tmp_path / "f.csv"
    file.write_text("rater,model,y\na,x,1\nb,x,2\na,z,3\nb,z,3\n")
    common = ("frequencies", str(file), "--value", "y", "--points", "1-5")
    assert len(blocks_of(capsys, *common, "--by", "model")) == 2
    assert "--rater rater" in refused(capsys, *common)


def test_pairs_of_one_rater_are_one_pair(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: scipy's paired test of the raters' means over rows with both values."""
    file = tmp_path / "p.csv"
    data = pd.read_csv(REPEATED)
    wide = data.pivot_table(index=["rater", "topic"], columns="model", values="y").reset_index()
    wide.loc[[3, 17, 40], "EAI"] = np.nan
    wide.to_csv(file, index=False)
    common = ("paired", str(file), "--columns", "EAI,Phi4")
    assert "column 'rater' holds 36 names in 360 rows" in refused(capsys, *common)
    blocks = blocks_of(capsys, *common, "--rater", "rater")
    means = wide.dropna().groupby("rater")[["EAI", "Phi4"]].mean()
    expected = stats.ttest_rel(means["EAI"], means["Phi4"])
    found = results(blocks)["paired_t_difference"]
    assert found["p_value"] == pytest.approx(expected.pvalue)
    assert (found["n"], found["unit"]) == (36, "rater")
    assert "357 rows, 36 raters" in blocks[0]["notes"][0]
    assert (
        results(blocks_of(capsys, *common, "--rows-independent"))["paired_t_difference"]["n"] == 357
    )
