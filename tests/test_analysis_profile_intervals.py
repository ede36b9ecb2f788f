"""Profile-likelihood intervals against R's: confint of lme4 and ordinal on long_missing.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.rating_models.linear import fit_lmm
from analysis.rating_models.ordinal import fit_clm
from analysis.rating_models.ordinal_mixed import fit_clmm
from analysis.rating_models.ratings import CrossedRatings, RatingColumns, prepare_ratings

REFERENCE = Path(__file__).parent / "reference"
# Made with R 4.2.2, lme4 1.1-31 and ordinal 2022.11-16 by make_profile_intervals.R. Both packages
# interpolate their profile by splines, which costs the last digits.
R = pd.read_csv(REFERENCE / "models" / "profile_intervals.csv").set_index(["model", "parameter"])


INTERCEPT_MODEL = {
    "rater_variance": "sd_(Intercept)|rater",
    "prompt_variance": "sd_(Intercept)|topic",
    "residual_variance": "sigma",
}


def prepare() -> CrossedRatings:
    """The ratings that R's intervals are of."""
    return prepare_ratings(
        pd.read_csv(REFERENCE / "stats" / "long_missing.csv"),
        RatingColumns("y", "model", "rater", "topic"),
        reference="Phi4",
        points=range(1, 6),
    )


@pytest.fixture(scope="module")
def ratings() -> CrossedRatings:
    return prepare()


def _compared() -> list[tuple[str, str, float, float]]:
    """Statistic, oracle, R's number and ours, for the page docs/validation.md."""
    data = prepare()
    low, high = R.loc[("clm", "modelEAI")]
    effect = fit_clm(data).find("cumulative_log_odds_ratio", "EAI")
    rows = [
        ("clm profile_ci_low", "ordinal confint", low, effect.details.profile.low),
        ("clm profile_ci_high", "ordinal confint", high, effect.details.profile.high),
    ]
    fit = fit_lmm(data, profile=True)
    for ours, theirs in INTERCEPT_MODEL.items():
        low, high = R.loc[("lmer_intercept", theirs)]
        found = fit.find(ours)
        rows.append((f"lmm {ours} sd low", "lme4 confint", low, found.details.profile.low))
        rows.append((f"lmm {ours} sd high", "lme4 confint", high, found.details.profile.high))
    return rows


def validation_chapter() -> str:
    """The chapter on profile-likelihood intervals of docs/validation.md."""
    lines = [
        "## Profile-likelihood intervals",
        "",
        "| statistic | data | oracle | R | evenhand | difference |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {what} | long_missing | {oracle} | {theirs:.8g} | {ours:.8g} | {abs(ours - theirs):.3e} |"
        for what, oracle, theirs, ours in _compared()
    ]
    return "\n".join([*lines, ""])


def test_effect_of_the_cumulative_link_model(ratings: CrossedRatings) -> None:
    """Oracle: ordinal's confint(clm(...)), which profiles; Wald's stays beside it."""
    low, high = R.loc[("clm", "modelEAI")]
    effect = fit_clm(ratings).find("cumulative_log_odds_ratio", "EAI")
    assert effect.details.profile.low == pytest.approx(low, abs=1e-4)
    assert effect.details.profile.high == pytest.approx(high, abs=1e-4)
    assert effect.ci_low == pytest.approx(
        effect.estimate - 1.959964 * effect.details.std_error, abs=1e-6
    )


def test_variances_of_the_linear_mixed_model(ratings: CrossedRatings) -> None:
    """Oracle: lme4's confint(method = "profile"), standard deviations."""
    fit = fit_lmm(ratings, profile=True)
    page = (REFERENCE.parent.parent / "docs" / "validation.md").read_text(encoding="utf-8")
    for ours, theirs in INTERCEPT_MODEL.items():
        low, high = R.loc[("lmer_intercept", theirs)]
        found = fit.find(ours)
        assert f"| lmm {ours} sd low | long_missing | lme4 confint | {low:.8g} |" in page
        assert found.details.profile.low == pytest.approx(low, abs=1e-4), ours
        assert found.details.profile.high == pytest.approx(high, abs=1e-4), ours
        assert (found.ci_low, found.ci_high) == pytest.approx((low**2, high**2), abs=2e-4)
        assert found.ci_method == "profile likelihood (full maximum likelihood)"


def test_effect_of_the_cumulative_link_mixed_model(ratings: CrossedRatings) -> None:
    """Oracle: R's clmm with the effect held by an offset (make_profile_intervals.R).

    R's log-likelihood is -888.508145 at the maximum, -890.5302312 at 0.4 and -890.5055482 at 1.0, so
    the interval for twice the drop at those two has them as its ends.
    """
    from scipy import stats

    for held, likelihood, end in ((0.4, -890.5302312, "low"), (1.0, -890.5055482, "high")):
        level = float(stats.chi2.cdf(2 * (-888.508145 - likelihood), 1))
        fit = fit_clmm(ratings, ci_level=level, profile=True)
        effect = fit.find("cumulative_log_odds_ratio", "EAI")
        assert getattr(effect.details.profile, end) == pytest.approx(held, abs=1e-4)


@pytest.mark.slow
def test_variances_with_random_slopes(ratings: CrossedRatings) -> None:
    """Oracle: lme4's profile of the model with a slope; its lower end for the slope is 0."""
    fit = fit_lmm(ratings, random_slopes=True, profile=True)
    names = {
        "rater_variance": "sd_(Intercept)|rater",
        "rater_slope_variance": "sd_modelEAI|rater",
        "prompt_variance": "sd_(Intercept)|topic",
        "residual_variance": "sigma",
    }
    for ours, theirs in names.items():
        low, high = R.loc[("lmer_slope", theirs)]
        found = fit.find(ours)
        assert found.details.profile.low == pytest.approx(low, abs=2e-3), ours
        assert found.details.profile.high == pytest.approx(high, abs=2e-3), ours


def test_a_variance_at_zero_has_an_interval_that_starts_there() -> None:
    """Oracle: prompts without any effect of their own; the interval begins at 0 and has an end."""
    rng = np.random.default_rng(3)
    rows = [
        {"rater": f"r{r}", "prompt": f"p{p}", "system": s, "y": 3.0 + level + noise}
        for r, level in enumerate(rng.normal(0, 0.6, 10))
        for p in range(4)
        for s, noise in zip("ab", rng.normal(0, 1, 2), strict=True)
    ]
    frame = pd.DataFrame(rows)
    frame["y"] -= frame.groupby("prompt")["y"].transform("mean")
    crossed = prepare_ratings(frame, RatingColumns("y", "system", "rater", "prompt"), reference="a")
    fit = fit_lmm(crossed, profile=True)
    prompt = fit.find("prompt_variance")
    assert prompt.estimate == 0 and prompt.ci_low == 0
    assert prompt.ci_high is not None and prompt.ci_high > 0


def test_a_search_that_runs_off_is_turned_back() -> None:
    """Oracle: the model is the same whichever level is the reference, so these intervals are too.

    With four raters the search for the profile once took a step so long that rounding left nothing
    of the means, and the report ended there.
    """
    sums = {
        "sleep": [(8, 8), (12, 11), (7, 9), (3, 5)],
        "work": [(7, 13), (9, 14), (7, 10), (6, 8)],
    }
    frame = pd.DataFrame(
        {"rater": f"r{r}", "prompt": prompt, "system": system, "y": float(y)}
        for prompt, pairs in sums.items()
        for r, pair in enumerate(pairs)
        for system, y in zip("ab", pair, strict=True)
    )
    ends = []
    for reference in "ab":
        crossed = prepare_ratings(
            frame, RatingColumns("y", "system", "rater", "prompt"), reference=reference
        )
        fit = fit_lmm(crossed, random_slopes=True, profile=True)
        found = [
            fit.find(name)
            for name in ("residual_variance", "rater_slope_variance", "prompt_variance")
        ]
        ends.append([float(end or 0) for x in found for end in (x.ci_low, x.ci_high)])
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)
    assert ends[0][1] > 0
