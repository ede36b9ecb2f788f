"""`evenhand power`: raters, prompts, overlap, against R's pwr and irr, simulation and formulas."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from analysis.contrasts.design_power import detectable_d_z, prompts_needed, raters_per_response
from analysis.contrasts.paired import paired_contrast
from study.cli.group import run
from study.errors import AnalysisError


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What the command prints as JSON."""
    assert run(["power", *arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert isinstance(result, dict)
    return result


def test_raters_are_those_of_rs_pwr(capsys: pytest.CaptureFixture[str]) -> None:
    """R 4.2, pwr.t.test: paired d = 0.5 needs 33.36713; two samples d = 0.8, power .9, 33.82555."""
    paired = found(capsys, "raters", "--effect", "0.5")
    assert paired["n"] == pytest.approx(33.36713, abs=1e-4) and paired["n_rounded_up"] == 34
    groups = found(capsys, "raters", "--effect", "0.8", "--design", "groups", "--power", "0.9")
    assert groups["n"] == pytest.approx(33.82555, abs=1e-4)
    assert found(capsys, "raters", "--effect", "0.5", "--n", "34")["power"] == pytest.approx(
        0.8077775, abs=1e-6
    )


def test_prompts_give_the_power_that_a_simulation_finds() -> None:
    """Oracle: 1,000 simulated studies of 36 raters with that many prompts; standard error .013."""
    plan = prompts_needed(0.3, 0.4, 0.9, 36)
    prompts = int(np.ceil(plan.prompts))
    spread = np.sqrt(0.4**2 + 2 * 0.9**2 / prompts)
    rng = np.random.default_rng(5)
    differences = 0.3 + rng.normal(0, spread, (1000, 36))
    rejected = [paired_contrast(np.zeros(36), d).t_test.p_value < 0.05 for d in differences]
    assert prompts == 8 and np.mean(rejected) == pytest.approx(0.83, abs=0.04)
    assert 0.3 / np.sqrt(0.4**2 + 2 * 0.9**2 / plan.prompts) == pytest.approx(plan.d_z)


def test_overlap_is_spearman_and_brown(capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: with k raters the reliability is k icc / (1 + (k - 1) icc)."""
    k = raters_per_response(0.35, reliability=0.75).raters
    assert k * 0.35 / (1 + (k - 1) * 0.35) == pytest.approx(0.75)
    assert found(capsys, "overlap", "--icc", "0.4")["raters_rounded_up"] == 6


def test_every_kind_prints_a_sentence_and_refuses_what_cannot_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Oracle: exit codes 0 and 2; the reasons."""
    assert run(["power", "kappa", "--kappa", "0.6", "--against", "0.4", "--share", "0.3"]) == 0
    assert "responses rated by both raters" in capsys.readouterr().out
    assert run(["power", "raters", "--effect", "0.5"]) == 0
    assert "34 raters, each rating both systems: power 0.8" in capsys.readouterr().out
    few = ["--difference", "0.1", "--sd-slope", "0.4", "--sd-error", "0.9", "--raters", "20"]
    assert run(["power", "prompts", *few]) == 2
    assert "no number of prompts is enough" in capsys.readouterr().err
    with pytest.raises(AnalysisError, match=r"power: 0\.01 is not more than alpha"):
        detectable_d_z(20, power=0.01)


NEEDS = ["prompts", "--sd-slope", "0.1", "--sd-error", "0.9", "--raters", "20"]
KAPPA = ["kappa", "--kappa", "0.6", "--against"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["raters", "--effect", "0"], r"'--effect': found 0, expected another"),
        (["raters", "--effect", "nan"], r"'--effect': found nan, expected a finite"),
        (["raters", "--effect", "1e-9"], r"^--effect: 1e-09; more than"),
        ([*NEEDS, "--difference", "0"], r"'--difference': found 0"),
        ([*NEEDS, "--difference", "0.01"], r"^--raters: 20; no number of prompts"),
        ([*NEEDS, "--difference", "1", "--power", "0.01"], r"--power 0.01 and --alpha 0.05, expected"),
        (["overlap", "--icc", "1.2"], r"'--icc': 1.2 is not in the range 0<x<1"),
        ([*KAPPA, "0.4", "--share", "x"], r"--share x, expected one or two numbers"),
        ([*KAPPA, "0.4", "--share", "2.0"], r"--share 2.0, expected one or two numbers between 0 and 1"),
        ([*KAPPA, "0.6"], r"0.6 for --kappa and for --against, expected two different"),
        ([*KAPPA, "0.4", "--share", "0.1,0.9"], r"shares 0.1 and 0.9 \(--share\) cannot have"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_option_and_what_is_expected(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["power", *arguments]) == 2
    assert re.search(said, capsys.readouterr().err)
