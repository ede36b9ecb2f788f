"""Preferences and their consistency. Oracles: R's BradleyTerry2, a Poisson GLM, hand arithmetic."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import krippendorff
import numpy as np
import pytest
import statsmodels.api as sm

from analysis.contrasts.preference import (
    SEPARATED,
    TIE,
    Comparison,
    Strengths,
    davidson,
    plackett_luce,
)
from analysis.description.proportions import wilson_share
from analysis.judge_worth.consistency import (
    comparison_self_agreement,
    order_effects,
    score_self_agreement,
)
from analysis.resampling import Bootstrap
from study.errors import AnalysisError

BASEBALL = json.loads((Path(__file__).parent / "reference/judge/baseball.json").read_text())


def _difference(found: Strengths, first: str, second: str) -> float:
    values = dict(found.strengths)
    return (values[first].estimate or 0.0) - (values[second].estimate or 0.0)


def _many(*rows: tuple[str, str, str | None, int]) -> list[Comparison]:
    """(first, second, winner, how often), every comparison a prompt of its own."""
    counter = itertools.count()
    return [
        Comparison((first, second), winner, f"p{next(counter)}")
        for first, second, winner, n in rows
        for _ in range(n)
    ]


def test_baseball_is_as_in_bradleyterry2() -> None:
    games = [
        row
        for home, away, won, lost in BASEBALL["games"]
        for row in ((home, away, home, won), (home, away, away, lost))
    ]
    found = davidson(_many(*games))
    for name, (value, error) in BASEBALL["coefficients"].items():
        if name == "at.home":
            # Two places with effects that add up to zero: the advantage is twice the first's.
            assert 2 * (found.places[0].estimate or 0) == pytest.approx(value, abs=1e-6)
            assert 2 * found.places[0].details.standard_error == pytest.approx(error, abs=1e-6)
            continue
        team = name.removeprefix("team")
        assert _difference(found, team, "Baltimore") == pytest.approx(value, abs=1e-6)
        (pair,) = [d for a, b, d in found.differences if (a, b) == ("Baltimore", team)]
        assert pair.details.standard_error == pytest.approx(error, abs=1e-6)
    assert "no ties" in found.tie.undefined_because


def test_davidson_with_order_is_a_poisson_model() -> None:
    """Ties and order as log-linear terms of a Poisson GLM with a constant for every ordered pair."""
    rng = np.random.default_rng(5)
    systems, rows, design, counts = "abc", [], [], []
    ordered = list(itertools.permutations(systems, 2))
    for pair, (i, j) in enumerate(ordered):
        for winner, n in zip((i, j, TIE), rng.multinomial(40, [0.45, 0.35, 0.2]), strict=True):
            rows.append((i, j, winner, int(n)))
            constant = np.eye(len(ordered))[pair]
            score = {s: float(winner == s) + 0.5 * (winner == TIE and s in (i, j)) for s in "ab"}
            place = 0.5 * (winner == i) - 0.5 * (winner == j)
            design.append([*constant, score["a"], score["b"], float(winner == TIE), place])
            counts.append(n)
    glm = sm.GLM(np.array(counts), np.array(design), family=sm.families.Poisson()).fit(tol=1e-12)
    found = davidson(_many(*rows))
    a, b, tie, place = glm.params[-4:]
    assert _difference(found, "a", "c") == pytest.approx(a, abs=1e-6)
    assert _difference(found, "b", "c") == pytest.approx(b, abs=1e-6)
    assert found.tie.estimate == pytest.approx(math.exp(tie), abs=1e-6)
    assert 2 * (found.places[0].estimate or 0) == pytest.approx(place, abs=1e-6)
    (pair_ac,) = [d for i, j, d in found.differences if (i, j) == ("a", "c")]
    assert pair_ac.details.standard_error == pytest.approx(glm.bse[-4], abs=1e-6)


def test_two_systems_by_hand() -> None:
    """12 wins, 5 losses, 3 ties: difference ln(12 / 5), nu = 3 / sqrt(12 x 5)."""
    found = davidson(
        _many(("a", "b", "a", 12), ("a", "b", "b", 5), ("a", "b", TIE, 3)), order_effect=False
    )
    assert _difference(found, "a", "b") == pytest.approx(math.log(12 / 5))
    assert found.tie.estimate == pytest.approx(3 / math.sqrt(60))
    assert (found.n, found.n_ties) == (20, 3)


def test_first_choices_of_three_by_hand() -> None:
    """Always the same three: strengths are logs of the shares. 10, 6 and 4 first places."""
    shown = ("a", "b", "c")
    winners = ["a"] * 10 + ["b"] * 6 + ["c"] * 4
    found = davidson(
        [Comparison(shown, w, str(i)) for i, w in enumerate(winners)], order_effect=False
    )
    assert _difference(found, "a", "b") == pytest.approx(math.log(10 / 6))
    assert _difference(found, "b", "c") == pytest.approx(math.log(6 / 4))
    assert sum(e.estimate or 0 for _, e in found.strengths) == pytest.approx(0)


def test_rankings_of_two_are_bradley_terry_and_of_three_fulfil_the_likelihood_equation() -> None:
    two = plackett_luce([["a", "b"]] * 7 + [["b", "a"]] * 3)
    assert _difference(two, "a", "b") == pytest.approx(math.log(7 / 3))
    rankings = [list("abc")] * 5 + [list("bac")] * 3 + [list("cab")] * 2 + [list("bca")] * 2
    found = plackett_luce(rankings)
    strength = {s: math.exp(e.estimate or 0) for s, e in found.strengths}
    # At the maximum each system is chosen as often as the model expects (Plackett and Luce).
    for system in "abc":
        chosen = sum(r.index(system) < 2 for r in rankings)
        expected = sum(
            strength[system] / sum(strength[s] for s in r[place:])
            for r in rankings
            for place in (0, 1)
            if system in r[place:]
        )
        assert expected == pytest.approx(chosen, abs=1e-6)


def test_copies_within_a_prompt_do_not_narrow_the_interval() -> None:
    once = _many(("a", "b", "a", 12), ("a", "b", "b", 6), ("b", "a", "a", 9), ("b", "a", "b", 9))
    twice = [Comparison(c.shown, c.winner, c.cluster, k) for c in once for k in (1, 2)]
    single, copied = davidson(once), davidson(twice)
    assert copied.differences[0][2].estimate == pytest.approx(single.differences[0][2].estimate)
    naive = [Comparison(c.shown, c.winner, f"{c.cluster}-{c.replicate}") for c in twice]
    error = copied.differences[0][2].details.standard_error
    assert error > 1.2 * davidson(naive).differences[0][2].details.standard_error
    assert error == pytest.approx(single.differences[0][2].details.standard_error, rel=0.1)


@pytest.mark.parametrize(
    ("rows", "because"),
    [
        ([("a", "b", "a", 5)], SEPARATED),
        ([("a", "b", "a", 5), ("a", "b", TIE, 3)], SEPARATED),
        ([("a", "b", "a", 5), ("b", "a", "b", 5)], SEPARATED),
        ([("a", "b", TIE, 5)], "all 5 comparisons are ties"),
        ([("a", "b", None, 5)], "no comparison has a result"),
    ],
)
def test_strengths_without_a_finite_estimate_say_why(
    rows: list[tuple[str, str, str | None, int]], because: str
) -> None:
    found = davidson(_many(*rows))
    assert all(because in e.undefined_because for _, e in found.strengths)


def test_one_prompt_gives_no_interval() -> None:
    rows = [Comparison(("a", "b"), w, "p") for w in "aaab"]
    found = davidson(rows, order_effect=False)
    assert found.differences[0][2].ci_low is None
    assert _difference(found, "a", "b") == pytest.approx(math.log(3))


def test_results_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AnalysisError, match="winner"):
        Comparison(("a", "b"), "c", "p")
    with pytest.raises(AnalysisError, match="shown"):
        Comparison(("a", "a"), "a", "p")
    with pytest.raises(AnalysisError, match="2 and 3"):
        davidson([Comparison(("a", "b"), "a", "p"), Comparison(("a", "b", "c"), "a", "q")])


def test_flips_and_first_places_are_counted() -> None:
    """Prompt 1 flips (first place wins twice), 2 is steady, 3 a tie against a winner, 4 has no pair."""
    found = order_effects(
        [
            Comparison(("a", "b"), "a", "1"), Comparison(("b", "a"), "b", "1"),
            Comparison(("a", "b"), "b", "2"), Comparison(("b", "a"), "b", "2"),
            Comparison(("a", "b"), TIE, "3"), Comparison(("b", "a"), "a", "3"),
            Comparison(("a", "b"), "a", "4"), Comparison(("b", "a"), None, "4"),
        ]
    )  # fmt: skip
    assert found.flip_rate.estimate == pytest.approx(2 / 3)
    assert found.flip_rate.details.reversed == pytest.approx(1 / 3)
    assert (found.flip_rate.n, found.flip_rate.n_missing) == (3, 1)
    # One pair a prompt: clusters change nothing, and the interval is Wilson's.
    plain = wilson_share(2, 3)
    assert (found.flip_rate.ci_low, found.flip_rate.ci_high) == pytest.approx(
        (plain.ci_low, plain.ci_high)
    )
    # First place: won, won, lost, won (b first), lost (a second), won: 4 of 6.
    assert found.first_place_rate.estimate == pytest.approx(4 / 6)
    assert found.first_place_rate.details.expected == 0.5


def test_repeated_scores_agree_as_krippendorff_says() -> None:
    rng = np.random.default_rng(8)
    truth = rng.integers(1, 6, 30)
    repeats = np.clip(truth[:, None] + rng.integers(-1, 2, (30, 3)), 1, 5).astype(float)
    repeats[0, 1] = np.nan
    found = score_self_agreement(repeats, [1, 2, 3, 4, 5], bootstrap=Bootstrap(200))
    theirs = krippendorff.alpha(
        reliability_data=repeats.T, value_domain=[1, 2, 3, 4, 5], level_of_measurement="ordinal"
    )
    assert found.alpha.estimate == pytest.approx(theirs)
    assert found.spread.estimate == pytest.approx(
        math.sqrt(np.nanvar(repeats, axis=1, ddof=1).mean())
    )
    assert found.alpha.ci_low is not None and "raters" not in found.alpha.to_dict()["details"]


def test_repeats_by_hand() -> None:
    """1, 1, 2: one pair of three is identical; variance 1/3. 2, 2, 2: all, and 0."""
    found = score_self_agreement([[1, 1, 2], [2, 2, 2]], [1, 2], bootstrap=Bootstrap(10))
    assert found.identical.estimate == pytest.approx((1 / 3 + 1) / 2)
    assert found.spread.estimate == pytest.approx(math.sqrt(1 / 6))
    compared = comparison_self_agreement(
        [Comparison(("a", "b"), w, "p", i) for i, w in enumerate(["a", "a", TIE])]
    )
    assert compared.identical.estimate == pytest.approx(1 / 3)
    assert "no scores" in compared.alpha.undefined_because


def test_nothing_repeated_or_reordered_says_so() -> None:
    once = score_self_agreement([[1.0], [2.0]], [1, 2])
    assert "no verdict was repeated" in once.alpha.undefined_because
    same = score_self_agreement([[1, 1], [1, 1]], [1, 2], bootstrap=Bootstrap(10))
    assert "one point" in same.alpha.undefined_because and same.identical.estimate == 1.0
    single = [Comparison(("a", "b"), TIE, "p")]
    assert "more than one order" in order_effects(single).flip_rate.undefined_because
    assert "no comparison has a winner" in order_effects(single).first_place_rate.undefined_because
    assert "repeated" in comparison_self_agreement(single).identical.undefined_because
