"""Agreement of the raters of a table, long or wide, in one piece or for each value of a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.agreement.quadratic_kappas import WHICH_IS_WHICH, all_quadratic_kappas
from analysis.results import Estimate
from analysis.rounding import without_rounding
from analysis.tables.rating_table import RatingTable
from analysis.tables.ratings import ResultBlock, agreement_of, estimates_in, light_kappa_of, under
from analysis.tables.reading import numeric_columns
from analysis.tables.scales import Scales
from analysis.tables.values_on_scale import check_values
from analysis.validation import FloatArray

# 190 pairs fill some pages; more are for a program, which may name raters.
MOST_RATERS_PAIRED = 20
PAIRS_TITLE = "Quadratic kappa of every two raters"
AVERAGED_NOTE = (
    "Averaged ratings: coefficients with weights by value, from the values themselves. Those whose chance "
    "depends on how many categories there are (unweighted, ordinal, Gwet's, Brennan and Prediger's) do not "
    "exist for averages. An average of several raters agrees better than one of them would."
)

_REMEDY = (
    "Take the single raters instead, leave the averaged one out by --raters, or give --averaged for "
    "coefficients that are weighted by value."
)


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
        As in `analysis.tables.ratings.agreement_of`.

    Raises
    ------
    AnalysisError
        When a value is not on the scale, or lies between its points and ``averaged`` is not said.
    """
    blocks = []
    for table in tables:
        points = scales.of(table.name)
        check_values(table, points, averaged=averaged, remedy=_REMEDY)
        found = _agreement(table, points, averaged, pairs_only, level, seed)
        blocks += [under(table.name, block) for block in found]
    return blocks


def _agreement(
    table: RatingTable,
    points: Sequence[float] | None,
    averaged: bool,
    pairs_only: bool,
    level: float,
    seed: int,
) -> list[ResultBlock]:
    names = [str(column) for column in table.cells.columns]
    if len(names) < 2:
        because = f"there are ratings by {len(names)} rater, and agreement needs two"
        return [ResultBlock("Agreement", (), {"undefined_because": because})]
    numbers = numeric_columns(table.cells, names)
    blocks = []
    if not pairs_only:
        if averaged or points is None:
            blocks += averaged_agreement_of(numbers.to_numpy(), level=level, seed=seed)
        else:
            blocks += agreement_of(numbers, points, level=level, seed=seed)
        # Whoever has raters in the rows, or one column too many, sees it here.
        who = f"{', '.join(names[:MOST_RATERS_PAIRED])}{', ...' if len(names) > MOST_RATERS_PAIRED else ''}"
        said = f"{len(numbers)} units by {len(names)} raters: {who}."
        blocks[0].facts["notes"] = [said, *blocks[0].facts.get("notes", [])]
    scale = None if averaged else points
    return [*blocks, _pairs(numbers.to_numpy(), names, scale, level)]


def _pairs(
    numbers: FloatArray, names: Sequence[str], points: Sequence[float] | None, level: float
) -> ResultBlock:
    if len(names) > MOST_RATERS_PAIRED:
        because = (
            f"{len(names)} raters make {len(names) * (len(names) - 1) // 2} pairs; name up to "
            f"{MOST_RATERS_PAIRED} with --raters"
        )
        return ResultBlock(PAIRS_TITLE, (), {"undefined_because": because})
    kappas = all_quadratic_kappas(numbers, names, points, level=level)
    return ResultBlock(PAIRS_TITLE, tuple(kappas), {"notes": [WHICH_IS_WHICH]})


def averaged_agreement_of(
    numbers: FloatArray, *, level: float = 0.95, seed: int = 0
) -> list[ResultBlock]:
    """Agreement of raters some of whom are means of several people.

    Only what is weighted by value and does not change with the number of categories: Fleiss', Conger's
    and Light's kappa with linear and quadratic weights, Krippendorff's interval and ordinal alpha,
    intraclass correlations, Kendall's W.
    """
    from analysis.agreement import coefficients as agreement
    from analysis.agreement import intraclass as agreement_icc
    from analysis.agreement.krippendorff import krippendorff_alpha

    given = ~np.isnan(numbers)
    table = numbers.copy()
    table[given] = without_rounding(numbers[given])
    used = np.unique(table[given])
    notes: dict[str, Any] = {"notes": [AVERAGED_NOTE]}
    if used.size < 2:
        because = "all ratings are equal" if used.size else "there is no rating"
        return [
            ResultBlock("Agreement beyond chance, by value", (), {"undefined_because": because})
        ]
    points = used.tolist()
    estimates: list[Estimate] = []
    for weights in ("linear", "quadratic"):
        for statistic in (agreement.fleiss_kappa, agreement.conger_kappa):
            estimates.append(statistic(table, points, weights=weights, level=level))
        estimates.append(light_kappa_of(table, points, weights, {"level": level}, seed))
    for metric in ("ordinal", "interval"):
        estimates.append(krippendorff_alpha(table, points, metric=metric, level=level))
    blocks = [ResultBlock("Agreement beyond chance, by value", tuple(estimates), notes)]
    for missing, how in (("complete", "complete"), ("mixed_model", "mixed model")):
        forms = agreement_icc.icc(table, missing=missing, level=level)
        title = f"Intraclass correlations ({how})"
        blocks.append(ResultBlock(title, estimates_in(forms), {"missing": missing}))
    blocks.append(ResultBlock("Concordance of ranks", (agreement_icc.kendall_w(table),), {}))
    return blocks
