"""Restricted (REML) and full likelihood of a linear mixed model, profiled, with exact gradient.

y = X beta + Z Lambda u + e with u ~ N(0, sigma^2 I), e ~ N(0, sigma^2 I). Everything is computed from
cross-products that are made once, so an evaluation does not touch the ratings again.

References
----------
1. Bates D, Maechler M, Bolker B, Walker S. Fitting linear mixed-effects models using lme4.
   J Stat Softw 2015;67(1):1-48, section 3.4.
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
from analysis.rating_models.ratings import Floats

# Entries of Lambda beyond this leave nothing of the means but rounding.
_FARTHEST = 1e4


@dataclass(frozen=True)
class LinearState:
    """What one value of Lambda gives, V0 = I + Z Lambda Lambda' Z' being V / sigma^2.

    Parameters
    ----------
    beta : ndarray, shape (p,)
    unscaled : ndarray, shape (p, p)
        (X' V0^-1 X)^-1.
    penalized : float
        y' V0^-1 (y - X beta), whose share per degree of freedom is sigma^2.
    system : BlockSystem
    log_determinant_x : float
        log det X' V0^-1 X.
    projected_x, projected_y : list of ndarray
        Z' V0^-1 X (levels, r, p) and Z' V0^-1 (y - X beta) (levels, r) of each term.
    """

    beta: Floats
    unscaled: Floats
    penalized: float
    system: BlockSystem
    log_determinant_x: float
    projected_x: list[Floats]
    projected_y: list[Floats]


class LinearMixedLikelihood:
    """Likelihood of the entries of Lambda (by term, by rows), beta and sigma profiled out.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n, p)
        Of full rank, intercept included.
    terms : sequence of one or two RandomTerm
    reml : bool
        Restricted likelihood; False for the full one, which compares different ``x``.
    """

    def __init__(
        self, y: Floats, x: Floats, terms: Sequence[RandomTerm], *, reml: bool = True
    ) -> None:
        self.terms = order_for_elimination(terms)
        self.reml = reml
        self.n, self.p = x.shape
        both = np.column_stack([x, y])
        self.both = both.T @ both
        self.random = [
            np.stack([term.sums(column) for column in both.T], axis=2) for term in self.terms
        ]
        self.products = cross_products(self.terms, np.ones(self.n))
        # What is left of a sum of squares below this is rounding.
        self.negligible = 1e-10 * float(np.sum((y - y.mean()) ** 2))

    @property
    def n_parameters(self) -> int:
        """Entries of Lambda."""
        return sum(t.n_parameters for t in self.terms)

    @property
    def degrees(self) -> int:
        """What sigma^2 is an average over."""
        return int(self.n - self.p if self.reml else self.n)

    def factors(self, parameters: Floats) -> list[Floats]:
        """Lambda of each term, in the order of ``terms``."""
        start, found = 0, []
        for term in self.terms:
            found.append(term.factor(parameters[start : start + term.n_parameters]))
            start += term.n_parameters
        return found

    def state(self, parameters: Floats) -> LinearState:
        """Solve for beta and the rest at one Lambda."""
        factors = self.factors(parameters)
        system = BlockSystem(self.products, factors)
        left = [f.T @ z for f, z in zip(factors, self.random, strict=True)]
        solved = system.solve(left)
        reduced = self.both - sum(
            np.tensordot(z, u, axes=((0, 1), (0, 1))) for z, u in zip(left, solved, strict=True)
        )
        p = self.p
        unscaled = np.linalg.inv(reduced[:p, :p])
        beta = unscaled @ reduced[:p, p]
        taken = self.products.times([f @ u for f, u in zip(factors, solved, strict=True)])
        projected = [z - t for z, t in zip(self.random, taken, strict=True)]
        return LinearState(
            beta=beta,
            unscaled=unscaled,
            penalized=float(reduced[p, p] - reduced[:p, p] @ beta),
            system=system,
            log_determinant_x=float(np.linalg.slogdet(reduced[:p, :p])[1]),
            projected_x=[z[:, :, :p] for z in projected],
            projected_y=[z[:, :, p] - z[:, :, :p] @ beta for z in projected],
        )

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Profiled log-likelihood and gradient; minus infinity when no residual is left."""
        if not np.max(np.abs(parameters)) < _FARTHEST:
            return -np.inf, np.zeros(parameters.size)
        state = self.state(parameters)
        # The search is kept from running towards a residual of nothing, where the likelihood has no bound.
        if state.penalized <= self.negligible:
            return -np.inf, np.zeros(parameters.size)
        degrees = self.degrees
        variance = state.penalized / degrees
        deviance = degrees * (1.0 + np.log(2 * np.pi * variance)) + self._determinants(state)
        return -0.5 * float(deviance), -0.5 * self._gradient(state, variance)

    def at_sigma(self, parameters: Floats) -> tuple[float, Floats]:
        """Log-likelihood and gradient of (entries of Lambda, sigma), sigma not profiled.

        Minus infinity where a search has gone so far that rounding leaves nothing of the means.
        """
        sigma = float(parameters[-1])
        if not (np.max(np.abs(parameters[:-1]), initial=0.0) < _FARTHEST and 1e-20 < sigma < 1e20):
            return -np.inf, np.zeros(parameters.size)
        state = self.state(parameters[:-1])
        degrees = self.degrees
        deviance = state.penalized / sigma**2 + degrees * np.log(2 * np.pi * sigma**2)
        slope = 2 * degrees / sigma - 2 * state.penalized / sigma**3
        gradient = np.append(self._gradient(state, sigma**2), slope)
        return -0.5 * float(deviance + self._determinants(state)), -0.5 * gradient

    def _determinants(self, state: LinearState) -> float:
        extra = state.log_determinant_x if self.reml else 0.0
        return state.system.log_determinant + extra

    def _gradient(self, state: LinearState, variance: float) -> Floats:
        """Slope of the deviance in the entries of Lambda at sigma^2 = variance."""
        parts = []
        traces = state.system.trace_terms()
        factors = state.system.factors
        for term, trace, factor, x, y in zip(
            self.terms, traces, factors, state.projected_x, state.projected_y, strict=True
        ):
            full = 2.0 * trace.T - 2.0 * (y.T @ (y @ factor)) / variance
            if self.reml:
                scaled = factor.T @ x @ state.unscaled
                full = full - 2.0 * np.tensordot(x, scaled, axes=((0, 2), (0, 2)))
            parts.append(term.by_parameter(full))
        return np.concatenate(parts)

    def covariance_slopes(self, state: LinearState, sigma: float) -> list[Floats]:
        """Slope of the covariance matrix of beta in each entry of Lambda and in sigma, (p, p)."""
        slopes = []
        for term, factor, x in zip(
            self.terms, state.system.factors, state.projected_x, strict=True
        ):
            scaled = factor.T @ x
            for rows, columns in term.positions:
                half = np.einsum("lip,liq->pq", x[:, rows, :], scaled[:, columns, :])
                slopes.append(sigma**2 * state.unscaled @ (half + half.T) @ state.unscaled)
        slopes.append(2 * sigma * state.unscaled)
        return slopes
