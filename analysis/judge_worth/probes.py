"""What moved the judge's score: probes whose right answer is known, beside the unchanged verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analysis.contrasts.cluster_means import ClusterMeanDetails, cluster_mean, clustered_share
from analysis.results import Estimate, undefined
from analysis.validation import columns_present, confidence_level

if TYPE_CHECKING:
    import pandas as pd

Expected = Literal["no change", "a lower score"]
# Names as the judge's probes give them; what a judge that reads the text should do.
PROBES: dict[str, Expected] = {
    "identical": "no change",
    "longer": "no change",
    "degraded": "a lower score",
    "swapped": "no change",
    "paraphrased": "no change",
}
Finding = Literal["as it should be", "not as it should be", "cannot be told"]
_COLUMNS = ("probe", "criterion", "prompt", "before", "after", "changed")
_SAME = 1e-9


@dataclass(frozen=True)
class ProbeEffect:
    """One probe and criterion.

    Parameters
    ----------
    probe, rubric, criterion : str
    expected : str
    mean_change : Estimate
        After less before, in points, cluster-robust over prompts; undefined for comparisons.
    share_changed : Estimate
        Share of pairs whose score or winner differs, Wilson with prompts as clusters.
    n_pairs, n_lost : int
        Pairs of verdicts, and those of which one side has no result.
    finding : {"as it should be", "not as it should be", "cannot be told"}
        From the interval of the mean change. No change: whether it holds zero (for comparisons, or
        where every change is zero: whether fewer than half of the pairs changed). A lower score:
        whether it lies below zero.
    """

    probe: str
    rubric: str
    criterion: str
    expected: str
    mean_change: Estimate[ClusterMeanDetails]
    share_changed: Estimate
    n_pairs: int
    n_lost: int
    finding: Finding


def probe_effects(pairs: pd.DataFrame, *, level: float = 0.95) -> list[ProbeEffect]:
    """What each probe did to each criterion.

    Parameters
    ----------
    pairs : DataFrame
        One row a pair of verdicts: ``probe``, ``criterion``, ``prompt``, ``before`` and ``after`` (the
        scores; nan in comparisons and for verdicts without a result) and ``changed`` (True, False, or
        missing where one side has no result); ``rubric`` where there are several.
    level : float

    Returns
    -------
    list of ProbeEffect
        By probe, rubric and criterion, in order of first appearance.

    Notes
    -----
    A judge that samples moves without any reason: the probe ``identical`` shows by how much, and the
    others are read beside it. That an interval holds zero does not show that there is no effect; its
    ends say how large one could be.
    """
    confidence_level(level)
    columns_present(list(pairs.columns), _COLUMNS, "pairs")
    frame = pairs if "rubric" in pairs else pairs.assign(rubric="")
    return [
        _effect(tuple(str(k) for k in key), rows, level)
        for key, rows in frame.groupby(["probe", "rubric", "criterion"], sort=False, observed=True)
    ]


def _effect(key: tuple[str, ...], rows: pd.DataFrame, level: float) -> ProbeEffect:
    probe, rubric, criterion = key
    before = rows["before"].to_numpy(dtype=np.float64, na_value=np.nan)
    after = rows["after"].to_numpy(dtype=np.float64, na_value=np.nan)
    known = rows["changed"].notna()
    moved = np.array(
        [float(c) if k else np.nan for c, k in zip(rows["changed"], known, strict=True)]
    )
    prompts = rows["prompt"].to_numpy(dtype=str)
    name = "mean_change"
    difference = after - before
    if np.isnan(difference).all():
        because = (
            "comparisons have no scores"
            if not np.isnan(moved).all()
            else "no pair has a result on both sides"
        )
        mean: Estimate[ClusterMeanDetails] = undefined(
            name, because, n_missing=len(rows), unit="pair of verdicts"
        )
    else:
        mean = cluster_mean(
            difference, prompts, statistic=name, level=level, unit="pair of verdicts"
        )
    share = clustered_share(
        moved, prompts, statistic="share_changed", level=level, unit="pair of verdicts"
    )
    expected = PROBES.get(probe, "no change")
    return ProbeEffect(
        probe,
        rubric,
        criterion,
        expected,
        mean,
        share,
        len(rows),
        int(np.isnan(moved).sum()),
        _finding(expected, mean, share),
    )


def _finding(expected: str, mean: Estimate[ClusterMeanDetails], share: Estimate) -> Finding:
    if expected == "a lower score":
        if mean.ci_high is not None:
            return "as it should be" if mean.ci_high < 0 else "not as it should be"
        if mean.estimate is not None and mean.details.clusters >= 2:
            # All prompts moved by the same amount.
            return "as it should be" if mean.estimate < -_SAME else "not as it should be"
        return "cannot be told"
    if mean.ci_low is not None and mean.ci_high is not None:
        return "as it should be" if mean.ci_low <= 0 <= mean.ci_high else "not as it should be"
    if mean.estimate is not None and abs(mean.estimate) > _SAME:
        several = mean.details.clusters >= 2
        return "not as it should be" if several else "cannot be told"
    if share.estimate is None:
        return "cannot be told"
    return "as it should be" if share.estimate < 0.5 else "not as it should be"
