"""Maximum of a smooth likelihood whose gradient is exact: quasi-Newton, then Newton to the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.rating_models.ratings import Floats

# Step of the differences of the exact gradient: the error of a central difference is of the order of its
# square, and rounding is divided by it.
_DIFFERENCE = 1e-4
_NEWTON_STEPS = 8
_BFGS_STEPS = 80
_NEAR = 1e-11
# After the last quasi-Newton step; Newton steps close what is less than this, and nothing that still
# climbs.
_FAR = 1e-4
_ROUNDING = 1e-14
_SETTLED = 1e-8
# Share of the largest curvature below which a direction counts as flat, as that of a variance estimated at
# zero is.
_FLAT = 1e-7

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
        The last Newton step promised a rise of less than 5e-9 (it was taken; what is left is of the
        order of its square) and no direction leads upwards.
    flat : ndarray, shape (p, m)
        Directions in which the likelihood does not change, as columns; usually none.
    decrement : float
        Twice the rise that the last Newton step promised.
    """

    parameters: Floats
    value: float
    information: Floats
    converged: bool
    decrement: float
    flat: Floats

    def covariance(self) -> Floats:
        """Inverse of the information, the flat directions left out (pseudo-inverse)."""
        if self.flat.shape[1] == 0:
            return np.linalg.inv(self.information)
        return np.linalg.pinv(self.information, rcond=_FLAT, hermitian=True)


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


@dataclass(frozen=True)
class Climb:
    """Where a quasi-Newton search ended: parameters, value, gradient, promised further rise."""

    parameters: Floats
    value: float
    gradient: Floats
    promised: float


def maximise(objective: Objective, start: Floats, scale: Floats) -> Maximum:
    """Maximum of ``objective`` near ``start``, with the information there.

    Parameters
    ----------
    objective : callable
        Value and gradient; the value is minus infinity where the parameters are not allowed.
    start : ndarray, shape (p,)
    scale : ndarray, shape (p, p)
        A guess at the inverse information, positive definite: it makes the first steps short
        where the likelihood is steep.
    """
    found = climb(objective, start, scale)
    if not np.isfinite(found.value):
        return Maximum(start, found.value, np.eye(start.size), False, np.inf, _no_direction(start))
    if found.promised > _FAR:
        # A likelihood that still climbs here has its maximum at infinity, or at a wall.
        nothing, where = np.eye(start.size), found.parameters
        return Maximum(where, found.value, nothing, False, found.promised, _no_direction(start))
    return _newton(objective, found.parameters, found.value, found.gradient)


def climb(objective: Objective, start: Floats, scale: Floats) -> Climb:
    """The quasi-Newton part of `maximise` alone, which leaves out the information matrix.

    Notes
    -----
    BFGS with step halving, written out: for ten parameters a library's call costs more than the
    step, and its line search does not know that minus infinity is a wall.
    """
    parameters, inverse = start, scale
    value, gradient = objective(parameters)
    promised = np.inf
    if not np.isfinite(value):
        return Climb(parameters, value, gradient, promised)
    for _ in range(_BFGS_STEPS):
        step = inverse @ gradient
        promised = float(gradient @ step)
        if promised < _NEAR * _noise(value):
            break
        length, trial = _line(objective, parameters, value, step, promised)
        if trial is None:
            break
        moved, turned = length * step, gradient - trial[1]
        parameters = parameters + moved
        value, gradient = trial
        curve = float(moved @ turned)
        if curve > 1e-12 * float(moved @ moved):
            side = inverse @ turned
            inverse = (
                inverse
                + np.outer(moved, moved) * (1.0 + float(turned @ side) / curve) / curve
                - (np.outer(side, moved) + np.outer(moved, side)) / curve
            )
    return Climb(parameters, value, gradient, promised)


def _noise(value: float) -> float:
    """How much coarser a likelihood of this size is than one of a few hundred ratings."""
    return 1.0 + abs(value) / 1e3


def _line(
    objective: Objective, parameters: Floats, value: float, step: Floats, promised: float
) -> tuple[float, tuple[float, Floats] | None]:
    """First of the halved steps that raises the value enough (Armijo); None when none does."""
    length = 1.0
    while length > 1e-8:
        trial = objective(parameters + length * step)
        if trial[0] >= value + 1e-4 * length * promised - _ROUNDING * abs(value):
            return length, trial
        length /= 2.0
    return 0.0, None


def _newton(objective: Objective, parameters: Floats, value: float, gradient: Floats) -> Maximum:
    information = information_matrix(objective, parameters)
    decrement = np.inf
    for _ in range(_NEWTON_STEPS):
        values, vectors = np.linalg.eigh(information)
        if values[-1] <= 0:
            break
        # On a saddle the size of the curvature still gives a step uphill; its sign would lead down.
        curved = np.maximum(np.abs(values), _FLAT * values[-1])
        step = vectors @ ((vectors.T @ gradient) / curved)
        decrement = float(gradient @ step)
        if decrement < _SETTLED * _noise(value):
            parameters = parameters + step
            value = objective(parameters)[0]
            upwards = bool(values[0] < -1e-5 * values[-1])
            flat = vectors[:, values <= _FLAT * values[-1]]
            return Maximum(parameters, value, information, not upwards, decrement, flat)
        length, trial = _line(objective, parameters, value, step, decrement)
        if trial is None:
            break
        parameters = parameters + length * step
        value, gradient = trial
        # A Newton step that promised less than this leaves the Hessian as it is to 1e-5.
        if decrement > 1e-7:
            information = information_matrix(objective, parameters)
    return Maximum(parameters, value, information, False, decrement, _no_direction(parameters))


def _no_direction(parameters: Floats) -> Floats:
    return np.empty((parameters.size, 0))
