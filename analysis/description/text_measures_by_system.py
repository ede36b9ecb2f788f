"""Automatic measures of systems: one figure for each, and differences, with bootstrap intervals.

Responses to the same prompt hang together across systems, and new prompts are what the result is to
hold for; so whole prompts are drawn again, the same ones for both systems of a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.description.text_measures import FAMILIES, Family, Measure, measure_responses
from analysis.resampling import (
    DEFAULT_BOOTSTRAP,
    Bootstrap,
    Drawn,
    bootstrap_interval,
    resampled,
)
from analysis.results import Details, Estimate, undefined
from analysis.validation import FloatArray, columns_present
from study.errors import AnalysisError


@dataclass(frozen=True)
class MeasureDetails(Details):
    """Of a measure of texts.

    Parameters
    ----------
    no_interval_because : str or None
        None where draws gave an interval, or the reason why they gave none.
    missing : str
        Why prompts have no value, with how many responses each.
    """

    no_interval_because: str | None
    missing: str


@dataclass(frozen=True)
class SystemMeasure:
    """One measure of one system, or of a difference of two (``against`` given)."""

    measure: Measure
    system: str
    against: str | None
    result: Estimate


@dataclass(frozen=True)
class _Sums:
    """Sums over a system's responses, by prompt; nan where the prompt has no value."""

    numerator: FloatArray
    denominator: FloatArray
    highest: FloatArray
    missing: Counter[str]


def measures_of_systems(
    responses: pd.DataFrame,
    *,
    systems: Sequence[str] | None = None,
    contrasts: Sequence[tuple[str, str]] = (),
    families: Sequence[Family] = FAMILIES,
    language: str = "en",
    bootstrap: Bootstrap = DEFAULT_BOOTSTRAP,
) -> tuple[SystemMeasure, ...]:
    """Every measure of every system, and the differences that are asked for.

    A mean or rate is the ratio of two sums over the system's responses. Its interval is the percentile
    interval of the same ratio over prompts drawn again with replacement [1]_. The highest memory is a
    maximum, for which the bootstrap does not work, so it has no interval.

    Parameters
    ----------
    responses : DataFrame
        One row per response: ``prompt``, ``system``, ``text`` and what
        `analysis.description.text_measures.measure_responses` reads besides.
    systems : sequence of str or None
        In the order wanted; None takes those that occur.
    contrasts : sequence of (system, against)
        Differences, first minus second, over prompts that both have.
    families : sequence of {"rouge", "length", "readability", "speed"}
    language : str
    bootstrap : Bootstrap
        Of prompts.

    Returns
    -------
    tuple of SystemMeasure
        Measure by measure: the systems, then the differences. ``n`` counts prompts with a value,
        ``n_missing`` prompts (of those in the data) without one; ``details`` holds ``replicates``,
        ``seed`` and, as a sentence, why values are missing.

    Raises
    ------
    AnalysisError
        When a column or a system is missing.

    References
    ----------
    .. [1] Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application.
    """
    drawing = _PromptDraws(bootstrap)
    columns_present(list(responses.columns), ["prompt", "system", "text"], "the responses")
    prompts, rows = np.unique(responses["prompt"].astype(str).to_numpy(), return_inverse=True)
    names = responses["system"].astype(str).to_numpy()
    wanted = list(dict.fromkeys(names)) if systems is None else list(systems)
    _refuse_unknown(contrasts, wanted)
    found: list[SystemMeasure] = []
    for measured in measure_responses(responses, language=language).values():
        measure = measured.measure
        if measure.family not in families:
            continue
        sums = {}
        for system in wanted:
            own = names == system
            reasons = [why for why, chosen in zip(measured.reasons, own, strict=True) if chosen]
            values = (measured.numerator[own], measured.denominator[own])
            sums[system] = _sums(rows[own], len(prompts), *values, reasons)
        for system in wanted:
            result = drawing.of_system(measure, sums[system])
            found.append(SystemMeasure(measure, system, None, result))
        for system, against in contrasts:
            result = drawing.of_difference(measure, sums[system], sums[against])
            found.append(SystemMeasure(measure, system, against, result))
    return tuple(found)


def _refuse_unknown(contrasts: Sequence[tuple[str, str]], systems: Sequence[str]) -> None:
    for name in (name for pair in contrasts for name in pair):
        if name not in systems:
            raise AnalysisError(
                f"There is no system {name!r} among the responses; found {', '.join(systems)}."
            )


def _sums(
    rows: np.ndarray,
    n: int,
    numerator: FloatArray,
    denominator: FloatArray,
    reasons: Sequence[str],
) -> _Sums:
    known = ~np.isnan(numerator)
    given = np.bincount(rows[known], minlength=n) > 0
    highest = np.full(n, -np.inf)
    np.maximum.at(highest, rows[known], numerator[known])

    def total(values: FloatArray) -> FloatArray:
        added = np.bincount(rows[known], weights=values[known], minlength=n)
        return np.where(given, added, np.nan)

    return _Sums(
        total(numerator),
        total(denominator),
        np.where(given, highest, np.nan),
        Counter(why for why in reasons if why),
    )


@dataclass(frozen=True)
class _PromptDraws:
    """Measures with intervals from prompts that are drawn again."""

    bootstrap: Bootstrap

    def of_system(self, measure: Measure, sums: _Sums) -> Estimate:
        """The measure of one system."""
        known = ~np.isnan(sums.numerator)
        if not known.any():
            return undefined(
                measure.name, _why_none([sums]), n_missing=int(known.size), unit="prompt"
            )
        if measure.pooled == "highest":
            return self._without_interval(measure, float(np.nanmax(sums.highest)), known, [sums])
        above, below = sums.numerator[known], sums.denominator[known]
        values = self._resampled([(above, below)])[:, 0]
        estimate = float(above.sum() / below.sum())
        return self._with_interval(measure, estimate, values, known, [sums])

    def of_difference(self, measure: Measure, first: _Sums, second: _Sums) -> Estimate:
        """First minus second, over the prompts that both have."""
        both = ~np.isnan(first.numerator) & ~np.isnan(second.numerator)
        if not both.any():
            return undefined(
                measure.name, _why_none([first, second]), n_missing=int(both.size), unit="prompt"
            )
        if measure.pooled == "highest":
            apart = float(np.nanmax(first.highest) - np.nanmax(second.highest))
            return self._without_interval(measure, apart, both, [first, second])
        parts = [(s.numerator[both], s.denominator[both]) for s in (first, second)]
        ours, theirs = self._resampled(parts).T
        one, other = (float(above.sum() / below.sum()) for above, below in parts)
        return self._with_interval(measure, one - other, ours - theirs, both, [first, second])

    def _resampled(self, parts: Sequence[tuple[FloatArray, FloatArray]]) -> FloatArray:
        """Ratios of sums of prompts drawn again, shape (replicates, parts).

        The same prompts for every system that has them all, because the seed is the same.
        """
        above, below = (np.column_stack(sums) for sums in zip(*parts, strict=True))
        return resampled(
            len(above), self.bootstrap, lambda drawn: (drawn @ above) / (drawn @ below)
        )

    def _with_interval(
        self,
        measure: Measure,
        estimate: float,
        values: FloatArray,
        known: np.ndarray,
        sums: Sequence[_Sums],
    ) -> Estimate:
        n = int(known.sum())
        if n < 2:
            return self._without_interval(measure, estimate, known, sums)
        point = Estimate(
            measure.name,
            estimate,
            ci_level=self.bootstrap.level,
            n=n,
            n_missing=int(known.size) - n,
            unit="prompt",
            details=MeasureDetails(None, _why_missing(sums)),
        )
        drawn = Drawn("prompts", n, seed=self.bootstrap.seed)
        return bootstrap_interval(point, values, drawn, level=self.bootstrap.level)

    def _without_interval(
        self, measure: Measure, estimate: float, known: np.ndarray, sums: Sequence[_Sums]
    ) -> Estimate:
        n = int(known.sum())
        because = (
            "a maximum has no bootstrap interval"
            if measure.pooled == "highest"
            else "one prompt tells nothing about others"
        )
        return Estimate(
            measure.name,
            estimate,
            ci_level=self.bootstrap.level,
            n=n,
            n_missing=int(known.size) - n,
            unit="prompt",
            details=MeasureDetails(because, _why_missing(sums)),
        )


def _why_missing(sums: Sequence[_Sums]) -> str:
    """Reasons with how many responses each."""
    together: Counter[str] = Counter()
    for one in sums:
        together.update(one.missing)
    return "; ".join(f"{why}: {number}" for why, number in sorted(together.items()))


def _why_none(sums: Sequence[_Sums]) -> str:
    reasons = _why_missing(sums)
    return f"no prompt has a value ({reasons})" if reasons else "no prompt has a value"
