"""Scores of the judge corrected by people: prediction-powered inference of means and differences.

People rate some responses, the judge rates more. The judge's mean over the many is precise and
biased; the few with both tell how biased. Prediction-powered inference adds the one to the other.

Written here rather than taken from ``ppi-python``: that package knows no clusters, and brings numba
and a downloader of data sets along. Its results are the tests' oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.contrasts.cluster_means import cluster_codes, sums_by_cluster
from analysis.results import Assumption, Details, Estimate, undefined
from analysis.validation import BoolArray, FloatArray, IntArray, confidence_level, vector
from study.errors import AnalysisError

_TINY = 1e-15
_ASSUMPTIONS = (
    Assumption(
        "the responses that people rated are a random part of those that the judge rated",
        None,
        "by design",
    ),
    Assumption(
        "the raters are those of interest: their mean for a response is taken as its score",
        None,
        "by design",
    ),
)
NOTHING_TO_ADD = (
    "every response with a verdict was rated by people too, so the judge has nothing to add to them"
)


@dataclass(frozen=True, kw_only=True)
class PredictionPoweredDetails(Details):
    """What a prediction-powered mean is made of; of people or judge alone only its error.

    Parameters
    ----------
    n_both, n_judge_only : int or None
        Responses rated by both, and by the judge alone.
    people_part : float or None
        Variance of the part that people's scores give.
    lambda_1, lambda_2 : float or None
        Trust in the judge, 0 to 1, of each system.
    judge_part : float or None
        Variance of the part that the judge's scores give.
    standard_error, df : float
    clusters : int
    width_to_people : float or None
        Width of the interval over that of people alone.
    """

    n_both: int | None = None
    n_judge_only: int | None = None
    people_part: float | None = None
    lambda_1: float | None = None
    lambda_2: float | None = None
    judge_part: float | None = None
    standard_error: float | None = None
    df: float | None = None
    clusters: int | None = None
    width_to_people: float | None = None


Powered = Estimate[PredictionPoweredDetails]


@dataclass(frozen=True)
class PredictionPowered:
    """One quantity by people and judge together, and by each alone.

    Parameters
    ----------
    corrected : Powered
        Prediction-powered with power tuning (PPI++).
    untuned : Powered
        Prediction-powered with full trust in the judge's differences between responses (PPI).
    judge_only : Powered
        The raw verdicts, biased as they are.
    people_only : Powered
    """

    corrected: Powered
    untuned: Powered
    judge_only: Powered
    people_only: Powered


@dataclass(frozen=True)
class _Part:
    """One mean's contribution by cluster, scaled so that the sum of squares is its variance."""

    by_cluster: FloatArray
    present: BoolArray

    @property
    def n_clusters(self) -> int:
        return int(self.present.sum())

    @property
    def variance(self) -> float:
        return float((self.by_cluster**2).sum())


@dataclass(frozen=True)
class _System:
    """Responses of one system; clusters are numbered over all systems."""

    people: FloatArray
    judge: FloatArray
    codes: IntArray
    n_clusters: int

    @property
    def both(self) -> BoolArray:
        return np.asarray(~np.isnan(self.people) & ~np.isnan(self.judge))

    @property
    def judge_only(self) -> BoolArray:
        return np.asarray(np.isnan(self.people) & ~np.isnan(self.judge))

    @property
    def clustered(self) -> bool:
        return bool(np.unique(self.codes).size < self.codes.size)

    def part(self, values: FloatArray, chosen: BoolArray) -> _Part:
        """Contribution of the mean of ``values[chosen]``."""
        x, codes = values[chosen], self.codes[chosen]
        present = np.zeros(self.n_clusters, dtype=bool)
        present[codes] = True
        groups = int(present.sum())
        scale = np.sqrt(groups / (groups - 1.0)) if groups > 1 else np.nan
        totals = sums_by_cluster(x - x.mean(), codes, self.n_clusters)
        return _Part(scale * totals / x.size, present)

    def obstacle(self) -> str:
        """Why nothing can be corrected; empty when it can."""
        if self.both.any() and not self.judge_only.any():
            return NOTHING_TO_ADD
        for chosen, who in ((self.both, "people and judge"), (self.judge_only, "the judge alone")):
            n = np.unique(self.codes[chosen]).size
            if n < 2:
                what = ("prompt" if self.clustered else "response") + ("" if n == 1 else "s")
                return f"{n} {what} with scores by {who}; at least two are needed"
        return ""


def prediction_powered_mean(
    people: ArrayLike,
    judge: ArrayLike,
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    level: float = 0.95,
) -> PredictionPowered:
    r"""Mean score of a system's responses, with a judge that rated more of them than people did.

    With n responses rated by both (people's score Y, verdict f) and N by the judge alone,

    .. math:: \hat\theta_\lambda = \lambda \bar f_N + \overline{(Y - \lambda f)}_n,

    with variance :math:`\lambda^2 s^2(f)/N + s^2(Y - \lambda f)/n`. Lambda = 1 is PPI; PPI++ takes the
    lambda with the least variance, between 0 (people alone) and 1, so that a worthless judge costs
    next to nothing.

    Parameters
    ----------
    people : array-like, shape (responses,)
        Mean rating of each response over raters; nan where people did not rate it.
    judge : array-like, shape (responses,)
        Verdict of each response; nan where there is none.
    clusters : sequence, shape (responses,), optional
        Prompt of each response. Variances, and lambda, then come from totals of prompts; a prompt
        that is on both sides counts with its covariance.
    level : float

    Returns
    -------
    PredictionPowered

    Raises
    ------
    AnalysisError
        When the lengths differ.

    Notes
    -----
    Student's t with Satterthwaite's degrees of freedom; where a prompt is on both sides, with one
    less than the prompts that people rated. Lambda comes from the same
    data, so with few responses by people the tuned interval is a little too narrow: in 1,000
    simulated studies each its 95 % interval covered the truth in 94 % with 20 or 30 responses, and in
    93 % with 10 or 20 prompts of four.

    References
    ----------
    .. [1] Angelopoulos, A. N., Bates, S., Fannjiang, C., Jordan, M. I., & Zrnic, T. (2023).
       Prediction-powered inference. Science, 382, 669-674.
    .. [2] Angelopoulos, A. N., Duchi, J. C., & Zrnic, T. (2023). PPI++: efficient prediction-powered
       inference. arXiv:2311.01453.
    """
    confidence_level(level)
    y, f, codes, n_clusters = _columns(people, judge, clusters)
    return _inference([(1.0, _System(y, f, codes, n_clusters))], "mean", level)


def prediction_powered_difference(
    people: ArrayLike,
    judge: ArrayLike,
    first: ArrayLike,
    *,
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    level: float = 0.95,
) -> PredictionPowered:
    """Mean score of one system less that of another, each as in `prediction_powered_mean`.

    Parameters
    ----------
    people, judge : array-like, shape (responses,)
    first : array-like of bool, shape (responses,)
        True for the first system's responses.
    clusters : sequence, optional
        Prompt of each response. Systems that answer the same prompts are compared within them.
    level : float

    Returns
    -------
    PredictionPowered
        Each system has its own lambda (``lambda_1``, ``lambda_2``).
    """
    confidence_level(level)
    y, f, codes, n_clusters = _columns(people, judge, clusters)
    chosen = np.asarray(first, dtype=bool)
    if chosen.shape != y.shape:
        raise AnalysisError(
            f"first: {chosen.size} values for {y.size} responses; give one for each response"
        )
    systems = [
        (sign, _System(y[rows], f[rows], codes[rows], n_clusters))
        for sign, rows in ((1.0, chosen), (-1.0, ~chosen))
    ]
    return _inference(systems, "mean_difference", level)


def _columns(
    people: ArrayLike, judge: ArrayLike, clusters: Sequence[Any] | NDArray[Any] | None
) -> tuple[FloatArray, FloatArray, IntArray, int]:
    y, f = vector(people, "people"), vector(judge, "judge")
    if y.size != f.size:
        raise AnalysisError(
            f"people has {y.size} scores and judge {f.size}; give both for every response, empty "
            "where there is none"
        )
    codes, n_clusters = cluster_codes(clusters, y.size)
    return y, f, codes, n_clusters


def _inference(
    systems: Sequence[tuple[float, _System]], statistic: str, level: float
) -> PredictionPowered:
    people = _plain(systems, "people", f"{statistic}_people", level)
    judge = _plain(systems, "judge", f"{statistic}_judge", level)
    because = next((o for _, s in systems if (o := s.obstacle())), "")
    if because:
        gone = undefined(f"{statistic}_corrected", because, n_missing=0, unit="response")
        return PredictionPowered(gone, gone, judge, people)
    tuned = _powered(systems, [_tuning(s) for _, s in systems], f"{statistic}_corrected", level)
    full = _powered(systems, [1.0] * len(systems), f"{statistic}_ppi", level)
    return PredictionPowered(_beside(tuned, people), _beside(full, people), judge, people)


def _plain(
    systems: Sequence[tuple[float, _System]], column: str, statistic: str, level: float
) -> Powered:
    """The mean (difference) of one column alone."""
    parts, value, n, n_missing = [], 0.0, 0, 0
    for sign, system in systems:
        values = system.people if column == "people" else system.judge
        chosen = ~np.isnan(values)
        n, n_missing = n + int(chosen.sum()), n_missing + int((~chosen).sum())
        if not chosen.any():
            because = f"no response was rated by {'people' if column == 'people' else 'the judge'}"
            return undefined(statistic, because, n_missing=n_missing, unit="response")
        value += sign * float(values[chosen].mean())
        if np.unique(system.codes[chosen]).size < 2:
            return Estimate(
                statistic,
                value,
                ci_method="none: too few responses or prompts for an error",
                n=n,
                n_missing=n_missing,
                unit="response",
                details=PredictionPoweredDetails(),
            )
        part = system.part(values, chosen)
        parts.append(_Part(sign * part.by_cluster, part.present))
    return _estimate(statistic, value, parts, level, n, n_missing, PredictionPoweredDetails())


def _tuning(system: _System) -> float:
    """Lambda with the least variance, within 0 and 1."""
    both, alone = system.both, system.judge_only
    y, f, rest = system.people[both], system.judge[both], system.judge[alone]
    if not system.clustered:
        spread = float(np.concatenate([f, rest]).var(ddof=1))
        shared = float(((y - y.mean()) * (f - f.mean())).mean())
        return _clipped(shared, (1.0 + y.size / rest.size) * spread)
    a = system.part(system.people, both).by_cluster
    change = system.part(system.judge, both).by_cluster
    change = change - system.part(system.judge, alone).by_cluster
    return _clipped(float((a * change).sum()), float((change**2).sum()))


def _clipped(numerator: float, denominator: float) -> float:
    return 0.0 if denominator < _TINY else float(np.clip(numerator / denominator, 0.0, 1.0))


def _powered(
    systems: Sequence[tuple[float, _System]],
    tunings: Sequence[float],
    statistic: str,
    level: float,
) -> Powered:
    parts, value, n_both, n_judge_only, n_missing, people_part = [], 0.0, 0, 0, 0, 0.0
    for (sign, system), tuning in zip(systems, tunings, strict=True):
        both, alone = system.both, system.judge_only
        rectified = system.people - tuning * system.judge
        value += sign * (tuning * system.judge[alone].mean() + rectified[both].mean())
        of_people = system.part(rectified, both)
        of_judge = system.part(tuning * system.judge, alone)
        parts += [_Part(sign * p.by_cluster, p.present) for p in (of_people, of_judge)]
        n_both, n_judge_only = n_both + int(both.sum()), n_judge_only + int(alone.sum())
        people_part += of_people.variance
        n_missing += int((~(both | alone)).sum())
    details = PredictionPoweredDetails(
        n_both=n_both,
        n_judge_only=n_judge_only,
        people_part=people_part,
        lambda_1=tunings[0],
        lambda_2=tunings[1] if len(tunings) > 1 else None,
        judge_part=sum(p.variance for p in parts) - people_part,
    )
    n = n_both + n_judge_only
    found = _estimate(statistic, float(value), parts, level, n, n_missing, details)
    return replace(found, assumptions=_ASSUMPTIONS)


def _estimate(
    statistic: str,
    value: float,
    parts: Sequence[_Part],
    level: float,
    n: int,
    n_missing: int,
    details: PredictionPoweredDetails,
) -> Powered:
    from scipy import special

    error = float(np.sqrt((np.sum([p.by_cluster for p in parts], axis=0) ** 2).sum()))
    df = _degrees_of_freedom(parts)
    known = error > _TINY
    half = error * float(special.stdtrit(df, (1 + level) / 2)) if known else 0.0
    clusters = int(np.any([p.present for p in parts], axis=0).sum())
    return Estimate(
        statistic,
        value,
        value - half if known else None,
        value + half if known else None,
        level,
        f"t, standard error over {'prompts' if clusters < n else 'responses'}"
        if known
        else "none: the scores do not differ",
        float(2 * special.stdtr(df, -abs(value) / error))
        if known and statistic.startswith("mean_difference")
        else None,
        n,
        n_missing,
        "response",
        details=replace(details, standard_error=error, df=df, clusters=clusters),
    )


def _degrees_of_freedom(parts: Sequence[_Part]) -> float:
    """Satterthwaite's for independent parts; the smallest sample of clusters where they share some."""
    moving = [p for p in parts if p.variance > 0]
    if not moving:
        return float(min(p.n_clusters for p in parts) - 1)
    if np.sum([p.present for p in moving], axis=0).max() > 1:
        return float(min(p.n_clusters for p in moving) - 1)
    whole = sum(p.variance for p in moving)
    return float(whole**2 / sum(p.variance**2 / (p.n_clusters - 1) for p in moving))


def _beside(result: Powered, people: Powered) -> Powered:
    """The same with the width of its interval against that of people alone."""
    ends = (result.ci_low, result.ci_high, people.ci_low, people.ci_high)
    if None in ends or people.ci_high == people.ci_low:
        return result
    low, high, people_low, people_high = (float(e or 0.0) for e in ends)
    ratio = (high - low) / (people_high - people_low)
    return replace(result, details=replace(result.details, width_to_people=ratio))
