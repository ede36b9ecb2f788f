"""The report as a tagged PDF, typeset by typst, which comes as one wheel without system libraries.

All texts travel as JSON data and never as markup, so nothing in a response can be executed.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from importlib import resources
from typing import Any

from analysis.report.blocks import SIMULATED, Block, Document, Figure, Table
from analysis.report.drawing import figure_svg
from study.errors import AnalysisError
from study.installation import install_command


def document_pdf(document: Document) -> bytes:
    """Render the report; the same document and typst version give the same bytes.

    Raises
    ------
    AnalysisError
        When typst is not installed.
    """
    try:
        import typst
    except ImportError as error:
        raise AnalysisError(
            "a PDF report needs the package typst, which is not installed. Ask for html or docx, or "
            f"install it with: {install_command('analysis')}"
        ) from error
    template = resources.files("analysis.report").joinpath("template.typ").read_bytes()
    files: dict[str, bytes] = {"main.typ": template}
    sections = [
        {
            "heading": section.heading,
            "level": section.level - 1,
            "blocks": [_plain(b, label, document.simulated, files) for label, b in blocks],
        }
        for section, blocks in document.numbered()
    ]
    content = {
        "title": document.title,
        "subtitle": document.subtitle,
        "language": document.language,
        "banner": SIMULATED if document.simulated else "",
        "created": document.created.isoformat(),
        "date": [document.created.year, document.created.month, document.created.day],
        "opening": [{"text": p.text, "kind": p.kind} for p in document.opening],
        "sections": sections,
    }
    files["report.json"] = json.dumps(content, ensure_ascii=False).encode("utf-8")
    moment = dt.datetime.combine(document.created, dt.time(), tzinfo=dt.UTC)
    # The stub knows one file only; the function itself takes several by name.
    compile_files: Any = typst.compile
    pdf: bytes = compile_files(files, format="pdf", timestamp=moment)
    return pdf


def table_content(table: Table) -> dict[str, Any]:
    """What typst needs of a table, as data that JSON can hold."""
    return {
        "caption": table.caption,
        "columns": [column.label for column in table.columns],
        "right": table.flush_right,
        "groups": [asdict(group) for group in table.groups],
        "notes": table.notes,
    }


def _plain(block: Block, label: str, simulated: bool, files: dict[str, bytes]) -> dict[str, Any]:
    if isinstance(block, Table):
        return {"type": "table", "label": label, **table_content(block)}
    if isinstance(block, Figure):
        name = f"{block.key}.svg"
        files[name] = figure_svg(block, simulated=simulated).encode("utf-8")
        width = float(block.draw().get_figwidth())
        alt = f"{SIMULATED}. {block.alt}" if simulated else block.alt
        return {
            "type": "figure",
            "file": name,
            "alt": alt,
            "caption": block.caption,
            "label": label,
            "width": width,
        }
    return {"type": "paragraph", "text": block.text, "kind": block.kind}
