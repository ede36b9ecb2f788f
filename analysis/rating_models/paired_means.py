"""Paired t-test on each rater's mean: the plainest answer, which stands beside the models of the ratings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.rating_models.ratings import CrossedRatings, Floats
from analysis.rating_models.results import (
    Coefficient,
    CoefficientDetails,
    ModelFit,
    Sample,
    wald_estimate,
)
from analysis.results import undefined


def fit_paired_t(ratings: CrossedRatings, *, ci_level: float = 0.95) -> ModelFit:
    """Paired t-test of each level against the reference, on each rater's mean of the two.

    A rater who lacks one of the two levels cannot be paired and is counted as missing.
    """
    because = ratings.obstacle() or ratings.rater_obstacle()
    bare = ratings.unfitted(
        "paired_t",
        title="Paired t-test on each rater's mean",
        unit_of_inference="rater (each rater's mean counts once; prompts are fixed)",
        method="Student's t",
    )
    if because:
        return replace(bare, undefined_because=because)
    means = _rater_means(ratings)
    found = tuple(
        _paired(ratings, means[:, code] - means[:, 0], code, ci_level)
        for code in range(1, len(ratings.levels))
    )
    reasons = {estimate.undefined_because for estimate in found}
    if "" not in reasons:
        return replace(bare, coefficients=found, undefined_because=found[0].undefined_because)
    return replace(bare, coefficients=found, n_parameters=len(found), converged=True)


def _rater_means(ratings: CrossedRatings) -> Floats:
    """Mean of every rater for every level; nan where a rater has none, shape (raters, levels)."""
    shape = (len(ratings.raters), len(ratings.levels))
    cell = ratings.rater * shape[1] + ratings.level
    counts = np.bincount(cell, minlength=shape[0] * shape[1])
    sums = np.bincount(cell, ratings.value, minlength=counts.size)
    means = np.full(counts.size, np.nan)
    # A rater without a rating of a level has no difference there, and drops out of that level's test alone.
    np.divide(sums, counts, out=means, where=counts > 0)
    return means.reshape(shape)


def _paired(
    ratings: CrossedRatings, differences: Floats, code: int, ci_level: float
) -> Coefficient:
    paired = differences[~np.isnan(differences)]
    sample = Sample(paired.size, int(np.isnan(differences).sum()), "rater")
    level, reference = ratings.levels[code], ratings.levels[0]
    details = CoefficientDetails(term=ratings.terms[code - 1], level=level, reference=reference)
    if sample.n < 2:
        said = (
            f"{sample.n} of {len(ratings.raters)} raters rated both {level} and {reference}; "
            "2 needed"
        )
        return undefined(
            "mean_difference",
            said,
            n=sample.n,
            n_missing=sample.n_missing,
            unit="rater",
            details=details,
        )
    spread = float(paired.std(ddof=1))
    # Equal differences have a spread of rounding only.
    if spread <= 1e-12 * max(1.0, float(np.max(np.abs(paired)))):
        spread = 0.0
    error = spread / float(np.sqrt(sample.n))
    return wald_estimate(
        "mean_difference",
        float(paired.mean()),
        replace(details, std_error=error, df=float(sample.n - 1)),
        sample,
        ci_level=ci_level,
        ci_method="Student's t",
    )
