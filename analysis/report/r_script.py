"""An R program that repeats the report's main tables from the exported ratings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.report import r_parts
from study.errors import AnalysisError
from study.protocol.analysis_plan import PrimaryContrast, SubgroupTest
from study.report_view.data import ReportData, ReportItem

_ADJUSTMENTS = {"holm": "holm", "hommel": "hommel", "bh": "BH", "by": "BY"}


def r_text(text: str) -> str:
    """A string as R source, whatever stands in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _vector(names: Iterable[str]) -> str:
    return f"c({', '.join(map(r_text, names))})"


def r_script(data: ReportData) -> str:
    """The program, for the systems, items, subgroups and the whole plan of this study.

    Raises
    ------
    AnalysisError
        When the plan names a system that the study does not have.
    """
    plan, known = data.plan, [s.id for s in data.systems]
    primary = plan.primary
    for name in () if primary is None else (primary.system, primary.against):
        if name not in known:
            raise AnalysisError(
                f"the plan names the system {name!r}, which the study does not have (it has "
                f"{', '.join(sorted(known))}); an R script cannot be written"
            )
    banner = 'cat("SIMULATED DATA: made by a computer, not by people\\n")' if data.simulated else ""
    head = r_parts.HEAD.format(banner=banner, level=repr(plan.confidence), systems=_vector(known))
    parts = [head]
    if data.items:
        parts += [
            _numbers(data),
            r_parts.FREQUENCIES,
            r_parts.TOTALS,
            *_tests(data),
            r_parts.MODELS,
        ]
    if data.choices:
        options = ", ".join(f"{r_text(item.id)} = {_options(item)}" for item in data.choices)
        parts.append(r_parts.CHOICES.format(options=options))
    if compared := _pairwise(data):
        parts.append(r_parts.COMPARISONS.format(compared=_vector(item.id for item in compared)))
    return "".join([*parts, "\nsessionInfo()\n"])


def _numbers(data: ReportData) -> str:
    primary, on_points = data.plan.primary, [i for i in data.items if i.kind == "points"]
    return r_parts.NUMBERS.format(
        reference=r_text(data.systems[0].id if primary is None else primary.against),
        scales=", ".join(
            f"{r_text(item.id)} = c({', '.join(str(value) for value, _ in item.points)})"
            for item in on_points
        ),
        all_items=_vector(item.id for item in data.items),
        total_items=_vector(item.id for item in on_points or data.items),
    )


def _options(item: ReportItem) -> str:
    return f"c({', '.join(f'{r_text(label)} = {value}' for value, label in item.points)})"


def _pairwise(data: ReportData) -> list[ReportItem]:
    asked = [item for item in data.compared if item.kind == "pairwise"]
    return asked if len(data.comparisons) else []


def _subgroups_asked(data: ReportData) -> list[tuple[SubgroupTest, list[str]]]:
    """The declared subgroup tests that can be made, each with its options in their order."""
    options = {d.id: [o.value for o in d.options] for d in data.protocol.demographics}
    options["group"] = [g.id for g in data.protocol.groups]
    return [
        (s, options[s.by])
        for s in data.plan.subgroups
        if s.by in data.raters.columns and s.by in options
    ]


def _tests(data: ReportData) -> list[str]:
    """What the plan declares, and once more without the raters whom it leaves out."""
    plan = data.plan
    asked = _subgroups_asked(data)
    parts, again = [], []
    if plan.primary is not None:
        bounds = data.equivalence_bounds
        limits = "NULL" if bounds is None else f"c({bounds[0]!r}, {bounds[1]!r})"
        pair = (r_text(plan.primary.system), r_text(plan.primary.against))
        parts.append("\n" if data.unblinded else r_parts.CODES)
        if bounds is None and plan.equivalence is not None:
            parts.append(r_parts.NO_BOUNDS)
        parts.append(f"system <- {pair[0]}\nagainst <- {pair[1]}\nbounds <- {limits}")
        parts.append(r_parts.PRIMARY)
        again.append("primary_contrast(remaining)")
        if plan.primary.by_model:
            parts += [_declared(plan.primary), r_parts.DECLARED]
            again.append(
                "invisible(try_or_say(declared_contrast(ratings[!ratings$rater %in% left_out, ])))"
            )
        if plan.primary.test == "wilcoxon":
            said = "The plan declares Pratt's Wilcoxon test, which base R has not."
            parts.append(f'p_values <- p_values[names(p_values) != "primary"]\ncat("{said}\\n")\n')
    if asked:
        chosen = ", ".join(
            f"{r_text(s.by)} = list(test = {r_text(s.declared)}, options = {_vector(options)})"
            for s, options in asked
        )
        parts += [f"\nsubgroups <- list({chosen})", r_parts.SUBGROUPS]
        again.append("print(subgroup_tests(remaining))")
    if plan.families:
        named = ", ".join(
            f"{r_text(f.name)} = list(method = {r_text(_ADJUSTMENTS[f.adjustment])}, "
            f"tests = {_vector(f.tests)})"
            for f in plan.families
        )
        parts += [f"\nfamilies <- list({named})", r_parts.FAMILIES]
    if plan.exclusions is not None:
        rules = ", ".join(
            f"{name} = {str(value).upper() if isinstance(value, bool) else repr(value)}"
            for name, value in plan.exclusions.model_dump(exclude_none=True).items()
        )
        parts += [f"\nexclusions <- list({rules})", r_parts.EXCLUSIONS]
        parts += [f'\nheading("Without the raters left out")\n{call}\n' for call in again]
    return parts


def _declared(primary: PrimaryContrast) -> str:
    on = "NULL" if primary.on is None else r_text(primary.on)
    responses = "TRUE" if primary.speaks_to == "systems" else "FALSE"
    return f"\ndeclared <- list(test = {r_text(primary.test)}, on = {on}, responses = {responses})"


def r_tables(data: ReportData) -> dict[str, bytes]:
    """The files that the program reads; ``simulated`` is the first column of each."""
    frames = {"raters.csv": data.raters.drop(columns=["simulated"], errors="ignore")}
    if data.items:
        frames["ratings.csv"] = data.ratings
    if data.choices:
        frames["choices.csv"] = data.choice_ratings.drop(columns=["simulated"], errors="ignore")
    if _pairwise(data):
        frames["comparisons.csv"] = data.comparisons.drop(columns=["simulated"], errors="ignore")
    mark: Any = "true" if data.simulated else "false"
    made = {}
    for name, frame in sorted(frames.items()):
        marked = frame.copy()
        marked.insert(0, "simulated", mark)
        text: str = pd.DataFrame(marked).to_csv(index=False, lineterminator="\n", na_rep="")
        made[name] = text.encode("utf-8")
    return made


def r_readme(data: ReportData) -> str:
    """Which tables of the report the program repeats, by the names of their CSV files.

    Each line holds for this study: what it does not have is not named.
    """
    repeated, only = [], []
    if data.items:
        repeated += _repeated_of_numbers(data)
        only.append("scores, order effects, reliability and agreement, judge and text measures")
    if data.choices:
        repeated.append("`choices-ITEM`: counts and shares, without their intervals")
        only.append("agreement of annotators")
    if _pairwise(data):
        repeated.append(
            "`comparisons`: wins, ties and losses of all raters, without their intervals"
        )
        only.append("strengths, the effect of the place, and agreement on comparisons")
    lines = [
        "# The report's tables in R",
        "",
        "`Rscript report.R`, in this folder, repeats these tables (CSV files in `../tables`) from the",
        "ratings in the other files here, with R's own functions:",
        "",
        *(f"- {line}" for line in repeated),
        "",
        f"It repeats nothing else: not {'; not '.join(only)}; no figures.",
    ]
    if not data.unblinded:
        lines += ["", "Systems stand under blind codes; differences go in the order of the codes."]
    return "\n".join(lines) + "\n"


def _repeated_of_numbers(data: ReportData) -> list[str]:
    plan, on_points = data.plan, any(i.kind == "points" for i in data.items)
    told = ["`frequencies-SYSTEM-all`: counts and percentages by item"] if on_points else []
    told.append("`totals`: n, mean and standard deviation by system")
    if plan.primary is not None:
        told.append(
            "`primary-contrast`: the paired t test with its interval, d_z, d_av and the two one-sided "
            "tests; not the signed-rank test, which base R has without Pratt's zeros"
        )
        if plan.primary.test == "linear-mixed":
            told.append(
                "`primary-contrast`, the declared linear mixed model with Kenward-Roger (package lmerTest)"
            )
        if plan.primary.test == "cumulative-link-mixed":
            told.append(
                "`primary-contrast`, the effect of the declared cumulative-link mixed model (package "
                "ordinal); not its p and interval, which clmm has by Wald's method"
            )
    told += [
        f"`tests-by-{s.by}`: Student's and Welch's t tests of the totals, each difference in the "
        "report's direction; not the rank tests and effect sizes"
        for s, _ in _subgroups_asked(data)
    ]
    if plan.families:
        told.append("`families`: p values adjusted within the families of the plan")
    if plan.exclusions is not None:
        told.append(
            "`exclusions-contrast`, `exclusions-subgroups`: the same t tests without the raters whom the "
            "plan leaves out, but for the rule on attention checks; their p values are not adjusted"
        )
    told.append(
        "`models-by-item`, the systems' differences: "
        + ("cumulative link with intercepts (package ordinal), and " if on_points else "")
        + "linear with random slopes (package lmerTest); not the models with random responses, the "
        "ordinal ones with slopes, GEE and predictions. Where R refuses a model, it says so"
    )
    return told
