"""Every statistic on data that allow no answer: a reason, and no warning, nan or traceback."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.agreement.bootstrap import bootstrap_alpha
from analysis.agreement.coefficients import (
    WEIGHTS,
    brennan_prediger,
    conger_kappa,
    fleiss_kappa,
    gwet_ac,
    percent_agreement,
)
from analysis.agreement.intraclass import icc, kendall_w
from analysis.agreement.krippendorff import METRICS, krippendorff_alpha
from analysis.agreement.labels import annotation_scores
from analysis.agreement.two_raters import (
    cohen_kappa,
    confusion,
    light_kappa,
    pairwise_kappas,
    prevalence,
    stuart_maxwell,
)
from analysis.contrasts.multiplicity import METHODS, adjust
from analysis.contrasts.paired import bootstrap_difference, equivalence, paired_contrast
from analysis.contrasts.two_groups import compare_groups
from analysis.description.frequencies import frequency_table, frequency_tables, rater_totals
from analysis.description.quality import (
    attention_checks,
    longest_run,
    missingness,
    order_effect,
    position_effect,
    straightlining,
    too_fast,
)
from analysis.reliability.consistency import scale_reliability
from analysis.reliability.omega import omega_minres, omega_ml, omega_ordinal
from analysis.reliability.omega_bootstrap import bootstrap_omega
from analysis.reliability.polychoric import polychoric
from analysis.resampling import Bootstrap
from analysis.results import Estimate

NAN = math.nan
POINTS = [1, 2, 3, 4, 5]
ENDS = {"q0": (1.0, 5.0), "q1": (1.0, 5.0)}

TABLES: dict[str, np.ndarray] = {
    "no units": np.empty((0, 3)),
    "no raters": np.empty((4, 0)),
    "one rater": np.array([[1.0], [2.0], [3.0], [3.0]]),
    "one unit": np.array([[1.0, 2.0, 2.0]]),
    "one rating": np.array([[1.0]]),
    "all equal": np.full((6, 3), 4.0),
    "all missing": np.full((5, 3), NAN),
    "raters constant, but not alike": np.tile([2.0, 3.0, 4.0], (6, 1)),
    "units constant": np.repeat([[1.0], [2.0], [4.0], [5.0]], 3, axis=1),
    "ties everywhere": np.array([[1.0, 1, 2], [1, 2, 1], [2, 1, 1], [2, 2, 1], [1, 1, 1]]),
    "one point unused": np.array([[1.0, 5, 1], [5, 5, 1], [5, 1, 1], [1, 1, 1], [5, 5, 5]]),
    "one rater never answers": np.array([[1.0, 2, NAN], [2, 2, NAN], [3, 1, NAN], [4, 4, NAN]]),
    "no unit with two ratings": np.array([[1.0, NAN], [NAN, 2.0], [3.0, NAN]]),
    "one unit with two ratings": np.array([[1.0, 2.0], [NAN, 2.0], [3.0, NAN]]),
    "one other answer in thirty": np.vstack([np.full((9, 3), 5.0), [5.0, 5, 4]]),
    "opposed, and a rater who never answers": np.array(
        [[5.0, 1, NAN], [4, 2, NAN], [1, 5, NAN], [2, 4, NAN]]
    ),
    "a likelihood that runs out": np.array(
        [[5.0, 3, 1], [1, 2, 4], [4, 5, 4], [5, 2, 3], [4, 2, 3], [4, 5, 5]]
    ),
    "one other answer": np.array([[3.0, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 4.0]]),
    "two units, two raters": np.array([[1.0, 2.0], [2.0, 1.0]]),
    "raters opposed": np.array([[1.0, 5.0], [5.0, 1.0], [1.0, 5.0], [5.0, 1.0]]),
}

PAIRS: dict[str, tuple[list[float], list[float]]] = {
    "empty": ([], []),
    "one each": ([1.0], [2.0]),
    "one against many": ([1.0], [2.0, 3.0, 4.0]),
    "two each": ([1.0, 2.0], [2.0, 4.0]),
    "all equal": ([3.0] * 5, [3.0] * 5),
    "constant, apart": ([3.0] * 5, [4.0] * 5),
    "one constant": ([3.0] * 5, [1.0, 2, 3, 4, 5]),
    "no overlap": ([1.0, 2, 3], [4.0, 5, 6]),
    "all missing": ([NAN] * 3, [NAN] * 3),
    "one group missing": ([NAN] * 3, [1.0, 2, 3]),
    "ties everywhere": ([1.0, 2, 1, 2, 1], [2.0, 1, 2, 1, 1]),
    "shifted": ([1.0, 2, 3, 4], [2.0, 3, 4, 5]),
    "mirror": ([1.0, 2, 3], [3.0, 2, 1]),
    "apart by rounding": ([10 / 3, 13 / 3, 7 / 3, 11 / 3], [7 / 3, 10 / 3, 4 / 3, 8 / 3]),
    "equal but for rounding": ([1.1] * 3, [1.2, 1.1 + 0.1, 1.2]),
    "huge effect": ([1.0, 1.001, 0.999, 1.0], [100.0, 100.1, 99.9, 100.05]),
}

BY_TABLE: dict[str, Callable[[np.ndarray], Any]] = {
    **{
        f"{f.__name__} {w}": lambda t, f=f, w=w: f(t, POINTS, weights=w)
        for f, w in itertools.product(
            (percent_agreement, fleiss_kappa, conger_kappa, gwet_ac, brennan_prediger, light_kappa),
            WEIGHTS,
        )
    },
    **{
        f"krippendorff {m}": lambda t, m=m: krippendorff_alpha(t, POINTS, metric=m) for m in METRICS
    },
    **{
        f"bootstrap_alpha {r}": lambda t, r=r: bootstrap_alpha(
            t, POINTS, resample=r, bootstrap=Bootstrap(20)
        )
        for r in ("items", "raters", "both")
    },
    "icc complete": icc,
    "icc mixed": lambda t: icc(t, missing="mixed_model"),
    "icc mixed profile": lambda t: icc(t, missing="mixed_model_profile"),
    "kendall_w": kendall_w,
    "prevalence": lambda t: prevalence(t, POINTS),
    **{
        f"pairwise {w}": lambda t, w=w: pairwise_kappas(t, POINTS, weights=w).kappa.compressed()
        for w in WEIGHTS
    },
    "scale_reliability": scale_reliability,
    "bootstrap_omega": lambda t: bootstrap_omega(t, Bootstrap(5)),
    "omega_minres": omega_minres,
    "omega_ml": omega_ml,
    "omega_ordinal": lambda t: omega_ordinal(t, POINTS),
    "polychoric": lambda t: polychoric(t, POINTS),
}

BY_PAIR: dict[str, Callable[[Any, Any], Any]] = {
    "compare_groups": compare_groups,
}

BY_ALIGNED: dict[str, Callable[[Any, Any], Any]] = {
    "paired_contrast": lambda a, b: paired_contrast(a, b, bounds=(-1, 1)),
    "equivalence": lambda a, b: equivalence(a, b, (-1, 1)),
    "bca": lambda a, b: bootstrap_difference(a, b, bootstrap=Bootstrap(50)),
    "percentile": lambda a, b: bootstrap_difference(
        a, b, method="percentile", bootstrap=Bootstrap(50)
    ),
    "order_effect": lambda a, b: order_effect(a, ["x" if v == v and v > 2 else "y" for v in b]),
}


def _numbers(value: Any) -> Iterator[float]:
    """Every number anywhere in a result."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _numbers(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from itertools.chain.from_iterable(map(_numbers, value.values()))
    elif isinstance(value, (list, tuple)):
        yield from itertools.chain.from_iterable(map(_numbers, value))
    elif isinstance(value, np.ndarray):
        yield from value.ravel().tolist()
    elif isinstance(value, (int, float, np.number)):
        yield float(value)


def _estimates(value: Any) -> Iterator[Estimate]:
    if isinstance(value, Estimate):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _estimates(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from itertools.chain.from_iterable(map(_estimates, value.values()))
    elif isinstance(value, (list, tuple)):
        yield from itertools.chain.from_iterable(map(_estimates, value))


def _sound(result: Any) -> None:
    """Finite numbers only; every estimate says its unit and, when undefined, why."""
    assert all(math.isfinite(v) for v in _numbers(result))
    for e in _estimates(result):
        assert e.unit
        if e.estimate is None:
            assert len(e.undefined_because.split()) >= 3
            assert e.ci_low is None and e.p_value is None
        else:
            assert (e.ci_low is None) == (e.ci_high is None)
            if e.ci_low is not None and "bootstrap" not in e.ci_method:
                assert e.ci_low - 1e-9 <= e.estimate <= (e.ci_high or 0.0) + 1e-9
                # Limits that only rounding parts are an interval of nothing.
                assert e.ci_high - e.ci_low > 1e-10
            assert e.p_value is None or 0 <= e.p_value <= 1


@pytest.mark.parametrize("table", TABLES, ids=str)
@pytest.mark.parametrize("statistic", BY_TABLE, ids=str)
def test_table_of_ratings_gives_a_number_or_a_reason(statistic: str, table: str) -> None:
    """Property: warnings are errors here, and every number in the result is finite."""
    _sound(BY_TABLE[statistic](TABLES[table]))


@pytest.mark.parametrize("data", PAIRS, ids=str)
@pytest.mark.parametrize("statistic", BY_PAIR, ids=str)
def test_two_groups_give_numbers_or_reasons(statistic: str, data: str) -> None:
    """Property as above."""
    _sound(BY_PAIR[statistic](*PAIRS[data]))


@pytest.mark.parametrize("data", [k for k, (a, b) in PAIRS.items() if len(a) == len(b)], ids=str)
@pytest.mark.parametrize("statistic", BY_ALIGNED, ids=str)
def test_pairs_give_numbers_or_reasons(statistic: str, data: str) -> None:
    """Property as above."""
    _sound(BY_ALIGNED[statistic](*PAIRS[data]))


@pytest.mark.parametrize("data", [k for k, (a, b) in PAIRS.items() if len(a) == len(b)], ids=str)
def test_two_raters_give_numbers_or_reasons(data: str) -> None:
    """Property as above, for the statistics of exactly two raters."""
    a, b = (np.array([v if v <= 5 else 5.0 for v in np.nan_to_num(x, nan=-1)]) for x in PAIRS[data])
    a, b = (np.where(x < 0, NAN, np.round(x)) for x in (a, b))
    for weights in WEIGHTS:
        _sound(cohen_kappa(a, b, POINTS, weights=weights))
    _sound(stuart_maxwell(a, b, POINTS))
    _sound(confusion(a, b, POINTS))


NEVER_KAPPA = ("no units", "one rater", "one unit", "one rating", "all equal", "all missing")


@pytest.mark.parametrize("table", NEVER_KAPPA)
@pytest.mark.parametrize("kappa", [fleiss_kappa, conger_kappa, light_kappa, krippendorff_alpha])
def test_kappa_and_alpha_without_variation_are_undefined_not_one(kappa: Any, table: str) -> None:
    """By definition: chance agreement is 1 there, and (1 - 1) / (1 - 1) does not exist."""
    assert kappa(TABLES[table], POINTS).undefined_because


def test_equal_ratings_leave_cohens_kappa_undefined() -> None:
    """By definition: both raters always give 3, so chance agreement is 1."""
    result = cohen_kappa([3, 3, 3], [3, 3, 3], POINTS)
    assert result.estimate is None
    assert "one point" in result.undefined_because


def _long(values: list[float]) -> pd.DataFrame:
    n = len(values)
    return pd.DataFrame(
        {
            "rater": [f"r{i // 2}" for i in range(n)],
            "group": ["student"] * n,
            "prompt": ["p"] * n,
            "system": ["s"] * n,
            "item": [f"q{i % 2}" for i in range(n)],
            "position": [i % 2 + 1 for i in range(n)],
            "value": values,
            "seconds": values,
            "missing_reason": ["skipped" if v != v else None for v in values],
        }
    )


@pytest.mark.parametrize(
    "values", [[], [3.0], [NAN], [NAN] * 4, [3.0] * 6, [1.0, NAN, 2.0, 2.0]], ids=str
)
def test_long_tables_give_numbers_or_reasons(values: list[float]) -> None:
    """Property as above, for everything that takes a row per answer."""
    frame = _long(values)
    _sound(frequency_tables(frame, POINTS, by_group=True))
    _sound(rater_totals(frame))
    _sound(straightlining(frame, ENDS))
    _sound(too_fast(frame, minimum_seconds=2))
    _sound(attention_checks(frame, {"q0": [3]}))
    _sound(position_effect(frame, ENDS))
    _sound(missingness(frame, "rater"))
    _sound(frequency_table(values, POINTS))
    assert longest_run(values) >= 0


@pytest.mark.parametrize(
    ("reference", "annotated"),
    [([], []), ([None], [None]), (["a"], ["a"]), (["a", "a"], ["b", "b"]), (["a"], [None])],
)
def test_annotations_give_numbers_or_reasons(reference: list[Any], annotated: list[Any]) -> None:
    """Property as above."""
    _sound(annotation_scores(reference, annotated, ["a", "b", "c"]))


@pytest.mark.parametrize("method", METHODS)
def test_no_p_values_are_adjusted_to_none(method: str) -> None:
    """An undefined statistic has no p-value to adjust and does not count in the family."""
    assert adjust([], method=method) == ()
    assert adjust([None, None], method=method) == (None, None)
    assert adjust([None, 0.03], method=method) == (None, pytest.approx(0.03))


def test_a_kappa_that_is_0_but_for_rounding_has_no_interval_and_no_test() -> None:
    """By hand: two raters always give 5, so observed agreement is that of chance for every weight."""
    table = TABLES["one other answer in thirty"]
    for weights in WEIGHTS:
        found = conger_kappa(table, POINTS, weights=weights)
        assert (found.estimate, found.ci_low, found.p_value) == (0.0, None, None)
        assert light_kappa(table, POINTS, weights=weights).estimate == 0.0


def test_an_interval_of_a_coefficient_below_minus_1_holds_it() -> None:
    """By hand, Brennan and Prediger: agreement .35 and chance .72 give -37 / 28."""
    table = TABLES["opposed, and a rater who never answers"]
    found = brennan_prediger(table, POINTS, weights="ordinal")
    assert found.estimate == pytest.approx(-37 / 28)
    assert found.ci_low is not None and found.ci_low < -37 / 28
