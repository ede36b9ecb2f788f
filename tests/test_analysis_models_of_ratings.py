"""The models of ratings against R's lines in mixed.out, and their behaviour at the edges."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.chapters.models import RatingModels, models_of_table
from analysis.rating_models.ratings import RatingColumns
from analysis.rating_models.results import ModelFit
from analysis.results import Estimate
from study.errors import AnalysisError

STATS = Path(__file__).parent / "reference" / "stats"
MIXED = (STATS / "mixed.out").read_text(encoding="utf-8").splitlines()
COLUMNS = RatingColumns("y", "model", "rater", "topic")


def _fit(name: str) -> RatingModels:
    frame = pd.read_csv(STATS / name)
    return models_of_table(frame, COLUMNS, reference="Phi4", points=range(1, 6))


@pytest.fixture(scope="module")
def missing() -> RatingModels:
    return _fit("long_missing.csv")


@pytest.fixture(scope="module")
def complete() -> RatingModels:
    return _fit("long.csv")


def _line(start: str, occurrence: int = 0) -> list[float]:
    """Numbers of the n-th line of mixed.out that starts with these words."""
    found = [line for line in MIXED if line.lstrip().startswith(start)]
    rest = found[occurrence].lstrip()[len(start) :]
    numbers = re.findall(r"(?<![\w.])-?\d+\.?\d*(?:e[+-]?\d+)?", rest)
    return [float(number) for number in numbers]


def _by_term(model: ModelFit, term: str) -> Estimate:
    rows = [row for row in (*model.coefficients, *model.thresholds) if row.details.term == term]
    # R's estimating equations have the uncorrected errors, which are not the main ones here.
    return next((row for row in rows if row.statistic.endswith("_uncorrected")), rows[0])


def _close(ours: Any, theirs: float, tolerance: float = 1e-4) -> None:
    assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance * 1e-2)


@pytest.mark.parametrize(
    ("model", "term", "occurrence"),
    [
        ("lmer_intercept", "(Intercept)", 0),
        ("lmer_intercept", "modelEAI", 0),
        ("lmer_slope", "(Intercept)", 1),
        ("lmer_slope", "modelEAI", 1),
    ],
)
def test_lmer_lines_of_mixed_out(
    missing: RatingModels, model: str, term: str, occurrence: int
) -> None:
    """Oracle: mixed.out, lmerTest's coefficient tables (Satterthwaite).

    The slope model's criterion is flat: lmer's default optimizer stopped 1.3e-7 above its minimum,
    which moves one df by 1.6e-4 (with ``rhoend = 1e-9`` R gives our figures to 1e-7, see
    test_analysis_linear_mixed), so df is compared to 2e-4 there.
    """
    estimate, error, df, t, p = _line(term, occurrence)
    ours = _by_term(missing.models[model], term)
    _close(ours.estimate, estimate)
    _close(ours.details.std_error, error)
    _close(ours.details.df, df, 1e-4 if model == "lmer_intercept" else 2e-4)
    _close(ours.details.t_value, t)
    assert ours.p_value == pytest.approx(p, rel=1e-2, abs=1e-15)


@pytest.mark.parametrize(
    ("model", "statistic", "start", "occurrence"),
    [
        ("lmer_intercept", "rater_variance", "1    rater", 0),
        ("lmer_intercept", "prompt_variance", "2    topic", 0),
        ("lmer_intercept", "residual_variance", "3 Residual", 0),
        ("lmer_slope", "rater_variance", "1    rater (Intercept)     <NA>", 0),
        ("lmer_slope", "rater_slope_variance", "2    rater    modelEAI     <NA>", 0),
        ("lmer_slope", "rater_slope_covariance", "3    rater (Intercept) modelEAI", 0),
        ("lmer_slope", "prompt_variance", "4    topic (Intercept)     <NA>", 0),
        ("lmer_slope", "residual_variance", "5 Residual        <NA>     <NA>", 0),
    ],
)
def test_lmer_variance_lines_of_mixed_out(
    missing: RatingModels, model: str, statistic: str, start: str, occurrence: int
) -> None:
    """Oracle: mixed.out, VarCorr of the two lmer fits (slope fit: see above, 2e-4)."""
    variance = _line(start, occurrence)[0]
    tolerance = 1e-4 if model == "lmer_intercept" else 2e-4
    _close(missing.models[model].find(statistic).estimate, variance, tolerance)


def test_lmer_log_likelihood_line_of_mixed_out(missing: RatingModels) -> None:
    """Oracle: mixed.out, "logLik REML"."""
    _close(missing.models["lmer_intercept"].log_likelihood, _line("logLik REML")[0], 1e-8)


def test_emmeans_line_of_mixed_out(missing: RatingModels) -> None:
    """Oracle: mixed.out, emmeans with Kenward-Roger (printed to three digits, sign reversed)."""
    estimate, error, df, low, high = _line("Phi4 - EAI")
    ours = missing.models["lmer_intercept"].find("mean_difference", "EAI")
    assert ours.estimate is not None and ours.ci_low is not None and ours.ci_high is not None
    assert -ours.estimate == pytest.approx(estimate, abs=6e-4)
    assert ours.details.kenward_roger_std_error == pytest.approx(error, abs=6e-4)
    assert ours.details.kenward_roger_df == pytest.approx(df, abs=0.6)
    assert (-ours.ci_high, -ours.ci_low) == pytest.approx((low, high), abs=6e-4)


ORDINAL_TERMS = ["1|2", "2|3", "3|4", "4|5", "modelEAI"]


@pytest.mark.parametrize("term", ORDINAL_TERMS)
def test_clm_lines_of_mixed_out(missing: RatingModels, term: str) -> None:
    """Oracle: mixed.out, coefficient table of clm."""
    estimate, error, z, p = _line(term, 2 if term == "modelEAI" else 0)
    ours = _by_term(missing.models["clm"], term)
    _close(ours.estimate, estimate, 1e-6)
    _close(ours.details.std_error, error, 1e-6)
    _close(ours.details.z_value, z, 1e-6)
    assert ours.p_value == pytest.approx(p, rel=1e-5)


@pytest.mark.parametrize("term", ORDINAL_TERMS)
def test_clmm_lines_of_mixed_out(missing: RatingModels, term: str) -> None:
    """Oracle: mixed.out, coefficient table of clmm and its Wald intervals (confint)."""
    modelled = term == "modelEAI"
    estimate, error, z, p = _line(term, 3 if modelled else 1)
    low, high = _line(term, 4 if modelled else 2)
    ours = _by_term(missing.models["clmm"], term)
    _close(ours.estimate, estimate)
    _close(ours.details.std_error, error)
    _close(ours.details.z_value, z)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((low, high), abs=1e-4)
    assert ours.p_value == pytest.approx(p, rel=2e-3)


def test_clmm_variance_lines_of_mixed_out(missing: RatingModels) -> None:
    """Oracle: mixed.out, VarCorr of clmm."""
    rows = [line.split() for line in MIXED if line.startswith("(Intercept)")]
    rater, prompt = (float(row[1]) for row in rows if len(row) == 2)
    _close(missing.models["clmm"].find("rater_variance").estimate, rater)
    _close(missing.models["clmm"].find("prompt_variance").estimate, prompt)


@pytest.mark.parametrize(("model", "occurrence"), [("clm", 0), ("clmm", 1)])
def test_ordinal_log_likelihood_lines_of_mixed_out(
    missing: RatingModels, model: str, occurrence: int
) -> None:
    """Oracle: mixed.out, the two "ll" lines."""
    _close(missing.models[model].log_likelihood, _line("ll ", occurrence)[0], 1e-7)


def test_nominal_test_line_of_mixed_out(missing: RatingModels) -> None:
    """Oracle: mixed.out, nominal_test of clm."""
    df, larger, _aic, ratio, p = _line("model ")
    ours = missing.proportional_odds
    assert ours.details.df == df
    _close(ours.details.log_likelihood_larger, larger, 1e-6)
    assert ours.estimate == pytest.approx(ratio, abs=1e-5)
    assert ours.p_value == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("term", ["(Intercept)", "modelEAI"])
def test_gee_lines_of_mixed_out(complete: RatingModels, term: str) -> None:
    """Oracle: mixed.out, geeglm on long.csv (its Wald is the square of z)."""
    estimate, error, wald, p = _line(term, 8 if term == "(Intercept)" else 5)
    ours = _by_term(complete.models["gee"], term)
    _close(ours.estimate, estimate, 1e-7)
    _close(ours.details.std_error, error, 1e-7)
    _close(ours.details.z_value**2, wald, 1e-6)
    assert ours.p_value == pytest.approx(p, rel=1e-5, abs=1e-300)


def test_gee_correlation_line_of_mixed_out(complete: RatingModels) -> None:
    """Oracle: mixed.out, "alpha" of geeglm with its robust standard error."""
    alpha, error = _line("alpha")
    ours = complete.models["gee"].find("exchangeable_correlation")
    _close(ours.estimate, alpha, 1e-6)
    _close(ours.details.std_error, error, 1e-6)


def test_paired_t_lines_of_mixed_out(complete: RatingModels) -> None:
    """Oracle: mixed.out, t.test of the raters' means, paired, on long.csv."""
    t, df, p = _line("t = ")
    after = MIXED.index("95 percent confidence interval:") + 1
    low, high = (float(number) for number in MIXED[after].split())
    ours = complete.models["paired_t"].find("mean_difference", "EAI")
    _close(ours.estimate, 0.42777778, 1e-7)
    _close(ours.details.t_value, t, 1e-5)
    assert ours.details.df == df
    assert ours.p_value == pytest.approx(p, rel=1e-4)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((low, high), abs=1e-8)


def _compared() -> list[tuple[str, str, str, float, float]]:
    """Statistic, data, R's function, R's number, ours: the main lines of mixed.out."""
    fits = {"long_missing": _fit("long_missing.csv"), "long": _fit("long.csv")}
    # Model, R's function, data, and which line of mixed.out that starts with the term is meant.
    tables: list[tuple[str, str, str, dict[str, int]]] = [
        ("lmer_intercept", "lmerTest::lmer", "long_missing", {"(Intercept)": 0, "modelEAI": 0}),
        ("lmer_slope", "lmerTest::lmer, slope", "long_missing", {"(Intercept)": 1, "modelEAI": 1}),
        ("clm", "ordinal::clm", "long_missing", dict.fromkeys(ORDINAL_TERMS, 0) | {"modelEAI": 2}),
        (
            "clmm",
            "ordinal::clmm",
            "long_missing",
            dict.fromkeys(ORDINAL_TERMS, 1) | {"modelEAI": 3},
        ),
        ("gee", "geepack::geeglm", "long", {"(Intercept)": 8, "modelEAI": 5}),
    ]
    rows = []
    for model, function, data, terms in tables:
        for term, occurrence in terms.items():
            ours = _by_term(fits[data].models[model], term)
            estimate, error = _line(term, occurrence)[:2]
            # A bar within a cell of a Markdown table would end it.
            name = f"{model} {term}".replace("|", "\\|")
            rows.append((f"{name} estimate", data, function, estimate, ours.estimate))
            own_error = ours.details.std_error
            rows.append((f"{name} standard_error", data, function, error, own_error))
    for model, occurrence in (("clm", 0), ("clmm", 1)):
        ll = fits["long_missing"].models[model].log_likelihood
        r_value = _line("ll ", occurrence)[0]
        rows.append((f"{model} log_likelihood", "long_missing", f"ordinal::{model}", r_value, ll))
    return rows  # type: ignore[return-value]  # estimates of fitted models are numbers


def validation_chapter() -> str:
    """The chapter on models of docs/validation.md."""
    lines = [
        "## Models of ratings",
        "",
        "| statistic | data | oracle | R | evenhand | difference |",
    ]
    lines.append("|---|---|---|---|---|---|")
    lines += [
        f"| {statistic} | {data} | {oracle} | {theirs:.10g} | {ours:.10g} | {abs(ours - theirs):.3e} |"
        for statistic, data, oracle, theirs, ours in _compared()
    ]
    return "\n".join([*lines, ""])


def test_the_validation_page_names_every_compared_line() -> None:
    """docs/validation.md holds the rows that ``validation_chapter`` writes, but for last digits."""
    page = (STATS.parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    for statistic, data, oracle, theirs, ours in _compared():
        assert f"| {statistic} | {data} | {oracle} | {theirs:.10g} |" in page
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_likelihood_ratios_against_r(missing: RatingModels) -> None:
    """Oracle: R 4.2.2 on long_missing.csv, typed from its output.

    anova(clmm null, clmm), anova of the two lmer fits by full ML, anova(refit = FALSE) of the random
    slope; the saturated difference of two logLik lines for the random effects.
    """
    effect = missing.models["clmm"].find("likelihood_ratio_effect")
    assert effect.estimate == pytest.approx(22.19799, abs=1e-4)
    assert effect.p_value == pytest.approx(2.4593e-06, rel=1e-3)
    linear = missing.models["lmer_intercept"].find("likelihood_ratio_effect")
    assert linear.estimate == pytest.approx(22.22243, abs=1e-4)
    assert linear.details.log_likelihood_smaller == pytest.approx(-941.3418, abs=1e-4)
    slope = missing.comparisons[0]
    assert slope.estimate == pytest.approx(2.055, abs=1e-3)
    assert slope.details.df == 2
    assert slope.p_value == pytest.approx(0.3579, abs=1e-4)


def test_chi_square_mixture_for_one_random_slope(missing: RatingModels) -> None:
    """Oracle: arithmetic; sf of chi-square 2 is exp(-x / 2), of chi-square 1 erfc(sqrt(x / 2))."""
    test = missing.comparisons[0]
    assert test.estimate is not None
    half = test.estimate / 2
    expected = 0.5 * (math.exp(-half) + math.erfc(math.sqrt(half)))
    assert test.details.p_value_mixture == pytest.approx(expected, rel=1e-10)


def test_missing_rows_are_counted_by_column() -> None:
    """Oracle: four cells emptied by hand, two of them in one row."""
    frame = pd.read_csv(STATS / "long.csv").astype({"y": float})
    frame.loc[[3, 8], "y"] = np.nan
    frame.loc[8, "rater"] = None
    frame.loc[20, "topic"] = None
    fits = models_of_table(frame, COLUMNS, reference="Phi4")
    assert fits.ratings.n_missing == 3
    assert fits.ratings.n == 717
    assert dict(fits.ratings.missing) == {"y": 2, "model": 0, "rater": 1, "topic": 1}
    assert fits.models["clmm"].n_missing == 3


def test_reversed_reference_reverses_signs_only(missing: RatingModels) -> None:
    """Property: with two levels the choice of reference changes signs, nothing else."""
    frame = pd.read_csv(STATS / "long_missing.csv")
    other = models_of_table(frame, COLUMNS, reference="EAI", points=range(1, 6))
    for name, model in missing.models.items():
        ours, theirs = model.coefficients[-1], other.models[name].coefficients[-1]
        assert ours.estimate is not None and theirs.estimate is not None
        assert theirs.estimate == pytest.approx(-ours.estimate, rel=1e-5)
        assert theirs.details.std_error == pytest.approx(ours.details.std_error, rel=1e-5)


def test_order_of_rows_does_not_matter(missing: RatingModels) -> None:
    """Property: the rows are a set."""
    frame = pd.read_csv(STATS / "long_missing.csv").sample(frac=1, random_state=3)
    other = models_of_table(frame, COLUMNS, reference="Phi4", points=range(1, 6))
    for name, model in missing.models.items():
        theirs = other.models[name].coefficients[-1].estimate
        assert theirs == pytest.approx(model.coefficients[-1].estimate, rel=1e-7)


def test_a_rating_given_twice_is_refused_with_its_rows() -> None:
    """Property: data rows 5 and 9 are the same rater, prompt and system; a repeat without a rating is
    missing and counts nothing."""
    frame = _grid(3, 3).astype({"y": float})
    frame.loc[8, ["rater", "topic", "model"]] = frame.loc[4, ["rater", "topic", "model"]]
    with pytest.raises(
        AnalysisError, match=r"data row 5 and data row 9 .*topic p2, model a \(1 rows"
    ):
        models_of_table(frame, COLUMNS, reference=None)
    frame.loc[8, "y"] = np.nan
    assert models_of_table(frame, COLUMNS, reference=None).ratings.n == 17


def test_a_model_whose_arithmetic_breaks_down_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Property: a division by zero in one model is its reason, and the rest of the analysis goes on."""

    def broken(ratings: object, **options: object) -> ModelFit:
        raise ZeroDivisionError("float division by zero")

    broken.__name__ = "fit_gee"
    monkeypatch.setattr("analysis.chapters.models.fit_gee", broken)
    fits = models_of_table(_grid(6, 3), COLUMNS, reference=None)
    assert "ZeroDivisionError" in fits.models["gee"].undefined_because
    assert fits.models["lmer_slope"].converged and fits.models["paired_t"].converged


def test_random_responses_stand_among_the_models(missing: RatingModels) -> None:
    """Property: ten prompts with two systems each carry the model for other prompts; with rater slopes
    where a rater has several ratings of a system."""
    assert missing.models["lmer_response"].model == "linear_mixed_slopes_responses"
    assert "other prompts and other responses" in missing.models["lmer_response"].unit_of_inference
    assert "these very responses" in missing.models["lmer_slope"].unit_of_inference
    assert missing.to_dict()["models"]["lmer_response"]["converged"]


def test_every_model_names_its_unit_of_inference(missing: RatingModels) -> None:
    """Property: issue 6, the unit of inference is in every caption."""
    for model in missing.models.values():
        assert model.unit_of_inference.startswith(("rater", "rating"))
        assert all(row.unit for row in model.coefficients)


def test_large_data_leave_clmm_out_and_say_so() -> None:
    """Property: a limit below n leaves the model out with the two numbers in the reason."""
    frame = pd.read_csv(STATS / "long.csv")
    fits = models_of_table(frame, COLUMNS, reference="Phi4", most_ratings=700)
    assert "720" in fits.models["clmm"].undefined_because
    assert "700" in fits.models["clmm"].undefined_because
    assert fits.models["lmer_intercept"].converged


def _grid(n_raters: int, n_prompts: int, levels: str = "ab", seed: int = 5) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    rows = [
        (f"r{i}", f"p{j}", level, int(draw.integers(1, 6)))
        for i in range(n_raters)
        for j in range(n_prompts)
        for level in levels
    ]
    return pd.DataFrame(rows, columns=["rater", "topic", "model", "y"])


def _degenerate() -> dict[str, pd.DataFrame]:
    base = _grid(8, 5)
    first = base["model"] == "a"
    number = base["rater"].str[1:].astype(int)
    return {
        "one rater": _grid(1, 5),
        "one prompt": _grid(8, 1),
        "one rater, one prompt": _grid(1, 1),
        "two raters": _grid(2, 5),
        "one level": _grid(8, 5, "a"),
        "all equal": base.assign(y=3),
        "all missing": base.assign(y=np.nan),
        "all missing, integers": base.assign(y=pd.array([None] * len(base), dtype="Int64")),
        "empty": base.iloc[:0],
        "separated, two values": base.assign(y=np.where(first, 1, 5)),
        "separated, several values": base.assign(
            y=np.where(first, base["y"] % 2 + 1, base["y"] + 3)
        ),
        "one level has one value": base.assign(y=np.where(first, 3, base["y"])),
        "straight-lining raters": base.assign(y=number % 5 + 1),
        "rater and level explain all": base.assign(y=number % 3 + 1 + (~first)),
        "prompt explains all": base.assign(y=base["topic"].str[1:].astype(int) + 1),
        "two values": base.assign(y=base["y"] % 2),
        "an unused point": base.assign(y=np.where(base["y"] == 3, 4, base["y"])),
        "continuous": base.assign(y=base["y"] + np.arange(len(base)) / 100),
        "raters nested in levels": base[(base["rater"] < "r4") == first],
        "each rater rates once": _grid(8, 1).iloc[[0, 3, 4, 7, 8, 11, 12, 15]],
        "one rating of a level": pd.concat([base[first], base[~first].head(1)]),
        "every prompt once": base.assign(topic=[f"p{i}" for i in range(len(base))]),
        "two rows": base.iloc[:2],
        "a single other rating": base.assign(y=[1] * (len(base) - 1) + [5]),
    }


@lru_cache
def _fit_case(case: str) -> RatingModels:
    return models_of_table(_degenerate()[case], COLUMNS, reference=None)


def _finite(node: Any) -> bool:
    if isinstance(node, dict):
        return all(_finite(value) for value in node.values())
    if isinstance(node, list | tuple):
        return all(_finite(value) for value in node)
    return not isinstance(node, float) or math.isfinite(node)


@pytest.mark.parametrize("case", sorted(_degenerate()))
def test_degenerate_data_give_reasons_and_no_nan(case: str) -> None:
    """Property: no warning (they are errors here), no nan, a reason wherever there is no figure."""
    fits = _fit_case(case)
    exported = fits.to_dict()
    assert _finite(exported)
    json.dumps(exported, allow_nan=False)
    for model in fits.models.values():
        assert model.converged != bool(model.undefined_because)
        if not model.undefined_because:
            assert model.coefficients


@pytest.mark.parametrize(
    ("case", "model", "words"),
    [
        ("one rater", "clmm", "by one rater"),
        ("one rater", "gee", "by one rater"),
        ("one prompt", "lmer_slope", "16 random effects"),
        ("one level", "clm", "one level only"),
        ("all equal", "lmer_intercept", "have the value 3"),
        ("all missing", "paired_t", "all 80 rows have a missing value"),
        ("separated, several values", "clm", "separated"),
        ("separated, several values", "clmm", "separated"),
        ("rater and level explain all", "lmer_intercept", "did not converge"),
        ("continuous", "clmm", "different values"),
        ("raters nested in levels", "paired_t", "0 of 8 raters rated both"),
        ("one rating of a level", "gee", "one rater alone"),
        ("two raters", "gee", "2 raters for 2 coefficients"),
    ],
)
def test_reason_names_what_is_wrong(case: str, model: str, words: str) -> None:
    """Oracle: the reason that the construction of each case dictates."""
    fits = _fit_case(case)
    assert words in fits.models[model].undefined_because


def test_one_prompt_is_said_and_fitted_without() -> None:
    """Property: with one prompt the raters stay random and the prompt variance has a reason."""
    fit = _fit_case("one prompt").models["lmer_intercept"]
    assert fit.converged
    assert "one prompt" in fit.find("prompt_variance").undefined_because
    assert "these prompts only" in fit.unit_of_inference


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": "score"}, "no column 'score'"),
        ({"reference": "Llama"}, "not a level"),
        ({"points": range(1, 5)}, "the rating 5"),
        ({"points": [1]}, "at least two"),
        ({"prompt": "rater"}, "four different columns"),
        ({"value": "gender"}, "must be a finite number"),
    ],
)
def test_wrong_input_is_an_error_in_words(change: dict[str, Any], words: str) -> None:
    """Property: a user's mistake names the value and what was expected."""
    frame = pd.read_csv(STATS / "long.csv")
    change = dict(change)
    columns = {k: change.pop(k) for k in ("value", "prompt") if k in change}
    arguments = {"reference": "Phi4", **change}
    with pytest.raises(AnalysisError, match=words):
        models_of_table(frame, replace(COLUMNS, **columns), **arguments)
