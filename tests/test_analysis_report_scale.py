"""Report: omega with its interval, ordinal omega and polychoric correlations, profile intervals."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest

from analysis.chapters.decisions import REPLICATES, SEED
from analysis.rating_models.linear import fit_lmm
from analysis.rating_models.ratings import RatingColumns, prepare_ratings
from analysis.reliability.omega import omega_ordinal
from analysis.reliability.omega_bootstrap import bootstrap_omega
from analysis.reliability.polychoric import polychoric
from analysis.report import build_report
from analysis.report.blocks import Document, Table
from analysis.report.numbers import number
from analysis.resampling import Bootstrap
from study.report_view.data import ReportData
from tests.simulated_report_data import simulated_report_data

DAY = dt.date(2025, 3, 1)


def _table(document: Document, key: str) -> Table:
    return next(t for t in document.tables if t.key == key)


@pytest.fixture(scope="module")
def data() -> ReportData:
    return simulated_report_data(raters=14, prompts=4, items=4, missing=0.2)


@pytest.fixture(scope="module")
def document(data: ReportData) -> Document:
    return build_report(data, created=DAY, sections=("reliability", "models"))


def test_omega_and_ordinal_omega_are_the_result_objects(
    data: ReportData, document: Document
) -> None:
    """Oracle: the statistics on tables made with pandas: rater means, and pages."""
    own = data.ratings[data.ratings["system"] == "b"]
    means = own.groupby(["rater", "item"])["value"].mean().unstack().to_numpy()
    pages = own.pivot(index=["rater", "prompt"], columns="item", values="value").to_numpy()
    rows = _table(document, "reliability").data
    rows = rows[rows["system"] == "b"].set_index("statistic")
    omega = bootstrap_omega(means, Bootstrap(REPLICATES, seed=SEED))
    for name in ("estimate", "ci_low", "ci_high"):
        assert rows.loc["omega_minres", name] == pytest.approx(getattr(omega, name), abs=1e-6)
    ordinal = omega_ordinal(pages, range(1, 6))
    assert rows.loc["omega_ordinal", "estimate"] == pytest.approx(ordinal.estimate)
    assert "percentile bootstrap of people" in _table(document, "reliability").notes[0]


def test_polychoric_matrix_is_the_result_object(data: ReportData, document: Document) -> None:
    """Oracle: `polychoric` on pages made with pandas; the table, its CSV and the picture's words."""
    own = data.ratings[data.ratings["system"] == "a"]
    pages = own.pivot(index=["rater", "prompt"], columns="item", values="value").to_numpy()
    found = polychoric(pages, range(1, 6))
    table = _table(document, "polychoric-a")
    assert table.rows[2].cells[1:3] == tuple(number(r) for r in found.correlation[2, :2])
    assert table.data["correlation"].to_numpy() == pytest.approx(
        found.correlation[np.tril_indices(4, -1)]
    )
    assert (table.data["n"] == found.n).all()
    figure = next(f for f in document.figures if f.key == "polychoric-a")
    assert "the 6 pairs lie between" in figure.alt


def test_the_model_of_all_items_has_profile_intervals(data: ReportData, document: Document) -> None:
    """Oracle: `fit_lmm` with profile on sums over items made with pandas."""
    sums = data.ratings.groupby(["rater", "system", "prompt"])["value"].agg(
        lambda v: v.sum(skipna=False)
    )
    ratings = prepare_ratings(
        sums.reset_index(), RatingColumns("value", "system", "rater", "prompt"), reference="b"
    )
    expected = fit_lmm(ratings, random_slopes=True, profile=True).find("rater_variance")
    table = _table(document, "model-all-items")
    shown = table.data[table.data["statistic"] == "rater_variance"].iloc[0]
    assert shown["ci_high"] == pytest.approx(expected.ci_high, rel=1e-3)
    assert "intervals by profile likelihood" in table.notes[0]
    assert "rater slope of System " in table.notes[0]
    items = _table(document, "models-by-item")
    assert any("first model that could be fitted: Cumulative link" in n for n in items.notes)
    clmm = items.data[(items.data["item"] == "item1") & items.data["profile_ci_low"].notna()]
    assert clmm["model"].tolist() == ["cumulative_link_mixed"]
    low, high = clmm["profile_ci_low"].iloc[0], clmm["profile_ci_high"].iloc[0]
    row = next(r for r in items.rows if "profile likelihood" in r.cells[0])
    assert row.cells[1] == f"[{number(low)}, {number(high)}]"


def test_few_pages_and_a_boundary_are_said_below_polychoric_correlations() -> None:
    """Four pages on which two items always agree: n is said, and that the correlation is at 1."""
    data = simulated_report_data(raters=4, prompts=1, items=3, seed=2)
    ratings = data.ratings.copy()
    place = ratings["rater"].map({r: float(k) for k, r in enumerate(ratings["rater"].unique())})
    ratings["value"] = 1.0 + place
    document = build_report(
        dataclasses.replace(data, ratings=ratings), created=DAY, sections=("reliability",)
    )
    said = " ".join(_table(document, "polychoric-a").notes)
    assert "Only 4 pages" in said and "3 of 3 correlations lie on the boundary" in said
    omega = _table(document, "reliability")
    assert any("as few as 4 pages" in note for note in omega.notes)
