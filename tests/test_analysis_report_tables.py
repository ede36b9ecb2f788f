"""A table of the report: every writer sets the same cells in the same order, from one object."""

from __future__ import annotations

import datetime as dt
import io
import json
from html.parser import HTMLParser

import docx
import pandas as pd
import pytest

from analysis.report.blocks import Column, Document, Row, RowGroup, Section, Table
from analysis.report.docx import document_docx
from analysis.report.html import document_html
from analysis.report.pdf import table_content
from analysis.report.tables import table_csv

_GROUPS = (
    RowGroup("Students", (Row(("<b>bold</b> & 'so' \"on\"", "1.00", "two\nlines")),)),
    RowGroup("Others", (Row(("{{ 7 * 7 }}", "\N{MINUS SIGN}2.50", ""), strong=True),)),
    RowGroup("Students", (Row(("again", "undefined (a)", "  two  spaces")),)),
    RowGroup("", (Row(("no heading", "–", "#set page(width: 1pt)")),)),
)
_TABLE = Table(
    "hostile",
    "Cells that are text & nothing <else>",
    "rater, n = 4",
    "exploratory",
    (Column("Numbers head no rows"), Column("n < 5"), Column("Words", numeric=False)),
    _GROUPS,
    pd.DataFrame({"group": ["a", "b"], "value": [0.1 + 0.2, None]}),
    ("(a) undefined, because <nothing> was & is.",),
)


class _Cells(HTMLParser):
    """Rows of the tables of a page: for each cell tag, scope, classes, bold row, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[tuple[str, str | None, str, bool, str]]]] = []
        self.captions: list[str] = []
        self._cell: tuple[str, str | None, str] | None = None
        self._text, self._strong = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
            self._strong = given.get("class") == "strong"
        if tag in ("td", "th", "caption"):
            self._text = ""
            self._cell = (tag, given.get("scope"), given.get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.captions.append(self._text)
        elif tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append((*self._cell, self._strong, self._text))

    def handle_data(self, data: str) -> None:
        self._text += data


def _document(*tables: Table) -> Document:
    return Document("T", "S", dt.date(2025, 3, 1), False, (), (Section("s", "S", tables),))


def test_the_page_has_every_cell_in_order_as_text() -> None:
    """Oracle: the table itself; groups of the same label stay apart, and one without has no heading."""
    page = _Cells(document_html(_document(_TABLE)))
    (table,) = page.tables
    assert page.captions == [f"Table 1. {_TABLE.caption}"]
    expected: list[list[str]] = [[c.label for c in _TABLE.columns]]
    for group in _GROUPS:
        expected += [[group.label]] if group.label else []
        expected += [list(row.cells) for row in group.rows]
    assert [[cell[-1] for cell in row] for row in table] == expected
    assert [row[0][3] for row in table] == [row[0].startswith("{{") for row in expected]


def test_header_cells_say_what_they_head_and_numbers_stand_to_the_right() -> None:
    """Oracle: WCAG H63 (scope); the column that heads the rows is never flush right."""
    (table,) = _Cells(document_html(_document(_TABLE))).tables
    sides = ["gt_left", "gt_right", "gt_left"]
    for i, row in enumerate(table):
        if len(row) == 1:
            assert row[0][:2] == ("th", "rowgroup")
            continue
        first = ("th", "col" if i == 0 else "row")
        others = ("th", "col") if i == 0 else ("td", None)
        assert [cell[:2] for cell in row] == [first, others, others]
        assert [cell[2].split()[0] for cell in row] == sides


def test_word_has_the_same_cells() -> None:
    """Oracle: the table itself, read back by python-docx."""
    word = docx.Document(io.BytesIO(document_docx(_document(_TABLE))))
    lines = [[cell.text for cell in row.cells] for row in word.tables[0].rows]
    expected = [[c.label for c in _TABLE.columns]]
    for group in _GROUPS:
        expected += [[group.label] * 3] if group.label else []
        expected += [list(row.cells) for row in group.rows]
    assert lines == expected


def test_the_pdf_is_given_the_same_cells() -> None:
    """Oracle: the table itself; what goes to typst is data that JSON keeps as it is."""
    content = json.loads(json.dumps(table_content(_TABLE)))
    assert content["columns"] == [c.label for c in _TABLE.columns]
    assert content["right"] == [False, True, False]
    rows = [(g["label"], r["cells"], r["strong"]) for g in content["groups"] for r in g["rows"]]
    assert rows == [(g.label, list(r.cells), r.strong) for g in _GROUPS for r in g.rows]


def test_the_csv_keeps_every_digit_and_leaves_missing_empty() -> None:
    """Oracle: 0.1 + 0.2 in binary, 17 significant digits."""
    lines = table_csv(_TABLE, simulated=True).decode().splitlines()
    assert lines == ["simulated,group,value", "true,a,0.30000000000000004", "true,b,"]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"table 'short' has 1 cells and the table has 2 columns"):
        Table(
            "short", "T", "rater, n = 1", "descriptive", (Column("a"), Column("b")),
            (RowGroup("", (Row(("only one",)),)),), pd.DataFrame(),
        )  # fmt: skip
