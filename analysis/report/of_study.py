"""The report of a study, in a folder of its own."""

from __future__ import annotations

import datetime as dt

from analysis.report import WrittenReport, write_report
from study.report_view.report_data import report_data
from study.store.study import Study


def write_study_report(
    study: Study,
    formats: tuple[str, ...] = ("html",),
    sections: tuple[str, ...] = (),
    *,
    with_r: bool = False,
) -> WrittenReport:
    """Write a report into a new folder under ``reports/``."""
    started = dt.datetime.now()
    folder = study.folder / "reports" / started.strftime("%Y-%m-%d-%H%M%S")
    return write_report(
        report_data(study),
        folder,
        created=started.date(),
        formats=formats,
        sections=sections or None,
        with_r=with_r,
    )
