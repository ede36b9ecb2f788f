"""The report as one HTML file that needs nothing outside itself."""

from __future__ import annotations

import html
import re
from importlib import resources

from analysis.report.blocks import SIMULATED, Block, Document, Figure, Paragraph, Table
from analysis.report.drawing import figure_svg
from analysis.report.tables import table_html

_NAMESPACES = re.compile(r' xmlns(?::xlink)?="[^"]*"')


def document_html(document: Document) -> str:
    """Render the report.

    Returns
    -------
    str
        A complete page without scripts and without references to other files.
    """
    import jinja2

    template = resources.files("analysis.report").joinpath("template.html.j2")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    sections = [
        (section, [_block_html(block, label, document.simulated) for label, block in blocks])
        for section, blocks in document.numbered()
    ]
    page = environment.from_string(template.read_text(encoding="utf-8"))
    return page.render(document=document, sections=sections, banner=SIMULATED)


def _block_html(block: Block, label: str, simulated: bool) -> str:
    if isinstance(block, Table):
        return table_html(block, label)
    if isinstance(block, Figure):
        return _figure_html(block, label, simulated)
    return _paragraph_html(block)


def _paragraph_html(paragraph: Paragraph) -> str:
    kind = ' class="notice"' if paragraph.kind == "notice" else ""
    return f"<p{kind}>{html.escape(paragraph.text)}</p>"


def _figure_html(figure: Figure, label: str, simulated: bool) -> str:
    alt = f"{SIMULATED}. {figure.alt}" if simulated else figure.alt
    svg = figure_svg(figure, simulated=simulated)
    # A page knows these namespaces; without their addresses it names nothing outside itself.
    svg = _NAMESPACES.sub("", svg)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)
    caption = f"<b>{html.escape(label)}.</b> {html.escape(figure.caption)}"
    return (
        f'<figure id="figure-{html.escape(figure.key)}">\n{svg}\n'
        f"<figcaption>{caption}</figcaption></figure>"
    )
