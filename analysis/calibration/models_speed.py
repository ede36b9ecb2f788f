"""How fast the cumulative-link mixed model is, beside R's ``ordinal::clmm`` in the same run."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.rating_models.laplace_fit import LaplaceFit, fit_laplace
from analysis.rating_models.random_terms import random_terms
from analysis.rating_models.ratings import CrossedRatings, RatingColumns, prepare_ratings
from analysis.rating_models.side_by_side import one_thread

if TYPE_CHECKING:
    import pandas as pd

_REPEATS = 5
_R_LIMIT_SECONDS = 600
_R_PROGRAM = """
library(ordinal)
asked <- commandArgs(TRUE)
d <- read.csv(asked[1])
formula <- rating ~ system + (1 | rater) + (1 | prompt)
if (asked[2] == "responses") formula <- update(formula, . ~ . + (1 | prompt:system))
d$rating <- factor(d$value, ordered = TRUE)
d$system <- relevel(factor(d$system), "A")
d$rater <- factor(d$rater)
d$prompt <- factor(d$prompt)
seconds <- system.time(
  fit <- clmm(formula, data = d)
)[["elapsed"]]
table <- coef(summary(fit))
number <- function(x) paste0("[", paste(format(x, digits = 15), collapse = ","), "]")
cat(sprintf('{"seconds": %s, "log_likelihood": %s, "estimates": %s, "std_errors": %s}',
  format(seconds, digits = 6), format(as.numeric(logLik(fit)), digits = 15),
  number(table[, 1]), number(table[, 2])))
"""


def bench_clmm(
    frame: pd.DataFrame | None = None, *, random_responses: bool = False
) -> dict[str, Any]:
    """Time the cumulative-link mixed model, standard errors included, here and in R.

    Parameters
    ----------
    frame : DataFrame, optional
        Columns ``value``, ``system`` (reference ``A``), ``rater``, ``prompt``. Without it a seeded
        study of 36 raters, 10 prompts and 2 systems with 14 % missing is drawn.
    random_responses : bool
        With a random intercept of each response (prompt by system), too.

    Returns
    -------
    dict
        ``seconds`` (the median of five), ``seconds_r``, ``ratio`` (R over ours) and
        ``largest_difference`` of estimates and standard errors from R's; the last three are None
        without R, and ``r_absent_because`` says why.
    """
    response_sd = 0.5 if random_responses else 0.0
    data = simulated_ratings(seed=20260, response_sd=response_sd) if frame is None else frame
    ratings = prepare_ratings(
        data, RatingColumns("value", "system", "rater", "prompt"), reference="A"
    )
    times = []
    with one_thread():
        fit = _fit(ratings, random_responses)
        for _ in range(_REPEATS):
            start = time.perf_counter()
            fit = _fit(ratings, random_responses)
            times.append(time.perf_counter() - start)
    seconds = float(np.median(times))
    fixed = fit.likelihood.n_fixed
    result: dict[str, Any] = {
        "benchmark": "clmm",
        "n": ratings.n,
        "n_raters": len(ratings.raters),
        "n_prompts": len(ratings.prompts),
        "seconds": seconds,
        "log_likelihood": fit.maximum.value,
        "estimates": fit.maximum.parameters[:fixed].tolist(),
        "std_errors": np.sqrt(np.diag(fit.maximum.covariance()))[:fixed].tolist(),
        "seconds_r": None,
        "ratio": None,
        "largest_difference": None,
        "r_absent_because": "",
    }
    other, absent = _in_r(data, "responses" if random_responses else "prompts")
    if other is None:
        return {**result, "r_absent_because": absent}
    differences = [
        abs(ours - theirs)
        for name in ("estimates", "std_errors")
        for ours, theirs in zip(result[name], other[name], strict=True)
    ]
    return {
        **result,
        "seconds_r": other["seconds"],
        "ratio": other["seconds"] / seconds,
        "log_likelihood_r": other["log_likelihood"],
        "largest_difference": max(differences),
    }


def _fit(ratings: CrossedRatings, random_responses: bool) -> LaplaceFit:
    terms = random_terms(ratings, False, random_responses)[0]
    return fit_laplace(ratings, ratings.contrasts(), terms)


def _in_r(data: pd.DataFrame, random: str) -> tuple[dict[str, Any] | None, str]:
    """R's fit of the same data, or why there is none."""
    program = shutil.which("Rscript")
    if program is None:
        return None, "Rscript is not installed"
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder, "ratings.csv"), Path(folder, "clmm.R")
        data.to_csv(path, index=False)
        script.write_text(_R_PROGRAM, encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 (our own script, on our own file)
                [program, "--vanilla", str(script), str(path), random],
                capture_output=True,
                text=True,
                timeout=_R_LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"R did not end within {_R_LIMIT_SECONDS} s"
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return None, f"R ended with an error (is its package ordinal installed?): {last}"
    return json.loads(done.stdout), ""


# How much better system B is, in the population of the ratings.
_LOG_ODDS = 0.5


def simulated_ratings(
    *,
    seed: int,
    n_raters: int = 36,
    n_prompts: int = 10,
    rater_sd: float = 0.75,
    prompt_sd: float = 0.35,
    response_sd: float = 0.0,
    missing: float = 0.14,
) -> pd.DataFrame:
    """Seeded ratings on five points from the cumulative-link mixed model itself.

    Returns
    -------
    DataFrame
        Columns ``rater``, ``prompt``, ``system`` (``A`` and ``B``) and ``value``; rows that are
        missing are left out.
    """
    import pandas as pd

    draw = np.random.default_rng(seed)
    cells = np.indices((n_raters, n_prompts, 2)).reshape(3, -1)
    rater, prompt, system = cells
    latent = (
        draw.normal(0, rater_sd, n_raters)[rater] + draw.normal(0, prompt_sd, n_prompts)[prompt]
    )
    latent = latent + _LOG_ODDS * system + draw.logistic(size=rater.size)
    if response_sd:
        latent = latent + draw.normal(0, response_sd, (n_prompts, 2))[prompt, system]
    frame = pd.DataFrame(
        {
            "rater": [f"R{code:04d}" for code in rater],
            "prompt": [f"P{code:04d}" for code in prompt],
            "system": np.where(system == 0, "A", "B"),
            "value": np.digitize(latent, [-2.5, -1.0, 0.5, 2.0]) + 1,
        }
    )
    return frame[draw.random(rater.size) >= missing].reset_index(drop=True)
