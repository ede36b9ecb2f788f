"""Agreement among the raters of a group, per item and over all items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.agreement.bootstrap import bootstrap_alpha, bootstrap_light_kappa
from analysis.agreement.coefficients import conger_kappa, fleiss_kappa, gwet_ac, percent_agreement
from analysis.agreement.intraclass import icc
from analysis.agreement.jackknife import jackknife_agreement, jackknife_icc2
from analysis.agreement.krippendorff import krippendorff_alpha
from analysis.agreement.two_raters import light_kappa, pairwise_kappas
from analysis.chapters.context import ReportContext
from analysis.chapters.shaping import BoolArray, FloatArray
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
from analysis.report.numbers import count, counted, level_text
from analysis.report.sections.numeric_items import numeric_agreement
from analysis.report.sections.point_use import point_use_blocks
from analysis.results import Estimate
from analysis.validation import IntArray

# A matrix of more raters than this is a grey square on paper.
MOST_RATERS_DRAWN = 60

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

# Above this the bootstrap takes more time than a jackknife that says nearly the same is worth.
MOST_RATINGS_REDRAWN = 20_000
MOST_RATERS_IN_MIXED_MODEL = 100
REPLICATES = 1000
SEED = 20250301


@dataclass(frozen=True)
class _Line:
    item: str
    name: str
    n: int
    clustered: bool
    results: tuple[Estimate, ...]


def agreement_section(context: ReportContext) -> Section:
    """Tables of coefficients for each group, and who agrees with whom."""
    text = (
        "The units are the responses, and the raters of a group rate the same responses. The "
        "coefficients count the full scale, so points that nobody used still count, and they use "
        "every pair of ratings that is there. Responses of all systems are pooled: a clear "
        "difference between systems raises the coefficients. With one popular point, the "
        "share of agreeing pairs is high and the chance-corrected coefficients are low; read them beside the "
        "frequency tables."
    )
    if len(context.data.conversations):
        text = (
            "Every rater talked with the systems, so no two raters rated the same text and there is no "
            "agreement to show."
        )
        return Section("agreement", "Agreement among raters", (Paragraph(text),))
    blocks: list[Block] = [Paragraph(text)]
    for key, label, sample in context.samples:
        # A column without a rating would still count as a rater, and be drawn by the bootstrap.
        raters = sample & context.shaped.with_ratings
        if not raters.any():
            continue
        blocks += numeric_agreement(context, key, label, raters)
        if not context.scales:
            continue
        blocks += _tables(context, key, label, raters)
        n = int(raters.sum())
        if 3 <= n <= MOST_RATERS_DRAWN:
            blocks.append(_matrix_figure(context, key, label, raters))
    blocks += point_use_blocks(context)
    return Section("agreement", "Agreement among raters", tuple(blocks))


def _matrices(
    context: ReportContext, raters: BoolArray
) -> Iterator[tuple[str, str, list[int], FloatArray]]:
    """Item by item, then all items of one scale, one after the other: (id, label, points, matrix)."""
    items = context.data.items
    for i, item in enumerate(items):
        if item.kind != "points":
            continue
        yield item.id, item.label, context.points(item), context.item_matrix(i, raters)
    for points, places in context.scales:
        if len(places) < 2:
            continue
        several = len(context.scales) > 1
        label = f"All items, {points[0][0]} to {points[-1][0]}" if several else "All items"
        stacked = np.vstack([context.item_matrix(i, raters) for i in places])
        yield (
            f"all_{len(points)}_points" if several else "all",
            label,
            [p for p, _ in points],
            stacked,
        )


def _tables(context: ReportContext, key: str, label: str, raters: BoolArray) -> tuple[Table, Table]:
    """Coefficients that count equal answers, then those that count how far apart they are."""
    level = context.level
    equal: list[_Line] = []
    near: list[_Line] = []
    responses = len(context.data.systems) * len(context.shaped.prompt_ids)
    for item, name, points, matrix in _matrices(context, raters):
        n = int(((~np.isnan(matrix)).sum(axis=1) >= 2).sum())
        # The items about one response are not independent of each other.
        several = matrix.shape[0] > responses
        of = np.tile(np.arange(responses), matrix.shape[0] // responses) if several else None
        first, second = _results(matrix, points, of, level)
        equal.append(_Line(item, name, n, several, first))
        near.append(_Line(item, name, n, several, second))
    people = f"{label}, {counted(int(raters.sum()), 'rater')}"
    return (
        _table(key, f"agreement-{key}", f"Agreement per item: {people}", _HEADINGS, equal, level),
        _table(
            key,
            f"agreement-weighted-{key}",
            f"Agreement that counts how far apart ratings are, per item: {people}",
            _WEIGHTED_HEADINGS,
            near,
            level,
            _icc_note(near),
        ),
    )


def _results(
    matrix: FloatArray, points: list[int], of: IntArray | None, level: float
) -> tuple[tuple[Estimate, ...], tuple[Estimate, ...]]:
    """Coefficients of both tables; ``of`` is the response of each unit where units hang together."""

    def clustered(statistic: Callable[[FloatArray], Estimate], lowest: float = -1.0) -> Estimate:
        if of is None:
            return statistic(matrix)
        return jackknife_agreement(
            statistic, matrix, of, cluster="response", lowest=lowest, level=level
        )

    alpha = clustered(lambda m: krippendorff_alpha(m, points, metric="ordinal", level=level))
    missing = _icc_missing(matrix)
    if of is None:
        forms = icc(matrix, missing=missing, level=level)
        single, mean = forms.icc2, forms.icc2k
    else:
        single, mean = jackknife_icc2(matrix, of, missing=missing, cluster="response", level=level)
    return (
        (
            clustered(lambda m: percent_agreement(m, points, level=level), 0.0),
            _light(matrix, points, of, level),
            clustered(lambda m: fleiss_kappa(m, points, level=level)),
            clustered(lambda m: conger_kappa(m, points, level=level)),
            alpha,
        ),
        (
            clustered(lambda m: gwet_ac(m, points, weights="quadratic", level=level)),
            single,
            mean,
            _redrawn_alpha(matrix, points, alpha, of, level),
        ),
    )


def _redrawn_alpha(
    matrix: FloatArray, points: list[int], alpha: Estimate, of: IntArray | None, level: float
) -> Estimate:
    """Ordinal alpha with its interval from drawing units and raters again, where affordable."""
    ratings = int((~np.isnan(matrix)).sum())
    if alpha.estimate is None:
        return alpha
    if ratings > MOST_RATINGS_REDRAWN:
        why = (
            f"none by bootstrap, because there are more than {count(MOST_RATINGS_REDRAWN)} ratings; "
            "the table before has the jackknife interval"
        )
        return replace(alpha, ci_low=None, ci_high=None, ci_method=why)
    return bootstrap_alpha(
        matrix,
        points,
        metric="ordinal",
        resample="both",
        replicates=REPLICATES,
        level=level,
        seed=SEED,
        clusters=of,
        cluster="response",
    )


def _light(matrix: FloatArray, points: list[int], of: IntArray | None, level: float) -> Estimate:
    """Light's kappa with its interval from drawing units again, where affordable."""
    few = matrix.shape[1] <= MOST_RATERS_IN_MIXED_MODEL
    if not few or int((~np.isnan(matrix)).sum()) > MOST_RATINGS_REDRAWN:
        return light_kappa(matrix, points)
    return bootstrap_light_kappa(
        matrix,
        points,
        replicates=REPLICATES,
        level=level,
        seed=SEED,
        clusters=of,
        cluster="response",
    )


def _icc_missing(matrix: FloatArray) -> str:
    """How gaps are treated: the mixed model needs a matrix of raters, so only for some dozens."""
    few = matrix.shape[1] <= MOST_RATERS_IN_MIXED_MODEL
    return "mixed_model_profile" if few and bool(np.isnan(matrix).any()) else "complete"


def _icc_note(lines: Sequence[_Line]) -> str:
    reml = any(r.details.get("method") == "reml" for line in lines for r in line.results)
    dropped = any(
        r.details.get("method") == "anova" and r.n_missing for line in lines for r in line.results
    )
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
    group: str,
    key: str,
    title: str,
    headings: tuple[str, ...],
    lines: Sequence[_Line],
    level: float,
    note: str = "",
) -> Table:
    notes, rows = Footnotes(), []
    flat = [({"item": x.item, "group": group}, r) for x in lines for r in x.results]
    for line in lines:
        cells = [notes.with_interval(r) for r in line.results]
        rows.append(Row((line.name, str(line.n), *cells), strong=line.item.startswith("all")))
    interval = _interval_note(headings, lines, level)
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
                if line.clustered is clustered and result.ci_low is not None and result.ci_method:
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
                found.setdefault((heading, result.ci_method), []).append(line.name)
    said = []
    for (heading, why), names in found.items():
        rows = "" if len(names) == len(lines) else f" ({', '.join(names)})"
        said.append(f"No interval, {heading}{rows}: {why.removeprefix('none').lstrip(': ')}.")
    return said


def _matrix_figure(context: ReportContext, key: str, label: str, raters: BoolArray) -> Figure:
    points, places = context.scales[0]
    stacked = np.vstack([context.item_matrix(i, raters) for i in places])
    kappas = pairwise_kappas(stacked, [p for p, _ in points], weights="quadratic").kappa
    names = [r for r, chosen in zip(context.shaped.rater_ids, raters, strict=True) if chosen]
    known = np.ma.compressed(kappas[np.triu_indices(len(names), 1)])
    spread = (
        f"the {known.size} pairs lie between {known.min():.2f} and {known.max():.2f}, "
        f"with mean {known.mean():.2f}"
        if known.size
        else "no pair of raters has a defined value"
    )
    return Figure(
        f"agreement-matrix-{key}",
        f"Quadratic weighted κ of every two raters, all items together: {label}",
        context.n_text("response and item", int(stacked.shape[0])),
        "exploratory",
        f"Matrix of agreement between every two of {len(names)} raters: {spread}.",
        lambda: draw_agreement_matrix(kappas, names),
    )
