"""Maximum of a smooth likelihood whose gradient is exact: quasi-Newton, then Newton to the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.ratings_frame import Floats

_DIFFERENCE = 1e-4
_NEWTON_STEPS = 12
_SETTLED = 1e-9

Objective = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True)
class Maximum:
    """Where a likelihood is highest.

    Parameters
    ----------
    parameters : ndarray, shape (p,)
    value : float
    information : ndarray, shape (p, p)
        Minus the Hessian there.
    converged : bool
        The information is positive definite and the last Newton step would have raised the value
        by less than 1e-9.
    decrement : float
        Twice the rise that the last Newton step promised.
    """

    parameters: Floats
    value: float
    information: Floats
    converged: bool
    decrement: float


def information_matrix(objective: Objective, parameters: Floats) -> Floats:
    """Minus the Hessian, from central differences of the exact gradient, shape (p, p)."""
    size = parameters.size
    columns = np.empty((size, size))
    for index in range(size):
        h = _DIFFERENCE * max(1.0, abs(float(parameters[index])))
        shift = np.zeros(size)
        shift[index] = h
        ahead = objective(parameters + shift)[1]
        behind = objective(parameters - shift)[1]
        columns[index] = (behind - ahead) / (2 * h)
    return (columns + columns.T) / 2.0


def maximise(objective: Objective, start: Floats, scale: Floats) -> Maximum:
    """Maximum of ``objective`` near ``start``.

    Parameters
    ----------
    objective : callable
        Value and gradient; the value is minus infinity where the parameters are not allowed.
    start : ndarray, shape (p,)
    scale : ndarray, shape (p, p)
        A guess at the inverse information, positive definite: it makes the first steps short
        where the likelihood is steep.
    """
    from scipy.optimize import minimize

    root = np.linalg.cholesky(scale)

    def downhill(z: Floats) -> tuple[float, Floats]:
        value, gradient = objective(start + root @ z)
        # The line search needs a number to turn back from.
        return (-value, -(root.T @ gradient)) if np.isfinite(value) else (1e12, np.zeros(z.size))

    found = minimize(
        downhill, np.zeros(start.size), jac=True, method="L-BFGS-B", options={"gtol": 1e-3}
    )
    return _newton(objective, start + root @ found.x)


def _newton(objective: Objective, parameters: Floats) -> Maximum:
    value, gradient = objective(parameters)
    information = information_matrix(objective, parameters)
    decrement = np.inf
    for _ in range(_NEWTON_STEPS):
        values, vectors = np.linalg.eigh(information)
        if values[-1] <= 0:
            break
        curved = np.maximum(np.abs(values), 1e-8 * values[-1])
        step = vectors @ ((vectors.T @ gradient) / curved)
        decrement = float(gradient @ step)
        small_curve = values[0] <= 1e-8 * values[-1]
        if decrement < _SETTLED:
            return Maximum(parameters, value, information, not small_curve, decrement)
        length = 1.0
        while length > 1e-6:
            trial_value, trial_gradient = objective(parameters + length * step)
            if trial_value > value:
                break
            length /= 2.0
        else:
            break
        parameters = parameters + length * step
        value, gradient = trial_value, trial_gradient
        # A Newton step that promised less than this leaves the Hessian as it is to 1e-5.
        if decrement > 1e-6:
            information = information_matrix(objective, parameters)
    return Maximum(parameters, value, information, False, decrement)
