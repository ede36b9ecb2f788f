"""The report of a study: from its data to HTML, DOCX and PDF, with every table as CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import shape_ratings
from analysis.report.blocks import Document
from analysis.report.sections import OF_NUMBERS, SECTIONS
from analysis.report.sections.methods import opening_paragraphs, subtitle
from study.errors import AnalysisError
from study.report_view.data import ReportData
from study.whole_files import whole_folder, write_whole

FORMATS = ("html", "docx", "pdf")


@dataclass(frozen=True)
class WrittenReport:
    """Where the parts of a report lie.

    Parameters
    ----------
    folder : Path
    reports : tuple of Path
        The report itself, one file for each format.
    tables : tuple of Path
        One CSV file for each table.
    r_files : tuple of Path
        The R program and its data, when asked for.
    """

    folder: Path
    reports: tuple[Path, ...]
    tables: tuple[Path, ...]
    r_files: tuple[Path, ...] = ()


def build_report(
    data: ReportData, *, created: dt.date, sections: Sequence[str] | None = None
) -> Document:
    """Compute the report without writing it.

    Parameters
    ----------
    data : ReportData
    created : date
        The only thing that may differ between two reports of the same data.
    sections : sequence of str, optional
        Keys of the sections wanted, see ``SECTIONS``; all of them by default.

    Raises
    ------
    AnalysisError
        When a section does not exist or the ratings contradict the study.
    """
    known = [key for key, _ in SECTIONS]
    wanted = known if sections is None else list(sections)
    if strangers := [key for key in wanted if key not in known]:
        raise AnalysisError(
            f"the report has no section {strangers[0]!r}; choose from {', '.join(known)}"
        )
    context = ReportContext(data, shape_ratings(data))
    without = frozenset() if data.items else OF_NUMBERS
    made = tuple(make(context) for key, make in SECTIONS if key in wanted and key not in without)
    made = tuple(section for section in made if section.blocks)
    return Document(
        title=data.protocol.title,
        subtitle=subtitle(data),
        created=created,
        simulated=data.simulated,
        opening=opening_paragraphs(context),
        sections=made,
    )


def write_report(
    data: ReportData,
    folder: Path,
    *,
    formats: Sequence[str] = ("html",),
    sections: Sequence[str] | None = None,
    created: dt.date | None = None,
    with_r: bool = False,
) -> WrittenReport:
    """Write the report and its tables into a folder, which is there when it is complete.

    Parameters
    ----------
    data : ReportData
    folder : Path
        A folder of that name is replaced.
    formats : sequence of {"html", "docx", "pdf"}
    sections : sequence of str, optional
    created : date, optional
        Today by default.
    with_r : bool
        Also write ``r/report.R`` with the data that it reads: it repeats the main tables in R.

    Raises
    ------
    AnalysisError
        When a format or a section does not exist, or the ratings contradict the study.
    """
    if strangers := [f for f in formats if f not in FORMATS]:
        raise AnalysisError(
            f"the report cannot be written as {strangers[0]!r}; choose from {', '.join(FORMATS)}"
        )
    document = build_report(data, created=created or dt.date.today(), sections=sections)
    with whole_folder(folder) as part:
        reports = [_write(document, part, form) for form in formats]
        r_files = _write_r(data, part / "r") if with_r else ()
        tables = _write_tables(document, part)
    there = [
        tuple(folder / p.relative_to(part) for p in made) for made in (reports, tables, r_files)
    ]
    return WrittenReport(folder, *there)


def _write(document: Document, folder: Path, form: str) -> Path:
    path = folder / f"report.{form}"
    if form == "html":
        from analysis.report.html import document_html

        write_whole(path, document_html(document))
    elif form == "docx":
        from analysis.report.docx import document_docx

        write_whole(path, document_docx(document))
    else:
        from analysis.report.pdf import document_pdf

        write_whole(path, document_pdf(document))
    return path


def _write_tables(document: Document, folder: Path) -> tuple[Path, ...]:
    from analysis.report.tables import table_csv

    written = []
    (folder / "tables").mkdir(exist_ok=True)
    for table in document.tables:
        path = folder / "tables" / f"{table.key}.csv"
        write_whole(path, table_csv(table, simulated=document.simulated))
        written.append(path)
    return tuple(written)


def _write_r(data: ReportData, folder: Path) -> tuple[Path, ...]:
    from analysis.report.r_script import r_readme, r_script, r_tables

    folder.mkdir(exist_ok=True)
    files = {
        "report.R": r_script(data).encode("utf-8"),
        "README.md": r_readme(data).encode("utf-8"),
        **r_tables(data),
    }
    for name, content in files.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in files)
