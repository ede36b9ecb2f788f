"""Whole files that once gave a wrong number: `analyse` gives the right one, or a sentence.

Oracle: the values in the table, by hand, by R or as the file beside it that has no such fault.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from study.cli.group import run

CASES = Path(__file__).parent / "reference" / "cases"
SCALE = ["--points", "1-5"]
MIXED = ["--value", "y", "--effect", "model", "--rater", "rater", "--prompt", "topic"]
TEXTS = ["--response", "reply", "--by", "model"]

# Kind, file, options, where to look (statistic, nth, field) and what must stand there.
RIGHT: list[tuple[str, str, list[str], list[tuple[str, int, str, float | None]]]] = [
    (
        "paired", "deccomma.csv", ["--columns", "eai,phi4", "--decimal", ","],
        [("paired_t_difference", 0, "estimate", 0.7), ("paired_t_difference", 0, "p_value", 0.160)],
    ),
    ("emotion", "emo_none.csv", ["--labels", "joy,anger,None"],
     [("accuracy", 0, "estimate", 0.625), ("cohen_kappa", 0, "estimate", 0.429)]),
    ("emotion", "emo_neu.csv", ["--labels", "joy,anger,neutral"],
     [("accuracy", 0, "estimate", 0.625), ("cohen_kappa", 0, "estimate", 0.429)]),
    # Five of eight pairs of labels are alike; none is missing.
    ("emotion", "emo_na.csv", ["--labels", "joy,anger,N/A"],
     [("accuracy", 0, "estimate", 0.625), ("accuracy", 0, "n", 8)]),
    # 01 is not 1, nor 02 2.
    ("emotion", "emo_lz.csv", ["--labels", "01,1,02,2"],
     [("accuracy", 0, "estimate", 0.0), ("accuracy", 0, "n", 4)]),
    # Means 3 of "None" and 5 of "cbt".
    ("compare", "cmp_none.csv", ["--value", "total", "--by", "arm"],
     [("student_t_difference", 0, "estimate", -2.0), ("student_t_difference", 0, "n", 6)]),
    ("compare", "compare_pseudoreplication.csv",
     ["--value", "y", "--by", "gender", "--rater", "rater"],
     [("cluster_robust_difference", 0, "n", 720), ("student_t_difference", 0, "n", 36)]),
    # Names as written, counted by `cut | sort -u`.
    ("mixed", "mix_lead_disj.csv", MIXED, [("rater_variance", 0, "n", 8)]),
    ("mixed", "mix_lead.csv", MIXED, [("rater_variance", 0, "n", 6)]),
    ("mixed", "mix_e.csv", MIXED, [("rater_variance", 0, "n", 6)]),
    ("mixed", "mix_na.csv", MIXED, [("rater_variance", 0, "n", 6)]),
    ("mixed", "mix_110.csv", MIXED, [("prompt_variance", 0, "n", 6)]),
    ("agreement", "agr_ok.csv", SCALE, [("krippendorff_alpha_ordinal", 0, "estimate", 0.873)]),
    ("agreement", "agr_item.csv", [*SCALE, "--unit", "item"],
     [("krippendorff_alpha_ordinal", 0, "estimate", 0.873)]),
    ("agreement", "agr_item.csv", [*SCALE, "--raters", "r1,r2,r3"],
     [("krippendorff_alpha_ordinal", 0, "estimate", 0.873)]),
    ("agreement", "agr_rcsv.csv", SCALE, [("krippendorff_alpha_ordinal", 0, "estimate", 0.873)]),
    ("agreement", "onedis.csv", SCALE,
     [("light_kappa", 0, "estimate", 0.0), ("light_kappa", 0, "ci_low", None),
      ("light_kappa", 0, "ci_high", None)]),
    ("reliability", "rel_ok.csv", SCALE, [("cronbach_alpha", 0, "estimate", 0.959)]),
    ("reliability", "rel_id.csv", [*SCALE, "--unit", "person"],
     [("cronbach_alpha", 0, "estimate", 0.959)]),
    # rouge_score: the reply "Okay." has no two words in a row, which is 0 and not left out.
    ("texts", "rouge2_one_word.csv", [*TEXTS, "--reference", "human"],
     [("rouge2", 1, "estimate", 0.2), ("rouge2", 1, "n", 3)]),
    # "NA" and "ok fine": 1.5 words; "None" and "null": 1.
    ("texts", "txt_na.csv", TEXTS, [("words", 0, "estimate", 1.5), ("words", 1, "estimate", 1.0)]),
    ("texts", "txt_na.jsonl", TEXTS, [("words", 0, "estimate", 1.5)]),
    ("texts", "bom.jsonl", TEXTS, [("words", 0, "estimate", 3.0), ("words", 1, "estimate", 2.0)]),
]  # fmt: skip

REFUSED = [
    ("paired", "deccomma.csv", ["--columns", "eai,phi4"], "deccomma.csv, line 2: found 4 cells"),
    ("paired", "longfirst.csv", ["--columns", "eai,phi4"], "longfirst.csv, line 2: found 3 cells"),
    ("emotion", "tr_emo.csv", ["--labels", "joy,fear"], "tr_emo.csv, line 2: found 4 cells"),
    ("groups", "tr_grp.csv", [], "tr_grp.csv, line 2: found 6 cells"),
    ("texts", "tr_txt.csv", TEXTS, "tr_txt.csv, line 2: found 4 cells"),
    ("compare", "cmp_none3.csv", ["--value", "total", "--by", "arm"], "(None, cbt, ctl)"),
    ("emotion", "emo_na.csv", ["--labels", "joy,N/A"], "the label 'anger' is not one of"),
    ("agreement", "agr_item.csv", SCALE, "Give --unit item"),
    ("agreement", "agr_pd100.csv", SCALE, "line 2, column 'r1': found 40"),
    ("reliability", "rel_id.csv", SCALE, "Give --unit person"),
    ("emotion", "emo_id.csv", ["--labels", "joy,fear"], "Give --unit dialogue_id"),
    ("paired", "dup.csv", ["--columns", "eai,phi4"], "line 1: two columns are called 'eai'"),
    ("agreement", "agr_dup.csv", SCALE, "line 1: two columns are called 'r1'"),
    ("paired", "rowno.csv", ["--columns", "eai,phi4"], "line 5, column 'phi4': found 'x'"),
    (
        "compare", "compare_pseudoreplication.csv", ["--value", "y", "--by", "gender"],
        "Give --rater rater to compute by rater",
    ),
]  # fmt: skip

# The file with a harmless fault, and the one without it.
SAME = [
    ("paired", "trailing.csv", "ok.csv", ["--columns", "eai,phi4"]),
]


def results_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """All results of the printed JSON, in their order."""
    assert run(["analyse", *arguments, "--json"]) == 0
    found: list[dict[str, Any]] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            found.extend([part] if "statistic" in part and "estimate" in part else [])
            part = list(part.values())
        for inner in part if isinstance(part, list) else []:
            walk(inner)

    walk(json.loads(capsys.readouterr().out))
    return found


@pytest.mark.parametrize(("kind", "name", "options", "wanted"), RIGHT)
def test_the_right_value(
    capsys: pytest.CaptureFixture[str],
    kind: str,
    name: str,
    options: list[str],
    wanted: list[tuple[str, int, str, float | None]],
) -> None:
    results = results_of(capsys, kind, str(CASES / name), *options)
    for statistic, nth, field, value in wanted:
        found = [result for result in results if result["statistic"] == statistic][nth][field]
        # Values are known to three decimals.
        assert found == (value if value is None else pytest.approx(value, abs=5e-4))


@pytest.mark.parametrize(("kind", "name", "options", "sentence"), REFUSED)
def test_a_refusal_that_says_where_and_what_to_do(
    capsys: pytest.CaptureFixture[str], kind: str, name: str, options: list[str], sentence: str
) -> None:
    assert run(["analyse", kind, str(CASES / name), *options]) == 2
    told = capsys.readouterr()
    assert sentence in told.err
    assert told.out == ""


@pytest.mark.parametrize(("kind", "name", "right", "options"), SAME)
def test_empty_cells_at_the_end_of_every_row_change_nothing(
    capsys: pytest.CaptureFixture[str], kind: str, name: str, right: str, options: list[str]
) -> None:
    found, wanted = (
        results_of(capsys, kind, str(CASES / file), *options) for file in (name, right)
    )
    assert found == wanted


def test_the_group_difference_by_rater_has_welchs_p(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: R's t.test on the raters' means, p .162; over 720 rows it would be .0058."""
    results = results_of(
        capsys, "compare", str(CASES / "compare_pseudoreplication.csv"),
        "--value", "y", "--by", "gender", "--rater", "rater",
    )  # fmt: skip
    (welch,) = (r for r in results if r["statistic"] == "welch_t_difference")
    (student,) = (r for r in results if r["statistic"] == "student_t_difference")
    assert 0.162 in (round(welch["p_value"], 3), round(student["p_value"], 3))


def test_alpha_of_the_textbook_table_has_no_interval_without_width(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("kripp.csv", "onedis.csv"):
        for result in results_of(capsys, "agreement", str(CASES / name), *SCALE):
            assert result["ci_low"] is None or result["ci_low"] < result["ci_high"]
