"""Degrees of freedom of t and F tests in a linear mixed model: Satterthwaite and Kenward-Roger.

References
----------
1. Satterthwaite FE. Synthesis of variance. Psychometrika 1941;6:309-316.
2. Fai AHT, Cornelius PL. Approximate F-tests of multiple degree of freedom hypotheses in
   generalized least squares analyses. J Stat Comput Simul 1996;54:363-378.
3. Kuznetsova A, Brockhoff PB, Christensen RHB. lmerTest package. J Stat Softw 2017;82(13):1-26.
4. Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum
   likelihood. Biometrics 1997;53:983-997.
5. Halekoh U, Hojsgaard S. A Kenward-Roger approximation and parametric bootstrap methods for tests
   in linear mixed models. J Stat Softw 2014;59(9):1-32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.rating_models.maximum import information_matrix
from analysis.rating_models.ratings import Codes, Floats
from analysis.rating_models.restricted_likelihood import LinearMixedLikelihood, LinearState

# The adjustment needs sums over all pairs of effects: matrices of this many rows and columns, 8 MB each.
_MOST_EFFECTS = 1000


class UndefinedTestError(ArithmeticError):
    """A test that does not exist for these data; the message says why."""


@dataclass(frozen=True)
class FTest:
    """F statistic with its degrees of freedom and p-value."""

    statistic: float
    numerator: int
    denominator: float
    p_value: float


def f_test(statistic: float, numerator: int, denominator: float) -> FTest:
    """The p-value of an F statistic."""
    from scipy import stats

    p_value = float(stats.f.sf(statistic, numerator, denominator))
    return FTest(float(statistic), numerator, float(denominator), p_value)


@dataclass(frozen=True)
class Satterthwaite:
    """Covariance of beta (p, p), its slopes in the variance parameters, and their covariance."""

    covariance: Floats
    slopes: Sequence[Floats]
    parameter_covariance: Floats

    def degrees(self, contrast: Floats) -> float:
        """2 v^2 / Var(v) for the variance v of a contrast (p,)."""
        variance = float(contrast @ self.covariance @ contrast)
        slope = np.array([contrast @ s @ contrast for s in self.slopes])
        return 2.0 * variance**2 / float(slope @ self.parameter_covariance @ slope)

    def f_test(self, contrasts: Floats, beta: Floats) -> FTest:
        """Joint test of contrasts (q, p), after [2]_."""
        values, vectors = np.linalg.eigh(contrasts @ self.covariance @ contrasts.T)
        turned = vectors.T @ contrasts
        degrees = np.array([self.degrees(row) for row in turned])
        q = len(values)
        statistic = float(np.sum((turned @ beta) ** 2 / values)) / q
        # From here on as lmerTest's `get_Fstat_ddf`: equal degrees stay as they are, and at 2 or below an F
        # with so few has no mean to match.
        if np.ptp(degrees) < 1e-8:
            return f_test(statistic, q, float(degrees.mean()))
        if np.any(degrees <= 2):
            return f_test(statistic, q, 2.0)
        expected = float(np.sum(degrees / (degrees - 2)))
        return f_test(statistic, q, 2 * expected / (expected - q))


def satterthwaite(
    likelihood: LinearMixedLikelihood, parameters: Floats, sigma: float
) -> Satterthwaite:
    """What the degrees of freedom need, at the maximum.

    Directions in which the likelihood is flat (a variance at zero) carry no uncertainty.
    """
    information = information_matrix(likelihood.at_sigma, np.append(parameters, sigma))
    state = likelihood.state(parameters)
    return Satterthwaite(
        sigma**2 * state.unscaled,
        likelihood.covariance_slopes(state, sigma),
        np.linalg.pinv(information, rcond=1e-7, hermitian=True),
    )


@dataclass(frozen=True)
class KenwardRoger:
    """Adjusted covariance of beta and what its F tests need.

    Parameters
    ----------
    covariance, adjusted : ndarray, shape (p, p)
    slopes : sequence of ndarray, each (p, p)
        P_i, minus X' V^-1 G_i V^-1 X.
    weights : ndarray, shape (k, k)
        Covariance of the variance parameters from the expected information.
    """

    covariance: Floats
    adjusted: Floats
    slopes: Sequence[Floats]
    weights: Floats

    def f_test(self, contrasts: Floats, beta: Floats) -> FTest:
        """Scaled F test of contrasts (q, p), after [4]_ and [5]_.

        Raises
        ------
        UndefinedTestError
            The approximation gives no F distribution or no variance for these contrasts.
        """
        q = contrasts.shape[0]
        spread = contrasts @ self.adjusted @ contrasts.T
        if not np.linalg.eigvalsh(spread)[0] > 0:
            raise UndefinedTestError(
                "Kenward and Roger's adjusted variance of the effect is not positive for so few data"
            )
        inner = np.linalg.inv(contrasts @ self.covariance @ contrasts.T)
        theta = contrasts.T @ inner @ contrasts @ self.covariance
        turned = [theta @ slope @ self.covariance for slope in self.slopes]
        traces = np.array([np.trace(t) for t in turned])
        a1 = float(traces @ self.weights @ traces)
        pairs = np.array([[np.sum(t * s.T) for s in turned] for t in turned])
        a2 = float(np.sum(self.weights * pairs))
        denominator, scale = _matched_f(a1, a2, q)
        estimate = contrasts @ beta
        squared = float(estimate @ np.linalg.solve(spread, estimate))
        return f_test(scale * squared / q, q, denominator)


def _matched_f(a1: float, a2: float, q: int) -> tuple[float, float]:
    """Denominator degrees of freedom and scale that match two moments of F.

    For one contrast both moments match at 2 / a2 degrees of freedom with scale 1; the general
    formula divides zero by zero there at 2 and at 4 degrees of freedom.
    """
    if not a2 > 0:
        raise UndefinedTestError("Kenward and Roger's method finds no uncertainty in the variances")
    if q == 1:
        return 2 / a2, 1.0
    b = (a1 + 6 * a2) / (2 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    base = 3 * q + 2 * (1 - g)
    c1, c2, c3 = g / base, (q - g) / base, (q + 2 - g) / base
    inverse_mean = 1 - a2 / q
    # rho / q is over / under: without a division, four degrees of freedom are a number like others.
    over = inverse_mean**2 * (1 + c1 * b)
    under = (1 - c2 * b) ** 2 * (1 - c3 * b)
    degrees = 4 + (q + 2) * under / (over - under) if over != under else math.inf
    scale = degrees * inverse_mean / (degrees - 2) if degrees != 2 else math.nan
    if not (0 < degrees < math.inf and scale > 0):
        raise UndefinedTestError(
            "Kenward and Roger's method finds no F distribution for so few data: it comes to "
            f"{degrees:.3g} denominator degrees of freedom and the scale {scale:.3g}, and both must be "
            "above zero"
        )
    return degrees, scale


def kenward_roger(
    likelihood: LinearMixedLikelihood, parameters: Floats, sigma: float
) -> KenwardRoger | None:
    """Kenward-Roger quantities; None with more than 1,000 random effects (dense matrices)."""
    if sum(term.size for term in likelihood.terms) > _MOST_EFFECTS:
        return None
    state = likelihood.state(parameters)
    pieces = _Pieces(likelihood, state, sigma)
    covariance = sigma**2 * state.unscaled
    k = len(pieces.rows) + 1
    slopes = [-pieces.curve(i) for i in range(k)]
    information = np.empty((k, k))
    curves: dict[tuple[int, int], Floats] = {}
    for i in range(k):
        for j in range(i + 1):
            second = pieces.second(i, j)
            curves[i, j], curves[j, i] = second, second.T
            product = covariance @ slopes[i] @ covariance @ slopes[j]
            value = pieces.trace(i, j) - 2 * np.sum(covariance * second) + np.trace(product)
            information[i, j] = information[j, i] = 0.5 * value
    weights = np.linalg.pinv(information, rcond=1e-12, hermitian=True)
    # Kenward and Roger's third term, with second slopes of V, is zero: V is linear in the variances.
    excess = sum(
        weights[i, j] * (curves[i, j] - slopes[i] @ covariance @ slopes[j])
        for i in range(k)
        for j in range(k)
    )
    adjusted = covariance + 2 * covariance @ np.asarray(excess) @ covariance
    return KenwardRoger(covariance, (adjusted + adjusted.T) / 2, slopes, weights)


class _Pieces:
    """Products with V^-1 in the space of the random effects, V = sigma^2 (I + Z Lambda Lambda' Z').

    The last variance parameter is sigma^2 itself, whose G is the identity.
    """

    def __init__(self, likelihood: LinearMixedLikelihood, state: LinearState, sigma: float) -> None:
        p, variance = likelihood.p, sigma**2
        cross = _dense_products(likelihood)
        wide = _dense_factor(likelihood, state)
        inner = wide @ state.system.dense_inverse() @ wide.T
        keep = np.eye(cross.shape[0]) - inner @ cross
        zx = np.concatenate([z[:, :, :p].reshape(-1, p) for z in likelihood.random])
        xx = likelihood.both[:p, :p]
        carried = inner @ zx
        self.a = cross @ keep / variance
        self.a2 = keep.T @ cross @ keep / variance**2
        self.b = keep.T @ zx / variance
        self.b2 = keep.T @ self.b / variance
        self.xx2 = (xx - zx.T @ carried - carried.T @ zx + carried.T @ cross @ carried) / (
            variance**2
        )
        self.xx3 = (self.xx2 - self.b.T @ inner @ self.b) / variance
        turned = inner @ cross
        self.trace2 = float(likelihood.n - 2 * np.trace(turned) + np.sum(turned * turned.T)) / (
            variance**2
        )
        self.rows = _component_rows(likelihood)

    def chosen(self, index: int, matrix: Floats) -> Floats:
        """E_i matrix, where G_i = Z E_i Z'."""
        one, two = self.rows[index]
        result = np.zeros_like(matrix)
        result[one] = matrix[two]
        if one is not two:
            result[two] = matrix[one]
        return result

    def curve(self, i: int) -> Floats:
        """X' V^-1 G_i V^-1 X."""
        return np.asarray(self.xx2 if i == len(self.rows) else self.b.T @ self.chosen(i, self.b))

    def second(self, i: int, j: int) -> Floats:
        """X' V^-1 G_i V^-1 G_j V^-1 X, j not after i."""
        last = len(self.rows)
        if j == last:
            return np.asarray(self.xx3)
        right = self.chosen(j, self.b)
        if i == last:
            return np.asarray(self.b2.T @ right)
        return np.asarray(self.chosen(i, self.b).T @ self.a @ right)

    def trace(self, i: int, j: int) -> float:
        """tr V^-1 G_i V^-1 G_j, j not after i."""
        last = len(self.rows)
        if j == last:
            return self.trace2
        if i == last:
            return float(np.trace(self.chosen(j, self.a2)))
        return float(np.sum(self.chosen(i, self.a) * self.chosen(j, self.a).T))


def _component_rows(likelihood: LinearMixedLikelihood) -> list[tuple[Codes, Codes]]:
    """Rows of the random effects that each variance (of one or several columns) or covariance joins."""
    start = 0
    found: list[tuple[Codes, Codes]] = []
    for term in likelihood.terms:
        places = start + np.arange(term.size).reshape(term.n_levels, term.width)
        for rows, columns in term.positions:
            one = places[:, rows].ravel()
            found.append((one, one if rows[0] == columns[0] else places[:, columns].ravel()))
        start += term.size
    return found


def _dense_products(likelihood: LinearMixedLikelihood) -> Floats:
    sizes = [term.size for term in likelihood.terms]
    full = np.zeros((sum(sizes), sum(sizes)))
    products = likelihood.products
    start = 0
    for term, block in zip(likelihood.terms, (products.first, products.second), strict=False):
        if block is not None:
            _place_blocks(full, block, start)
        start += term.size
    if products.cross is not None:
        cross = products.cross.reshape(sizes[0], sizes[1])
        full[: sizes[0], sizes[0] :] = cross
        full[sizes[0] :, : sizes[0]] = cross.T
    return full


def _dense_factor(likelihood: LinearMixedLikelihood, state: LinearState) -> Floats:
    size = sum(term.size for term in likelihood.terms)
    full = np.zeros((size, size))
    start = 0
    for term, factor in zip(likelihood.terms, state.system.factors, strict=True):
        _place_blocks(full, np.broadcast_to(factor, (term.n_levels, *factor.shape)), start)
        start += term.size
    return full


def _place_blocks(full: Floats, blocks: Floats, start: int) -> None:
    levels, width = blocks.shape[:2]
    places = start + np.arange(levels * width).reshape(levels, width)
    full[places[:, :, None], places[:, None, :]] = blocks
