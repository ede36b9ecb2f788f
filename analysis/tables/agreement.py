"""Agreement of the raters of a table, long or wide, in one piece or for each value of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.agreement.intraclass import IntraclassCorrelations
from analysis.agreement.quadratic_kappas import WHICH_IS_WHICH, all_quadratic_kappas
from analysis.chapters.agreement import averaged_agreement, table_agreement
from analysis.chapters.decisions import REPLICATES
from analysis.chapters.rated_units import RatedUnits
from analysis.resampling import Bootstrap
from analysis.results import Estimate
from analysis.tables.blocks import ResultBlock, UndefinedBlock, estimates_in, under
from analysis.tables.rating_table import RatingTable
from analysis.tables.reading import numeric_columns
from analysis.tables.scales import Scales
from analysis.tables.values_on_scale import check_values
from analysis.validation import FloatArray

# 190 pairs fill some pages; more are for a program, which may name raters.
MOST_RATERS_NAMED = 20
PAIRS_TITLE = "Quadratic kappa of every two raters"
AVERAGED_NOTE = (
    "Averaged ratings: coefficients with weights by value, from the values themselves. Those whose chance "
    "depends on how many categories there are (unweighted, ordinal, Gwet's, Brennan and Prediger's) do not "
    "exist for averages. An average of several raters agrees better than one of them would."
)

_HOW_GAPS = {
    "complete": "complete",
    "mixed_model": "mixed model",
    "mixed_model_profile": "mixed model, intervals that know of missing ratings",
}
_REMEDY = (
    "Take the single raters instead, leave the averaged one out by --raters, or give --averaged for "
    "coefficients that are weighted by value."
)


@dataclass(frozen=True, kw_only=True)
class CoefficientsBlock(ResultBlock):
    """Chance-corrected coefficients of a table of ratings."""

    units: int
    raters: int
    ratings: int
    missing_ratings: int


@dataclass(frozen=True, kw_only=True)
class RedrawnBlock(ResultBlock):
    """Estimates with intervals from a bootstrap."""

    replicates: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class IntraclassBlock(ResultBlock):
    """The six intraclass correlations; ``missing`` is how gaps are treated."""

    missing: str


def agreement_by(
    tables: Sequence[RatingTable],
    scales: Scales,
    *,
    averaged: bool = False,
    pairs_only: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> list[ResultBlock]:
    """Agreement within each table.

    Parameters
    ----------
    tables : sequence of RatingTable
    scales : Scales
        The points of each table's scale; for averaged ratings only the ends matter, and they may be
        unknown.
    averaged : bool
        Values are means of several raters: coefficients by value only.
    pairs_only : bool
        Only the quadratic kappas of every two raters.
    level, seed
        Of the intervals, and of what is drawn again.

    Raises
    ------
    AnalysisError
        When a value is not on the scale, or lies between its points and ``averaged`` is not said.
    """
    blocks, bootstrap = [], Bootstrap(REPLICATES, level, seed)
    for table in tables:
        points = scales.of(table.name)
        check_values(table, points, averaged=averaged, remedy=_REMEDY)
        found = _agreement(table, points, averaged, pairs_only, bootstrap)
        blocks += [under(table.name, block) for block in found]
    return blocks


def _agreement(
    table: RatingTable,
    points: Sequence[float] | None,
    averaged: bool,
    pairs_only: bool,
    bootstrap: Bootstrap,
) -> list[ResultBlock]:
    names = [str(column) for column in table.cells.columns]
    if len(names) < 2:
        because = f"there are ratings by {len(names)} rater, and agreement needs two"
        return [UndefinedBlock("Agreement", (), undefined_because=because)]
    numbers = numeric_columns(table.cells, names).to_numpy()
    blocks: list[ResultBlock] = []
    if not pairs_only:
        if averaged or points is None:
            blocks += averaged_agreement_of(numbers, bootstrap)
        else:
            blocks += agreement_of(RatedUnits(numbers, points, bootstrap))
        # Whoever has raters in the rows, or one column too many, sees it here.
        who = f"{', '.join(names[:MOST_RATERS_NAMED])}{', ...' if len(names) > MOST_RATERS_NAMED else ''}"
        said = f"{len(numbers)} units by {len(names)} raters: {who}."
        blocks[0] = replace(blocks[0], notes=(said, *(blocks[0].notes or ())))
    scale = None if averaged else points
    return [*blocks, _pairs(numbers, names, scale, bootstrap.level)]


def _pairs(
    numbers: FloatArray, names: Sequence[str], points: Sequence[float] | None, level: float
) -> ResultBlock:
    if len(names) > MOST_RATERS_NAMED:
        because = (
            f"{len(names)} raters make {len(names) * (len(names) - 1) // 2} pairs; name up to "
            f"{MOST_RATERS_NAMED} with --raters"
        )
        return UndefinedBlock(PAIRS_TITLE, (), undefined_because=because)
    kappas = all_quadratic_kappas(numbers, names, points, level=level)
    return ResultBlock(PAIRS_TITLE, tuple(kappas), (WHICH_IS_WHICH,))


def agreement_of(table: RatedUnits) -> list[ResultBlock]:
    """Agreement of raters on the points of a scale."""
    found, numbers = table_agreement(table), table.matrix
    rated = int((~np.isnan(numbers)).sum())
    blocks: list[ResultBlock] = [
        CoefficientsBlock(
            "Agreement beyond chance",
            found.coefficients,
            units=int(numbers.shape[0]),
            raters=int(numbers.shape[1]),
            ratings=rated,
            missing_ratings=int(numbers.size) - rated,
        ),
        RedrawnBlock(
            "Krippendorff's ordinal alpha, bootstrap intervals",
            found.alphas_redrawn,
            replicates=table.bootstrap.replicates,
            seed=table.bootstrap.seed,
        ),
    ]
    if found.two_raters:
        blocks.append(ResultBlock("Cohen's kappa of the two raters", found.two_raters))
    for missing, forms in found.intraclass:
        notes = _fewer_units(forms.icc2, found.coefficients[0])
        blocks.append(_intraclass(missing, forms, notes))
    notes = _fewer_units(found.concordance, found.coefficients[0])
    blocks.append(ResultBlock("Concordance of ranks", (found.concordance,), notes))
    return blocks


def _intraclass(
    missing: str, forms: IntraclassCorrelations, notes: tuple[str, ...] | None = None
) -> ResultBlock:
    title = f"Intraclass correlations ({_HOW_GAPS[missing]})"
    return IntraclassBlock(title, estimates_in(forms), notes, missing=missing)


def _fewer_units(found: Estimate, agreement: Estimate) -> tuple[str, ...]:
    """A word where only units with all ratings enter, beside coefficients that take more of them."""
    if found.estimate is None or found.n >= agreement.n:
        return ()
    return (
        f"Different samples: these figures take the {found.n} units that every rater rated (listwise), "
        f"the coefficients of agreement the {agreement.n} units that two or more raters rated.",
    )


def averaged_agreement_of(numbers: FloatArray, bootstrap: Bootstrap) -> list[ResultBlock]:
    """Agreement of raters some of whom are means of several people."""
    title = "Agreement beyond chance, by value"
    found = averaged_agreement(numbers, bootstrap)
    if isinstance(found, str):
        return [UndefinedBlock(title, (), undefined_because=found)]
    return [
        ResultBlock(title, found.coefficients, (AVERAGED_NOTE,)),
        *(_intraclass(missing, forms) for missing, forms in found.intraclass),
        ResultBlock("Concordance of ranks", (found.concordance,)),
    ]
