"""Linear algebra of two crossed grouping factors, by blocks.

With spherical random effects u (b = Lambda u) a mixed model needs, again and again, the matrix
H = I + Lambda' Z' W Z Lambda of the random effects. Raters never share a rating, so their part of
H is block-diagonal; so is the prompts' part; only the block between the two is full. The larger
factor is eliminated and the smaller one solved by its Schur complement, which makes the cost that
of the smaller factor cubed instead of all random effects cubed.

References
----------
1. Bates D, Maechler M, Bolker B, Walker S. Fitting linear mixed-effects models using lme4.
   J Stat Softw 2015;67(1):1-48.
2. Golub GH, Van Loan CF. Matrix Computations. 4th ed. 2013, section 4.5 (block elimination).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.rating_models.ratings import Codes, Floats


@dataclass(frozen=True)
class RandomTerm:
    """One grouping factor with its random columns.

    Parameters
    ----------
    name : str
        ``"rater"`` or ``"prompt"``.
    codes : ndarray of int, shape (n,)
        Level of each rating.
    n_levels : int
    columns : ndarray, shape (r, n)
        Row 0 is the intercept (ones); further rows are random slopes.
    labels : tuple of str
        Names of the columns.
    tied : tuple of int
        For each column the parameter that is its relative SD: the effects of a level are then
        independent, and columns with the same parameter equally variable. Empty for a covariance
        matrix that is free.
    """

    name: str
    codes: Codes
    n_levels: int
    columns: Floats
    labels: tuple[str, ...]
    tied: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Random effects of one level."""
        return int(self.columns.shape[0])

    @property
    def n_parameters(self) -> int:
        """Free numbers in the lower-triangular factor of the covariance matrix."""
        return len(self.positions)

    @cached_property
    def positions(self) -> list[tuple[Codes, Codes]]:
        """Rows and columns of the factor that each parameter fills."""
        if self.tied:
            tied = np.array(self.tied)
            places = [np.flatnonzero(tied == k) for k in range(int(tied.max()) + 1)]
            return [(place, place) for place in places]
        rows, columns = np.tril_indices(self.width)
        return [(rows[k : k + 1], columns[k : k + 1]) for k in range(rows.size)]

    @property
    def size(self) -> int:
        """Random effects of all levels."""
        return self.n_levels * self.width

    def sums(self, weights: Floats) -> Floats:
        """Z' weights, shape (n_levels, r)."""
        return np.stack(
            [
                np.bincount(self.codes, weights * column, minlength=self.n_levels)
                for column in self.columns
            ],
            axis=1,
        )

    def spread(self, effects: Floats) -> Floats:
        """Z effects, shape (n,), from effects of shape (n_levels, r)."""
        total: Floats = self.columns[0] * effects[self.codes, 0]
        for column, effect in zip(self.columns[1:], effects.T[1:], strict=True):
            total = total + column * effect[self.codes]
        return total

    def factor(self, parameters: Floats) -> Floats:
        """Lower-triangular factor from its entries by rows, shape (r, r)."""
        lower = np.zeros((self.width, self.width))
        for place, value in zip(self.positions, parameters, strict=True):
            lower[place] = value
        return lower

    def by_parameter(self, matrix: Floats) -> Floats:
        """Sum of a matrix (r, r) over the entries that each parameter fills, shape (parameters,)."""
        return np.array([matrix[place].sum() for place in self.positions])

    def start(self, deviation: float) -> Floats:
        """Parameters of independent effects with one relative SD."""
        return np.array(
            [deviation * bool(rows[0] == columns[0]) for rows, columns in self.positions]
        )


def random_term(
    name: str, codes: Codes, n_levels: int, slopes: Floats | None = None, labels: Sequence[str] = ()
) -> RandomTerm:
    """A random intercept, with random slopes of the columns of ``slopes`` (n, k) when given."""
    ones = np.ones((1, codes.size))
    columns = ones if slopes is None else np.vstack([ones, np.asarray(slopes).T])
    return RandomTerm(name, codes, n_levels, columns, ("(Intercept)", *labels))


def without_slopes(term: RandomTerm) -> RandomTerm:
    """The same term with its intercept alone."""
    return random_term(term.name, term.codes, term.n_levels)


def prompt_and_response_term(
    prompt: Codes, n_prompts: int, level: Codes, labels: Sequence[str]
) -> RandomTerm:
    """A random prompt intercept, and one of each response (prompt by system) of that prompt.

    Responses are nested in their prompt, so the two intercepts are one term of independent columns:
    ones for the prompt, and for each system what marks its response.
    """
    marks = (level == np.arange(len(labels))[:, None]).astype(float)
    columns = np.vstack([np.ones((1, prompt.size)), marks])
    tied = (0, *(1 for _ in labels))
    return RandomTerm("prompt", prompt, n_prompts, columns, ("(Intercept)", *labels), tied)


@dataclass(frozen=True)
class CrossProducts:
    """Z' W Z by blocks: ``first`` (l1, r1, r1), ``cross`` (l1, r1, l2, r2), ``second`` (l2, r2, r2)."""

    first: Floats
    cross: Floats | None
    second: Floats | None

    def times(self, effects: Sequence[Floats]) -> list[Floats]:
        """Z' W Z applied to columns of effects, each term's (levels, r, c)."""
        product = self.first @ effects[0]
        if self.cross is None or self.second is None:
            return [product]
        # Products of matrices: einsum would spend as long on the choice of their order.
        wide = self.cross.reshape(self.cross.shape[0] * self.cross.shape[1], -1)
        one, two = (e.reshape(-1, e.shape[2]) for e in effects)
        product = product + (wide @ two).reshape(product.shape)
        return [product, (wide.T @ one).reshape(effects[1].shape) + self.second @ effects[1]]


def order_for_elimination(terms: Sequence[RandomTerm]) -> list[RandomTerm]:
    """The terms with the larger one first: that one is eliminated."""
    return sorted(terms, key=lambda term: -term.size)


def cross_products(terms: Sequence[RandomTerm], weights: Floats) -> CrossProducts:
    """Z' W Z of one or two terms, the first of which is to be eliminated."""
    first = _own_block(terms[0], weights)
    if len(terms) == 1:
        return CrossProducts(first, None, None)
    one, two = terms
    pair = one.codes * two.n_levels + two.codes
    size = one.n_levels * two.n_levels
    cross = np.empty((one.n_levels, one.width, two.n_levels, two.width))
    for a, left in enumerate(one.columns):
        for b, right in enumerate(two.columns):
            counts = np.bincount(pair, weights * left * right, minlength=size)
            cross[:, a, :, b] = counts.reshape(one.n_levels, two.n_levels)
    return CrossProducts(first, cross, _own_block(two, weights))


def _own_block(term: RandomTerm, weights: Floats) -> Floats:
    block = np.empty((term.n_levels, term.width, term.width))
    for a in range(term.width):
        for b in range(a + 1):
            product = weights * term.columns[a] * term.columns[b]
            block[:, a, b] = np.bincount(term.codes, product, minlength=term.n_levels)
            block[:, b, a] = block[:, a, b]
    return block


class BlockSystem:
    """H = I + Lambda' Z' W Z Lambda, factored.

    Parameters
    ----------
    products : CrossProducts
        Z' W Z.
    factors : sequence of ndarray, each (r, r)
        Lambda of each term, lower triangular.

    Notes
    -----
    H is positive definite for any Lambda, so the factorization cannot fail on finite input.
    """

    def __init__(self, products: CrossProducts, factors: Sequence[Floats]) -> None:
        self.products = products
        self.factors = list(factors)
        one = self.factors[0]
        first = np.eye(one.shape[0]) + one.T @ products.first @ one
        self.first_inverse = _block_inverse(first)
        self.log_determinant = float(np.sum(np.log(_block_determinant(first))))
        self.gain: Floats | None = None
        if products.cross is None or products.second is None:
            return
        two = self.factors[1]
        levels, width = products.second.shape[0], two.shape[0]
        cross = _scaled_cross(products.cross, one, two)
        self.gain = _blocks_times(self.first_inverse, cross)
        wide = cross.shape[0] * cross.shape[1]
        # Dense: in a study in which every rater meets every prompt no entry of it is zero.
        schur = -(cross.reshape(wide, -1).T @ self.gain.reshape(wide, -1))
        own = np.eye(width) + two.T @ products.second @ two
        index = np.arange(levels)
        schur.reshape(levels, width, levels, width)[index, :, index, :] += own
        self.lower = np.linalg.cholesky(schur)
        self.log_determinant += 2.0 * float(np.sum(np.log(np.diag(self.lower))))
        self.schur_inverse = np.linalg.inv(schur)

    def solve(self, right: Sequence[Floats]) -> list[Floats]:
        """H^-1 applied to right-hand sides, each term's (levels, r, c), all columns at once."""
        own = self.first_inverse @ right[0]
        if self.gain is None:
            return [own]
        one, two = (part.reshape(-1, part.shape[2]) for part in right)
        wide = self.gain.reshape(one.shape[0], two.shape[0])
        second = self.schur_inverse @ (two - wide.T @ one)
        return [own - (wide @ second).reshape(own.shape), second.reshape(right[1].shape)]

    @cached_property
    def inverse_blocks(self) -> tuple[Floats, Floats | None, Floats | None]:
        """Blocks of H^-1: own block per first level, cross block (l1, r1, q2), second (q2, q2)."""
        if self.gain is None:
            return self.first_inverse, None, None
        levels, width, size = self.gain.shape
        cross = -(self.gain.reshape(levels * width, size) @ self.schur_inverse)
        cross = cross.reshape(levels, width, size)
        own = self.first_inverse - cross @ self.gain.transpose(0, 2, 1)
        return own, cross, self.schur_inverse

    def dense_inverse(self) -> Floats:
        """H^-1 in full, shape (q, q), first term first; for the sums over all pairs of effects."""
        levels, width = self.first_inverse.shape[:2]
        size = levels * width
        full = np.zeros((levels, width, levels, width))
        index = np.arange(levels)
        full[index, :, index, :] = self.first_inverse
        first = full.reshape(size, size)
        if self.gain is None:
            return first
        gain = self.gain.reshape(size, -1)
        cross = -gain @ self.schur_inverse
        return np.block([[first - cross @ gain.T, cross], [cross.T, self.schur_inverse]])

    def trace_terms(self) -> list[Floats]:
        """For each term the matrix N (r, r) with tr(H^-1 Lambda' Z'WZ dLambda) = tr(N dLambda)."""
        own, cross, second = self.inverse_blocks
        one, products = self.factors[0], self.products
        first = np.sum(own @ one.T @ products.first, axis=0)
        if cross is None or second is None or products.cross is None or products.second is None:
            return [first]
        two, raw = self.factors[1], products.cross
        levels, width = raw.shape[2:]
        blocks = cross.reshape(*cross.shape[:2], levels, width)
        first = first + np.tensordot(blocks @ two.T, raw, axes=((0, 2, 3), (0, 2, 3)))
        diagonal = _diagonal_blocks(second, levels, width)
        other = np.sum(diagonal @ two.T @ products.second, axis=0)
        turned = (one @ cross).reshape(blocks.shape)
        return [first, other + np.tensordot(turned, raw, axes=((0, 1, 2), (0, 1, 2)))]

    def leverages(self, terms: Sequence[RandomTerm]) -> Floats:
        """z_i Lambda H^-1 Lambda' z_i' of every rating, shape (n,)."""
        own, cross, second = self.inverse_blocks
        one = self.factors[0]
        total = _own_leverage(terms[0], one @ own @ one.T)
        if cross is None or second is None:
            return total
        two, other = self.factors[1], terms[1]
        levels, width = other.n_levels, other.width
        diagonal = _diagonal_blocks(second, levels, width)
        total = total + _own_leverage(other, two @ diagonal @ two.T)
        both = cross.reshape(*cross.shape[:2], levels, width)
        both = _scaled_cross(both, one.T, two.T).reshape(*cross.shape[:2], levels, width)
        pair = terms[0].codes * levels + other.codes
        for a, left in enumerate(terms[0].columns):
            for b, right in enumerate(other.columns):
                total = total + 2.0 * left * right * both[:, a, :, b].reshape(-1)[pair]
        return total


def _diagonal_blocks(matrix: Floats, levels: int, width: int) -> Floats:
    index = np.arange(levels)
    blocks: Floats = matrix.reshape(levels, width, levels, width)[index, :, index, :]
    return blocks


def _own_leverage(term: RandomTerm, blocks: Floats) -> Floats:
    total = np.zeros(term.codes.size)
    for a, left in enumerate(term.columns):
        for b, right in enumerate(term.columns):
            total += left * right * blocks[term.codes, a, b]
    return total


def _scaled_cross(cross: Floats, one: Floats, two: Floats) -> Floats:
    """Lambda1' C Lambda2 with the second factor's axes joined, shape (l1, r1, l2 * r2)."""
    levels, _, others, width = cross.shape
    if one.size == 1 and two.size == 1:
        return np.asarray((cross * (one[0, 0] * two[0, 0])).reshape(levels, 1, others))
    # Two products of matrices: einsum would spend as long on the choice of their order.
    left = (one.T @ cross.reshape(levels, one.shape[0], others * width)).reshape(-1, width)
    return np.asarray((left @ two).reshape(levels, one.shape[0], others * width))


def _block_inverse(blocks: Floats) -> Floats:
    inverse: Floats = 1.0 / blocks if blocks.shape[1] == 1 else np.linalg.inv(blocks)
    return inverse


def _block_determinant(blocks: Floats) -> Floats:
    found: Floats = blocks[:, 0, 0] if blocks.shape[1] == 1 else np.linalg.det(blocks)
    return found


def _blocks_times(blocks: Floats, cross: Floats) -> Floats:
    product: Floats = blocks * cross if blocks.shape[1] == 1 else blocks @ cross
    return product
