"""Every number of R that the pure statistics repeat, line by line of tests/reference/stats/ref.out.

docs/writers/validation_page.py writes docs/validation.md from the same table. R's numbers are
read from the file, never typed in here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.agreement import coefficients as agreement
from analysis.agreement import intraclass as agreement_icc
from analysis.agreement import krippendorff as agreement_krippendorff
from analysis.agreement import two_raters as agreement_pairwise
from analysis.contrasts import multiplicity, power, two_groups
from analysis.contrasts import paired as pairs
from analysis.reliability import consistency as reliability
from analysis.reliability import omega as reliability_omega
from analysis.resampling import Bootstrap
from analysis.results import Estimate

HERE = Path(__file__).parent
STATS = HERE / "reference" / "stats"
POINTS = [1, 2, 3, 4, 5]
IRRCAC_ROUNDING = 5.1e-6
EXACT = 1e-6
ITERATIVE = 1e-4
FILES = {"A": "A_missing.csv", "C": "C_complete.csv", "S": "S_sparse.csv"}


@dataclass(frozen=True)
class Oracle:
    """One number of R and how to compute ours."""

    statistic: str
    data: str
    oracle: str
    r_value: float
    ours: Callable[[], Any]
    tolerance: float = EXACT

    @property
    def name(self) -> str:
        return f"{self.statistic} {self.data} {self.oracle}"


@cache
def _text() -> tuple[str, ...]:
    return tuple((STATS / "ref.out").read_text(encoding="utf-8").splitlines())


@cache
def _csv(name: str) -> pd.DataFrame:
    return pd.read_csv(STATS / name)


def _numbers(text: str) -> list[float]:
    return [float(v) for v in re.findall(r"(?<![\w.])[-+]?\d*\.?\d+(?:e[-+]?\d+)?(?![\w.])", text)]


def _after(prefix: str, nth: int = 0) -> list[float]:
    """The numbers behind a prefix, in the nth line that starts with it."""
    lines = [line for line in _text() if line.startswith(prefix)]
    return _numbers(lines[nth][len(prefix) :])


def _under(heading: str, nth: int = 0, below: int = 1) -> list[float]:
    """The numbers of the line below the nth line that matches a heading."""
    rows = [i for i, line in enumerate(_text()) if re.match(heading, line)]
    return _numbers(_text()[rows[nth] + below])


def _detail(estimate: Estimate, key: str) -> Any:
    return estimate.details.to_dict()[key]


def _cohen() -> Iterator[Oracle]:
    complete, gaps = _csv(FILES["C"]), _csv(FILES["A"])

    def ours(weights: str, table: pd.DataFrame) -> Estimate:
        return agreement_pairwise.cohen_kappa(table["r0"], table["r1"], POINTS, weights=weights)

    for nth, (irr, weights) in enumerate(
        (("unweighted", "unweighted"), ("equal", "linear"), ("squared", "quadratic"))
    ):
        first = _after(f"kappa2 {irr} :", 0)
        source = f"irr::kappa2 {irr}"
        for part, value in zip(("estimate", "z", "p_value"), first, strict=True):
            yield Oracle(
                f"cohen_kappa {weights} {part}",
                "C_complete r0, r1",
                source,
                value,
                lambda w=weights, p=part: (
                    _detail(ours(w, complete), "z") if p == "z" else getattr(ours(w, complete), p)
                ),
            )
        second = _after(f"kappa2 {irr} :", 1)
        for part, value in zip(("estimate", "n"), second, strict=True):
            yield Oracle(
                f"cohen_kappa {weights} {part}",
                "A_missing r0, r1",
                source,
                value,
                lambda w=weights, p=part: getattr(ours(w, gaps), p),
            )
        del nth
    for weights, prefix in (("quadratic", "vcd quad :"), ("linear", "vcd linear :")):
        kappa, kappa_se, weighted, weighted_se = _after(prefix)
        for w, part, value in (
            ("unweighted", "estimate", kappa),
            ("unweighted", "standard_error", kappa_se),
            (weights, "estimate", weighted),
            (weights, "standard_error", weighted_se),
        ):
            yield Oracle(
                f"cohen_kappa {w} {part}",
                "C_complete r0, r1",
                prefix.strip(" :"),
                value,
                lambda w=w, p=part: (
                    ours(w, complete).estimate if p == "estimate" else _detail(ours(w, complete), p)
                ),
            )
    for weights, prefix in (("unweighted", "  Unweighted "), ("linear", "  Weighted   ")):
        for part, value in zip(("ci_low", "ci_high"), _after(prefix), strict=True):
            yield Oracle(
                f"cohen_kappa {weights} {part}",
                "C_complete r0, r1",
                "vcd confint",
                value,
                lambda w=weights, p=part: getattr(ours(w, complete), p),
            )


def _several_raters() -> Iterator[Oracle]:
    table = _csv(FILES["C"])
    kappa, z, p = _after("fleiss :")
    for part, value in (("estimate", kappa), ("z_null", z), ("p_value_null", p)):
        yield Oracle(
            f"fleiss_kappa {part}",
            "C_complete",
            "irr::kappam.fleiss",
            value,
            lambda p=part: (
                agreement.fleiss_kappa(table, POINTS).estimate
                if p == "estimate"
                else _detail(agreement.fleiss_kappa(table, POINTS), p)
            ),
        )
    yield Oracle(
        "conger_kappa estimate",
        "C_complete",
        "irr::kappam.fleiss exact",
        _after("conger exact :")[0],
        lambda: agreement.conger_kappa(table, POINTS).estimate,
    )
    yield Oracle(
        "light_kappa estimate",
        "C_complete",
        "irr::kappam.light",
        _after("light :")[0],
        lambda: agreement_pairwise.light_kappa(table, POINTS).estimate,
    )
    chi, marginal, p = _after("stuart maxwell :")[0], *_after("stuart maxwell :")[1:]
    bhapkar, bhapkar_p = _after("bhapkar :")
    ours = agreement_pairwise.stuart_maxwell(table["r0"], table["r1"], POINTS)
    for name, oracle, value, own in (
        ("stuart_maxwell_chi_square", "irr::stuart.maxwell.mh", chi, ours.estimate),
        ("stuart_maxwell_chi_square", "coin::mh_test", marginal, ours.estimate),
        ("stuart_maxwell p_value", "irr::stuart.maxwell.mh", p, ours.p_value),
        ("bhapkar_chi_square", "irr::bhapkar", bhapkar, ours.details.bhapkar_chi_square),
        ("bhapkar p_value", "irr::bhapkar", bhapkar_p, ours.details.bhapkar_p_value),
    ):
        yield Oracle(name, "C_complete r0, r1", oracle, value, lambda own=own: own)
    w, chi, p = _after("kendall W corrected :")
    kendall = agreement_icc.kendall_w(table)
    for part, value, own in (
        ("estimate", w, kendall.estimate),
        ("chi_square", chi, kendall.details.chi_square),
        ("p_value", p, kendall.p_value),
    ):
        yield Oracle(f"kendall_w {part}", "C_complete", "irr::kendall", value, lambda own=own: own)


def _krippendorff() -> Iterator[Oracle]:
    for metric in agreement_krippendorff.METRICS:
        # The lines "kripp C" are wrong: irr::kripp.alpha is at fault for complete data.
        for key in ("A", "S"):
            yield Oracle(
                f"krippendorff_alpha_{metric} estimate",
                FILES[key].removesuffix(".csv"),
                "irr::kripp.alpha",
                _after(f"kripp {key} {metric} :")[0],
                lambda m=metric, k=key: (
                    agreement_krippendorff.krippendorff_alpha(
                        _csv(FILES[k]), POINTS, metric=m
                    ).estimate
                ),
            )


def _irrcac_points(key: str) -> list[float]:
    """irrCAC was given no scale, so it took the points that occur."""
    values = _csv(FILES[key]).to_numpy()
    return list(np.unique(values[~np.isnan(values)]))


@cache
def _irrcac_ours(key: str, weights: str, coefficient: str) -> Estimate:
    table, points = _csv(FILES[key]), _irrcac_points(key)
    if coefficient == "krippen.alpha.raw":
        metric = {"unweighted": "nominal", "quadratic": "interval"}[weights]
        return agreement_krippendorff.krippendorff_alpha(table, points, metric=metric)
    function = {
        "fleiss.kappa.raw": agreement.fleiss_kappa,
        "conger.kappa.raw": agreement.conger_kappa,
        "gwet.ac1.raw": agreement.gwet_ac,
        "bp.coeff.raw": agreement.brennan_prediger,
        "pa.coeff.raw": agreement.percent_agreement,
    }[coefficient]
    return function(table, points, weights=weights)


def _irrcac() -> Iterator[Oracle]:
    pattern = re.compile(r"^([ACS]) (\w+) (\S+) (\S+) (\S+) \(([^,]+),([^)]+)\) (\S+)")
    for line in _text():
        found = pattern.match(line)
        if not found:
            continue
        key, weights, coefficient, value, error, low, high, p = found.groups()
        if coefficient == "krippen.alpha.raw" and weights in ("linear", "ordinal"):
            continue  # neither is one of Krippendorff's metrics
        parts = [
            ("estimate", value, IRRCAC_ROUNDING),
            ("standard_error", error, IRRCAC_ROUNDING),
            ("ci_low", low, 5.1e-4),
            ("ci_high", high, 5.1e-4),
        ]
        if coefficient != "pa.coeff.raw":
            parts.append(("p_value", p, EXACT))
        name = _irrcac_ours(key, weights, coefficient).statistic
        for part, r_value, tolerance in parts:
            yield Oracle(
                f"{name} {part}",
                FILES[key].removesuffix(".csv"),
                f"irrCAC {coefficient} {weights}",
                float(r_value),
                lambda a=(key, weights, coefficient), p=part: (
                    _detail(_irrcac_ours(*a), p)
                    if p == "standard_error"
                    else getattr(_irrcac_ours(*a), p)
                ),
                tolerance,
            )


_PSYCH = {
    "icc1": "Single_raters_absolute ",
    "icc2": "Single_random_raters ",
    "icc3": "Single_fixed_raters ",
    "icc1k": "Average_raters_absolute ",
    "icc2k": "Average_random_raters ",
    "icc3k": "Average_fixed_raters ",
}


@cache
def _icc(data: str, missing: str) -> agreement_icc.IntraclassCorrelations:
    return agreement_icc.icc(_csv(data), missing=missing)


def _psych_icc() -> Iterator[Oracle]:
    for nth, (data, missing, tolerance) in enumerate(
        (
            (FILES["C"], "complete", EXACT),
            (FILES["A"], "mixed_model", ITERATIVE),
        )
    ):
        for form, row in _PSYCH.items():
            estimate, f, df1, df2, p = _after(row, 2 * nth)[-5:]
            low, high = _after(row, 2 * nth + 1)
            for part, value in (
                ("estimate", estimate),
                ("f", f),
                ("df1", df1),
                ("df2", df2),
                ("p_value", p),
                ("ci_low", low),
                ("ci_high", high),
            ):
                yield Oracle(
                    f"{form} {part}",
                    data.removesuffix(".csv"),
                    "psych::ICC",
                    value,
                    lambda a=(data, missing, form), p=part: _part(getattr(_icc(*a[:2]), a[2]), p),
                    tolerance,
                )


def _part(estimate: Estimate, part: str) -> Any:
    figures = estimate.details.to_dict()
    return figures[part] if part in figures else getattr(estimate, part)


def _irr_icc() -> Iterator[Oracle]:
    forms = {
        "oneway consistency single": "icc1",
        "oneway consistency average": "icc1k",
        "oneway agreement single": "icc1",
        "oneway agreement average": "icc1k",
        "twoway consistency single": "icc3",
        "twoway consistency average": "icc3k",
        "twoway agreement single": "icc2",
        "twoway agreement average": "icc2k",
    }
    for irr, form in forms.items():
        estimate, low, high, f, p = _after(f"icc {irr} :")
        parts = {"estimate": estimate, "ci_low": low, "ci_high": high, "f": f, "p_value": p}
        if form == "icc2":
            parts["p_value_satterthwaite"] = parts.pop("p_value")
        if form == "icc2k":
            # irr puts the mean's coefficient where McGraw and Wong have the single rating's.
            parts = {"estimate": estimate, "f": f}
        for part, value in parts.items():
            yield Oracle(
                f"{form} {part}",
                "C_complete",
                f"irr::icc {irr}",
                value,
                lambda f=form, p=part: _part(getattr(_icc(FILES["C"], "complete"), f), p),
            )


@cache
def _two() -> two_groups.GroupComparison:
    table = _csv("two.csv")
    return two_groups.compare_groups(table["y"][table["g"] == "a"], table["y"][table["g"] == "b"])


def _effects(
    result: Any, rows: tuple[tuple[str, str, str, list[float]], ...], data: str
) -> Iterator[Oracle]:
    """Estimate, level, low and high as effectsize prints them after the row number."""
    for attribute, label, source, numbers in rows:
        for part, value in zip(("estimate", "ci_low", "ci_high"), numbers, strict=True):
            # effectsize finds the noncentrality by a simplex search that stops at about 1e-7
            # of t; the limits are compared at 1e-6 all the same.
            yield Oracle(
                f"{label} {part}",
                data,
                source,
                value,
                lambda a=attribute, p=part: getattr(getattr(result, a), p),
            )


def _picked(heading: str, nth: int) -> list[float]:
    row = _under(heading, nth)
    return [row[-3], row[-2], row[-1]] if len(row) == 4 else [row[1], row[3], row[4]]


def _independent() -> Iterator[Oracle]:
    result = _two()
    for attribute, prefix in (("student", "t eq TRUE :"), ("welch", "t eq FALSE :")):
        values = _after(prefix)
        for part, value in zip(("t", "df", "p_value", "ci_low", "ci_high"), values, strict=True):
            yield Oracle(
                f"{attribute}_t {part}",
                "two",
                "t.test",
                value,
                lambda a=attribute, p=part: _part(getattr(result, a), p),
            )
    u, p_value = _after("wilcox :")
    yield Oracle("mann_whitney_u", "two", "wilcox.test", u, lambda: result.mann_whitney.estimate)
    yield Oracle(
        "mann_whitney p_value",
        "two",
        "wilcox.test",
        p_value,
        lambda: result.mann_whitney.p_value,
    )
    yield Oracle(
        "mann_whitney p_value_without_continuity",
        "two",
        "wilcox.test correct=FALSE",
        _after("wilcox nocorr :")[0],
        lambda: result.mann_whitney.details.p_value_without_continuity,
    )
    yield from _effects(
        result,
        (
            ("hedges_g", "hedges_g", "effectsize::hedges_g", _picked(r" +Hedges_g", 0)),
            (
                "hedges_g_average_variance",
                "hedges_g_average_variance",
                "effectsize::hedges_g pooled_sd=FALSE",
                _picked(r" +Hedges_g", 1),
            ),
            ("cohens_d", "cohens_d", "effectsize::cohens_d", _picked(r" +Cohens_d", 0)),
            ("glass_delta", "glass_delta", "effectsize::glass_delta", _picked(r" +Glass_delta", 0)),
            (
                "rank_biserial",
                "rank_biserial",
                "effectsize::rank_biserial",
                _picked(r" +r_rank_biserial", 0),
            ),
            (
                "cliffs_delta",
                "cliffs_delta",
                "effsize::cliff.delta",
                _after("effsize cliff :"),
            ),
        ),
        "two",
    )


@cache
def _pair() -> pairs.PairedContrast:
    table = _csv("paired.csv")
    return pairs.paired_contrast(table["phi4"], table["eai"], bounds=(-40, 40))


def _dependent() -> Iterator[Oracle]:
    result = _pair()
    for part, value in zip(
        ("t", "p_value", "ci_low", "ci_high"), _after("paired t :"), strict=True
    ):
        yield Oracle(
            f"paired_t {part}", "paired", "t.test", value, lambda p=part: _part(result.t_test, p)
        )
    v, p_value = _after("signed rank exact :")
    yield Oracle("wilcoxon_v", "paired", "wilcox.test", v, lambda: result.wilcoxon.estimate)
    yield Oracle(
        "wilcoxon p_value", "paired", "wilcox.test", p_value, lambda: result.wilcoxon.p_value
    )
    for part, value in zip(("p_above_low", "p_below_high"), _after("TOST +-40 :"), strict=True):
        yield Oracle(
            f"tost_difference {part}",
            "paired",
            "two one-sided t.test",
            value,
            lambda p=part: _part(result.equivalence, p),
        )
    yield from _effects(
        result,
        (
            ("hedges_d_z", "hedges_d_z", "effectsize::hedges_g paired", _picked(r" +Hedges_g", 2)),
            ("d_z", "d_z", "effectsize::cohens_d paired", _picked(r" +Cohens_d", 1)),
            (
                "rank_biserial",
                "rank_biserial_paired",
                "effectsize::rank_biserial paired",
                _picked(r" +r_rank_biserial", 1),
            ),
        ),
        "paired",
    )
    table = _csv("paired.csv")
    limits = [
        float(v)
        for v in re.findall(
            r"\d+\.\d+", next(line for line in _text() if line.startswith("95%   ("))
        )
    ]
    # Random replicates on both sides: three standard errors of a 2.5 % quantile of 9,999.
    error = 3 * result.t_test.details.standard_error * np.sqrt(2 * 0.025 * 0.975 / 9999) / 0.0584
    # R's percentiles are not expanded: the level at which ours are at 2.5 and 97.5 %.
    n = result.t_test.n
    level = float(1 - 2 * stats.t.sf(stats.norm.ppf(0.975) * np.sqrt((n - 1) / n), n - 1))
    for method, (low, high) in (("percentile", limits[:2]), ("bca", limits[2:])):
        own = pairs.bootstrap_difference(
            table["phi4"], table["eai"], method=method, bootstrap=Bootstrap(9999, level)
        )
        for part, value in (("ci_low", low), ("ci_high", high)):
            yield Oracle(
                f"bootstrap_mean_difference {method} {part}",
                "paired",
                "boot::boot.ci",
                value,
                lambda e=own, p=part: getattr(e, p),
                float(error),
            )


def _printed(text: str) -> tuple[float, float]:
    """A printed number, and half a unit of its last digit."""
    decimals = len(text.partition(".")[2])
    return float(text), 0.51 * 10.0**-decimals


@cache
def _scale(name: str) -> reliability.ScaleReliability:
    return reliability.scale_reliability(_csv(name))


def _alpha() -> Iterator[Oracle]:
    for nth, name in enumerate(("scale.csv", "scale_missing.csv")):
        own, data = _scale(name), name.removesuffix(".csv")
        assert own.scale is not None
        raw, standard, g6, average, noise, error = _under(
            r" +raw_alpha +std\.alpha +G6\(smc\) ", (0 if nth == 0 else 2)
        )
        mean, sd, median = _under(r" +mean +sd +median_r", nth)
        low, high = _under(r"lower\.ci\.raw_alpha", nth)
        for label, value, ours in (
            ("cronbach_alpha estimate", raw, own.alpha.estimate),
            ("cronbach_alpha ci_low", low, own.alpha.ci_low),
            ("cronbach_alpha ci_high", high, own.alpha.ci_high),
            ("cronbach_alpha standard_error", error, own.scale.standard_error),
            ("cronbach_alpha_standardised estimate", standard, own.alpha_standardised.estimate),
            ("guttman_lambda_6", g6, own.scale.g6),
            ("average_r", average, own.scale.average_r),
            ("median_r", median, own.scale.median_r),
            ("signal_to_noise", noise, own.scale.signal_to_noise),
            ("scale mean", mean, own.mean),
            ("scale sd", sd, own.sd),
        ):
            yield Oracle(label, data, "psych::alpha", value, lambda v=ours: v)


def _alpha_items() -> Iterator[Oracle]:
    own = _scale("scale.csv")
    lines = [line.split() for line in _text() if re.match(r"q\d ", line)]
    for item in own.items:
        dropped, stats = (row[1:] for row in lines if row[0] == item.item)
        without = item.without
        assert without is not None
        pairs_of_values = [
            ("without: raw_alpha", dropped[0], without.raw_alpha),
            ("without: standardised_alpha", dropped[1], without.standardised_alpha),
            ("without: guttman_lambda_6", dropped[2], without.g6),
            ("without: average_r", dropped[3], without.average_r),
            ("without: signal_to_noise", dropped[4], without.signal_to_noise),
            ("without: standard_error", dropped[5], without.standard_error),
            ("without: median_r", dropped[7], without.median_r),
            ("n", stats[0], item.n),
            ("r_total", stats[1], item.r_total),
            ("r_total_standardised", stats[2], item.r_total_standardised),
            ("r_corrected", stats[3], item.r_corrected),
            ("r_rest", stats[4], item.r_rest),
            ("mean", stats[5], item.mean),
            ("sd", stats[6], item.sd),
        ]
        for label, text, ours in pairs_of_values:
            value, tolerance = _printed(text)
            yield Oracle(
                f"{item.item} {label}", "scale", "psych::alpha", value, lambda v=ours: v, tolerance
            )


def _omega() -> Iterator[Oracle]:
    table = _csv("scale.csv")
    for label, prefix, make in (
        ("omega_minres", "omega tot (psych 1 factor minres) :", reliability_omega.omega_minres),
        ("omega_ml", "omega CFA ML unstd :", reliability_omega.omega_ml),
        (
            "omega_ml_standardised",
            "omega CFA std :",
            lambda t: reliability_omega.omega_ml(t, standardised=True),
        ),
        (
            "omega_ordinal",
            "ordinal omega (WLSMV poly) :",
            lambda t: reliability_omega.omega_ordinal(t, POINTS),
        ),
    ):
        source = "psych::omega" if label == "omega_minres" else "lavaan"
        yield Oracle(
            f"{label} estimate",
            "scale",
            source,
            _after(prefix)[0],
            lambda m=make: m(table).estimate,
            ITERATIVE,
        )


def _families() -> Iterator[Oracle]:
    # ref.out does not repeat the raw p-values; they follow from its four rows.
    raw = [0.333, 0.409, 0.053, 0.74, 0.01, 0.04]
    rows = [line.removeprefix("[1] ").split() for line in _text() if line.startswith("[1] ")]
    methods = ("holm", "benjamini_hochberg", "benjamini_yekutieli", "hommel")
    for method, row in zip(methods, rows, strict=True):
        for nth, text in enumerate(row):
            value, tolerance = _printed(text)
            yield Oracle(
                f"{method} p{nth + 1}",
                "six p-values",
                "p.adjust",
                value,
                lambda m=method, k=nth: multiplicity.adjust(raw, method=m)[k],
                tolerance,
            )


def _power() -> Iterator[Oracle]:
    for label, prefix, ours in (
        ("paired_t_n d_z=0.5", "pwr paired :", lambda: power.paired_t_n(0.5).n),
        ("two_sample_t_n d=0.5", "pwr two :", lambda: power.two_sample_t_n(0.5).n),
        (
            "two_sample_t_power 26, 10, d=0.5",
            "pwr 2n :",
            lambda: power.two_sample_t_power(26, 10, 0.5).power,
        ),
    ):
        yield Oracle(label, "none", "pwr", _after(prefix)[0], ours)


CHAPTERS = {
    "Two raters": _cohen,
    "Several raters": _several_raters,
    "Krippendorff's alpha": _krippendorff,
    "Chance-corrected coefficients with missing ratings": _irrcac,
    "Intraclass correlation (psych)": _psych_icc,
    "Intraclass correlation (irr)": _irr_icc,
    "Two independent groups": _independent,
    "Paired contrast": _dependent,
    "Cronbach's alpha": _alpha,
    "Items of the scale": _alpha_items,
    "McDonald's omega": _omega,
    "Multiplicity": _families,
    "Power": _power,
}
TABLE = [(chapter, oracle) for chapter, make in CHAPTERS.items() for oracle in make()]


def _agrees(ours: float, oracle: Oracle) -> bool:
    # p-values far below 1e-6 would pass any absolute check, so they are compared relatively;
    # R prints 0 where 1 - pt() has lost all digits.
    if oracle.tolerance == EXACT and 0 < abs(oracle.r_value) < 1e-9:
        return abs(ours - oracle.r_value) <= max(1e-5 * abs(oracle.r_value), 5e-16)
    return abs(ours - oracle.r_value) <= oracle.tolerance * max(1.0, abs(oracle.r_value))


@pytest.mark.parametrize("oracle", [o for _, o in TABLE], ids=lambda o: o.name)
def test_number_equals_the_one_of_r(oracle: Oracle) -> None:
    ours = oracle.ours()
    assert ours is not None
    assert _agrees(float(ours), oracle), f"R {oracle.r_value!r}, ours {ours!r}"


def validation_table() -> str:
    """docs/validation.md: what was compared with what, and by how much it differs."""
    lines = [
        "# Validation against R",
        "",
        "Written by `python docs/writers/validation_page.py`; do not edit. Data and R's results are",
        "in `tests/reference/stats` (R 4.2.2 with the packages named in each row). Tolerance: 1e-6",
        "where R is exact, 1e-4 where R stops an iteration, the printed digits where R rounds",
        "(irrCAC: five decimals, limits three), three standard errors where R draws at random.",
        "",
    ]
    for chapter in CHAPTERS:
        lines += [f"## {chapter}", "", "| statistic | data | oracle | R | evenhand | difference |"]
        lines.append("|---|---|---|---|---|---|")
        for owner, o in TABLE:
            if owner == chapter:
                ours = float(o.ours())
                lines.append(
                    f"| {o.statistic} | {o.data} | {o.oracle} | {o.r_value:.10g} | {ours:.10g} | "
                    f"{abs(ours - o.r_value):.3e} |"
                )
        lines.append("")
    return "\n".join(lines)


def test_validation_table_names_every_oracle() -> None:
    """docs/validation.md is what this table writes, but for the last digits."""
    written = (HERE.parent / "docs" / "validation.md").read_text(encoding="utf-8")
    for _, oracle in TABLE:
        assert f"| {oracle.statistic} | {oracle.data} | {oracle.oracle} |" in written
