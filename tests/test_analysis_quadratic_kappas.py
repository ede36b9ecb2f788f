"""Quadratic kappas by value and by place. Oracles: published tables, scikit-learn, hand arithmetic."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from analysis.agreement.quadratic_kappas import (
    BY_PLACE,
    BY_VALUE,
    MOST_VALUES,
    all_quadratic_kappas,
    quadratic_kappas,
)
from analysis.agreement.two_raters import cohen_kappa
from study.errors import AnalysisError

EMPATHIC = Path(__file__).parent / "reference" / "empathic-conversations"


def kind_of(pair: tuple[str, str]) -> str:
    return "crowd" if "crowd" in pair else "model" if "llm" in pair else "experts"


def test_the_published_kappas_come_out_and_which_reading_gives_them_is_counted() -> None:
    """Oracle: 126 published kappas; all are weights by place, 93 are weights by value as well."""
    ratings = pd.read_csv(EMPATHIC / "ratings.csv")
    published = pd.read_csv(EMPATHIC / "table_kappa.csv", dtype=str)
    met: dict[str, Counter[str]] = {BY_VALUE: Counter(), BY_PLACE: Counter()}
    for row in published.to_dict("records"):
        one, two = ast.literal_eval(row["Annotator Pair"])
        rated = ratings[ratings["dimension"] == row["Dimension"]]
        table = rated.pivot(index="conversation", columns="rater", values="value")
        for kappa in quadratic_kappas(table[one], table[two]):
            found = f"{kappa.estimate:.2f}" == row["Weighted Cohen's Kappa"]
            met[kappa.statistic][kind_of((one, two))] += found
    assert len(published) == 126
    assert met[BY_VALUE] == {"experts": 62, "model": 20, "crowd": 11}
    assert met[BY_PLACE] == {"experts": 63, "model": 21, "crowd": 42}


def test_by_value_and_by_place_of_averaged_ratings_by_hand() -> None:
    """Ratings 1, 2.5, 3, 5 and 1, 3, 2.5, 3: squared differences by value .25 + .25 + 4, over 4 units.

    By chance: the squared differences of all 16 pairs of values sum to 47.5, over 16. By place
    (0, 1, 2, 3 and 0, 2, 1, 2): observed 3 / 4, by chance 32 / 16.
    """
    by_value, by_place = quadratic_kappas([1, 2.5, 3, 5], [1, 3, 2.5, 3])
    assert by_value.estimate == pytest.approx(1 - (4.5 / 4) / (47.5 / 16), abs=1e-12)
    assert by_place.estimate == pytest.approx(1 - (3 / 4) / (32 / 16), abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_by_place_is_scikit_learn_without_labels(seed: int) -> None:
    """Oracle: scikit-learn's default is the index among the labels that occur."""
    rng = np.random.default_rng(seed)
    first = rng.choice([1.0, 1.5, 3.0, 7.0], 40)
    second = np.where(rng.random(40) < 0.5, first, rng.choice([1.0, 2.0, 7.0], 40))
    by_value, by_place = quadratic_kappas(first, second)
    used = np.unique(np.concatenate([first, second]))
    codes = [np.searchsorted(used, x) for x in (first, second)]
    assert by_place.estimate == pytest.approx(cohen_kappa_score(*codes, weights="quadratic"))
    # By value is 2 cov / (var + var + squared difference of means): Lin's coefficient.
    moments = np.var(first) + np.var(second) + (first.mean() - second.mean()) ** 2
    lin = 2 * np.cov(first, second, bias=True)[0, 1] / moments
    assert by_value.estimate == pytest.approx(lin)


def test_on_a_scale_that_is_used_whole_both_are_the_ordinary_kappa() -> None:
    """Property: values 1 to 5 all used, so places are values less 1; interval and test as well."""
    first = [1, 2, 3, 4, 5, 5, 4, 2, None, 3]
    second = [1, 3, 3, 5, 4, 5, 4, 1, 2, 3]
    ordinary = cohen_kappa(first, second, [1, 2, 3, 4, 5], weights="quadratic")
    for kappa in quadratic_kappas(first, second, [1, 2, 3, 4, 5]):
        assert kappa.estimate == pytest.approx(ordinary.estimate, abs=1e-12)
        assert (kappa.ci_low, kappa.p_value) == pytest.approx((ordinary.ci_low, ordinary.p_value))
        assert (kappa.n, kappa.n_missing) == (9, 1)


def test_the_unit_of_the_values_and_rounding_do_not_matter() -> None:
    """Property: kappa by value of 7 / 3 written to all digits is that of a sum divided."""
    thirds = [1 / 3 + 1 / 3 + 1 / 3, 7 / 3, 0.1 + 0.2, 5 / 3]
    written = [1.0, 2.3333333333333335, 0.3, 1.6666666666666667]
    one, place = quadratic_kappas(thirds, written)
    assert (one.estimate, place.estimate) == (pytest.approx(1.0), pytest.approx(1.0))
    scaled = quadratic_kappas([10, 25, 30, 50], [10, 30, 25, 30])[0]
    plain = quadratic_kappas([1, 2.5, 3, 5], [1, 3, 2.5, 3])[0]
    assert scaled.estimate == pytest.approx(plain.estimate)


@pytest.mark.parametrize(
    ("first", "second", "because"),
    [
        ([3, 3, 3], [3, 3, 3], "all ratings fall on one point"),
        ([2.5, None], [None, 3], "no unit was rated by both"),
        ([2.5, 1], [2.0, None], "only one unit"),
    ],
)
def test_what_does_not_exist_says_so_under_both_names(
    first: list[float], second: list[float], because: str
) -> None:
    for kappa in quadratic_kappas(first, second):
        assert kappa.estimate is None and because in kappa.undefined_because


def test_every_pair_is_named_and_measurements_are_refused() -> None:
    table = np.array([[1, 2, 1.5], [3, 3, 2.5], [5, 4, 4.5], [2, 2, 2]])
    kappas = all_quadratic_kappas(table, ["a", "b", "c"])
    named = [(k.statistic, k.details.first, k.details.second) for k in kappas]
    assert named == [(s, *p) for p in ("ab", "ac", "bc") for s in (BY_VALUE, BY_PLACE)]
    many = np.arange(MOST_VALUES + 1) / 7
    with pytest.raises(AnalysisError, match="2001 different values"):
        quadratic_kappas(many, many)
