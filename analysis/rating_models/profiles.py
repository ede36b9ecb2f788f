"""Profile-likelihood intervals: of a cumulative-link model's effects, of a mixed model's variances.

A parameter belongs to the interval when the likelihood, maximised over all others with it held
there, is not lower than the maximum by more than half a quantile of chi-square with one degree of
freedom. Unlike Wald's interval it does not depend on the scale of the parameter and never leaves
its range.

References
----------
1. Venzon DJ, Moolgavkar SH. A method for computing profile-likelihood-based confidence intervals.
   J R Stat Soc C 1988;37:87-94.
2. Bates D, Maechler M, Bolker B, Walker S. Fitting linear mixed-effects models using lme4.
   J Stat Softw 2015;67(1):1-48, section 5.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from analysis.rating_models.crossed_effects import RandomTerm
from analysis.rating_models.laplace_fit import LaplaceFit
from analysis.rating_models.maximum import climb
from analysis.rating_models.ordinal_likelihood import CumulativeLinkFit, bound_rows, log_likelihood
from analysis.rating_models.ratings import Floats
from analysis.rating_models.restricted_likelihood import LinearMixedLikelihood

Bounds = tuple[float | None, float | None]
METHOD = "profile likelihood"
METHOD_ML = "profile likelihood (full maximum likelihood)"
_NEWTON_STEPS = 50
_DOUBLINGS = 12
_NEAR_ZERO = 1e-6
# Logarithms of a residual SD beyond this have left the data far behind.
_FARTHEST = 60.0
# An odds ratio of 1e13: an end beyond it is none that data could show.
_LARGEST_LOGIT = 30.0


def _crossing(height: Callable[[float], float], inside: float, outside: float) -> float:
    """Where the likelihood falls through the limit, between a point above and one below it."""
    from scipy import optimize

    return float(optimize.brentq(height, inside, outside, xtol=1e-6, rtol=1e-7))


def _limit(level: float) -> float:
    from scipy import stats

    return 0.5 * float(stats.chi2.ppf(level, 1))


def slope_profiles(counts: Floats, fit: CumulativeLinkFit, *, level: float) -> tuple[Bounds, ...]:
    """Interval of every slope of a cumulative-link model, as R's ``confint`` of a ``clm``.

    Parameters
    ----------
    counts : ndarray, shape (levels, points)
        Ratings by level and point, as the model was fitted to.
    fit : CumulativeLinkFit
    level : float

    Returns
    -------
    tuple of (float or None, float or None)
        None for an end that the likelihood does not have.
    """
    rows, category = (index.astype(np.int64) for index in np.nonzero(counts))
    x = (rows[:, None] == np.arange(1, counts.shape[0])).astype(float)
    weights = counts[rows, category]
    upper, lower = bound_rows(category, x, counts.shape[1])
    best = np.concatenate([fit.thresholds, fit.slopes])
    errors = np.sqrt(np.diag(fit.covariance))
    floor = fit.log_likelihood - _limit(level)

    def height(slope: int, value: float) -> float:
        held = best.copy()
        held[slope] = value
        free = np.delete(np.arange(best.size), slope)
        top, score, information = log_likelihood(held, category, upper, lower, weights)
        for _ in range(_NEWTON_STEPS):
            step = np.linalg.solve(information[np.ix_(free, free)], score[free])
            length, promised = 1.0, float(score[free] @ step)
            if promised < 1e-12:
                break
            while length > 1e-8:
                trial = held.copy()
                trial[free] += length * step
                found = log_likelihood(trial, category, upper, lower, weights)
                if found[0] >= top:
                    held, (top, score, information) = trial, found
                    break
                length /= 2.0
            else:
                break
        return top - floor

    return tuple(
        both_ends(partial(height, slope), float(best[slope]), float(errors[slope]))
        for slope in range(fit.thresholds.size, best.size)
    )


def both_ends(height: Callable[[float], float], best: float, error: float) -> Bounds:
    """Where the likelihood falls through the limit on both sides of its top.

    Parameters
    ----------
    height : callable
        Above zero within the interval.
    best, error : float
        The estimate and its standard error, which sets the first steps.
    """
    ends: list[float | None] = []
    for side in (-1.0, 1.0):
        outside, reach, found = best, 1.5 * error, False
        for _ in range(_DOUBLINGS):
            outside += side * reach
            if abs(outside) > _LARGEST_LOGIT:
                break
            if height(outside) < 0:
                found = True
                break
            reach *= 1.5
        ends.append(_crossing(height, best, outside) if found else None)
    return ends[0], ends[1]


def laplace_slope_profiles(fit: LaplaceFit, *, level: float) -> tuple[Bounds, ...]:
    """Interval of every effect of a cumulative-link mixed model, its variances free throughout.

    Parameters
    ----------
    fit : LaplaceFit
    level : float

    Returns
    -------
    tuple of (float or None, float or None)
        None for an end that the likelihood does not have.
    """
    likelihood, best = fit.likelihood, fit.maximum.parameters
    covariance = fit.maximum.covariance()
    floor = fit.maximum.value - _limit(level)
    # Where the last fit with a slope held ended: the next one is near it.
    near: dict[int, Floats] = {}

    def height(slope: int, value: float) -> float:
        free = np.delete(np.arange(best.size), slope)

        def held(rest: Floats) -> tuple[float, Floats]:
            top, gradient = likelihood(np.insert(rest, slope, value))
            return top, gradient[free]

        # Only the height is asked for: the information at the top, which Newton's steps need, costs
        # as much as the way up.
        start = near.get(slope, best[free])
        found = climb(held, start, covariance[np.ix_(free, free)])
        if np.isfinite(found.value):
            near[slope] = found.parameters
        return found.value - floor

    first = likelihood.n_thresholds
    return tuple(
        both_ends(
            partial(height, slope), float(best[slope]), float(np.sqrt(covariance[slope, slope]))
        )
        for slope in range(first, likelihood.n_fixed)
    )


class VarianceProfile:
    """Profile of the standard deviations of a linear mixed model, by full maximum likelihood.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n, p)
    terms : list of RandomTerm
    start : ndarray
        Entries of Lambda near the maximum.
    sigma : float
        Residual SD near the maximum.
    """

    def __init__(
        self, y: Floats, x: Floats, terms: list[RandomTerm], start: Floats, sigma: float
    ) -> None:
        # As lme4's confint does, which refits a REML fit before it profiles.
        self.likelihood = LinearMixedLikelihood(y, x, terms, reml=False)
        found = self._best(np.append(start, np.log(sigma)), lambda free: free)
        self.parameters, self.value = found
        self.sigma = float(np.exp(self.parameters[-1]))
        # Where the last fit with a row held ended: the next one is near it.
        self._near: dict[int, Floats] = {}

    def _best(self, start: Floats, spread: Callable[[Floats], Floats]) -> tuple[Floats, float]:
        """Maximum over what ``spread`` turns into (entries of Lambda, log sigma)."""

        from scipy import optimize

        def lost(free: Floats) -> tuple[float, Floats]:
            full = spread(free)
            sigma = np.exp(np.clip(full[-1], -_FARTHEST, _FARTHEST))
            value, slope = self.likelihood.at_sigma(np.append(full[:-1], sigma))
            slope = np.append(slope[:-1], slope[-1] * sigma)
            step = 1e-6
            shifts = step * np.eye(free.size)
            turned = np.stack([(spread(free + d) - spread(free - d)) / (2 * step) for d in shifts])
            return -value, -(turned @ slope)

        # A step behind the wall of the likelihood is infinitely bad, and the search comes back.
        with np.errstate(invalid="ignore"):
            best = optimize.minimize(lost, start, jac=True, method="BFGS", options={"gtol": 1e-6})
        return np.asarray(best.x), -float(best.fun)

    def _places(self, term: str, row: int) -> list[int]:
        """Where the entries of a row of a term's factor stand among the parameters."""
        first = 0
        for known in self.likelihood.terms:
            if known.name == term:
                return [first + k for k, (rows, _) in enumerate(known.positions) if row in rows]
            first += known.n_parameters
        raise KeyError(term)

    def deviation(self, term: str, row: int) -> float:
        """The SD of a term's row at the maximum."""
        return float(self.sigma * np.linalg.norm(self.parameters[self._places(term, row)]))

    def _held(self, places: list[int], value: float) -> float:
        """Highest likelihood with the SD of a row (or, without places, the residual SD) held."""
        if not places:
            fixed = np.log(value)
            return self._best(self.parameters[:-1], lambda free: np.append(free, fixed))[1]

        def spread(free: Floats) -> Floats:
            full, row = free.copy(), free[places]
            # Only the row's direction is free; its length is what the SD says.
            full[places] = row / max(float(np.linalg.norm(row)), 1e-300)
            full[places] *= value / np.exp(np.clip(free[-1], -_FARTHEST, _FARTHEST))
            return full

        start = self._near.get(places[0], self.parameters).copy()
        length = float(np.linalg.norm(start[places]))
        start[places] = start[places] / length if length > _NEAR_ZERO else np.eye(len(places))[-1]
        self._near[places[0]], top = self._best(start, spread)
        return top

    def interval(self, term: str, row: int, *, level: float) -> Bounds:
        """Interval of an SD; ``term`` "residual" for that of the ratings. 0 where it reaches there."""
        places = [] if term == "residual" else self._places(term, row)
        best = self.sigma if not places else self.deviation(term, row)
        floor = self.value - _limit(level)

        def height(value: float) -> float:
            return self._held(places, value) - floor

        low: float | None = 0.0
        if best > _NEAR_ZERO * self.sigma:
            bottom = best * 1e-3
            low = _crossing(height, best, bottom) if height(bottom) < 0 else 0.0
        outside = max(best, 0.05 * self.sigma)
        for _ in range(_DOUBLINGS):
            outside *= 1.6
            if height(outside) < 0:
                return low, _crossing(height, max(best, _NEAR_ZERO), outside)
        return low, None
