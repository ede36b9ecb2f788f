"""Multinomial logistic regression with a squared penalty, fitted with L-BFGS.

The model is p(k | x) proportional to exp(w_k . x + b_k); the fit minimizes the mean negative log
likelihood plus (l2 / 2) times the sum of the squared weights, after the inputs were brought to mean
0 and standard deviation 1. Biases carry no penalty, so the classes' shares are kept [1]_.

Written here on purpose, with torch, which makes the inputs anyway. scikit-learn gives the same for three
classes or more (a test holds it), but for two it penalizes one vector in place of two, which moved
probabilities by up to .03, and a class that a fold lacks gets no place among the probabilities.

References
----------
[1] T. Hastie, R. Tibshirani, J. Friedman (2009). The elements of statistical learning, 2nd ed.,
    section 4.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.errors import ModelError

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]

_STEPS = 300


@dataclass(frozen=True)
class LogisticRegression:
    """A fitted model over inputs as they come (the standardization is inside the weights).

    Attributes
    ----------
    weights : array, shape (classes, width)
    bias : array, shape (classes,)
    """

    weights: Floats
    bias: Floats

    def probabilities(self, inputs: Floats) -> Floats:
        """Probabilities of the classes, shape (rows, classes); each row sums to 1."""
        scores = np.atleast_2d(inputs) @ self.weights.T + self.bias
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        result: Floats = raised / raised.sum(axis=1, keepdims=True)
        return result


def fit(inputs: Floats, classes: Classes, count: int, l2: float) -> LogisticRegression:
    """Fit the model.

    Parameters
    ----------
    inputs : array, shape (rows, width)
    classes : array of int, shape (rows,)
        0 to ``count - 1``.
    count : int
        Number of classes, 2 or more.
    l2 : float
        Weight of the penalty, above 0; without it, separable classes have no finite solution.

    Raises
    ------
    ModelError
        When ``l2`` is not above 0 or the fit did not arrive at finite numbers.
    """
    import torch

    if not l2 > 0:
        raise ModelError(f"The penalty is {l2}; expected a number above 0, such as 0.1.")
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
    # A column that never changes carries nothing; dividing by 1 leaves it at 0.
    spread = np.where(spread > 0, spread, 1.0)
    x = torch.from_numpy((inputs - mean) / spread)
    y = torch.from_numpy(classes)
    weights = torch.zeros((count, inputs.shape[1]), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weights, bias], max_iter=_STEPS, tolerance_grad=1e-8, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value = torch.nn.functional.cross_entropy(x @ weights.T + bias, y)
        value = value + l2 / 2 * weights.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with one_thread():
        solver.step(loss)  # type: ignore[no-untyped-call]
    found = weights.detach().numpy() / spread
    fitted = LogisticRegression(found, bias.detach().numpy() - found @ mean)
    if not (np.isfinite(fitted.weights).all() and np.isfinite(fitted.bias).all()):
        raise ModelError(
            f"The classifier's fit gave no finite numbers with the penalty {l2}; use a larger one."
        )
    return fitted


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: handing small products to others takes longer than the products.

    On a machine that has other work to do, far longer: a hundred times was seen.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cross_validated_accuracy(
    inputs: Floats, classes: Classes, count: int, l2: float, folds: Sequence[NDArray[np.intp]]
) -> float:
    """Share of rows named right by a model that was fitted without their fold, 0 to 1."""
    right = 0
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(classes)), fold)
        model = fit(inputs[rest], classes[rest], count, l2)
        right += int((model.probabilities(inputs[fold]).argmax(axis=1) == classes[fold]).sum())
    return right / len(classes)


def stratified_parts(
    classes: Classes, shares: Sequence[float], seed: int
) -> list[NDArray[np.intp]]:
    """Rows in parts that hold the same share of every class, drawn with a seed.

    Parameters
    ----------
    classes : array of int, shape (rows,)
    shares : sequence of float
        Share of each part; they sum to 1.
    seed : int

    Returns
    -------
    list of array
        Row numbers of each part, ascending.
    """
    generator = np.random.default_rng(seed)
    ends = np.cumsum(shares)
    parts: list[list[int]] = [[] for _ in shares]
    for found in np.unique(classes):
        rows = generator.permutation(np.flatnonzero(classes == found))
        cuts = np.round(ends * len(rows)).astype(int)
        for part, first, last in zip(parts, [0, *cuts[:-1]], cuts, strict=True):
            part += rows[first:last].tolist()
    return [np.sort(np.asarray(part, dtype=np.intp)) for part in parts]
