"""Judge against people. Oracles: scikit-learn, krippendorff, statsmodels, copies made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import krippendorff
import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import cohen_kappa_score

from analysis.agreement.intraclass import icc
from analysis.judge_worth.agreement import (
    NOTHING_SHARED,
    JudgeAgreement,
    UnitFacts,
    judge_agreement,
)
from analysis.judge_worth.resampling import (
    JudgedUnits,
    alpha_with_and_without,
    consensus_of,
    draw_together,
    kappa_between_raters,
    kappa_with_each_rater,
    with_consensus,
)
from analysis.resampling import Bootstrap
from study.errors import AnalysisError

POINTS = [1.0, 2.0, 3.0, 4.0, 5.0]


def _study(
    prompts: int = 12, systems: int = 2, raters: int = 5, missing: float = 0.0, seed: int = 1
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    n = prompts * systems
    quality = rng.normal(size=n)
    latent = quality[:, None] + rng.normal(0, 0.4, raters) + rng.normal(0, 0.7, (n, raters))
    ratings = 1.0 + np.digitize(latent, [-1.5, -0.5, 0.5, 1.5])
    ratings[rng.random(ratings.shape) < missing] = np.nan
    judge = 1.0 + np.digitize(quality + 0.6 + rng.normal(0, 0.5, n), [-1.5, -0.5, 0.5, 1.5])
    return {
        "ratings": ratings,
        "judge": judge,
        "points": POINTS,
        "prompts": np.repeat(np.arange(prompts), systems),
        "systems": np.tile(["a", "b"], prompts),
        "lengths": rng.poisson(120, n).astype(float),
    }


def _found(study: dict[str, Any], **options: Any) -> JudgeAgreement:
    facts = UnitFacts(study["prompts"], study["systems"], study["lengths"])
    bootstrap = Bootstrap(**{"replicates": 50, **options})
    return judge_agreement(
        study["ratings"], study["judge"], study["points"], facts, bootstrap=bootstrap
    )


def test_kappas_are_the_means_of_scikit_learn_s() -> None:
    study = _study()
    found, ratings = _found(study), study["ratings"]

    def kappa(a: np.ndarray, b: np.ndarray) -> float:
        return float(cohen_kappa_score(a, b, weights="quadratic", labels=[1, 2, 3, 4, 5]))

    with_judge = np.mean([kappa(study["judge"], column) for column in ratings.T])
    between = np.mean([kappa(ratings[:, i], ratings[:, j]) for i in range(5) for j in range(i)])
    assert found.kappa.judge.estimate == pytest.approx(with_judge)
    assert found.kappa.people.estimate == pytest.approx(between)
    assert found.kappa.gap.estimate == pytest.approx(with_judge - between)
    # Five raters have a median that is a scale point.
    median = kappa(study["judge"], np.median(ratings, axis=1))
    assert found.consensus_kappa.judge.estimate == pytest.approx(median)


def test_consensus_of_the_others_leaves_the_rater_out() -> None:
    """Lin's coefficient by its own formula: 2 s_xy / (s_xx + s_yy + (mean difference)²)."""
    study = _study(raters=4)
    expected = []
    for i in range(4):
        x, y = study["ratings"][:, i], np.median(np.delete(study["ratings"], i, 1), axis=1)
        covariance = np.cov(x, y, ddof=0)
        gap = (x.mean() - y.mean()) ** 2
        expected.append(2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + gap))
    assert _found(study).consensus_kappa.people.estimate == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("kind", ["median", "mean", "mode"])
def test_consensus_of_counts(kind: str) -> None:
    """Ratings 1, 1, 4, 5: median (1 + 4) / 2, mean 11 / 4, mode 1. Two of 2 and two of 3: 2.5."""
    counts = np.array([[2.0, 0, 0, 1, 1], [0, 2.0, 2.0, 0, 0], [0, 0, 0, 0, 0]])
    found = consensus_of(counts, np.array(POINTS), kind)
    expected = {"median": [2.5, 2.5], "mean": [2.75, 2.5], "mode": [1.0, 2.5]}[kind]
    assert found[:2].tolist() == expected and np.isnan(found[2])


def test_alphas_are_those_of_the_krippendorff_package() -> None:
    study = _study(missing=0.2)
    found = _found(study)
    both = np.column_stack([study["ratings"], study["judge"]])
    for ours, table in ((found.alpha.people, study["ratings"]), (found.alpha.judge, both)):
        theirs = krippendorff.alpha(
            reliability_data=table.T, value_domain=POINTS, level_of_measurement="ordinal"
        )
        assert ours.estimate == pytest.approx(theirs)


def test_icc_is_that_of_two_columns() -> None:
    study = _study()
    pair = np.column_stack([study["judge"], study["ratings"].mean(axis=1)])
    # analysis.agreement.intraclass is held against R's irr and psych in its own tests.
    assert _found(study).icc.judge.estimate == pytest.approx(icc(pair).icc2.estimate)


def test_bias_by_system_is_arithmetic_and_the_slope_is_that_of_least_squares() -> None:
    study = _study(missing=0.15)
    found = _found(study)
    difference = study["judge"] - np.nanmean(study["ratings"], axis=1)
    assert found.bias.estimate == pytest.approx(difference.mean())
    of_a = difference[study["systems"] == "a"].mean()
    assert dict(found.bias_by_system)["a"].estimate == pytest.approx(of_a)
    x = study["lengths"] / 100
    plain = sm.OLS(difference, sm.add_constant(x)).fit()
    assert found.bias_by_length.estimate == pytest.approx(plain.params[1])
    dummies = np.column_stack([study["systems"] == "a", study["systems"] == "b"]).astype(float)
    within = sm.OLS(difference, np.column_stack([dummies, x])).fit()
    assert found.bias_by_length_within_systems.estimate == pytest.approx(within.params[2])


def test_a_draw_is_what_copying_rows_and_columns_gives() -> None:
    """The weighted formulas against a table with the drawn rows and columns really copied."""
    study = _study(missing=0.1)
    units = JudgedUnits(study["ratings"], study["judge"], np.array(POINTS), study["prompts"])
    draws = draw_together(units, Bootstrap(3, seed=7))
    for b in (1, 2, 3):
        rows = np.repeat(np.arange(units.n), draws.units[b].astype(int))
        columns = np.repeat(np.arange(5), draws.raters[b].astype(int))
        table, judge = study["ratings"][np.ix_(rows, columns)], study["judge"][rows]
        copied = _found({**study, "ratings": table, "judge": judge, "prompts": rows,
                         "systems": study["systems"][rows], "lengths": study["lengths"][rows]})  # fmt: skip
        each = kappa_with_each_rater(units, draws)[b]
        assert each == pytest.approx(copied.kappa.judge.estimate)
        pairs = [
            cohen_kappa_score(x[both], y[both], weights="quadratic", labels=[1, 2, 3, 4, 5])
            for i, x in enumerate(table.T)
            for j, y in enumerate(table.T)
            if i < j
            and columns[i] != columns[j]
            and (both := ~np.isnan(x) & ~np.isnan(y)).sum() > 1
        ]
        assert kappa_between_raters(units, draws)[b] == pytest.approx(np.mean(pairs))
        of_judge, _ = with_consensus(units, draws, "median", "quadratic_kappa")
        assert of_judge[b] == pytest.approx(copied.consensus_kappa.judge.estimate)


def test_alpha_of_a_draw_with_copied_rows_is_the_package_s() -> None:
    study = _study()
    units = JudgedUnits(study["ratings"], study["judge"], np.array(POINTS), study["prompts"])
    draws = draw_together(units, Bootstrap(2, seed=3))
    only_rows = replace(draws, raters=np.ones_like(draws.raters))
    rows = np.repeat(np.arange(units.n), draws.units[1].astype(int))
    both = np.column_stack([study["ratings"], study["judge"]])[rows]
    theirs = krippendorff.alpha(
        reliability_data=both.T, value_domain=POINTS, level_of_measurement="ordinal"
    )
    assert alpha_with_and_without(units, only_rows)[0][1] == pytest.approx(theirs)


def test_intervals_hold_the_estimate_and_repeat_with_the_seed() -> None:
    study = _study(prompts=20)
    first, again = (_found(study, replicates=300, seed=5) for _ in range(2))
    bias = first.bias
    assert bias == again.bias
    assert bias.ci_low is not None and bias.ci_high is not None and bias.estimate is not None
    assert bias.ci_low < bias.estimate < bias.ci_high
    assert (bias.details.of.raters, bias.details.of.prompts) == (5, 20)


def test_more_agreeing_judge_is_nearer_to_the_ceiling() -> None:
    study = _study(prompts=30)
    near = _found({**study, "judge": np.median(study["ratings"], axis=1)})
    noise = np.random.default_rng(2).integers(1, 6, 60).astype(float)
    far = _found({**study, "judge": noise})
    assert (near.kappa.gap.estimate or 0) > 0 > (far.kappa.gap.estimate or 0)
    assert (far.kappa.judge.ci_low or 0) < 0.2


def test_base_rates_count_verdicts_and_ratings() -> None:
    found = judge_agreement(
        [[1, 2], [2, 2]], [2.4, 2.5], [1, 2, 3], bootstrap=Bootstrap(replicates=2)
    )
    assert [(b.point, b.judge, b.people) for b in found.base_rates] == [
        (1.0, 0, 1),
        (2.0, 2, 3),
        (3.0, 0, 0),
    ]
    assert found.verdicts_between_points == 2


def test_missing_verdicts_are_counted() -> None:
    study = _study()
    study["judge"][:4] = np.nan
    found = _found(study)
    assert (found.n, found.n_missing) == (20, 4)


def test_degenerate_data_say_why() -> None:
    nothing = judge_agreement([[1, 2]], [None], [1, 2, 3], bootstrap=Bootstrap(replicates=2))
    assert nothing.bias.undefined_because == NOTHING_SHARED
    empty = judge_agreement(np.empty((0, 3)), [], [1, 2, 3], bootstrap=Bootstrap(replicates=2))
    assert empty.kappa.judge.undefined_because == NOTHING_SHARED
    one_rater = judge_agreement(
        [[1], [2], [3]], [1, 2, 2], [1, 2, 3], bootstrap=Bootstrap(replicates=20)
    )
    assert one_rater.kappa.people.estimate is None and one_rater.kappa.judge.ci_low is None
    assert "no two raters" in one_rater.kappa.gap.undefined_because
    constant = judge_agreement(
        np.full((6, 3), 2.0), np.full(6, 2.0), [1, 2, 3], bootstrap=Bootstrap(replicates=20)
    )
    assert "one point" in constant.kappa.judge.undefined_because
    assert constant.bias.estimate == 0.0
    same_length = judge_agreement(
        [[1, 2], [2, 3]],
        [1, 2],
        [1, 2, 3],
        UnitFacts(lengths=[50, 50]),
        bootstrap=Bootstrap(replicates=20),
    )
    assert "do not differ in length" in same_length.bias_by_length.undefined_because
    assert "not known" in constant.bias_by_length.undefined_because


def test_wrong_input_is_refused() -> None:
    with pytest.raises(AnalysisError, match="beyond the scale"):
        judge_agreement([[1, 2]], [0.5], [1, 2, 3])
    with pytest.raises(AnalysisError, match="2 verdicts for 1"):
        judge_agreement([[1, 2]], [1, 2], [1, 2, 3])
    with pytest.raises(AnalysisError, match="replicates"):
        judge_agreement([[1, 2]], [1], [1, 2, 3], bootstrap=Bootstrap(replicates=1))
    with pytest.raises(AnalysisError, match="systems: 2 names"):
        judge_agreement([[1, 2]], [1], [1, 2, 3], UnitFacts(systems=["a", "b"]))
