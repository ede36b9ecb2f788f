"""Internal consistency of a scale: Cronbach's alpha, Guttman's lambda 6, and each item's part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from analysis.results import Details, Estimate, undefined
from analysis.samples import PAIRWISE
from analysis.validation import FloatArray, confidence_level, ratings_matrix

_TINY = 1e-12


@dataclass(frozen=True)
class ConsistencyDetails(Details):
    """Of alpha; the standardised one has no standard error. ``sample``: whose answers entered."""

    items: int | None
    standard_error: float | None
    sample: str


@dataclass(frozen=True)
class Consistency:
    """Alpha and its relatives of one set of items, as numbers.

    Parameters
    ----------
    raw_alpha : float
        From covariances.
    standardised_alpha : float or None
        From correlations; None when the sum of the standardised items does not vary.
    g6 : float or None
        Guttman's lambda 6 from squared multiple correlations; None for two items, and where the
        standardised alpha is.
    average_r, median_r : float
        Of the correlations between items.
    signal_to_noise : float or None
        k r / (1 - r) with the average r; None when that is 1.
    standard_error : float
        Of the raw alpha, large samples.
    """

    raw_alpha: float
    standardised_alpha: float | None
    g6: float | None
    average_r: float
    median_r: float
    signal_to_noise: float | None
    standard_error: float


@dataclass(frozen=True)
class ItemReliability:
    """One item and the scale.

    Parameters
    ----------
    item : str
    n, n_missing : int
    mean, sd : float
    r_total : float
        With the mean of all items, itself included.
    r_total_standardised : float or None
        The same for standardised items; None when their sum does not vary.
    r_corrected : float
        With the total, corrected for overlap by squared multiple correlations.
    r_rest : float or None
        With the sum of the other items; None where covariances from different people contradict each
        other and make it more than 1.
    without : Consistency or None
        The scale without the item; None when fewer than two would be left, and likewise.
    """

    item: str
    n: int
    n_missing: int
    mean: float
    sd: float
    r_total: float
    r_total_standardised: float | None
    r_corrected: float
    r_rest: float | None
    without: Consistency | None


@dataclass(frozen=True)
class ScaleReliability:
    """Reliability of a scale.

    Parameters
    ----------
    alpha : Estimate
        Raw alpha with Feldt's interval.
    alpha_standardised : Estimate
    scale : Consistency or None
        None when alpha is undefined.
    items : tuple of ItemReliability
        Empty when alpha is undefined.
    reversed_items : tuple of str
        Items that run against the rest (negative r_rest): look whether they should be reversed.
    mean, sd : float or None
        Of the persons' mean answers.
    """

    alpha: Estimate
    alpha_standardised: Estimate
    scale: Consistency | None
    items: tuple[ItemReliability, ...]
    reversed_items: tuple[str, ...]
    mean: float | None
    sd: float | None


def _joint_moments(table: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows where both columns are present, and their sums of cross-products and of squares.

    Both about the joint means; squares[i, j] is that of column i over the rows it shares with j.
    """
    present = (~np.isnan(table)).astype(np.float64)
    # Sums of squares of what is far from zero would lose the digits that part the items.
    centre = np.array([c[~np.isnan(c)].mean() if (~np.isnan(c)).any() else 0.0 for c in table.T])
    z = np.where(present > 0, table - centre, 0.0)
    n = present.T @ present
    rows, sums = np.maximum(n, 1.0), z.T @ present
    return n, z.T @ z - sums * sums.T / rows, (z * z).T @ present - sums**2 / rows


def pairwise_covariance(table: FloatArray) -> FloatArray:
    """Covariances of columns, each from the rows where both are present; nan without two."""
    n, products, _ = _joint_moments(table)
    return np.where(n >= 2, products / (np.maximum(n, 2.0) - 1.0), np.nan)


def pairwise_correlation(table: FloatArray) -> FloatArray:
    """Correlations of columns, each wholly from the rows where both are present.

    Standard deviations too are those of the joint rows, so with gaps this is not what
    `correlations` makes of `pairwise_covariance`; nan without two rows or without variation.
    """
    n, products, squares = _joint_moments(table)
    below = squares * squares.T
    usable = (n >= 2) & (below > 1e-24)
    return np.where(usable, products / np.sqrt(np.where(usable, below, 1.0)), np.nan)


def _refusal(table: FloatArray, names: Sequence[str], covariance: FloatArray) -> str:
    if table.shape[1] < 2:
        return "a scale of one item has no internal consistency"
    if np.isnan(covariance).any():
        return "some items were never answered together by two people"
    still = [name for name, v in zip(names, np.diag(covariance), strict=True) if v < 1e-12]
    if still:
        return f"everybody gave the same answer to {', '.join(still)}; leave it out"
    if covariance.sum() <= 1e-12:
        return "the sum of the items does not vary"
    if _contradicts_itself(covariance):
        return (
            "the covariances, each from the people who answered both items, contradict each other"
        )
    return ""


def _contradicts_itself(covariance: FloatArray) -> bool:
    """Whether alpha would be above 1, which no table without gaps can do."""
    return bool(covariance.sum() > len(covariance) * np.trace(covariance) * (1 + 1e-9))


def _possible(correlation: float) -> float | None:
    """A correlation, or None beyond 1, where its covariances are from different people."""
    return correlation if abs(correlation) <= 1 + 1e-9 else None


def item_names(items: object, k: int) -> tuple[str, ...]:
    """Column names of a data frame, or item 1, item 2, ..."""
    columns = getattr(items, "columns", None)
    return (
        tuple(map(str, columns))
        if columns is not None
        else tuple(f"item {i + 1}" for i in range(k))
    )


def scale_reliability(items: ArrayLike, *, level: float = 0.95) -> ScaleReliability:
    """Cronbach's alpha with everything that is usually asked for beside it.

    Parameters
    ----------
    items : array-like or DataFrame, shape (people, items)
        Missing as nan: covariances take the people who answered both items, and the interval
        counts everybody who answered anything, as R's psych does.
    level : float

    Returns
    -------
    ScaleReliability

    Raises
    ------
    AnalysisError
        When the data are not a table of numbers.

    Notes
    -----
    alpha = k / (k - 1) (1 - trace(C) / sum(C)), C the covariances of the k items. It is the
    reliability of the sum only when all items measure one thing equally well; compare omega.

    References
    ----------
    .. [1] Cronbach, L. J. (1951). Coefficient alpha and the internal structure of tests.
    .. [2] Feldt, L. S., Woodruff, D. J., & Salih, F. A. (1987). Statistical inference for
       coefficient alpha.
    .. [3] Duhachek, A., & Iacobucci, D. (2004). Alpha's standard error (ASE).
    """
    confidence_level(level)
    table = ratings_matrix(items)
    names = item_names(items, table.shape[1])
    answered = ~np.isnan(table).all(axis=1) if table.size else np.zeros(len(table), bool)
    n, n_missing = int(answered.sum()), int((~answered).sum())
    table = table[answered]
    covariance = pairwise_covariance(table)
    because = _refusal(table, names, covariance)
    if because:
        refused = undefined("cronbach_alpha", because, n=n, n_missing=n_missing, unit="person")
        return ScaleReliability(
            refused,
            replace(refused, statistic="cronbach_alpha_standardised"),
            None,
            (),
            (),
            None,
            None,
        )
    scale = _consistency(covariance, n)
    parts = _items(table, names, covariance, n)
    means = np.nanmean(table, axis=1)
    return ScaleReliability(
        _feldt(scale, n, n_missing, table.shape[1], level),
        _standardised(scale, n, n_missing),
        scale,
        parts,
        tuple(p.item for p in parts if p.r_rest is not None and p.r_rest < 0),
        float(means.mean()),
        float(means.std(ddof=1)),
    )


def _standardised(scale: Consistency, n: int, n_missing: int) -> Estimate[ConsistencyDetails]:
    name = "cronbach_alpha_standardised"
    if scale.standardised_alpha is None:
        because = (
            "the correlations of the items cancel out, so their standardised sum does not vary"
        )
        return undefined(name, because, n=n, n_missing=n_missing, unit="person")
    return Estimate(
        name,
        scale.standardised_alpha,
        ci_method="none",
        n=n,
        n_missing=n_missing,
        unit="person",
        details=ConsistencyDetails(None, None, PAIRWISE),
    )


def _feldt(
    scale: Consistency, n: int, n_missing: int, k: int, level: float
) -> Estimate[ConsistencyDetails]:
    from scipy import stats

    df1, df2 = n - 1, (n - 1) * (k - 1)
    noise = 1.0 - scale.raw_alpha
    # Items that all run alike leave no error to make an interval of: its limits would both be 1.
    steady = abs(noise) < _TINY
    low, high = (
        None if steady else float(1.0 - noise * stats.f.ppf((1 + side * level) / 2, df1, df2))
        for side in (1, -1)
    )
    return Estimate(
        "cronbach_alpha",
        scale.raw_alpha,
        low,
        high,
        level,
        "none: the items do not part at all" if steady else "Feldt, F distribution",
        n=n,
        n_missing=n_missing,
        unit="person",
        details=ConsistencyDetails(k, scale.standard_error, PAIRWISE),
    )


def correlations(covariance: FloatArray) -> FloatArray:
    """Correlations from covariances."""
    spread = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / spread[:, None] / spread[None, :])


def squared_multiple_correlations(correlation: FloatArray) -> FloatArray:
    """Share of each item that the others explain; 0 to 1."""
    inverse = np.linalg.pinv(correlation, hermitian=True)
    diagonal = np.maximum(np.diag(inverse), 1e-300)
    return np.asarray(np.clip(1.0 - 1.0 / diagonal, 0.0, 1.0))


def _consistency(covariance: FloatArray, n: int) -> Consistency:
    k = covariance.shape[0]
    r = correlations(covariance)
    total, trace = float(covariance.sum()), float(np.trace(covariance))
    below = r[np.tril_indices(k, -1)]
    average = float(below.mean())
    square = covariance @ covariance
    spread = total * (float(np.trace(square)) + trace**2) - 2 * trace * float(square.sum())
    variance = 2 * k**2 / ((k - 1) ** 2 * total**3) * spread
    standardised, g6 = None, None
    # Between 0 and k * k in a table without gaps; beyond it alpha would be above 1.
    if _TINY < r.sum() <= k * k * (1 + 1e-9):
        standardised = float((1 - k / r.sum()) * k / (k - 1))
        if k > 2:
            g6 = float(1 - (k - squared_multiple_correlations(r).sum()) / r.sum())
    return Consistency(
        (1 - trace / total) * k / (k - 1),
        standardised,
        g6,
        average,
        float(np.median(below)),
        k * average / (1 - average) if average < 1 - 1e-12 else None,
        float(np.sqrt(max(0.0, variance) / n)),
    )


def _items(
    table: FloatArray, names: Sequence[str], covariance: FloatArray, n: int
) -> tuple[ItemReliability, ...]:
    k = len(names)
    r = correlations(covariance)
    overlap = r.copy()
    np.fill_diagonal(overlap, squared_multiple_correlations(r))
    means = np.nanmean(table, axis=1)
    found = []
    for i, name in enumerate(names):
        others = np.arange(k) != i
        rest = covariance[np.ix_(others, others)]
        given = ~np.isnan(table[:, i])
        answers = table[given, i]
        # Without noise in the rest there is nothing to correlate with, and r is 0 by convention.
        rest_sum, answer_sd = float(rest.sum()), float(answers.std(ddof=1))
        together = np.cov(means[given], answers)
        scale_of_total = float(np.sqrt(together[0, 0] * together[1, 1]))
        found.append(
            ItemReliability(
                name,
                int(given.sum()),
                int((~given).sum()),
                float(answers.mean()),
                answer_sd,
                float(together[0, 1]) / scale_of_total if scale_of_total > 0 else 0.0,
                _possible(float(r[i].sum() / np.sqrt(r.sum()))) if r.sum() > _TINY else None,
                float(overlap[i].sum() / np.sqrt(overlap.sum())) if overlap.sum() > 0 else 0.0,
                _possible(float(covariance[i, others].sum() / np.sqrt(covariance[i, i] * rest_sum)))
                if rest_sum > 1e-12
                else 0.0,
                _consistency(rest, n)
                if k > 2 and rest_sum > 1e-12 and not _contradicts_itself(rest)
                else None,
            )
        )
    return tuple(found)
