"""The loss of a training over its steps, as a table and a plot."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.whole_files import FOR_ALL, whole_file

TABLE, PLOT = "losses.csv", "losses.svg"


@dataclass(frozen=True)
class LossPoint:
    """One loss.

    Attributes
    ----------
    step : int
        Optimizer steps done; 0 is before the training.
    kind : str
        'training' (mean since the point before) or 'held out'.
    loss : float
        Nats per learned token.
    learning_rate : float or None
        None for held-out losses.
    """

    step: int
    kind: str
    loss: float
    learning_rate: float | None = None


def loss_points(history: Sequence[Mapping[str, Any]]) -> tuple[LossPoint, ...]:
    """The points of a Trainer's log; of a step that was logged twice, the last."""
    points: dict[tuple[int, str], LossPoint] = {}
    for entry in history:
        for name, kind in (("loss", "training"), ("eval_loss", "held out")):
            if name in entry:
                rate = entry.get("learning_rate") if kind == "training" else None
                step = int(entry["step"])
                points[step, kind] = LossPoint(step, kind, float(entry[name]), rate)
    return tuple(points[key] for key in sorted(points))


def write_loss_curve(points: Sequence[LossPoint], folder: Path, mark: int | None = None) -> None:
    """Write ``losses.csv`` and ``losses.svg``.

    Parameters
    ----------
    points : sequence of LossPoint
    folder : Path
    mark : int or None
        The step at which fake quantization begins, drawn as a line.
    """
    with (
        whole_file(folder / TABLE, mode=FOR_ALL) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(["step", "kind", "loss_nats_per_token", "learning_rate"])
        for point in points:
            rate = "" if point.learning_rate is None else f"{point.learning_rate:.6g}"
            table.writerow([point.step, point.kind, f"{point.loss:.6f}", rate])
    _plot(points, folder / PLOT, mark)


def _plot(points: Sequence[LossPoint], path: Path, mark: int | None) -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for kind, style in (("training", "-"), ("held out", "o--")):
        chosen = [point for point in points if point.kind == kind]
        axes.plot([p.step for p in chosen], [p.loss for p in chosen], style, label=kind, ms=4)
    if mark is not None:
        axes.axvline(mark, color="0.5", lw=1, ls=":", label="fake quantization begins")
    axes.set(xlabel="step", ylabel="loss (nats per learned token)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    # Without date and with a fixed salt, the same losses give the same file.
    with rc_context({"svg.hashsalt": "evenhand"}), whole_file(path, mode=FOR_ALL) as part:
        figure.savefig(part, format="svg", metadata={"Date": None})
