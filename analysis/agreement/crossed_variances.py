"""Variances of units, raters and error where ratings are missing, and intervals of their shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.validation import FloatArray

# Unit and rater standard deviation over that of error -> deviance, error variance.
Deviance = Callable[[float, float], tuple[float, float]]

# Raters' share of rater and error variance beyond which the likelihood is not searched.
_MOST_RATER = 0.9999
# At 1 itself a ratio of variances is infinite.
_NEARLY_ONE = 1.0 - 1e-6


def crossed_deviance(table: FloatArray) -> Deviance:
    """Deviance by restricted likelihood of ratings by crossed random units and raters.

    Parameters
    ----------
    table : ndarray, shape (units, raters)
        Missing as nan; every row and column has a rating.

    Returns
    -------
    callable
        From the standard deviations of units and of raters, each over that of error, to the
        deviance (up to a constant) and the error variance at its best.

    Notes
    -----
    The model is rating = mean + unit + rater + error, all three normal. The deviance is profiled
    over mean and error variance; the units' block is diagonal, so one factorisation of size
    (raters, raters) is left.
    """
    present = (~np.isnan(table)).astype(np.float64)
    y = np.where(present > 0, table - float(np.nanmean(table)), 0.0)
    n = float(present.sum())
    sides = (present.sum(axis=1), present.sum(axis=0))
    sums = (y.sum(axis=1), y.sum(axis=0), float(y.sum()), float((y * y).sum()))

    def deviance(a: float, b: float) -> tuple[float, float]:
        top = a**2 * sides[0] + 1.0
        cross = a * b * present
        schur = np.diag(b**2 * sides[1] + 1.0) - (cross / top[:, None]).T @ cross
        right = (
            np.stack([a * sides[0], a * sums[0]], axis=1),
            np.stack([b * sides[1], b * sums[1]], axis=1),
        )
        lower = right[1] - cross.T @ (right[0] / top[:, None])
        explained = right[0].T @ (right[0] / top[:, None]) + lower.T @ np.linalg.solve(schur, lower)
        ones = n - explained[0, 0]
        residual = sums[3] - explained[1, 1] - (sums[2] - explained[0, 1]) ** 2 / ones
        # Rounding can leave less than nothing where units and raters explain every rating.
        variance = max(float(residual), 1e-300) / (n - 1.0)
        logdet = np.log(top).sum() + np.linalg.slogdet(schur)[1] + np.log(ones)
        return float(logdet + (n - 1.0) * np.log(variance)), variance

    return deviance


def crossed_variances(table: FloatArray) -> tuple[float, float, float]:
    """Variances of units, raters and error by restricted maximum likelihood.

    Parameters
    ----------
    table : ndarray, shape (units, raters)
        Missing as nan; every row and column has a rating.

    Returns
    -------
    unit, rater, error : float
    """
    from scipy import optimize

    deviance = crossed_deviance(table)
    # Without bounds or slopes: the deviance is even in both ratios, so a variance of zero is an ordinary
    # point at which the sign turns. A simplex sees values only, which are flat to their last digits at the
    # end: the ratios hold to about seven digits, and the eighth differs between processors.
    best = optimize.minimize(
        lambda theta: deviance(abs(theta[0]), abs(theta[1]))[0],
        np.array([1.0, 0.5]),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 2000},
    )
    variance = deviance(abs(best.x[0]), abs(best.x[1]))[1]
    return float(best.x[0] ** 2 * variance), float(best.x[1] ** 2 * variance), float(variance)


def _unit_ratio(form: str, value: float, rater: float, k: int) -> float:
    """Unit over error variance that gives the coefficient its value, with this rater over error."""
    if form == "icc2":
        return value * (1.0 + rater) / (1.0 - value)
    if form == "icc3":
        return value / (1.0 - value)
    return (rater + value * (k + (k - 1) * rater)) / (k * (1.0 - value))


def _lowest(form: str, k: int) -> float:
    """Lowest value that is searched: without differences between units ICC(1) is negative."""
    most = 50.0
    return -most / (k + (k - 1) * most) if form == "icc1" else 0.0


def profile_interval(
    table: FloatArray, form: str, variances: tuple[float, float, float], level: float
) -> tuple[float, float]:
    """Interval of a single rating's intraclass correlation from the restricted likelihood.

    All values whose deviance, at its best over the other variance ratio, lies within the chi-square
    quantile (1 degree of freedom) of the smallest.

    Parameters
    ----------
    table : ndarray, shape (units, raters)
        Missing as nan; every row and column has a rating.
    form : {"icc1", "icc2", "icc3"}
    variances : (unit, rater, error)
        Where the deviance is smallest, from `crossed_variances`.
    level : float

    Returns
    -------
    low, high : float
        From 0 (icc1: from about -1 / (raters - 1)) to 1.

    Notes
    -----
    Coverage in simulations of normal ratings stands with `analysis.agreement.intraclass.icc`.

    References
    ----------
    .. [1] Pawitan, Y. (2001). In all likelihood, chapter 3.
    """
    from scipy import optimize, stats

    deviance, k = crossed_deviance(table), table.shape[1]
    unit, rater, error = variances
    allowed = deviance(np.sqrt(unit / error), np.sqrt(rater / error))[0]
    allowed += float(stats.chi2.ppf(level, 1))

    def excess(value: float) -> float:
        """Deviance above what the interval allows, at the best share of the raters."""
        least = 0.0
        if form == "icc1" and value < 0.0:
            # Below this share the unit variance would be negative.
            ratio = -value * k / (1.0 + value * (k - 1))
            least = ratio / (1.0 + ratio)

        def at(share: float) -> float:
            ratio = share / (1.0 - share)
            return deviance(np.sqrt(max(0.0, _unit_ratio(form, value, ratio, k))), np.sqrt(ratio))[
                0
            ]

        best = optimize.minimize_scalar(
            at, bounds=(least, _MOST_RATER), method="bounded", options={"xatol": 1e-6}
        )
        # The bounded search never looks at its ends, and the best share of the raters is often exactly
        # zero.
        return float(min(best.fun, at(least))) - allowed

    floor = _lowest(form, k)
    estimate = _value(form, unit, rater, error, k)
    low, high = floor, 1.0
    if estimate > floor and excess(floor) > 0.0:
        low = float(optimize.brentq(excess, floor, estimate, xtol=1e-7))
    if excess(_NEARLY_ONE) > 0.0:
        high = float(optimize.brentq(excess, max(floor, estimate), _NEARLY_ONE, xtol=1e-7))
    return min(low, estimate), high


def _value(form: str, unit: float, rater: float, error: float, k: int) -> float:
    if form == "icc2":
        return unit / (unit + rater + error)
    if form == "icc3":
        return unit / (unit + error)
    return (k * unit - rater) / (k * (unit + rater + error) - rater)
