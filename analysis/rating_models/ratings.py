"""Crossed, repeated ratings: from a long data frame to coded arrays, with what is missing counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.rating_models.results import ModelFit, Sample
from analysis.validation import LARGEST, place_of
from study.errors import AnalysisError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.integer[Any]]
# With fewer prompts the variance of the responses is a guess and its degrees of freedom are 3 or less.
MIN_PROMPTS = 5


@dataclass(frozen=True)
class RatingColumns:
    """Columns of a long table: the rating, what is compared, who rated and what was rated."""

    value: str
    effect: str
    rater: str
    prompt: str


@dataclass(frozen=True)
class CrossedRatings:
    """Ratings of several systems by raters who each meet the same prompts.

    Parameters
    ----------
    value : ndarray of float, shape (n,)
        The rating as a number.
    category : ndarray of int, shape (n,)
        Index of the rating in ``used_points``.
    points : tuple of float
        The scale in full, ascending; the observed values when none was given.
    used_points : tuple of float
        The points that occur; a cumulative-link model has a threshold between two of these.
    level, rater, prompt : ndarray of int, shape (n,)
        Codes of the compared level (0 is the reference), of the rater and of the prompt.
    levels, raters, prompts : tuple of str
        What the codes stand for.
    effect : str
        Name of the column that is compared.
    n_missing : int
        Rows left out; ``missing`` says how many for which column.
    """

    value: Floats
    category: Codes
    points: tuple[float, ...]
    used_points: tuple[float, ...]
    level: Codes
    levels: tuple[str, ...]
    rater: Codes
    raters: tuple[str, ...]
    prompt: Codes
    prompts: tuple[str, ...]
    effect: str
    reference: str
    n_missing: int
    missing: Mapping[str, int]

    @property
    def n(self) -> int:
        """Ratings that enter the models."""
        return int(self.value.size)

    @property
    def terms(self) -> tuple[str, ...]:
        """Coefficient names as R gives them: the column's name, then the level's."""
        return tuple(f"{self.effect}{level}" for level in self.levels[1:])

    @cached_property
    def responses(self) -> Codes:
        """Prompt and level of every response that was rated, shape (responses, 2)."""
        return np.unique(np.column_stack([self.prompt, self.level]), axis=0)

    @property
    def n_responses(self) -> int:
        """Pairs of prompt and level that were rated."""
        return int(self.responses.shape[0])

    @property
    def one_system_per_prompt(self) -> bool:
        """Whether no prompt has responses of two levels."""
        return self.n_responses == len(self.prompts)

    def sample(self, unit: str) -> Sample:
        """What an estimate rests on that takes all these ratings."""
        return Sample(self.n, self.n_missing, unit)

    def unfitted(self, model: str, *, title: str, unit_of_inference: str, method: str) -> ModelFit:
        """A model of these ratings before anything is estimated."""
        return ModelFit(
            model=model,
            title=title,
            unit_of_inference=unit_of_inference,
            method=method,
            n=self.n,
            n_missing=self.n_missing,
            n_raters=len(self.raters),
            n_prompts=len(self.prompts),
        )

    def contrasts(self) -> Floats:
        """Treatment coding against the reference, shape (n, levels - 1)."""
        return np.asarray(self.level[:, None] == np.arange(1, len(self.levels)), dtype=float)

    def obstacle(self) -> str:
        """Why no model of these ratings can be fitted; empty when one can."""
        if self.n == 0:
            return f"no rating is left: all {self.n_missing} rows have a missing value"
        if len(self.levels) < 2:
            return (
                f"column {self.effect!r} has one level only ({self.levels[0]!r}) among the "
                f"{self.n} ratings, so there is nothing to compare"
            )
        if len(self.used_points) < 2:
            return f"all {self.n} ratings have the value {point_name(self.used_points[0])}"
        return ""

    def rater_obstacle(self) -> str:
        """Why differences between raters cannot be estimated; empty when they can."""
        because = self.obstacle()
        if because:
            return because
        if len(self.raters) < 2:
            return (
                f"all {self.n} ratings are by one rater, so the differences between raters cannot "
                "be estimated and nothing can be said about other raters"
            )
        if self.n <= len(self.raters):
            return (
                f"{self.n} ratings by {len(self.raters)} raters: without a rater who rated twice, "
                "differences between raters and error cannot be told apart"
            )
        return ""

    def prompt_obstacle(self) -> str:
        """Why a random prompt cannot be in the model; empty when it can."""
        if len(self.prompts) < 2:
            return "all ratings are of one prompt, so nothing can be said about other prompts"
        if self.n <= len(self.prompts):
            return (
                f"{self.n} ratings of {len(self.prompts)} prompts: without a prompt that was rated "
                "twice, differences between prompts and error cannot be told apart"
            )
        return ""

    def response_obstacle(self) -> str:
        """Why responses (prompt by level) cannot be random in the model; empty when they can."""
        because = self.prompt_obstacle()
        if because:
            return because
        if self.one_system_per_prompt:
            return (
                "each prompt has responses of one level only, so a prompt and its response cannot be "
                "told apart"
            )
        several = int(np.sum(np.bincount(self.responses[:, 0]) > 1))
        if several < MIN_PROMPTS:
            return (
                f"{several} prompts have responses of several levels; {MIN_PROMPTS} are needed to "
                "say anything about other prompts and other responses"
            )
        if self.n <= self.n_responses:
            return (
                f"{self.n} ratings of {self.n_responses} responses: without a response that was rated "
                "twice, differences between responses and error cannot be told apart"
            )
        return ""


def point_name(point: float) -> str:
    """A scale point as it is printed: ``3`` and not ``3.0``."""
    return str(int(point)) if float(point).is_integer() else repr(float(point))


def prepare_ratings(
    frame: pd.DataFrame,
    columns: RatingColumns,
    *,
    reference: str | None,
    points: Sequence[float] | None = None,
) -> CrossedRatings:
    """Check a long data frame (one row a rating) and code it.

    Parameters
    ----------
    frame : DataFrame
        One row a rating. A row with a missing value in any of the four columns is left out and
        counted.
    columns : RatingColumns
    reference : str or None
        Level of ``effect`` against which the others are compared; None takes the first.
    points : sequence of float, optional
        The scale in full. Without it the observed values are taken for the scale.

    Returns
    -------
    CrossedRatings

    Raises
    ------
    AnalysisError
        A column is not there, a rating is not a number or not a point of the scale, the reference
        is not a level.
    """
    import pandas as pd

    _check_columns(frame, columns)
    value, effect = columns.value, columns.effect
    numbers = _numbers(frame[value], value)
    absent = {name: frame[name].isna().to_numpy(dtype=bool) for name in astuple(columns)}
    keep = ~np.logical_or.reduce(list(absent.values()))
    scale = _scale(points, numbers[keep], value)
    levels_all = _levels(frame[effect])
    first = _reference(levels_all, reference, effect)
    ordered = [first, *(name for name in levels_all if name != first)]
    labels = frame[effect].astype(str).to_numpy()[keep]
    present = [name for name in ordered if name in set(labels)]
    code_of = {name: code for code, name in enumerate(present)}
    rater_codes, raters = pd.factorize(frame.loc[keep, columns.rater].astype(str), sort=True)
    prompt_codes, prompts = pd.factorize(frame.loc[keep, columns.prompt].astype(str), sort=True)
    used, category = np.unique(numbers[keep], return_inverse=True)
    level = pd.Series(labels, dtype=object).map(code_of).to_numpy(dtype=np.int64)
    return CrossedRatings(
        value=numbers[keep],
        category=category.astype(np.int64).reshape(-1),
        points=scale,
        used_points=tuple(used.tolist()),
        level=level,
        levels=tuple(present) or (first,),
        rater=np.asarray(rater_codes, dtype=np.int64),
        raters=tuple(str(name) for name in raters),
        prompt=np.asarray(prompt_codes, dtype=np.int64),
        prompts=tuple(str(name) for name in prompts),
        effect=effect,
        reference=first,
        n_missing=int((~keep).sum()),
        missing=MappingProxyType({name: int(gone.sum()) for name, gone in absent.items()}),
    )


def refuse_repeats(frame: pd.DataFrame, columns: RatingColumns) -> None:
    """Refuse a rater's second rating of the same response, which would count twice.

    Raises
    ------
    AnalysisError
        Two rows with a rating have the same rater, prompt and level of ``effect``.
    """
    names = [columns.rater, columns.prompt, columns.effect]
    rated = frame[[columns.value, *names]].notna().all(axis=1).to_numpy(dtype=bool)
    keys = frame[names].astype(str)
    repeated = keys[rated].duplicated().to_numpy(dtype=bool)
    if not repeated.any():
        return
    rows = np.flatnonzero(rated)
    later = int(rows[np.flatnonzero(repeated)[0]])
    same = (keys == keys.iloc[later]).all(axis=1).to_numpy(dtype=bool) & rated
    first = int(np.flatnonzero(same)[0])
    named = ", ".join(f"{name} {keys.iloc[later][name]}" for name in names)
    raise AnalysisError(
        f"{place_of(frame, first)} and {place_of(frame, later)} are both a rating of {named} "
        f"({int(repeated.sum())} rows repeat an earlier one); expected one row for each rater, prompt "
        f"and {columns.effect}, because a repeated row counts twice: delete the repeats or average them"
    )


def _check_columns(frame: pd.DataFrame, columns: RatingColumns) -> None:
    for role, name in asdict(columns).items():
        if name not in frame.columns:
            raise AnalysisError(
                f"there is no column {name!r} (for the {role}); the columns are "
                f"{', '.join(map(str, frame.columns))}: name one of these"
            )
    if len(set(astuple(columns))) < 4:
        raise AnalysisError(
            "value, effect, rater and prompt must be four different columns, got "
            f"{', '.join(astuple(columns))}: name each once"
        )


def _numbers(series: pd.Series[Any], name: str) -> Floats:
    import pandas as pd

    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=float, na_value=math.nan)
    bad = (np.abs(numbers) > LARGEST) | (np.isnan(numbers) & ~series.isna().to_numpy(dtype=bool))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise AnalysisError(
            f"column {name!r} has {series.iloc[row]!r} in {place_of(series, row)}; a rating must be a "
            f"finite number up to {LARGEST:g} in size, and a missing one an empty cell: mend the file or "
            "name another column"
        )
    return np.asarray(numbers, dtype=float)


def _scale(points: Sequence[float] | None, observed: Floats, name: str) -> tuple[float, ...]:
    if points is None:
        return tuple(np.unique(observed).tolist())
    scale = tuple(sorted(float(point) for point in points))
    if len(set(scale)) != len(scale) or len(scale) < 2:
        raise AnalysisError(
            f"the scale's points are {list(points)}; at least two different points are needed, "
            "each once"
        )
    off = sorted(set(observed.tolist()) - set(scale))
    if off:
        raise AnalysisError(
            f"column {name!r} has the rating {point_name(off[0])}, which is not a point of the "
            f"scale {', '.join(map(point_name, scale))}: give the full scale or mend the value"
        )
    return scale


def _levels(series: pd.Series[Any]) -> list[str]:
    import pandas as pd

    seen = series.dropna()
    if isinstance(seen.dtype, pd.CategoricalDtype):
        occurring = set(seen.astype(str))
        return [str(c) for c in seen.cat.categories if str(c) in occurring]
    return sorted(set(seen.astype(str)))


def _reference(levels: list[str], reference: str | None, effect: str) -> str:
    if not levels:
        return str(reference) if reference is not None else "(none)"
    if reference is None:
        return levels[0]
    if str(reference) not in levels:
        raise AnalysisError(
            f"the reference {reference!r} is not a level of column {effect!r}; the levels are "
            f"{', '.join(levels)}: name one of these"
        )
    return str(reference)
