"""The judge's section. Oracles: the statistics themselves, counts of the ledger, a page read back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.judge_worth.agreement import UnitFacts, judge_agreement
from analysis.report import build_report, write_report
from analysis.report.blocks import Document, Paragraph, Table
from analysis.report.html import document_html
from analysis.report.numbers import interval_text
from analysis.resampling import Bootstrap
from study.protocol.judge import StandInConditions
from study.report_view.data import ReportCriterion, ReportData
from study.report_view.judge import report_judge
from study.store.judge.verdicts import read_verdicts
from study.store.responses import read_responses
from tests.fixtures_judge import make_study
from tests.simulated_judge import POINTS, simulated_judge
from tests.simulated_report_data import simulated_report_data

DAY = dt.date(2025, 3, 1)


@pytest.fixture(scope="module")
def data() -> ReportData:
    plain = simulated_report_data(raters=8, prompts=12, items=3, missing=0.2)
    return dataclasses.replace(plain, judge=simulated_judge(plain))


@pytest.fixture(scope="module")
def document(data: ReportData) -> Document:
    return build_report(data, created=DAY, sections=("judge",))


def _table(document: Document, key: str) -> Table:
    return next(t for t in document.tables if t.key == key)


def _words(document: Document) -> str:
    return " ".join(b.text for s in document.sections for b in s.blocks if isinstance(b, Paragraph))


def test_a_report_without_a_judge_has_no_such_section() -> None:
    plain = simulated_report_data(raters=3, prompts=2)
    assert build_report(plain, created=DAY, sections=("judge",)).sections == ()


def test_agreement_in_the_table_is_the_statistic(data: ReportData, document: Document) -> None:
    """Oracle: `judge_agreement` on tables made with pandas."""
    assert data.judge is not None
    order = [(s, p) for s in ("a", "b") for p in dict.fromkeys(data.responses["prompt"])]
    ratings = data.ratings[data.ratings["item"] == "item1"]
    wide = ratings.pivot(index=["system", "prompt"], columns="rater", values="value").loc[order]
    verdicts = data.judge.verdicts
    verdicts = verdicts[verdicts["criterion"] == "item1"]
    judge = verdicts.groupby(["system", "prompt"])["value"].mean().loc[order]
    found = judge_agreement(
        wide.to_numpy(),
        judge.to_numpy(),
        POINTS,
        UnitFacts(prompts=[p for _, p in order], systems=[f"System {s.upper()}" for s, _ in order]),
        bootstrap=Bootstrap(seed=data.protocol.design.seed),
    )
    table = _table(document, "judge-agreement-eai-student")
    cells = table.groups[0].rows[0].cells
    assert interval_text(found.kappa.judge) in cells[1]
    assert interval_text(found.kappa.people) in cells[2]
    bias = _table(document, "judge-bias-eai-student").groups[0].rows[1].cells
    assert bias[0] == "System A"
    assert interval_text(dict(found.bias_by_system)["System A"]) in bias[1]


def test_outcomes_are_counted_by_system(data: ReportData, document: Document) -> None:
    """Oracle: pandas' own count."""
    assert data.judge is not None
    v = data.judge.verdicts
    refused = (
        (v["criterion"] == "item2") & (v["system"] == "b") & (v["outcome"] == "refused")
    ).sum()
    table = _table(document, "judge-outcomes")
    (group,) = [g for g in table.groups if g.label.startswith("item2")]
    assert group.rows[1].cells[4].split(" ")[0] == str(refused)
    # A comparison counts for both systems that it shows: 12 prompts x 2 orders.
    (compared,) = [g for g in table.groups if g.label.startswith("Overall")]
    assert [row.cells[1] for row in compared.rows] == ["24", "24"]


def test_the_protocol_s_condition_is_answered_with_its_reason(document: Document) -> None:
    words = _words(document)
    assert "stand in for people of the group Students? No." in words
    assert "lower limit of quadratic weighted kappa of at least 0.9" in words


def test_every_statistic_of_the_issue_is_there(document: Document) -> None:
    keys = {re.sub("-eai-student", "", t.key) for t in document.tables}
    assert keys == {
        "judge-stand-in", "judge-outcomes", "judge-means", "judge-preferences", "judge-repeats",
        "judge-probes",
        "judge-agreement", "judge-bias", "judge-base-rates", "judge-alternative-annotator",
        "judge-corrected",
    }  # fmt: skip
    assert {f.key for f in document.figures} == {
        "judge-against-people-eai-student",
        "judge-bias-by-system-eai-student",
    }


def test_where_people_rated_everything_the_corrected_score_says_so(document: Document) -> None:
    table = _table(document, "judge-corrected-eai-student")
    assert any("nothing to add" in note for note in table.notes)


def test_no_nan_reaches_the_page_and_the_files_are_written(
    data: ReportData, document: Document, tmp_path: Path
) -> None:
    page = document_html(document)
    assert "nan" not in re.sub(r"<[^>]*>", " ", page).lower().split()
    written = write_report(data, tmp_path, created=DAY, sections=("judge",))
    assert len(written.tables) == len(document.tables)
    assert written.reports[0].read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"stand_in_only_if": None}, "gives no answer to that question"),
        ({"simulated": True}, "made by rule"),
        ({"models": ("one", "two")}, "several models"),
        (
            {"criteria": (ReportCriterion("safety", "safety", "Safety", (0.0, 1.0)),)},
            "Cannot be answered",
        ),
        (
            {"stand_in_only_if": StandInConditions.model_validate({"group": "nobody"})},
            "'nobody'? Cannot be answered",
        ),
    ],
)
def test_what_the_text_says(changes: dict[str, Any], phrase: str) -> None:
    plain = simulated_report_data(raters=3, prompts=3, items=2)
    few = dataclasses.replace(plain, judge=simulated_judge(plain, **changes))
    assert phrase in _words(build_report(few, created=DAY, sections=("judge",)))


@pytest.mark.parametrize("raters", [0, 1, 2])
def test_with_too_few_raters_the_section_says_what_is_undefined(raters: int) -> None:
    plain = simulated_report_data(raters=max(raters, 1), prompts=4, items=2)
    condition = StandInConditions.model_validate({"group": "student"})
    judge = simulated_judge(plain, stand_in_only_if=condition)
    if raters == 0:
        plain = dataclasses.replace(
            plain, ratings=plain.ratings.iloc[:0], raters=plain.raters.iloc[:0]
        )
    found = build_report(dataclasses.replace(plain, judge=judge), created=DAY, sections=("judge",))
    assert "Cannot be answered" in _words(found)
    document_html(found)


def test_failures_alone_are_reported() -> None:
    plain = simulated_report_data(raters=3, prompts=3, items=2)
    judge = simulated_judge(plain)
    lost = judge.verdicts.assign(outcome="endpoint failure", value=np.nan, winner=None)
    judge = dataclasses.replace(judge, verdicts=lost, probes=judge.probes.iloc[:0])
    found = build_report(dataclasses.replace(plain, judge=judge), created=DAY, sections=("judge",))
    assert "undefined" in document_html(found)


def test_a_real_ledger_becomes_the_report_s_tables(tmp_path: Path) -> None:
    """The scripted judge on a locked study. Oracle: the ledger's own rows."""
    from models.judge.session import open_session

    study = make_study(tmp_path / "s", rubrics=["eai", "pairwise"], replicates=2)
    session = open_session(study)
    session.run(session.calls())
    codes = {r.id: f"code-{r.system_id}" for r in read_responses(study)}
    verdicts = read_verdicts(study)
    found = report_judge(verdicts, {}, codes, reversed_items=())
    assert found is not None and found.simulated
    assert len(found.verdicts) == len(verdicts)
    singles = found.verdicts[found.verdicts["system"] != ""]
    assert set(singles["system"]) <= set(codes.values())
    eight = [c for c in found.criteria if c.rubric == "eai"]
    assert len(eight) == 8 and eight[0].points == POINTS
    compared = found.verdicts[found.verdicts["rubric"] == "pairwise"]
    for winner, shown in zip(compared["winner"], compared["shown"], strict=True):
        assert winner is None or winner == "tie" or winner in shown
    assert set(found.probes["probe"]) == {"swapped"}
    turned = report_judge(verdicts, {}, codes, reversed_items=(eight[0].id,))
    assert turned is not None
    first = found.verdicts["criterion"] == eight[0].id
    assert np.allclose(turned.verdicts["value"][first], 6 - found.verdicts["value"][first])


def test_no_verdict_is_no_judge() -> None:
    assert report_judge([], {}, {}) is None


@pytest.mark.parametrize("probe", ["longer", "identical", "swapped"])
def test_pairs_of_a_probe_are_those_of_the_judge_s_own_table(tmp_path: Path, probe: str) -> None:
    """Oracle: `probe_table`, which goes by the plan of the calls and not by the ledger."""
    from models.judge.session import open_session
    from models.judge.wording.probes import plan_probe, probe_table

    study = make_study(tmp_path / "s", rubrics=["empathy", "pairwise"], prompts=2)
    session = open_session(study)
    session.run(session.calls())
    responses = read_responses(study)
    plan = plan_probe(probe, session.planner, session.rubrics, study.protocol.prompts, responses)
    session.run(plan.calls)
    study_verdicts, probing = read_verdicts(study), read_verdicts(study, probe=probe)
    rows = {(r.rubric, r.criterion): r for r in probe_table(plan, [*study_verdicts, *probing])}
    systems = {r.id: r.system_id for r in responses}
    found = report_judge(study_verdicts, {probe: probing} if probing else {}, systems)
    assert found is not None
    pairs = found.probes[found.probes["probe"] == probe]
    assert len(pairs) == sum(r.n for r in rows.values())
    for (rubric, criterion), group in pairs.groupby(["rubric", "criterion"]):
        row = rows[(str(rubric), str(criterion))]
        assert group["changed"].notna().sum() == row.compared
        assert group["changed"].eq(True).sum() == row.up + row.down
        if row.mean_shift is not None:
            assert (group["after"] - group["before"]).mean() == pytest.approx(row.mean_shift)
