"""Does the judge score higher or lower than people: overall, by system, by length; and base rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.agreement.coefficients import value_counts
from analysis.judge_worth.resampling import Draws, JudgedUnits, consensus_of, drawn_estimate
from analysis.results import Estimate
from analysis.validation import BoolArray, FloatArray, IntArray

LENGTH_STEP = 100.0
_NO_SLOPE = "the responses do not differ in length"
_NOTHING_RATED = "no response of this system has a verdict and ratings"


@dataclass(frozen=True)
class BaseRate:
    """How often one point was given.

    Parameters
    ----------
    point : float
    judge, people : int
        Verdicts (rounded to the nearest point) and ratings.
    judge_share, people_share : float
    """

    point: float
    judge: int
    people: int
    judge_share: float
    people_share: float


def base_rates(units: JudgedUnits) -> tuple[BaseRate, ...]:
    """Use of each scale point by judge and people; empty without units."""
    people = value_counts(units.ratings, units.points).sum(axis=0)
    judge = value_counts(units.rounded_judge[:, None], units.points).sum(axis=0)
    if not judge.sum():
        return ()
    return tuple(
        BaseRate(float(p), int(j), int(h), float(j / judge.sum()), float(h / people.sum()))
        for p, j, h in zip(units.points, judge, people, strict=True)
    )


def differences(units: JudgedUnits, draws: Draws) -> FloatArray:
    """Verdict less the mean of the drawn raters, shape (draws, units); nan where none was drawn."""
    q = units.points.size
    flat = units.indicators.reshape(units.n_raters, units.n * q)
    found = []
    for part in draws.blocks(2 * units.n * q):
        counts = (part.raters @ flat).reshape(-1, units.n, q)
        found.append(units.judge - consensus_of(counts, units.points, "mean"))
    return np.concatenate(found)


def signed_bias(
    units: JudgedUnits,
    draws: Draws,
    difference: FloatArray,
    chosen: BoolArray | None = None,
    statistic: str = "judge_bias",
) -> Estimate:
    """Mean difference of judge and people over responses, in points; above 0 the judge overrates.

    Parameters
    ----------
    difference : ndarray, shape (draws, units)
        From `differences`.
    chosen : ndarray of bool, shape (units,), optional
        Units of one system.
    """
    use = np.ones(units.n, dtype=bool) if chosen is None else chosen
    d, w = difference[:, use], draws.units[:, use]
    w = np.where(np.isnan(d), 0.0, w)
    total = w.sum(axis=1)
    sums = (np.nan_to_num(d) * w).sum(axis=1)
    values = np.divide(sums, total, out=np.full_like(total, np.nan), where=total > 0)
    kept = JudgedUnits(units.ratings[use], units.judge[use], units.points, units.prompt[use])
    return drawn_estimate(statistic, np.asarray(values), kept, draws, _NOTHING_RATED)


def bias_by_length(
    units: JudgedUnits,
    draws: Draws,
    difference: FloatArray,
    lengths: FloatArray,
    system: IntArray | None,
) -> Estimate:
    """Change of the judge's bias with every 100 words (or whatever the lengths count).

    The slope of least squares of verdict less mean rating on length / 100. With ``system``, lengths
    and differences are centred within systems, so that a bias for a system that writes more is not
    taken for one for length.
    """
    statistic = "judge_bias_per_100" + ("" if system is None else "_within_systems")
    x = np.broadcast_to(lengths / LENGTH_STEP, difference.shape)
    usable = ~np.isnan(difference) & ~np.isnan(x)
    w = np.where(usable, draws.units, 0.0)
    x, d = np.where(usable, x, 0.0), np.where(usable, difference, 0.0)
    codes = np.zeros(units.n, dtype=np.int64) if system is None else system
    above, below = np.zeros(len(w)), np.zeros(len(w))
    for code in np.unique(codes):
        of_system = codes == code
        ws, xs, ds = w[:, of_system], x[:, of_system], d[:, of_system]
        n = np.maximum(ws.sum(axis=1, keepdims=True), 1e-300)
        centred = xs - (ws * xs).sum(axis=1, keepdims=True) / n
        above += (ws * centred * ds).sum(axis=1)
        below += (ws * centred**2).sum(axis=1)
    defined = below > 1e-9
    values = np.divide(above, below, out=np.full_like(below, np.nan), where=defined)
    return drawn_estimate(statistic, np.asarray(values), units, draws, _NO_SLOPE)
