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
    """With or without a byte order mark, either line end, commas and line breaks within quotes."""
    lines = [
        "prompt,system,text,model",
        'p-work,quokka,"Well, yes.',
        'Go on.",m1',
        "p-sleep,quokka,Hm,m1",
    ]
    rows = read(tmp_path, mark + newline.join(lines) + newline)
    assert [(r.number, r.prompt_id, r.system_id, r.text) for r in rows] == [
        (2, "p-work", "quokka", "Well, yes.\nGo on."),
        (3, "p-sleep", "quokka", "Hm"),
    ]
    prompt = hashlib.sha256(b"I worry about work.").hexdigest()
    assert rows[0].provenance == {"model": "m1", "prompt_sha256": prompt}


def test_json_lines(tmp_path: Path) -> None:
    """An unescaped U+2028 is allowed in JSON and does not end the line."""
    row = {"prompt": "p-work", "system": "quokka", "text": "One\u2028two", "seed": 4}
    rows = read(tmp_path, "\n" + json.dumps(row, ensure_ascii=False) + "\n\n", "r.jsonl")
    assert [(r.number, r.text, r.provenance["seed"]) for r in rows] == [(2, "One\u2028two", 4)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p-work,quokka,", "row 2: the text is empty"),
        ("p-work,quokka,   ", "row 2: the text is empty"),
        ("p-work,quokka", "row 2: the text is empty"),
        ("p-none,quokka,x", "row 2: there is no prompt 'p-none' in the protocol; declared: p-sleep, p-work"),
        ("p-work,emu,x", "row 2: there is no system 'emu'"),
        ("p-work,quokka,Hello, you", "more cells than columns (the first one too many is ' you')"),
        ("p-work,quokka,x\np-work,quokka,y", "row 3: system 'quokka' already answers prompt"),
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
    assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == ["row 2", "row 4"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no column 'prompt'"),
        ("prompt;system;text\np-work;quokka;x\n", "separated by commas; found prompt;system;text"),
        ("prompt,system\n", "has no column 'text'"),
        ("prompt,system,text,text\n", "two columns of the same name"),
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
        ("[1, 2]", "line 1: found list, expected an object"),
        ('{"prompt": "p-work", "system": "quokka"}', "row 1: the text is empty"),
        ('{"prompt": "p-work", "system": "quokka", "text": ["x"]}', "text is ['x'], expected text"),
        ('{"prompt": "p-work", "system": "quokka", "text": 0}', "text is 0, expected text"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_faulty_line_of_json(tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(tmp_path, content, "r.jsonl")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="There is no file"):
        read_response_file(tmp_path / "none.csv", PROTOCOL)
    with pytest.raises(ImportFileError, match="cannot be read"):
        read_response_file(tmp_path, PROTOCOL)
