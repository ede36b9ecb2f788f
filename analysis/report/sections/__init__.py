"""The sections of the report, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

from analysis.chapters.context import ReportContext
from analysis.report.blocks import Section
from analysis.report.sections.agreement import agreement_section
from analysis.report.sections.automatic_measures import measures_section
from analysis.report.sections.choices import choices_section
from analysis.report.sections.comparisons import comparisons_section
from analysis.report.sections.contrast import contrast_section
from analysis.report.sections.conversations import conversations_section
from analysis.report.sections.flow import flow_section
from analysis.report.sections.frequencies import frequency_section, group_frequency_section
from analysis.report.sections.judge import judge_section
from analysis.report.sections.materials import materials_section, responses_section
from analysis.report.sections.methods import methods_section, provenance_section
from analysis.report.sections.missing_answers import missing_answers_section
from analysis.report.sections.models import models_section
from analysis.report.sections.quality import quality_section
from analysis.report.sections.rankings import rankings_section
from analysis.report.sections.reliability import reliability_section
from analysis.report.sections.scores import scores_section
from analysis.report.sections.spans import spans_section
from analysis.report.sections.subgroups import subgroup_section
from analysis.report.sections.totals import totals_section

# About answers that are numbers: without any such item there is nothing to say.
OF_NUMBERS = frozenset(
    {
        "contrast", "frequencies", "frequencies-by-group", "totals", "scores", "subgroups",
        "agreement", "reliability", "models", "quality",
    }
)  # fmt: skip
SECTIONS: tuple[tuple[str, Callable[[ReportContext], Section]], ...] = (
    ("contrast", contrast_section),
    ("flow", flow_section),
    ("materials", materials_section),
    ("conversations", conversations_section),
    ("comparisons", comparisons_section),
    ("rankings", rankings_section),
    ("spans", spans_section),
    ("frequencies", frequency_section),
    ("frequencies-by-group", group_frequency_section),
    ("choices", choices_section),
    ("totals", totals_section),
    ("scores", scores_section),
    ("subgroups", subgroup_section),
    ("agreement", agreement_section),
    ("judge", judge_section),
    ("reliability", reliability_section),
    ("models", models_section),
    ("automatic-measures", measures_section),
    ("quality", quality_section),
    ("missing-answers", missing_answers_section),
    ("methods", methods_section),
    ("responses", responses_section),
    ("made-from", provenance_section),
)
