"""The benchmark of the cumulative-link mixed model, with and without R."""

from __future__ import annotations

import shutil

import pytest

from analysis.calibration.models_speed import bench_clmm, simulated_ratings


def test_without_r_the_benchmark_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Property: an empty PATH has no Rscript; our time is measured all the same."""
    monkeypatch.setenv("PATH", str(tmp_path))
    result = bench_clmm()
    assert result["r_absent_because"] == "Rscript is not installed"
    assert result["ratio"] is None
    assert result["seconds"] > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R with the package ordinal")
@pytest.mark.parametrize("responses", [False, True])
def test_clmm_gives_rs_estimates_in_the_benchmark(responses: bool) -> None:
    """Oracle: R's clmm in the same run, to 1e-4. How much faster, `evenhand bench` says; no test does."""
    result = bench_clmm(random_responses=responses)
    if result["r_absent_because"]:
        pytest.skip(result["r_absent_because"])
    assert result["largest_difference"] < 1e-4
    assert result["ratio"] == result["seconds_r"] / result["seconds"]


def test_simulated_ratings_are_seeded_and_on_five_points() -> None:
    """Property: the same seed gives the same frame; 14 % of 720 rows are missing, about."""
    one, two = simulated_ratings(seed=1), simulated_ratings(seed=1)
    assert one.equals(two)
    assert set(one["value"]) == {1, 2, 3, 4, 5}
    assert 560 < len(one) < 680
