"""The report as a Word file."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import TYPE_CHECKING

from analysis.report.blocks import SIMULATED, Block, Document, Figure, Paragraph, Table
from analysis.report.drawing import figure_png

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_WIDTH_CM = 17.0
# The date that every entry of the archive carries: the zip format cannot go back further.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def document_docx(document: Document) -> bytes:
    """Render the report; the same document gives the same bytes."""
    import docx
    from docx.shared import Cm, Pt

    word = docx.Document()
    word.styles["Normal"].font.name = "Arial"
    word.styles["Normal"].font.size = Pt(10)
    page = word.sections[0]
    page.page_width, page.page_height = Cm(21.0), Cm(29.7)
    page.left_margin = page.right_margin = Cm(2.0)
    if document.simulated:
        page.header.paragraphs[0].add_run(SIMULATED).bold = True
    _set_properties(word, document)
    word.add_heading(document.title, 0)
    word.add_paragraph(document.subtitle)
    for paragraph in document.opening:
        _add_paragraph(word, paragraph)
    for section, blocks in document.numbered():
        word.add_heading(section.heading, section.level - 1)
        for label, block in blocks:
            _add_block(word, block, label, document.simulated)
    word.add_paragraph(f"Made with evenhand on {document.created.isoformat()}.")
    buffer = io.BytesIO()
    word.save(buffer)
    return _without_clock(buffer.getvalue())


def _set_properties(word: WordDocument, document: Document) -> None:
    properties = word.core_properties
    moment = dt.datetime.combine(document.created, dt.time())
    properties.title = document.title
    properties.author = properties.last_modified_by = "evenhand"
    properties.comments = SIMULATED if document.simulated else ""
    properties.language = document.language
    properties.created = properties.modified = moment
    properties.revision = 1


def _add_block(word: WordDocument, block: Block, label: str, simulated: bool) -> None:
    if isinstance(block, Table):
        _add_table(word, block, label)
    elif isinstance(block, Figure):
        _add_figure(word, block, label, simulated)
    else:
        _add_paragraph(word, block)


def _add_paragraph(word: WordDocument, paragraph: Paragraph) -> None:
    run = word.add_paragraph().add_run(paragraph.text)
    run.bold = paragraph.kind == "notice"


def _add_caption(word: WordDocument, label: str, caption: str, *, above: bool) -> None:
    line = word.add_paragraph()
    line.paragraph_format.keep_with_next = above
    line.add_run(f"{label}. ").bold = True
    line.add_run(caption)


def _add_figure(word: WordDocument, figure: Figure, label: str, simulated: bool) -> None:
    from docx.shared import Cm

    drawing = figure.draw()
    width = min(_WIDTH_CM, float(drawing.get_figwidth()) * 2.54)
    png = io.BytesIO(figure_png(figure, simulated=simulated))
    shape = word.add_picture(png, width=Cm(width))
    # python-docx has no field for the alternative text of a picture.
    properties = shape._inline.docPr
    properties.set("descr", f"{SIMULATED}. {figure.alt}" if simulated else figure.alt)
    properties.set("title", f"{label}. {figure.title}")
    _add_caption(word, label, figure.caption, above=False)


def _add_table(word: WordDocument, table: Table, label: str) -> None:
    _add_caption(word, label, table.caption, above=True)
    n_columns = len(table.columns)
    lines: list[tuple[tuple[str, ...], bool, bool]] = [
        (tuple(c.label for c in table.columns), True, False)
    ]
    for group in table.groups:
        if group.label:
            lines.append(((group.label,), True, True))
        lines += [(row.cells, row.strong, False) for row in group.rows]
    grid = word.add_table(rows=len(lines), cols=n_columns, style="Light List")
    # Cells are looked up once: python-docx walks the whole table for each access by index.
    cells = grid._cells
    for i, (texts, bold, spans) in enumerate(lines):
        row = cells[i * n_columns : (i + 1) * n_columns]
        if spans and n_columns > 1:
            row[0].merge(row[-1])
        for j, text in enumerate(texts):
            _fill(row[j], text, bold=bold, right=table.flush_right[j] and not spans)
    _repeat_head(grid.rows[0])
    for note in table.notes:
        word.add_paragraph(note)


def _fill(cell: object, text: str, *, bold: bool, right: bool) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    line = cell.paragraphs[0]  # type: ignore[attr-defined]
    run = line.add_run(text)
    run.font.size = Pt(8)
    run.bold = bold
    line.paragraph_format.space_after = Pt(0)
    if right:
        line.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _repeat_head(row: object) -> None:
    """Print the head of the table again on each page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)  # type: ignore[attr-defined]


def _without_clock(archive: bytes) -> bytes:
    """The same archive with fixed times, which zip would take from the clock."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as given,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written,
    ):
        for name in given.namelist():
            written.writestr(
                zipfile.ZipInfo(name, _ZIP_EPOCH), given.read(name), zipfile.ZIP_DEFLATED
            )
    return buffer.getvalue()
