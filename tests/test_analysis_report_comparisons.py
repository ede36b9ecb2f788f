"""Report sections on comparisons, rankings, marked parts and conversations, against plain counts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.agreement.intraclass import kendall_w
from analysis.contrasts.preference import Comparison, davidson, plackett_luce
from analysis.description.numbers import number_summary
from analysis.report import build_report
from analysis.report.blocks import Document, Table
from analysis.report.html import document_html
from protocols import shipped_protocols
from study.rehearsal import rehearse
from study.report_view.data import ReportData
from study.report_view.report_data import report_data
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.study import create_study
from tests.fixtures_study import answer_everything
from tests.simulated_comparisons import with_comparisons
from tests.simulated_report_data import simulated_report_data

DAY = dt.date(2025, 3, 1)
KEYS = ("comparisons", "rankings", "spans", "conversations", "materials", "methods")


def _table(document: Document, key: str) -> Table:
    return next(t for t in document.tables if t.key == key)


@pytest.fixture(scope="module")
def data() -> ReportData:
    """Six raters, five prompts, three systems, and no item that is a number."""
    plain = simulated_report_data(raters=6, prompts=5, items=1, n_systems=3)
    return dataclasses.replace(with_comparisons(plain), items=(), ratings=plain.ratings.iloc[:0])


@pytest.fixture(scope="module")
def document(data: ReportData) -> Document:
    return build_report(data, created=DAY, sections=KEYS)


def test_wins_ties_and_strengths_are_counts_and_the_model(
    data: ReportData, document: Document
) -> None:
    """Oracle: pandas' counts; `davidson` on the same choices with raters as clusters."""
    table = _table(document, "comparisons").data.set_index(["system", "against", "statistic"])
    own = data.comparisons
    ab = own[own["place_a"].isin(["a", "b"]) & own["place_b"].isin(["a", "b"])]
    for name, chosen in (("wins", "a"), ("ties", "tie"), ("losses", "b")):
        assert table.loc[("a", "b", name), "count"] == (ab["chosen"] == chosen).sum()
        assert table.loc[("a", "b", name), "clusters"] == 6
    model = davidson(
        [
            Comparison((r["place_a"], r["place_b"]), r["chosen"], r["rater"])
            for r in own.to_dict("records")
        ]
    )
    shown = _table(document, "comparisons-strengths").data.set_index("name")
    for a, b, expected in model.differences:
        name = f"System {a.upper()} minus System {b.upper()}"
        assert shown.loc[name, "estimate"] == pytest.approx(expected.estimate)
        assert shown.loc[name, "ci_low"] == pytest.approx(expected.ci_low)
    first = _table(document, "comparisons-place").data.iloc[0]
    assert first["estimate"] == pytest.approx((own["value"] == 1).sum() / (own["value"] > 0).sum())


def test_ranks_first_places_strengths_and_concordance(data: ReportData, document: Document) -> None:
    """Oracle: pandas' means over raters; `plackett_luce` without ties; `kendall_w` of a pivot."""
    frame = data.rankings
    a = frame[frame["system"] == "a"]
    expected = number_summary(a.groupby("rater")["rank"].mean().to_numpy(), unit="rater").mean
    table = _table(document, "rankings").data.set_index(["system", "of"])
    assert table.loc[("a", "rank"), "estimate"] == pytest.approx(expected.estimate)
    assert table.loc[("a", "rank"), "ci_high"] == pytest.approx(expected.ci_high)
    shares = [table.loc[(s, "first_place_percent"), "estimate"] for s in "abc"]
    assert sum(shares) == pytest.approx(100)
    half = np.where(a["rank"] == 1, 1.0, np.where(a["rank"] == 1.5, 0.5, 0.0))
    by_rater = pd.Series(half).groupby(a["rater"].to_numpy()).mean()
    assert shares[0] == pytest.approx(100 * by_rater.mean())
    orders, raters = [], []
    for (rater, _), rows in frame.groupby(["rater", "prompt"]):
        if rows["rank"].nunique() == 3:
            orders.append(rows.sort_values("rank")["system"].tolist())
            raters.append(rater)
    model = plackett_luce(orders, raters)
    shown = _table(document, "rankings-strengths").data.set_index("name")
    (_, _, difference), *_ = model.differences
    assert shown.loc["System A minus System B", "estimate"] == pytest.approx(difference.estimate)
    wide = frame[frame["prompt"] == "p03"].pivot(index="system", columns="rater", values="rank")
    w = _table(document, "rankings-concordance").data.set_index("prompt")
    assert w.loc["p03", "estimate"] == pytest.approx(kendall_w(wide.to_numpy()).estimate)


def test_marks_are_shares_of_responses_read(data: ReportData, document: Document) -> None:
    """Oracle: pandas' count; a label that nobody used is 0 and its agreement undefined."""
    frame = data.spans[data.spans["system"] == "b"]
    table = _table(document, "spans").data.set_index(["system", "label"])
    assert table.loc[("b", "warm"), "estimate"] == pytest.approx((frame["label"] == "warm").mean())
    assert table.loc[("b", "cold"), "estimate"] == 0
    agreement = _table(document, "spans-agreement").data.set_index("label")
    assert 0 < agreement.loc["warm", "estimate"] < 1
    assert "nobody marked" in agreement.loc["cold", "undefined_because"]


def test_conversations_have_turns_minutes_and_ends(data: ReportData, document: Document) -> None:
    """Oracle: pandas on the raw rows; those without an end have no length."""
    frame = data.conversations[data.conversations["system"] == "c"]
    ended = frame[frame["ended_by"] != ""]
    table = _table(document, "conversations").data
    rows = table[(table["system"] == "c") & (table["of"] == "conversations")]
    mean = rows[rows["statistic"] == "mean"].set_index("measure")["estimate"]
    assert mean["minutes"] == pytest.approx(ended["seconds"].astype(float).mean() / 60)
    assert mean["rater_turns"] == pytest.approx(ended["rater_turns"].mean())
    ends = _table(document, "conversations-ended").data.set_index("system")
    assert ends.loc["c", "not ended"] == (frame["ended_by"] == "").sum()
    assert ends.loc["c", "planned"] == 30
    rated = dataclasses.replace(
        simulated_report_data(raters=4, prompts=2, items=2), conversations=frame
    )
    said = build_report(rated, created=DAY, sections=("agreement",))
    assert said.tables == () and "no two raters rated the same text" in document_html(said)


def test_the_page_speaks_of_no_totals_and_holds_no_nan(document: Document) -> None:
    """Oracle: the study has no item that could be added up."""
    page = document_html(document)
    assert "total of a rater" not in page and "Kendall" in page
    assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<svg.*?</svg>", "", page, flags=re.S))


@pytest.mark.parametrize(
    ("name", "key"),
    [("pairwise-esconv", "comparisons-strengths"), ("nile-emotion-annotation", "annotation-emotion-all")],
)  # fmt: skip
def test_shipped_protocols_without_a_contrast_have_a_report(
    name: str, key: str, memory_folder: Path
) -> None:
    """Oracle: a rehearsed study ends in the table that its question is about."""
    study = create_study(memory_folder / "study", shipped_protocols()[name])
    answer_everything(study)
    lock_study(study)
    enrol(study, study.protocol.groups[0].id, 2)
    rehearse(study, 3)
    document = build_report(report_data(study), created=DAY)
    assert key in {t.key for t in document.tables}
    levels = [section.level for section in document.sections]
    assert all(b - a <= 1 for a, b in pairwise(levels))
    study.close()
