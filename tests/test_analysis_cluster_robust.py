"""Means and shares with clusters. Oracles: hand arithmetic, statsmodels, the independent case."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.contrasts.cluster_means import cluster_mean, clustered_share
from analysis.description.proportions import wilson_share
from study.errors import AnalysisError


def test_the_standard_error_is_that_of_statsmodels_with_clusters() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(12), 5)
    values = rng.normal(size=60) + rng.normal(size=12)[clusters]
    ours = cluster_mean(values, clusters)
    fit = sm.OLS(values, np.ones(60)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    # statsmodels without correction leaves out our factor G / (G - 1) = 12 / 11.
    expected = float(fit.bse[0]) * np.sqrt(12 / 11)
    assert ours.details.standard_error == pytest.approx(expected, rel=1e-12)
    assert ours.estimate == pytest.approx(values.mean())


def test_without_clusters_it_is_the_t_interval() -> None:
    result = cluster_mean([1.0, 2.0, 4.0, None])
    # Mean 7/3, s = 1.527525, se = 0.881917, t(2) = 4.302653.
    assert result.details.standard_error == pytest.approx(0.8819171, abs=1e-7)
    assert result.ci_low == pytest.approx(7 / 3 - 4.3026527 * 0.8819171, abs=1e-6)
    assert (result.n, result.n_missing) == (3, 1)


def test_a_share_without_clusters_has_wilson_s_interval() -> None:
    ours, plain = clustered_share([1] * 9 + [0]), wilson_share(9, 10)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((plain.ci_low, plain.ci_high))


def test_copies_within_clusters_add_nothing() -> None:
    once = clustered_share([1, 0, 1, 1, 0, 1, 0, 1])
    copied = clustered_share(np.repeat([1, 0, 1, 1, 0, 1, 0, 1], 10), np.repeat(np.arange(8), 10))
    assert copied.details.n_effective < once.details.n_effective
    assert copied.ci_high is not None and once.ci_high is not None
    assert copied.ci_high >= once.ci_high


def test_all_hits_still_leave_room_below() -> None:
    result = clustered_share([1] * 20, ["a"] * 10 + ["b"] * 10)
    assert result.ci_high == 1.0
    assert result.ci_low is not None and result.ci_low < 0.35


@pytest.mark.parametrize(("values", "because"), [([], "no value"), ([None, None], "no value")])
def test_nothing_is_undefined(values: list[float], because: str) -> None:
    assert because in cluster_mean(values).undefined_because
    assert because in clustered_share(values).undefined_because


def test_one_cluster_gives_no_interval_of_a_mean() -> None:
    result = cluster_mean([1.0, 2.0], ["a", "a"])
    assert result.estimate == 1.5 and result.ci_low is None
    assert "single cluster" in result.ci_method


def test_names_of_the_wrong_number_are_refused() -> None:
    with pytest.raises(AnalysisError, match="2 names for 3"):
        cluster_mean([1.0, 2.0, 3.0], ["a", "b"])
