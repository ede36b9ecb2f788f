"""The figures: arrays in, a drawing out. Every one can be read without its colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.report.drawing import SYSTEM_COLOURS, SYSTEM_HATCHES, SYSTEM_MARKS, new_drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Points of a scale that bars can tell apart; longer scales (sliders) are drawn as boxes.
MOST_POINTS_AS_BARS = 10
_LABEL_FROM = 0.045
_HATCHES = ("////", "//", "", "..", "oo")


@dataclass(frozen=True)
class LikertBar:
    """One bar: how many ratings each point of the scale received."""

    group: str
    label: str
    counts: tuple[int, ...]


def point_colours(n: int) -> list[str]:
    """Colours from unfavourable (orange) over grey to favourable (blue), safe for colour-blind."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    ramp = mpl.colormaps["PuOr"]
    at = np.linspace(0.14, 0.86, n) if n > 1 else np.array([0.5])
    return [to_hex(ramp(x)) for x in at]


def _point_hatch(i: int, n: int) -> str:
    place = round(i * (len(_HATCHES) - 1) / max(n - 1, 1))
    return _HATCHES[place]


def draw_likert(bars: Sequence[LikertBar], points: Sequence[tuple[int, str]]) -> Drawing:
    """Diverging stacked bars: the middle point is centred on zero, shares are printed inside."""
    n = len(points)
    height = 1.5 + 0.30 * len(bars) + 0.16 * len({b.group for b in bars})
    drawing = new_drawing(8.2, height)
    axes = drawing.subplots()
    colours, y, ticks, names = point_colours(n), 0.0, [], []
    group = None
    for bar in bars:
        if bar.group != group:
            y -= 0.55 if group is not None else 0.0
            axes.text(-1.0, y + 0.62, bar.group, fontweight="bold", fontsize=8.5, va="center")
            group, y = bar.group, y - 0.05
        _likert_bar(axes, y, bar, colours)
        ticks.append(y)
        names.append(f"{bar.label} (n = {sum(bar.counts)})")
        y -= 1.0
    axes.axvline(0, color="black", linewidth=0.8, zorder=3)
    axes.set_yticks(ticks, names)
    axes.set_ylim(y + 0.4, 1.0)
    axes.set_xlim(-1.02, 1.02)
    steps = np.linspace(-1, 1, 9)
    axes.set_xticks(steps, [f"{abs(round(100 * s))} %" for s in steps])
    axes.set_xlabel("Share of ratings left and right of the middle of the scale")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _likert_legend(drawing, points, colours)
    return drawing


def _likert_bar(axes: Axes, y: float, bar: LikertBar, colours: list[str]) -> None:
    total, n = sum(bar.counts), len(bar.counts)
    if not total:
        axes.text(0.02, y, "no ratings", va="center", fontsize=8)
        return
    shares = np.asarray(bar.counts) / total
    below = shares[: n // 2].sum() + (shares[n // 2] / 2 if n % 2 else 0.0)
    left = -below
    for i, share in enumerate(shares):
        if share:
            axes.barh(
                y, share, 0.74, left, color=colours[i], edgecolor="black", linewidth=0.5,
                hatch=_point_hatch(i, n),
            )  # fmt: skip
            if share >= _LABEL_FROM:
                back = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"}
                axes.text(
                    left + share / 2, y, f"{100 * share:.0f}", ha="center", va="center",
                    fontsize=7, bbox=back, zorder=4,
                )  # fmt: skip
        left += share


def _likert_legend(drawing: Drawing, points: Sequence[tuple[int, str]], colours: list[str]) -> None:
    from matplotlib.patches import Patch

    n = len(points)
    handles = [
        Patch(
            facecolor=colours[i], edgecolor="black", linewidth=0.5, hatch=_point_hatch(i, n),
            label=f"{value} {anchor}" if anchor != str(value) else str(value),
        )
        for i, (value, anchor) in enumerate(points)
    ]  # fmt: skip
    drawing.legend(
        handles=handles, loc="outside lower center", ncols=min(n, 5), frameon=False, fontsize=8,
        handlelength=2.4, handleheight=1.2,
    )  # fmt: skip


def draw_boxes(rows: Sequence[tuple[str, NDArray[np.float64]]], low: float, high: float) -> Drawing:
    """Boxes for scales with too many points for bars: quartiles, whiskers to the extremes."""
    drawing = new_drawing(8.2, 1.2 + 0.32 * len(rows))
    axes = drawing.subplots()
    for i, (_, values) in enumerate(rows):
        if values.size:
            axes.boxplot(
                values, positions=[-i], orientation="horizontal", widths=0.6, whis=(0, 100),
                medianprops={"color": "black", "linewidth": 2},
            )  # fmt: skip
    axes.set_yticks([-i for i in range(len(rows))], [f"{t} (n = {v.size})" for t, v in rows])
    axes.set_xlim(low, high)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.set_xlabel("Rating")
    return drawing


def draw_slopes(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    names: tuple[str, str],
    drawn: int,
) -> Drawing:
    """One line per rater from one system to the other; the mean as a thick line.

    Dashed lines fall and solid lines rise, so that the direction needs no colour. Only the first
    ``drawn`` raters get a line; the means are over all.
    """
    drawing = new_drawing(5.2, 4.6)
    axes = drawing.subplots()
    faint = max(0.2, min(0.75, 25 / max(drawn, 1)))
    up = second > first
    for chosen, line, colour in ((up, "-", "#0072B2"), (~up, (0, (4, 2)), "#D55E00")):
        chosen = chosen & (np.arange(first.size) < drawn)
        ys = np.vstack([first[chosen], second[chosen]])
        if ys.size:
            axes.plot([0, 1], ys, color=colour, alpha=faint, linewidth=1.0, linestyle=line)
    means = [float(first.mean()), float(second.mean())]
    axes.plot([0, 1], means, color="black", linewidth=3, marker="o", markersize=7, zorder=5)
    for x, mean, side in ((0, means[0], "right"), (1, means[1], "left")):
        axes.annotate(
            f"mean {mean:.1f}", (x, mean), xytext=(-10 if x == 0 else 10, 0), ha=side, va="center",
            textcoords="offset points", fontweight="bold",
        )  # fmt: skip
    axes.set_xlim(-0.5, 1.5)
    axes.set_xticks([0, 1], list(names))
    axes.set_ylabel("Total of one rater")
    return drawing


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot; ``estimate`` None when undefined."""

    label: str
    estimate: float | None
    low: float | None
    high: float | None
    strong: bool = False


def draw_forest(rows: Sequence[ForestRow], x_label: str) -> Drawing:
    """Estimates with intervals around a line at zero; the declared ones as filled squares."""
    drawing = new_drawing(7.6, 1.1 + 0.32 * len(rows))
    axes = drawing.subplots()
    axes.axvline(0, color="black", linewidth=0.9)
    for i, row in enumerate(rows):
        if row.estimate is None:
            axes.text(0, -i, "  undefined", va="center", fontsize=8)
            continue
        low = row.estimate if row.low is None else row.low
        high = row.estimate if row.high is None else row.high
        axes.plot([low, high], [-i, -i], color="black", linewidth=2.2 if row.strong else 1.2)
        mark: dict[str, Any] = {"marker": "s" if row.strong else "o", "markersize": 7}
        face = "black" if row.strong else "white"
        axes.plot(row.estimate, -i, color="black", markerfacecolor=face, **mark)
    axes.set_yticks([-i for i in range(len(rows))], [r.label for r in rows])
    axes.set_ylim(-len(rows) + 0.3, 0.7)
    axes.set_xlabel(x_label)
    axes.grid(axis="x", color="#d0d0d0", linewidth=0.5)
    axes.set_axisbelow(True)
    return drawing


def draw_agreement_matrix(kappas: np.ma.MaskedArray[Any, Any], names: Sequence[str]) -> Drawing:
    """Shades of grey from no agreement (white) to full agreement (black); numbers when they fit."""
    n = len(names)
    side = min(6.0, max(3.2, 0.16 * n + 1.8))
    drawing = new_drawing(side + 0.7, side)
    axes = drawing.subplots()
    shown = np.ma.masked_where(np.eye(n, dtype=bool), kappas)
    image = _shade(axes, shown)
    axes.set_aspect("equal")
    size = 7 if n <= 24 else 5 if n <= 40 else 4
    axes.set_xticks(range(n), list(names), rotation=90, fontsize=size)
    axes.set_yticks(range(n), list(names), fontsize=size)
    if n <= 12:
        for i in range(n):
            for j in range(n):
                value = shown[i, j]
                text = "" if i == j else "?" if np.ma.is_masked(value) else f"{value:.2f}"
                ink = "white" if text not in ("", "?") and float(value) > 0.55 else "black"
                axes.text(j, i, text, ha="center", va="center", fontsize=7, color=ink)
    bar = drawing.colorbar(image, ax=axes, shrink=0.7, extend="min")
    bar.set_label("Quadratic weighted κ")
    return drawing


def draw_confusion(
    counts: NDArray[np.int64], points: Sequence[str], sides: tuple[str, str]
) -> Drawing:
    """Cross-table of two ratings in greys by share of the row; every cell carries its percentage.

    Parameters
    ----------
    counts : ndarray, shape (points, points)
        A row without any rating is left blank and says so.
    points : sequence of str
    sides : tuple of str
        What stands at the rows and at the columns.
    """
    n = len(points)
    drawing = new_drawing(2.6 + 0.72 * n, 1.9 + 0.46 * n)
    axes = drawing.subplots()
    sums = counts.sum(axis=1, keepdims=True)
    shares = np.ma.masked_where(
        np.broadcast_to(sums == 0, counts.shape), counts / np.maximum(sums, 1)
    )
    image = _shade(axes, shares)
    axes.set_xticks(range(n), list(points), rotation=35, ha="right", fontsize=8)
    axes.set_yticks(range(n), list(points), fontsize=8)
    axes.set_ylabel(sides[0])
    axes.set_xlabel(sides[1])
    for i, j in np.ndindex(n, n):
        known = bool(sums[i, 0])
        ink = "white" if known and float(shares[i, j]) > 0.55 else "black"
        text = f"{100 * float(shares[i, j]):.0f}" if known else "–"
        axes.text(
            j, i, text, ha="center", va="center", fontsize=8, color=ink,
            fontweight="bold" if i == j else "normal",
        )  # fmt: skip
    bar = drawing.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("Share of the row")
    return drawing


def draw_correlations(correlations: NDArray[np.float64], items: Sequence[str]) -> Drawing:
    """Lower half of a correlation matrix in greys by size; every cell carries its number.

    A negative correlation has a hatch, so that it cannot be taken for a positive one.
    """
    n = len(items)
    drawing = new_drawing(2.9 + 0.52 * n, 1.6 + 0.42 * n)
    axes = drawing.subplots()
    hidden = np.triu(np.ones((n, n), dtype=bool))
    image = _shade(axes, np.ma.masked_where(hidden, np.abs(correlations)))
    axes.set_xticks(range(n - 1), [item.split()[0] for item in items[:-1]], fontsize=8)
    axes.set_yticks(range(n), list(items), fontsize=8)
    for i in range(n):
        for j in range(i):
            value = float(correlations[i, j])
            if value < 0:
                axes.fill_between([j - 0.5, j + 0.5], i - 0.5, i + 0.5, facecolor="none",
                                  edgecolor="black", hatch="////", linewidth=0.0)  # fmt: skip
            ink = "white" if abs(value) > 0.55 else "black"
            text = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=ink)
    bar = drawing.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("Size of the correlation")
    return drawing


def _shade(axes: Axes, shares: np.ma.MaskedArray[Any, Any]) -> Any:
    """Grey cells from 0 (white) to 1 (black), drawn as shapes: an image would be a hidden file."""
    import matplotlib as mpl

    rows, columns = shares.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    # Ten steps: the eye tells no more apart on paper, and a smooth scale would become an image.
    greys = mpl.colormaps["Greys"].resampled(10)
    mesh = axes.pcolormesh(*edges, shares, cmap=greys, vmin=0.0, vmax=1.0)
    axes.invert_yaxis()
    return mesh


def draw_missingness(
    shares: NDArray[np.float64], raters: Sequence[str], items: Sequence[str]
) -> Drawing:
    """Share of planned answers that are missing, rater by item; each cell carries its percentage.

    Parameters
    ----------
    shares : ndarray, shape (raters, items)
        Between 0 and 1; nan where nothing was planned.
    raters, items : sequence of str
    """
    drawing = new_drawing(7.6, 1.7 + 0.21 * len(raters))
    axes = drawing.subplots()
    masked = np.ma.masked_invalid(shares)
    image = _shade(axes, masked)
    axes.set_xticks(range(len(items)), list(items), rotation=35, ha="right", fontsize=8)
    axes.set_yticks(range(len(raters)), list(raters), fontsize=7)
    for i, j in np.argwhere(~np.ma.getmaskarray(masked)):
        share = float(shares[i, j])
        ink = "white" if share > 0.55 else "black"
        text = f"{100 * share:.0f}" if share else "·"
        axes.text(j, i, text, ha="center", va="center", fontsize=7, color=ink)
    bar = drawing.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("Share of planned answers missing")
    return drawing


def system_look(index: int) -> tuple[str, str, str]:
    """Colour, mark and hatch of the system at this place."""
    return (
        SYSTEM_COLOURS[index % len(SYSTEM_COLOURS)],
        SYSTEM_MARKS[index % len(SYSTEM_MARKS)],
        SYSTEM_HATCHES[index % len(SYSTEM_HATCHES)],
    )
