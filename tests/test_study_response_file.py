"""Response files: every faulty row is told by number, and nothing of a faulty file is taken."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from study.errors import ImportFileError
from study.protocol import parse_protocol
from study.response_file import ImportedResponse, read_response_file
from tests.fixtures_study import SMALL

PROTOCOL = parse_protocol(SMALL, "small.yaml")


def read(tmp_path: Path, content: str | bytes, name: str = "r.csv") -> list[ImportedResponse]:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_response_file(file, PROTOCOL)


def refused(tmp_path: Path, content: str | bytes, name: str = "r.csv") -> str:
    with pytest.raises(ImportFileError) as caught:
        read(tmp_path, content, name)
    return str(caught.value)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, mark: str, newline: str) -> None:
    """With or without a byte order mark, either line end, commas and line breaks within quotes.

    The second row begins in line 4 of the file, as an editor counts.
    """
    lines = [
        "prompt,system,text,model",
        'p-work,quokka,"Well, yes.',
        'Go on.",m1',
        "p-sleep,quokka,Hm,m1",
    ]
    rows = read(tmp_path, mark + newline.join(lines) + newline)
    assert [(r.line, r.prompt_id, r.system_id, r.text) for r in rows] == [
        (2, "p-work", "quokka", "Well, yes.\nGo on."),
        (4, "p-sleep", "quokka", "Hm"),
    ]
    prompt = hashlib.sha256(b"I worry about work.").hexdigest()
    assert rows[0].provenance == {"model": "m1", "prompt_sha256": prompt}


def test_json_lines(tmp_path: Path) -> None:
    """An unescaped U+2028 is allowed in JSON and does not end the line."""
    row = {"prompt": "p-work", "system": "quokka", "text": "One\u2028two", "seed": 4}
    rows = read(tmp_path, "\n" + json.dumps(row, ensure_ascii=False) + "\n\n", "r.jsonl")
    assert [(r.line, r.text, r.provenance["seed"]) for r in rows] == [(2, "One\u2028two", 4)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p-work,quokka,", "line 2: the text is empty"),
        ("p-work,quokka,   ", "line 2: the text is empty"),
        ("p-work,quokka", "line 2: found 2 cells separated by commas, expected 3"),
        ("p-none,quokka,x", "line 2: there is no prompt 'p-none' in the protocol; declared: p-sleep, p-work"),
        ("p-work,emu,x", "line 2: there is no system 'emu'"),
        ("p-work,quokka,Hello, you", "line 2: found 4 cells separated by commas, expected 3"),
        ("p-work,quokka,x\np-work,quokka,y", "line 3: system 'quokka' already answers prompt"),
        ("p-work,quokka,a\x00b", "NUL"),
        ('p-work,quokka,"never closed', "not valid CSV"),
        ('p-work,quokka,"a"b', "not valid CSV"),
    ],
)  # fmt: skip
def test_a_faulty_row(tmp_path: Path, row: str, said: str) -> None:
    assert said in refused(tmp_path, f"prompt,system,text\n{row}\n")


def test_all_faulty_rows_are_told(tmp_path: Path) -> None:
    said = refused(
        tmp_path, "prompt,system,text\np-work,emu,x\np-work,quokka,fine\np-sleep,quokka,\n"
    )
    assert said.splitlines()[0] == "r.csv was not imported; nothing was changed:"
    assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty, expected a table"),
        (
            "prompt;system;words\np-work;quokka;x\n",
            "(separated by semicolons) has no column 'text'",
        ),
        ("prompt,system\np-work,quokka\n", "has no column 'text'"),
        ("prompt,system,text,text\na,b,c,d\n", "line 1: two columns are called 'text'"),
        ('"prompt,system,text\n', "not valid CSV"),
        (b"prompt,system,text\np-work,quokka,caf\xe9\n", "is not UTF-8 text"),
    ],
)
def test_a_faulty_file(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1: not valid JSON"),
        ("7", "line 1: found int, expected an object"),
        ("[1, 2]", "holds a JSON list; expected JSON Lines"),
        ('{"prompt": "p-work", "system": "quokka"}', "line 1: the text is empty"),
        ('{"prompt": "p-work", "system": "quokka", "text": ["x"]}', "text is ['x'], expected text"),
        ('{"prompt": "p-work", "system": "quokka", "text": 0}', "text is 0, expected text"),
        ('{"text":' * 100_000, "nested too deep"),
    ],
)
def test_a_faulty_line_of_json(tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(tmp_path, content, "r.jsonl")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="There is no file"):
        read_response_file(tmp_path / "none.csv", PROTOCOL)
    with pytest.raises(ImportFileError, match="cannot be read"):
        read_response_file(tmp_path, PROTOCOL)


@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_other_separators_and_encodings(tmp_path: Path, mark: str, codec: str) -> None:
    """Oracle: the text, which holds a comma outside quotes; blank lines and trailing separators."""
    rows = [
        ["prompt", "system", "text", ""],
        [],
        ["p-work", "quokka", "Well, yes.", ""],
        ["", "", "", ""],
    ]
    content = "\r\n".join(mark.join(row) for row in rows).encode(codec)
    assert [(r.line, r.text) for r in read(tmp_path, content)] == [(3, "Well, yes.")]


@pytest.mark.parametrize("word", ["NA", "None", "null", "N/A"])
def test_a_reply_of_one_word_is_a_reply(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"prompt,system,text\np-work,quokka,{word}\n")[0].text == word


def test_a_workbook_and_its_sheets(tmp_path: Path) -> None:
    """Oracle: the cells; lines are the sheet's rows."""
    from openpyxl import Workbook

    book = Workbook()
    for row in (["prompt", "system", "text", "seed"], [None], ["p-work", "quokka", "Hm, yes", 7]):
        book.active.append(row)
    book.create_sheet("Notes").append(["by Anna"])
    file = tmp_path / "r.xlsx"
    book.save(file)
    with pytest.raises(ImportFileError, match="several sheets with content: Sheet, Notes"):
        read_response_file(file, PROTOCOL)
    (row,) = read_response_file(file, PROTOCOL, "Sheet")
    assert (row.line, row.text, row.provenance["seed"]) == (3, "Hm, yes", "7")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            'prompt,system,text\np-work,quokka,He said "hi" ok\np-sleep,quokka,"Ok"x\n',
            "r.csv, line 3: the",
        ),
        ("prompt,system,text\n\n\np-work,emu,x\n", "  line 4: there is no system"),
        (
            'prompt,system,text\np-work,quokka,"a\nb"\np-work,emu,x\n',
            "  line 4: there is no system",
        ),
    ],
)
def test_a_fault_is_told_with_the_files_own_line(tmp_path: Path, content: str, said: str) -> None:
    """Oracle: the line that an editor shows."""
    assert said in refused(tmp_path, content)
