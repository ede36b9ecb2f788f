"""Exports whatever the protocol calls its items and questions, and whatever raters type.

The names of 07-sav-item-ids and 08-reserved-words in outsiders' protocols, and their siblings. The
oracle of each file is the CSV of the same study, whose columns no id can take.
"""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study import participation
from study.cli.group import run
from study.report_view.csv_text import csv_text, neutralised
from study.report_view.variable_names import KEY_COLUMNS, variable_names
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.study import Study, create_study, opened
from tests.fixtures_study import SMALL, answer_everything, as_answers, ready_rater

_ITEMS = re.compile(r"    items:\n(      - .*\n)+")
KEYS = ["system", "topic", "prompt", "group", "rater", "seconds", "position", "simulated", "shown"]
# Ids of items that go together -> what their columns are called in both programs.
NAMES = {
    **{key: {key: f"item_{key}"} for key in KEYS},
    "reason_beside": {"empathy": "empathy", "empathy-missing": "empathy_missing"},
    "stata": {"if": "item_if", "long": "item_long", "float": "item_float", "str12": "item_str12"},
    "stata_too": {"in": "item_in", "using": "item_using", "int": "item_int", "byte": "item_byte"},
    "spss": {"all": "item_all", "with": "item_with", "by": "item_by", "not": "item_not"},
    "one_name": {"a-b": "a_b_2", "a_b": "a_b"},
    "about_raters": {"status": "item_status", "language": "item_language"},
    "same_but_for_the_prefix": {"item-system": "item_system", "system": "item_system_2"},
}


def study_of(folder: Path, items: list[str], questions: str = "") -> Study:
    asked = "".join(f"      - {{id: {i}, label: L, text: How is it?}}\n" for i in items)
    body = _ITEMS.sub(f"    items:\n{asked}", SMALL)
    body = re.sub(r"(?m)^demographics:\n(  .*\n)+", questions, body) if questions else body
    source = folder / "named.yaml"
    source.write_text(body, encoding="utf-8")
    study = create_study(folder / "study", source)
    answer_everything(study)
    lock_study(study)
    return study


def exported(folder: Path, *words: str) -> str:
    file = folder / f"out.{words[-1] if words and words[-1] in ('sav', 'dta') else 'csv'}"
    assert run(["export", "--study", str(folder / "study"), *words, "-o", str(file)]) == 0
    return str(file)


def read(file: str) -> tuple[pd.DataFrame, Any]:
    reader = pyreadstat.read_sav if file.endswith(".sav") else pyreadstat.read_dta
    frame, meta = reader(file)
    return frame, meta


@pytest.mark.parametrize("kind", ["sav", "dta"])
@pytest.mark.parametrize("case", NAMES)
def test_no_item_takes_the_place_of_a_key_column(
    case: str, kind: str, memory_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the CSV of the same study; names by the manuals of Stata and SPSS."""
    names = NAMES[case]
    study_of(memory_folder, list(names)).close()
    where = ["--study", str(memory_folder / "study")]
    assert run(["rehearse", *where, "-n", "3", "--seed", "2"]) == 0
    frame, meta = read(exported(memory_folder, "--format", kind))
    table = pd.read_csv(exported(memory_folder), keep_default_na=False)
    said = capsys.readouterr().out
    for identity, column in names.items():
        own = table[table["item"] == identity].reset_index(drop=True)
        assert frame[column].tolist() == own["value"].astype(float).tolist()
        assert meta.column_names_to_labels[column] == "How is it?"
        for key in ("rater", "group", "system", "topic", "prompt"):
            assert frame[key].tolist() == own[key].tolist()
        assert frame["position"].tolist() == own["position"].tolist()
        assert frame["seconds"].tolist() == pytest.approx(own["seconds"].tolist())
        if identity.replace("-", "_") != column:
            assert f"{identity} is {column}" in said
    book = pd.read_csv(exported(memory_folder, "--what", "codebook"), keep_default_na=False)
    told = dict(zip(book["variable"], book["column_in_sav_dta"], strict=True))
    assert {identity: told[identity] for identity in names} == names


QUESTIONS = """\
demographics:
  - id: if
    question: Whether?
    kind: choice
    options: [{value: "yes", label: Yes}, {value: "no", label: No}]
  - {id: with, question: With how many?, kind: integer, minimum: 0, maximum: 99, required: false}
  - {id: clear-missing, question: Missed?, kind: integer, minimum: 0, maximum: 9}
"""


@pytest.mark.parametrize("kind", ["sav", "dta"])
def test_what_raters_said_of_themselves_is_in_both_files(kind: str, memory_folder: Path) -> None:
    """Oracle: the answers given here; a question left open is empty and not a number."""
    study = study_of(memory_folder, ["clear", "kind"], QUESTIONS)
    (enrolled,) = enrol(study, "student", 1)
    participation.consent(study, enrolled.rater)
    participation.save_demographics(study, enrolled.rater, {"if": "no", "clear-missing": 4})
    study.close()
    ratings, meta = read(exported(memory_folder, "--format", kind))
    raters, _ = read(exported(memory_folder, "--what", "raters", "--format", kind))
    for frame in (ratings, raters):
        assert set(frame["about_if"]) == {"no"}
        assert frame["about_with"].isna().all()
        assert set(frame["clear_missing"]) == {4}
    assert set(ratings["clear_missing_2"]) == {"not reached"}
    assert meta.column_names_to_labels["about_if"] == "Whether?"
    assert (len(ratings), len(raters)) == (4, 1)


IDENTIFIERS = st.from_regex(r"[a-z][a-z0-9_-]{0,45}", fullmatch=True)


@settings(max_examples=300, deadline=None)
@given(st.lists(IDENTIFIERS, min_size=1, max_size=8, unique=True), st.integers(0, 4))
def test_every_set_of_ids_has_names_that_both_programs_take(ids: list[str], asked: int) -> None:
    """Oracle: the rules of both manuals, written here once more as one pattern and two lists."""
    items, questions = ids[asked:], ids[:asked]
    names = variable_names(items, questions)
    every = [*names.items.values(), *names.reasons.values(), *names.questions.values()]
    lower = [name.lower() for name in every]
    assert len(set(lower)) == len(every) == 2 * len(items) + len(questions)
    assert not set(lower) & set(KEY_COLUMNS)
    reserved = (
        "if in with using byte int long float double strl all and or not by to eq ne lt le gt ge"
    )
    assert not set(lower) & set(reserved.split())
    for name in every:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,31}", name)
        assert not re.fullmatch(r"str\d+", name)


TYPED = ["=1+1", "+49 30", "-5, because", "@everybody", "\t=2", "'=quoted", "I'm = fine", "", "ok"]


def test_what_people_type_starts_no_formula_and_comes_back(memory_folder: Path) -> None:
    """Oracle: the texts given here; taking one apostrophe away gives them back."""
    rows: list[dict[str, Any]] = [{"n": -1.5, "text": text, "code": "=x"} for text in TYPED]
    plain = list(csv.DictReader(io.StringIO(csv_text(rows, free_text={"text"}))))
    assert [row["n"] for row in plain] == ["-1.5"] * len(TYPED)
    assert {row["code"] for row in plain} == {"=x"}
    for row, text in zip(plain, TYPED, strict=True):
        assert row["text"][:1] not in tuple("=+-@\t\r")
        assert (row["text"].removeprefix("'") if row["text"] != text else text) == text
        assert (row["text"] != text) == bool(re.match(r"'*[=+\-@\t]", text))
    excel = csv_text(rows, free_text={"text"}, for_excel=True)
    assert excel.startswith("\ufeffn,text,code\n")
    assert "'=x" in excel


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12))
def test_neutralising_can_be_undone(text: str) -> None:
    """Oracle: the rule of the codebook, read backwards."""
    cell = neutralised(text)
    assert not re.match(r"[=+\-@\t\r\n]", cell)
    back = cell[1:] if re.match(r"'+[=+\-@\t\r\n＝＋－＠]", cell) else cell
    assert back == text


def test_the_export_of_remarks(memory_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A remark is neutralised in CSV, as it was typed in JSON Lines, and the codebook says so."""
    body = SMALL.replace(
        "      - {id: kind, label: Kind, text: How kind is it?}\n",
        "      - {id: kind, label: Kind, kind: text, text: Say more, optional: true}\n",
    )
    source = memory_folder / "remarks.yaml"
    source.write_text(body, encoding="utf-8")
    study = create_study(memory_folder / "study", source)
    answer_everything(study)
    lock_study(study)
    enrolled = ready_rater(study)
    place = participation.find_place(study, enrolled.token)
    assert place.rater is not None and place.assignment is not None
    given_answers = as_answers({"clear": 3, "useful": 4, "kind": "=1+1"})
    participation.submit(study, place.rater, place.assignment.id, given_answers)
    study.close()
    table = pd.read_csv(exported(memory_folder), keep_default_na=False)
    assert "'=1+1" in set(table["text"])
    capsys.readouterr()
    assert run(["export", "--study", str(memory_folder / "study"), "--format", "jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "=1+1" in {line["text"] for line in lines}
    assert run(["export", "--study", str(memory_folder / "study"), "--what", "codebook"]) == 0
    assert "has an apostrophe in front" in capsys.readouterr().out
    file = Path(exported(memory_folder, "--for-excel"))
    assert file.read_bytes().startswith(b"\xef\xbb\xbfrater,")
    words = ["export", "--study", str(memory_folder / "study"), "--for-excel", "--format", "jsonl"]
    assert run(words) == 2
    assert "--for-excel is for CSV" in capsys.readouterr().err
    with opened(memory_folder / "study") as again:
        assert again.protocol.id == "small"
