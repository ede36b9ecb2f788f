"""The primary contrast as the plan declares it: by a model of single ratings or by a paired test.

A model says to whom it speaks: with random responses to other prompts and other responses of the systems,
without them to other raters of these very responses, which is also all that a paired test of totals can
say. A declared model that cannot be fitted gives way to the paired t test, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.chapters.context import ReportContext
from analysis.chapters.models import COLUMNS, response_sums
from analysis.chapters.shaping import BoolArray
from analysis.contrasts.paired import EquivalenceDetails, PairedContrast
from analysis.rating_models.linear import fit_lmm, kenward_roger_estimate
from analysis.rating_models.ordinal_inference.partial_odds import what_changes
from analysis.rating_models.ordinal_mixed import LaplaceDetails, fit_clmm
from analysis.rating_models.random_terms import slope_obstacle
from analysis.rating_models.ratings import CrossedRatings, prepare_ratings
from analysis.rating_models.results import Coefficient, CoefficientDetails, ModelFit
from analysis.rating_models.side_by_side import (
    fit_or_reason,
    fit_ordinal_response_model,
    fit_response_model,
    one_thread,
)
from analysis.results import Estimate
from study.protocol.analysis_plan import PrimaryContrast

SPEAKS_TO = {
    "systems": "other raters, other prompts and other responses of these systems",
    "these-responses": "other raters who judge these very responses",
}
PAIRED = {"paired-t": "Paired t test", "wilcoxon": "Wilcoxon signed-rank test"}
MODELS = {
    "linear-mixed": "Linear mixed model",
    "cumulative-link-mixed": "Cumulative-link mixed model",
}


@dataclass(frozen=True)
class DeclaredContrast:
    """What the plan declares, as far as the data carry it.

    Parameters
    ----------
    test : Estimate
        Effect, interval and p that count; of a paired test that is undefined, too.
    name : str
        Of the model or test that was made.
    population : str
        Whom it speaks to, in words.
    model : ModelFit or None
        None for a paired test.
    fallback : str
        Why the declared model gave way to the paired t test; empty where it did not.
    equivalence : Estimate or None
        Two one-sided tests by the same model or test, where the plan has bounds.
    changed : str
        What a failed check of proportional odds changes; empty where it did not fail.
    """

    test: Estimate
    name: str
    population: str
    model: ModelFit | None = None
    fallback: str = ""
    equivalence: Estimate | None = None
    changed: str = ""

    @property
    def by_model(self) -> bool:
        """Whether a model was made."""
        return self.model is not None

    @property
    def coefficient(self) -> CoefficientDetails | None:
        """Standard error, degrees of freedom and odds ratio of a model's effect."""
        details = self.test.details
        return details if isinstance(details, CoefficientDetails) else None


def declared_contrast(
    context: ReportContext, paired: PairedContrast, raters: BoolArray
) -> DeclaredContrast:
    """The declared contrast of some raters, beside their paired one.

    Parameters
    ----------
    paired : PairedContrast
        Of the same raters' totals.
    raters : ndarray of bool, shape (raters,)
    """
    primary = context.data.plan.contrast
    if not primary.by_model:
        test = paired.t_test if primary.test == "paired-t" else paired.wilcoxon
        return _paired(primary.test, test, paired, "")
    key = raters.tobytes()
    if key not in context.kept:
        with one_thread():
            context.kept[key] = _by_model(context, primary, raters)
    model, effect = context.kept[key]
    if effect is None or effect.estimate is None or effect.p_value is None:
        because = model.undefined_because if effect is None else _no_test(effect)
        return _paired("paired-t", paired.t_test, paired, f"{MODELS[primary.test]}: {because}")
    bounds = context.data.equivalence_bounds
    # The bounds are in points of a rater's total, which only a linear model of the sums has.
    on_totals = primary.test == "linear-mixed" and primary.on is None
    return DeclaredContrast(
        effect,
        MODELS[primary.test],
        SPEAKS_TO[primary.speaks_to],
        model,
        equivalence=_equivalence(effect, bounds, 1.0 - context.level)
        if bounds is not None and on_totals
        else paired.equivalence,
        changed=_changed(context, model),
    )


def _changed(context: ReportContext, model: ModelFit) -> str:
    details = model.details
    if not isinstance(details, LaplaceDetails) or details.partial is None:
        return ""
    labels = {s.id: s.label for s in context.data.systems}
    return what_changes(details.partial, model.coefficients, labels)


def _paired(test: str, estimate: Estimate, paired: PairedContrast, why: str) -> DeclaredContrast:
    population = SPEAKS_TO["these-responses"]
    return DeclaredContrast(
        estimate, PAIRED[test], population, fallback=why, equivalence=paired.equivalence
    )


def _no_test(effect: Estimate) -> str:
    return effect.undefined_because or effect.ci_method.removeprefix("none: ")


def _by_model(
    context: ReportContext, primary: PrimaryContrast, raters: BoolArray
) -> tuple[ModelFit, Coefficient | None]:
    """The model and its effect; None where it has none."""
    ratings = _ratings(context, primary, raters)
    model = _fit(ratings, primary, context.level)
    for e in model.coefficients:
        if e.details.level == primary.system and e.details.reference == primary.against:
            linear = primary.test == "linear-mixed"
            return model, kenward_roger_estimate(e, level=context.level) if linear else e
    return model, None


def _fit(ratings: CrossedRatings, primary: PrimaryContrast, level: float) -> ModelFit:
    linear = primary.test == "linear-mixed"
    if primary.speaks_to == "systems":
        if linear:
            return fit_or_reason(fit_response_model, ratings, ci_level=level)
        return fit_or_reason(fit_ordinal_response_model, ratings, ci_level=level, profile=True)
    slopes = not slope_obstacle(ratings, True)
    fit = fit_lmm if linear else fit_clmm
    return fit_or_reason(fit, ratings, ci_level=level, random_slopes=slopes)


def _ratings(context: ReportContext, primary: PrimaryContrast, raters: BoolArray) -> CrossedRatings:
    """Ratings of the item, or sums of the items of each response on the scale of a rater's total.

    A sum counts as many times as a rater meets responses of one system: an effect is then a difference
    of totals, as that of the paired test and as the bounds of equivalence.
    """
    names = {str(name) for name, kept in zip(context.shaped.rater_ids, raters, strict=True) if kept}
    if primary.on is None:
        frame = response_sums(context)
        if primary.test == "linear-mixed":
            asked = context.shaped.planned.any(axis=3).sum(axis=2)
            frame = frame.assign(value=frame["value"] * int(asked.max(initial=1)))
    else:
        frame = context.data.ratings[context.data.ratings["item"] == primary.on]
    frame = frame[frame["rater"].astype(str).isin(names)]
    rated = set(frame.loc[frame["value"].notna(), "system"])
    against = primary.against if primary.against in rated else None
    return prepare_ratings(frame, COLUMNS, reference=against)


def _equivalence(
    effect: Coefficient, bounds: tuple[float, float], alpha: float
) -> Estimate[EquivalenceDetails]:
    """Two one-sided t tests with the model's standard error and degrees of freedom."""
    from scipy import stats

    low, high = bounds
    mean, error = effect.estimate or 0.0, effect.details.std_error or 0.0
    df = effect.details.df or np.inf
    above = float(stats.t.sf((mean - low) / error, df))
    below = float(stats.t.cdf((mean - high) / error, df))
    half = float(stats.t.ppf(1 - alpha, df)) * error
    p_value = max(above, below)
    verdict = "yes" if p_value < alpha else "not shown"
    return Estimate(
        "tost_difference",
        mean,
        mean - half,
        mean + half,
        1.0 - 2.0 * alpha,
        "t, 1 - 2 alpha, Kenward-Roger degrees of freedom",
        p_value,
        effect.n,
        effect.n_missing,
        effect.unit,
        details=EquivalenceDetails(low, high, above, below, round(alpha, 12), verdict),
    )
