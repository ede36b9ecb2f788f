"""Adjusted p-values within families declared in advance; everything else is exploratory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.validation import one_of
from study.errors import AnalysisError

METHODS = ("holm", "hommel", "benjamini_hochberg", "benjamini_yekutieli")
EXPLORATORY = "exploratory"
_STATSMODELS = {
    "holm": "holm",
    "hommel": "hommel",
    "benjamini_hochberg": "fdr_bh",
    "benjamini_yekutieli": "fdr_by",
}


@dataclass(frozen=True)
class AdjustedTest:
    """One test with its raw and its adjusted p-value.

    Parameters
    ----------
    test, family : str
        ``family`` is ``"exploratory"`` for a test that no declared family names.
    p_value, adjusted_p_value : float or None
        None where the statistic is undefined; exploratory tests have no adjusted p-value.
    method : str
        Empty for exploratory tests.
    """

    test: str
    family: str
    p_value: float | None
    adjusted_p_value: float | None
    method: str


def adjust(p_values: Sequence[float | None], *, method: str = "holm") -> tuple[float | None, ...]:
    """P-values adjusted for being a family.

    Parameters
    ----------
    p_values : sequence of float or None
        None (an undefined statistic) stays None and does not count in the family.
    method : {"holm", "hommel", "benjamini_hochberg", "benjamini_yekutieli"}
        The first two control the chance of any false positive, Hommel under independence or
        positive dependence; the others the expected share of false positives, Yekutieli's under
        any dependence.

    Returns
    -------
    tuple of float or None

    Raises
    ------
    AnalysisError
        When a p-value is not between 0 and 1.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure.
    .. [2] Hommel, G. (1988). A stagewise rejective multiple test procedure.
    .. [3] Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate.
    .. [4] Benjamini, Y., & Yekutieli, D. (2001). The control of the false discovery rate under
       dependency.

    Examples
    --------
    >>> adjust([0.01, 0.04, None])
    (0.02, 0.04, None)
    """
    one_of(method, METHODS, "method")
    given = [p for p in p_values if p is not None]
    wrong = [p for p in given if not 0.0 <= p <= 1.0]
    if wrong:
        raise AnalysisError(f"p_values: {wrong[0]}; expected numbers between 0 and 1, or none")
    if not given:
        return tuple(None for _ in p_values)
    from statsmodels.stats.multitest import multipletests

    adjusted = iter(multipletests(np.asarray(given), method=_STATSMODELS[method])[1])
    return tuple(None if p is None else float(min(1.0, next(adjusted))) for p in p_values)


def adjust_families(
    p_values: Mapping[str, float | None],
    families: Mapping[str, Sequence[str]],
    *,
    method: str = "holm",
) -> tuple[AdjustedTest, ...]:
    """Adjust each declared family by itself and mark the rest as exploratory.

    Parameters
    ----------
    p_values : mapping from test to float or None
    families : mapping from family to its tests
        As the locked plan declares them; a test belongs to one family.
    method : str
        As in `adjust`.

    Returns
    -------
    tuple of AdjustedTest
        In the order of ``p_values``.

    Raises
    ------
    AnalysisError
        When a family names a test that was not done, or a test is in two families.
    """
    owner: dict[str, str] = {}
    for family, tests in families.items():
        for test in tests:
            if test not in p_values:
                raise AnalysisError(
                    f"family {family!r} names the test {test!r}, which was not done; the tests "
                    f"are {', '.join(p_values)}"
                )
            if test in owner:
                raise AnalysisError(
                    f"the test {test!r} is in the families {owner[test]!r} and {family!r}; "
                    "name it in one"
                )
            owner[test] = family
    adjusted: dict[str, float | None] = {}
    for tests in families.values():
        values = adjust([p_values[test] for test in tests], method=method)
        adjusted.update(zip(tests, values, strict=True))
    return tuple(
        AdjustedTest(
            test,
            owner.get(test, EXPLORATORY),
            p,
            adjusted.get(test),
            method if test in owner else "",
        )
        for test, p in p_values.items()
    )
