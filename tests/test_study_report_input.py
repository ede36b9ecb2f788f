"""What of a study's data the report may see."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.report import write_report
from study.rehearsal import rehearse
from study.report_view import export
from study.report_view.report_data import report_data
from study.report_view.snapshot import Snapshot
from study.store.study import Study
from tests.fixtures_study import SYSTEM_NAMES

SECTIONS = ("flow", "totals", "quality", "contrast", "subgroups")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_no_file_of_the_report_holds_a_code_of_withdrawal(
    make_study: Callable[..., Study], tmp_path: Path
) -> None:
    """Oracle: all codes, searched for in every file; the numbers follow the exported raters."""
    study = make_study()
    rehearse(study, 1, 4)
    written = write_report(
        report_data(study),
        tmp_path / "report",
        created=dt.date(2026, 1, 2),
        sections=SECTIONS,
        with_r=True,
    )
    codes = [row["rater"] for row in export.rater_rows(Snapshot(study))]
    assert len(codes) == 4
    for file in (*written.reports, *written.tables, *written.r_files):
        told = file.read_text(encoding="utf-8")
        assert [code for code in codes if code in told] == []
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in export.rating_rows(Snapshot(study)):
        number = f"R{codes.index(row['rater']) + 1:03d}"
        sums[number, row["system"]] += row["value"]
    totals = pd.read_csv(tmp_path / "report" / "tables" / "totals-per-rater.csv")
    shown = {(t.rater, t.system): t.total for t in totals.itertuples() if t.total == t.total}
    assert len(shown) >= 4
    assert shown == {key: sums[key] for key in shown}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_protocol_that_the_report_is_given_names_no_system_and_no_judge(
    make_study: Callable[..., Study],
) -> None:
    """Oracle: ids, titles and backends of the systems, searched for in all that the object holds."""
    study = make_study()
    data = report_data(study)
    assert [name for name in SYSTEM_NAMES if name in repr(data.protocol).lower()] == []
    assert (data.protocol.systems, data.protocol.judge) == ((), None)
    assert data.protocol.in_language("de") is data.protocol
    codes = {system.id for system in data.systems}
    assert data.plan.primary is not None
    assert [data.plan.primary.system, data.plan.primary.against] == sorted(codes)
    # Whoever puts the whole protocol in gets one without them all the same.
    whole = dataclasses.replace(data, protocol=study.protocol)
    assert [name for name in SYSTEM_NAMES if name in repr(whole.protocol.systems).lower()] == []
    assert whole.protocol.judge is None
