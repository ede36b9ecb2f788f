"""The judge beside people: agreement with the ceiling, bias, the alternative-annotator test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.chapters.context import ReportContext
from analysis.chapters.judge.people import PeopleResults
from analysis.judge_worth.agreement import Beside, JudgeAgreement
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Row,
    RowGroup,
    Table,
    one_group,
    tidy,
)
from analysis.report.figures import ForestRow, draw_forest
from analysis.report.judge_figures import draw_judge_against_people
from analysis.report.numbers import (
    count,
    counted,
    interval_text,
    level_text,
    n_text,
    number,
    percent,
)
from analysis.results import Estimate


def people_blocks(context: ReportContext, found: PeopleResults) -> list[Block]:
    """Tables and figures for one group."""
    return [
        _agreement_table(found, context.level),
        _bias_table(found),
        _base_rate_table(found),
        _test_table(found),
        _corrected_table(found),
        _scatter(context, found),
        _forest(found),
    ]


def _key(found: PeopleResults, what: str) -> str:
    return f"judge-{what}-{found.rubric}-{found.key}"


def _unit(found: PeopleResults) -> str:
    a = found.together
    several = "response and item" if len(found.by_item) > 1 else "response"
    return (
        f"{several}, n = {count(a.n)}, {counted(a.raters, 'rater')}, {counted(a.prompts, 'prompt')}"
    )


def _interval_words(level: float, results: Sequence[tuple[str, Estimate]]) -> str:
    """By which method each coefficient has its interval."""
    users: dict[str, dict[str, None]] = {}
    for coefficient, e in results:
        if e.ci_low is not None:
            users.setdefault(e.ci_method, {})[coefficient] = None
    if not users:
        return ""
    said = "; ".join(f"{', '.join(names)}: {method}" for method, names in users.items())
    return f"Intervals, {level_text(level)}. {said}. "


_COEFFICIENTS = (
    ("kappa", "Quadratic κ with each rater"),
    ("consensus_kappa", "Quadratic κ with the raters’ median"),
    ("alpha", "Krippendorff’s α, ordinal: with the judge, without, change"),
    ("icc", "ICC(2,1) with the raters’ mean"),
)


def _agreement_table(found: PeopleResults, level: float) -> Table:
    notes, groups, flat = Footnotes(), [], []
    intervals: list[tuple[str, Estimate]] = []
    for item, name, agreement in found.by_item:
        rows = []
        for field, title in _COEFFICIENTS:
            beside: Beside = getattr(agreement, field)
            three = (beside.judge, beside.people, beside.gap)
            rows.append(Row((title, *(notes.with_interval(e) for e in three)), item == "all"))
            flat += [
                ({"item": item, "group": found.key, "coefficient": field, "of": of}, e)
                for of, e in zip(("judge", "people", "gap"), three, strict=True)
            ]
            intervals += [(title.partition(":")[0], e) for e in three]
        groups.append(RowGroup(f"{name} (n = {agreement.n})", tuple(rows)))
    missing = found.together.n_missing
    text = (
        f"{_interval_words(level, intervals)}People: each rater "
        "against the others in the same way, which is as much as can be asked of the judge. "
        f"{missing} units have no verdict or no rating and are left out."
    )
    return Table(
        _key(found, "agreement"),
        f"Judge and people: {found.label}",
        _unit(found),
        "exploratory",
        (Column("Coefficient", False), Column("Judge"), Column("People"), Column("Judge − people")),
        tuple(groups),
        tidy(flat),
        (text, *notes.notes()),
    )


def _bias_rows(agreement: JudgeAgreement) -> list[tuple[str, str, Estimate]]:
    return [
        ("all", "All systems", agreement.bias),
        *((name, name, e) for name, e in agreement.bias_by_system),
        ("per_100_words", "For each 100 words", agreement.bias_by_length),
        (
            "per_100_words_within",
            "For each 100 words, within systems",
            agreement.bias_by_length_within_systems,
        ),
    ]


def _bias_table(found: PeopleResults) -> Table:
    notes, groups, flat = Footnotes(), [], []
    for item, name, agreement in found.by_item:
        rows = _bias_rows(agreement)
        groups.append(
            RowGroup(
                name,
                tuple(Row((label, notes.with_interval(e)), item == "all") for _, label, e in rows),
            )
        )
        flat += [({"item": item, "group": found.key, "of": key}, e) for key, _, e in rows]
    text = "Verdict less the mean rating of the response; above 0 the judge scores higher."
    return Table(
        _key(found, "bias"),
        f"Signed bias of the judge, in points of the scale: {found.label}",
        _unit(found),
        "exploratory",
        (Column("Of", False), Column("Bias")),
        tuple(groups),
        tidy(flat),
        (text, *notes.notes()),
    )


def _base_rate_table(found: PeopleResults) -> Table:
    import pandas as pd

    rates = found.together.base_rates
    judge, people = sum(r.judge for r in rates), sum(r.people for r in rates)
    rows = [
        Row(
            (
                f"{r.point:g}",
                f"{r.judge} ({percent(r.judge, judge, 1)} %)",
                f"{r.people} ({percent(r.people, people, 1)} %)",
            )
        )
        for r in rates
    ]
    between = found.together.verdicts_between_points
    note = f"{between} verdicts lie between points and count at the nearest." if between else ""
    return Table(
        _key(found, "base-rates"),
        f"Use of the scale: {found.label}",
        _unit(found),
        "descriptive",
        (Column("Point", False), Column("Judge"), Column("People")),
        one_group(rows),
        pd.DataFrame(
            [vars(r) for r in rates],
            columns=["point", "judge", "people", "judge_share", "people_share"],
        ),
        (note,) if note else (),
    )


def _test_table(found: PeopleResults) -> Table:
    notes, rows, flat = Footnotes(), [], []
    for item, name, test in found.tests:
        cells = (
            test.answer,
            notes.estimate(test.winning_rate),
            notes.with_interval(test.average_advantage),
            str(len(test.comparisons)) if test.comparisons else "–",
        )
        rows.append(Row((name, *cells), item == "all"))
        keys = {"item": item, "group": found.key, "answer": test.answer}
        flat += [(keys, test.winning_rate), (keys, test.average_advantage)]
        flat += [
            (
                {**keys, "rater": c.rater},
                Estimate("judge_advantage", c.judge_advantage, p_value=c.p_value, n=c.n_items),
            )
            for c in test.comparisons
        ]
    rule = found.test.rule
    text = (
        "Alternative-annotator test (Calderon, Reichart and Dror, 2025): does the judge match the "
        f"other raters at least as well as the rater left out, less ε = {rule.epsilon:g}? Alignment: "
        "negative root mean squared distance; one-sided t tests with prompts as clusters, Benjamini "
        f"and Yekutieli at {rule.q:g}; passed with a winning rate of {rule.threshold:g} or more. Where "
        "people hardly agree with one another, a judge passes by keeping near their mean: read this "
        "beside the people’s own agreement."
    )
    return Table(
        _key(found, "alternative-annotator"),
        f"May the judge take a rater’s place? {found.label}",
        _unit(found),
        "exploratory",
        (
            Column("Item", False),
            Column("Passed", False),
            Column("Winning rate"),
            Column("Average advantage probability"),
            Column("Raters compared"),
        ),
        one_group(rows),
        tidy(flat),
        (text, *notes.notes()),
    )


def _corrected_table(found: PeopleResults) -> Table:
    notes, shown, flat = Footnotes(), [], []
    for label, r in found.corrected:
        three = (r.people_only, r.corrected, r.judge_only)
        shown.append(Row((label, *(notes.with_interval(e) for e in three))))
        flat += [({"of": label, "group": found.key}, e) for e in (*three, r.untuned)]
    text = (
        "Mean over items of each response. Corrected: prediction-powered inference with power tuning "
        "(PPI++), which adds to the judge’s mean what people’s scores show to be its error; prompts "
        "are clusters. The judge’s own mean is not corrected for anything."
    )
    return Table(
        _key(found, "corrected"),
        f"Mean scores by people, corrected and by the judge alone: {found.label}",
        f"response, {counted(found.together.prompts, 'prompt')}",
        "exploratory",
        (
            Column("System", False),
            Column("People alone"),
            Column("Corrected"),
            Column("Judge alone"),
        ),
        one_group(shown),
        tidy(flat),
        (text, *notes.notes()),
    )


def _scatter(context: ReportContext, found: PeopleResults) -> Figure:
    people, judge, system = found.scores.people, found.scores.judge, found.scores.system
    known = ~np.isnan(people) & ~np.isnan(judge)
    above = int((judge[known] > people[known]).sum())
    ends = (found.points[0], found.points[-1])
    names = context.system_labels
    return Figure(
        _key(found, "against-people"),
        f"Score of each response by people and by the judge: {found.label}",
        n_text("response", int(known.sum())),
        "descriptive",
        f"Scatter plot with the line of equal scores: the judge scores {above} of {int(known.sum())} "
        "responses higher than people do.",
        lambda: draw_judge_against_people(people[known], judge[known], system[known], names, ends),
    )


def _forest(found: PeopleResults) -> Figure:
    rows = [
        ForestRow(f"{name}: {label}", e.estimate, e.ci_low, e.ci_high, label == "All systems")
        for _, name, agreement in found.by_item
        for key, label, e in _bias_rows(agreement)
        if not key.startswith("per_100")
    ]
    whole = found.together.bias
    text = (
        f"undefined, because {whole.undefined_because}"
        if whole.estimate is None
        else f"{number(whole.estimate)} {interval_text(whole)}".strip()
    )
    return Figure(
        _key(found, "bias-by-system"),
        f"Signed bias of the judge by system: {found.label}",
        _unit(found),
        "exploratory",
        f"Forest plot of the judge’s bias in points; over all it is {text}.",
        lambda: draw_forest(rows, "Verdict less mean rating, points"),
    )
