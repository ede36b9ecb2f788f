"""Attention checks from simulated raters to the report.

Oracle: counted by hand from the exported rows; the exclusions' rule from the same counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.chapters.attention import failed_checks
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import shape_ratings
from analysis.report.blocks import Paragraph, Table
from analysis.report.sections.attention import attention_blocks
from analysis.report.sections.exclusions import exclusion_blocks
from analysis.report.sections.flow import count_stages
from analysis.report.sections.quality import quality_section
from study.entities import RaterStatus
from study.rehearsal import rehearse
from study.report_view.export import check_rows, rater_rows
from study.report_view.report_data import report_data
from study.report_view.snapshot import Snapshot
from study.store.audit import study_faults
from study.store.raters import read_raters
from study.store.study import Study
from tests.fixtures_session import session_protocol

only_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def rehearsed(make_study: Callable[..., Study], folder: Path, careless: float) -> Study:
    limit = {"  attention_failures_allowed: 1\n": "", "minimum_seconds: 1": "minimum_seconds: 600"}
    file = session_protocol(folder, **limit)
    rule = "analysis:\n  exclusions: {failed_attention_checks: 0}\n"
    file.write_text(file.read_text().replace("analysis:\n", rule), encoding="utf-8")
    study = make_study(protocol=file)
    rehearse(study, 3, 24, careless=careless)
    return study


def context_of(study: Study) -> ReportContext:
    data = report_data(study)
    return ReportContext(data, shape_ratings(data))


@only_sqlite
def test_careless_raters_are_counted_and_left_out_by_the_plan(
    make_study: Callable[..., Study], tmp_path: Path
) -> None:
    study = rehearsed(make_study, tmp_path, 0.5)
    wrong = Counter(
        row["rater"]
        for row in check_rows(Snapshot(study))
        if row["kind"] == "attention" and not row["passed"]
    )
    assert 3 <= len(wrong) <= 12
    # The report numbers raters as the export lists them.
    listed = [row["rater"] for row in rater_rows(Snapshot(study))]
    wrong = Counter({f"R{listed.index(code) + 1:03d}": n for code, n in wrong.items()})
    context = context_of(study)
    assert {r: n for r, n in failed_checks(context).items() if n} == dict(wrong)
    said, table = attention_blocks(context)
    assert isinstance(said, Paragraph) and isinstance(table, Table)
    answered = len({r["rater"] for r in check_rows(Snapshot(study)) if r["kind"] == "attention"})
    assert f"{len(wrong)} of {answered} raters who answered any failed" in said.text
    keys = [b.key for b in quality_section(context).blocks if isinstance(b, Table)]
    assert keys[:2] == ["quality-raters", "attention-checks"]
    rules = exclusion_blocks(context)[0]
    assert isinstance(rules, Table)
    left_out = rules.data[rules.data["left_out"]]["rater"]
    assert set(left_out) == set(wrong)
    # Those whom the questions about the instructions stopped are in the flow.
    screened_out = [r for r in read_raters(study) if r.status is RaterStatus.SCREENED_OUT]
    assert screened_out and all(r.simulated for r in screened_out)
    counts = count_stages(context.data.raters["status"])
    assert counts["screened_out"] == len(screened_out)
    assert counts["consented"] == 24 == counts["finished"] + counts["screened_out"]
    assert study_faults(study) == []


@only_sqlite
def test_attentive_raters_pass_everything(make_study: Callable[..., Study], tmp_path: Path) -> None:
    """No break of ten minutes holds a simulated rater up."""
    study = rehearsed(make_study, tmp_path, 0.0)
    assert all(r.status is RaterStatus.FINISHED for r in read_raters(study))
    assert all(row["passed"] for row in check_rows(Snapshot(study)))
    context = context_of(study)
    (said,) = attention_blocks(context)
    assert isinstance(said, Paragraph) and "0 of 24 raters" in said.text
