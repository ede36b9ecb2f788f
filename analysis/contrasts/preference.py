"""Which system is preferred: strengths from comparisons of two or more, with ties and order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.contrasts.cluster_means import cluster_codes
from analysis.results import Details, Estimate, undefined
from analysis.validation import FloatArray, IntArray, confidence_level
from study.errors import AnalysisError

TIE = "tie"
NO_RESULT = "no comparison has a result"
SEPARATED = (
    "a system, or a place in the order, won or lost every time in a way that leaves no finite "
    "estimate of the strengths"
)
# exp(12) to 1 is beyond what any study can tell from certainty.
_LARGEST = 12.0
_STEPS = 200


@dataclass(frozen=True)
class StrengthDetails(Details):
    """Of a strength on the log scale; no error where all comparisons are of one prompt."""

    standard_error: float | None = None


@dataclass(frozen=True)
class Comparison:
    """One verdict on several systems.

    Parameters
    ----------
    shown : tuple of str
        Systems in the order in which the judge saw them; two or more, all different.
    winner : str or None
        One of ``shown``, ``"tie"``, or None when the call had no result.
    cluster : str
        What the comparison is drawn with: its prompt for a judge, its rater for people.
    replicate : int
    """

    shown: tuple[str, ...]
    winner: str | None
    cluster: str
    replicate: int = 1

    def __post_init__(self) -> None:
        if len(self.shown) < 2 or len(set(self.shown)) != len(self.shown):
            raise AnalysisError(f"shown: {self.shown}; expected two or more different systems")
        if self.winner is not None and self.winner != TIE and self.winner not in self.shown:
            raise AnalysisError(
                f"winner: {self.winner!r}; expected one of {', '.join(self.shown)}, tie or none"
            )


@dataclass(frozen=True)
class Strengths:
    """A Bradley-Terry model with ties.

    Parameters
    ----------
    strengths : tuple of (str, Estimate)
        Log strength of each system, their mean zero.
    differences : tuple of (str, str, Estimate)
        First less second: log odds of being preferred where there is no tie and no order effect.
    tie : Estimate
        Davidson's nu: how much a tie weighs beside the geometric mean of the strengths.
    places : tuple of Estimate
        Log advantage of each place in the order over the average place; with two places the first
        one's over the second is twice its value.
    n, n_ties, n_missing : int
        Comparisons in the model, the ties among them, and those without a result.
    """

    strengths: tuple[tuple[str, Estimate], ...]
    differences: tuple[tuple[str, str, Estimate], ...]
    tie: Estimate
    places: tuple[Estimate, ...]
    n: int
    n_ties: int
    n_missing: int


@dataclass(frozen=True)
class _Choices:
    """Rows are alternatives; those of one choice stand together."""

    design: FloatArray
    choice: IntArray
    chosen: NDArray[np.bool_]
    cluster: IntArray
    systems: tuple[str, ...]
    places: int
    with_tie: bool
    clustered_by: str

    @property
    def n_choices(self) -> int:
        return int(self.cluster.size)


def davidson(
    comparisons: Sequence[Comparison],
    *,
    order_effect: bool = True,
    clustered_by: str = "prompts",
    level: float = 0.95,
) -> Strengths:
    r"""Bradley and Terry's model with Davidson's ties and an effect of the place in the order.

    The judge prefers system i at place p, or calls a tie, with probabilities in the ratios

    .. math:: \pi_i e^{\alpha_p} \quad\text{and}\quad \nu \Bigl(\prod_{j} \pi_j\Bigr)^{1/k}

    over the k systems shown; places' effects add up to zero. With k = 2 this is Davidson's model with
    the order effect of Davidson and Beaver; with larger k and no ties it is the first choice of Plackett
    and Luce. Without any tie (or with one order effect not identified) that parameter is left out.

    Parameters
    ----------
    comparisons : sequence of Comparison
        All with the same number of systems shown. Comparisons without a result are counted.
    order_effect : bool
    clustered_by : str
        What the comparisons' clusters are, as the estimates' method names them.
    level : float

    Returns
    -------
    Strengths
        Intervals from a sandwich covariance over the clusters and t of clusters - 1; from the inverse
        information with a normal where each comparison is a cluster of its own.

    Raises
    ------
    AnalysisError
        When the numbers of systems shown differ.

    References
    ----------
    .. [1] Davidson, R. R. (1970). On extending the Bradley-Terry model to accommodate ties in paired
       comparison experiments.
    .. [2] Davidson, R. R., & Beaver, R. J. (1977). On extending the Bradley-Terry model to
       incorporate within-pair order effects.
    .. [3] Luce, R. D. (1959). Individual choice behavior.
    """
    confidence_level(level)
    usable = [c for c in comparisons if c.winner is not None]
    n_missing = len(comparisons) - len(usable)
    n_ties = sum(c.winner == TIE for c in usable)
    systems = tuple(sorted({s for c in usable for s in c.shown}))
    if not usable:
        return _no_strengths(NO_RESULT, systems, 0, 0, n_missing)
    sizes = {len(c.shown) for c in usable}
    if len(sizes) > 1:
        raise AnalysisError(
            f"comparisons show {' and '.join(map(str, sorted(sizes)))} systems; put those of one "
            "number into a model of their own"
        )
    choices = _choices(usable, systems, order_effect, clustered_by)
    return _strengths(choices, len(usable), n_ties, n_missing, level)


def plackett_luce(
    rankings: Sequence[Sequence[str]],
    clusters: Sequence[Any] | None = None,
    *,
    clustered_by: str = "prompts",
    level: float = 0.95,
) -> Strengths:
    """Strengths from whole rankings, best first: each place is a choice among those not yet chosen.

    Parameters
    ----------
    rankings : sequence of sequence of str
        Systems, best first; a ranking may leave systems out.
    clusters : sequence, optional
        What each ranking is drawn with, its rater or its prompt.
    clustered_by : str
        What these clusters are, as the estimates' method names them.
    level : float

    References
    ----------
    .. [1] Plackett, R. L. (1975). The analysis of permutations.
    """
    confidence_level(level)
    codes, _ = cluster_codes(clusters, len(rankings))
    systems = tuple(sorted({s for ranking in rankings for s in ranking}))
    steps = []
    for ranking, code in zip(rankings, codes, strict=True):
        if len(set(ranking)) != len(ranking):
            raise AnalysisError(f"ranking: {list(ranking)}; expected each system once")
        for place in range(len(ranking) - 1):
            rest = tuple(ranking[place:])
            steps.append(Comparison(rest, rest[0], str(code)))
    if not steps:
        return _no_strengths(NO_RESULT, systems, 0, 0, 0)
    choices = _choices(steps, systems, False, clustered_by)
    return _strengths(choices, len(rankings), 0, 0, level)


def _choices(
    usable: Sequence[Comparison], systems: tuple[str, ...], order_effect: bool, clustered_by: str
) -> _Choices:
    index = {s: i for i, s in enumerate(systems)}
    with_tie = any(c.winner == TIE for c in usable)
    places = len(usable[0].shown) if order_effect else 1
    width = len(systems) + (places - 1) + with_tie
    rows, choice, chosen = [], [], []
    for number, c in enumerate(usable):
        average = np.zeros(width)
        for place, system in enumerate(c.shown):
            row = np.zeros(width)
            row[index[system]] = 1.0
            average[index[system]] = 1.0 / len(c.shown)
            if places > 1:
                row[len(systems) : len(systems) + places - 1] = (
                    -1.0 if place == places - 1 else np.eye(places)[place][:-1]
                )
            rows.append(row)
            choice.append(number)
            chosen.append(c.winner == system)
        if with_tie:
            average[-1] = 1.0
            rows.append(average)
            choice.append(number)
            chosen.append(c.winner == TIE)
    # The last system's strength is minus the sum of the others'.
    design = np.array(rows)
    k = len(systems)
    design = np.delete(design, k - 1, axis=1) - np.pad(
        np.repeat(design[:, [k - 1]], k - 1, axis=1), ((0, 0), (0, design.shape[1] - k))
    )
    codes, _ = cluster_codes([c.cluster for c in usable], len(usable))
    return _Choices(
        design=design,
        choice=np.array(choice),
        chosen=np.array(chosen),
        cluster=codes,
        systems=systems,
        places=places,
        with_tie=bool(with_tie),
        clustered_by=clustered_by,
    )


def _strengths(choices: _Choices, n: int, n_ties: int, n_missing: int, level: float) -> Strengths:
    k = len(choices.systems)
    if n_ties == n:
        because = f"all {n} comparisons are ties, so no strength can be told from another"
        return _no_strengths(because, choices.systems, n, n_ties, n_missing)
    fitted = _fit(choices)
    if fitted is None:
        return _no_strengths(SEPARATED, choices.systems, n, n_ties, n_missing)
    values, covariance, df = fitted
    expand = np.vstack([np.eye(k - 1), -np.ones((1, k - 1))])
    reporter = _Reporter(values, covariance, df, level, n, n_missing, choices.clustered_by)
    strength_rows = np.hstack([expand, np.zeros((k, values.size - (k - 1)))])
    p = choices.places - 1
    place_rows = np.zeros((choices.places, values.size))
    if p:
        place_rows[:, k - 1 : k - 1 + p] = np.vstack([np.eye(p), -np.ones((1, p))])
    tie_row = np.zeros(values.size)
    tie_row[-1] = 1.0
    differences = tuple(
        (
            first,
            second,
            reporter.linear("log_strength_difference", strength_rows[i] - strength_rows[j]),
        )
        for i, first in enumerate(choices.systems)
        for j, second in enumerate(choices.systems)
        if i < j
    )
    return Strengths(
        tuple(
            (s, reporter.linear("log_strength", row))
            for s, row in zip(choices.systems, strength_rows, strict=True)
        ),
        differences,
        reporter.exponential("davidson_nu", tie_row)
        if choices.with_tie
        else undefined("davidson_nu", "there are no ties", n=n, unit="comparison"),
        tuple(reporter.linear(f"place_{i + 1}", row) for i, row in enumerate(place_rows))
        if p
        else (),
        n,
        n_ties,
        n_missing,
    )


def _fit(choices: _Choices) -> tuple[FloatArray, FloatArray, float | None] | None:
    """Newton's method on a concave likelihood; None when it has no finite maximum."""
    x, choice, n = choices.design, choices.choice, choices.n_choices
    beta = np.zeros(x.shape[1])
    best, info, scores = _likelihood(x, choice, choices.chosen, n, beta)
    for _ in range(_STEPS):
        # Nothing tells these strengths apart, or they run off to infinity and the likelihood goes flat.
        if np.linalg.cond(info) > 1e10:
            return None
        step = np.linalg.solve(info, scores.sum(axis=0))
        if float(np.abs(step).max()) < 1e-10:
            break
        scale = 1.0
        while scale > 1e-6:
            trial = beta + scale * step
            value, trial_info, trial_scores = _likelihood(x, choice, choices.chosen, n, trial)
            if value >= best - 1e-12 * abs(best):
                break
            scale /= 2.0
        beta, best, info, scores = trial, value, trial_info, trial_scores
        if float(np.abs(beta).max()) > _LARGEST:
            return None
    else:
        return None
    inverse: FloatArray = np.linalg.inv(info).astype(np.float64)
    groups = int(np.unique(choices.cluster).size)
    if groups == n:
        return beta, inverse, None
    if groups < 2:
        return beta, np.zeros_like(inverse, dtype=np.float64), None
    # Newton's information is that of independent choices; only the error takes the clusters into account.
    totals = np.zeros((groups, beta.size))
    np.add.at(totals, choices.cluster, scores)
    meat = groups / (groups - 1.0) * totals.T @ totals
    return beta, inverse @ meat @ inverse, float(groups - 1)


def _likelihood(
    x: FloatArray, choice: IntArray, chosen: NDArray[np.bool_], n: int, beta: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Log-likelihood, information and each choice's score of a conditional logit model."""
    utility = x @ beta
    highest = np.full(n, -np.inf)
    np.maximum.at(highest, choice, utility)
    weight = np.exp(utility - highest[choice])
    total = np.bincount(choice, weights=weight, minlength=n)
    share = weight / total[choice]
    expected = np.zeros((n, x.shape[1]))
    np.add.at(expected, choice, share[:, None] * x)
    value = float((utility[chosen] - highest - np.log(total)).sum())
    info = (share[:, None] * x).T @ x - expected.T @ expected
    return value, np.asarray(info), np.asarray(x[chosen] - expected)


@dataclass(frozen=True)
class _Reporter:
    """Estimates of linear functions of the parameters."""

    values: FloatArray
    covariance: FloatArray
    df: float | None
    level: float
    n: int
    n_missing: int
    clustered_by: str

    def linear(self, statistic: str, row: FloatArray) -> Estimate[StrengthDetails]:
        from scipy import stats

        value = float(row @ self.values)
        variance = float(row @ self.covariance @ row)
        law = stats.norm() if self.df is None else stats.t(self.df)
        low = high = p_value = None
        method, error = f"none: one cluster ({self.clustered_by})", None
        if variance > 0:
            error = float(np.sqrt(variance))
            half = error * float(law.ppf((1 + self.level) / 2))
            low, high = value - half, value + half
            p_value = float(2 * law.sf(abs(value) / error))
            method = (
                "information, normal"
                if self.df is None
                else f"sandwich over {self.clustered_by}, t"
            )
        return Estimate(
            statistic,
            value,
            low,
            high,
            self.level,
            method,
            p_value,
            self.n,
            self.n_missing,
            "comparison",
            details=StrengthDetails(error),
        )

    def exponential(self, statistic: str, row: FloatArray) -> Estimate[StrengthDetails]:
        """The same on the scale of the parameter's exponential."""
        log = self.linear(statistic, row)
        ends = [None if e is None else float(np.exp(e)) for e in (log.ci_low, log.ci_high)]
        return Estimate(
            statistic,
            float(np.exp(log.estimate or 0.0)),
            ends[0],
            ends[1],
            self.level,
            f"{log.ci_method}, on the log scale",
            None,
            self.n,
            self.n_missing,
            "comparison",
            details=log.details,
        )


def _no_strengths(
    because: str, systems: tuple[str, ...], n: int, n_ties: int, n_missing: int
) -> Strengths:
    gone = undefined("log_strength", because, n=n, n_missing=n_missing, unit="comparison")
    pairs = tuple(
        (a, b, gone) for i, a in enumerate(systems) for j, b in enumerate(systems) if i < j
    )
    return Strengths(tuple((s, gone) for s in systems), pairs, gone, (), n, n_ties, n_missing)
