"""Who rated what, from the command line: said by options, refused when it would have to be guessed."""

from __future__ import annotations

import ast
import csv
import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from study.cli.group import run

EMPATHIC = Path(__file__).parent / "reference" / "empathic-conversations"
Blocks = list[dict[str, Any]]

# Five units by three raters, whose ICC(2,1) and ordinal alpha are .887 and .873 without any further column.
RATED = [(4, 5, 4), (2, 2, 3), (5, 5, 5), (1, 2, 1), (3, 3, 4)]
ICC2, ALPHA = 0.8873239, 0.8731223


def table(file: Path, header: str, ids: list[str], place: int = 0, rows: Any = RATED) -> str:
    """The ratings with a further column of ids at a place."""
    lines = [header]
    for name, ratings in zip(ids, rows, strict=True):
        cells = [str(rating) for rating in ratings]
        cells.insert(place, name)
        lines.append(",".join(cells))
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return str(file)


def blocks_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Blocks:
    assert run(["analyse", *arguments, "--json"]) == 0
    found: Blocks = json.loads(capsys.readouterr().out)["blocks"]
    return found


def first_of(blocks: Blocks) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for result in (result for block in blocks for result in block["results"]):
        found.setdefault(result["statistic"], result["estimate"])
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["analyse", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


IDS = [
    ("item,r1,r2,r3", ["1", "2", "3", "4", "5"], 0, "item"),
    ("nr,r1,r2,r3", ["5", "4", "3", "2", "1"], 0, "nr"),
    ("x,r1,r2,r3", ["0", "1", "2", "3", "4"], 0, "x"),
    ("r1,r2,r3,z", ["11", "12", "13", "14", "15"], 3, "z"),
    ("r1,case,r2,r3", ["203", "17", "88", "1", "5"], 1, "case"),
    ("q,r1,r2,r3", ["203", "17", "88", "1", "5"], 0, "q"),
    ("q,r1,r2,r3", ["7", "7", "8", "8", "9"], 0, "q"),
    ("...1,r1,r2,r3", ["2", "5", "1", "4", "3"], 0, "...1"),
    ("Unnamed: 0,r1,r2,r3", ["2", "5", "1", "4", "3"], 0, "Unnamed: 0"),
    ("k,r1,r2,r3", ["10", "20", "30", "40", "50"], 0, "k"),
    ("dialogue_id,r1,r2,r3", ["2", "2", "1", "1", "3"], 0, "dialogue_id"),
    ("DialogueId,r1,r2,r3", ["d1", "d2", "d3", "d4", "d5"], 0, "DialogueId"),
    ("who,r1,r2,r3", ["anna", "ben", "cem", "dora", "eli"], 0, "who"),
]


@pytest.mark.parametrize(("header", "ids", "place", "column"), IDS)
def test_a_column_that_is_no_rater_is_refused_and_either_option_settles_it(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    header: str,
    ids: list[str],
    place: int,
    column: str,
) -> None:
    """Oracle: ICC(2,1) and ordinal alpha of the three raters alone."""
    file = table(tmp_path / "a.csv", header, ids, place)
    message = refused(capsys, "agreement", file, "--points", "1-5")
    assert f"column {column!r}" in message
    assert f"--unit {shlex.quote(column)}" in message and "--raters r1,r2,r3" in message
    options = [["--raters", "r1,r2,r3"]]
    if len(set(ids)) == len(ids):
        options.append(["--unit", column])
    for option in options:
        found = first_of(blocks_of(capsys, "agreement", file, "--points", "1-5", *option))
        assert found["icc2"] == pytest.approx(ICC2, abs=1e-6)
        assert found["krippendorff_alpha_ordinal"] == pytest.approx(ALPHA, abs=1e-6)


def test_the_row_names_of_r_and_pandas_are_no_rater(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: the same two coefficients; the first column has no name in the header."""
    quoted = '"","r1","r2","r3"'
    for header, ids in (
        (quoted, ['"1"', '"2"', '"3"', '"4"', '"5"']),
        (",r1,r2,r3", list("01234")),
    ):
        file = table(tmp_path / "a.csv", header, ids)
        found = first_of(blocks_of(capsys, "agreement", file, "--points", "1-5"))
        assert found["icc2"] == pytest.approx(ICC2, abs=1e-6)


@pytest.mark.parametrize(
    ("header", "ids"),
    [
        ("person,i1,i2,i3", ["1", "2", "3", "4", "5"]),
        ("rater,i1,i2,i3", ["R1", "R2", "R3", "R4", "R5"]),
        ("k,i1,i2,i3", ["31", "77", "12", "5", "9"]),
        ("participant_id,i1,i2,i3", ["2", "1", "4", "5", "3"]),
    ],
)
def test_a_person_is_no_item_of_the_scale(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, header: str, ids: list[str]
) -> None:
    """Oracle: alpha of the three items alone, .959."""
    file = table(tmp_path / "s.csv", header, ids)
    column = header.split(",")[0]
    message = refused(capsys, "reliability", file, "--points", "1-5")
    assert f"column {column!r}" in message and f"--unit {column}" in message
    for option in (["--unit", column], ["--raters", "i1,i2,i3"]):
        found = first_of(blocks_of(capsys, "reliability", file, "--points", "1-5", *option))
        assert found["cronbach_alpha"] == pytest.approx(0.9594, abs=5e-5)


EMOTIONS = [("joy", "joy"), ("fear", "joy"), ("joy", "joy"), ("fear", "fear")]


@pytest.mark.parametrize(
    ("header", "ids"),
    [
        ("dialogue_id,reference,ann", ["d1", "d2", "d3", "d4"]),
        ("k,reference,ann", ["1", "2", "3", "4"]),
        ("who,reference,ann", ["a", "a", "b", "b"]),
        ("Nr,reference,ann", ["7", "7", "9", "9"]),
    ],
)
def test_a_dialogue_is_no_annotator(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, header: str, ids: list[str]
) -> None:
    """Oracle: ann meets the reference in 3 of 4; only one annotator is left."""
    file = table(tmp_path / "e.csv", header, ids, rows=EMOTIONS)
    column = header.split(",")[0]
    assert f"column {column!r}" in refused(capsys, "emotion", file)
    blocks = blocks_of(capsys, "emotion", file, "--raters", "ann", "--reference", "reference")
    assert [block["title"] for block in blocks] == ["ann against the reference"]
    assert first_of(blocks)["accuracy"] == 0.75
    if len(set(ids)) == len(ids):
        assert first_of(blocks_of(capsys, "emotion", file, "--unit", column))["accuracy"] == 0.75


def test_ratings_that_only_look_a_little_like_ids_are_ratings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Property: different sliders in every row, three in a row, a point of 0: nothing is asked."""
    file = tmp_path / "a.csv"
    for rows, points in (
        ("r1,r2\n40,52\n20,21\n50,55\n10,20\n", "0-100"),
        ("r1,r2\n1,1\n2,3\n3,2\n", "1-5"),
        ("model,human\n3,5\n1,1\n5,4\n2,2\n4,3\n", "1-5"),
        ("code_a,code_b\n1,5\n1,1\n2,2\n", "1-5"),
        ("judge,human\n0,1\n1,1\n2,2\n1,0\n", "0-2"),
    ):
        file.write_text(rows)
        assert blocks_of(capsys, "agreement", str(file), "--points", points)
    file.write_text("r1,r2\n10,20\n30,20\n")
    assert "expected one of the points 1" in refused(
        capsys, "agreement", str(file), "--points", "1-5"
    )


def long_of(file: Path, parts: int = 1) -> str:
    """The ratings as a long table, shuffled, for each part in another order of the units."""
    rows = [
        (f"d{unit}", f"r{rater + 1}", f"part{part}", RATED[unit][rater])
        for part in range(parts)
        for rater in (2, 0, 1)
        for unit in (3, 0, 4, 1, 2)
    ]
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerows([("dialogue", "who", "item", "y"), *rows])
    return str(file)


LONG = ("--unit", "dialogue", "--rater", "who", "--value", "y")


def test_a_long_table_is_the_wide_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Oracle: the coefficients of the wide table; by item, once for each."""
    file = long_of(tmp_path / "l.csv", parts=2)
    scale = ("--points", "1-5")
    blocks = blocks_of(capsys, "agreement", file, *LONG, *scale, "--by", "item")
    for part in ("part0", "part1"):
        found = first_of([block for block in blocks if block["by"] == part])
        assert found["icc2"] == pytest.approx(ICC2, abs=1e-6)
        assert found["krippendorff_alpha_ordinal"] == pytest.approx(ALPHA, abs=1e-6)
    both = blocks_of(capsys, "agreement", file, "--unit", "dialogue,item", *LONG[2:], *scale)
    assert both[0]["units"] == 10
    pair = blocks_of(
        capsys, "agreement", file, *LONG, *scale, "--by", "item", "--raters", "r3,r1", "--pairs"
    )
    named = {(r["details"]["first"], r["details"]["second"]) for b in pair for r in b["results"]}
    assert named == {("r3", "r1")}


def test_a_long_scale_and_long_labels(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Oracle: alpha .959 of the wide table, whichever option names the items; accuracy 3 of 4."""
    file = tmp_path / "l.csv"
    rows = [f"p{p},{i},{RATED[p][i]}" for i in range(3) for p in range(5)]
    file.write_text("\n".join(["person,question,y", *rows, ""]))
    for roles in (
        ["--unit", "person", "--rater", "question"],
        ["--unit", "person", "--by", "question"],
        ["--rater", "person", "--by", "question"],
    ):
        found = blocks_of(
            capsys, "reliability", str(file), *roles, "--value", "y", "--points", "1-5"
        )
        assert first_of(found)["cronbach_alpha"] == pytest.approx(0.9594, abs=5e-5)
    labels = [f"{u},{a},{EMOTIONS[u][i]}" for u in range(4) for i, a in enumerate(("gold", "ann"))]
    file.write_text("\n".join(["dialogue,annotator,label", *labels, ""]))
    roles = ["--unit", "dialogue", "--rater", "annotator", "--value", "label"]
    found = blocks_of(capsys, "emotion", str(file), *roles, "--reference", "gold")
    assert [block["title"] for block in found] == ["ann against gold"]
    assert first_of(found)["accuracy"] == 0.75
    wide = table(file, "item,gold,ann", list("1234"), rows=EMOTIONS)
    found = blocks_of(capsys, "emotion", wide, "--reference", "gold")
    assert "Not annotators, by their names: item" in found[0]["notes"][-1]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ("u,r,y\na,1,3\na,2,3\nb,1,4\na,1,5\n", [], "line 2 and line 5: each has unit 'a' with rater '1'"),
        ("u,r,y\na,1,3\n,2,3\n", [], "line 3, column 'u': the cell is empty"),
        ("u,r,y\na,1,3\n\na,,3\n", [], "line 4, column 'r': the cell is empty"),
        ("u,r,y\na,1,3\na,2,7\n", [], "line 3, column 'y' (2): found 7, expected one of"),
        ("u,r,y\na,1,3\na,2,2.5\n", [], "as the mean of several raters does"),
        ("u,r,y\na,1,3\na,2,x\n", [], "line 3, column 'y': found 'x', expected a number"),
        ("u,r,y\na,1,3\na,2,4\n", ["--raters", "1,3"], "there is no rater '3'"),
        ("u,r,y\na,1,3\na,2,4\n", ["--raters", "1,1"], "'1' is there twice"),
        ("u,r,y\na,1,3\na,2,4\n", ["--by", "v"], "column v not found"),
    ],
)  # fmt: skip
def test_a_long_table_that_contradicts_itself_is_refused_with_its_lines(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    rows: str,
    options: list[str],
    message: str,
) -> None:
    file = tmp_path / "l.csv"
    file.write_text(rows)
    roles = ["--unit", "u", "--rater", "r", "--value", "y", "--points", "1-5"]
    assert message in refused(capsys, "agreement", str(file), *roles, *options)


def test_roles_that_do_not_fit_the_table_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "l.csv"
    scale = ["--points", "1-5"]
    file.write_text("rater,item,rating\na,1,3\nb,1,3\na,2,4\nb,2,4\n")
    assert "--unit COLUMN --rater rater --value rating" in refused(
        capsys, "agreement", str(file), *scale
    )
    message = refused(capsys, "agreement", str(file), *scale, "--rater", "rater")
    assert "--unit and --value is not given" in message
    assert "--by parts a long table" in refused(
        capsys, "agreement", str(file), *scale, "--by", "item"
    )
    file.write_text("d,r1,r2\nx,1,2\ny,2,2\n\nx,3,3\n")
    message = refused(capsys, "agreement", str(file), *scale, "--unit", "d")
    assert "line 2 and line 5: each is the row of unit 'x'" in message
    file.write_text("a,b\njoy,joy\nfear,joy\n")
    assert "take `analyse emotion`" in refused(capsys, "agreement", str(file), *scale)
    assert "No points are given" in refused(capsys, "agreement", str(file), "--unit", "d")


def test_one_command_gives_the_published_kappas_by_dimension(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Oracle: 126 published kappas; by value 93 of them to both decimals, by place all."""
    blocks = blocks_of(
        capsys, "agreement", str(EMPATHIC / "ratings.csv"),
        "--unit", "conversation", "--rater", "rater", "--value", "value", "--by", "dimension",
        "--points", "1-5", "--points", "m_*=1-7", "--points", "level_*=0-2", "--averaged", "--pairs",
    )  # fmt: skip
    assert len(blocks) == 21
    found = {
        (block["by"], frozenset((r["details"]["first"], r["details"]["second"])), r["statistic"]): r
        for block in blocks
        for r in block["results"]
    }
    met: Counter[str] = Counter()
    with (EMPATHIC / "table_kappa.csv").open(newline="") as opened:
        for row in csv.DictReader(opened):
            pair = frozenset(ast.literal_eval(row["Annotator Pair"]))
            for name in ("cohen_kappa_quadratic", "cohen_kappa_quadratic_used_categories"):
                kappa = found[row["Dimension"], pair, name]["estimate"]
                met[name] += f"{kappa:.2f}" == row["Weighted Cohen's Kappa"]
    assert met == {"cohen_kappa_quadratic": 93, "cohen_kappa_quadratic_used_categories": 126}
    assert "weighs by the values" in blocks[0]["notes"][0]


def test_averaged_ratings_are_refused_until_they_are_said_to_be_averages(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Oracle: by value 1 - (4.5 / 4) / (47.5 / 16), as by hand in the test of the statistic."""
    file = tmp_path / "a.csv"
    file.write_text("single,crowd\n1,1\n2.5,3\n3,2.5\n5,3\n")
    message = refused(capsys, "agreement", str(file), "--points", "1-5")
    assert "line 3, column 'single': found 2.5" in message and "--averaged" in message
    for points in ([], ["--points", "1-5"]):
        blocks = blocks_of(capsys, "agreement", str(file), "--averaged", *points)
        assert first_of(blocks)["cohen_kappa_quadratic"] == pytest.approx(
            1 - (4.5 / 4) / (47.5 / 16)
        )
        assert first_of(blocks)["conger_kappa_quadratic"] == pytest.approx(
            first_of(blocks)["cohen_kappa_quadratic"]
        )
        assert "cohen_kappa_quadratic_used_categories" in first_of(blocks)
        assert "gwet_ac2_quadratic" not in first_of(blocks)
    beyond = refused(capsys, "agreement", str(file), "--averaged", "--points", "1-4")
    assert "line 5, column 'single': found 5, expected a number from 1 to 4" in beyond


def test_averaged_items_and_averaged_answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Property: halves change no alpha but scale; frequencies of a mean do not exist."""
    file = tmp_path / "s.csv"
    rows = [",".join(str(x / 2 + 0.5) for x in ratings) for ratings in RATED]
    file.write_text("\n".join(["i1,i2,i3", *rows, ""]))
    assert "--averaged" in refused(capsys, "reliability", str(file), "--points", "1-5")
    found = blocks_of(capsys, "reliability", str(file), "--points", "1-5", "--averaged")
    assert first_of(found)["cronbach_alpha"] == pytest.approx(0.9594, abs=5e-5)
    assert "omega_ordinal" not in first_of(found)
    message = refused(capsys, "frequencies", str(file), "--value", "i1", "--points", "1-5")
    assert "found 2.5" in message and "A mean has no frequency" in message
    file.write_text("r,m,p,y\n1,a,t,4\n1,b,t,2.5\n2,a,t,3\n2,b,t,2\n")
    roles = ["--value", "y", "--effect", "m", "--rater", "r", "--prompt", "p", "--points", "1-5"]
    message = refused(capsys, "mixed", str(file), *roles)
    assert (
        "line 3, column 'y': found 2.5" in message and "Model the ratings of the single" in message
    )


def test_shuffled_row_numbers_on_a_long_scale_are_no_ratings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Property: 1 to 7 once each, on 0 to 100."""
    file = tmp_path / "a.csv"
    rows = zip(
        (4, 1, 7, 2, 6, 3, 5),
        (40, 20, 50, 10, 30, 80, 90),
        (52, 21, 55, 20, 33, 70, 95),
        strict=True,
    )
    file.write_text("\n".join(["q,r1,r2", *(",".join(map(str, row)) for row in rows), ""]))
    message = refused(capsys, "agreement", str(file), "--points", "0-100")
    assert "column 'q': it numbers the rows" in message


@pytest.mark.parametrize(
    ("kind", "header", "column"),
    [
        ("agreement", "r1,r2,mean", "mean"),
        ("agreement", "r1,r2,experts_median", "experts_median"),
        ("reliability", "i1,i2,Total", "Total"),
        ("reliability", "sumScore,i1,i2", "sumScore"),
    ],
)
def test_what_raters_or_items_came_to_is_none_of_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str, header: str, column: str
) -> None:
    file = tmp_path / "m.csv"
    file.write_text(f"{header}\n4,5,4\n2,2,2\n5,5,5\n1,2,2\n3,3,3\n")
    message = refused(capsys, kind, str(file), "--points", "1-5")
    assert f"column {column!r}: its name is that of what several" in message
    assert "Give --averaged" in message and "--unit" not in message
    assert blocks_of(capsys, kind, str(file), "--points", "1-5", "--averaged")
    others = ",".join(name for name in header.split(",") if name != column)
    assert blocks_of(capsys, kind, str(file), "--points", "1-5", "--raters", others)


def test_a_crowd_is_not_shown_pair_by_pair(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Property: 25 annotators agree all together; of 300 pairs the reason is told, with what to do."""
    file = tmp_path / "c.csv"
    rows = [f"u{u},a{a},{'AB'[(u * a) % 3 == 1]}" for u in range(4) for a in range(25)]
    file.write_text("\n".join(["unit,who,verdict", *rows, ""]))
    roles = ["--unit", "unit", "--rater", "who"]
    blocks = blocks_of(capsys, "emotion", str(file), *roles, "--value", "verdict")
    assert [block["title"] for block in blocks] == [
        "Annotator against annotator", "Agreement between annotators"
    ]  # fmt: skip
    assert "--raters" in blocks[0]["undefined_because"]
    assert "cohen_kappa" not in first_of(blocks) and "fleiss_kappa" in first_of(blocks)
    some = blocks_of(
        capsys, "emotion", str(file), *roles, "--value", "verdict", "--raters", "a1,a2,a4"
    )
    assert len(some) == 4
    file.write_text(
        "\n".join(
            ["unit,who,verdict", *(f"u{i // 25},a{i % 25},{i % 5 + 1}" for i in range(100)), ""]
        )
    )
    blocks = blocks_of(
        capsys, "agreement", str(file), *roles, "--value", "verdict", "--points", "1-5", "--pairs"
    )
    assert "25 raters make 300 pairs" in blocks[0]["undefined_because"]


@pytest.mark.parametrize(
    ("written", "points"),
    [("1-5", [1, 2, 3, 4, 5]), ("-2-2", [-2, -1, 0, 1, 2]), ("-3--1", [-3, -2, -1]), ("0,.5,1", [0, 0.5, 1])],
)  # fmt: skip
def test_points_may_lie_below_zero(written: str, points: list[float]) -> None:
    from analysis.tables.reading import parse_points

    assert parse_points(written) == points


def test_a_label_that_was_not_named_is_told_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "l.csv"
    file.write_text("u,a,l\n1,x,joy\n1,y,fear\n\n2,x,Joy\n2,y,joy\n")
    roles = ["--unit", "u", "--rater", "a", "--value", "l", "--labels", "joy,fear"]
    message = refused(capsys, "emotion", str(file), *roles)
    assert "line 5, column 'l': the label 'Joy' is not one of those named" in message
