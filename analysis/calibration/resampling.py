"""Calibration of the bootstrap with few clusters: what expanded and plain percentiles cover."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.calibration.draws import (
    POINTS,
    Generator,
    Outcome,
    agreement_statistics,
    covers,
    rated,
)
from analysis.resampling import Bootstrap
from analysis.results import Estimate

CLUSTERS = (5, 8, 10, 20, 30)
_DRAWS = 999


def _labels(generator: Generator, n: int) -> tuple[Any, Any]:
    """Three classes and an annotator who keeps seven of ten and guesses the others."""
    truth = generator.choice(3, p=[0.5, 0.3, 0.2], size=n)
    kept = generator.random(n) < 0.7
    return truth, np.where(kept, truth, generator.integers(0, 3, n))


class FewClusters:
    """Draws few pairs, prompts and units; the true values without a formula come from large tables."""

    def __init__(self) -> None:
        large = np.random.default_rng(98)
        alpha = agreement_statistics(rated(large, 400_000, 4))["Krippendorff alpha, ordinal"]
        self.alpha = alpha.estimate or 0.0
        truth, given = _labels(large, 400_000)
        f1 = [
            2 * np.sum((truth == k) & (given == k)) / (np.sum(truth == k) + np.sum(given == k))
            for k in range(3)
        ]
        self.macro_f1 = float(np.mean(f1))

    def __call__(self, generator: Generator) -> Outcome:
        """Whether each interval holds the true value, by clusters."""
        outcome: Outcome = {}
        for n in CLUSTERS:
            for name, (estimate, truth) in self._found(generator, n).items():
                method = f"Expanded bootstrap interval, {n} clusters: {name}"
                outcome[f"{method}|coverage"] = covers(estimate, truth)
        return outcome

    def _found(self, generator: Generator, n: int) -> dict[str, tuple[Estimate, float]]:
        from analysis.agreement.bootstrap import bootstrap_alpha
        from analysis.agreement.labels import annotation_scores
        from analysis.contrasts.paired import bootstrap_difference

        bootstrap = Bootstrap(_DRAWS, seed=int(generator.integers(2**31)))
        zero, normal = np.zeros(n), generator.normal(size=n)
        skewed = generator.exponential(size=n)
        first, second = ([str(k) for k in labels] for labels in _labels(generator, n))
        found: dict[str, tuple[Estimate, float]] = {}
        for method in ("percentile", "bca"):
            words = "" if method == "percentile" else ", BCa"
            for what, values, truth in (("normal", normal, 0.0), ("skewed", skewed, 1.0)):
                found[f"mean of {what} differences{words}"] = (
                    bootstrap_difference(zero, values, method=method, bootstrap=bootstrap),
                    truth,
                )
        found["ratio of sums"] = (_ratio(generator, n, bootstrap), 0.5)
        units = rated(generator, n, 4)
        found["ordinal alpha of four raters"] = (
            bootstrap_alpha(units, POINTS, bootstrap=bootstrap),
            self.alpha,
        )
        scores = annotation_scores(first, second, "012", bootstrap=bootstrap)
        found["macro F1 of three classes"] = (scores.macro_f1, self.macro_f1)
        return found


def _ratio(generator: Generator, n: int, bootstrap: Bootstrap) -> Estimate:
    """Hits over words, both sums over prompts, as the automatic measures are."""
    from analysis.resampling import Drawn, bootstrap_interval, resampled

    words = generator.poisson(4, n) + 1.0
    hits = generator.binomial(words.astype(int), generator.beta(2, 2, n))
    draws = resampled(n, bootstrap, lambda drawn: (drawn @ hits) / (drawn @ words))
    point = Estimate("ratio", float(hits.sum() / words.sum()))
    return bootstrap_interval(point, draws, Drawn("prompts", n), level=bootstrap.level)


def plain_percentiles(generator: Generator) -> Outcome:
    """The 2.5th and 97.5th percentile as they are, for a mean of normal differences."""
    from analysis.resampling import resampled

    outcome: Outcome = {}
    for n in (3, *CLUSTERS):
        values = generator.normal(size=n)
        bootstrap = Bootstrap(_DRAWS, seed=int(generator.integers(2**31)))
        draws = resampled(n, bootstrap, lambda drawn, x=values: drawn @ x / x.size)  # type: ignore[misc]
        low, high = np.quantile(draws, [0.025, 0.975])
        name = f"Plain bootstrap percentiles, {n} clusters: mean of normal differences"
        outcome[f"{name}|coverage"] = bool(low <= 0.0 <= high)
    return outcome
