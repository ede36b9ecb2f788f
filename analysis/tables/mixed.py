"""Mixed, ordinal and marginal models of ratings collected elsewhere: what `evenhand analyse mixed` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.chapters.models import RatingModels, models_of_table
from analysis.rating_models.ordinal_inference.partial_odds import what_changes
from analysis.rating_models.ordinal_mixed import LaplaceDetails
from analysis.rating_models.ratings import RatingColumns
from analysis.rating_models.results import ModelFit
from analysis.results import Assumption
from analysis.tables.blocks import ResultBlock
from analysis.tables.rating_table import RatingTable
from analysis.tables.reading import numeric_columns
from analysis.tables.values_on_scale import check_values

if TYPE_CHECKING:
    import pandas as pd

# In the JSON form these are the block's results.
_ESTIMATES = ("model", "coefficients", "thresholds", "variances", "tests")


@dataclass(frozen=True, kw_only=True)
class ModelBlock(ResultBlock):
    """One model: its estimates, and what it says of itself."""

    model: str
    fit: ModelFit

    def facts(self) -> dict[str, Any]:
        """The model's name, then what describes its fit."""
        said = {k: v for k, v in self.fit.to_dict().items() if k not in _ESTIMATES}
        return {"model": self.model, **said}

    def lacks(self) -> str:
        """Why there is no estimate."""
        return "" if self.estimates else self.fit.undefined_because

    def lines(self) -> Sequence[str]:
        """To whom the model speaks, and what a failed check of proportional odds changes."""
        unit, details = f"Unit of inference: {self.fit.unit_of_inference}", self.fit.details
        if not isinstance(details, LaplaceDetails) or details.partial is None:
            return (unit,)
        changed = what_changes(details.partial, self.fit.coefficients, {})
        return (unit, changed) if changed else (unit,)

    def checks(self) -> Sequence[Assumption]:
        """Assumptions of the model."""
        return self.fit.assumptions


@dataclass(frozen=True, kw_only=True)
class TestsBlock(ResultBlock):
    """Tests between the models, and what all of them rest on."""

    models: RatingModels

    def facts(self) -> dict[str, Any]:
        """What was compared, with the tests once more by their name."""
        plain = self.models.to_dict()
        plain.pop("models")
        return plain


def mixed_of(
    frame: pd.DataFrame,
    columns: RatingColumns,
    *,
    reference: str | None,
    points: Sequence[float] | None,
    level: float = 0.95,
    profile: bool = False,
) -> list[ResultBlock]:
    """Mixed, ordinal and marginal models of ratings with crossed raters and prompts."""
    remedy = (
        "Model the ratings of the single raters: a mean of several is none of the scale's points."
    )
    value = columns.value
    check_values(RatingTable("", frame, frame, (value,)), points, averaged=False, remedy=remedy)
    numbers = numeric_columns(frame, [value])
    found = models_of_table(
        frame.assign(**{value: numbers[value]}),
        columns,
        reference=reference,
        points=points,
        level=level,
        profile=profile,
    )
    blocks: list[ResultBlock] = [
        ModelBlock(
            f"{name}: {fit.title}",
            (*fit.thresholds, *fit.coefficients, *fit.variances, *fit.tests),
            fit.notes,
            model=name,
            fit=fit,
        )
        for name, fit in found.models.items()
    ]
    tests = (found.proportional_odds, *found.comparisons)
    return [*blocks, TestsBlock("Tests between models", tests, _edge_notes(found), models=found)]


def _edge_notes(found: RatingModels) -> tuple[str, ...]:
    return tuple(
        f"{test.statistic}: p is that of one chi-square, as R's anova gives it, and too large at the "
        "edge of the model; by the mixture of chi-squares (Self and Liang 1987; Stram and Lee 1994) "
        f"p = {test.details.p_value_mixture:.5g}"
        for test in found.comparisons
        if test.estimate is not None
    )
