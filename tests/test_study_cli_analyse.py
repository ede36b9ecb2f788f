"""`evenhand analyse` from the command line: R's numbers come out, bad input gets a sentence."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from study.cli.group import run
from study.installation import install_command

STATS = Path(__file__).parent / "reference" / "stats"
PAPERS = Path(__file__).parent / "reference" / "papers"


def analysed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, Any]]:
    """Results by statistic; of several with the same name, the first."""
    assert run(["analyse", *arguments, "--json"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    found: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for result in block["results"]:
            found.setdefault(result["statistic"], result)
    return found


# R's numbers from tests/reference/stats/ref.out and mixed.out; the line is named.
CASES = [
    (
        ("agreement", "A_missing.csv", "--points", "1-5"),
        "krippendorff_alpha_ordinal",
        0.4372276982,
        1e-9,
    ),
    (("agreement", "A_missing.csv", "--points", "1-5"), "gwet_ac2_quadratic", 0.59906, 5e-6),
    (("agreement", "C_complete.csv", "--points", "1-5"), "fleiss_kappa", 0.1617222626, 1e-9),
    (("agreement", "C_complete.csv", "--points", "1-5"), "light_kappa", 0.1660838762, 1e-9),
    (("agreement", "C_complete.csv", "--points", "1-5"), "icc2", 0.5367324107, 1e-9),
    (("compare", "two.csv", "--value", "y", "--by", "g"), "hedges_g", 0.761297116, 1e-8),
    (("paired", "paired.csv", "--columns", "eai,phi4"), "d_z", 0.5206304382, 1e-9),
    (("reliability", "scale.csv", "--points", "1-5"), "cronbach_alpha", 0.9100996995, 1e-9),
    (("reliability", "scale.csv", "--points", "1-5"), "omega_minres", 0.9139017868, 1e-6),
]


@pytest.mark.parametrize(("arguments", "statistic", "oracle", "tolerance"), CASES)
def test_the_printed_json_holds_rs_number(
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    statistic: str,
    oracle: float,
    tolerance: float,
) -> None:
    kind, file, *rest = arguments
    result = analysed(capsys, kind, str(STATS / file), *rest)[statistic]
    assert result["estimate"] == pytest.approx(oracle, abs=tolerance)


def test_light_and_omega_have_bootstrap_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the methods' names; an interval that holds its estimate."""
    light = analysed(capsys, "agreement", str(STATS / "A_missing.csv"), "--points", "1-5")
    omega = analysed(capsys, "reliability", str(STATS / "scale.csv"), "--points", "1-5")
    for result, method in (
        (light["light_kappa"], "percentile cluster bootstrap of items, expanded, 1000 replicates"),
        (omega["omega_minres"], "percentile bootstrap of people, expanded, 1000 replicates"),
    ):
        assert result["ci_low"] < result["estimate"] < result["ci_high"]
        assert result["ci_method"] == method


def test_one_value_in_a_group_has_an_undefined_spread_and_checks_choose_no_test(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By hand: 3 alone has no SD; of 5 choices of one value the two ends are as extreme, p = 2 / 5."""
    file = tmp_path / "c.csv"
    file.write_text("y,g\n3,a\n4,b\n5,b\n6,b\n8,b\n")
    arguments = ["compare", str(file), "--value", "y", "--by", "g"]
    assert run(["analyse", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "a: n = 1, mean 3, SD undefined (a standard deviation needs two values)" in printed
    assert "p of mann_whitney_u: exact permutation" in printed
    assert "Check of normality of a: Shapiro-Wilk test undefined, because 1 value is" in printed
    assert "Assumed" not in printed and "normally distributed" not in printed
    assert analysed(capsys, *arguments)["mann_whitney_u"]["p_value"] == pytest.approx(0.4)


def test_numbers_that_no_statistic_can_square_are_refused_with_their_row(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """1e300 squared is infinite: a sentence with row and column, no traceback and no warning."""
    file = tmp_path / "c.csv"
    file.write_text("y,z,g\n1,2,a\n2,3,a\n1e300,5,b\n4,6,b\n")
    for arguments in (["compare", "--value", "y", "--by", "g"], ["paired", "--columns", "y,z"]):
        assert run(["analyse", arguments[0], str(file), *arguments[1:]]) == 2
        assert "line 4, column 'y': found 1e+300" in capsys.readouterr().err
    file.write_text("y,m,r,p\n1e300,a,1,1\n2,b,1,1\n3,a,2,1\n4,b,2,1\n")
    columns = ["--value", "y", "--effect", "m", "--rater", "r", "--prompt", "p"]
    assert run(["analyse", "mixed", str(file), *columns]) == 2
    assert "up to 1e+50 in size" in capsys.readouterr().err


def test_mixed_gives_clmm_and_lmer_of_r(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: mixed.out, clmm modelEAI 0.69971468 and lmer modelEAI 0.39945971."""
    file = str(STATS / "long_missing.csv")
    columns = ["--value", "y", "--effect", "model", "--reference", "Phi4"]
    assert (
        run(["analyse", "mixed", file, *columns, "--rater", "rater", "--prompt", "topic", "--json"])
        == 0
    )
    blocks = {b.get("model"): b for b in json.loads(capsys.readouterr().out)["blocks"]}
    clmm = {r["details"].get("term"): r["estimate"] for r in blocks["clmm"]["results"]}
    lmer = {r["details"].get("term"): r["estimate"] for r in blocks["lmer_intercept"]["results"]}
    assert clmm["modelEAI"] == pytest.approx(0.69971468, abs=1e-4)
    assert lmer["modelEAI"] == pytest.approx(0.39945971, abs=1e-6)


def test_published_groups_give_the_printed_p_and_welch_beside_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Oracle: EAI tables 5 and 7 print p = .333 and .053; Welch by hand .3700 and .1022."""
    file = str(PAPERS / "eai_groups_tables5_7.csv")
    assert run(["analyse", "groups", file, "--planned", "student", "--json"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    found = [{r["statistic"]: r for r in block["results"]} for block in blocks]
    students = [round(f["student_t_difference"]["p_value"], 3) for f in found]
    welches = [round(f["welch_t_difference"]["p_value"], 4) for f in found]
    assert students == [0.333, 0.053]
    assert welches == [0.3700, 0.1022]


def test_frequencies_add_up_and_show_unused_points(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: counted by hand; point 3 is never used."""
    file = tmp_path / "f.csv"
    file.write_text("y,model\n1,a\n2,a\n2,a\n,a\n")
    arguments = ["--value", "y", "--by", "model", "--points", "1-3", "--json"]
    assert run(["analyse", "frequencies", str(file), *arguments]) == 0
    block = json.loads(capsys.readouterr().out)["blocks"][0]
    assert [row["frequency"] for row in block["frequencies"]] == [1, 2, 0]
    assert [row["cumulative_percent"] for row in block["frequencies"]] == pytest.approx(
        [100 / 3, 100, 100]
    )
    assert (block["n"], block["n_missing"]) == (3, 1)


def test_rows_without_a_group_are_the_group_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: by hand; the two empty cells stand beside a group and beside one called missing."""
    file = tmp_path / "f.csv"
    for taken, name in (("a", "missing"), ("missing", "missing (empty cells)")):
        file.write_text(f"y,m\n1,\n2,{taken}\n1,\n")
        arguments = ["--value", "y", "--by", "m", "--points", "1-2", "--json"]
        assert run(["analyse", "frequencies", str(file), *arguments]) == 0
        blocks = json.loads(capsys.readouterr().out)["blocks"]
        found = {b["title"]: [row["frequency"] for row in b["frequencies"]] for b in blocks}
        assert found == {f"y, m {name}": [2, 0], f"y, m {taken}": [0, 1]}


GROUPS = "group,n,mean,sd\n"
REFUSED = [
    ("groups", GROUPS + "a,,3.1,1\nb,10,3.5,1\n", "line 2, column 'n': found an empty cell"),
    ("groups", GROUPS + "a,9,3.1,1\nb,2.5,3.5,1\n", "line 3, column 'n': found 2.5"),
    ("groups", GROUPS + "a,0,3.1,1\nb,25,3.5,1\n", "line 2, column 'n': found 0"),
    ("groups", GROUPS + "a,9,,1\nb,25,3.5,1\n", "line 2, column 'mean': the cell is empty"),
    ("groups", GROUPS + "a,9,3.1,1\nb,25,3.5,-1\n", "line 3, column 'sd': found -1"),
    ("groups", GROUPS + "a,9,3.1,\nb,25,3.5,1\n", "line 2, column 'sd': found an empty cell"),
    ("groups", GROUPS + ",9,3.1,1\nb,25,3.5,1\n", "line 2, column 'group': the cell is empty"),
    ("groups", GROUPS + "a,20,3,1\na,10,3.5,1\n", "line 2 and line 3: both groups are called 'a'"),
    ("texts", "s,r,latency_s\nx,Hi,1\ny,Ho,-1\n", "line 3, column 'latency_s': found -1"),
    ("texts", "s,r,completion_tokens\nx,Hi,-3\n", "line 2, column 'completion_tokens': found -3"),
    (
        "texts",
        "s,r,latency_s\nx,Hi,soon\n",
        "line 2, column 'latency_s': found 'soon', expected a number",
    ),
    ("texts", "s,r\nx,Hi\n,Ho\n", "line 3, column 's': the cell is empty"),
]


@pytest.mark.parametrize(("kind", "table", "sentence"), REFUSED)
def test_numbers_that_cannot_be_are_refused_with_their_row(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str, table: str, sentence: str
) -> None:
    """Row and value as the file has them, what was expected, and nothing computed from the rest."""
    file = tmp_path / "f.csv"
    file.write_text(table)
    options = ["--response", "r", "--by", "s"] if kind == "texts" else []
    assert run(["analyse", kind, str(file), *options]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert "expected" in told.err
    assert told.out == ""


BAD = [
    (["agreement", "nowhere.csv", "--points", "1-5"], "There is no file"),
    (["agreement", "f.csv", "--points", "5-1"], "expected a range such as 1-5"),
    (["compare", "f.csv", "--value", "y", "--by", "h"], "h"),
    (["compare", "f.csv", "--value", "g", "--by", "y"], "expected a number"),
    (["paired", "f.csv", "--columns", "y"], "expected two names"),
    (["frequencies", "f.csv", "--value", "y", "--points", "1-2"], "expected one of"),
    (["reliability", "f.csv", "--points", "1-5"], "expected a number"),
    (["mixed", "f.csv", "--value", "y", "--effect", "g", "--rater", "r", "--prompt", "p"], "r"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD)
def test_bad_input_is_a_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.csv").write_text("y,g\n1,a\n2,b\n3,a\n")
    assert run(["analyse", *arguments]) == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert "Traceback" not in message


def test_a_missing_package_is_a_sentence_that_names_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None in sys.modules is how Python itself marks a module that cannot be imported."""
    # What another test has imported would be taken as it is.
    for name in [m for m in sys.modules if m.startswith("analysis.tables.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert run(["analyse", "agreement", "f.csv", "--points", "1-5"]) == 2
    message = capsys.readouterr().err
    assert install_command("all") in message
    assert "'pandas'" in message


def _labels(tmp_path: Path, rows: str) -> str:
    file = tmp_path / "labels.csv"
    file.write_text(rows, encoding="utf-8")
    return str(file)


LABELS = """item,reference,anna,ben
1,joy,joy,joy
2,fear,fear,joy
3,anger,anger,anger
4,joy,joy,
5,fear,joy,fear
6,anger,anger,anger
"""


def test_emotion_scores_annotators_against_the_reference_and_each_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: anna by hand; joy 2 of 3 given and 2 of 2 had; kappa of 5 units with scikit-learn."""
    from sklearn.metrics import cohen_kappa_score

    assert run(["analyse", "emotion", _labels(tmp_path, LABELS), "--json"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    assert [b["title"] for b in blocks] == [
        "anna against the reference", "ben against the reference", "Agreement between annotators"
    ]  # fmt: skip
    anna = {(r["statistic"], r["details"].get("class")): r for r in blocks[0]["results"]}
    assert anna["accuracy", None]["estimate"] == pytest.approx(5 / 6)
    assert anna["precision", "joy"]["estimate"] == pytest.approx(2 / 3)
    assert anna["recall", "joy"]["estimate"] == 1.0
    assert anna["f1", "joy"]["estimate"] == pytest.approx(4 / 5)
    assert anna["macro_f1", None]["estimate"] == pytest.approx((4 / 5 + 2 / 3 + 1) / 3)
    assert blocks[0]["labels"] == ["anger", "fear", "joy"]
    assert blocks[0]["confusion"] == [[2, 0, 0], [0, 1, 1], [0, 0, 2]]
    kappa = blocks[2]["results"][0]
    both = (["joy", "fear", "anger", "joy", "anger"], ["joy", "joy", "anger", "fear", "anger"])
    assert (kappa["statistic"], kappa["n"], kappa["n_missing"]) == ("cohen_kappa", 5, 1)
    assert kappa["estimate"] == pytest.approx(cohen_kappa_score(*both))


def test_emotion_without_a_reference_scores_the_later_annotator(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: the pairs of three annotators, and the printed table's heading."""
    rows = "id,a,b,c\n1,joy,joy,fear\n2,fear,fear,fear\n3,joy,fear,joy\n"
    assert run(["analyse", "emotion", _labels(tmp_path, rows)]) == 0
    printed = capsys.readouterr().out
    for title in ("b against a", "c against a", "c against b", "cohen_kappa a b", "f1 joy"):
        assert title in printed
    assert "id against" not in printed


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ("item,anna\n1,joy\n2,fear\n", [], "expected at least two with labels"),
        ("a,b\njoy,joy\njoy,joy\n", [], "One label is named or found (joy)"),
        (
            "a,b\njoy,fear\njoy,joy\n",
            ["--labels", "joy,anger"],
            "line 2, column 'b': the label 'fear' is not one",
        ),
        ("a,b\njoy,fear\n", ["--reference", "gold"], "gold"),
    ],
)
def test_unusable_label_files_get_a_sentence(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    rows: str,
    options: list[str],
    message: str,
) -> None:
    assert run(["analyse", "emotion", _labels(tmp_path, rows), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ["1,a,t,4", "1,b,t,5", "1,a,u,3", "1,b,u,4"],
            "undefined, because all 4 ratings are by one",
        ),
        (["1,a,t,3", "1,b,t,3", "2,a,t,3", "2,b,t,3"], "undefined, because all 4 ratings have the"),
        (["1,a,t,", "1,b,t,", "2,a,t,", "2,b,t,"], "undefined, because no rating is left"),
    ],
)
def test_a_model_that_does_not_exist_is_printed_with_its_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: list[str], said: str
) -> None:
    """Property: the reason stands below the model's title, without a unit of inference over nothing."""
    file = tmp_path / "m.csv"
    file.write_text("\n".join(["r,m,p,y", *rows, ""]))
    columns = ["--value", "y", "--effect", "m", "--rater", "r", "--prompt", "p"]
    assert run(["analyse", "mixed", str(file), *columns]) == 0
    printed = capsys.readouterr().out
    first = printed.split("clm:")[0]
    assert said in first and "Unit of inference" not in first


def test_mixed_refuses_a_rating_that_is_there_twice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Property: lines 2 and 5 are the same rater, prompt and system."""
    file = tmp_path / "m.csv"
    file.write_text("r,m,p,y\n1,a,t,4\n1,b,t,5\n2,a,t,3\n1,a,t,2\n")
    columns = ["--value", "y", "--effect", "m", "--rater", "r", "--prompt", "p"]
    assert run(["analyse", "mixed", str(file), *columns]) == 2
    assert "line 2 and line 5 are both a rating of r 1, p t, m a" in capsys.readouterr().err


def test_a_single_item_is_called_an_item() -> None:
    """Oracle: `analyse reliability` takes a column for each item."""
    import pandas as pd

    from analysis.tables.reliability import reliability_of
    from study.errors import AnalysisError

    frame = pd.DataFrame({"a": [1, 2, 3]})
    with pytest.raises(AnalysisError, match="a column for each item"):
        reliability_of(frame, [1, 2, 3])


@pytest.mark.parametrize("command", ["agreement", "paired", "texts", "emotion"])
def test_a_seed_below_zero_is_refused_in_words(command: str) -> None:
    """Property: numpy takes no negative seed, so click refuses it where it is declared."""
    from click.testing import CliRunner

    from study.cli.analyse import analyse

    found = CliRunner().invoke(analyse, [command, "none.csv", "--seed", "-1"])
    assert found.exit_code == 2 and "-1 is not in the range x>=0" in found.output


def written(folder: Path, content: str, name: str = "t.csv") -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def blocks_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run(["analyse", *arguments, "--json"]) == 0
    blocks: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["blocks"]
    return blocks


DECIMALS = ["3.5,4.0", "4.0,3.5", "5.0,3.0", "4.5,4.0", "2.5,1.5"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_decimal_commas_give_the_numbers_of_decimal_points(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mark: str
) -> None:
    """By hand: means 3.9 and 3.2, difference .7; p .160 by R's t.test(paired = TRUE)."""
    points = written(tmp_path, "eai,phi4\n" + "\n".join(DECIMALS) + "\n", "points.csv")
    rows = [row.replace(",", mark).replace(".", ",") for row in DECIMALS]
    commas = written(tmp_path, f"eai{mark}phi4\n" + "\n".join(rows) + "\n", "commas.csv")
    ask = ["--columns", "eai,phi4"]
    right = blocks_of(capsys, "paired", points, *ask)
    found = blocks_of(capsys, "paired", commas, *ask, "--decimal", ",")
    assert found == right
    assert sorted(group["mean"] for group in found[0]["groups"]) == pytest.approx([3.2, 3.9])
    test = analysed(capsys, "paired", commas, *ask, "--decimal", ",")["paired_t_difference"]
    assert test["p_value"] == pytest.approx(0.160, abs=5e-4)
    assert run(["analyse", "paired", commas, *ask]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "commas.csv" in told.err and "line 2" in told.err
    assert "give --decimal ," in told.err


LABELS_OF_8 = "joy joy,X X,X joy,anger X,anger anger,X X,joy joy,X joy"


@pytest.mark.parametrize("word", ["None", "N/A", "null", "NaN", "neutral"])
def test_a_label_is_a_label_whatever_its_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, word: str
) -> None:
    """Oracle: the same file with the label neutral; accuracy 5 of 8, kappa .429 (scikit-learn)."""
    pairs = [pair.replace("X", word).split() for pair in LABELS_OF_8.split(",")]
    rows = "".join(f"{n},{a},{b}\n" for n, (a, b) in enumerate(pairs, start=1))
    file = written(tmp_path, "id,reference,ann1\n" + rows)
    labels = ["--labels", f"joy,anger,{word}"]
    found = analysed(capsys, "emotion", file, *labels)
    assert (found["accuracy"]["n"], found["accuracy"]["estimate"]) == (8, 0.625)
    assert found["cohen_kappa"]["estimate"] == pytest.approx(3 / 7)
    missing = analysed(capsys, "emotion", file, "--labels", "joy,anger", "--missing", word)
    assert (missing["accuracy"]["n"], missing["accuracy"]["estimate"]) == (3, 1.0)


@pytest.mark.parametrize("word", ["None", "NA", "null"])
def test_a_group_a_rater_and_a_reply_keep_their_names(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, word: str
) -> None:
    """By hand: three values a group; one reply of one word each."""
    file = written(tmp_path, f"y,arm\n3,{word}\n4,{word}\n2,{word}\n5,cbt\n6,cbt\n4,cbt\n")
    (block,) = blocks_of(capsys, "compare", file, "--value", "y", "--by", "arm")
    assert [(g["name"], g["n"]) for g in block["groups"]] == sorted([(word, 3), ("cbt", 3)])
    for name, content in (
        ("t.csv", f"m,reply\na,{word}\nb,ok fine\n"),
        ("t.jsonl", f'{{"m": "a", "reply": "{word}"}}\n{{"m": "b", "reply": "ok fine"}}\n'),
    ):
        file = written(tmp_path, content, name)
        found = blocks_of(capsys, "texts", file, "--response", "reply", "--by", "m")
        assert [block["responses"] for block in found] == [1, 1]
        (words,) = (r for r in found[0]["results"] if r["statistic"] == "words")
        assert (words["estimate"], words["n"]) == (1.0, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "01"), ("1.1", "1.10"), ("1e5", "100000"), ("1", "1.0"), ("NA", "null")],
)
@pytest.mark.parametrize("column", ["rater", "topic"])
def test_ids_that_are_written_differently_are_different(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, one: str, other: str, column: str
) -> None:
    """By hand: two ids more than the two others; as numbers they would be one."""
    topics = ["p1", "p2"]
    rows = []
    for at, (rater, topic) in enumerate((r, t) for r in ("x", "z", one, other) for t in topics):
        ids = (rater, topic) if column == "rater" else (topic, rater)
        rows += [
            f"{ids[0]},{ids[1]},{model},{1 + (at * 3 + k) % 5}" for k, model in enumerate("ab")
        ]
    file = written(tmp_path, "rater,topic,model,y\n" + "\n".join(rows) + "\n")
    ask = ["--value", "y", "--effect", "model", "--rater", "rater", "--prompt", "topic"]
    facts = blocks_of(capsys, "mixed", file, *ask)[-1]
    assert facts[f"n_{'raters' if column == 'rater' else 'prompts'}"] == 4


def test_groups_of_digits_keep_their_names_beside_an_empty_cell(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: the file; with a gap, pandas would call them 1.0 and 2.0."""
    file = written(tmp_path, "total,site\n3,1\n4,1\n5,1\n2,2\n3,2\n1,2\n4,\n")
    (block,) = blocks_of(capsys, "compare", file, "--value", "total", "--by", "site")
    assert block["title"] == "total: 1 minus 2"
    assert block["notes"] == ["Rows without a value in site, left out: 1."]
    labels = written(tmp_path, "id,reference,ann\n1,01,1\n2,02,2\n3,01,1\n4,02,1\n", "l.csv")
    assert blocks_of(capsys, "emotion", labels)[0]["labels"] == ["01", "02", "1", "2"]


NUMBERS = [
    ("eai,phi4\n\n\n3,2\n4,x\n", "line 5, column 'phi4': found 'x'"),
    ('eai,phi4,note\n3,2,"a\nb"\n4,NA,c\n', "line 4, column 'phi4': found 'NA'"),
    ("eai;phi4\n3;2\n4;3,5\n", "line 3, column 'phi4': found '3,5'"),
    ("eai,phi4\n3,2\n4,nan\n", "give --missing nan"),
    ("eai,phi4\n3,2\n4,inf\n", "found 'inf', expected a number"),
    ("eai,phi4\n3,2\n4,1_000\n", "found '1_000', expected a number"),
    ("eai;phi4\n3;2\n", "t.csv (separated by semicolons): column x not found"),
]


@pytest.mark.parametrize(("content", "said"), NUMBERS)
def test_what_is_no_number_is_told_with_the_files_own_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, said: str
) -> None:
    """Oracle: the line that an editor shows."""
    columns = "eai,x" if "not found" in said else "eai,phi4"
    assert run(["analyse", "paired", written(tmp_path, content), "--columns", columns]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""


def test_a_rating_off_the_scale_is_told_with_its_line_by_mixed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: the line that an editor shows, below a blank one."""
    file = written(tmp_path, "y,m,r,p\n\n1,a,x,1\n7,b,x,1\n2,a,z,1\n2,b,z,1\n")
    ask = ["--value", "y", "--effect", "m", "--rater", "r", "--prompt", "p", "--points", "1-5"]
    assert run(["analyse", "mixed", file, *ask]) == 2
    assert "line 4, column 'y': found 7, expected one of the points" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["-99", "-99.0", "-99.00", "NA", ""])
def test_a_named_word_is_missing_also_where_it_is_written_as_another_number(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, cell: str
) -> None:
    """By hand: four pairs are left of five."""
    file = written(tmp_path, f"a,b\n1,2\n2,4\n3,3\n{cell},5\n5,4\n")
    found = analysed(capsys, "paired", file, "--columns", "a,b", "--missing", "NA, -99")
    assert (found["paired_t_difference"]["n"], found["paired_t_difference"]["n_missing"]) == (4, 1)


KINDS: dict[str, tuple[str, list[str]]] = {
    "agreement": ("r1,r2,r3\n4,5,4\n2,2,3\n5,5,5\n1,2,1\n3,3,4\n", ["--points", "1-5"]),
    "reliability": ("i1,i2,i3\n4,5,4\n2,2,3\n5,5,5\n1,2,1\n3,3,4\n", ["--points", "1-5"]),
    "compare": ("y,g\n4,a\n2,a\n5,b\n1,b\n3,b\n", ["--value", "y", "--by", "g"]),
    "paired": ("a,b\n3,2\n4,3\n5,3\n4,4\n2,1\n", ["--columns", "a,b"]),
    "groups": ("group,n,mean,sd\na,10,3,1\nb,12,4,2\n", []),
    "frequencies": ("y,g\n4,a\n2,a\n5,b\n1,b\n", ["--value", "y", "--by", "g", "--points", "1-5"]),
    "texts": ("m,reply\na,I hear you\nb,Rest a bit\n", ["--response", "reply", "--by", "m"]),
    "emotion": ("reference,ann\njoy,joy\nfear,joy\nfear,fear\n", []),
    "eai": (
        "rater,topic,model,y\nr1,t,a,3\nr1,t,b,4\nr2,t,a,2\nr2,t,b,5\nr3,t,a,4\nr3,t,b,1\n",
        ["--points", "1-5"],
    ),
    "mixed": (
        "r,p,m,y\n1,t,a,4\n1,t,b,5\n2,t,a,3\n2,t,b,3\n1,u,a,2\n1,u,b,4\n2,u,a,1\n2,u,b,2\n",
        ["--value", "y", "--effect", "m", "--rater", "r", "--prompt", "p"],
    ),
}  # fmt: skip


def test_every_kind_of_analysis_is_tried_below() -> None:
    from study.cli.analyse import analyse

    assert set(KINDS) == set(analyse.commands)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_the_same_table_from_every_form_of_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str
) -> None:
    """Oracle: the results of the plain CSV file."""
    import csv

    from openpyxl import Workbook

    content, options = KINDS[kind]
    right = blocks_of(capsys, kind, written(tmp_path, content), *options)
    rows = list(csv.reader(content.splitlines()))
    tabs = "\r\n".join("\t".join(row) for row in rows)
    (tmp_path / "utf16.csv").write_bytes(tabs.encode("utf-16"))
    written(tmp_path, "\ufeff" + content.replace(",", ";").replace("\n", ";\n\n"), "semi.csv")
    names, *cells = rows
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in cells]
    written(tmp_path, "\ufeff" + "\n".join(lines), "lines.jsonl")
    row_names = [["", *names], *([f"u{at}", *row] for at, row in enumerate(cells))]
    written(tmp_path, "".join(",".join(row) + "\n" for row in row_names), "from_r.csv")
    book = Workbook()
    for row in rows:
        book.active.append([int(cell) if cell.isdigit() else cell for cell in row])
    book.save(tmp_path / "book.xlsx")
    for name in ("utf16.csv", "semi.csv", "lines.jsonl", "from_r.csv", "book.xlsx"):
        assert blocks_of(capsys, kind, str(tmp_path / name), *options) == right, name


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_refuses_a_longer_row_and_a_name_twice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str
) -> None:
    """Property: exit code 2, the line, and nothing computed."""
    content, options = KINDS[kind]
    header, first, *rest = content.splitlines()
    longer = written(tmp_path, "\n".join([header, f"{first},x", *rest]))
    twice = written(
        tmp_path,
        "\n".join(f"{line},{line.split(',')[0]}" for line in content.splitlines()),
        "d.csv",
    )
    for file, said in ((longer, "t.csv, line 2: found"), (twice, "d.csv, line 1: two columns")):
        assert run(["analyse", kind, file, *options]) == 2
        told = capsys.readouterr()
        assert said in told.err and told.out == ""
