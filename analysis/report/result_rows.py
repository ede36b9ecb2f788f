"""Rows of tests and effect sizes, and the notes below their tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.chapters.context import ReportContext
from analysis.chapters.families import FamilyTest
from analysis.contrasts import ranks, signed_rank
from analysis.contrasts.effect_sizes import Summary, TDetails
from analysis.contrasts.preference import Strengths
from analysis.contrasts.ranks import MannWhitneyDetails
from analysis.contrasts.signed_rank import SignedRankDetails
from analysis.rating_models.results import CoefficientDetails
from analysis.report.blocks import Column, Footnotes, Row
from analysis.report.numbers import number, p_text
from analysis.resampling import FEW_CLUSTERS, BootstrapDetails
from analysis.results import Estimate

TEST_COLUMNS = (
    Column("Estimate and interval"),
    Column("t or z"),
    Column("df"),
    Column("p"),
    Column("n"),
)
RESULT_COLUMNS = (Column("Contrast", False), *TEST_COLUMNS, Column("Left out"))


def result_row(label: str, result: Estimate, notes: Footnotes, *, strong: bool = False) -> Row:
    """A row under `RESULT_COLUMNS`."""
    row = test_row(label, result, notes, strong=strong)
    return Row((*row.cells, str(result.n_missing)), strong)


def test_row(
    label: str, result: Estimate, notes: Footnotes, *, strong: bool = False, digits: int = 2
) -> Row:
    """A row under a heading and `TEST_COLUMNS`."""
    if result.estimate is None:
        gone = notes.undefined(result.undefined_because)
        return Row((label, gone, "–", "–", "–", str(result.n)), strong)
    statistic, df = _test_statistic(result)
    cells = (
        notes.with_interval(result, digits),
        "–" if statistic is None else number(statistic),
        "–" if df is None else degrees_text(df),
        notes.p_value(result),
        str(result.n),
    )
    return Row((label, *cells), strong)


def _test_statistic(result: Estimate) -> tuple[float | None, float | None]:
    """T with its degrees of freedom, or z; an effect size has neither."""
    details = result.details
    if isinstance(details, TDetails):
        return details.t, details.df
    if isinstance(details, CoefficientDetails):
        return details.t_value if details.df is not None else details.z_value, details.df
    if isinstance(details, SignedRankDetails | MannWhitneyDetails):
        return details.z, None
    return None, None


def degrees_text(df: float) -> str:
    """Degrees of freedom: whole ones without decimals, Welch's with two."""
    return number(df, 0 if df == int(df) else 2)


def mean_cells(summary: Summary, notes: Footnotes, nobody: str) -> tuple[str, str, str]:
    """Mean, standard deviation and median of totals; ``nobody`` says why there is no mean."""
    mean = notes.undefined(nobody) if summary.mean is None else number(summary.mean)
    spread = (
        notes.undefined("a standard deviation needs two totals")
        if summary.sd is None
        else number(summary.sd)
    )
    return mean, spread, "–" if summary.median is None else number(summary.median, 1)


def with_adjusted(context: ReportContext, row: Row, test: FamilyTest | None) -> Row:
    """The row with its adjusted p, when the plan declares families."""
    if not context.data.plan.families:
        return row
    p = None if test is None else test.adjusted.adjusted_p_value
    return Row((*row.cells, p_cell(p)), row.strong)


def percent_cell(share: Estimate, notes: Footnotes) -> str:
    """A share in percent with its interval."""
    if share.estimate is None:
        return notes.undefined(share.undefined_because)
    percent = number(100 * share.estimate, 1)
    if share.ci_low is None or share.ci_high is None:
        return percent
    return f"{percent} [{number(100 * share.ci_low, 1)}, {number(100 * share.ci_high, 1)}]"


def strength_rows(
    context: ReportContext,
    strengths: Strengths,
    further: Sequence[tuple[str, Estimate]],
    notes: Footnotes,
) -> tuple[list[Row], list[tuple[str, Estimate]]]:
    """Rows of a model of preferences (name, estimate, p, n), and the same results with their names."""
    labels = {s.id: s.label for s in context.data.systems}
    results = [(f"Strength: {labels[s]}", e) for s, e in strengths.strengths]
    results += [(f"{labels[a]} minus {labels[b]}", e) for a, b, e in strengths.differences]
    results += further
    rows = [Row((name, notes.with_interval(e), notes.p_value(e), str(e.n))) for name, e in results]
    return rows, results


def p_cell(p: float | None) -> str:
    """A p value, or a dash where there is none."""
    return "–" if p is None else p_text(p)


def without_interval(named: Sequence[tuple[str, Estimate]]) -> tuple[str, ...]:
    """Why an effect of a table has no interval, a note for each reason."""
    found: dict[str, list[str]] = {}
    for name, e in named:
        if e.estimate is not None and e.ci_low is None and e.ci_high is None:
            found.setdefault(e.ci_method.removeprefix("none: "), []).append(name)
    return tuple(
        f"No interval of {', '.join(dict.fromkeys(names))}, because {because}."
        for because, names in found.items()
    )


def signed_rank_note(tests: Sequence[Estimate[SignedRankDetails]]) -> tuple[str, ...]:
    """Where the p values of a table's signed-rank tests come from."""
    used = sorted({t.details.p_value_method for t in tests if t.p_value is not None})
    if not used:
        return ()
    below, exact = signed_rank.EXACT_BELOW, signed_rank.EXACT
    rule = f" (fewer than {below} pairs that differ: {exact})" if len(used) > 1 else ""
    return (f"p of the signed-rank test: {' or '.join(used)}{rule}.",)


def rank_sum_note(tests: Sequence[Estimate[MannWhitneyDetails]]) -> tuple[str, ...]:
    """Where the p values of a table's Mann-Whitney tests come from."""
    used = sorted({t.details.p_value_method for t in tests if t.p_value is not None})
    if not used:
        return ()
    rule = f" ({ranks.EXACT} {ranks.EXACT_WHERE})" if len(used) > 1 else ""
    return (
        f"p of the Mann–Whitney test: {' or '.join(used)}{rule}. Its z has the continuity correction.",
    )


def cautions(estimates: Iterable[Estimate]) -> tuple[str, ...]:
    """What to say below a table of such intervals: why some have none, and what few clusters cover."""
    reasons: dict[str, None] = {}
    few: set[tuple[int, str]] = set()
    for e in estimates:
        if e.estimate is None or not isinstance(e.details, BootstrapDetails):
            continue
        clusters = e.details.clusters_drawn
        if e.ci_low is None:
            reasons[e.ci_method.removesuffix(".")] = None
        elif clusters < FEW_CLUSTERS:
            few.add((clusters, e.ci_method.partition(" (")[2].removesuffix(")")))
    said = [f"No interval, {why.removeprefix('none').lstrip(': ')}." for why in reasons]
    if few:
        said.append(f"Intervals: {min(few)[1]}.")
    return tuple(said)
