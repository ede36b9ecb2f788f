"""`evenhand audit`: the papers' tables, tables drawn at random, and forms that published tables have.

Oracles: what a careful reader found by hand in the papers' tables (named at each), the published kappas
with the authors' own ratings, and simulated answers whose figures numpy and scipy computed.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.audit.audit import Audit, audit_files, audit_tables
from analysis.audit.printed import Rounding, numbers_in, printed
from analysis.audit.sheet import Told
from study.cli.group import run
from tests.simulated_published import FORMS, planted

PAPERS = Path(__file__).parent / "reference" / "papers"
KAPPAS = Path(__file__).parent / "reference" / "empathic-conversations"


def audited(folder: Path, text: str, told: Told | None = None) -> Audit:
    """The audit of a table written here."""
    file = folder / "t.csv"
    file.write_text(text, encoding="utf-8")
    return audit_files([file], told)


def cells(found: Audit) -> list[tuple[int, str, str, str]]:
    """Line, column, printed and recomputed of every wrong cell."""
    return [
        (c.place.line, c.place.column, c.printed, c.recomputed)
        for f in found.findings
        for c in f.cells
    ]


def test_the_papers_tables_have_the_findings_of_a_careful_reader_and_no_others() -> None:
    """By hand: 83 / 360 = 23.06 %; 360 - 199 = 161; (11 + 15 + 136) / 360 = 45 %; 11266 / 36 = 312.94."""
    found = audit_files(sorted(PAPERS.glob("*.csv")))
    assert cells(found) == [
        (3, "mean_total", "285.47", "312.94"),
        (8, "percent", "23.89", "23.06"),
        (8, "cumulative_percent", "34.44", "33.61"),
        (22, "frequency", "92", "161"),
        (22, "percent", "25.56", "44.72"),
        (25, "cumulative_percent", "44.44", "45.00"),
        (26, "cumulative_percent", "80.0", "80.56"),
    ]
    assert len(found.findings) == 4
    assert "(with option 5 of Overall comfort as 161: 322.53)" in found.findings[0].why
    tests = [note for note in found.notes if "Student" in note]
    assert "p 0.333 is Student's (0.3325); Welch's is 0.3700" in tests[0]
    assert "p 0.053 is Student's (0.0526); Welch's is 0.1022" in tests[1]


@pytest.mark.parametrize(
    "name",
    [
        "eai_groups_tables5_7",
        "eai_table1_rouge",
        "eai_table2_totals",
        "nile_table2_judge_top_two_percent",
    ],
)
def test_the_papers_other_tables_are_consistent_by_themselves(name: str) -> None:
    assert audit_files([PAPERS / f"{name}.csv"]).findings == ()


def test_published_kappas_by_places_are_told_from_those_by_value() -> None:
    """The authors' ratings: 93 of 126 kappas come out by value, the other 33 by places only."""
    found = audit_files([KAPPAS / "table_kappa.csv", KAPPAS / "ratings.csv"])
    assert len(found.findings) == 33
    assert {(f.rule, f.sure) for f in found.findings} == {("kappa", "certain")}


def _simulated(number: int, seed: int) -> tuple[int, int, list[str]]:
    """Found and misplaced errors among ``number`` tables with one, and what was found in consistent ones."""
    found, misplaced, false = 0, 0, []
    for k in range(number):
        rng = np.random.default_rng([seed, k])
        made = FORMS[k % len(FORMS)](rng)
        false += [made.csv() for _ in audit_tables([made.table()]).findings]
        wrong, row, column = planted(rng, made)
        findings = audit_tables([wrong.table()]).findings
        places = {(c.place.line, c.place.column) for f in findings for c in (*f.cells, *f.suspects)}
        found += bool(findings)
        misplaced += bool(findings) and (row + 2, made.columns[column]) not in places
    return found, misplaced, false


def test_some_random_tables() -> None:
    assert _simulated(30, 1) == (30, 0, [])


@pytest.mark.slow
def test_a_thousand_consistent_tables_have_no_finding_and_of_a_thousand_errors_99_in_100_are_placed() -> (
    None
):
    found, misplaced, false = _simulated(1000, 7)
    assert false == []
    assert found - misplaced >= 990


def test_a_number_is_all_that_is_rounded_to_it() -> None:
    """By hand; half up and half even are both in the range, cut off goes towards zero."""
    assert printed("0.5").fits(Fraction(45, 100)) and printed("0.5").fits(Fraction(55, 100))
    assert not printed("0.5").fits(Fraction(551, 1000))
    assert printed("-1.2").fits(Fraction(-129, 100), Rounding.TRUNCATED)
    assert not printed("-1.2").fits(Fraction(-119, 100), Rounding.TRUNCATED)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3,52 (0,81)*", [3.52, 0.81]),
        ("1,234", [1234]),
        ("12/36 (33.3%)", [12, 36, 33.3]),
        ("3.45²", [3.45]),
        ("3·45", [3.45]),
        ("−.12", [-0.12]),
        ("1.2 × 10−5", [1.2e-5]),
        ("—", []),
        ("3.52a", [3.52]),
    ],
)
def test_cells_as_they_are_printed(text: str, values: list[float]) -> None:
    assert [float(one.value) for one in numbers_in(text)] == pytest.approx(values)


# Consistent tables in the forms that papers have; oracle: computed by hand or by scipy, as printed there.
CONSISTENT = {
    "decimal commas, German names": (
        "Item;Antwort;Häufigkeit;Prozent;Kumulierte Prozente\nA;1;3;8,3;8,3\nA;2;6;16,7;25,0\n"
        "A;3;27;75,0;100,0\n"
    ),
    "groups side by side": (
        "Outcome,STEM (n = 26) M (SD),Non-STEM (n = 10) M (SD),t,p\n"
        "Phi-4 total,292.04 (62.15),268.40 (71.04),0.98,.333\n"
        "EAI total,327.00 (39.95),294.10 (53.74),2.01*,.053\n"
    ),
    "ns and below": (
        "measure,group,n,mean,sd,p\nTrust,male,20,3.55,0.83,ns\nTrust,female,18,3.61,0.92,ns\n"
        "Ease,male,20,4.55,0.51,<.001\nEase,female,18,3.11,0.83,<.001\n"
    ),
    "footnotes and ages": (
        "Characteristic,Category,n (%)\nGender,Female,20 (55.6%)a\nGender,Male,16 (44.4%)\n"
        "Age,18–24,30 (83.3)\nAge,25–34,6 (16.7)†\n"
    ),
    "several answers a person": "Symptom,n,%\nAnxiety,20,55.6\nLow mood,18,50.0\nSleep,9,25.0\n",
    "percentages alone": (
        "Item,Strongly disagree,Disagree,Neutral,Agree,Strongly agree\nClear,2.8%,5.6%,16.7%,44.4%,30.6%\n"
        "Kind,0%,8.3%,25.0%,41.7%,25.0%\n"
    ),
    "cut off": (
        "item,value,frequency,percent\na,1,7,19.4\na,2,11,30.5\na,3,18,50\nb,1,5,13.8\nb,2,12,33.3\n"
        "b,3,19,52.7\n"
    ),
    "medians": "Item,N,Median,IQR\nClarity,36,4,3-5\nWarmth,36,4.5,4–5\n",
    "the same people twice": (
        "item,system,n,mean,sd,p\nEmpathy,EAI,36,4.21,0.61,<.001\nEmpathy,Phi-4,36,3.60,0.92,<.001\n"
    ),
    "item names once, totals below": (
        "Item,Response,n,%\nClarity,Agree,12,33.3\n,Neutral,24,66.7\n,Total,36,100.0\nDepth,Agree,10,27.8\n"
        ",Neutral,26,72.2\n,Total,36,100\n"
    ),
    "missing answers": (
        "Status,Value,Frequency,Percent,Valid Percent,Cumulative Percent\nValid,1,10,8.3,9.1,9.1\n"
        "Valid,2,30,25.0,27.3,36.4\nValid,3,70,58.3,63.6,100.0\n"
    ),
    "measures that are no answers": (
        "Model,ROUGE-1,ROUGE-2,BLEU,Overall\nA,0.28,0.11,0.04,0.5\nB,0.21,0.05,0.02,0.4\n"
    ),
    "a sum alone": "Item,Response,n,%\nA,Agree,9,25.0\nA,Neutral,27,75.0\nB,Total,36,100\n",
    "empty": "a,b\nx,y\n",
}


@pytest.mark.parametrize("name", CONSISTENT)
def test_forms_of_papers_in_which_nothing_is_wrong(name: str, tmp_path: Path) -> None:
    assert cells(audited(tmp_path, CONSISTENT[name])) == []


# One error each, worked out by hand.
WRONG = {
    "p of two groups": (
        "outcome,n1,M1,SD1,n2,M2,SD2,t(34),p\nPhi-4 total,26,292.04,62.15,10,268.40,71.04,0.98,.033\n",
        (2, "p", ".033", "0.333 or 0.370"),
    ),
    "t of two groups": (
        "outcome,n1,M1,SD1,n2,M2,SD2,t(34),p\nEAI total,26,327.00,39.95,10,294.10,53.74,2.81*,.053\n",
        (2, "t(34)", "2.81", "2.01"),
    ),
    # 18 whole answers: 62 / 18 = 3.44, 63 / 18 = 3.50.
    "GRIM": ("scale,items,n,mean\nTrust,1,18,3.47\n", (2, "mean", "3.47", "3.44 or 3.50")),
    # A mean of 3.5 with 20 people has ten 3s and ten 4s at least: sqrt(5 / 19) = .51.
    "GRIMMER": ("scale,items,n,mean,sd\nTrust,1,20,3.50,0.10\n", (2, "sd", "0.10", "0.51")),
    "no count": (
        "item,n,percent\nTrust,36,48.0\nEase,36,50.0\n",
        (2, "percent", "48.0", "47.2 or 50.0"),
    ),
    # (20 x 3.5 + 10 x 4.1) / 30 = 3.70
    "whole": (
        "group,n,mean,sd\nmale,20,3.50,0.8\nfemale,10,4.10,0.7\nTotal,30,3.90,0.8\n",
        (4, "mean", "3.90", "3.70"),
    ),
    # 76 / 360 = 21.1 %
    "systems side by side": (
        "Rating,EAI n (%),Phi-4 n (%)\n1,2 (0.6),12 (3.3)\n2,10 (2.8),74 (20.6)\n3,60 (16.7),110 (30.6)\n"
        "4,108 (30.0),88 (24.4)\n5,180 (50.0),76 (25.1)\n",
        (6, "Phi-4 n (%)", "25.1", "21.1"),
    ),
    "average": (
        "system,a,b,c,average\nA,4.0,5.0,3.0,4.0\nB,4.0,2.0,3.0,3.5\n",
        (3, "average", "3.5", "3.0"),
    ),
    # (3 x 1 + 6 x 2 + 27 x 3) / 36 = 2.67
    "mean": (
        "item,1,2,3,Mean\nTrust,3,6,27,2.27\n",
        (2, "Mean", "2.27", "2.67"),
    ),
    "top two": (
        "item,value,frequency,top two percent\na,1,2,80.0\na,2,8,80.0\na,3,20,80.0\n"
        "a,4,30,80.0\na,5,40,80.0\n",
        (2, "top two percent", "80.0", "70.0"),
    ),
    "order": (
        "item,value,frequency\na,1,2\na,3,20\na,2,8\na,4,30\na,5,41\n",
        (3, "value", "3", ""),
    ),
    # Counts 10 2 0 / 3 12 3 / 1 4 15: unweighted .61, linear .67, quadratic .74.
    "kappa of counts": (
        "rater,1,2,3,kappa\n1,10,2,0,.53\n2,3,12,3,\n3,1,4,15,\n",
        (2, "kappa", ".53", "0.74"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_error_is_found_and_placed(name: str, tmp_path: Path) -> None:
    text, where = WRONG[name]
    assert where in cells(audited(tmp_path, text))


def test_two_splits_of_the_same_people_have_one_sum_of_squares(tmp_path: Path) -> None:
    """By hand: the STEM split of table 5, and one by gender with half the spread."""
    text = (
        "table,outcome,group,n,mean,sd\n5,Phi-4 total,STEM,26,292.04,62.15\n"
        "5,Phi-4 total,Non-STEM,10,268.40,71.04\n"
        "4,Phi-4 total,male,18,288.89,30.10\n4,Phi-4 total,female,18,282.06,32.00\n"
    )
    found = audited(tmp_path, text)
    assert [f.rule for f in found.findings] == ["sums-of-squares"]
    assert {c.place.line for c in found.findings[0].cells} == {4, 5}


def test_the_command_says_by_its_exit_code_what_it_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "findings.html"
    three = str(PAPERS / "eai_table3_phi4.csv")
    assert run(["audit", three, "-o", str(page)]) == 1
    told = capsys.readouterr()
    assert "23.06" in told.out and "3 findings." in told.err
    assert "<h2>1. Phi-4, Professionalism of response" in page.read_text(encoding="utf-8")
    assert run(["audit", three, "--format", "json"]) == 1
    read = json.loads(capsys.readouterr().out)
    assert read["findings"][0]["line"] == 8 and read["findings"][0]["column"] == "percent"
    assert run(["audit", str(PAPERS / "eai_table2_totals.csv")]) == 0
    assert run(["audit", str(tmp_path / "none.csv")]) == 2
    assert run(["audit", three, "--scale", "five"]) == 2
    assert "expected its two ends" in capsys.readouterr().err


def test_the_layout_of_the_paper_comes_out_of_counts_and_of_ratings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Oracles: 239 / 360 = 66.39 % as printed; totals by numpy of the same file, p by scipy."""
    assert run(["analyse", "eai", str(PAPERS / "eai_table3_phi4.csv"), "--json"]) == 0
    (block,) = json.loads(capsys.readouterr().out)["blocks"]
    rows = {(row["item"], row["value"]): row for row in block["frequencies"]}
    assert rows["Professionalism of response", 5]["percent"] == pytest.approx(100 * 239 / 360)
    long = Path(__file__).parent / "reference" / "stats" / "long.csv"
    assert run(["analyse", "eai", str(long), "--group", "major", "--json"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    frame = pd.read_csv(long)
    totals = frame.groupby(["model", "rater", "major"])["y"].sum()
    mean = blocks[2]["rows"][0]
    assert mean["system"] == "Phi4" and mean["mean_total"] == pytest.approx(totals["Phi4"].mean())
    by_major = totals["Phi4"].reset_index()
    one, two = (by_major[by_major["major"] == m]["y"] for m in ("STEM", "non"))
    assert blocks[3]["rows"][0]["p_student"] == pytest.approx(stats.ttest_ind(one, two).pvalue)
    welch = stats.ttest_ind(one, two, equal_var=False).pvalue
    assert blocks[3]["rows"][0]["p_welch"] == pytest.approx(welch)


def test_a_page_shows_what_a_table_holds_as_text(tmp_path: Path) -> None:
    found = audited(tmp_path, "item,n,percent\n<b>x</b>,36,48.0\ny,36,50.0\n")
    from analysis.audit.page import audit_page

    assert "&lt;b&gt;x" in audit_page(found) and "<b>x" not in audit_page(found)
