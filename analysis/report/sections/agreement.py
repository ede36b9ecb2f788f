"""Agreement among the raters of a group, per item and over all items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.agreement.two_raters import PairwiseKappas
from analysis.chapters import decisions
from analysis.chapters.agreement import (
    TOO_MANY_REDRAWN,
    GroupAgreement,
    ItemAgreement,
    agreement_chapter,
)
from analysis.chapters.context import ReportContext
from analysis.report.blocks import (
    Block,
    Column,
    Figure,
    Footnotes,
    Paragraph,
    Row,
    Section,
    Table,
    one_group,
    tidy,
)
from analysis.report.figures import draw_agreement_matrix
from analysis.report.numbers import count, counted, level_text, n_text
from analysis.report.sections.point_use import point_use_blocks
from analysis.results import Estimate

_HEADINGS = (
    "Share of agreeing pairs",
    "Cohen’s κ, mean of all pairs (Light)",
    "Fleiss’ κ",
    "Conger’s κ",
    "Krippendorff’s α, ordinal",
)

_WEIGHTED_HEADINGS = (
    "Gwet’s AC2, quadratic",
    "ICC(2,1)",
    "ICC(2,k)",
    "Krippendorff’s α, ordinal; units and raters redrawn",
)

_TOGETHER = (
    "All items: the items about one response are not independent of each other, so responses are left "
    "out or drawn again with all their items (raters are held, but for the ICC and where it says so);"
)


@dataclass(frozen=True)
class _Line:
    """The results of one item in one of the two tables."""

    of: ItemAgreement
    results: tuple[Estimate, ...]


def agreement_section(context: ReportContext) -> Section:
    """Tables of coefficients for each group, and who agrees with whom."""
    chapter = agreement_chapter(context)
    text = (
        "The units are the responses, and the raters of a group rate the same responses. The "
        "coefficients count the full scale, so points that nobody used still count, and they use "
        "every pair of ratings that is there. Responses of all systems are pooled: a clear "
        "difference between systems raises the coefficients. With one popular point, the "
        "share of agreeing pairs is high and the chance-corrected coefficients are low; read them beside the "
        "frequency tables."
    )
    if chapter.of_conversations:
        text = (
            "Every rater talked with the systems, so no two raters rated the same text and there is no "
            "agreement to show."
        )
        return Section("agreement", "Agreement among raters", (Paragraph(text),))
    blocks: list[Block] = [Paragraph(text)]
    for group in chapter.groups:
        if group.numeric:
            blocks.append(_numeric_table(group, context.level))
        if group.items:
            blocks += _tables(group, context.level)
        if group.pairs is not None:
            blocks.append(_matrix_figure(context, group, group.pairs))
    blocks += point_use_blocks(context)
    return Section("agreement", "Agreement among raters", tuple(blocks))


def _numeric_table(group: GroupAgreement, level: float) -> Table:
    notes, rows, flat = Footnotes(), [], []
    for item in group.numeric:
        results = (item.icc2, item.icc2k, item.icc3)
        n = max(r.n for r in results)
        rows.append(Row((item.label, str(n), *(notes.with_interval(r) for r in results))))
        flat += [({"item": item.item, "group": group.key}, r) for r in results]
    return Table(
        f"agreement-numeric-{group.key}",
        f"Agreement on the numeric items: {group.label}, {group.raters} raters, intervals at "
        f"{level_text(level)}",
        "response, n in the table",
        "exploratory",
        (
            Column("Item", False),
            Column("n"),
            Column("ICC(2,1), absolute agreement"),
            Column("ICC(2,k)"),
            Column("ICC(3,1), consistency"),
        ),
        one_group(rows),
        tidy(flat),
        (
            "ICC(2,1) is the reliability of one rater and ICC(2,k) that of the mean of all; "
            "ICC(3,1) leaves out that some raters answer higher throughout.",
            *notes.notes(),
        ),
    )


def _tables(group: GroupAgreement, level: float) -> tuple[Table, Table]:
    """Coefficients that count equal answers, then those that count how far apart they are."""
    equal = [
        _Line(x, (x.agreeing_pairs, x.light, x.fleiss, x.conger, x.alpha)) for x in group.items
    ]
    near = [_Line(x, (x.ac2, x.icc2, x.icc2k, _told(x.alpha_redrawn))) for x in group.items]
    people = f"{group.label}, {counted(group.raters, 'rater')}"
    title = f"Agreement per item: {people}"
    weighted = f"Agreement that counts how far apart ratings are, per item: {people}"
    return (
        _table(f"agreement-{group.key}", title, group.key, _HEADINGS, equal, level),
        _table(
            f"agreement-weighted-{group.key}",
            weighted,
            group.key,
            _WEIGHTED_HEADINGS,
            near,
            level,
        ),
    )


def _told(alpha: Estimate) -> Estimate:
    """Where nothing was drawn again, how many ratings are too many, and where an interval stands."""
    if alpha.ci_method != TOO_MANY_REDRAWN:
        return alpha
    why = (
        f"none by bootstrap, because there are more than {count(decisions.MOST_RATINGS_REDRAWN)} ratings; "
        "the table before has the jackknife interval"
    )
    return replace(alpha, ci_method=why)


def _icc_note(lines: Sequence[_Line]) -> str:
    forms = [r for line in lines for r in (line.of.icc2, line.of.icc2k) if r.estimate is not None]
    reml = any(r.details.method == "reml" for r in forms)
    dropped = any(r.details.method == "anova" and r.n_missing for r in forms)
    gaps = (
        " with all ratings, by restricted maximum likelihood where some are missing" if reml else ""
    )
    if dropped:
        gaps += (
            "; units with a gap are left out, because there are too many raters for the mixed model"
        )
    return (
        "ICC(2,1) is the reliability of one rater and ICC(2,k) that of the mean of all, raters taken "
        f"as a random sample and absolute agreement asked for{gaps}."
    )


def _table(
    key: str,
    title: str,
    group: str,
    headings: tuple[str, ...],
    lines: Sequence[_Line],
    level: float,
) -> Table:
    notes, rows = Footnotes(), []
    flat = [({"item": x.of.item, "group": group}, r) for x in lines for r in x.results]
    for line in lines:
        cells = [notes.with_interval(r) for r in line.results]
        rows.append(
            Row((line.of.label, str(line.of.n), *cells), strong=line.of.item.startswith("all"))
        )
    interval = _interval_note(headings, lines, level)
    note = _icc_note(lines) if headings is _WEIGHTED_HEADINGS else ""
    said = (interval, *_without_interval(headings, lines), note)
    return Table(
        key,
        title,
        "response (for all items: response and item); n in the table counts those with two or "
        "more ratings",
        "exploratory",
        (Column("Item", False), Column("n"), *(Column(h) for h in headings)),
        one_group(rows),
        tidy(flat),
        (*(text for text in said if text), *notes.notes()),
    )


def _interval_note(headings: tuple[str, ...], lines: Sequence[_Line], level: float) -> str:
    """Which coefficient has which kind of interval."""
    said = ""
    for clustered in (False, True):
        users: dict[str, dict[str, None]] = {}
        for line in lines:
            for heading, result in zip(headings, line.results, strict=True):
                if (
                    line.of.clustered is clustered
                    and result.ci_low is not None
                    and result.ci_method
                ):
                    users.setdefault(result.ci_method, {})[heading.partition(";")[0]] = None
        methods = "; ".join(f"{', '.join(names)}: {method}" for method, names in users.items())
        if methods:
            said += f" {_TOGETHER} {methods}." if clustered else f" {methods}."
    return f"Intervals, {level_text(level)}.{said}" if said else ""


def _without_interval(headings: tuple[str, ...], lines: Sequence[_Line]) -> list[str]:
    """Why a coefficient that has a value has no interval, with its column and rows."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        for heading, result in zip(headings, line.results, strict=True):
            if result.estimate is not None and result.ci_method.startswith("none"):
                found.setdefault((heading, result.ci_method), []).append(line.of.label)
    said = []
    for (heading, why), names in found.items():
        rows = "" if len(names) == len(lines) else f" ({', '.join(names)})"
        said.append(f"No interval, {heading}{rows}: {why.removeprefix('none').lstrip(': ')}.")
    return said


def _matrix_figure(context: ReportContext, group: GroupAgreement, pairs: PairwiseKappas) -> Figure:
    kappas, names = pairs.kappa, list(group.names)
    known = np.ma.compressed(kappas[np.triu_indices(len(names), 1)])
    spread = (
        f"the {known.size} pairs lie between {known.min():.2f} and {known.max():.2f}, "
        f"with mean {known.mean():.2f}"
        if known.size
        else "no pair of raters has a defined value"
    )
    return Figure(
        f"agreement-matrix-{group.key}",
        f"Quadratic weighted κ of every two raters, all items together: {group.label}",
        n_text("response and item", group.pair_units),
        "exploratory",
        f"Matrix of agreement between every two of {len(names)} raters: {spread}.",
        lambda: draw_agreement_matrix(kappas, names),
    )
