"""Simulation: does the corrected score's interval cover the truth, and is it worth the judge?

People and judge rate simulated responses whose true mean rating is known in closed form, so nothing
has to be believed: not that the judge is unbiased (it is not), nor that it is good.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.judge_worth.prediction_powered import (
    PredictionPowered,
    prediction_powered_difference,
    prediction_powered_mean,
)
from analysis.validation import FloatArray

CUTS = (-1.5, -0.5, 0.5, 1.5)


@dataclass(frozen=True)
class JudgeScenario:
    """One simulated study, in standard units of the latent quality of responses.

    Parameters
    ----------
    name : str
    judge_noise : float
        Standard deviation of the judge's error; the quality itself has 0.8.
    sees_quality : bool
        False for a judge whose verdicts have nothing to do with the response.
    rated, unrated : int
        Prompts with ratings by people and verdicts; prompts with verdicts alone.
    per_prompt : int
        Responses of a system to one prompt; 1 makes responses independent.
    systems : int
        1 for a mean, 2 for a difference.
    raters : int
        Raters of each response.
    judge_bias : float
        Added to what the judge sees: by this much it overrates, before the cuts.
    """

    name: str
    judge_noise: float = 0.3
    sees_quality: bool = True
    rated: int = 100
    unrated: int = 400
    per_prompt: int = 1
    systems: int = 1
    raters: int = 3
    judge_bias: float = 0.7


SCENARIOS = (
    JudgeScenario("good judge"),
    JudgeScenario("middling judge", judge_noise=1.0),
    JudgeScenario("judge that knows nothing", sees_quality=False),
    JudgeScenario("good judge, four responses a prompt", rated=40, unrated=160, per_prompt=4),
    JudgeScenario("good judge, two systems on the same prompts", systems=2),
)
_QUALITY, _ERROR, _PROMPT = 0.8, 0.8, 0.5
_MEANS = (0.3, -0.1)


def true_mean(quality_mean: float) -> float:
    """Expected rating on 1 to 5 when the latent rating is normal: 1 + sum of P(rating > cut)."""
    from scipy import special

    spread = float(np.hypot(_QUALITY, _ERROR))
    return 1.0 + float(sum(special.ndtr((quality_mean - cut) / spread) for cut in CUTS))


def simulate_study(
    scenario: JudgeScenario, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """People's mean rating (nan without one), verdict, prompt and system of every response."""
    prompts, m = scenario.rated + scenario.unrated, scenario.per_prompt
    shape = (scenario.systems, prompts, m)
    of_prompt = rng.normal(0.0, _PROMPT, (1, prompts, 1))
    own = np.sqrt(_QUALITY**2 - _PROMPT**2)
    centre = np.asarray(_MEANS[: scenario.systems])[:, None, None]
    quality = centre + of_prompt + rng.normal(0.0, own, shape)
    ratings = quality[..., None] + rng.normal(0.0, _ERROR, (*shape, scenario.raters))
    people = (1.0 + np.digitize(ratings, CUTS)).mean(axis=-1)
    people[:, scenario.rated :] = np.nan
    seen = quality if scenario.sees_quality else rng.normal(0.0, _QUALITY, shape)
    noise = rng.normal(0.0, scenario.judge_noise, shape)
    judge = 1.0 + np.digitize(seen + scenario.judge_bias + noise, CUTS)
    system, prompt, _ = np.indices(shape)
    return (
        people.ravel(),
        judge.astype(np.float64).ravel(),
        prompt.astype(np.float64).ravel(),
        system.astype(np.float64).ravel(),
    )


def _one_run(scenario: JudgeScenario, rng: np.random.Generator) -> PredictionPowered:
    people, judge, prompt, system = simulate_study(scenario, rng)
    clustered = scenario.per_prompt > 1 or scenario.systems > 1
    clusters = prompt if clustered else None
    if scenario.systems == 2:
        return prediction_powered_difference(people, judge, system == 0, clusters=clusters)
    return prediction_powered_mean(people, judge, clusters=clusters)


def simulate_coverage(
    runs: int = 2000, seed: int = 20250, scenarios: Sequence[JudgeScenario] = SCENARIOS
) -> dict[str, Any]:
    """Coverage and width of the 95 % intervals of corrected, raw and human-only scores.

    Parameters
    ----------
    runs : int
        Simulated studies of each scenario.
    seed : int
    scenarios : sequence of JudgeScenario

    Returns
    -------
    dict
        ``runs``, ``seed``, ``seconds`` and ``scenarios``: one row each with ``truth``; ``coverage`` of
        the corrected estimate with its Monte Carlo error ``coverage_error``; ``coverage_untuned``,
        ``coverage_people`` and ``coverage_judge``; ``bias`` and ``bias_judge`` (mean estimate less the
        truth); ``width``, ``width_people`` (means) and ``narrower`` (share of runs in which the
        corrected interval is the narrower one).
    """
    started = time.perf_counter()
    rows = [_scenario_row(s, runs, seed + i) for i, s in enumerate(scenarios)]
    return {
        "benchmark": "coverage of corrected scores",
        "runs": runs,
        "seed": seed,
        "seconds": time.perf_counter() - started,
        "scenarios": rows,
    }


def _scenario_row(scenario: JudgeScenario, runs: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    truth = true_mean(_MEANS[0])
    if scenario.systems == 2:
        truth -= true_mean(_MEANS[1])
    found = []
    for _ in range(runs):
        r = _one_run(scenario, rng)
        found.append(
            [
                (e.estimate, e.ci_low, e.ci_high)
                for e in (r.corrected, r.untuned, r.judge_only, r.people_only)
            ]
        )
    results = np.asarray(found, dtype=np.float64)
    covered = (results[..., 1] <= truth) & (truth <= results[..., 2])
    coverage = covered.mean(axis=0)
    width = results[..., 2] - results[..., 1]
    return {
        "scenario": scenario.name,
        "truth": truth,
        "coverage": float(coverage[0]),
        "coverage_error": float(np.sqrt(coverage[0] * (1 - coverage[0]) / runs)),
        "coverage_untuned": float(coverage[1]),
        "coverage_judge": float(coverage[2]),
        "coverage_people": float(coverage[3]),
        "bias": float(results[:, 0, 0].mean() - truth),
        "bias_judge": float(results[:, 2, 0].mean() - truth),
        "width": float(width[:, 0].mean()),
        "width_people": float(width[:, 3].mean()),
        "narrower": float((width[:, 0] < width[:, 3]).mean()),
    }
