"""Before unblinding, no report shows in which direction the plan compares its two systems."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.report import build_report, write_report
from analysis.report.blocks import Document, Paragraph
from study.entities import Named
from study.protocol.analysis_plan import AnalysisPlan
from study.rehearsal import rehearse
from study.report_view.export import protocol_text
from study.report_view.report_data import report_data
from study.report_view.snapshot import Snapshot
from study.store.locking import unblind_study
from study.store.study import Study
from tests.simulated_report_data import protocol_with, simulated_report_data

DAY = dt.date(2026, 1, 2)
SECTIONS = ("contrast", "quality", "scores", "subgroups", "methods")


def _exchanged(plan: AnalysisPlan) -> AnalysisPlan:
    """The plan that expects the other system to be better."""
    primary = plan.contrast
    turned = primary.model_copy(update={"system": primary.against, "against": primary.system})
    return plan.model_copy(update={"primary": turned})


def _other(study: Study) -> Study:
    """The same answers under the protocol that differs only in the direction of its contrast."""
    analysis = _exchanged(study.protocol.analysis)
    protocol = study.protocol.model_copy(update={"analysis": analysis})
    return dataclasses.replace(study, protocol=protocol)


def _files(study: Study, folder: Path, sections: tuple[str, ...] | None = None) -> dict[str, bytes]:
    written = write_report(report_data(study), folder, created=DAY, sections=sections, with_r=True)
    files = (*written.reports, *written.tables, *written.r_files)
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def _text(document: Document) -> str:
    blocks = [b for s in document.sections for b in s.blocks]
    return " ".join(b.text for b in (*document.opening, *blocks) if isinstance(b, Paragraph))


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_blinded_report_is_the_same_for_both_directions(
    make_study: Callable[..., Study], tmp_path: Path
) -> None:
    """Oracle: byte equality of page, tables and R program; then the declared direction, both ways."""
    study = make_study()
    rehearse(study, 1, 4)
    blind = _files(study, tmp_path / "one")
    assert blind == _files(_other(study), tmp_path / "two")
    assert protocol_text(Snapshot(study)) == protocol_text(Snapshot(_other(study)))
    page, program = blind["report.html"].decode(), blind["r/report.R"].decode()
    assert "System A minus System B" in page
    assert "System B minus System A" not in page
    assert 'system <- "A"\nagainst <- "B"\n' in program
    unblind_study(study, "A. Weiss", "B. Okoro")
    titles = {s.id: s.title for s in study.protocol.systems}
    for one, folder in ((study, "three"), (_other(study), "four")):
        plan, files = (
            one.protocol.analysis.contrast,
            _files(one, tmp_path / folder, ("contrast", "methods")),
        )
        page, program = files["report.html"].decode(), files["r/report.R"].decode()
        assert f"{titles[plan.system]} minus {titles[plan.against]}" in page
        assert f"{titles[plan.against]} minus {titles[plan.system]}" not in page
        assert f'system <- "{plan.system}"\nagainst <- "{plan.against}"\n' in program
        assert "order of the blind codes" not in page
        assert "order of the codes" not in program


def test_a_full_plan_gives_nothing_away_and_turns_round_when_unblinded() -> None:
    """Equivalence, a family, exclusions and both tests, on data that know no study.

    Oracle: after unblinding, exchanging the systems turns the sign of the mean difference.
    """
    asked = {
        "equivalence": {"low": -5, "high": 5, "reason": "An eighth of a point."},
        "families": [{"name": "all", "tests": ["primary", "gender"]}],
        "exclusions": {"longest_run": 9},
    }
    small = simulated_report_data(raters=12, prompts=4, items=3)
    for test in ("paired-t", "wilcoxon"):
        plain = {**small.plan.model_dump(), **asked}
        plain["primary"] = {"system": "b", "against": "a", "test": test}
        plan = AnalysisPlan.model_validate(plain)
        blind = [
            build_report(
                dataclasses.replace(small, protocol=protocol_with(small, analysis=p)),
                created=DAY,
                sections=SECTIONS,
            )
            for p in (plan, _exchanged(plan))
        ]
        assert _text(blind[0]) == _text(blind[1])
        assert [t.caption for t in blind[0].tables] == [t.caption for t in blind[1].tables]
        assert all(
            one.data.equals(two.data)
            for one, two in zip(blind[0].tables, blind[1].tables, strict=True)
        )
        assert "System A minus System B" in _text(blind[0])
        assert "put in when the study is unblinded" in _text(blind[0])
    names = (Named("a", "Plain"), Named("b", "Tuned"))
    differences = []
    for direction in (plan, _exchanged(plan)):
        shown = dataclasses.replace(
            small, protocol=protocol_with(small, analysis=direction), unblinded=True, systems=names
        )
        table = next(
            t
            for t in build_report(shown, created=DAY, sections=("contrast",)).tables
            if t.key == "primary-contrast"
        )
        assert table.caption.startswith(
            "Tuned minus Plain" if direction is plan else "Plain minus Tuned"
        )
        differences.append(float(table.data["estimate"].iloc[0]))
    assert differences[0] == pytest.approx(-differences[1])
    assert differences[0] != 0


def test_bounds_that_are_not_symmetric_wait_for_unblinding() -> None:
    """They hold in the declared direction only; symmetric ones are tested at once."""
    small = simulated_report_data(raters=12, prompts=4, items=3)
    for low, tested in ((-5, True), (-2, False)):
        block = {"low": low, "high": 5, "reason": "Nobody would notice."}
        plan = AnalysisPlan.model_validate({**small.plan.model_dump(), "equivalence": block})
        for unblinded in (False, True):
            shown = dataclasses.replace(
                small, protocol=protocol_with(small, analysis=plan), unblinded=unblinded
            )
            document = build_report(shown, created=DAY, sections=("contrast",))
            table = next(t for t in document.tables if t.key == "primary-contrast")
            found = "tost_difference" in set(table.data["statistic"])
            assert found is (tested or unblinded)
            assert ("would tell the systems apart" in _text(document)) is not found


def test_three_systems_are_told_that_the_pair_is_visible() -> None:
    three = simulated_report_data(raters=8, prompts=3, items=2, n_systems=3)
    document = build_report(three, created=DAY, sections=("methods",))
    assert any("which two codes they are" in p.text for p in document.opening)
    two = simulated_report_data(raters=8, prompts=3, items=2)
    document = build_report(two, created=DAY, sections=("methods",))
    assert not any("which two codes they are" in p.text for p in document.opening)
