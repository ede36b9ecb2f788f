"""What several simulations of the calibration share: a draw's outcome, and tables of agreement."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.results import Estimate

Generator = np.random.Generator
# One draw gives, by name, whether the test rejected or the interval held the true value; None when
# the statistic was undefined for that draw.
Outcome = dict[str, bool | None]
POINTS = [1.0, 2.0, 3.0, 4.0, 5.0]


def covers(estimate: Estimate, truth: float) -> bool | None:
    """Whether the interval holds the true value; None where there is no interval."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return None
    return estimate.ci_low <= truth <= estimate.ci_high


def rated(generator: Generator, units: int, raters: int) -> Any:
    """Ratings on five points, shape (units, raters); raters agree as far as a unit's own value goes."""
    latent = generator.normal(size=(units, 1)) + generator.normal(size=(units, raters))
    return np.digitize(latent, [-1.5, -0.5, 0.5, 1.5]) + 1.0


def agreement_statistics(table: Any) -> dict[str, Estimate]:
    """The agreement statistics that are calibrated, for a table of units x raters."""
    from analysis.agreement import coefficients as agreement
    from analysis.agreement.krippendorff import krippendorff_alpha
    from analysis.agreement.two_raters import cohen_kappa

    return {
        "Cohen kappa, quadratic": cohen_kappa(
            table[:, 0], table[:, 1], POINTS, weights="quadratic"
        ),
        "Fleiss kappa": agreement.fleiss_kappa(table, POINTS),
        "Gwet AC2, quadratic": agreement.gwet_ac(table, POINTS, weights="quadratic"),
        "Krippendorff alpha, ordinal": krippendorff_alpha(table, POINTS),
    }
