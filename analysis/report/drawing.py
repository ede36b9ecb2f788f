"""How figures look and how they become bytes, the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from analysis.report.blocks import SIMULATED, Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

# Okabe and Ito's colours: told apart with any common kind of colour blindness.
SYSTEM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYSTEM_MARKS = ("o", "s", "^", "D", "v", "P")
SYSTEM_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++")

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "evenhand",
    # Outlines, so that the figure looks the same whatever fonts the reader's machine has.
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.6,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "path.simplify": True,
}
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_ID = re.compile(r'(\sid="|url\(#|href="#)')


@contextmanager
def report_style() -> Iterator[None]:
    """Matplotlib settings of the report, left as they were afterwards; no window is opened."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def new_drawing(width: float, height: float) -> Drawing:
    """An empty drawing, in inches, that belongs to no window."""
    from matplotlib.figure import Figure as MatplotlibFigure

    return MatplotlibFigure(figsize=(width, height), layout="constrained")


def _drawn(figure: Figure, simulated: bool) -> Drawing:
    drawing = figure.draw()
    if simulated:
        drawing.suptitle(SIMULATED, fontsize=9, fontweight="bold", color="black")
        drawing.text(
            0.5, 0.5, "SIMULATED", fontsize=44, color="black", alpha=0.10, rotation=24,
            ha="center", va="center", zorder=100,
        )  # fmt: skip
    return drawing


def figure_svg(figure: Figure, *, simulated: bool) -> str:
    """The figure as an ``<svg>`` element; its ids start with the figure's key."""
    buffer = io.StringIO()
    with report_style():
        _drawn(figure, simulated).savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    svg = _METADATA.sub("", _PROLOGUE.sub("", buffer.getvalue()))
    return _ID.sub(rf"\g<1>{figure.key}-", svg)


def figure_png(figure: Figure, *, simulated: bool) -> bytes:
    """The figure as PNG for programs that show no SVG."""
    buffer = io.BytesIO()
    with report_style():
        _drawn(figure, simulated).savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
