"""McDonald's omega: reliability of a sum when one factor lies behind the items.

Unlike alpha it lets the items load differently. Three estimators: minimum residual on correlations
(psych), maximum likelihood on covariances (a one-factor confirmatory model), and diagonally
weighted least squares on polychoric correlations for ordered answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.reliability.consistency import (
    correlations,
    item_names,
    pairwise_correlation,
    pairwise_covariance,
)
from analysis.reliability.polychoric import PolychoricCorrelations, polychoric
from analysis.results import Details, Estimate, undefined
from analysis.samples import LISTWISE, PAIRWISE
from analysis.validation import BoolArray, FloatArray, ratings_matrix

# Two items give one correlation for two loadings.
_FEW_ITEMS = "a factor needs at least three items to be told from the data"
# What a search for loadings leaves of a unique variance of zero, or of an omega of 0 or 1.
_IMPROPER = 1e-6
NO_INTERVAL = "none: only the omega of one minimum-residual factor has one, by bootstrap"
# A unique variance of zero or below that still leaves omega between 0 and 1 is said with the number.
IMPROPER = "; improper solution (Heywood case): an item has no unique variance"


@dataclass(frozen=True)
class OmegaDetails(Details):
    """Of a one-factor model.

    Parameters
    ----------
    items : int
    lowest_loading, highest_loading, lowest_unique_variance : float
    improper : {"yes", "no"}
        Yes for a Heywood case, or a polychoric correlation at its bound.
    sample : str
        Whose answers entered.
    """

    items: int
    lowest_loading: float
    highest_loading: float
    lowest_unique_variance: float
    improper: str
    sample: str


def _matrix(items: ArrayLike, *, pairwise: bool) -> tuple[FloatArray, int, int, str]:
    """Correlations (pairwise) or covariances (complete rows), people used and left out.

    The last is why they cannot be used, or empty.
    """
    table = ratings_matrix(items)
    gaps = np.isnan(table)
    kept = table[~(gaps.all(axis=1) if pairwise else gaps.any(axis=1))]
    n, n_missing, k = len(kept), len(table) - len(kept), table.shape[1]
    matrix = pairwise_correlation(kept) if pairwise else pairwise_covariance(kept)
    if k < 3:
        return matrix, n, n_missing, _FEW_ITEMS
    still = [i for i in range(k) if np.unique(kept[~np.isnan(kept[:, i]), i]).size < 2]
    if still:
        return matrix, n, n_missing, "at least one item has no two different answers"
    if np.isnan(matrix).any():
        because = "some items were not answered differently by two people who answered both"
        return matrix, n, n_missing, because
    return matrix, n, n_missing, ""


def _loadings_by_residuals(r: FloatArray, weights: FloatArray) -> FloatArray:
    """One factor's loadings that leave the least (weighted) squares off the diagonal."""
    from scipy import optimize

    i, j = np.tril_indices(r.shape[0], -1)
    root, target = np.sqrt(weights[i, j]), r[i, j]
    rows = np.arange(i.size)

    def residuals(loading: FloatArray) -> FloatArray:
        return np.asarray(root * (target - loading[i] * loading[j]))

    def jacobian(loading: FloatArray) -> FloatArray:
        slopes = np.zeros((i.size, loading.size))
        slopes[rows, i] = -root * loading[j]
        slopes[rows, j] = -root * loading[i]
        return slopes

    values, vectors = np.linalg.eigh(r)
    start = vectors[:, -1] * np.sqrt(max(float(values[-1]), 0.1)) * 0.9
    best = optimize.least_squares(
        residuals, start, jacobian, xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=2000
    )
    loading = np.asarray(best.x)
    return loading if loading.sum() >= 0 else -loading


def is_share(value: ArrayLike) -> np.bool_ | BoolArray:
    """Whether omega lies from 0 to 1, but for what the search for the loadings leaves."""
    omega = np.asarray(value)
    return (omega >= -_IMPROPER) & (omega <= 1.0 + _IMPROPER)


def _impossible(value: float, loading: FloatArray, unique: FloatArray, names: Sequence[str]) -> str:
    """Why a model gives no reliability, which is a share of variance; empty when it gives one."""
    if is_share(value):
        return ""
    beyond = f"omega would be {value:.4g}, and it is a share from 0 to 1"
    worst = int(np.argmin(unique))
    if unique[worst] < 0:
        return (
            f"the one-factor model has an improper solution (Heywood case): {names[worst]} has the "
            f"loading {loading[worst]:.4g} and with it a negative unique variance; {beyond}"
        )
    against = [name for name, value in zip(names, loading, strict=True) if value < 0]
    if against:
        return (
            f"the loading of {', '.join(against)} is negative, so the items do not add up; {beyond}"
        )
    return f"the items correlate negatively on the whole; {beyond}"


@dataclass(frozen=True)
class _Factor:
    """One factor behind the items of some people."""

    loading: FloatArray
    unique: FloatArray
    n: int
    n_missing: int


def _result(
    name: str, value: float, factor: _Factor, items: ArrayLike, capped: str = ""
) -> Estimate[OmegaDetails]:
    """Omega, or why there is none; ``capped``: what else makes the solution improper."""
    loading, unique = factor.loading, factor.unique
    because = _impossible(float(value), loading, unique, item_names(items, loading.size))
    if because:
        return undefined(name, because, n=factor.n, n_missing=factor.n_missing, unit="person")
    least = float(unique.min())
    heywood = least < _IMPROPER
    return Estimate(
        name,
        min(max(float(value), 0.0), 1.0),
        ci_method=NO_INTERVAL + (IMPROPER if heywood else "") + capped,
        n=factor.n,
        n_missing=factor.n_missing,
        unit="person",
        details=OmegaDetails(
            int(loading.size),
            float(loading.min()),
            float(loading.max()),
            # Maximum likelihood ends near its bound, at 1e-9 to 1e-8 as the processor has it: that is 0.
            0.0 if abs(least) < _IMPROPER else least,
            "yes" if heywood or capped else "no",
            PAIRWISE if name == "omega_minres" else LISTWISE,
        ),
    )


def omega_minres(items: ArrayLike) -> Estimate[OmegaDetails]:
    """Omega total of one minimum-residual factor of the correlations, as R's psych gives it.

    omega = 1 - sum of unique variances / sum of all correlations.

    Parameters
    ----------
    items : array-like, shape (people, items)
        Missing as nan; each correlation takes the people who answered both items.

    Returns
    -------
    Estimate
        Undefined, with the item named, when the solution is so improper that omega leaves 0 to 1;
        ``details.improper`` is ``"yes"`` when a unique variance is not positive.

    References
    ----------
    .. [1] McDonald, R. P. (1999). Test theory: a unified treatment.
    .. [2] Harman, H. H., & Jones, W. H. (1966). Factor analysis by minimizing residuals.
    """
    r, n, n_missing, because = _matrix(items, pairwise=True)
    if because:
        return undefined("omega_minres", because, n=n, n_missing=n_missing, unit="person")
    if r.sum() <= 1e-12:
        because = "the sum of the standardised items does not vary"
        return undefined("omega_minres", because, n=n, n_missing=n_missing, unit="person")
    loading = _loadings_by_residuals(r, np.ones_like(r))
    unique = 1.0 - loading**2
    factor = _Factor(loading, unique, n, n_missing)
    return _result("omega_minres", 1 - unique.sum() / r.sum(), factor, items)


def omega_ml(items: ArrayLike, *, standardised: bool = False) -> Estimate[OmegaDetails]:
    """Omega of a one-factor model fitted by maximum likelihood.

    omega = (sum of loadings)^2 / ((sum of loadings)^2 + sum of unique variances).

    Parameters
    ----------
    items : array-like, shape (people, items)
        Missing as nan; people with a gap are left out.
    standardised : bool
        Reliability of the sum of standardised items instead of the sum itself.

    Returns
    -------
    Estimate

    References
    ----------
    .. [1] McDonald, R. P. (1999). Test theory: a unified treatment.
    .. [2] Joreskog, K. G. (1967). Some contributions to maximum likelihood factor analysis.
    """
    name = "omega_ml_standardised" if standardised else "omega_ml"
    covariance, n, n_missing, because = _matrix(items, pairwise=False)
    if not because and n <= covariance.shape[0]:
        because = f"{n} complete answers to {covariance.shape[0]} items are too few for the model"
    if not because and np.linalg.matrix_rank(covariance) < covariance.shape[0]:
        because = "one item is a combination of the others"
    if because:
        return undefined(name, because, n=n, n_missing=n_missing, unit="person")
    loading, unique = _loadings_by_likelihood(correlations(covariance))
    # The estimates follow the scale of the items, so they are found on correlations.
    spread = np.ones(loading.size) if standardised else np.sqrt(np.diag(covariance))
    loading, unique = loading * spread, unique * spread**2
    common = loading.sum() ** 2
    value = common / (common + unique.sum())
    return _result(name, value, _Factor(loading, unique, n, n_missing), items)


def _loadings_by_likelihood(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Loadings and unique variances; the latter are kept positive."""
    from scipy import optimize

    k = r.shape[0]

    def discrepancy(parameters: FloatArray) -> tuple[float, FloatArray]:
        loading, unique = parameters[:k], np.exp(parameters[k:])
        # By Sherman and Morrison: a step of the search far out made the matrix singular to a solver, on
        # ordinary answers of six people to three items.
        scaled = loading / unique
        below = 1.0 + float(loading @ scaled)
        inverse = np.diag(1.0 / unique) - np.outer(scaled, scaled) / below
        value = float(parameters[k:].sum()) + np.log(below) + np.trace(r @ inverse)
        slope = inverse - inverse @ r @ inverse
        return float(value), np.concatenate([2 * slope @ loading, np.diag(slope) * unique])

    loading = _loadings_by_residuals(r, np.ones_like(r))
    start = np.concatenate([loading, np.log(np.clip(1 - loading**2, 0.05, None))])
    best = optimize.minimize(
        discrepancy,
        start,
        jac=True,
        method="L-BFGS-B",
        # Logarithms of unique variances: exp(-20) is the 2e-9 at which a Heywood case ends.
        bounds=[(None, None)] * k + [(-20.0, 5.0)] * k,
        options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10, "maxfun": 20000},
    )
    loading = np.asarray(best.x[:k])
    return (loading if loading.sum() >= 0 else -loading), np.exp(best.x[k:])


def omega_ordinal(items: ArrayLike, points: Sequence[float]) -> Estimate[OmegaDetails]:
    """Omega of the normal variables behind ordered answers.

    A one-factor model on polychoric correlations by diagonally weighted least squares; reliability
    of the sum of those variables, not of the sum of answers, which is lower.

    Parameters
    ----------
    items : array-like, shape (people, items)
        Missing as nan; people with a gap are left out.
    points : sequence of float
        All points of the scale.

    Returns
    -------
    Estimate
        ``details.improper`` is ``"yes"`` also when a polychoric correlation lies at the bound of 1
        or -1: omega then rests on where the search was told to end.

    References
    ----------
    .. [1] Gadermann, A. M., Guhn, M., & Zumbo, B. D. (2012). Estimating ordinal reliability for
       Likert-type and ordinal item response data.
    """
    found = polychoric(items, points)
    n, n_missing, because = found.n, found.n_missing, found.undefined_because
    if not because and found.correlation.shape[0] < 3:
        because = _FEW_ITEMS
    if because:
        return undefined("omega_ordinal", because, n=n, n_missing=n_missing, unit="person")
    # A correlation without a variance has no weight, where it would have had all of it.
    variance = np.where(found.variance > 0, found.variance, np.inf)
    loading = _loadings_by_residuals(found.correlation, 1 / variance / (1 / variance).max())
    unique = 1 - loading**2
    common = loading.sum() ** 2
    value = common / (common + unique.sum())
    capped = _capped(found, item_names(items, loading.size))
    return _result("omega_ordinal", value, _Factor(loading, unique, n, n_missing), items, capped)


def _capped(found: PolychoricCorrelations, names: Sequence[str]) -> str:
    """Which correlations have no maximum within -1 to 1; empty when all have one."""
    pairs = [f"{names[i]} with {names[j]}" for i, j in found.at_bound]
    if not pairs:
        return ""
    others = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    return (
        f"; improper solution: polychoric correlations at the bound of 1 or -1 "
        f"({', '.join(pairs[:3])}{others}), so this omega rests on where their search was told to end"
    )
