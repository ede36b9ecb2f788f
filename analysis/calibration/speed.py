"""Benchmarks of the statistics: each beside a named peer, in one run on one machine.

Machines differ and are noisy, so what counts is the ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Benchmark:
    """One comparison.

    Parameters
    ----------
    name, peer : str
    seconds, peer_seconds : float or None
        Best of the runs; None for the peer when it is not installed.
    goal : str
        The ratio that is aimed at.
    largest_difference : float or None
        Between the two results, so that nobody compares the speed of different things.
    note : str
    """

    name: str
    peer: str
    seconds: float
    peer_seconds: float | None
    goal: str
    largest_difference: float | None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the peer."""
        return None if self.peer_seconds is None else self.peer_seconds / self.seconds


def best_time(function: Callable[[], object], runs: int) -> float:
    """Seconds of the fastest of several runs, after one that is not counted."""
    function()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def bench_alpha_bootstrap(runs: int = 3) -> list[Benchmark]:
    """Ordinal alpha with 1,000 bootstrap replicates over 500 items of 50 raters.

    The peer is used in two ways: as its documentation shows, with the ratings of each replicate, and
    with value counts that we hand it ready-made, which saves it most of its work.
    """
    import krippendorff

    from analysis.agreement.bootstrap import bootstrap_alpha

    points = [1.0, 2.0, 3.0, 4.0, 5.0]
    ratings = _simulated_ratings(items=500, raters=50)
    counts = np.stack([(ratings == p).sum(axis=1) for p in points], axis=1)
    drawn = np.random.default_rng(2).integers(0, 500, size=(1000, 500))
    options: dict[str, Any] = {"value_domain": points, "level_of_measurement": "ordinal"}

    def from_ratings() -> list[float]:
        return [krippendorff.alpha(reliability_data=ratings[rows].T, **options) for rows in drawn]

    def from_counts() -> list[float]:
        return [krippendorff.alpha(value_counts=counts[rows], **options) for rows in drawn]

    estimate = bootstrap_alpha(ratings, points).estimate or 0.0
    difference = abs(estimate - float(krippendorff.alpha(value_counts=counts, **options)))
    seconds = best_time(lambda: bootstrap_alpha(ratings, points), runs)
    name = "ordinal alpha, 1,000 bootstrap replicates, 50 x 500"
    return [
        Benchmark(
            name,
            "krippendorff, from ratings",
            seconds,
            best_time(from_ratings, 1),
            "at least 40 x",
            difference,
        ),
        Benchmark(
            name,
            "krippendorff, counts ready-made",
            seconds,
            best_time(from_counts, 1),
            "",
            difference,
        ),
    ]


def _simulated_ratings(items: int, raters: int) -> Any:
    generator = np.random.default_rng(1)
    latent = generator.normal(size=(items, 1)) + generator.normal(size=(items, raters))
    return np.digitize(latent, [-1.5, -0.5, 0.5, 1.5]) + 1.0


def bench_pairwise_kappas(runs: int = 3) -> Benchmark:
    """Quadratic kappa of all pairs of 100 raters over 10,000 items."""
    from sklearn.metrics import cohen_kappa_score

    from analysis.agreement.two_raters import pairwise_kappas

    points = [1.0, 2.0, 3.0, 4.0, 5.0]
    table = _simulated_ratings(items=10_000, raters=100)
    ratings = table.astype(np.int64)
    pairs = [(i, j) for i in range(100) for j in range(i + 1, 100)]

    started = time.perf_counter()
    theirs = np.array(
        [
            cohen_kappa_score(
                ratings[:, i], ratings[:, j], weights="quadratic", labels=[1, 2, 3, 4, 5]
            )
            for i, j in pairs
        ]
    )
    peer_seconds = time.perf_counter() - started
    ours = pairwise_kappas(table, points).kappa
    return Benchmark(
        "all 4,950 quadratic kappas, 100 raters x 10,000 items",
        "scikit-learn",
        best_time(lambda: pairwise_kappas(table, points), runs),
        peer_seconds,
        "at least 200 x",
        float(np.max(np.abs(np.array([ours[i, j] for i, j in pairs]) - theirs))),
    )


def run_benchmarks() -> list[dict[str, Any]]:
    """All benchmarks of the statistics, as rows of a table."""
    from analysis.calibration.models_speed import bench_clmm

    rows = [
        {
            "benchmark": b.name,
            "peer": b.peer,
            "seconds": b.seconds,
            "peer_seconds": b.peer_seconds,
            "ratio": b.ratio,
            "goal": b.goal,
            "largest_difference": b.largest_difference,
        }
        for b in (*bench_alpha_bootstrap(), bench_pairwise_kappas())
    ]
    plain, responses = bench_clmm(), bench_clmm(random_responses=True)
    return [*rows, _clmm_row(plain, ""), _clmm_row(responses, " with random responses")]


def _clmm_row(measured: dict[str, Any], kind: str) -> dict[str, Any]:
    absent = measured.get("r_absent_because")
    return {
        "benchmark": f"cumulative-link mixed model{kind}, {measured['n']} ratings",
        "peer": f"ordinal::clmm in R{f' (not measured: {absent})' if absent else ''}",
        "seconds": measured["seconds"],
        "peer_seconds": measured.get("seconds_r"),
        "ratio": measured.get("ratio"),
        "goal": "at least 20 x",
        "largest_difference": measured.get("largest_difference"),
    }
