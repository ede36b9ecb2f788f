"""Pins: the report of fixed studies and the output of every `analyse` on fixed tables, as they stand.

A pin is no oracle: it says that what is printed is what was printed before. Whoever moves code leaves
every pin as it is; whoever mends a fault writes them anew with

    EVENHAND_WRITE_PINS=1 .venv/bin/python -m pytest tests/test_pins.py

looks at `git diff tests/reference/pins`, and names the fault in the commit.

Everything is compared byte for byte, but for numbers in full precision (CSV, JSON, the R program's data,
what figures draw): there the text between the numbers is compared byte for byte, and numbers to 1e-9 of
their size, because the last digits of sums differ between processors; where an optimiser stops differs
by more, see `_OPTIMISED`. Times, versions
and hashes are those of the fixed studies. Figures are pinned by what they draw (lines, bars, points,
words) and not by the bytes of their SVG and PNG, which change with the version of matplotlib; in the page
and the Word file an empty picture stands in their place.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import docx
import pytest

from analysis.report import build_report
from analysis.report.blocks import Document, Figure
from analysis.report.docx import document_docx
from analysis.report.html import document_html
from analysis.report.r_script import r_readme, r_script, r_tables
from analysis.report.sections import SECTIONS
from analysis.report.tables import table_csv
from study.cli.group import run
from study.report_view.data import ReportData
from tests.fixtures_pins import ANALYSES, full_study, two_raters_study

PINS = Path(__file__).parent / "reference" / "pins"
DAY = dt.date(2025, 3, 1)
_EMPTY_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
# Below this, a number is what rounding leaves of 0.
_NOTHING = 1e-12
# The same of a search, which stops where the likelihood is flat to its last digits: an intraclass correlation
# of 0.0034 differs by 3e-9 between processors.
_NOTHING_SEARCHED = 1e-8


# As seen with OPENBLAS_CORETYPE=Nehalem against the widest instructions: omega's interval is made of a
# thousand fits, intraclass and profile intervals of searches for a root.
_OPTIMISED = {"reliability": 5e-5, "agreement": 1e-7, "mixed": 1e-6}


def check_pin(name: str, found: str, *, tolerance: float | None = None) -> None:
    """Compare with the pinned text, or write it anew; numbers to ``tolerance`` of their size."""
    nothing = _NOTHING_SEARCHED if tolerance in _OPTIMISED.values() else _NOTHING
    path = PINS / name
    if os.environ.get("EVENHAND_WRITE_PINS") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8", newline="")
    with path.open(encoding="utf-8", newline="") as file:
        pinned = file.read()
    if tolerance:
        assert _NUMBER.sub("#", found) == _NUMBER.sub("#", pinned), name
        for now, before in zip(_NUMBER.findall(found), _NUMBER.findall(pinned), strict=True):
            same = math.isclose(float(now), float(before), rel_tol=tolerance, abs_tol=nothing)
            assert same, f"{name}: found {now}, pinned {before}"
    else:
        assert found == pinned, name


def test_numbers_are_told_from_names() -> None:
    """Oracle: by eye; the digits of a name or of a version are text."""
    assert _NUMBER.findall("item1,-0.25,1e-05,R001,0.1.0,3") == ["-0.25", "1e-05", "3"]


_STUDIES: dict[str, tuple[Callable[[], ReportData], frozenset[str]]] = {
    "full": (full_study, frozenset()),
    # Its mixed models take seconds and show nothing that the other study does not.
    "two_raters": (two_raters_study, frozenset({"models"})),
}


@pytest.fixture(scope="module", params=_STUDIES)
def pinned(request: pytest.FixtureRequest) -> tuple[str, ReportData, Document]:
    make, without = _STUDIES[request.param]
    data = make()
    keys = [key for key, _ in SECTIONS if key not in without]
    return request.param, data, build_report(data, created=DAY, sections=keys)


def test_the_page(
    pinned: tuple[str, ReportData, Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, document = pinned
    monkeypatch.setattr(
        "analysis.report.html.figure_svg", lambda figure, simulated: f"<svg>{figure.key}</svg>"
    )
    check_pin(f"{name}/report.html", document_html(document))


def test_the_words_of_the_word_file(
    pinned: tuple[str, ReportData, Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paragraphs with their styles, and the cells of each table, in the order of the file."""
    name, _, document = pinned
    monkeypatch.setattr("analysis.report.docx.figure_png", lambda figure, simulated: _EMPTY_PNG)
    word = docx.Document(io.BytesIO(document_docx(document)))
    lines = []
    for part in word.iter_inner_content():
        if isinstance(part, docx.table.Table):
            lines += [" | ".join(cell.text for cell in row.cells) for row in part.rows]
        else:
            lines.append(f"[{part.style.name if part.style else ''}] {part.text}")
    check_pin(f"{name}/report.docx.txt", "\n".join(lines) + "\n")


def test_the_tables(pinned: tuple[str, ReportData, Document]) -> None:
    name, _, document = pinned
    files = {
        f"{table.key}.csv": table_csv(table, simulated=document.simulated).decode("utf-8")
        for table in document.tables
    }
    _check_folder(f"{name}/tables", files)


def test_the_r_program(pinned: tuple[str, ReportData, Document]) -> None:
    name, data, _ = pinned
    check_pin(f"{name}/r/report.R", r_script(data))
    check_pin(f"{name}/r/README.md", r_readme(data))
    tables = {file: content.decode("utf-8") for file, content in r_tables(data).items()}
    _check_folder(f"{name}/r/data", tables)


def test_what_figures_draw(pinned: tuple[str, ReportData, Document]) -> None:
    name, _, document = pinned
    drawn = "\n".join(line for figure in document.figures for line in _drawn(figure))
    check_pin(f"{name}/figures.txt", drawn + "\n", tolerance=1e-9)


def _drawn(figure: Figure) -> Iterator[str]:
    """Everything that stands in a figure, before matplotlib lays it out."""
    yield f"== {figure.key}"
    for axes in figure.draw().axes:
        yield f"axes {axes.get_title()} | {axes.get_xlabel()} | {axes.get_ylabel()}"
        for text in axes.texts:
            yield f"text {text.get_text()} at {_places([text.get_position()])}"
        for line in axes.lines:
            yield f"line {line.get_marker()} {_places(line.get_xydata())}"
        for patch in axes.patches:
            yield f"patch {patch.get_hatch()} {_places(patch.get_path().vertices)}"
        for collection in axes.collections:
            yield f"collection {_places(collection.get_offsets())}"
        for image in axes.images:
            yield f"image {_places(image.get_array())}"
        legend = axes.get_legend()
        yield f"legend {[t.get_text() for t in legend.get_texts()] if legend else []}"


def _places(values: object) -> str:
    import numpy as np

    return " ".join(
        repr(float(v)) for v in np.ma.filled(np.ma.asarray(values, float), np.nan).ravel()
    )


def _check_folder(folder: str, files: dict[str, str]) -> None:
    if os.environ.get("EVENHAND_WRITE_PINS") == "1":
        for old in (PINS / folder).glob("*"):
            old.unlink()
    for file, content in files.items():
        # Where a likelihood's search stops moves with the order of a product: a covariance of -0.0033 by
        # 1e-11, which is 3e-9 of its size.
        searched = file in ("model-all-items.csv", "models-by-item.csv")
        tolerance = _OPTIMISED["mixed"] if searched else 1e-9
        check_pin(f"{folder}/{file}", content, tolerance=tolerance)
    assert sorted(files) == sorted(path.name for path in (PINS / folder).iterdir())


@pytest.mark.parametrize("name", ANALYSES)
@pytest.mark.parametrize("form", ["txt", "json"])
def test_analyse(capsys: pytest.CaptureFixture[str], name: str, form: str) -> None:
    arguments = [*ANALYSES[name], *(["--json"] if form == "json" else [])]
    assert run(["analyse", *arguments]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    tolerance = _OPTIMISED.get(ANALYSES[name][0], 1e-9) if form == "json" else None
    if name == "reliability":
        # Five digits of omega's interval are one too many.
        tolerance = _OPTIMISED[name]
    check_pin(f"analyse/{name}.{form}", told.out, tolerance=tolerance)


def test_every_command_of_analyse_is_pinned() -> None:
    from study.cli.analyse import analyse

    assert {arguments[0] for arguments in ANALYSES.values()} == set(analyse.commands)
