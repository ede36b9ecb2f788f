"""Items that are no points of a scale: sliders, scores of instruments, options without an order."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.agreement.confusion import specific_agreement
from analysis.agreement.labels import annotation_scores
from analysis.contrasts.paired import paired_contrast
from analysis.description.numbers import number_summary
from analysis.report import build_report, write_report
from analysis.report.blocks import Document, Table
from analysis.report.html import document_html
from analysis.report.numbers import interval_text, number
from models.generation.rehearsed_reply import scripted_reply
from protocols import shipped_protocols
from study.rehearsal import rehearse
from study.report_view.data import ReportData, ReportItem, ReportScore
from study.report_view.report_data import report_data
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.study import create_study
from tests.fixtures_study import answer_everything
from tests.simulated_report_data import protocol_with, simulated_report_data

DAY = dt.date(2025, 3, 1)
ENDS = ((0, "not at all"), (100, "fully"))
OPTIONS = ((0, "joy"), (1, "fear"), (2, "anger"))


def _table(document: Document, key: str) -> Table:
    return next(t for t in document.tables if t.key == key)


@pytest.fixture(scope="module")
def sliders() -> ReportData:
    """Six raters, four prompts, three sliders and one item on points, some answers missing."""
    data = simulated_report_data(raters=6, prompts=4, items=4, missing=0.3, seed=5)
    rng = np.random.default_rng(2)
    ratings = data.ratings.copy()
    chosen = ratings["item"] != "item4"
    places = (ratings["value"] * 18 + rng.integers(0, 10, len(ratings))).round()
    ratings.loc[chosen, "value"] = places[chosen]
    items = [
        dataclasses.replace(item, points=ENDS, kind="numeric") if item.id != "item4" else item
        for item in data.items
    ]
    score = ReportScore("warmth", "Warmth", "eai", ("item1", "item3"), "mean")
    return dataclasses.replace(data, ratings=ratings, items=tuple(items), scores=(score,))


@pytest.fixture(scope="module")
def document(sliders: ReportData) -> Document:
    return build_report(sliders, created=DAY)


def test_sliders_have_statistics_and_no_table_of_frequencies(
    sliders: ReportData, document: Document
) -> None:
    """Oracle: `number_summary` on the raw rows and on rater means made with pandas."""
    table = _table(document, "numeric-statistics-all")
    own = sliders.ratings.query("item == 'item2' and system == 'b'")
    raw = number_summary(own["value"].to_numpy())
    means = number_summary(own.groupby("rater")["value"].mean().to_numpy(), unit="rater").mean
    rows = table.data[(table.data["item"] == "item2") & (table.data["system"] == "b")]
    ratings = rows[rows["of"] == "ratings"].set_index("statistic")
    for e in raw.estimates:
        assert ratings.loc[e.statistic, "estimate"] == pytest.approx(e.estimate)
    shown = rows[rows["of"] == "rater_means"].iloc[0]
    assert shown["ci_low"] == pytest.approx(means.ci_low) and shown["n"] == means.n
    frequencies = _table(document, "frequencies-b-all").data
    assert set(frequencies["item"]) == {"item4"}
    assert {t.key for t in document.tables} >= {"agreement-numeric-all", "agreement-all"}


def test_a_slider_does_not_drown_the_total_of_the_points(
    sliders: ReportData, document: Document
) -> None:
    """Oracle: pandas' sum of the one item on points; four prompts from 1 to 5."""
    table = _table(document, "totals-per-rater").data
    own = sliders.ratings[sliders.ratings["item"] == "item4"]
    expected = own.groupby(["rater", "system"])["value"].sum(min_count=4)
    shown = table.set_index(["rater", "system"])["total"].dropna()
    assert shown.to_dict() == expected.loc[shown.index].to_dict()
    assert "possible range 4 to 20" in _table(document, "totals").title


def test_scores_are_rater_means_and_their_contrast(sliders: ReportData, document: Document) -> None:
    """Oracle: pandas' mean of two items for each response, then over prompts; `paired_contrast`."""
    wide = sliders.ratings.pivot(
        index=["rater", "system", "prompt"], columns="item", values="value"
    )
    score = wide[["item1", "item3"]].mean(axis=1, skipna=False)
    per_rater = score.groupby(["rater", "system"]).mean().unstack()
    table = _table(document, "scores").data
    mean = table[(table["statistic"] == "mean") & (table["system"] == "a")]["estimate"].iloc[0]
    assert mean == pytest.approx(per_rater["a"].mean())
    test = paired_contrast(per_rater["b"], per_rater["a"]).t_test
    shown = _table(document, "scores-contrast").data.query("statistic == 'paired_t_difference'")
    assert shown["estimate"].iloc[0] == pytest.approx(test.estimate)
    assert shown["p_value"].iloc[0] == pytest.approx(test.p_value)


def _annotated(raters: int, *, only: bool = True) -> ReportData:
    """Every rater chooses one of three options for every response."""
    data = simulated_report_data(raters=raters, prompts=8, items=1)
    rng = np.random.default_rng(4)
    truth = {
        key: rng.integers(0, 3) for key, _ in data.ratings.groupby(["system", "prompt"], sort=True)
    }
    keys = zip(data.ratings["system"], data.ratings["prompt"], strict=True)
    noise = rng.integers(0, 3, len(data.ratings))
    keep = rng.random(len(data.ratings)) < 0.7
    value = np.where(keep, [truth[key] for key in keys], noise).astype(float)
    choices = data.ratings.assign(item="emotion", value=value)
    item = ReportItem("emotion", "Emotion", "Which emotion?", "nile", OPTIONS, "nominal")
    changes = {"items": (), "ratings": data.ratings.iloc[:0]} if only else {}
    return dataclasses.replace(data, choices=(item,), choice_ratings=choices, **changes)


def test_two_annotators_have_precision_recall_f1_and_kappa() -> None:
    """Oracle: `annotation_scores` on a pivot made with pandas, first rater as the reference."""
    data = _annotated(2)
    document = build_report(data, created=DAY)
    wide = data.choice_ratings.pivot(index=["system", "prompt"], columns="rater", values="value")
    names = dict(OPTIONS)
    text = [[names[int(v)] for v in wide[r]] for r in ("R001", "R002")]
    scores = annotation_scores(text[0], text[1], list(names.values()))
    table = _table(document, "annotation-emotion-all").data.set_index("name")
    assert table.loc["Cohen’s κ", "estimate"] == pytest.approx(scores.kappa.estimate)
    assert table.loc["Macro F1", "estimate"] == pytest.approx(scores.macro_f1.estimate)
    classes = _table(document, "annotation-classes-emotion-all").data
    joy = classes[classes["option"] == "joy"].set_index("statistic")["estimate"]
    assert joy["precision"] == pytest.approx(scores.classes[0].precision.estimate)
    assert joy["f1"] == pytest.approx(joy["specific_agreement"])
    assert {s.key for s in document.sections} & {"totals", "contrast", "models"} == set()
    assert not re.search(r"\b(nan|None)\b", document_html(document))


def test_missing_choices_stand_with_their_reason() -> None:
    """Oracle: five answers emptied by hand."""
    data = _annotated(2)
    answers = data.choice_ratings.copy()
    answers.loc[answers.index[:5], ["value", "missing_reason"]] = [np.nan, "skipped"]
    document = build_report(dataclasses.replace(data, choice_ratings=answers), created=DAY)
    row = _table(document, "missing-answers").data.iloc[0]
    assert (row["planned"], row["missing"], row["skipped"]) == (len(answers), 5, 5)
    shares = _table(document, "choices-emotion")
    assert any(r.cells[0] == "Missing: skipped" for r in shares.rows)


def test_specific_agreement_of_three_raters_by_hand() -> None:
    """Units (1, 1, 2) and (2, 2, none): point 1 has 2 of 4, point 2 has 2 of 4; 3 none."""
    found = specific_agreement([[1, 1, 2], [2, 2, np.nan], [3, np.nan, np.nan]], [1, 2, 3])
    assert [e.estimate for e in found] == [0.5, 0.5, None]
    assert "point 3" in found[2].undefined_because


def test_specific_agreement_without_one_agreement_has_no_interval() -> None:
    """Whatever is drawn of units on which nobody agrees, the share is 0: that is no certainty."""
    found = specific_agreement([[1, 2], [2, 1]] * 4, [1, 2])
    assert [(e.estimate, e.ci_low, e.ci_high) for e in found] == [(0.0, None, None)] * 2
    assert found[0].ci_method.startswith("none by bootstrap")


def test_shares_of_options_by_system_are_counts(tmp_path: Path) -> None:
    """Oracle: pandas' value counts; more than two raters get no precision."""
    data = _annotated(4, only=False)
    written = write_report(data, tmp_path, sections=("choices",), created=DAY)
    shown = pd.read_csv(next(p for p in written.tables if p.stem == "choices-emotion"))
    counts = data.choice_ratings.groupby(["system", "value"]).size()
    for row in shown.to_dict("records"):
        assert row["count"] == counts.get((row["system"], float(row["option"])), 0)
    classes = next(p for p in written.tables if p.stem == "annotation-classes-emotion-all")
    assert set(pd.read_csv(classes)["statistic"]) == {"specific_agreement"}


def test_raters_are_counted_by_language_only_in_a_study_of_several() -> None:
    """Oracle: three of five raters who started are given Spanish by hand."""
    data = simulated_report_data(raters=5, prompts=2, items=1)
    plain = build_report(data, created=DAY, sections=("flow",))
    assert not any(t.key == "raters-by-language" for t in plain.tables)
    raters = data.raters.assign(language=["es", "en", "es", "en", "es"], status="finished")
    several = dataclasses.replace(
        data, raters=raters, protocol=protocol_with(data, languages=("en", "es", "ar"))
    )
    table = _table(build_report(several, created=DAY, sections=("flow",)), "raters-by-language")
    last = {row.cells[0]: row.cells[-1] for row in table.rows}
    assert last == {"en": "2", "es": "3", "ar": "0"}


@pytest.mark.parametrize("name", ["pets", "sus", "umux-lite"])
def test_shipped_questionnaires_end_in_their_scores(name: str, memory_folder: Path) -> None:
    """Oracle: the instrument's own formula on the answers, unfavourable items turned round."""
    study = create_study(memory_folder / "study", shipped_protocols()[name])
    answer_everything(study)
    lock_study(study)
    enrol(study, "student", 4)
    rehearse(study, 3, replies=scripted_reply)
    data = report_data(study)
    document = build_report(data, created=DAY, sections=("scores",))
    values = data.ratings.pivot(index=["rater", "system", "prompt"], columns="item", values="value")
    formula: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
        "pets": lambda v: v.mean(axis=1),
        "sus": lambda v: 2.5 * (v - 1).sum(axis=1),
        "umux-lite": lambda v: (v - 1).sum(axis=1) / 12 * 100,
    }
    expected = formula[name](values).groupby(["rater", "system"]).mean().unstack()
    table = _table(document, "scores")
    first = number_summary(expected[data.systems[0].id].to_numpy(), unit="rater").mean
    assert first.estimate is not None
    assert table.rows[0].cells[2] == f"{number(first.estimate)} {interval_text(first)}"
    study.close()
