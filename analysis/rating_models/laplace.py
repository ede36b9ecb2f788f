"""Laplace log-likelihood of the cumulative-link mixed model, with its exact gradient.

log L(theta, beta, Lambda) = f(u) - log det H(u) / 2 at the mode u of
f(u) = sum_i log P(y_i | eta_i) - u'u / 2, with eta = X beta + Z Lambda u and
H = I + Lambda' Z' W Z Lambda, W the observed information of eta. The mode moves with the parameters
and so does W, hence the third derivatives in the gradient; one solve with H gives them all.

The entries of Lambda are free in sign: the likelihood is even in them, so a variance of zero is an
ordinary point inside the parameter space and needs no bound.

References
----------
1. Tierney L, Kadane JB. Accurate approximations for posterior moments and marginal densities.
   J Am Stat Assoc 1986;81:82-86.
2. Kristensen K, Nielsen A, Berg CW, Skaug H, Bell BM. TMB: automatic differentiation and Laplace
   approximation. J Stat Softw 2016;70(5), section 2 (gradient through the mode).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.rating_models.crossed_effects import (
    BlockSystem,
    RandomTerm,
    cross_products,
    order_for_elimination,
)
from analysis.rating_models.ordinal_likelihood import gap_terms, padded
from analysis.rating_models.ratings import Codes, Floats

_MODE_STEPS = 60
# F(40) is 1 - 4e-18, which is 1 in double precision.
_FARTHEST = 40.0


@dataclass(frozen=True)
class _Mode:
    """State at some u: spread of u, bounds' probabilities, objective."""

    effects: list[Floats]
    below: Floats
    above: Floats
    value: float


@dataclass(frozen=True)
class AtMode:
    """What stands at the mode of the random effects, for one value of the parameters.

    Parameters
    ----------
    effects : list of ndarray, each (levels, r)
        Of each term, spherical.
    upper, lower : ndarray, shape (n,)
        Bounds of each rating without its random effects.
    system : BlockSystem
        H at the mode.
    gaps : float
        The part of the log-likelihood that depends on the thresholds alone.
    """

    effects: list[Floats]
    upper: Floats
    lower: Floats
    system: BlockSystem
    gaps: float


class LaplaceLikelihood:
    """Log-likelihood of parameters (thresholds, slopes p, entries of Lambda by term).

    The k - 1 thresholds are the same for all ratings, or each group of ``nominal`` has its own, one
    group after the other: then a group's effect may differ from threshold to threshold.

    Parameters
    ----------
    category : ndarray of int, shape (n,)
    x : ndarray, shape (n, p)
    terms : sequence of one or two RandomTerm
    nominal : ndarray of int, shape (n,), optional
        Group of each rating, 0 to g - 1, each of which uses every point.

    Notes
    -----
    The mode of the last call is kept as the next start: neighbouring parameters have near modes.
    """

    def __init__(
        self,
        category: Codes,
        x: Floats,
        terms: Sequence[RandomTerm],
        nominal: Codes | None = None,
    ) -> None:
        self.category = category
        self.x = x
        self.terms = order_for_elimination(terms)
        self.n_points = int(category.max()) + 1
        self.group = np.zeros_like(category) if nominal is None else nominal
        self.n_groups = int(self.group.max()) + 1
        self.cell = self.group * self.n_points + category
        self.counts = self._by_cell(np.ones(category.size))
        self._modes: list[Floats] = [np.zeros((t.n_levels, t.width)) for t in self.terms]
        self.evaluations = 0

    def _by_cell(self, weights: Floats) -> Floats:
        """Sums by group and point, shape (g, k)."""
        size = self.n_groups * self.n_points
        found = np.bincount(self.cell, weights, minlength=size)
        return np.asarray(found.reshape(self.n_groups, self.n_points))

    @property
    def n_thresholds(self) -> int:
        """Thresholds of all groups."""
        return self.n_groups * (self.n_points - 1)

    @property
    def n_fixed(self) -> int:
        """Thresholds and slopes."""
        return self.n_thresholds + int(self.x.shape[1])

    @property
    def n_parameters(self) -> int:
        """All parameters."""
        return self.n_fixed + sum(t.n_parameters for t in self.terms)

    def factors(self, parameters: Floats) -> list[Floats]:
        """Lambda of each term, in the order of ``terms``."""
        start, found = self.n_fixed, []
        for term in self.terms:
            found.append(term.factor(parameters[start : start + term.n_parameters]))
            start += term.n_parameters
        return found

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Log-likelihood and gradient; minus infinity when the thresholds are not ascending."""
        self.evaluations += 1
        thresholds = parameters[: self.n_thresholds].reshape(self.n_groups, -1)
        # Beyond this many logits a probability is 0 or 1 to every digit: the maximum is not there.
        if not np.max(np.abs(parameters)) < _FARTHEST or np.any(np.diff(thresholds) <= 0):
            return -np.inf, np.zeros(parameters.size)
        a, b = self._bounds(parameters, thresholds)
        mode, system, weight = self._find_mode(a, b, self.factors(parameters))
        gaps = [gap_terms(own) for own in thresholds]
        value = mode.value - 0.5 * system.log_determinant
        value += sum(float(n @ gap) for n, (gap, _, _) in zip(self.counts, gaps, strict=True))
        return value, self._gradient(mode, system, weight, np.stack([s for _, s, _ in gaps]))

    def at_mode(self, parameters: Floats) -> AtMode | None:
        """Random effects at their mode; None when the parameters are not allowed."""
        thresholds = parameters[: self.n_thresholds].reshape(self.n_groups, -1)
        if not np.max(np.abs(parameters)) < _FARTHEST or np.any(np.diff(thresholds) <= 0):
            return None
        a, b = self._bounds(parameters, thresholds)
        mode, system, _ = self._find_mode(a, b, self.factors(parameters))
        gaps = sum(
            float(n @ gap_terms(own)[0]) for n, own in zip(self.counts, thresholds, strict=True)
        )
        return AtMode(mode.effects, a, b, system, gaps)

    def _bounds(self, parameters: Floats, thresholds: Floats) -> tuple[Floats, Floats]:
        """Upper and lower bound of each rating without its random effects."""
        bounds = np.stack([padded(own) for own in thresholds])
        fixed = self.x @ parameters[self.n_thresholds : self.n_fixed]
        upper = bounds[self.group, self.category + 1] - fixed
        return upper, bounds[self.group, self.category] - fixed

    def _at(self, effects: list[Floats], a: Floats, b: Floats, factors: list[Floats]) -> _Mode:
        from scipy.special import expit

        eta = self._spread(effects, factors)
        below, above = expit(a - eta), expit(eta - b)
        tiny = np.finfo(float).tiny
        value = float(np.sum(np.log(np.maximum(below * above, tiny))))
        value -= 0.5 * sum(float(np.vdot(u, u)) for u in effects)
        return _Mode(effects, below, above, value)

    def _spread(self, effects: Sequence[Floats], factors: Sequence[Floats]) -> Floats:
        total = self.terms[0].spread(effects[0] @ factors[0].T)
        if len(self.terms) == 2:
            total = total + self.terms[1].spread(effects[1] @ factors[1].T)
        return total

    def _find_mode(
        self, a: Floats, b: Floats, factors: list[Floats]
    ) -> tuple[_Mode, BlockSystem, Floats]:
        """Newton's method with halving; f is strictly concave, so it ends at the one mode."""
        state = self._at(self._modes, a, b, factors)
        for _ in range(_MODE_STEPS):
            weight = state.below * (1 - state.below) + state.above * (1 - state.above)
            system = BlockSystem(cross_products(self.terms, weight), factors)
            slope = state.below - state.above
            right = [
                term.sums(slope) @ factor - u
                for term, factor, u in zip(self.terms, factors, state.effects, strict=True)
            ]
            step = _solved(system, right)
            moved = max(float(np.max(np.abs(s))) for s in step)
            if moved < 1e-10:
                break
            state, improved = self._step(state, step, a, b, factors)
            if not improved:
                break
        self._modes = state.effects
        return state, system, weight

    def _step(
        self, state: _Mode, step: list[Floats], a: Floats, b: Floats, factors: list[Floats]
    ) -> tuple[_Mode, bool]:
        length = 1.0
        while length > 1e-6:
            effects = [u + length * s for u, s in zip(state.effects, step, strict=True)]
            trial = self._at(effects, a, b, factors)
            if trial.value >= state.value - 1e-10 * abs(state.value):
                return trial, True
            length /= 2.0
        return state, False

    def _gradient(
        self, mode: _Mode, system: BlockSystem, weight: Floats, gap_slope: Floats
    ) -> Floats:
        below, above = mode.below, mode.above
        density_a, density_b = below * (1 - below), above * (1 - above)
        curve_a = density_a * (1 - 2 * below)
        curve_b = density_b * (2 * above - 1)
        skew = -(curve_a + curve_b)
        slope = below - above
        factors = system.factors
        leverage = system.leverages(self.terms)
        pull = _solved(
            system, [t.sums(leverage * skew) @ f for t, f in zip(self.terms, factors, strict=True)]
        )
        along = self._spread(pull, factors)
        by_eta = slope - 0.5 * (leverage * skew - weight * along)
        by_upper = 1 - below - 0.5 * (leverage * curve_a + along * density_a)
        by_lower = -(1 - above) - 0.5 * (leverage * curve_b + along * density_b)
        up = self._by_cell(by_upper) + self.counts * gap_slope
        low = self._by_cell(by_lower) - self.counts * gap_slope
        parts: list[Floats] = [(up[:, :-1] + low[:, 1:]).ravel(), self.x.T @ by_eta]
        traces = system.trace_terms()
        for term, u, v, trace in zip(self.terms, mode.effects, pull, traces, strict=True):
            full = term.sums(by_eta).T @ u - trace.T - 0.5 * term.sums(slope).T @ v
            parts.append(term.by_parameter(full))
        return np.concatenate(parts)


def _solved(system: BlockSystem, right: Sequence[Floats]) -> list[Floats]:
    """H^-1 applied to one right-hand side, each term's (levels, r)."""
    return [part[:, :, 0] for part in system.solve([part[:, :, None] for part in right])]
