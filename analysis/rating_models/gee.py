"""Generalized estimating equations for ratings clustered by rater, exchangeable correlation.

Population-averaged means: what the average rater of this population gives, with standard errors
from the raters' own scatter (sandwich), whatever the true correlation within a rater is. Prompts
count as fixed circumstances. Correlation and scale are moment estimates without a correction for
the coefficients, as in R's ``geepack``; other software divides by a little less.

Written here on purpose: statsmodels' GEE gives the same coefficients, errors, correlation and scale (with
``ddof_scale=False``, to 1e-10 as measured; a test holds it), but no error of the correlation, which
geepack prints, and takes 20 to 40 times as long, because it goes from cluster to cluster in Python.

References
----------
1. Liang KY, Zeger SL. Longitudinal data analysis using generalized linear models. Biometrika
   1986;73:13-22.
2. Halekoh U, Hojsgaard S, Yan J. The R package geepack for generalized estimating equations.
   J Stat Softw 2006;15(2):1-11.
3. Mancl LA, DeRouen TA. A covariance estimator for GEE with improved small-sample properties.
   Biometrics 2001;57:126-134.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.rating_models.ratings import Codes, CrossedRatings, Floats
from analysis.rating_models.results import (
    Coefficient,
    CoefficientDetails,
    ModelFit,
    Variance,
    VarianceDetails,
    wald_estimate,
)
from analysis.results import Assumption, Estimate

_MOST_STEPS = 200
FEW_RATERS = 50
# A correlation nearer to its bounds divides by rounding.
_EDGE = 1e-9
UNIT = "rater (the ratings of a rater are one cluster; prompts are fixed)"


@dataclass(frozen=True)
class ExchangeableFit:
    """GEE fit with identity link.

    Parameters
    ----------
    beta : ndarray, shape (p,)
    robust, small_sample : ndarray, shape (p, p)
        Sandwich covariance, and Mancl and DeRouen's for few clusters; None where one cluster
        alone determines a coefficient.
    correlation, scale : float
        Within-rater correlation and variance of a rating.
    correlation_error : float
        Robust standard error of ``correlation``.
    """

    beta: Floats
    robust: Floats
    small_sample: Floats | None
    correlation: float
    scale: float
    correlation_error: float
    converged: bool


class _Clusters:
    """Sums over clusters that every step needs."""

    def __init__(self, y: Floats, x: Floats, cluster: Codes) -> None:
        self.y, self.x, self.cluster = y, x, cluster
        self.sizes = np.bincount(cluster).astype(float)
        self.n_clusters = self.sizes.size
        self.pairs = self.sizes * (self.sizes - 1) / 2
        self.x_sums = self.sums(x)
        self.squares = np.stack(
            [self.sums(x * column[:, None]) for column in x.T], axis=1
        )  # (clusters, p, p)

    def sums(self, values: Floats) -> Floats:
        """Totals per cluster of (n,) or of each column of (n, p)."""
        if values.ndim == 1:
            return np.asarray(np.bincount(self.cluster, values, minlength=self.n_clusters), float)
        return np.stack([self.sums(column) for column in values.T], axis=1)

    def shrinkage(self, correlation: float) -> Floats:
        """c with (R^-1)_i = (I - c J) / (1 - correlation)."""
        return correlation / (1 + (self.sizes - 1) * correlation)

    def bread(self, correlation: float) -> Floats:
        """X_i' R_i^-1 X_i of each cluster, shape (clusters, p, p)."""
        c = self.shrinkage(correlation)[:, None, None]
        outer = self.x_sums[:, :, None] * self.x_sums[:, None, :]
        return np.asarray((self.squares - c * outer) / (1 - correlation))

    def pull(self, values: Floats, correlation: float) -> Floats:
        """X_i' R_i^-1 values_i of each cluster, shape (clusters, p)."""
        c = (self.shrinkage(correlation) * self.sums(values))[:, None]
        plain = self.sums(self.x * values[:, None])
        return np.asarray((plain - c * self.x_sums) / (1 - correlation))


def fit_exchangeable(y: Floats, x: Floats, cluster: Codes) -> ExchangeableFit:
    """Iterate between coefficients and correlation until both stand still.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n, p)
        Intercept included.
    cluster : ndarray of int, shape (n,)
        0 to clusters - 1, each of which occurs; at least one of them more than once.
    """
    groups = _Clusters(y, x, cluster)
    correlation, converged = 0.0, False
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    scale = 0.0
    for _ in range(_MOST_STEPS):
        scale, new = _moments(groups, y - x @ beta)
        # Below it the working correlation matrix of the largest cluster has a negative eigenvalue.
        floor = -1 / (groups.sizes.max() - 1)
        if not scale > 0 or not floor + _EDGE < new < 1 - _EDGE:
            correlation = new
            break
        bread = groups.bread(new).sum(axis=0)
        moved = np.linalg.solve(bread, groups.pull(y, new).sum(axis=0))
        change = max(abs(new - correlation), float(np.max(np.abs(moved - beta))))
        beta, correlation = moved, new
        if change < 1e-12:
            converged = True
            break
    if not converged:
        nothing = np.zeros((x.shape[1], x.shape[1]))
        return ExchangeableFit(beta, nothing, None, correlation, scale, 0.0, False)
    residual = y - x @ beta
    blocks = groups.bread(correlation)
    inverse = np.linalg.inv(blocks.sum(axis=0))
    scores = groups.pull(residual, correlation)
    error = _correlation_error(groups, residual, scores @ inverse, correlation, scale)
    return ExchangeableFit(
        beta,
        inverse @ (scores.T @ scores) @ inverse,
        _mancl_derouen(blocks, inverse, scores),
        correlation,
        scale,
        error,
        True,
    )


def _moments(groups: _Clusters, residual: Floats) -> tuple[float, float]:
    """Scale and exchangeable correlation from the residuals."""
    scale = float(np.mean(residual**2))
    products = (groups.sums(residual) ** 2 - groups.sums(residual**2)) / 2
    if scale <= 1e-12 * float(np.var(groups.y)):
        return 0.0, 0.0
    return scale, float(products.sum()) / (scale * float(groups.pairs.sum()))


def _correlation_error(
    groups: _Clusters, residual: Floats, influence: Floats, correlation: float, scale: float
) -> float:
    """Sandwich standard error of the correlation, from the stacked equations of beta, scale, it."""
    squares = groups.sums(residual**2)
    total = groups.sums(residual)
    scale_scores = squares - groups.sizes * scale
    by_beta = -2 * groups.x.T @ residual
    n = groups.sizes.sum()
    scale_influence = (scale_scores + influence @ by_beta) / n
    products = (total**2 - squares) / 2 / scale
    scores = products - groups.pairs * correlation
    pairs = groups.pairs.sum()
    crossed = groups.x_sums.T @ total - groups.x.T @ residual
    moved = scores - influence @ crossed / scale - scale_influence * pairs * correlation / scale
    return float(np.sqrt(np.sum((moved / pairs) ** 2)))


def _mancl_derouen(blocks: Floats, inverse: Floats, scores: Floats) -> Floats | None:
    """Sandwich with each cluster's residuals inflated by (I - its own leverage)^-1.

    The clusters' leverage has rank p, so the inverse is one of p by p.
    """
    inner = np.eye(inverse.shape[0]) - inverse @ blocks
    # A cluster with leverage 1 in some direction: without it that coefficient could not be estimated.
    if np.min(np.abs(np.linalg.det(inner))) < 1e-8:
        return None
    carried = np.linalg.solve(inner, (scores @ inverse)[:, :, None])
    inflated = scores + (blocks @ carried)[:, :, 0]
    return np.asarray(inverse @ (inflated.T @ inflated) @ inverse)


def fit_gee(ratings: CrossedRatings, *, ci_level: float = 0.95) -> ModelFit:
    """GEE of the ratings on the compared levels with raters as clusters, as ``geepack::geeglm``.

    Returns
    -------
    ModelFit
        Coefficients are population-averaged mean differences in points. With fewer than 50 raters
        the sandwich standard error is too small: interval and p-value are then those of Mancl and
        DeRouen's, by Student's t on raters - coefficients degrees of freedom, and the uncorrected
        ones of ``geepack`` follow under names that end in ``_uncorrected``. With more raters the
        sandwich is the main one; Mancl and DeRouen's stands in ``details`` always.
    """
    because = ratings.obstacle() or ratings.rater_obstacle()
    p = len(ratings.levels)
    if not because and len(ratings.raters) <= p:
        because = (
            f"{len(ratings.raters)} raters for {p} coefficients: the raters' scatter gives no "
            "standard error"
        )
    few = len(ratings.raters) < FEW_RATERS
    bare = ratings.unfitted(
        "gee",
        title="Generalized estimating equations, exchangeable correlation within raters",
        unit_of_inference=UNIT,
        method="estimating equations, robust (sandwich) standard errors"
        + (", corrected for few raters" if few else ""),
    )
    if because:
        return replace(bare, undefined_because=because)
    x = np.column_stack([np.ones(ratings.n), ratings.contrasts()])
    fit = fit_exchangeable(ratings.value, x, ratings.rater)
    because = _fit_obstacle(ratings, fit)
    if because:
        return replace(bare, undefined_because=because)
    note = (
        f"the estimating equations have {len(ratings.raters)} raters only: standard errors are Mancl "
        f"and DeRouen's for few clusters, with t on {len(ratings.raters) - p} degrees of freedom; the "
        "uncorrected sandwich errors beside them make p too small"
    )
    return replace(
        bare,
        coefficients=_coefficients(ratings, fit, ci_level),
        variances=_working(ratings, fit),
        n_parameters=p + 2,
        converged=True,
        notes=(note,) if few else (),
        assumptions=(
            Assumption("raters are independent of one another", None, "by design, not tested"),
            Assumption(
                f"enough raters for the uncorrected robust standard errors ({FEW_RATERS})",
                not few,
                f"{len(ratings.raters)} raters",
            ),
        ),
    )


def _fit_obstacle(ratings: CrossedRatings, fit: ExchangeableFit) -> str:
    if fit.converged and fit.small_sample is None:
        return "one rater alone determines a coefficient, so raters' scatter gives it no error"
    if fit.converged:
        return ""
    if fit.scale == 0.0:
        return (
            f"{ratings.effect} explains the ratings without error, so nothing is left to correlate"
        )
    return (
        f"did not converge: the within-rater correlation came to {fit.correlation:.4f}, at or "
        "beyond the edge of its range, or did not settle"
    )


def _coefficients(
    ratings: CrossedRatings, fit: ExchangeableFit, ci_level: float
) -> tuple[Coefficient, ...]:
    robust = tuple(_robust(ratings, fit, i, ci_level) for i in range(fit.beta.size))
    small = fit.small_sample
    if len(ratings.raters) >= FEW_RATERS or small is None:
        return robust
    corrected = tuple(
        _corrected(ratings, e, float(np.sqrt(max(small[i, i], 0.0)))) for i, e in enumerate(robust)
    )
    return (*corrected, *(replace(e, statistic=f"{e.statistic}_uncorrected") for e in robust))


def _robust(
    ratings: CrossedRatings, fit: ExchangeableFit, index: int, ci_level: float
) -> Coefficient:
    """Coefficient with its sandwich error, Mancl and DeRouen's in the details."""
    from scipy import stats

    value, small = float(fit.beta[index]), fit.small_sample
    details = CoefficientDetails(
        std_error=float(np.sqrt(max(fit.robust[index, index], 0.0))),
        term=ratings.terms[index - 1] if index else "(Intercept)",
        level=ratings.levels[index],
        reference=ratings.levels[0] if index else None,
    )
    if small is not None and small[index, index] > 0:
        error, df = float(np.sqrt(small[index, index])), len(ratings.raters) - len(ratings.levels)
        details = replace(
            details,
            mancl_derouen_std_error=error,
            mancl_derouen_df=df,
            mancl_derouen_p_value=float(2 * stats.t.sf(abs(value) / error, df)),
        )
    return wald_estimate(
        "mean_difference" if index else "intercept",
        value,
        details,
        ratings.sample("rater"),
        ci_level=ci_level,
        ci_method="Wald, robust standard error",
    )


def _corrected(ratings: CrossedRatings, robust: Coefficient, error: float) -> Coefficient:
    """The same coefficient with Mancl and DeRouen's error as the main one."""
    df = float(len(ratings.raters) - len(ratings.levels))
    return wald_estimate(
        robust.statistic,
        float(robust.estimate or 0.0),
        replace(robust.details, std_error=error, z_value=None, df=df),
        ratings.sample("rater"),
        ci_level=robust.ci_level,
        ci_method="t, robust standard error corrected for few raters (Mancl and DeRouen)",
    )


def _working(ratings: CrossedRatings, fit: ExchangeableFit) -> tuple[Variance, ...]:
    n = len(ratings.raters)
    error = VarianceDetails(std_error=fit.correlation_error)
    return (
        Estimate("exchangeable_correlation", fit.correlation, n=n, unit="rater", details=error),
        Estimate("scale", fit.scale, n=n, unit="rater", details=VarianceDetails()),
    )
