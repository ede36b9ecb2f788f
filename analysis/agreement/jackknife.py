"""Jackknife of agreement where units hang together: whole clusters of units are left out in turn.

Eight items that the same raters answer about one response are not eight independent responses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.agreement.bootstrap import FEWEST_RATERS_DRAWN, cluster_indices
from analysis.agreement.coefficients import t_limits
from analysis.agreement.intraclass import icc2_alone, of_the_mean
from analysis.results import Details, Estimate
from analysis.validation import FloatArray, IntArray, confidence_level, ratings_matrix

# More clusters are left out some at a time, in groups made at random: their number sets the degrees
# of freedom, and beyond this the interval hardly becomes narrower.
MOST_LEFT_OUT = 40
# A large table leaves fewer and larger groups out; the interval has fewer degrees of freedom then.
LARGE_TABLE = 200_000
MOST_LEFT_OUT_OF_LARGE = 20
# Of the groups of clusters, so that a table has the same interval every time.
_SEED = 20250301
# Of a variance: a coefficient that moves by less than 1e-14 moves by rounding.
_TINY = 1e-28
# Details of a coefficient that rest on no assumption about the units.
_KEPT = ("observed_agreement", "chance_agreement", "raters", "method", "pairable_ratings")


@dataclass(frozen=True)
class JackknifeDetails(Details):
    """What the coefficient keeps of its own, where it has it, and the jackknife.

    ``standard_error`` and ``df`` are None without an interval; the error also for ICC(2,k), whose limits
    are those of a single rating carried over.
    """

    observed_agreement: float | None
    chance_agreement: float | None
    raters: int | None
    method: str | None
    pairable_ratings: int | None
    clusters: int
    standard_error: float | None = None
    df: float | None = None


def jackknife_agreement(
    statistic: Callable[[FloatArray], Estimate],
    ratings: ArrayLike,
    clusters: ArrayLike,
    *,
    cluster: str = "cluster",
    lowest: float = -1.0,
    with_raters: bool = False,
    level: float = 0.95,
) -> Estimate:
    """An agreement statistic with a t interval from a jackknife over clusters of units.

    Parameters
    ----------
    statistic : callable
        From a table (units, raters) to an `Estimate`.
    ratings : array-like, shape (units, raters)
        Missing as nan.
    clusters : array-like, shape (units,)
        What each unit belongs to, for example its response.
    cluster : str
        What a cluster is called, in the singular.
    lowest : float
        The least value that the statistic can take.
    with_raters : bool
        Raters are a sample too: each is left out in turn as well and the two variances are added,
        which is slightly too much (what both share is counted twice), with Satterthwaite's degrees
        of freedom. Needs five raters.
    level : float

    Returns
    -------
    Estimate
        The estimate of the statistic; no p-value. ``details``: ``clusters``,
        ``standard_error``, ``df``. No interval, with the reason, with a single cluster or where
        the statistic is undefined without one of them.

    References
    ----------
    .. [1] Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application,
       section 2.10.
    """
    confidence_level(level)
    table = ratings_matrix(ratings)
    point = statistic(table)
    if point.estimate is None:
        return point
    rated = ~np.isnan(table).all(axis=1)
    of = np.unique(cluster_indices(clusters, table.shape[0])[rated], return_inverse=True)[1]
    table = table[rated][:, (~np.isnan(table)).any(axis=0)]
    n, raters = int(of.max()) + 1, table.shape[1]
    details = JackknifeDetails(**{k: getattr(point.details, k, None) for k in _KEPT}, clusters=n)
    most = MOST_LEFT_OUT if table.size < LARGE_TABLE else MOST_LEFT_OUT_OF_LARGE
    what, parts, why = _counted(n, cluster, most), [_left_out(statistic, table, of, 0, most)], ""
    if n < 2:
        why = f"none: all units belong to one {cluster}, which cannot vary"
    elif with_raters and raters < FEWEST_RATERS_DRAWN:
        why = (
            f"none: {_counted(raters, 'rater', most)} are too few to be left out in turn, at least "
            f"{FEWEST_RATERS_DRAWN} are needed"
        )
    elif with_raters:
        what += f" and {_counted(raters, 'rater', most)}"
        parts.append(_left_out(statistic, table, np.arange(raters), 1, most))
    known = [part for part in parts if part is not None]
    if not why and len(known) < len(parts):
        why = f"none: undefined when some of the {what} are left out"
    # One variance a factor: clusters, and raters where they are a sample too.
    variance = sum(v for v, _ in known)
    if not why and variance < _TINY:
        why = f"none: leaving out any of the {what} changes nothing"
    limits: tuple[float, float] | tuple[None, None] = (None, None)
    if not why:
        df = variance**2 / sum(v**2 / df for v, df in known)
        error = float(np.sqrt(variance))
        details = replace(details, standard_error=error, df=float(df))
        limits, why = _limits(point.estimate, error, df, level, lowest, what)
    return replace(
        point,
        ci_low=limits[0],
        ci_high=limits[1],
        ci_level=level,
        ci_method=why,
        p_value=None,
        details=details,
    )


def jackknife_icc2(
    ratings: ArrayLike,
    clusters: ArrayLike,
    *,
    missing: str = "complete",
    cluster: str = "cluster",
    level: float = 0.95,
) -> tuple[Estimate, Estimate]:
    """ICC(2,1) and ICC(2,k) of units that hang together, by a jackknife of clusters and raters.

    Parameters
    ----------
    ratings, clusters, cluster, level
        As in `jackknife_agreement`.
    missing : {"complete", "mixed_model", "mixed_model_profile"}
        As in `analysis.agreement.intraclass.icc`.

    Returns
    -------
    single, mean : Estimate
        The interval of the mean is that of the single rating carried over by the Spearman-Brown
        formula.
    """
    table = ratings_matrix(ratings)
    single = jackknife_agreement(
        lambda drawn: icc2_alone(drawn, missing=missing),
        table,
        clusters,
        cluster=cluster,
        lowest=0.0,
        with_raters=True,
        level=level,
    )
    if single.estimate is None:
        return single, replace(single, statistic="icc2k")
    k = int(single.details.raters)

    def carried(value: float | None) -> float | None:
        return None if value is None else of_the_mean(value, k)

    details = replace(single.details, standard_error=None)
    return single, replace(
        single,
        statistic="icc2k",
        estimate=carried(single.estimate),
        ci_low=carried(single.ci_low),
        ci_high=carried(single.ci_high),
        details=details,
    )


def _left_out(
    statistic: Callable[[FloatArray], Estimate],
    table: FloatArray,
    of: IntArray,
    axis: int,
    most: int,
) -> tuple[float, int] | None:
    """Jackknife variance and degrees of freedom; None where a value is undefined."""
    groups = _groups(of, most)
    n = int(groups.max()) + 1
    if n < 2:
        return None
    values = [statistic(np.compress(groups != g, table, axis=axis)).estimate for g in range(n)]
    known = np.array([v for v in values if v is not None])
    if known.size < n:
        return None
    return float((n - 1.0) / n * ((known - known.mean()) ** 2).sum()), n - 1


def _groups(of: IntArray, most: int) -> IntArray:
    """Clusters themselves, or random groups of them where they are many."""
    n = int(of.max()) + 1
    if n <= most:
        return of
    # At random, because clusters in the order of the systems would make groups too much alike.
    shuffled = np.random.default_rng(_SEED).permutation(n) % most
    return np.asarray(shuffled[of])


def _counted(n: int, what: str, most: int) -> str:
    several = f"{n} {what}s" if n != 1 else f"{n} {what}"
    return several if n <= most else f"{several} in {most} random groups"


def _limits(
    estimate: float, error: float, df: float, level: float, lowest: float, what: str
) -> tuple[tuple[float, float] | tuple[None, None], str]:
    from scipy import stats

    half = error * float(stats.t.ppf((1.0 + level) / 2.0, df))
    return t_limits(estimate, half, lowest, what, f"jackknife of {what}, t")
