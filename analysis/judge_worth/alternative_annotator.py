"""May a judge take the place of a rater? The alternative-annotator test, with prompts as clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.contrasts.cluster_means import (
    cluster_codes,
    cluster_variance_of_mean,
    sums_by_cluster,
)
from analysis.contrasts.multiplicity import adjust
from analysis.results import Assumption, Details, Estimate, undefined
from analysis.validation import (
    FloatArray,
    IntArray,
    confidence_level,
    one_of,
    ratings_matrix,
    vector,
)
from study.errors import AnalysisError

ALIGNMENTS = ("accuracy", "neg_rmse")
Answer = Literal["yes", "no", "cannot be answered"]
_ROUNDING = 1e-12


@dataclass(frozen=True)
class AnnotatorRule:
    """What the test grants the judge, what it asks of it, and how much data it asks for.

    Parameters
    ----------
    alignment : {"accuracy", "neg_rmse"}
        Share of the remaining raters with the same value (nominal scales), or minus the root of the
        mean squared distance to them (ordinal and continuous scales).
    epsilon : float
        What the judge is granted for its lower cost: the paper suggests 0.2 for experts, 0.15 for
        skilled raters and 0.1 for crowd workers.
    threshold : float
        Least winning rate.
    q : float
        False discovery rate.
    min_raters, min_items, min_clusters : int
        Below these the question is not answered. The paper asks for three raters and 30 items;
        fewer than about ten clusters give standard errors that are too small.

    Raises
    ------
    AnalysisError
        When the alignment is none of these, or epsilon not between 0 and 1.
    """

    alignment: str = "neg_rmse"
    epsilon: float = 0.15
    threshold: float = 0.5
    q: float = 0.05
    min_raters: int = 3
    min_items: int = 30
    min_clusters: int = 10

    def __post_init__(self) -> None:
        one_of(self.alignment, ALIGNMENTS, "alignment")
        if not 0.0 <= self.epsilon < 1.0:
            raise AnalysisError(
                f"epsilon: {self.epsilon}; expected at least 0 and below 1, for example 0.15"
            )


@dataclass(frozen=True)
class WinningRateDetails(Details):
    """Raters that the judge wins against, and what it was granted."""

    won: int
    epsilon: float


@dataclass(frozen=True)
class AdvantageDetails(Details):
    """Cluster-robust error over prompts, with the numbers of both."""

    standard_error: float
    clusters: int
    raters: int


@dataclass(frozen=True)
class AnnotatorComparison:
    """The judge against one rater in matching the other raters.

    Parameters
    ----------
    rater : str
    n_items, n_clusters : int
    judge_advantage : float
        Share of items on which the judge is at least as near to the others as the rater.
    t : float or None
        None where all items give the same difference.
    p_value, adjusted_p_value : float
        One-sided, that the rater's share less the judge's is not below epsilon; adjusted over
        raters after Benjamini and Yekutieli.
    won : bool
        Whether the judge wins against this rater.
    """

    rater: str
    n_items: int
    n_clusters: int
    judge_advantage: float
    t: float | None
    p_value: float
    adjusted_p_value: float
    won: bool


@dataclass(frozen=True)
class AlternativeAnnotatorTest:
    """The test's outcome.

    Parameters
    ----------
    answer : {"yes", "no", "cannot be answered"}
        Whether the winning rate reaches the threshold.
    because : str
        Why it cannot be answered; empty otherwise.
    winning_rate : Estimate[WinningRateDetails]
        Share of raters against whom the judge wins (omega).
    average_advantage : Estimate[AdvantageDetails]
        Chance that the judge is at least as near to the others as a rater drawn at random (rho);
        the interval is for these raters and other prompts.
    comparisons : tuple of AnnotatorComparison
    skipped : tuple of (str, str)
        Raters who could not be compared, with the reason.
    rule : AnnotatorRule
    """

    answer: Answer
    because: str
    winning_rate: Estimate[WinningRateDetails]
    average_advantage: Estimate[AdvantageDetails]
    comparisons: tuple[AnnotatorComparison, ...]
    skipped: tuple[tuple[str, str], ...]
    rule: AnnotatorRule


DEFAULT_RULE = AnnotatorRule()


def alternative_annotator_test(
    ratings: ArrayLike,
    judge: ArrayLike,
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    raters: Sequence[str] | None = None,
    rule: AnnotatorRule = DEFAULT_RULE,
    level: float = 0.95,
) -> AlternativeAnnotatorTest:
    """The alternative-annotator test of Calderon, Reichart and Dror, items clustered by prompt.

    For each rater h left out, each item i that h rated gives S(f), how well the judge matches the
    remaining raters of the item, and S(h), how well h does. W_f = 1 where S(f) >= S(h), W_h = 1
    where S(h) >= S(f). The judge wins against h when a one-sided t test of the mean of
    d = W_h - W_f rejects that it is epsilon or more, after Benjamini and Yekutieli's correction over
    raters at rate q. The judge passes when the share of raters it wins against reaches the threshold.

    Parameters
    ----------
    ratings : array-like, shape (items, raters)
        Missing as nan. An item needs two raters and a verdict to count.
    judge : array-like, shape (items,)
        Missing (abstained, refused, ...) as nan; such items are counted as missing.
    clusters : sequence, shape (items,), optional
        The prompt of each item. The standard error of mean d then comes from totals of prompts,
        with prompts - 1 degrees of freedom; with every item its own cluster it is the paper's test.
    raters : sequence of str, optional
        Names of the columns.
    rule : AnnotatorRule
    level : float
        Of the interval of the average advantage.

    Returns
    -------
    AlternativeAnnotatorTest

    Raises
    ------
    AnalysisError
        When the lengths differ.

    Notes
    -----
    Where all items give the same d there is no t; the judge wins when that d is below epsilon.

    References
    ----------
    .. [1] Calderon, N., Reichart, R., & Dror, R. (2025). The alternative annotator test for
       LLM-as-a-judge: how to statistically justify replacing human annotators with LLMs. ACL 2025,
       16051-16081.
    .. [2] Benjamini, Y., & Yekutieli, D. (2001). The control of the false discovery rate under
       dependency.
    .. [3] Cameron, A. C., & Miller, D. L. (2015). A practitioner's guide to cluster-robust
       inference.
    """
    confidence_level(level)
    table, verdicts = ratings_matrix(ratings), vector(judge, "judge")
    if verdicts.size != table.shape[0]:
        raise AnalysisError(
            f"judge: {verdicts.size} verdicts for {table.shape[0]} items; give one for each item"
        )
    names = _names(raters, table.shape[1])
    codes, _ = cluster_codes(clusters, table.shape[0])
    usable = ((~np.isnan(table)).sum(axis=1) >= 2) & ~np.isnan(verdicts)
    n_missing = int((~usable).sum())
    table, verdicts, codes = table[usable], verdicts[usable], codes[usable]
    judge_wins, rater_wins = _advantages(table, verdicts, rule.alignment)
    compared, skipped = [], []
    for column, name in enumerate(names):
        rated = ~np.isnan(judge_wins[:, column])
        n, groups = int(rated.sum()), np.unique(codes[rated]).size
        if n < rule.min_items or groups < rule.min_clusters:
            what = f"{n} items" if n < rule.min_items else f"items of {groups} prompts"
            least = rule.min_items if n < rule.min_items else rule.min_clusters
            skipped.append((name, f"{what}, and at least {least} are needed"))
        else:
            compared.append(column)
    if len(compared) < rule.min_raters:
        because = _too_few(len(compared), rule.min_raters, skipped, len(names))
        return _unanswered(because, tuple(skipped), rule, n_missing)
    wins = _Wins(judge_wins, rater_wins, codes)
    comparisons = _comparisons(wins, compared, names, rule)
    won = sum(c.won for c in comparisons)
    rate = _winning_rate(won, len(comparisons), n_missing, rule.epsilon)
    return AlternativeAnnotatorTest(
        "yes" if won / len(comparisons) >= rule.threshold else "no",
        "",
        rate,
        _average_advantage(judge_wins[:, compared], codes, n_missing, level),
        comparisons,
        tuple(skipped),
        rule,
    )


@dataclass(frozen=True)
class _Wins:
    """W_f and W_h, shape (items, raters), and the prompt of each item."""

    judge: FloatArray
    rater: FloatArray
    codes: IntArray


def _names(raters: Sequence[str] | None, n: int) -> list[str]:
    names = [f"rater {i + 1}" for i in range(n)] if raters is None else [str(r) for r in raters]
    if len(names) != n:
        raise AnalysisError(f"raters: {len(names)} names for {n} columns; give one for each column")
    return names


def _advantages(
    table: FloatArray, judge: FloatArray, alignment: str
) -> tuple[FloatArray, FloatArray]:
    """W_f and W_h, shape (items, raters); nan where the rater did not rate the item."""
    present = ~np.isnan(table)
    values = np.where(present, table, 0.0)
    others = np.maximum(present.sum(axis=1, keepdims=True) - present, 1)
    if alignment == "accuracy":
        same = (table[:, :, None] == table[:, None, :]).sum(axis=2) - present
        of_rater = same / others
        agrees = (table == judge[:, None]).astype(np.float64)
        of_judge = (agrees.sum(axis=1, keepdims=True) - agrees) / others
    else:
        totals, squares = values.sum(axis=1, keepdims=True), (values**2).sum(axis=1, keepdims=True)
        rest, rest_squares = totals - values, squares - values**2
        # Squared distance to the remaining raters: its order is that of its root.
        of_rater = -(values**2 - 2 * values * rest / others + rest_squares / others)
        x = judge[:, None]
        of_judge = -(x**2 - 2 * x * rest / others + rest_squares / others)
    near = _ROUNDING * (1.0 + np.abs(of_rater) + np.abs(of_judge))
    judge_wins = (of_judge >= of_rater - near).astype(np.float64)
    rater_wins = (of_rater >= of_judge - near).astype(np.float64)
    judge_wins[~present] = np.nan
    rater_wins[~present] = np.nan
    return judge_wins, rater_wins


def _comparisons(
    wins: _Wins, compared: Sequence[int], names: Sequence[str], rule: AnnotatorRule
) -> tuple[AnnotatorComparison, ...]:
    rows = []
    for column in compared:
        rated = ~np.isnan(wins.judge[:, column])
        difference = wins.rater[rated, column] - wins.judge[rated, column]
        groups, group = np.unique(wins.codes[rated], return_inverse=True)
        t, p = _one_sided(difference, group.reshape(-1), groups.size, rule.epsilon)
        rows.append((column, rated, int(groups.size), t, p))
    adjusted = adjust([row[4] for row in rows], method="benjamini_yekutieli")
    return tuple(
        AnnotatorComparison(
            names[column],
            int(rated.sum()),
            groups,
            float(wins.judge[rated, column].mean()),
            t,
            p,
            float(a if a is not None else 1.0),
            a is not None and a <= rule.q,
        )
        for (column, rated, groups, t, p), a in zip(rows, adjusted, strict=True)
    )


def _one_sided(
    difference: FloatArray, codes: IntArray, n_clusters: int, epsilon: float
) -> tuple[float | None, float]:
    """t and p that the mean difference is epsilon or more, against its being below."""
    from scipy import stats

    mean = float(difference.mean())
    error = float(np.sqrt(cluster_variance_of_mean(difference, codes, n_clusters)))
    if error == 0.0:
        return None, 0.0 if mean < epsilon - _ROUNDING else 1.0
    t = (mean - epsilon) / error
    return t, float(stats.t.cdf(t, n_clusters - 1))


def _average_advantage(
    judge_wins: FloatArray, codes: IntArray, n_missing: int, level: float
) -> Estimate[AdvantageDetails]:
    """Mean over raters of the judge's share, with a cluster-robust interval of its linear form."""
    from scipy import stats

    rated = ~np.isnan(judge_wins)
    shares = np.nanmean(judge_wins, axis=0)
    parts = np.where(rated, judge_wins - shares, 0.0) / rated.sum(axis=0) / shares.size
    used = rated.any(axis=1)
    groups, group = np.unique(codes[used], return_inverse=True)
    totals = sums_by_cluster(parts[used].sum(axis=1), group.reshape(-1), groups.size)
    error = float(np.sqrt(groups.size / (groups.size - 1.0) * (totals**2).sum()))
    rho, half = float(shares.mean()), error * float(stats.t.ppf((1 + level) / 2, groups.size - 1))
    known = error > _ROUNDING
    return Estimate(
        "average_advantage_probability",
        rho,
        max(0.0, rho - half) if known else None,
        min(1.0, rho + half) if known else None,
        level,
        "cluster-robust, t; raters held fixed" if known else "none: the prompts do not differ",
        n=int(used.sum()),
        n_missing=n_missing,
        unit="item",
        details=AdvantageDetails(error, int(groups.size), int(shares.size)),
    )


def _winning_rate(
    won: int, raters: int, n_missing: int, epsilon: float
) -> Estimate[WinningRateDetails]:
    return Estimate(
        "winning_rate",
        won / raters,
        ci_method="none: a count of tests on the same items",
        n=raters,
        n_missing=n_missing,
        unit="rater",
        assumptions=(Assumption("prompts are a random sample and independent", None, "by design"),),
        details=WinningRateDetails(won, epsilon),
    )


def _too_few(found: int, needed: int, skipped: Sequence[tuple[str, str]], n_raters: int) -> str:
    because = (
        f"the test needs at least {needed} raters who can be compared with the others, and "
        f"{found} of {n_raters} can"
    )
    reasons = list(dict.fromkeys(reason for _, reason in skipped))
    return f"{because} (the rest: {'; '.join(reasons[:3])})" if reasons else because


def _unanswered(
    because: str,
    skipped: tuple[tuple[str, str], ...],
    rule: AnnotatorRule,
    n_missing: int,
) -> AlternativeAnnotatorTest:
    return AlternativeAnnotatorTest(
        "cannot be answered",
        because,
        undefined("winning_rate", because, n_missing=n_missing, unit="rater"),
        undefined("average_advantage_probability", because, n_missing=n_missing, unit="item"),
        (),
        skipped,
        rule,
    )
