"""Calibration: how often each test is wrong under its own assumptions, by simulation.

Data of the published study's shape (36 raters, 26 and 10 by subgroup, 10 prompts, 8 items, 2 systems)
are drawn thousands of times. A test at 5 % should reject a true null hypothesis in 4.5 to 5.5 % of the
draws; a 95 % interval should hold the true value in 93.5 to 96.5 %. Each figure comes with its own
standard error, because a simulation is a sample too.

The last part shows methods where their assumptions do not hold, so that the documentation can give the
number and not only the warning.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.calibration.declared_primary import (
    DeclaredLinear,
    DeclaredOrdinal,
    PairedTotals,
    Population,
)
from analysis.calibration.draws import Generator, Outcome, agreement_statistics, covers, rated
from analysis.calibration.resampling import FewClusters, plain_percentiles
from analysis.rating_models.results import ModelFit
from analysis.rating_models.side_by_side import one_thread
from analysis.results import Estimate

FALSE_POSITIVES = (0.045, 0.055)
COVERAGE = (0.935, 0.965)
RATERS, PROMPTS, ITEMS = 36, 10, 8
_BLOCK = 250


@dataclass(frozen=True)
class Simulation:
    """A way to draw data, and what is looked at in each draw.

    Parameters
    ----------
    name : str
    data : str
        What is drawn, in words.
    draw : callable
        From a generator to an outcome.
    share : float
        Share of the full number of runs; less than 1 for slow methods.
    assumptions_hold : bool
    """

    name: str
    data: str
    draw: Callable[[Generator], Outcome]
    share: float = 1.0
    assumptions_hold: bool = True


@dataclass(frozen=True)
class Calibration:
    """How often something happened over all draws.

    Parameters
    ----------
    method : str
    data : str
    quantity : {"false positives", "coverage"}
    rate, standard_error : float
        Between 0 and 1.
    runs, undefined : int
    low, high : float
        Where the rate should lie.
    assumptions_hold : bool
    """

    method: str
    data: str
    quantity: str
    rate: float
    standard_error: float
    runs: int
    undefined: int
    low: float
    high: float
    assumptions_hold: bool

    @property
    def within(self) -> bool:
        """Whether the rate lies where it should."""
        return self.low <= self.rate <= self.high


def _rejects(estimate: Estimate) -> bool | None:
    return None if estimate.p_value is None else estimate.p_value < 0.05


def _two_groups(generator: Generator) -> Outcome:
    from analysis.contrasts.two_groups import compare_groups

    shift = 0.5
    first, second = generator.normal(size=26), generator.normal(size=10)
    null = compare_groups(first, second)
    other = compare_groups(first + shift, second)
    superiority = 0.5 * (1 + math.erf(shift / 2))
    return {
        "Student t test|false positives": _rejects(null.student),
        "Student t interval|coverage": covers(other.student, shift),
        "Welch t test|false positives": _rejects(null.welch),
        "Mann-Whitney test|false positives": _rejects(null.mann_whitney),
        "Brunner-Munzel test|false positives": _rejects(null.brunner_munzel),
        "Brunner-Munzel interval|coverage": covers(other.brunner_munzel, superiority),
        "Cliff's delta interval|coverage": covers(other.cliffs_delta, 2 * superiority - 1),
        "Hedges g, exact interval|coverage": covers(other.hedges_g, shift),
        "Cohen d, exact interval|coverage": covers(other.cohens_d, shift),
    }


def _two_groups_unequal(generator: Generator) -> Outcome:
    from analysis.contrasts.two_groups import compare_groups

    first = generator.normal(scale=1.0, size=26)
    second = generator.normal(scale=2.0, size=10)
    result = compare_groups(first, second)
    return {
        "Welch t test, unequal variances|false positives": _rejects(result.welch),
        "Welch t interval, unequal variances|coverage": covers(result.welch, 0.0),
    }


def _student_unequal(generator: Generator) -> Outcome:
    from analysis.contrasts.two_groups import compare_groups

    first = generator.normal(scale=1.0, size=26)
    second = generator.normal(scale=2.0, size=10)
    result = compare_groups(first, second)
    return {
        "Student t test, smaller group twice as variable|false positives": _rejects(result.student)
    }


def _paired(generator: Generator) -> Outcome:
    from analysis.contrasts.paired import equivalence, paired_contrast

    first = generator.normal(size=RATERS)
    noise = generator.normal(size=RATERS)
    null = paired_contrast(first, first + noise)
    other = paired_contrast(first, first + noise + 0.5)
    # At the bound itself, equivalence must be declared in 5 % of the draws.
    at_bound = equivalence(first, first + noise + 0.6, (-0.6, 0.6))
    return {
        "Paired t test|false positives": _rejects(null.t_test),
        "Paired t interval|coverage": covers(other.t_test, 0.5),
        "Wilcoxon signed-rank test|false positives": _rejects(null.wilcoxon),
        "d_z, exact interval|coverage": covers(other.d_z, 0.5),
        "TOST equivalence at the bound|false positives": _rejects(at_bound),
    }


def rating_shape(
    generator: Generator, *, effect: float = 0.0, slope_sd: float = 0.0, response_sd: float = 0.0
) -> pd.DataFrame:
    """One item of the study on a continuous latent scale: raters x prompts x systems, crossed.

    ``response_sd`` is how much the responses of one system differ, beyond their prompts.
    """
    rater = generator.normal(scale=0.5, size=(RATERS, 1, 1))
    prompt = generator.normal(scale=0.3, size=(1, PROMPTS, 1))
    slope = generator.normal(scale=slope_sd, size=(RATERS, 1, 1)) if slope_sd else 0.0
    if response_sd:
        prompt = prompt + generator.normal(scale=response_sd, size=(1, PROMPTS, 2))
    system = np.array([0.0, 1.0])
    value = 3.0 + rater + prompt + (effect + slope) * system
    value = value + generator.normal(size=(RATERS, PROMPTS, 2))
    index = np.indices(value.shape).reshape(3, -1)
    return pd.DataFrame(
        {"rater": index[0], "prompt": index[1], "system": index[2], "value": value.ravel()}
    )


def _prepared(frame: pd.DataFrame, points: list[float] | None = None) -> Any:
    from analysis.rating_models.ratings import RatingColumns, prepare_ratings

    return prepare_ratings(
        frame, RatingColumns("value", "system", "rater", "prompt"), reference=None, points=points
    )


def _linear_mixed(generator: Generator) -> Outcome:
    from analysis.rating_models.linear import fit_lmm

    model = fit_lmm(_prepared(rating_shape(generator)))
    slope = fit_lmm(_prepared(rating_shape(generator, slope_sd=0.4)), random_slopes=True)
    return {
        "Linear mixed model, Satterthwaite|false positives": _effect(model, _rejects),
        "Linear mixed model, Satterthwaite|coverage": _effect(model, lambda e: covers(e, 0.0)),
        "Linear mixed model with rater slopes|false positives": _effect(slope, _rejects),
    }


def _linear_mixed_without_slopes(generator: Generator) -> Outcome:
    from analysis.rating_models.linear import fit_lmm

    model = fit_lmm(_prepared(rating_shape(generator, slope_sd=0.4)))
    return {
        "Linear mixed model without rater slopes, raters differ in the effect|false positives": (
            _effect(model, _rejects)
        )
    }


def _linear_mixed_responses(generator: Generator) -> Outcome:
    from analysis.rating_models.linear import fit_lmm

    ratings = _prepared(rating_shape(generator, slope_sd=0.4, response_sd=0.3))
    model = fit_lmm(ratings, random_slopes=True, random_responses=True)
    name = "Linear mixed model with rater slopes and random responses, responses differ"
    return {
        f"{name}|false positives": _effect(model, _rejects),
        f"{name}|coverage": _effect(model, lambda e: covers(e, 0.0)),
    }


def _linear_mixed_without_responses(generator: Generator) -> Outcome:
    from analysis.rating_models.linear import fit_lmm

    ratings = _prepared(rating_shape(generator, slope_sd=0.4, response_sd=0.3))
    model = fit_lmm(ratings, random_slopes=True)
    name = "Linear mixed model with rater slopes, no random responses, responses differ"
    return {f"{name}|false positives": _effect(model, _rejects)}


def _effect(model: ModelFit, look: Callable[[Estimate], bool | None]) -> bool | None:
    found = [e for e in model.coefficients if e.details.reference is not None]
    return look(found[0]) if found else None


def _marginal(generator: Generator) -> Outcome:
    from analysis.rating_models.gee import fit_gee

    model = fit_gee(_prepared(rating_shape(generator)))
    estimate = next(e for e in model.coefficients if e.details.reference is not None)
    corrected = estimate.details.mancl_derouen_p_value
    return {
        "GEE, sandwich errors, Mancl-DeRouen correction|false positives": (
            None if corrected is None else bool(corrected < 0.05)
        ),
    }


def _marginal_uncorrected(generator: Generator) -> Outcome:
    from analysis.rating_models.gee import fit_gee

    model = fit_gee(_prepared(rating_shape(generator, slope_sd=0.4)))
    return {
        "GEE, sandwich errors without correction, 36 raters|false positives": _rejects(
            next(e for e in model.coefficients if e.statistic == "mean_difference_uncorrected")
        )
    }


def _ordinal_mixed(generator: Generator) -> Outcome:
    from analysis.rating_models.ordinal_mixed import fit_clmm

    truth = 0.6
    shape = (RATERS, PROMPTS, 2)
    latent = generator.normal(scale=0.75, size=(RATERS, 1, 1))
    latent = latent + generator.normal(scale=0.35, size=(1, PROMPTS, 1))
    noise = generator.logistic(size=shape)
    cuts = [-2.8, -1.1, 0.4, 1.8]
    outcome: Outcome = {}
    for effect in (0.0, truth):
        value = np.digitize(latent + effect * np.array([0.0, 1.0]) + noise, cuts) + 1.0
        index = np.indices(shape).reshape(3, -1)
        frame = pd.DataFrame(
            {"rater": index[0], "prompt": index[1], "system": index[2], "value": value.ravel()}
        )
        model = fit_clmm(_prepared(frame, [1, 2, 3, 4, 5]))
        if effect:
            held = _effect(model, lambda e: covers(e, truth))
            outcome["Cumulative-link mixed model|coverage"] = held
        else:
            outcome["Cumulative-link mixed model|false positives"] = _effect(model, _rejects)
    return outcome


def _proportion(generator: Generator) -> Outcome:
    from analysis.description.proportions import wilson_share

    hits = int(generator.binomial(360, 0.7))
    return {"Wilson interval of a share, n = 360|coverage": covers(wilson_share(hits, 360), 0.7)}


def _scale(generator: Generator) -> Outcome:
    from analysis.reliability.consistency import scale_reliability

    # Parallel items: true alpha is k r / (1 + (k - 1) r).
    r = 0.5
    truth = ITEMS * r / (1 + (ITEMS - 1) * r)
    table = math.sqrt(r) * generator.normal(size=(RATERS, 1))
    table = table + math.sqrt(1 - r) * generator.normal(size=(RATERS, ITEMS))
    return {
        "Cronbach alpha, Feldt interval|coverage": covers(scale_reliability(table).alpha, truth)
    }


def _intraclass(generator: Generator) -> Outcome:
    from analysis.agreement.intraclass import icc

    table = generator.normal(size=(60, 1)) + 0.5 * generator.normal(size=(1, 6))
    table = table + generator.normal(size=(60, 6))
    forms = icc(table)
    return {
        "ICC(2,1)|coverage": covers(forms.icc2, 1 / 2.25),
        "ICC(3,1)|coverage": covers(forms.icc3, 0.5),
    }


def _intraclass_missing(generator: Generator) -> Outcome:
    from analysis.agreement.intraclass import icc

    table = math.sqrt(0.3) * generator.normal(size=(35, 1))
    table = table + math.sqrt(0.2) * generator.normal(size=(1, 4))
    table = table + math.sqrt(0.5) * generator.normal(size=(35, 4))
    table[generator.random(table.shape) < 0.5] = np.nan
    forms = icc(table, missing="mixed_model_profile")
    return {
        "ICC(2,1), missing ratings|coverage": covers(forms.icc2, 0.3),
        "ICC(3,1), missing ratings|coverage": covers(forms.icc3, 0.375),
    }


class _Agreement:
    """Draws agreement tables; the true values come from one very large table."""

    def __init__(self) -> None:
        large = rated(np.random.default_rng(99), 400_000, 6)
        self.truth = {
            name: estimate.estimate or 0.0 for name, estimate in agreement_statistics(large).items()
        }

    def __call__(self, generator: Generator) -> Outcome:
        found = agreement_statistics(rated(generator, 60, 6))
        return {
            f"{name}, analytic interval|coverage": covers(estimate, self.truth[name])
            for name, estimate in found.items()
        }


def _pooled(generator: Generator) -> Outcome:
    from analysis.contrasts.two_groups import compare_groups

    frame = rating_shape(generator)
    stem = frame["rater"] < 26
    result = compare_groups(frame.loc[stem, "value"], frame.loc[~stem, "value"], unit="rating")
    return {
        "Student t test on ratings instead of totals, between subgroups|false positives": _rejects(
            result.student
        )
    }


def simulations() -> list[Simulation]:
    """Everything that is simulated."""
    totals = "normal totals of 26 and 10 raters"
    crossed = "36 raters x 10 prompts x 2 systems, crossed random effects"
    few = "few pairs, prompts or units, 999 draws"
    broken = {"assumptions_hold": False}
    return [
        Simulation("two groups", totals, _two_groups),
        Simulation("two groups, unequal", f"{totals}, SD 1 and 2", _two_groups_unequal),
        Simulation("paired", "normal totals of 36 raters, two systems", _paired),
        Simulation("share", "360 answers", _proportion),
        Simulation("scale", "36 persons x 8 parallel items", _scale),
        Simulation("ICC", "60 units x 6 raters, normal", _intraclass),
        Simulation(
            "ICC, missing ratings",
            "35 units x 4 raters, normal, half of the ratings missing",
            _intraclass_missing,
            share=0.1,
        ),
        Simulation("agreement", "60 units x 6 raters, 5 points", _Agreement()),
        Simulation("linear mixed", crossed, _linear_mixed, share=0.5),
        Simulation(
            "random responses",
            f"{crossed}, raters and responses differ",
            _linear_mixed_responses,
            share=0.25,
        ),
        *_declared(),
        Simulation("GEE", crossed, _marginal),
        Simulation("ordinal mixed", f"{crossed}, 5 points", _ordinal_mixed, share=0.25),
        Simulation("few clusters", few, FewClusters(), share=0.25),
        Simulation(
            "few clusters, plain", few, plain_percentiles, share=0.25, assumptions_hold=False
        ),
        Simulation("Student, unequal", f"{totals}, SD 1 and 2", _student_unequal, **broken),
        Simulation("pooled", crossed, _pooled, **broken),
        Simulation(
            "no slopes", f"{crossed}, raters differ", _linear_mixed_without_slopes, 0.25, False
        ),
        Simulation(
            "no responses",
            f"{crossed}, raters and responses differ",
            _linear_mixed_without_responses,
            0.25,
            False,
        ),
        Simulation(
            "GEE, uncorrected", f"{crossed}, raters differ", _marginal_uncorrected, **broken
        ),
    ]


def _declared() -> list[Simulation]:
    """What a plan can declare as primary, at the study's size and at a small one."""
    made = []
    for shape in (Population(RATERS, PROMPTS, 2), Population(12, 5, 3)):
        size = f"{shape.raters} raters x {shape.prompts} prompts x {shape.systems} systems"
        data = f"{size}; raters, prompts and responses differ, systems do not"
        name = f"{shape.raters} x {shape.prompts} x {shape.systems}"
        made.append(Simulation(f"declared linear, {name}", data, DeclaredLinear(shape)))
        ordinal, wald = DeclaredOrdinal(shape), DeclaredOrdinal(shape, wald=True)
        points = f"{data}, 5 points"
        made.append(Simulation(f"declared ordinal, {name}", points, ordinal, 0.25))
        made.append(Simulation(f"Wald ordinal, {name}", points, wald, 0.1, False))
        made.append(Simulation(f"paired totals, {name}", data, PairedTotals(shape), 1.0, False))
    return made


def _block(
    simulation: Simulation, seed: int, block: int, runs: int
) -> Counter[tuple[str, bool | None]]:
    # A stream of its own for every block of every simulation: the result does not depend on who computes
    # which block, and one unlucky stream does not touch several methods.
    generator = np.random.default_rng([seed, zlib.crc32(simulation.name.encode()), block])
    counts: Counter[tuple[str, bool | None]] = Counter()
    for _ in range(runs):
        counts.update(simulation.draw(generator).items())
    return counts


def calibrate(
    runs: int = 20_000,
    *,
    seed: int = 1,
    workers: int = 2,
    only: str | None = None,
    on_simulation: Callable[[str], None] | None = None,
) -> list[Calibration]:
    """Run the simulations.

    Parameters
    ----------
    runs : int
        Draws of each simulation (fewer for slow methods, see ``Simulation.share``).
    seed : int
        The same seed gives the same figures, with any number of workers.
    workers : int
        Processes.
    only : str, optional
        The name of one simulation.
    on_simulation : callable, optional
        Told the name of each simulation when it starts.
    """
    rows: list[Calibration] = []
    with ProcessPoolExecutor(workers, initializer=_keep_to_one_thread) as pool:
        for simulation in simulations():
            if only is not None and simulation.name != only:
                continue
            if on_simulation:
                on_simulation(simulation.name)
            wanted = max(1, round(runs * simulation.share))
            blocks = [min(_BLOCK, wanted - start) for start in range(0, wanted, _BLOCK)]
            jobs = [
                pool.submit(_block, simulation, seed, number, size)
                for number, size in enumerate(blocks)
            ]
            counts: Counter[tuple[str, bool | None]] = Counter()
            for job in jobs:
                counts.update(job.result())
            rows += _rows(simulation, counts)
    return rows


def _keep_to_one_thread() -> None:
    # For the life of a worker; a context manager in the parent ends at the process's border.
    one_thread().__enter__()


def _rows(simulation: Simulation, counts: Counter[tuple[str, bool | None]]) -> list[Calibration]:
    rows = []
    for key in dict.fromkeys(name for name, _ in counts):
        method, quantity = key.split("|")
        yes, no, undefined = (counts[key, answer] for answer in (True, False, None))
        runs = yes + no
        rate = yes / runs if runs else 0.0
        low, high = FALSE_POSITIVES if quantity == "false positives" else COVERAGE
        rows.append(
            Calibration(
                method=method,
                data=simulation.data,
                quantity=quantity,
                rate=rate,
                standard_error=math.sqrt(rate * (1 - rate) / runs) if runs else 0.0,
                runs=runs,
                undefined=undefined,
                low=low,
                high=high,
                assumptions_hold=simulation.assumptions_hold,
            )
        )
    return rows
