"""The rule of every bootstrap interval, over every statistic that has one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.agreement.bootstrap import bootstrap_alpha, bootstrap_light_kappa
from analysis.agreement.confusion import specific_agreement
from analysis.agreement.labels import annotation_scores
from analysis.agreement.spans import MarkedResponse, character_agreement
from analysis.contrasts.paired import bootstrap_difference
from analysis.description.text_measures_by_system import measures_of_systems
from analysis.judge_worth.agreement import judge_agreement
from analysis.judge_worth.consistency import score_self_agreement
from analysis.reliability.omega_bootstrap import bootstrap_omega
from analysis.report.result_rows import cautions
from analysis.resampling import (
    FEW_CLUSTERS,
    FEWEST_CLUSTERS,
    MEASURED_COVERAGE,
    WITHOUT_WIDTH,
    Bootstrap,
    Drawn,
    bootstrap_interval,
    drawn_counts,
    resampled,
)
from analysis.results import Estimate

ROOT = Path(__file__).parent.parent
POINTS = [1, 2, 3, 4, 5]
DRAWS = 200


def _judge(table: np.ndarray) -> Iterable[Estimate]:
    found = judge_agreement(table[:, :-1], table[:, -1], POINTS, bootstrap=Bootstrap(DRAWS))
    for beside in (found.kappa, found.consensus_kappa, found.alpha, found.icc):
        yield from (beside.judge, beside.people, beside.gap)
    yield found.bias


def _texts(table: np.ndarray) -> Iterable[Estimate]:
    rows = [
        {"prompt": str(i), "system": name, "text": "word " * int(value), "reference": "a word " * 3}
        for i, row in enumerate(table)
        for name, value in zip("ab", row, strict=False)
        if not np.isnan(value)
    ]
    if rows:
        names = {str(row["system"]) for row in rows}
        pairs = [("a", "b")] if names == {"a", "b"} else []
        frame = pd.DataFrame(rows)
        for m in measures_of_systems(frame, contrasts=pairs, bootstrap=Bootstrap(DRAWS)):
            if m.measure.family in ("rouge", "length"):
                yield m.result


def _spans(table: np.ndarray) -> Iterable[Estimate]:
    responses = [
        MarkedResponse(9, {str(r): [(0, int(v))] for r, v in enumerate(row) if not np.isnan(v)})
        for row in table
    ]
    yield character_agreement(responses, bootstrap=Bootstrap(DRAWS))


def _labels(table: np.ndarray) -> Iterable[Estimate]:
    named = [[None if np.isnan(v) else str(int(v)) for v in column] for column in table.T]
    found = annotation_scores(named[0], named[1], list("12345"), bootstrap=Bootstrap(DRAWS))
    yield from (found.macro_precision, found.macro_recall, found.macro_f1, found.weighted_f1)
    yield from (c.f1 for c in found.classes)


def _alphas(table: np.ndarray) -> Iterable[Estimate]:
    for what in ("items", "raters", "both"):
        yield bootstrap_alpha(table, POINTS, resample=what, bootstrap=Bootstrap(DRAWS))
    half = np.arange(len(table)) // 2
    yield bootstrap_alpha(table, POINTS, clusters=half, cluster="page", bootstrap=Bootstrap(DRAWS))


STATISTICS: dict[str, Callable[[np.ndarray], Iterable[Estimate]]] = {
    "alpha": _alphas,
    "Light": lambda t: [bootstrap_light_kappa(t, POINTS, bootstrap=Bootstrap(DRAWS))],
    "specific agreement": lambda t: specific_agreement(t, POINTS, bootstrap=Bootstrap(DRAWS)),
    "omega": lambda t: [bootstrap_omega(t, Bootstrap(DRAWS))],
    "difference": lambda t: [
        bootstrap_difference(t[:, 0], t[:, 1], method=m, bootstrap=Bootstrap(DRAWS))
        for m in ("percentile", "bca")
    ],
    "labels": _labels,
    "spans": _spans,
    "texts": _texts,
    "judge": _judge,
    "repeated scores": lambda t: [
        score_self_agreement(t, POINTS, bootstrap=Bootstrap(DRAWS)).alpha
    ],
}


def _table(kind: str, n: int, columns: int = 4) -> np.ndarray:
    rng = np.random.default_rng(n)
    true = rng.integers(1, 6, n)[:, None]
    table = np.clip(true + rng.integers(-1, 2, (n, columns)), 1, 5).astype(float)
    if kind == "all equal":
        table[:] = 3
    elif kind == "one disagreement":
        table[:] = 5
        table[n // 2, 1] = 4
    elif kind == "constant shift":
        table = true.clip(1, 4) + np.arange(columns) % 2.0
    elif kind == "gaps":
        table[rng.random(table.shape) < 0.3] = np.nan
    elif kind == "a rare point":
        table[:] = 3
        table[0] = 1
    return table


KINDS = (
    "ordinary", "all equal", "one disagreement", "constant shift", "gaps", "a rare point",
)  # fmt: skip


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [2, 3, 5, 12, 40])
def test_every_bootstrap_interval_keeps_the_rule(statistic: str, kind: str, n: int) -> None:
    """Property: limits part or there are none, with the reason; none is given for what is undefined;
    fewer than five clusters give none, and fewer than thirty carry what was measured."""
    columns = 6 if statistic in ("alpha", "judge") and n > 5 else 4
    for e in STATISTICS[statistic](_table(kind, n, columns)):
        said = (statistic, kind, n, e.statistic, e.ci_method)
        if e.estimate is None:
            assert e.ci_low is None and e.ci_high is None and e.undefined_because, said
            continue
        if e.ci_low is None or e.ci_high is None:
            assert e.ci_low is None and e.ci_high is None, said
            assert e.ci_method.startswith("none") or e.details.to_dict().get(
                "no_interval_because"
            ), said
            continue
        drawn = e.details.clusters_drawn
        assert e.ci_high - e.ci_low > 1e-9 and e.p_value is None, said
        assert drawn >= FEWEST_CLUSTERS, said
        assert e.details.replicates_undefined <= 0.1 * e.details.replicates, said
        few = re.search(r"\((\d+) [\w ]+ are few: .* (\d+) to (\d+) % of", e.ci_method)
        assert bool(few) == (drawn < FEW_CLUSTERS), said
        if few:
            assert int(few[1]) == drawn, said


def test_every_statistic_has_an_interval_where_there_is_enough() -> None:
    """Property: the rule above is not kept by giving no intervals at all."""
    for name, statistic in STATISTICS.items():
        found = list(statistic(_table("ordinary", 40, 6)))
        assert any(e.ci_low is not None for e in found), name


@pytest.mark.parametrize(
    "rows",
    [
        [[5, 5], [5, 5], [5, 4], [5, 5]],
        [[5, 5]] * 7 + [[5, 4]],
        [[3, 3, 3, 3, 3], [3, 3, 3, 3, 1], [3, 3, 3, np.nan, np.nan],
         [np.nan, 3, 3, np.nan, 3], [3, 3, 3, 3, 3]],
    ],
)  # fmt: skip
def test_light_s_kappa_of_one_disagreement_has_no_interval_without_width(
    rows: list[list[float]],
) -> None:
    """Hand: with one rater constant every draw has kappa 0 or none, so [0, 0] would be certainty."""
    found = bootstrap_light_kappa(rows, POINTS)
    assert found.estimate == pytest.approx(0.0, abs=0.3)
    assert found.ci_low is None and found.ci_method.startswith("none")


def test_no_other_place_takes_percentiles_of_draws() -> None:
    """Property of the code: quantiles are taken here; elsewhere only to describe data, and where the
    calibration shows what plain percentiles do."""
    allowed = {
        "analysis/resampling.py",
        "analysis/description/numbers.py",
        "analysis/calibration/resampling.py",
        "analysis/report/sections/materials.py",
    }
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "analysis").rglob("*.py")
        if re.search(r"np\.(nan)?(quantile|percentile)\(", path.read_text(encoding="utf-8"))
    }
    assert found == allowed


def test_expanded_limits_of_a_mean_by_hand() -> None:
    """Oracle: scipy's t and normal: the quantiles at Phi(-+ sqrt(n / (n - 1)) t) of the draws."""
    x = np.random.default_rng(1).normal(size=12)
    draws = resampled(12, Bootstrap(999, seed=5), lambda w: w @ x / 12)
    again = np.random.default_rng(5).integers(0, 12, size=(999, 12))
    np.testing.assert_allclose(draws, x[again].mean(axis=1))
    out = np.sqrt(12 / 11) * stats.t.ppf(0.975, 11)
    found = bootstrap_interval(
        Estimate("mean", float(x.mean())), draws, Drawn("pairs", 12), level=0.95
    )
    assert (found.ci_low, found.ci_high) == pytest.approx(
        tuple(np.quantile(draws, stats.norm.cdf([-out, out])))
    )
    # Near Student's interval, which plain percentiles fall short of by a tenth.
    half = stats.t.ppf(0.975, 11) * x.std(ddof=1) / np.sqrt(12)
    assert (found.ci_high or 0) - (found.ci_low or 0) == pytest.approx(2 * half, rel=0.1)


def test_blocks_make_the_same_draws_as_one_piece() -> None:
    """Property: the stream of numbers goes on from block to block; every draw has n clusters."""
    whole = drawn_counts(50, 400, np.random.default_rng(3))
    seen: list[int] = []

    def statistic(w: np.ndarray) -> np.ndarray:
        seen.append(len(w))
        return w

    parts = resampled(50, Bootstrap(400, seed=3), statistic, cells=20_000)
    np.testing.assert_array_equal(parts, whole)
    assert len(seen) == 4 and (whole.sum(axis=1) == 50).all()


def test_a_table_says_why_intervals_are_missing_and_what_few_cover() -> None:
    """Property: each reason once, and the coverage of the fewest clusters."""
    point, draws = Estimate("x", 1.0), np.linspace(0, 1, 100)
    made = [
        bootstrap_interval(point, d, Drawn("pages", n), level=0.95)
        for d, n in ((draws, 12), (draws, 9), (draws, 60), (draws, 3), (np.ones(100), 60))
    ]
    none, flat, few = cautions(made)[:3]
    assert len(cautions(made)) == 3
    assert none == "No interval, 3 pages are too few to be drawn again, at least 5 are needed."
    assert "same value" in flat and few.startswith("Intervals: 9 pages are few: with 8, 95 %")
    assert cautions(made[2:3]) == ()


def test_reasons_are_told_apart() -> None:
    """Property: too few clusters, too many undefined draws, no width: each its own words."""
    point = Estimate("x", 1.0)
    draws = np.linspace(0, 1, 100)
    few = bootstrap_interval(point, draws, Drawn("pages", 4), level=0.95)
    assert few.ci_method == "none: 4 pages are too few to be drawn again, at least 5 are needed"
    holes = np.where(np.arange(100) < 11, np.nan, draws)
    gone = bootstrap_interval(point, holes, Drawn("pages", 40), level=0.95)
    assert gone.ci_method == "none: the statistic is undefined in 11 of 100 draws"
    flat = bootstrap_interval(point, np.ones(100), Drawn("pages", 40), level=0.95)
    assert flat.ci_method == WITHOUT_WIDTH
    assert max(MEASURED_COVERAGE) < FEW_CLUSTERS and min(MEASURED_COVERAGE) == FEWEST_CLUSTERS
