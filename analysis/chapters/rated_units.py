"""The one way from rated units to their coefficients of agreement, for the report and for tables.

Who calls says which coefficients are wanted; how each gets its interval, and where drawing again is left
out, is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.agreement import coefficients
from analysis.agreement.bootstrap import bootstrap_alpha, bootstrap_light_kappa
from analysis.agreement.jackknife import jackknife_agreement
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.agreement.two_raters import light_kappa
from analysis.chapters import decisions
from analysis.chapters.context import ReportContext
from analysis.chapters.decisions import MOST_RATERS_PAIRED
from analysis.chapters.shaping import BoolArray
from analysis.resampling import Bootstrap
from analysis.results import Estimate
from analysis.validation import FloatArray, IntArray


@dataclass(frozen=True)
class RatedUnits:
    """A table of ratings, how its units hang together, and how intervals are made.

    Parameters
    ----------
    matrix : ndarray, shape (units, raters)
        Missing as nan.
    points : sequence of float
        All points of the scale, used or not.
    bootstrap : Bootstrap
        Its level is that of all intervals.
    responses : ndarray, shape (units,), or None
        What each unit is about, where several are about one: intervals are then by response.
    """

    matrix: FloatArray
    points: Sequence[float]
    bootstrap: Bootstrap
    responses: IntArray | None = None

    @property
    def few_enough(self) -> bool:
        """Whether there are few enough ratings to draw units and raters again."""
        return int((~np.isnan(self.matrix)).sum()) <= decisions.MOST_RATINGS_REDRAWN

    @property
    def light_fits(self) -> bool:
        """Whether what a bootstrap of Light's kappa holds is small enough."""
        units, raters = self.matrix.shape
        held = units * (raters * (raters - 1) // 2) * len(self.points)
        few = raters <= MOST_RATERS_PAIRED and held <= decisions.MOST_PAIRED_CELLS
        return few and self.few_enough

    def by_response(
        self, statistic: Callable[[FloatArray], Estimate], *, lowest: float = -1.0
    ) -> Estimate:
        """A statistic with its own interval, or by a jackknife where units hang together."""
        if self.responses is None:
            return statistic(self.matrix)
        return jackknife_agreement(
            statistic,
            self.matrix,
            self.responses,
            cluster="response",
            lowest=lowest,
            level=self.bootstrap.level,
        )


def study_units(
    context: ReportContext, places: Sequence[int], points: Sequence[float], raters: BoolArray
) -> RatedUnits:
    """Ratings of a study's items one below the other; of several, each row knows its response."""
    matrices = [context.item_matrix(i, raters) for i in places]
    responses = np.tile(np.arange(len(matrices[0])), len(matrices)) if len(matrices) > 1 else None
    return RatedUnits(np.vstack(matrices), points, context.bootstrap, responses)


Coefficient = Callable[[RatedUnits, str], Estimate]


def _linearised(statistic: Callable[..., Estimate], lowest: float = -1.0) -> Coefficient:
    """A coefficient whose interval is linearised over units, from its weights."""

    def found(units: RatedUnits, weights: str) -> Estimate:
        level = units.bootstrap.level
        return units.by_response(
            lambda m: statistic(m, units.points, weights=weights, level=level), lowest=lowest
        )

    return found


agreeing_pairs = _linearised(coefficients.percent_agreement, lowest=0.0)
fleiss = _linearised(coefficients.fleiss_kappa)
conger = _linearised(coefficients.conger_kappa)
gwet = _linearised(coefficients.gwet_ac)
brennan_prediger = _linearised(coefficients.brennan_prediger)


def alpha(units: RatedUnits, metric: str) -> Estimate:
    """Krippendorff's alpha by its metric."""
    level = units.bootstrap.level
    return units.by_response(
        lambda m: krippendorff_alpha(m, units.points, metric=metric, level=level)
    )


def light(units: RatedUnits, weights: str) -> Estimate:
    """Light's kappa with its interval from drawing units again, where affordable."""
    if not units.light_fits:
        return light_kappa(units.matrix, units.points, weights=weights)
    return bootstrap_light_kappa(
        units.matrix,
        units.points,
        weights=weights,
        clusters=units.responses,
        cluster="response",
        bootstrap=units.bootstrap,
    )


def redrawn_alpha(units: RatedUnits, what: str) -> Estimate:
    """Ordinal alpha with its interval from drawing again ``"items"``, ``"raters"`` or ``"both"``."""
    return bootstrap_alpha(
        units.matrix,
        units.points,
        resample=what,
        clusters=units.responses,
        cluster="response",
        bootstrap=units.bootstrap,
    )


def assembled(units: RatedUnits, wanted: Sequence[tuple[Coefficient, str]]) -> tuple[Estimate, ...]:
    """The coefficients that are wanted, each by its weights, its metric or what is drawn again.

    Examples
    --------
    >>> units = RatedUnits(np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0]]), [1, 2], Bootstrap())
    >>> [round(e.estimate, 3) for e in assembled(units, [(fleiss, "unweighted"), (alpha, "nominal")])]
    [0.333, 0.444]
    """
    return tuple(coefficient(units, by) for coefficient, by in wanted)
