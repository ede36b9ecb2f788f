"""What the statistics accept: each refusal says what, which value and what was expected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.validation import (
    columns_present,
    complete_pairs,
    confidence_level,
    floats,
    on_scale,
    positive,
    ratings_matrix,
    scale_points,
    without_missing,
)
from study.errors import AnalysisError


@pytest.mark.parametrize(
    "values",
    [
        [1, None, 3],
        np.array([1.0, np.nan, 3.0]),
        pd.Series([1, None, 3]),
        pd.Series(pd.array([1, None, 3], "Int64")),
        pd.Series([1, None, 3], dtype=object),
        ["1", None, "3"],
    ],
    ids=["list", "array", "series", "nullable", "objects", "text numbers"],
)
def test_missing_becomes_nan_from_every_container(values: object) -> None:
    """One gap between 1 and 3, however it is written."""
    present, n_missing = without_missing(values)  # type: ignore[arg-type]
    assert present.tolist() == [1.0, 3.0]
    assert n_missing == 1


@pytest.mark.parametrize("points", [[1, 2, 3], [0.5, 1.5, 3.0]])
def test_on_scale_finds_what_is_off_it(points: list[float]) -> None:
    """Whole numbers in a row and any others take two ways to the same answer."""
    scale = scale_points(points)
    good = np.array([*points, np.nan])
    assert on_scale(good, scale) is good
    for wrong in (points[-1] + 1, points[0] - 1, points[0] + 0.25):
        with pytest.raises(AnalysisError, match=r"1 values are not points of the scale"):
            on_scale(np.array([wrong, np.nan, points[0]]), scale)


def test_points_are_sorted() -> None:
    """The order in which a protocol lists the points does not matter."""
    assert scale_points([3, 1, 2]).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: floats(["a"], "score"), "score: not every value is a number"),
        (lambda: floats([np.inf], "score"), "score: 1 infinite"),
        (lambda: scale_points([1, 1]), "two or more different numbers"),
        (lambda: scale_points([[1, 2]]), "expected one column"),
        (lambda: ratings_matrix([1, 2]), "a column per rater"),
        (lambda: complete_pairs([1], [1, 2], ("a", "b")), "a has 1 values and b has 2"),
        (lambda: confidence_level(1.0), "level: 1.0; expected"),
        (lambda: confidence_level(float("nan")), "level: nan; expected"),
        (lambda: positive(0, "seconds"), "seconds: 0; expected"),
        (lambda: columns_present(["x"], ["y"], "table"), "table: column y not found"),
    ],
)
def test_refusals_are_sentences(call: object, message: str) -> None:
    """The error names the thing and the value."""
    with pytest.raises(AnalysisError, match=message):
        call()  # type: ignore[operator]
