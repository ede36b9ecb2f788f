"""Two independent groups: both t tests, rank tests and effect sizes, none chosen by the data.

The test that counts is declared before the data are seen (``planned``); the other one stands
beside it, and the checks of normality and variance are shown without switching anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from analysis.contrasts.assumptions import equal_variances, normality
from analysis.contrasts.effect_sizes import (
    StandardisedDetails,
    Summary,
    TDetails,
    Units,
    summarised,
    t_estimate,
    two_group_effects,
    welch_df,
)
from analysis.contrasts.ranks import (
    CliffDetails,
    MannWhitneyDetails,
    brunner_munzel,
    cliffs_delta,
    mann_whitney,
    rank_biserial,
)
from analysis.results import Assumption, Estimate, undefined
from analysis.rounding import rounding_error, without_rounding
from analysis.validation import (
    LARGEST,
    confidence_level,
    one_of,
    positive,
    without_missing,
)
from study.entities import DEFAULT_TWO_GROUP_TEST, TwoGroupTest
from study.errors import AnalysisError

PLANNED: tuple[TwoGroupTest, ...] = get_args(TwoGroupTest)


@dataclass(frozen=True)
class SummaryComparison:
    """What means, standard deviations and ns of two groups allow to say.

    Differences are first minus second. ``planned`` names the t test declared in advance
    (``"student"`` or ``"welch"``).
    """

    groups: tuple[Summary, Summary]
    planned: TwoGroupTest
    student: Estimate[TDetails]
    welch: Estimate[TDetails]
    hedges_g: Estimate[StandardisedDetails]
    hedges_g_average_variance: Estimate[StandardisedDetails]
    cohens_d: Estimate[StandardisedDetails]
    glass_delta: Estimate[StandardisedDetails]

    @property
    def planned_test(self) -> Estimate[TDetails]:
        """The t test that was declared in advance."""
        return self.student if self.planned == "student" else self.welch


@dataclass(frozen=True)
class GroupComparison(SummaryComparison):
    """Two groups with their raw values: the above and what needs the values themselves."""

    mann_whitney: Estimate[MannWhitneyDetails]
    brunner_munzel: Estimate[TDetails]
    cliffs_delta: Estimate[CliffDetails]
    rank_biserial: Estimate
    assumptions: tuple[Assumption, ...]


def compare_groups(
    first: ArrayLike,
    second: ArrayLike,
    *,
    names: tuple[str, str] = ("first", "second"),
    planned: TwoGroupTest = DEFAULT_TWO_GROUP_TEST,
    level: float = 0.95,
    unit: str = "rater",
) -> GroupComparison:
    """Compare two independent groups of values.

    Each value must stand for another unit (``unit``): repeated ratings by one rater have to be
    summed or modelled first, or every p-value here is too small.

    Parameters
    ----------
    first, second : array-like, shape (n,)
        Missing as nan; left out and counted. Values that only rounding parts are taken as equal
        (`analysis.rounding`).
    names : pair of str
    planned : {"welch", "student"}
        The t test declared in advance.
    level : float
    unit : str
        What one value stands for.

    Returns
    -------
    GroupComparison
        ``mann_whitney``: estimate is U of the first group; see
        `analysis.contrasts.ranks.mann_whitney`. ``brunner_munzel``: estimate is
        P(first > second) + P(equal) / 2. ``cliffs_delta`` and ``rank_biserial`` are one number
        with two intervals: Cliff's, which allows unequal spread, and Fisher's z of a rank
        correlation.

    Raises
    ------
    AnalysisError
        When values are not numbers.

    References
    ----------
    .. [1] Welch, B. L. (1947). The generalization of Student's problem.
    .. [2] Brunner, E., & Munzel, U. (2000). The nonparametric Behrens-Fisher problem.
    .. [3] Cliff, N. (1996). Answering ordinal questions with ordinal data using ordinal statistics.
    .. [4] Kerby, D. S. (2014). The simple difference formula.

    Examples
    --------
    >>> compare_groups([3, 4, 5, 5], [2, 3, 3, 4]).student.details.df
    6
    """
    confidence_level(level)
    one_of(planned, PLANNED, "planned")
    x, x_missing = without_missing(first, names[0])
    y, y_missing = without_missing(second, names[1])
    # Both at once, so that ranks see a tie across the groups.
    x, y = np.split(without_rounding(np.concatenate([x, y])), [x.size])
    groups = (summarised(names[0], x, x_missing), summarised(names[1], y, y_missing))
    student, welch = _t_tests(groups, level, unit)
    n_missing = x_missing + y_missing
    return GroupComparison(
        groups,
        planned,
        student,
        welch,
        **two_group_effects(*groups, level, unit),
        mann_whitney=mann_whitney(x, y, n_missing, unit),
        brunner_munzel=brunner_munzel(x, y, level, n_missing, unit),
        cliffs_delta=cliffs_delta(x, y, level, n_missing, unit),
        rank_biserial=rank_biserial(x, y, level, n_missing, unit),
        assumptions=(
            normality(x, names[0]),
            normality(y, names[1]),
            equal_variances(names, x, y),
        ),
    )


def compare_summaries(
    first: Summary,
    second: Summary,
    *,
    planned: TwoGroupTest = DEFAULT_TWO_GROUP_TEST,
    level: float = 0.95,
    unit: str = "rater",
) -> SummaryComparison:
    """The same t tests and effect sizes from published n, mean and standard deviation.

    Parameters
    ----------
    first, second : Summary
        With mean and sd; n of 1 leaves everything undefined.
    planned, level, unit
        As in `compare_groups`.

    Raises
    ------
    AnalysisError
        When an n is below 1 or a standard deviation is negative.

    Examples
    --------
    >>> a, b = Summary("STEM", 26, 292.04, 62.15), Summary("Non-STEM", 10, 268.40, 71.04)
    >>> round(compare_summaries(a, b).student.p_value, 3)
    0.333
    """
    confidence_level(level)
    one_of(planned, PLANNED, "planned")
    groups = (_published(first), _published(second))
    student, welch = _t_tests(groups, level, unit)
    return SummaryComparison(
        groups, planned, student, welch, **two_group_effects(*groups, level, unit)
    )


def _published(group: Summary) -> Summary:
    from dataclasses import replace

    positive(group.n, f"{group.name}: n")
    if group.mean is None or not np.isfinite(group.mean):
        raise AnalysisError(f"{group.name}: mean is {group.mean}; give the published mean")
    if group.n == 1:
        return replace(group, sd=None)
    if group.sd is None or not np.isfinite(group.sd) or group.sd < 0:
        raise AnalysisError(
            f"{group.name}: standard deviation is {group.sd}; expected the published standard "
            "deviation, 0 or more"
        )
    beyond = max(abs(group.mean), group.sd)
    if beyond > LARGEST:
        raise AnalysisError(
            f"{group.name}: {beyond:g} is too large to compute with; expected a mean and standard "
            f"deviation up to {LARGEST:g}"
        )
    # A standard deviation of this size is what the rounding of equal values left.
    return replace(group, sd=0.0) if group.sd <= rounding_error(np.asarray(group.mean)) else group


def _t_tests(
    groups: tuple[Summary, Summary], level: float, unit: str
) -> tuple[Estimate[TDetails], Estimate[TDetails]]:
    a, b = groups
    units = Units(a.n + b.n, a.n_missing + b.n_missing, unit)
    names = ("student_t_difference", "welch_t_difference")
    if a.mean is None or b.mean is None or a.sd is None or b.sd is None:
        because = f"each group needs at least two values; there are {a.n} and {b.n}"
    elif a.sd == 0 and b.sd == 0:
        because = "all values within each group are equal, so there is no variance to test with"
    else:
        because = ""
    if because or a.mean is None or b.mean is None or a.sd is None or b.sd is None:
        refused = (undefined(k, because, **vars(units)) for k in names)
        return next(refused), next(refused)
    difference, v1, v2 = a.mean - b.mean, a.sd**2, b.sd**2
    pooled = ((a.n - 1) * v1 + (b.n - 1) * v2) / (units.n - 2)
    kinds = (
        (names[0], float(np.sqrt(pooled * (1 / a.n + 1 / b.n))), units.n - 2),
        (names[1], float(np.sqrt(v1 / a.n + v2 / b.n)), welch_df(a.n, v1, b.n, v2)),
    )
    tests = [t_estimate(name, difference, error, df, level, units) for name, error, df in kinds]
    return tests[0], tests[1]
