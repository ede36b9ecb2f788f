"""Methods paragraph, what was locked, seeds and versions."""

from __future__ import annotations

import pandas as pd

from analysis.chapters.context import ReportContext
from analysis.chapters.declared import SPEAKS_TO
from analysis.report.blocks import Column, Paragraph, Row, Section, Table, one_group
from analysis.report.numbers import counted, level_text, n_text, number
from study.report_view.data import ReportData

_TESTS = {
    "linear-mixed": "a linear mixed model of the responses' sums (REML, Kenward-Roger)",
    "cumulative-link-mixed": "a cumulative-link mixed model (likelihood ratio, F with Kenward-Roger's "
    "degrees of freedom of the linear model)",
    "paired-t": "the paired t test",
    "wilcoxon": "the Wilcoxon signed-rank test",
}


def opening_paragraphs(context: ReportContext) -> tuple[Paragraph, ...]:
    """What a reader must know before the first number."""
    data, notices = context.data, []
    if data.simulated:
        notices.append(
            "This report holds simulated ratings. They were made by a program to try the study "
            "out; they say nothing about any system and must not be published as findings."
        )
    if not context.locked:
        notices.append(
            "This study is not locked: its protocol, responses, allocation and analysis plan were "
            "not frozen, so everything below is exploratory. Lock the study before the first "
            "rating with “evenhand lock”."
        )
    if not data.unblinded:
        notices.append(
            "The systems stand under blind codes, and differences between them go in the order of "
            "the codes. When the analysis is final, two people reveal the systems with “evenhand "
            "unblind” and make the report again: it then has the direction that the plan declares, "
            f"and where that is the other one, differences change their sign.{_visible_pair(context)}"
        )
    if data.answers_after_unblinding:
        later = data.answers_after_unblinding
        notices.append(
            f"The study was unblinded before its end: {counted(later, 'answer')} "
            f"{'was' if later == 1 else 'were'} saved after that, when the people who lead the study "
            "could know which system is which."
        )
    summary = [data.summary, data.protocol.citation]
    plain = tuple(Paragraph(text) for text in summary if text)
    return tuple(Paragraph(text, "notice") for text in notices) + plain


def _visible_pair(context: ReportContext) -> str:
    """What the codes cannot hide: which systems of several the plan compares."""
    if len(context.data.systems) < 3 or context.data.plan.primary is None:
        return ""
    return (
        f" Blinding is not complete here: of {len(context.data.systems)} systems the plan names two "
        "for the primary contrast, and this report shows which two codes they are, though not which "
        "of the two is which. The other codes are the systems that the plan does not name."
    )


def subtitle(data: ReportData) -> str:
    """Which protocol in which version, and when it was locked."""
    locked = (
        f"locked {data.locked_at}"
        if data.lock and data.locked_at
        else ("locked" if data.lock else "not locked")
    )
    return f"Protocol {data.protocol.id}, version {data.protocol.version}; {locked}"


def methods_section(context: ReportContext) -> Section:
    """How the study was made and analysed, in words that can go into a paper."""
    return Section(
        "methods",
        "Methods",
        (
            Paragraph(_design_text(context)),
            Paragraph(_plan_text(context)),
            *((Paragraph(_analysis_text(context)),) if context.data.items else ()),
            Paragraph(_missing_text(context)),
        ),
    )


def _design_text(context: ReportContext) -> str:
    data, shaped = context.data, context.shaped
    groups = (
        ", ".join(
            f"{g.title} ({int((m & shaped.with_answers).sum())})"
            for g, (_, _, m) in zip(shaped.groups_with_raters, context.group_samples, strict=True)
        )
        or "nobody yet"
    )
    prompts = counted(len(shaped.prompt_ids), "prompt")
    systems = counted(len(data.systems), "system")
    task = (
        f"rate the responses of {systems} to {prompts}"
        if len(data.responses)
        else f"hold one conversation for each prompt and system ({prompts}, {systems}) and to rate it"
    )
    return (
        f"Raters with answers by group: {groups}. Each rater was to {task} on "
        f"{counted(len(data.all_items), 'item')}, blind to the system, in an order balanced over raters "
        f"(allocation seed {data.protocol.design.seed}).{_totals_text(context)}"
    )


def _totals_text(context: ReportContext) -> str:
    data, shaped = context.data, context.shaped
    if not data.items:
        return ""
    low, high = shaped.total_range
    return (
        f" The total of a rater for a system adds "
        f"{len(shaped.total_places) * len(shaped.prompt_ids)} answers and lies between {number(low, 0)} and "
        f"{number(high, 0)}."
    )


def _plan_text(context: ReportContext) -> str:
    plan, labels = context.data.plan, {s.id: s.label for s in context.data.systems}
    tests = "; ".join(f"by {s.by}, {s.declared.capitalize()} t test" for s in plan.subgroups)
    plan_words = (
        "The locked plan names" if context.locked else "The plan, which is not locked, names"
    )
    return (
        f"{plan_words} {_primary_words(context, labels)}"
        + (f", and comparisons of totals within each system: {tests}" if tests else "")
        + _further_plan(context)
        + f". Intervals are at {level_text(context.level)}{_favourable(context)}. "
        "Whatever the plan does not name is marked exploratory; plain counts are marked descriptive."
    )


def _favourable(context: ReportContext) -> str:
    if not context.scales:
        return ""
    return f"; the upper {context.data.plan.top_points} points of a scale count as favourable"


def _primary_words(context: ReportContext, labels: dict[str, str]) -> str:
    primary = context.data.plan.primary
    if primary is None:
        return "no primary contrast"
    return (
        f"as primary contrast {labels.get(primary.system, primary.system)} minus "
        f"{labels.get(primary.against, primary.against)}{_order_words(context)}, "
        f"{'by' if primary.by_model else 'paired by rater, tested with'} {_TESTS[primary.test]}, "
        f"for {SPEAKS_TO[primary.speaks_to]}"
    )


def _order_words(context: ReportContext) -> str:
    if context.data.unblinded:
        return ""
    return " (in the order of the blind codes; the declared direction comes with unblinding)"


def _further_plan(context: ReportContext) -> str:
    plan, parts = context.data.plan, []
    if plan.equivalence is not None:
        low, high = number(plan.equivalence.low), number(plan.equivalence.high)
        parts.append(f"equivalence of the totals within {low} to {high} points")
    if plan.families:
        names = ", ".join(family.name for family in plan.families)
        parts.append(f"p values adjusted within families ({names})")
    if plan.exclusions is not None:
        parts.append("exclusions of raters, with the result shown with and without them")
    return f"; further {'; '.join(parts)}" if parts else ""


def _analysis_text(context: ReportContext) -> str:
    return (
        "A paired contrast treats raters as a sample and the prompts as given. t tests on totals "
        "assume that the totals, or their differences, are about normal in the population; normality "
        "and variances are shown and never used to change the test. Ratings are ordinal and crossed "
        "by rater and prompt, so the mixed models with random raters and prompts stand beside the "
        "totals. Cumulative percentages come from counts and not from rounded percentages. p values "
        "are two-sided and not adjusted unless a column says so."
    )


def _missing_text(context: ReportContext) -> str:
    if not context.data.items:
        return (
            "A missing answer has a reason and is never replaced by a number; the tables use all answers "
            "that are there."
        )
    return (
        "A missing answer has a reason and is never replaced by a number. A rater with any missing "
        "answer for a system has no total for it and drops out of the tests on totals; the tables "
        "say how many. Agreement, frequencies and mixed models use all answers that are there."
    )


def provenance_section(context: ReportContext) -> Section:
    """Hashes of the lock, seeds and versions."""
    data = context.data
    lock = [("lock", name, value) for name, value in sorted(data.lock.items())]
    versions = [("version", name, value) for name, value in sorted(data.versions.items())]
    seeds = [("seed", "allocation", str(data.protocol.design.seed))]
    words = {"lock": "SHA-256 in the lock", "version": "Version", "seed": "Seed"}
    rows = [Row((name, words[kind], value)) for kind, name, value in (*lock, *seeds, *versions)]
    table = Table(
        "made-from",
        "What this report was made from",
        n_text("entry", len(rows)),
        "descriptive",
        (Column("Name", False), Column("Kind", False), Column("Value", False)),
        one_group(rows),
        pd.DataFrame([*lock, *seeds, *versions], columns=["kind", "name", "value"]),
    )
    text = (
        "The same database and the same lock give the same report, byte for byte but for the date. "
        "Each table stands beside this file as CSV with full precision."
    )
    return Section("made-from", "Lock, seeds and versions", (Paragraph(text), table))
