"""The report as one HTML file that needs nothing outside itself."""

from __future__ import annotations

import html
import re
from importlib import resources

from analysis.report.blocks import SIMULATED, Document, Figure, Table
from analysis.report.drawing import figure_svg

_NAMESPACES = re.compile(r' xmlns(?::xlink)?="[^"]*"')
ROWS_KEPT_ON_ONE_PAGE = 24


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
    environment.tests["a_table"] = lambda block: isinstance(block, Table)
    environment.tests["a_figure"] = lambda block: isinstance(block, Figure)
    page = environment.from_string(template.read_text(encoding="utf-8"))
    return page.render(
        document=document,
        banner=SIMULATED,
        inline_svg=_inline_svg,
        rows_kept_on_one_page=ROWS_KEPT_ON_ONE_PAGE,
    )


def _inline_svg(figure: Figure, simulated: bool) -> str:
    """The figure for the middle of a page, with its words for those who cannot see it."""
    alt = f"{SIMULATED}. {figure.alt}" if simulated else figure.alt
    # A page knows these namespaces; without their addresses it names nothing outside itself.
    svg = _NAMESPACES.sub("", figure_svg(figure, simulated=simulated))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)
