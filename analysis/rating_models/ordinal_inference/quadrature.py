"""Adaptive Gauss-Hermite quadrature: how far Laplace's approximation is off, where one can tell.

The integral over the random effects falls into one-dimensional ones where the model has a single random
intercept (raters who met one prompt, or prompts that were met once): each is then as exact as one wants.
With crossed raters and prompts it is one integral over all of them together, and no quadrature helps;
R's ``clmm`` refuses there, too.

References
----------
1. Pinheiro JC, Bates DM. Approximations to the log-likelihood function in the nonlinear mixed-effects
   model. J Comput Graph Stat 1995;4:12-35.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.rating_models.laplace import LaplaceLikelihood
from analysis.rating_models.laplace_fit import LaplaceFit
from analysis.rating_models.maximum import maximise
from analysis.rating_models.ratings import Floats

NODES = 15
_STEP = 1e-5


@dataclass(frozen=True)
class QuadratureCheck:
    """The same model with the integrals done by quadrature.

    Parameters
    ----------
    nodes : int
    log_likelihood : float
    parameters : ndarray
        In the order of the Laplace fit: thresholds, slopes, the SD of the random intercept.
    largest_shift : float
        Of a threshold or slope against Laplace's, in standard errors.
    """

    nodes: int
    log_likelihood: float
    parameters: Floats
    largest_shift: float


def single_intercept(likelihood: LaplaceLikelihood) -> bool:
    """Whether the design allows quadrature: one random term, an intercept."""
    return len(likelihood.terms) == 1 and likelihood.terms[0].width == 1


def quadrature_log_likelihood(
    likelihood: LaplaceLikelihood, parameters: Floats, nodes: int = NODES
) -> float:
    """Log-likelihood with ``nodes`` nodes at each level; with one node it is Laplace's.

    Parameters
    ----------
    likelihood : LaplaceLikelihood
        Of a model that `single_intercept` is true of.
    parameters : ndarray
    nodes : int
    """
    from scipy.special import expit, logsumexp

    parts = likelihood.at_mode(parameters)
    if parts is None:
        return -np.inf
    term, factor = likelihood.terms[0], parts.system.factors[0][0, 0]
    x, weights = np.polynomial.hermite_e.hermegauss(nodes)
    variance = parts.system.first_inverse[:, 0, 0]
    z = parts.effects[0][:, :1] + np.sqrt(variance)[:, None] * x
    eta = factor * z[term.codes]
    tiny = np.finfo(float).tiny
    chance = expit(parts.upper[:, None] - eta) * expit(eta - parts.lower[:, None])
    logs = np.log(np.maximum(chance, tiny))
    own = np.stack([np.bincount(term.codes, c, minlength=term.n_levels) for c in logs.T], axis=1)
    inner = own - 0.5 * z**2 + 0.5 * x**2 + np.log(weights)
    levels = logsumexp(inner, axis=1) + 0.5 * np.log(variance / (2 * np.pi))
    return float(np.sum(levels)) + parts.gaps


def quadrature_check(fit: LaplaceFit, nodes: int = NODES) -> QuadratureCheck | None:
    """The model fitted by quadrature; None where the design does not allow it or nothing settles."""
    if not single_intercept(fit.likelihood):
        return None
    best, covariance = fit.maximum.parameters, fit.maximum.covariance()
    shifts = _STEP * np.eye(best.size)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        value = quadrature_log_likelihood(fit.likelihood, parameters, nodes)
        ends = [
            [quadrature_log_likelihood(fit.likelihood, parameters + s * d, nodes) for s in (1, -1)]
            for d in shifts
        ]
        return value, np.array([(up - down) / (2 * _STEP) for up, down in ends])

    found = maximise(objective, best, covariance + 1e-6 * np.eye(best.size))
    if not found.converged:
        return None
    fixed = fit.likelihood.n_fixed
    errors = np.sqrt(np.diag(covariance))[:fixed]
    shift = np.abs(found.parameters[:fixed] - best[:fixed]) / errors
    return QuadratureCheck(nodes, found.value, found.parameters, float(shift.max()))
