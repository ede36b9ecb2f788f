"""Calibration of what a plan can declare as primary, where raters, prompts and responses all vary.

Systems do not differ beyond the stated effect; their responses do. A test that speaks about systems must
reject a true hypothesis in 5 % of the draws; the paired t test, which speaks about these very responses,
stands beside it and rejects far more often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.calibration.draws import Generator, Outcome, covers
from analysis.results import Estimate

CUTS = (-2.5, -1.0, 0.5, 2.0)
_ITEMS = 8
_EFFECT = 0.5


@dataclass(frozen=True)
class Population:
    """Raters, prompts and systems of a study, each rater judging every response."""

    raters: int
    prompts: int
    systems: int

    def latent(self, generator: Generator, effect: float) -> Any:
        """Logits of higher answers, shape (raters, prompts, systems); the last system has the effect.

        SD .75 between raters, .4 in a rater's own view of a system, .35 between prompts, .5 between the
        responses of one system to its prompts.
        """
        r, p, s = self.raters, self.prompts, self.systems
        total = generator.normal(0, 0.75, (r, 1, 1)) + generator.normal(0, 0.35, (1, p, 1))
        total = total + generator.normal(0, 0.4, (r, 1, s)) + generator.normal(0, 0.5, (1, p, s))
        total[..., -1] += effect
        return total

    def frame(self, value: Any) -> pd.DataFrame:
        """One row a rating."""
        index = np.indices(value.shape).reshape(3, -1)
        names = ("rater", "prompt", "system")
        columns = dict(zip(names, index, strict=True))
        return pd.DataFrame({**columns, "value": value.ravel().astype(float)})


def _prepared(frame: pd.DataFrame) -> Any:
    from analysis.rating_models.ratings import RatingColumns, prepare_ratings

    columns = RatingColumns("value", "system", "rater", "prompt")
    return prepare_ratings(frame, columns, reference=None)


def _rejects(p_value: float | None) -> bool | None:
    return None if p_value is None else p_value < 0.05


@dataclass(frozen=True)
class DeclaredLinear:
    """Sums of eight items: the linear mixed model with Kenward-Roger."""

    population: Population

    def __call__(self, generator: Generator) -> Outcome:
        """Whether it rejected, and whether its interval held the effect."""
        from analysis.rating_models.linear import kenward_roger_estimate
        from analysis.rating_models.side_by_side import fit_response_model

        shape = self.population
        model = fit_response_model(_prepared(shape.frame(_sums(shape, generator))))
        last = [e for e in model.coefficients if e.details.reference is not None][-1:]
        found: list[Estimate] = [kenward_roger_estimate(e, level=0.95) for e in last]
        name = f"Declared linear mixed model, Kenward-Roger{_shape(shape)}"
        return {
            f"{name}|false positives": _rejects(found[0].p_value) if found else None,
            f"{name}|coverage": covers(found[0], 0.0) if found else None,
        }


def _sums(shape: Population, generator: Generator) -> Any:
    latent = shape.latent(generator, 0.0)
    return latent * _ITEMS + generator.normal(0, 4.0, latent.shape)


@dataclass(frozen=True)
class PairedTotals:
    """The same sums: the paired t test of raters' totals, which speaks about these responses alone."""

    population: Population

    def __call__(self, generator: Generator) -> Outcome:
        """Whether it rejected that the systems are equal."""
        from analysis.contrasts.paired import paired_contrast

        totals = _sums(self.population, generator).sum(axis=1)
        test = paired_contrast(totals[:, 0], totals[:, -1]).t_test
        name = f"Paired t test of raters' totals, responses differ{_shape(self.population)}"
        return {f"{name}|false positives": _rejects(test.p_value)}


@dataclass(frozen=True)
class DeclaredOrdinal:
    """One item of five points: the cumulative-link mixed model with its small-sample test.

    ``wald`` takes Wald's z of the same fit instead, to show what that costs.
    """

    population: Population
    wald: bool = False

    def __call__(self, generator: Generator) -> Outcome:
        """Whether it rejected, and whether the profile interval held an effect of half a logit."""
        shape = self.population
        outcome: Outcome = {}
        how = ", Wald's z" if self.wald else ""
        name = f"{'C' if self.wald else 'Declared c'}umulative-link mixed model{how}{_shape(shape)}"
        for effect in (0.0, _EFFECT):
            latent = shape.latent(generator, effect) + generator.logistic(
                size=(shape.raters, shape.prompts, shape.systems)
            )
            ratings = _prepared(shape.frame(np.digitize(latent, CUTS) + 1))
            p = _ordinal_p(ratings, effect)[int(self.wald)]
            if effect:
                # The interval holds a value exactly when the test does not reject it.
                outcome[f"{name}|coverage"] = None if p is None else p >= 0.05
            else:
                outcome[f"{name}|false positives"] = _rejects(p)
        return outcome


def _ordinal_p(ratings: Any, value: float) -> tuple[float | None, float | None]:
    """p of the last system's effect being ``value``, by the declared test and by Wald's z."""
    from scipy import stats

    from analysis.rating_models.laplace_fit import fit_laplace
    from analysis.rating_models.ordinal_inference.small_sample import (
        effect_test,
        linear_reference,
    )
    from analysis.rating_models.random_terms import random_terms, slope_obstacle

    terms = random_terms(ratings, not slope_obstacle(ratings, True), True)[0]
    fit = fit_laplace(ratings, ratings.contrasts(), terms)
    reference = linear_reference(ratings, terms)
    if not fit.settled or reference.undefined_because:
        return None, None
    slope = len(ratings.levels) - 2
    place = fit.likelihood.n_thresholds + slope
    error = float(np.sqrt(fit.maximum.covariance()[place, place]))
    z = abs(float(fit.maximum.parameters[place]) - value) / error
    _, p_value = effect_test(fit, slope, reference.slopes[slope] or 0.0, value)
    return p_value, float(2 * stats.norm.sf(z))


def _shape(population: Population) -> str:
    return f", {population.raters} x {population.prompts} x {population.systems}"
