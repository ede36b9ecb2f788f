"""Bootstrap: how clusters are drawn again, and the one rule by which draws become an interval.

Every interval by resampling in this room is made here, so that they all keep the same rules: draws are
made in blocks that fit into memory; limits that are equal are no interval; nor is there one where the
statistic is undefined in many draws, or where so few clusters were drawn that no percentile holds.

Percentiles of a bootstrap are too short for few clusters, like a normal interval with the variance over
n in place of n - 1. They are expanded here [1]_: the tails are those of a normal distribution at
-sqrt(n / (n - 1)) times Student's t with n - 1 degrees of freedom. What the result covers was measured
(docs/calibration.md).

References
----------
1. Hesterberg TC. What teachers should know about the bootstrap: resampling in the undergraduate
   statistics curriculum. Am Stat 2015;69:371-386 (expanded percentile interval).
2. Davison AC, Hinkley DV. Bootstrap methods and their application. 1997.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.results import Details, Estimate
from analysis.validation import FloatArray, confidence_level
from study.errors import AnalysisError

# With fewer, the draws cannot reach beyond the values seen, however far one goes into their tails: with
# three clusters a 95 % interval held the truth in 53 to 83 of 100 simulated studies.
FEWEST_CLUSTERS = 5
# From here on simulated coverage was 93 to 96 %.
FEW_CLUSTERS = 30
# Lowest and highest coverage of 95 % intervals that was measured (docs/calibration.md, "few clusters": a
# mean of normal and of skewed differences, a ratio of sums, ordinal alpha, macro F1), by clusters.
MEASURED_COVERAGE = {5: (84, 99), 8: (90, 98), 10: (91, 97), 20: (92, 95)}
# Draws are undefined at the ends, so without many of them the limits of the others are too narrow.
MOST_UNDEFINED = 0.10
WITHOUT_WIDTH = "none by bootstrap: (nearly) all draws gave the same value, which is no certainty"
# Cells of the largest array held in memory at once: 16 MB of floats.
# The stream of random numbers goes on from block to block, so another size gives the same draws.
_BLOCK_CELLS = 2_000_000


@dataclass(frozen=True)
class Bootstrap:
    """How clusters are drawn again.

    Parameters
    ----------
    replicates : int
        At least 2; 1,000 or more for an interval to be published.
    level : float
        Of the interval, between 0 and 1.
    seed : int
        0 or more.

    Raises
    ------
    AnalysisError
        When they make no interval.
    """

    replicates: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        confidence_level(self.level)
        if self.replicates < 2:
            raise AnalysisError(
                f"replicates: {self.replicates}; expected at least 2, and 1,000 or more to publish"
            )


DEFAULT_BOOTSTRAP = Bootstrap()


def blocks(replicates: int, cells_of_a_draw: int) -> Iterator[int]:
    """Sizes of the blocks that so many draws are made in, each to fit into memory."""
    size = max(1, _BLOCK_CELLS // max(cells_of_a_draw, 1))
    for start in range(0, replicates, size):
        yield min(size, replicates - start)


def drawn_counts(n: int, replicates: int, rng: np.random.Generator) -> FloatArray:
    """How often each of n clusters is drawn with replacement, shape (replicates, n)."""
    chosen = rng.integers(0, n, size=(replicates, n))
    # Each draw counts in a range of its own, so that one bincount does for all.
    chosen += np.arange(replicates)[:, None] * n
    drawn = np.bincount(chosen.ravel(), minlength=replicates * n).reshape(replicates, n)
    return drawn.astype(np.float64)


def resampled(
    n: int,
    bootstrap: Bootstrap,
    statistic: Callable[[FloatArray], FloatArray],
    *,
    cells: int = 0,
) -> FloatArray:
    """A statistic of n clusters that are drawn again and again.

    Parameters
    ----------
    statistic : callable
        From counts (draws, n) to values (draws, ...).
    cells : int
        What the statistic itself holds in memory for a draw, where that is more than n.

    Returns
    -------
    ndarray, shape (replicates, ...)
    """
    rng = np.random.default_rng(bootstrap.seed)
    return np.concatenate(
        [
            np.asarray(statistic(drawn_counts(n, size, rng)))
            for size in blocks(bootstrap.replicates, max(n, cells))
        ]
    )


def resampled_means(x: FloatArray, bootstrap: Bootstrap) -> FloatArray:
    """Means of values that are drawn again and again, shape (replicates,); the draws of `resampled`.

    Without counting how often each is drawn, which takes three times as long.
    """
    n, rng = x.size, np.random.default_rng(bootstrap.seed)
    return np.concatenate(
        [
            x[rng.integers(0, n, size=(size, n))].mean(axis=1)
            for size in blocks(bootstrap.replicates, n)
        ]
    )


def expanded_z(clusters: int, level: float) -> float:
    """How many standard deviations the expanded tails lie out; `clusters` is 2 or more.

    Examples
    --------
    >>> round(expanded_z(10, 0.95), 3), round(expanded_z(10_000, 0.95), 3)
    (2.385, 1.96)
    """
    from scipy import stats

    t = float(stats.t.ppf((1.0 + level) / 2.0, clusters - 1))
    return t * float(np.sqrt(clusters / (clusters - 1)))


@dataclass(frozen=True)
class BootstrapDetails(Details):
    """Of an interval by resampling.

    Parameters
    ----------
    of : Details
        Those of the estimate.
    replicates, replicates_undefined : int
    clusters_drawn : int
        How many there are to draw.
    seed : int or None
        None where it is told elsewhere.
    standard_error : float or None
        Standard deviation of the draws; None without an interval.
    """

    of: Details
    replicates: int
    replicates_undefined: int
    clusters_drawn: int
    seed: int | None = None
    standard_error: float | None = None


@dataclass(frozen=True)
class Drawn:
    """What was drawn again, for the words and the figures beside an interval.

    Parameters
    ----------
    what : str
        In the plural, such as ``"items"``.
    clusters : int
        How many there are of it; of two kinds drawn together the fewer.
    kind : str
        How they were drawn, in words, to begin ``ci_method`` with.
    seed : int or None
        None where it is told elsewhere.
    """

    what: str
    clusters: int
    kind: str = "percentile bootstrap"
    seed: int | None = None

    @property
    def too_few(self) -> str:
        """Why so few give no interval; empty where they are enough."""
        if self.clusters >= FEWEST_CLUSTERS:
            return ""
        return (
            f"none: {self.clusters} {self.what} are too few to be drawn again, at least "
            f"{FEWEST_CLUSTERS} are needed"
        )

    @property
    def caution(self) -> str:
        """What intervals of so few were measured to cover; empty from `FEW_CLUSTERS` on."""
        if self.clusters >= FEW_CLUSTERS:
            return ""
        at = max(size for size in MEASURED_COVERAGE if size <= self.clusters)
        low, high = MEASURED_COVERAGE[at]
        return (
            f" ({self.clusters} {self.what} are few: with {at}, 95 % intervals held the true value in "
            f"{low} to {high} % of simulated studies)"
        )


def bootstrap_interval(
    point: Estimate,
    draws: FloatArray,
    drawn: Drawn,
    *,
    level: float,
    corrected: Callable[[float], float] | None = None,
) -> Estimate:
    """The estimate with limits from its draws, or the reason why they give none.

    Parameters
    ----------
    point : Estimate
    draws : ndarray, shape (replicates,)
        nan where a draw has no value.
    drawn : Drawn
    level : float
    corrected : callable, optional
        From a normal quantile to the one to take instead (BCa).

    Returns
    -------
    Estimate
        No p-value. ``details``: ``replicates``, ``replicates_undefined``, ``clusters_drawn``,
        ``standard_error`` (standard deviation of the draws; where there is an interval), ``seed``.
        No limits, and the reason in ``ci_method``, with fewer than five clusters, with more than one
        draw in ten undefined, or without width.
    """
    from scipy import stats

    if point.estimate is None:
        return point
    known = draws[~np.isnan(draws)]
    gone = int(draws.size - known.size)
    clusters = drawn.clusters
    details = BootstrapDetails(point.details, int(draws.size), gone, clusters, drawn.seed)

    def without(why: str) -> Estimate:
        return replace(
            point,
            ci_low=None,
            ci_high=None,
            ci_level=level,
            ci_method=why,
            p_value=None,
            details=details,
        )

    if drawn.too_few:
        return without(drawn.too_few)
    if known.size < 2 or gone > MOST_UNDEFINED * draws.size:
        return without(f"none: the statistic is undefined in {gone} of {draws.size} draws")
    z = expanded_z(clusters, level) * np.array([-1.0, 1.0])
    if corrected is not None:
        z = np.array([corrected(float(end)) for end in z])
    low, high = np.quantile(known, stats.norm.cdf(z))
    # Perfect agreement gave [1, 1] before this rule: no draw can differ where no unit does.
    if np.isclose(low, high, rtol=1e-12, atol=1e-12):
        return without(WITHOUT_WIDTH)
    details = replace(details, standard_error=float(known.std(ddof=1)))
    return replace(
        point,
        ci_low=float(low),
        ci_high=float(high),
        ci_level=level,
        ci_method=f"{drawn.kind} of {drawn.what}, expanded, {known.size} replicates{drawn.caution}",
        p_value=None,
        details=details,
    )
