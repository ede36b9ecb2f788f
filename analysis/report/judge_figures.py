"""Figures of the judge's section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.report.drawing import new_drawing
from analysis.report.figures import system_look

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


def draw_judge_against_people(
    people: NDArray[np.float64],
    judge: NDArray[np.float64],
    system: NDArray[np.int64],
    names: Sequence[str],
    ends: tuple[float, float],
) -> Drawing:
    """Mean score of each response by people (across) and judge (up), with the line of equal scores.

    Parameters
    ----------
    people, judge : ndarray, shape (responses,)
    system : ndarray of int, shape (responses,)
        Place of each response's system in ``names``.
    names : sequence of str
    ends : tuple of float
        Ends of the scale.
    """
    drawing = new_drawing(5.6, 5.4)
    axes = drawing.subplots()
    axes.plot(ends, ends, color="black", linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    for place, name in enumerate(names):
        colour, mark, _ = system_look(place)
        rows = system == place
        axes.plot(
            people[rows], judge[rows], linestyle="none", marker=mark, color=colour, alpha=0.75,
            markersize=6, markeredgecolor="black", markeredgewidth=0.5, label=name,
        )  # fmt: skip
    margin = 0.04 * (ends[1] - ends[0])
    axes.set_xlim(ends[0] - margin, ends[1] + margin)
    axes.set_ylim(ends[0] - margin, ends[1] + margin)
    axes.set_aspect("equal")
    axes.set_xlabel("Mean rating of people")
    axes.set_ylabel("Judge’s score")
    axes.legend(loc="lower right", frameon=True, title="System")
    return drawing
