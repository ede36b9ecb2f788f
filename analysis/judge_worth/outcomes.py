"""What became of the judge's calls: outcomes by system and criterion, and what failures could hide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.contrasts.cluster_means import ClusterMeanDetails, cluster_mean, clustered_share
from analysis.results import Details, Estimate, undefined
from analysis.validation import FloatArray, columns_present, confidence_level
from study.errors import AnalysisError

if TYPE_CHECKING:
    import pandas as pd

# The words of the ledger (study.store.judge.verdicts.Outcome), in the order of the table.
OUTCOMES = ("scored", "abstained", "refused", "unparseable", "truncated", "endpoint failure")
_COLUMNS = ("system", "criterion", "prompt", "outcome", "value", "low", "high")


@dataclass(frozen=True)
class BoundDetails(Details):
    """Of a mean for which verdicts without a score were taken to have an end of the scale."""

    mean: ClusterMeanDetails
    without_score: int


@dataclass(frozen=True)
class OutcomeSummary:
    """One system and criterion.

    Parameters
    ----------
    rubric, criterion, system : str
    n : int
        Verdicts of all outcomes.
    counts : tuple of (str, int)
        Every outcome, those that never happened too.
    shares : tuple of (str, Estimate)
        Their rates, Wilson with prompts as clusters.
    mean : Estimate
        Of the scored verdicts; cluster-robust over prompts, see `within_scale`.
    worst, best : Estimate[BoundDetails]
        Mean if each verdict without a score had the lowest, or the highest, point of the scale.
    """

    rubric: str
    criterion: str
    system: str
    n: int
    counts: tuple[tuple[str, int], ...]
    shares: tuple[tuple[str, Estimate], ...]
    mean: Estimate
    worst: Estimate[BoundDetails]
    best: Estimate[BoundDetails]


def summarise_outcomes(verdicts: pd.DataFrame, *, level: float = 0.95) -> list[OutcomeSummary]:
    """Rates of each outcome, and bounds of the mean score that need no assumption about failures.

    With m scores of sum s among n verdicts on a scale from a to b, the mean of all n lies between
    (s + (n - m) a) / n and (s + (n - m) b) / n whatever the failures would have said. Nothing is
    imputed: these are ends of what is possible, each with the sampling error of its own.

    Parameters
    ----------
    verdicts : DataFrame
        One row a verdict: ``system``, ``criterion``, ``prompt``, ``outcome``, ``value`` (nan unless
        scored), ``low`` and ``high`` (ends of the scale, nan for comparisons); ``rubric`` where there
        are several.
    level : float

    Returns
    -------
    list of OutcomeSummary
        By rubric, criterion and system, in order of first appearance.

    Raises
    ------
    AnalysisError
        When a column is lacking, an outcome is unknown, or a scored verdict of a scale has no value.

    References
    ----------
    .. [1] Manski, C. F. (2003). Partial identification of probability distributions, chapter 1.
    """
    confidence_level(level)
    columns_present(list(verdicts.columns), _COLUMNS, "verdicts")
    strange = sorted(set(verdicts["outcome"]) - set(OUTCOMES))
    if strange:
        raise AnalysisError(
            f"outcome: {strange[0]!r}; expected one of {', '.join(OUTCOMES)}; correct the verdicts"
        )
    frame = verdicts if "rubric" in verdicts else verdicts.assign(rubric="")
    keys = ["rubric", "criterion", "system"]
    return [
        _summary((str(rubric), str(criterion), str(system)), rows, level)
        for (rubric, criterion, system), rows in frame.groupby(keys, sort=False, observed=True)
    ]


def _summary(key: tuple[str, str, str], rows: pd.DataFrame, level: float) -> OutcomeSummary:
    outcome = rows["outcome"].to_numpy(dtype=str)
    values = rows["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    ends = rows[["low", "high"]].to_numpy(dtype=np.float64, na_value=np.nan)
    prompts = rows["prompt"].to_numpy(dtype=str)
    scored = outcome == "scored"
    scale = not np.isnan(ends).any()
    if scale and np.isnan(values[scored]).any():
        raise AnalysisError(
            f"{key[1]} of {key[2]}: {int(np.isnan(values[scored]).sum())} verdicts are scored and have "
            "no value; expected one for each, so correct the verdicts"
        )
    shares = tuple(
        (o, clustered_share((outcome == o).astype(float), prompts, statistic="rate", level=level))
        for o in OUTCOMES
    )
    counts = tuple((o, int((outcome == o).sum())) for o in OUTCOMES)
    if not scale:
        gone = undefined("judge_mean", "comparisons have no scores", n=len(rows), unit="verdict")
        return OutcomeSummary(*key, len(rows), counts, shares, gone, gone, gone)
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    n_filled = int((~scored).sum())
    worst, best = (
        _bound(name, np.where(scored, values, end), prompts, n_filled, level, (low, high))
        for name, end in (("judge_mean_worst", ends[:, 0]), ("judge_mean_best", ends[:, 1]))
    )
    scores = np.where(scored, values, np.nan)
    mean = cluster_mean(scores, prompts, statistic="judge_mean", level=level, unit="verdict")
    mean = within_scale(mean, low, high)
    return OutcomeSummary(*key, len(rows), counts, shares, mean, worst, best)


def within_scale(
    mean: Estimate[ClusterMeanDetails], low: float, high: float
) -> Estimate[ClusterMeanDetails]:
    """A mean with its t interval remade on the logit of its place on the scale.

    With few clusters the interval of `cluster_mean` can leave the scale. The standard error of
    logit p, p = (mean - low) / (high - low), is that of p over p (1 - p) (delta method); its limits
    turned back lie within the scale.

    Parameters
    ----------
    mean : Estimate
        From `cluster_mean`; without an interval it stays as it is.
    low, high : float
        Ends of the scale.

    Returns
    -------
    Estimate
    """
    from scipy import special, stats

    if mean.estimate is None or mean.ci_low is None:
        return mean
    share = (mean.estimate - low) / (high - low)
    error = (mean.details.standard_error or 0.0) / (high - low) / (share * (1 - share))
    half = error * float(stats.t.ppf((1 + mean.ci_level) / 2, mean.details.df))
    place = special.logit(share)
    ends = low + (high - low) * special.expit(np.array([place - half, place + half]))
    return replace(
        mean,
        ci_low=float(ends[0]),
        ci_high=float(ends[1]),
        ci_method="cluster-robust, t on the logit",
    )


def _bound(
    statistic: str,
    filled: FloatArray,
    prompts: NDArray[Any],
    n_filled: int,
    level: float,
    scale: tuple[float, float],
) -> Estimate[BoundDetails]:
    mean = cluster_mean(filled, prompts, statistic=statistic, level=level, unit="verdict")
    bound = within_scale(mean, *scale)
    return bound.with_details(BoundDetails(bound.details, n_filled), p_value=None)
