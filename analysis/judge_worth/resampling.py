"""Draws of raters and prompts together, and agreement of judge and raters under each draw.

Ratings by one rater hang together, and so do ratings of one prompt's responses: both are drawn again,
each as a whole (Owen's pigeonhole bootstrap). The first draw is the study itself, so that estimate
and replicates come from the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.agreement.coefficients import point_indices, value_counts
from analysis.agreement.krippendorff import alphas
from analysis.resampling import Bootstrap, Drawn, bootstrap_interval, drawn_counts
from analysis.results import Details, Estimate, undefined
from analysis.validation import BoolArray, FloatArray, IntArray

CONSENSUS = ("median", "mean", "mode")
# Cells of the largest array held in memory at once.
_BLOCK_CELLS = 4_000_000
_TINY = 1e-12


@dataclass(frozen=True)
class JudgedUnits:
    """Responses with a verdict and at least one rating.

    Parameters
    ----------
    ratings : ndarray, shape (units, raters)
    judge : ndarray, shape (units,)
    points : ndarray
        All points of the scale, ascending.
    prompt : ndarray of int, shape (units,)
    """

    ratings: FloatArray
    judge: FloatArray
    points: FloatArray
    prompt: IntArray

    @property
    def n(self) -> int:
        """Responses (with items, when several are pooled)."""
        return int(self.judge.size)

    @property
    def n_raters(self) -> int:
        return int(self.ratings.shape[1])

    @property
    def n_prompts(self) -> int:
        return int(np.unique(self.prompt).size)

    @cached_property
    def rounded_judge(self) -> FloatArray:
        """The scale point nearest to each verdict, the lower of two that are equally near."""
        distance = np.abs(self.judge[:, None] - self.points[None, :])
        return np.asarray(self.points[distance.argmin(axis=1)])

    @cached_property
    def indicators(self) -> FloatArray:
        """1 where a rater gave a unit a point, shape (raters, units, points)."""
        index = point_indices(self.ratings, self.points)
        found = index.T[:, :, None] == np.arange(self.points.size)
        return np.ascontiguousarray(found, dtype=np.float64)


@dataclass(frozen=True)
class Draws:
    """How often each rater and each unit is drawn; the first row is all ones.

    Parameters
    ----------
    raters : ndarray, shape (draws, raters)
    units : ndarray, shape (draws, units)
    prompts : ndarray, shape (draws, prompts)
        The same as ``units``, by prompt.
    bootstrap : Bootstrap
        What they were drawn by.
    """

    raters: FloatArray
    units: FloatArray
    prompts: FloatArray
    bootstrap: Bootstrap

    def blocks(self, cells_of_a_draw: int) -> Iterator[Draws]:
        """The draws in pieces that fit into memory."""
        size = max(1, _BLOCK_CELLS // max(cells_of_a_draw, 1))
        for start in range(0, len(self.raters), size):
            rows = slice(start, start + size)
            yield replace(
                self,
                raters=self.raters[rows],
                units=self.units[rows],
                prompts=self.prompts[rows],
            )


@dataclass(frozen=True)
class DrawnDetails(Details):
    """How many raters (None where they were not drawn) and prompts a figure rests on."""

    raters: int | None
    prompts: int


def draw_together(units: JudgedUnits, bootstrap: Bootstrap) -> Draws:
    """Draw raters and prompts again, independently of each other.

    References
    ----------
    .. [1] Owen, A. B. (2007). The pigeonhole bootstrap. Annals of Applied Statistics, 1, 386-411.
    """
    rng = np.random.default_rng(bootstrap.seed)
    raters = _drawn(units.n_raters, bootstrap.replicates, rng)
    prompts = _drawn(units.n_prompts, bootstrap.replicates, rng)
    return Draws(raters, prompts[:, units.prompt], prompts, bootstrap)


def _drawn(n: int, replicates: int, rng: np.random.Generator) -> FloatArray:
    if not n:
        return np.ones((1, 0))
    return np.vstack([np.ones((1, n)), drawn_counts(n, replicates, rng)])


def drawn_estimate(
    statistic: str,
    values: FloatArray,
    units: JudgedUnits,
    draws: Draws,
    because: str,
    clusters: int | None = None,
) -> Estimate:
    """Estimate from the first value and a percentile interval from the others.

    Parameters
    ----------
    values : ndarray, shape (draws,)
        nan where undefined.
    because : str
        Why the first value can be undefined.
    clusters : int, optional
        How many prompts were drawn, where only they were; by default raters and prompts were drawn
        together, and the fewer of them count.
    """
    if np.isnan(values[0]):
        return undefined(statistic, because, n=units.n, unit="response")
    point = Estimate(
        statistic,
        float(values[0]),
        ci_level=draws.bootstrap.level,
        n=units.n,
        unit="response",
        details=DrawnDetails(units.n_raters if clusters is None else None, units.n_prompts),
    )
    if clusters is None:
        what, clusters = "raters and prompts drawn together", min(units.n_raters, units.n_prompts)
    else:
        what = "prompts drawn again"
    drawn = Drawn(what, clusters, seed=draws.bootstrap.seed)
    return bootstrap_interval(point, values[1:], drawn, level=draws.bootstrap.level)


@dataclass(frozen=True)
class Moments:
    """Weighted sums of two columns; any shape."""

    n: FloatArray
    x: FloatArray
    y: FloatArray
    xx: FloatArray
    yy: FloatArray
    xy: FloatArray

    def quadratic_kappa(self) -> FloatArray:
        """1 - observed over expected squared difference; nan without anything expected.

        For values between scale points too, where it is Lin's concordance coefficient.
        """
        n = np.where(self.n > 0, self.n, 1.0)
        observed = (self.xx + self.yy - 2 * self.xy) / n
        expected = (self.xx + self.yy) / n - 2 * self.x * self.y / n**2
        return _ratio(expected - observed, expected, self.n >= 2)

    def agreement_icc(self) -> FloatArray:
        """ICC(2,1) of two columns: absolute agreement of a single score."""
        n = np.where(self.n > 1, self.n, 2.0)
        sxx, syy = self.xx - self.x**2 / n, self.yy - self.y**2 / n
        sxy = self.xy - self.x * self.y / n
        between = (sxx + syy + 2 * sxy) / (2 * (n - 1))
        error = (sxx + syy - 2 * sxy) / (2 * (n - 1))
        columns = (self.x - self.y) ** 2 / (2 * n)
        below = between + error + 2 * (columns - error) / n
        return _ratio(between - error, below, self.n >= 3)


def _ratio(above: FloatArray, below: FloatArray, defined: BoolArray) -> FloatArray:
    usable = defined & (below > _TINY)
    return np.asarray(np.divide(above, below, out=np.full_like(below, np.nan), where=usable))


def _weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean over the last axis, nan values left out; nan where nothing is left."""
    weights = np.where(np.isnan(values), 0.0, weights)
    total = weights.sum(axis=-1)
    found = (np.nan_to_num(values) * weights).sum(axis=-1)
    return np.asarray(np.divide(found, total, out=np.full_like(total, np.nan), where=total > 0))


def kappa_with_each_rater(units: JudgedUnits, draws: Draws) -> FloatArray:
    """Quadratic kappa of the judge with each rater, averaged over raters; shape (draws,)."""
    present = (~np.isnan(units.ratings)).astype(np.float64)
    centre = units.points.mean()
    x = np.where(present > 0, units.ratings - centre, 0.0)
    y = present * (units.judge - centre)[:, None]
    w = draws.units
    sums = Moments(w @ present, w @ x, w @ y, w @ x**2, w @ y**2, w @ (x * y))
    return _weighted_mean(sums.quadratic_kappa(), draws.raters)


def kappa_between_raters(units: JudgedUnits, draws: Draws) -> FloatArray:
    """Quadratic kappa of each rater with each other one, averaged over pairs; shape (draws,).

    Two copies of one rater are no pair: they agree by construction.
    """
    present = (~np.isnan(units.ratings)).astype(np.float64)
    x = np.where(present > 0, units.ratings - units.points.mean(), 0.0)
    r = units.n_raters
    columns = ((present, present), (x, present), (x**2, present), (x, x))
    by_prompt = [np.zeros((units.n_prompts, r * r)) for _ in columns]
    for prompt in range(units.n_prompts):
        rows = units.prompt == prompt
        for found, (a, b) in zip(by_prompt, columns, strict=True):
            found[prompt] = (a[rows].T @ b[rows]).ravel()
    values = []
    for part in draws.blocks(6 * r * r):
        n, s, q, c = ((part.prompts @ found).reshape(-1, r, r) for found in by_prompt)
        flipped = (s.transpose(0, 2, 1), q.transpose(0, 2, 1))
        kappa = Moments(n, s, flipped[0], q, flipped[1], c).quadratic_kappa()
        pairs = part.raters[:, :, None] * part.raters[:, None, :]
        pairs[:, np.arange(r), np.arange(r)] = 0.0
        values.append(_weighted_mean(kappa.reshape(-1, r * r), pairs.reshape(-1, r * r)))
    return np.concatenate(values)


def consensus_of(counts: FloatArray, points: FloatArray, kind: str) -> FloatArray:
    """Median, mean or mode of value counts, shape (..., points) -> (...); nan without a count.

    The median of an even number is the middle of the two; modes that are equally frequent are
    averaged.
    """
    total = counts.sum(axis=-1)
    if kind == "mean":
        found = counts @ points
        return np.asarray(np.divide(found, total, out=np.full_like(total, np.nan), where=total > 0))
    if kind == "mode":
        highest = (counts == counts.max(axis=-1, keepdims=True)).astype(np.float64)
        value = (highest @ points) / highest.sum(axis=-1)
    else:
        running = np.cumsum(counts, axis=-1)
        half = total[..., None] / 2.0
        lower = (running < half - _TINY).sum(axis=-1)
        upper = (running <= half + _TINY).sum(axis=-1)
        last = points.size - 1
        value = (points[np.minimum(lower, last)] + points[np.minimum(upper, last)]) / 2.0
    return np.asarray(np.where(total > 0, value, np.nan))


def with_consensus(
    units: JudgedUnits, draws: Draws, kind: str, statistic: str
) -> tuple[FloatArray, FloatArray]:
    """Judge against the raters' consensus, and each rater against that of the others.

    Parameters
    ----------
    kind : {"median", "mean", "mode"}
    statistic : {"quadratic_kappa", "agreement_icc"}

    Returns
    -------
    judge, people : ndarray, shape (draws,)
        ``people`` averages over the raters who are left out in turn.
    """
    q, r = units.points.size, units.n_raters
    flat = units.indicators.reshape(r, units.n * q)
    judge, people = [], []
    for part in draws.blocks(3 * units.n * q):
        counts = (part.raters @ flat).reshape(-1, units.n, q)
        of_all = consensus_of(counts, units.points, kind)
        sums = _column_moments(units.judge, of_all, part.units)
        judge.append(getattr(sums, statistic)())
        each = np.full((len(part.raters), r), np.nan)
        for rater in range(r):
            rest = counts - part.raters[:, rater, None, None] * units.indicators[rater]
            others = consensus_of(rest, units.points, kind)
            sums = _column_moments(units.ratings[:, rater], others, part.units)
            each[:, rater] = getattr(sums, statistic)()
        people.append(_weighted_mean(each, part.raters))
    return np.concatenate(judge), np.concatenate(people)


def _column_moments(x: FloatArray, y: FloatArray, weights: FloatArray) -> Moments:
    """Sums over units of one fixed column and one that differs between draws (draws, units)."""
    given = ~np.isnan(x)[None, :] & ~np.isnan(y)
    w = np.where(given, weights, 0.0)
    a = np.nan_to_num(x)[None, :]
    b = np.where(given, y, 0.0)
    sums = (w, w * a, w * b, w * a * a, w * b * b, w * a * b)
    return Moments(*(s.sum(axis=1) for s in sums))


def alpha_with_and_without(units: JudgedUnits, draws: Draws) -> tuple[FloatArray, FloatArray]:
    """Ordinal alpha of raters and judge, and of raters alone; the judge is never drawn again."""
    q = units.points.size
    flat = units.indicators.reshape(units.n_raters, units.n * q)
    verdicts = value_counts(units.rounded_judge[:, None], units.points)
    found: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    for part in draws.blocks(3 * units.n * q):
        counts = (part.raters @ flat).reshape(-1, units.n, q)
        squares = (part.raters**2 @ flat).reshape(-1, units.n, q)
        for values, extra in zip(found, (verdicts, np.zeros_like(verdicts)), strict=True):
            values.append(_alpha(counts + extra, squares + extra, part.units, units.points))
    return np.concatenate(found[0]), np.concatenate(found[1])


def _alpha(
    counts: FloatArray, squares: FloatArray, of_unit: FloatArray, points: FloatArray
) -> FloatArray:
    """Copies of one rater are not paired, as in `analysis.agreement.bootstrap`."""
    m = counts.sum(axis=-1)
    pairs = m**2 - squares.sum(axis=-1)
    factor = of_unit * np.divide(m, pairs, out=np.zeros_like(m), where=pairs > 0.5)
    coincidences = np.matmul((counts * factor[..., None]).transpose(0, 2, 1), counts)
    q = points.size
    coincidences[:, np.arange(q), np.arange(q)] -= (squares * factor[..., None]).sum(axis=1)
    return alphas(coincidences, points, "ordinal")
