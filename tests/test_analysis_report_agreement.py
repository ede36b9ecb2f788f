"""What stands beside the coefficients of agreement: how often each point is given, and confused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import re

import numpy as np
import pandas as pd
import pytest

from analysis.report import build_report
from analysis.report.blocks import Document, Figure, Table
from analysis.report.html import document_html
from study.report_view.data import ReportData
from tests.simulated_report_data import simulated_report_data

DAY = dt.date(2025, 3, 1)


def _table(document: Document, key: str) -> Table:
    return next(t for t in document.tables if t.key == key)


@pytest.fixture(scope="module")
def data() -> ReportData:
    groups = ("student", "professional")
    return simulated_report_data(raters=7, prompts=4, items=3, groups=groups, missing=0.4)


@pytest.fixture(scope="module")
def document(data: ReportData) -> Document:
    return build_report(data, created=DAY, sections=("agreement",))


def test_prevalence_is_the_count_of_each_group(data: ReportData, document: Document) -> None:
    """Oracle: pandas' own count of the raw ratings, group by group."""
    table = _table(document, "prevalence").data.set_index(["group", "item", "point"])["frequency"]
    raw = data.ratings
    for group, item, point in itertools.product(
        ("all", "student", "professional"), ("item1", "item3", "all"), range(1, 6)
    ):
        own = raw[(raw["value"] == point)]
        own = own if group == "all" else own[own["group"] == group]
        own = own if item == "all" else own[own["item"] == item]
        assert table[group, item, point] == len(own)


def test_confusion_counts_every_pair_of_raters(data: ReportData, document: Document) -> None:
    """Oracle: pairs counted one by one with itertools on a pivot made with pandas."""
    raw = data.ratings[data.ratings["group"] == "student"]
    wide = raw.pivot(index=["system", "prompt", "item"], columns="rater", values="value")
    expected = dict.fromkeys(itertools.product(range(1, 6), repeat=2), 0)
    for row in wide.to_numpy():
        given = [int(v) for v in row if v == v]
        for one, two in itertools.permutations(given, 2):
            expected[one, two] += 1
    table = _table(document, "confusion-student").data
    shown = table[table["item"] == "all"].set_index(["first_point", "second_point"])["pairs"]
    assert {key: int(n) for key, n in shown.items()} == expected
    figure = next(f for f in document.figures if f.key == "confusion-student")
    share = sum(expected[k, k] for k in range(1, 6)) / sum(expected.values())
    assert f"{100 * share:.1f} % of the pairs are on the diagonal" in figure.alt


def test_two_raters_stand_by_name_and_are_not_mirrored() -> None:
    """Oracle: pandas' crosstab of the two raters."""
    import pandas as pd

    data = simulated_report_data(raters=2, prompts=6, items=2)
    document = build_report(data, created=DAY, sections=("agreement",))
    wide = data.ratings.pivot(index=["system", "prompt", "item"], columns="rater", values="value")
    expected = pd.crosstab(wide["R001"], wide["R002"])
    table = _table(document, "confusion-all")
    shown = table.data[table.data["item"] == "all"]
    for row in shown.to_dict("records"):
        one, two = float(row["first_point"]), float(row["second_point"])
        inside = one in expected.index and two in expected.columns
        assert row["pairs"] == (expected.loc[one, two] if inside else 0)
    assert "R001 gave" in table.title and isinstance(document.figures[0], Figure)


def test_each_coefficient_names_the_method_of_its_interval(document: Document) -> None:
    """Oracle: the methods in words; Light's interval is from the bootstrap of units."""
    table = _table(document, "agreement-student")
    assert [c.label for c in table.columns][4:6] == ["Fleiss’ κ", "Conger’s κ"]
    note = table.notes[0]
    assert "(Light): percentile cluster bootstrap of items, expanded, 1000 replicates" in note
    light = table.data[table.data["statistic"] == "light_kappa"]
    assert light["ci_low"].notna().all()


def test_raters_who_gave_nothing_are_no_raters(data: ReportData, document: Document) -> None:
    """Oracle: people who were enrolled and never came leave every coefficient where it was."""
    absent = data.ratings[data.ratings["rater"] == "R001"].assign(
        rater="R900", value=np.nan, missing_reason="not reached", seconds=np.nan
    )
    person = data.raters[data.raters["rater"] == "R001"].assign(rater="R900")
    with_absent = dataclasses.replace(
        data,
        ratings=pd.concat([data.ratings, absent], ignore_index=True),
        raters=pd.concat([data.raters, person], ignore_index=True),
    )
    again = build_report(with_absent, created=DAY, sections=("agreement", "methods"))
    for key in ("agreement-all", "agreement-weighted-all", "agreement-weighted-student"):
        old, new = _table(document, key), _table(again, key)
        assert new.title == old.title
        pd.testing.assert_frame_equal(new.data, old.data)
    page = document_html(again)
    assert re.search(r"Raters with answers by group: \w+ \(4\), \w+ \(3\)", page)


def test_a_group_of_one_rater_has_no_unit_to_compare(data: ReportData) -> None:
    """Oracle: the tables say that n counts the responses with two or more ratings; there are none."""
    alone = data.ratings[(data.ratings["group"] == "student") | (data.ratings["rater"] == "R002")]
    found = build_report(
        dataclasses.replace(data, ratings=alone), created=DAY, sections=("agreement",)
    )
    for key in ("agreement-professional", "agreement-weighted-professional"):
        table = _table(found, key)
        assert "1 rater" in table.title and "1 raters" not in table.title
        assert {row.cells[1] for group in table.groups for row in group.rows} == {"0"}
