"""Models of the ratings: which are fitted, from which size on one is left out, what gets a profile.

Ratings of repeated, crossed raters and prompts have no one right model. So several stand side by side,
from the simplest to the fullest, and each says to which raters and prompts it speaks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.chapters.context import ReportContext
from analysis.contrasts.multiplicity import adjust
from analysis.rating_models.gee import fit_gee
from analysis.rating_models.linear import METHOD, fit_lmm
from analysis.rating_models.ordinal import fit_clm, proportional_odds_test
from analysis.rating_models.ordinal_mixed import fit_clmm
from analysis.rating_models.paired_means import fit_paired_t
from analysis.rating_models.random_terms import RESPONSE_UNIT, inference_unit
from analysis.rating_models.ratings import (
    CrossedRatings,
    RatingColumns,
    prepare_ratings,
    refuse_repeats,
)
from analysis.rating_models.results import Coefficient, LikelihoodRatio, ModelFit
from analysis.rating_models.side_by_side import (
    compare_slopes,
    fit_or_reason,
    fit_ordinal_response_model,
    fit_response_model,
    one_thread,
)
from analysis.results import undefined
from study.report_view.data import ReportItem

if TYPE_CHECKING:
    import pandas as pd

# Each of a profile's dozens of fits takes longer the more raters and prompts there are; the ordinal
# model's profiles double with every further system and are made for two.
MOST_EFFECTS_PROFILED = 150
# What a report may take: Laplace fits of more ratings an item take minutes, and the linear model then
# stands alone; random responses of more are left to the sum over all items.
MOST_RATINGS = {"clmm": 20_000, "clmm_slope": 20_000, "lmer_response": 50_000}
# What a person who asks for one table's models may wait for.
MOST_RATINGS_OF_A_TABLE = 200_000
OF_SUMS = ("lmer_slope", "lmer_response")
OF_NUMERIC_ITEMS = (*OF_SUMS, "gee")
OF_ITEMS = ("clmm_slope", "clmm", *OF_NUMERIC_ITEMS)
OF_TABLES = (
    "lmer_intercept", "lmer_slope", "lmer_response", "clm", "clmm", "clmm_slope", "clmm_response",
    "gee", "paired_t",
)  # fmt: skip
COLUMNS = RatingColumns("value", "system", "rater", "prompt")


@dataclass(frozen=True)
class FitChoices:
    """How models are fitted.

    Parameters
    ----------
    level : float
        Of the intervals.
    most : mapping of str to int
        Model -> ratings above which it is left out, which is said.
    profiled : frozenset of str
        Models whose intervals are also made from the likelihood's profile.
    """

    level: float
    most: Mapping[str, int] = field(default_factory=dict)
    profiled: frozenset[str] = frozenset()


def fit_models(
    ratings: CrossedRatings, models: Sequence[str], choices: FitChoices
) -> dict[str, ModelFit]:
    """Each of the models by its name, or the reason why it does not exist for these ratings."""
    return {name: _fit(name, ratings, choices) for name in models}


def _fit(name: str, ratings: CrossedRatings, choices: FitChoices) -> ModelFit:
    options: dict[str, Any] = {"ci_level": choices.level}
    if name == "paired_t":
        return fit_or_reason(fit_paired_t, ratings, **options)
    if name == "gee":
        return fit_or_reason(fit_gee, ratings, **options)
    if name == "clm":
        return fit_or_reason(fit_clm, ratings, **options)
    options |= {"profile": name in choices.profiled}
    if name == "lmer_response":
        if ratings.n > choices.most.get(name, math.inf):
            return _without_responses(ratings, choices.most[name])
        return fit_or_reason(fit_response_model, ratings, **options)
    if name == "clmm_response":
        options |= {"most_ratings": choices.most.get(name)}
        return fit_or_reason(fit_ordinal_response_model, ratings, **options)
    options |= {"random_slopes": name.endswith("_slope")}
    if name.startswith("lmer"):
        return fit_or_reason(fit_lmm, ratings, **options)
    return fit_or_reason(fit_clmm, ratings, most_ratings=choices.most.get(name), **options)


def _without_responses(ratings: CrossedRatings, most: int) -> ModelFit:
    bare = ratings.unfitted(
        "linear_mixed_responses",
        title="Linear mixed model, random responses",
        unit_of_inference=RESPONSE_UNIT,
        method=METHOD,
    )
    shown = f"{most:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    because = (
        f"an item with more than {shown} ratings takes too long; the table of all items together has "
        "this model"
    )
    return replace(bare, undefined_because=because)


@dataclass(frozen=True)
class RatingModels:
    """The models of one table of ratings.

    Parameters
    ----------
    models : mapping of str to ModelFit
        ``lmer_intercept``, ``lmer_slope``: linear, with random intercepts, with random rater slopes.
        ``lmer_response``: linear, with random responses (prompt by level) and, where the data allow,
        random rater slopes: the one that speaks to other prompts and responses. ``clm``, ``clmm``,
        ``clmm_slope``: ordinal, without random effects, with random intercepts, with random rater
        slopes. ``clmm_response``: ordinal, as ``lmer_response``. ``gee``. ``paired_t``: t test on
        each rater's mean.
    proportional_odds : LikelihoodRatio
        Test of the ordinal models' main idea.
    comparisons : tuple of LikelihoodRatio
        Tests of the random slopes.
    ratings : CrossedRatings
        What was fitted: the levels that are compared, the reference first, the scale in full, and
        what is missing by column.
    """

    models: Mapping[str, ModelFit]
    proportional_odds: LikelihoodRatio
    comparisons: tuple[LikelihoodRatio, ...]
    ratings: CrossedRatings

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form with full precision."""
        return {
            **self.facts(),
            "models": {name: model.to_dict() for name, model in self.models.items()},
            "proportional_odds": self.proportional_odds.to_dict(),
            "comparisons": [test.to_dict() for test in self.comparisons],
        }

    def facts(self) -> dict[str, Any]:
        """What was compared and how many ratings there were, JSON-ready."""
        return {
            "effect": self.ratings.effect,
            "reference": self.ratings.levels[0],
            "levels": list(self.ratings.levels),
            "points": list(self.ratings.points),
            "n": self.ratings.n,
            "n_missing": self.ratings.n_missing,
            "n_raters": len(self.ratings.raters),
            "n_prompts": len(self.ratings.prompts),
            "missing": dict(self.ratings.missing),
        }


def models_of_table(
    frame: pd.DataFrame,
    columns: RatingColumns,
    *,
    reference: str | None = None,
    points: Sequence[float] | None = None,
    level: float = 0.95,
    most_ratings: int = MOST_RATINGS_OF_A_TABLE,
    profile: bool = False,
) -> RatingModels:
    """Fit every model to a long table of ratings (one row a rating).

    Parameters
    ----------
    frame : DataFrame
    columns : RatingColumns
        Rows with a missing value in any of them are left out and counted.
    reference : str, optional
        Level of ``effect`` against which the others are compared; the first when left out.
    points : sequence of float, optional
        The scale in full; the observed values when left out.
    level : float
        Between 0 and 1.
    most_ratings : int
        With more ratings than this the cumulative-link mixed models are left out, which is said (the
        ones with random slopes or responses already above a quarter of it).
    profile : bool
        Profile-likelihood intervals for the variances of the linear mixed models and the effects of
        the cumulative-link mixed model with random intercepts; seconds of work.

    Raises
    ------
    AnalysisError
        The columns, the reference or a rating do not fit, or a rater rated a response twice.

    Examples
    --------
    >>> columns = RatingColumns("y", "model", "rater", "topic")
    >>> found = models_of_table(frame, columns, reference="Phi4", points=range(1, 6))  # doctest: +SKIP
    >>> found.models["clmm"].find("cumulative_log_odds_ratio", "EAI").estimate  # doctest: +SKIP
    """
    ratings = prepare_ratings(frame, columns, reference=reference, points=points)
    refuse_repeats(frame, columns)
    choices = FitChoices(
        level,
        {"clmm": most_ratings} | dict.fromkeys(("clmm_slope", "clmm_response"), most_ratings // 4),
        # A profile of the ordinal models with random slopes takes minutes.
        frozenset(OF_TABLES) - {"clmm_slope", "clmm_response"} if profile else frozenset(),
    )
    with one_thread():
        fits = fit_models(ratings, OF_TABLES, choices)
        return RatingModels(
            fits,
            proportional_odds_test(ratings),
            (
                compare_slopes(fits["lmer_intercept"], fits["lmer_slope"]),
                compare_slopes(fits["clmm"], fits["clmm_slope"]),
            ),
            ratings,
        )


@dataclass(frozen=True)
class ItemModels:
    """The models of one item, in the order in which they are read.

    Parameters
    ----------
    item, label : str
    fits : mapping of str to ModelFit
        Empty where there is no rating.
    proportional_odds : LikelihoodRatio
    p_holm : float or None
        p of `first_effect`, by Holm's method over the items.
    """

    item: str
    label: str
    fits: Mapping[str, ModelFit]
    proportional_odds: LikelihoodRatio
    p_holm: float | None = None

    @property
    def first_effect(self) -> tuple[str, Coefficient | None]:
        """The first difference that there is, and the model that it is from."""
        found = ((name, e) for name, fit in self.fits.items() for e in effects(fit))
        return next(found, ("", None))

    @property
    def with_variances(self) -> ModelFit | None:
        """The first model that says how much raters and prompts differ."""
        return next((fit for fit in self.fits.values() if fit.variances), None)

    @property
    def with_predictions(self) -> ModelFit | None:
        """The first model that says how answers spread over the points."""
        return next((fit for fit in self.fits.values() if fit.predictions), None)


@dataclass(frozen=True)
class ModelsChapter:
    """Models of the sum over the items of each response, and of each item."""

    sums: Mapping[str, ModelFit]
    items: tuple[ItemModels, ...]


def effects(fit: ModelFit) -> list[Coefficient]:
    """Coefficients that compare a system with the reference."""
    return [e for e in fit.coefficients if e.details.reference is not None]


def models_chapter(context: ReportContext) -> ModelsChapter | None:
    """A linear model of all items together, then ordinal and linear models of each; None unrated."""
    if not len(context.data.ratings) or context.data.ratings["value"].isna().all():
        return None
    with one_thread():
        sums = _models_of_sums(context)
        items = [_models_of_item(context, item) for item in context.data.items]
    first = [models.first_effect[1] for models in items]
    adjusted = adjust([None if e is None else e.p_value for e in first], method="holm")
    return ModelsChapter(
        sums,
        tuple(replace(models, p_holm=p) for models, p in zip(items, adjusted, strict=True)),
    )


def _prepared(
    context: ReportContext, frame: pd.DataFrame, points: list[int] | None
) -> CrossedRatings:
    """The ratings, compared with what the plan compares with; before unblinding the pair's second."""
    rated = set(frame.loc[frame["value"].notna(), "system"])
    primary = context.data.plan.primary
    known = {s.id for s in context.data.systems} & rated
    against = primary.against if primary is not None and primary.against in known else None
    return prepare_ratings(frame, COLUMNS, reference=against, points=points)


def _may_profile(ratings: CrossedRatings) -> bool:
    return len(ratings.raters) + len(ratings.prompts) <= MOST_EFFECTS_PROFILED


def response_sums(context: ReportContext) -> pd.DataFrame:
    """Each response's sum over the items that add, by rater, system and prompt; missing with a gap."""
    import pandas as pd

    shaped = context.shaped
    asked = shaped.planned.any(axis=3)
    r, s, p = np.nonzero(asked)
    systems = np.array([x.id for x in context.data.systems], dtype=object)
    return pd.DataFrame(
        {
            "rater": np.array(shaped.rater_ids, dtype=object)[r],
            "system": systems[s],
            "prompt": np.array(shaped.prompt_ids, dtype=object)[p],
            "value": shaped.values[..., list(shaped.total_places)].sum(axis=3)[r, s, p],
        }
    )


def _models_of_sums(context: ReportContext) -> dict[str, ModelFit]:
    """Linear models of each response's sum over items; a sum with a gap is missing."""
    frame = response_sums(context)
    if frame["value"].isna().all():
        # What there is without sums: raters, prompts and single ratings.
        ratings = prepare_ratings(context.data.ratings, COLUMNS, reference=None)
        bare = ratings.unfitted(
            "linear_mixed_slopes",
            title="Linear mixed model, random rater intercepts and slopes",
            unit_of_inference=inference_unit(ratings),
            method=METHOD,
        )
        because = "no response has an answer to every item"
        return {"lmer_slope": replace(bare, undefined_because=because)}
    ratings = _prepared(context, frame, None)
    profiled = frozenset({"lmer_slope"} if _may_profile(ratings) else ())
    return fit_models(ratings, OF_SUMS, FitChoices(context.level, profiled=profiled))


def _models_of_item(context: ReportContext, item: ReportItem) -> ItemModels:
    frame = context.data.ratings[context.data.ratings["item"] == item.id]
    if frame["value"].isna().all():
        gone = undefined("proportional_odds", "there is no rating")
        return ItemModels(item.id, item.label, {}, gone)
    if item.kind == "numeric":
        why = "the answers are numbers between two ends and not ordered points"
        check: LikelihoodRatio = undefined("proportional_odds", why)
        ratings, profiled = _prepared(context, frame, None), set()
        names: Sequence[str] = OF_NUMERIC_ITEMS
    else:
        ratings, names = _prepared(context, frame, context.points(item)), OF_ITEMS
        check = proportional_odds_test(ratings)
        profiled = {"clmm"} if len(ratings.levels) == 2 and _may_profile(ratings) else set()
    choices = FitChoices(context.level, MOST_RATINGS, frozenset(profiled))
    return ItemModels(item.id, item.label, fit_models(ratings, names, choices), check)
