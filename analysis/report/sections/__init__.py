"""The sections of the report, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

from analysis.report.blocks import Section
from analysis.report.context import ReportContext
from analysis.report.sections.agreement import agreement_section
from analysis.report.sections.contrast import contrast_section
from analysis.report.sections.flow import flow_section
from analysis.report.sections.frequencies import frequency_section, group_frequency_section
from analysis.report.sections.judge import judge_section
from analysis.report.sections.materials import materials_section, responses_section
from analysis.report.sections.methods import methods_section, provenance_section
from analysis.report.sections.models import models_section
from analysis.report.sections.quality import quality_section
from analysis.report.sections.reliability import reliability_section
from analysis.report.sections.subgroups import subgroup_section
from analysis.report.sections.totals import totals_section

SECTIONS: tuple[tuple[str, Callable[[ReportContext], Section]], ...] = (
    ("contrast", contrast_section),
    ("flow", flow_section),
    ("materials", materials_section),
    ("frequencies", frequency_section),
    ("frequencies-by-group", group_frequency_section),
    ("totals", totals_section),
    ("subgroups", subgroup_section),
    ("agreement", agreement_section),
    ("judge", judge_section),
    ("reliability", reliability_section),
    ("models", models_section),
    ("quality", quality_section),
    ("methods", methods_section),
    ("responses", responses_section),
    ("made-from", provenance_section),
)
