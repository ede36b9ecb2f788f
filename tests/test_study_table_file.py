"""The one reader of tables: what is text stays text, nothing slides, and messages name the file's line.

The oracle of every case is the file itself, as an editor or a spreadsheet shows it.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.errors import ImportFileError
from study.table_file import Table, read_table
from study.table_file.cells import join_decimals, number, why_no_number
from study.table_file.decoding import decode
from study.table_file.separated import read_records

REFERENCE = Path(__file__).parent / "reference" / "tables"


def read(folder: Path, content: str | bytes, name: str = "t.csv", **options: Any) -> Table:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(file, **options)


def refused(folder: Path, content: str | bytes, name: str = "t.csv", **options: Any) -> str:
    with pytest.raises(ImportFileError) as caught:
        read(folder, content, name, **options)
    told = str(caught.value)
    assert "\n" not in told and told.endswith(".")
    return told


@pytest.mark.parametrize(
    "word", ["None", "NA", "N/A", "null", "nan", "NaN", "-", "#N/A", "n/a", "<NA>", "NULL", "?"]
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_only_empty_cells_and_named_words_are_missing(tmp_path: Path, word: str, name: str) -> None:
    rows = [("a", word), ("b", ""), ("c", "joy")]
    if name == "t.csv":
        content = "id,label\n" + "".join(f"{one},{two}\n" for one, two in rows)
    else:
        content = "".join(json.dumps({"id": one, "label": two}) + "\n" for one, two in rows)
    found = read(tmp_path, content, name)
    assert [row[1] for row in found.rows] == [word, None, "joy"]
    named = read(tmp_path, content, name, missing=("joy", word))
    assert [row[1] for row in named.rows] == [None, None, None]


IDS = [
    "01",
    "1",
    "1.10",
    "1.1",
    "1e5",
    "100000",
    "007",
    "1_000",
    "TRUE",
    "0x1F",
    "2024-01-05",
    "1.0",
    "+1",
]


def test_ids_stay_as_they_are_written(tmp_path: Path) -> None:
    found = read(tmp_path, "id,x\n" + "".join(f"{one},1\n" for one in IDS))
    assert [row[0] for row in found.rows] == IDS
    lines = ["id", '{"id": 1.10}\n{"id": 1e5}\n{"id": "01"}\n{"id": true}\n'][1]
    assert [row[0] for row in read(tmp_path, lines, "t.jsonl").rows] == [
        "1.10",
        "1e5",
        "01",
        "true",
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_write(tmp_path: Path, mark: str, codec: str, newline: str) -> None:
    """Every separator, encoding and line end; the separators of the others are part of a cell."""
    rows = [
        ["id", "réponse"],
        ["ä1", f'"He said ""no"",{newline}then; left|\t"'],
        [],
        ["b", "5"],
    ]
    content = newline.join(mark.join(row) for row in rows) + newline
    found = read(tmp_path, content.encode(codec))
    assert found.columns == ("id", "réponse")
    assert found.rows == (("ä1", 'He said "no",\nthen; left|'), ("b", "5"))
    assert found.lines == (2, 5)
    word = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}[mark]
    assert found.described == f"t.csv (separated by {word})"


@pytest.mark.parametrize(
    ("header", "row", "columns"),
    [
        ("id;what, overall?;x", "1;2;3", ("id", "what, overall?", "x")),
        ("id,a|b,x", "1,2,3", ("id", "a|b", "x")),
        ('id,"a;b;c;d",x', "1,2,3", ("id", "a;b;c;d", "x")),
        ("sep=;\nid;x,y", "1;2", ("id", "x,y")),
    ],
)
def test_the_separator_is_the_one_that_fits_every_row(
    tmp_path: Path, header: str, row: str, columns: tuple[str, ...]
) -> None:
    assert read(tmp_path, f"{header}\n{row}\n").columns == columns


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_decimal_comma_is_no_separator(tmp_path: Path, mark: str) -> None:
    """Header and rows could be separated by commas as well; the user says that commas are decimal."""
    content = f"id{mark}x, in %\n1{mark}2,5\n"
    assert "can be separated by" in refused(tmp_path, content)
    assert read(tmp_path, content, decimal=",").rows == (("1", "2,5"),)


CELLS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), include_characters='\n\t",;|'), max_size=6
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """A header of two to four names and one to four rows that are not blank."""
    width = draw(st.integers(2, 4))
    name = CELLS.filter(lambda text: text.strip())
    header = draw(st.lists(name, min_size=width, max_size=width, unique_by=str.strip))
    row = st.lists(CELLS, min_size=width, max_size=width).filter(lambda r: any(map(str.strip, r)))
    return [header, *draw(st.lists(row, min_size=1, max_size=4))]


@given(tables(), st.sampled_from(",;\t|"), st.booleans(), st.sampled_from(["utf-8-sig", "utf-16"]))
def test_what_is_written_as_csv_is_read_or_refused_never_moved(
    rows: list[list[str]], mark: str, quote_all: bool, codec: str
) -> None:
    """Property: the cells come back; where names hold other separators unquoted, a refusal may stand."""
    stream = io.StringIO()
    quoting: Any = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(stream, delimiter=mark, quoting=quoting, lineterminator="\n").writerows(rows)
    try:
        records, found = read_records(decode(stream.getvalue().encode(codec), "t.csv"), "t.csv")
    except ImportFileError as error:
        assert not quote_all and "can be separated by" in str(error)
        return
    assert found == mark
    assert [cells for _, cells in records] == [[cell.strip() for cell in row] for row in rows]
    lines = [1]
    for row in rows[:-1]:
        lines.append(lines[-1] + 1 + sum(cell.count("\n") for cell in row))
    assert [line for line, _ in records] == lines


EXTRA = [
    # one row longer, first, in the middle and last
    ("a,b\n3,2,1\n4,3\n", "line 2: found 3 cells separated by commas, expected 2"),
    ("a,b\n4,3\n3,2,1\n4,3\n", "line 3: found 3 cells"),
    ("a,b\n4,3\n\n\n3,2,1\n", "line 5: found 3 cells"),
    ('a,b\n"4\n5",3\n3,2,1\n', "line 4: found 3 cells"),
    # shorter
    ("a,b\n4,3\n5\n", "line 3: found 1 cell separated by commas, expected 2"),
    ("a;b;c\n4;3;1\n5;4\n", "line 3: found 2 cells separated by semicolons, expected 3"),
    # a text with its comma outside quotes, and one trailing separator in one row only
    ("t,l\nI hear you, and,joy\nyes,joy\n", "line 2: found 3 cells"),
    ("a,b\n4,3,\n5,4\n", "line 2: found 3 cells"),
    ("a\tb\n4\t3\t1\n", "line 2: found 3 cells separated by tabs, expected 2"),
    # decimal commas
    (
        "a,b\n3,5,4,0\n4,0,3,5\n",
        "line 2: found 4 cells separated by commas (and so in 1 further rows)",
    ),
    ("x\n3,5\n4,5\n", "line 2: found 2 cells separated by commas"),
    ("x\n1,5\n2,5\n3,5\n", "For decimal commas without quotes give --decimal ,"),
]


@pytest.mark.parametrize(("content", "said"), EXTRA)
def test_a_row_that_does_not_fit_the_header_is_refused_with_its_line(
    tmp_path: Path, content: str, said: str
) -> None:
    assert said in refused(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n3,2,\n4,3,\n",
        "a,b\n3,2,,,\n4,3,,,\n",
        "a,b,\n3,2,\n4,3,\n",
        "a,b,,\n3,2\n4,3,,\n",
        "a,b\n3,2\n4,3\n,\n,,\n\n",
        "\n\na,b\n3,2\n4,3",
        " a , b\n 3 ,2\n4, 3\n",
        'a,b\n"3", "2"\n4,3\n',
        "a;b;\r\n3;2;\r\n4;3;\r\n",
    ],
)
def test_what_spreadsheets_leave_beside_and_below_a_table_is_no_cell(
    tmp_path: Path, content: str
) -> None:
    found = read(tmp_path, content)
    assert (found.columns, found.rows) == (("a", "b"), (("3", "2"), ("4", "3")))


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        ("a,b\n3,5,4,0\n4,0,3,5\n", ["3,5", "4,0"]),
        ("id,a,b\nr1,3,5,4,0\nr2,4,0,3,5\n", ["r1", "3,5", "4,0"]),
        ("a,id\n3,5,x\n", ["3,5", "x"]),
        ("a;b\n3,5;4\n", ["3,5", "4"]),
        ('a,b\n"3,5",4\n', ["3,5", "4"]),
    ],
)
def test_decimal_commas_are_read_where_there_is_one_way(
    tmp_path: Path, content: str, cells: list[str]
) -> None:
    assert list(read(tmp_path, content, decimal=",").rows[0]) == cells


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n3,2,1\n",
        "id,a,b\n1,3,5,4,0\n",
        "group,n,mean,sd\na,10,3,5,1,2\nb,12,3,1,0,9\n",
        # two columns and a spare one, or one column of decimals and an empty one: nobody knows
        "a,b\n3,2,\n4,3,\n",
    ],
)
def test_decimal_commas_with_two_readings_are_refused(tmp_path: Path, content: str) -> None:
    assert "Which of them are decimal cannot be told" in refused(tmp_path, content, decimal=",")


@given(st.lists(st.sampled_from(["1", "25", "1,5", "-2,25", "x", ""]), min_size=1, max_size=7))
def test_joined_decimals_are_the_cells_that_were_written(cells: list[str]) -> None:
    """Property: what is joined is what was written; where two rows look alike, nothing is."""
    split = [part for cell in cells for part in cell.split(",")]
    joined = join_decimals(split, len(cells))
    assert joined is None or joined == cells


@pytest.mark.parametrize(
    "content", ["eai,phi4,eai\n3,2,5\n", "a,a \n1,2\n", 'a,"a"\n1,2\n', "\na;b;b\n1;2;3\n"]
)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, content: str) -> None:
    line = 2 if content.startswith("\n") else 1
    assert f"t.csv, line {line}: two columns are called" in refused(tmp_path, content)


def test_a_name_twice_in_an_object_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, '{"a": 1}\n\n{"a": 1, "b": 2, "a": 3}\n', "t.jsonl")
    assert "t.jsonl, line 3: the name 'a' is there twice" in said


@pytest.mark.parametrize(
    "content",
    [
        # R: write.csv, write.table with commas, and pandas' to_csv
        '"","a","b"\n"1",3,2\n"2",4,3\n',
        '"a","b"\n"1",3,2\n"2",4,3\n',
        ",a,b\n0,3,2\n1,4,3\n",
        ",a,b\nanna,3,2\nben,4,3\n",
        '"a"\t"b"\n"x1"\t3\t2\n"x2"\t4\t3\n',
    ],
)
def test_row_names_without_a_name_are_no_column(tmp_path: Path, content: str) -> None:
    found = read(tmp_path, content)
    assert (found.columns, found.rows) == (("a", "b"), (("3", "2"), ("4", "3")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (",a,b\n3,3,2\n3,4,3\n", "line 2: found '3' in column 1, which has no name"),
        ("a,,b\n1,,2\n3,4,3\n", "line 3: found '4' in column 2, which has no name"),
        ("a,b,\n3,2,\n4,3,9\n", "line 3: found '9' in column 3, which has no name"),
    ],
)
def test_a_column_with_content_needs_a_name(tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('a,b\n1,"x"y\n', "line 2: the row that begins here is not valid CSV"),
        ('a,b\n\n1,2\n3,"open\n4,5\n', "line 4: the row that begins here is not valid CSV"),
        ('a,b\n1,"He said \\"hi\\", ok"\n', "line 2: the row that begins here is not valid CSV"),
        (b"a,b\n1,2\n3,caf\xe9\n", "line 3: the byte 0xe9 is not UTF-8 text"),
        ("a,b\n1,x\x00y\n", "line 2: found a NUL character"),
        ("a;b,c\n1;2,3\n", "can be separated by semicolons or by commas"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        (",,\n,,\n", "holds no cell with content"),
        ("a,b\n", "has a header (a, b) but no rows"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('\ufeff{"a": 1}\n{"a": 2,}\n', "line 2: not valid JSON"),
        ('{"a": 1}\n\n[1]\n', "line 3: found list, expected an object"),
        ('[{"a": 1}]\n', "holds a JSON list; expected JSON Lines"),
        ('{"a": "\\ud83d"}\n', "line 1: half of a surrogate pair"),
        ("[1, " * 3, "holds a JSON list"),
        ('{"a":' * 100_000, "line 1: not valid JSON (nested too deep)"),
        ('{"a": 1}\n{"a": "x}\n', "line 2: not valid JSON"),
        ('{"a": 1, "": 2}\n', "line 1: found '2' in column 2, which has no name"),
    ],
)
def test_json_lines_that_are_none_are_refused(tmp_path: Path, content: str, said: str) -> None:
    assert said in refused(tmp_path, content, "t.jsonl")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_lines_have_the_columns_of_all_objects(tmp_path: Path, codec: str) -> None:
    content = '{"a": "x\u2028y", "b": null}\r\n\r\n{"c": {"n": [1]}, "a": " "}\n{"b": 2}'
    found = read(tmp_path, content.encode(codec), "t.ndjson")
    assert found.columns == ("a", "b", "c")
    assert found.rows == (("x\u2028y", None, None), (None, None, '{"n": ["1"]}'), (None, "2", None))
    assert found.lines == (1, 3, 4)


def workbook(rows: list[list[Any]], **sheets: list[list[Any]]) -> Any:
    import openpyxl

    book = openpyxl.Workbook()
    for number_of, (title, cells) in enumerate({"Data": rows, **sheets}.items()):
        sheet = book.active if number_of == 0 else book.create_sheet()
        sheet.title = title
        for row in cells:
            sheet.append(row)
    return book


def saved(book: Any) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def test_a_workbook_is_read_as_it_is_shown(tmp_path: Path) -> None:
    """Blank rows, numbers with leading zeros by format, dates, truth values; a sheet without content."""
    from datetime import datetime

    book = workbook(
        [[], ["id", "y", "when", "ok", None], [1, 3.5, datetime(2026, 1, 5), True], [], [2, 4, None, "None"]],
        Empty=[],
    )  # fmt: skip
    sheet = book["Data"]
    sheet["A3"].number_format = "00"
    sheet["B3"].number_format = "0.00"
    sheet["B5"].number_format = "0.0"
    for name in ("t.xlsx", "t.csv"):
        found = read(tmp_path, saved(book), name)
        assert found.columns == ("id", "y", "when", "ok")
        assert found.rows == (("01", "3.50", "2026-01-05", "TRUE"), ("2", "4.0", None, "None"))
        assert (found.place, found.lines) == ("row", (3, 5))
    sheet["B3"] = 3.14159
    assert read(tmp_path, saved(book), "t.xlsx").rows[0][1] == "3.14159"
    assert read(tmp_path, saved(book), "t.xlsx", decimal=",").rows[0][1] == "3,14159"


def test_a_workbook_that_is_not_clear_is_refused(tmp_path: Path) -> None:
    table = [["a", "b"], [1, 2]]
    two = saved(workbook(table, Key=[["a is first"]]))
    said = refused(tmp_path, two, "t.xlsx")
    assert "several sheets with content: Data, Key. Say which one with --sheet" in said
    assert read(tmp_path, two, "t.xlsx", sheet="Data").rows == (("1", "2"),)
    assert "no sheet 'Date'; its sheets are Data, Key" in refused(
        tmp_path, two, "t.xlsx", sheet="Date"
    )
    assert "cell B2: the formula has no stored result" in refused(
        tmp_path, saved(workbook([["a", "b"], [1, "=A2*2"]])), "t.xlsx"
    )
    merged = workbook([["a", "b"], [1, 2], [None, 3]])
    merged["Data"].merge_cells("A2:A3")
    assert "the cells A2:A3 are merged" in refused(tmp_path, saved(merged), "t.xlsx")
    assert "t.xlsx, row 1: two columns are called 'a'" in refused(
        tmp_path, saved(workbook([["a", "a"], [1, 2]])), "t.xlsx"
    )
    assert "row 3: found '9' in column 3, which has no name" in refused(
        tmp_path, saved(workbook([["a", "b"], [1, 2], [1, 2, 9]])), "t.xlsx"
    )
    assert "no workbook that can be read" in refused(tmp_path, b"PK\x03\x04 no archive", "t.xlsx")


def test_a_damaged_workbook_is_a_sentence(tmp_path: Path) -> None:
    """Property: each part of the archive in turn left out, emptied or cut in half; cut and spoilt bytes."""
    whole = saved(workbook([["a", "b"], [1, "x"]]))
    archive = zipfile.ZipFile(io.BytesIO(whole))
    parts = {part: archive.read(part) for part in archive.namelist()}
    damaged = [whole[: len(whole) // 2], whole[:40] + b"\xff" * 40 + whole[80:]]
    for part, content in parts.items():
        for instead in (None, b"", content[: len(content) // 2]):
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w") as changed:
                for other, kept in {**parts, part: instead}.items():
                    if kept is not None:
                        changed.writestr(other, kept)
            damaged.append(stream.getvalue())
    refusals = 0
    for content in damaged:
        try:
            # What holds no cell, such as the styles, may be gone.
            assert read(tmp_path, content, "t.xlsx").rows == (("1", "x"),)
        except ImportFileError as error:
            refusals += 1
            assert str(error).startswith("t.xlsx ")
    assert refusals >= 10


@given(st.binary(max_size=60), st.sampled_from(["t.csv", "t.jsonl", "t.xlsx"]))
def test_no_bytes_break_the_reader(content: bytes, name: str) -> None:
    """Property: a table, or a sentence."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read(Path(folder), content, name)
        except ImportFileError as error:
            assert str(error).startswith(f"{name}")
        else:
            assert found.rows and all(len(row) == len(found.columns) for row in found.rows)


@pytest.mark.parametrize("name", ["t.xls", "t.ods", "t.sav", "t.dta"])
def test_other_programs_files_say_what_to_save(tmp_path: Path, name: str) -> None:
    assert "is not read. Save it as .xlsx or as CSV UTF-8" in refused(tmp_path, b"x", name)


def test_a_cell_may_be_a_long_transcript(tmp_path: Path) -> None:
    """Python's csv module stops at 131,072 characters by itself."""
    long = "I hear you. " * 20_000
    found = read(tmp_path, f'a,b\n"{long}",2\n')
    assert found.rows == ((long.strip(), "2"),)
    assert "line 2: the row that begins here" in refused(tmp_path, f'a,b\n"{long},2\n')


@pytest.mark.parametrize(
    ("name", "decimal", "mark"),
    [
        ("r_csv.csv", ".", "commas"),
        ("r_csv2.csv", ",", "semicolons"),
        ("r_table_tab.txt", ".", "tabs"),
        ("r_table_comma.csv", ".", "commas"),
        ("r_table_utf16.txt", ",", "tabs"),
    ],
)
def test_tables_as_r_writes_them(name: str, decimal: str, mark: str) -> None:
    """Oracle: the data frame in tests/reference/tables/make_tables.R."""
    found = read_table(REFERENCE / name, decimal=decimal, missing=("NA",))
    assert (found.columns, found.separated_by) == (("eai", "phi4", "arm"), mark)
    assert [number(row[0] or "", decimal) for row in found.rows] == [3.5, 4, 5, 4.5, 2.5]
    assert [number(row[1] or "", decimal) for row in found.rows] == [4, 3.5, 3, 4, 1.5]
    assert [row[2] for row in found.rows] == ["NA?", "cbt", "a, b", "cbt", None]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match=r"There is no file .*none\.csv\. Check the path\."):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ImportFileError, match="cannot be read"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("3", ".", 3.0),
        ("-2.50", ".", -2.5),
        (".5", ".", 0.5),
        ("1e5", ".", 100000.0),
        ("3,5", ",", 3.5),
        ("3,5", ".", None),
        ("3.5", ",", None),
        ("1.234,5", ",", None),
        ("1,234.5", ".", None),
        ("nan", ".", None),
        ("inf", ".", None),
        ("1_000", ".", None),
        ("٣", ".", None),
        ("94%", ".", None),
        ("1e", ".", None),
    ],
)
def test_a_number_is_what_every_program_takes_for_one(
    cell: str, decimal: str, value: float | None
) -> None:
    assert number(cell, decimal) == value


def test_the_reader_needs_no_heavy_package() -> None:
    """`evenhand import` works in the base installation, which has neither pandas nor numpy."""
    import subprocess
    import sys

    heavy = "('pandas', 'numpy', 'openpyxl')"
    code = f"import sys, study.table_file; print([m for m in {heavy} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2,\n3,4,\n", "every row ends in 1 empty cell beyond the 2 columns of the header"),
        ("a,b\n1,2,,\n3,4,,\n", "every row ends in 2 empty cells beyond the 2 columns of the header"),
        (",a,b\nx,1,2\ny,3,4\n", "taken for the names of the rows ('x', 'y', ...), left out."),
        ('"","a"\n"1",2\n"2",3\n', "the first column has no name"),
        ("a,b\n1,2\n3,4\n", ""),
        ("a,b,\n1,2,\n3,4,\n", ""),
    ],
)  # fmt: skip
def test_what_is_left_out_is_told(tmp_path: Path, content: str, said: str) -> None:
    told = read(tmp_path, content).left_out
    assert bool(told) == bool(said)
    assert all(said in sentence and sentence.endswith("left out.") for sentence in told)


@pytest.mark.parametrize(
    ("cell", "decimal", "advice"),
    [
        ("\u0663", ".", "Write it as 3."),
        ("\u0663\u066b\u0665", ".", "Write it as 3.5."),
        ("\u22121", ".", "Write it as -1."),
        ("\uff15", ".", "Write it as 5."),
        ("30%", ".", "Take the percent sign out of the whole column."),
        ("3,5 %", ",", "Take the percent sign out of the whole column."),
        ("#N/A", ".", "give --missing '#N/A'."),
        ("3,5", ".", "For decimal commas give --decimal ,"),
    ],
)
def test_a_cell_that_is_no_number_says_what_to_write(cell: str, decimal: str, advice: str) -> None:
    assert advice in why_no_number(cell, decimal)


def test_the_word_of_an_older_code_is_shown(tmp_path: Path) -> None:
    told = refused(tmp_path, "group,total\nM\u00e4nner,3\n".encode("cp1252"))
    assert "line 2: the byte 0xe4" in told and "the word is 'M\u00e4nner'" in told


def test_a_table_of_r_with_blanks_says_how_to_save_it(tmp_path: Path) -> None:
    told = refused(tmp_path, '"r1" "r2"\n"1" 4 5\n"2" 2 2\n')
    assert "in R by write.csv" in told
