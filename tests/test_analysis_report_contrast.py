"""Report: what stands below the primary contrast and the subgroups when there is little to test."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from analysis.report import build_report
from analysis.report.blocks import Document, Table
from tests.simulated_report_data import simulated_report_data

DAY = dt.date(2026, 1, 2)


def _report(higher: float, raters: int = 4) -> Document:
    """Raters of 1, 2, 3, ... points for system b, and ``higher`` more for system a, over all items."""
    data = simulated_report_data(raters=raters, prompts=1, items=3, seed=2)
    ratings = data.ratings.copy()
    place = ratings["rater"].map({r: float(k) for k, r in enumerate(ratings["rater"].unique())})
    ratings["value"] = 1.0 + place / 3 + higher * (ratings["system"] == "a")
    return build_report(
        dataclasses.replace(data, ratings=ratings), created=DAY, sections=("contrast", "subgroups")
    )


def _table(document: Document, key: str) -> Table:
    return next(t for t in document.tables if t.key == key)


def test_one_sign_and_equal_differences_of_thirds_are_said_below_the_contrast() -> None:
    """By hand: every total is 3 higher but for the rounding of thirds: r = 1 and no t test."""
    table = _table(_report(1.0), "primary-contrast")
    rows = {r.cells[0].partition(" –")[0]: r.cells for r in table.rows}
    assert rows["Rank-biserial correlation"][1].removeprefix("−") == "1.00"
    assert (
        "No interval of Rank-biserial correlation, because all differences have one sign."
        in table.notes
    )
    effects = table.data.set_index("statistic")
    for name in ("paired_t_difference", "d_z", "hedges_d_z", "d_av"):
        assert "all differences are equal" in effects.loc[name, "undefined_because"]
    items = _table(_report(1.0), "contrast-by-item").data
    assert items["undefined_because"].str.contains("all differences are equal").all()
    assert any(
        "Shapiro-Wilk test undefined, because all values are equal" in n for n in table.notes
    )


def test_the_rank_sum_test_of_a_subgroup_table_names_its_method() -> None:
    """Few raters: p by exact permutation, which equals the CSV's p_value_exact."""
    table = _table(_report(1.0, raters=8), "tests-by-gender")
    shown = table.data[table.data["statistic"] == "mann_whitney_u"]
    assert shown["p_value"].tolist() == pytest.approx(shown["p_value_exact"].tolist())
    assert any("p of the Mann–Whitney test: exact permutation." in n for n in table.notes)
    assert any("shown, not used to choose the test" in note for note in table.notes)
    assert not any("are normally distributed" in note for note in table.notes)
