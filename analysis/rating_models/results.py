"""What a fitted model of ratings returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from analysis.results import Assumption, Estimate

_NO_DETAILS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class PredictedDistribution:
    """How a model expects the ratings of one level to spread over the points of the scale.

    Parameters
    ----------
    level : str
        The system (or other compared level).
    kind : str
        ``"typical_rater"`` (a rater and a prompt in the middle of their populations) or
        ``"population_averaged"`` (averaged over raters and prompts).
    caption : str
        The same in words, to stand in a table's caption.
    probabilities : tuple of Estimate
        One for each point of the full scale, in the scale's order; they add up to 1.
    mean : Estimate
        Mean of the predicted distribution, in points.
    """

    level: str
    kind: str
    caption: str
    probabilities: tuple[Estimate, ...]
    mean: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form with full precision."""
        return {
            "level": self.level,
            "kind": self.kind,
            "caption": self.caption,
            "probabilities": [p.to_dict() for p in self.probabilities],
            "mean": self.mean.to_dict(),
        }


@dataclass(frozen=True)
class ModelFit:
    """One fitted model of ratings, or the reason why there is none.

    Parameters
    ----------
    model : str
        Snake-case name, for example ``"cumulative_link_mixed"``.
    title : str
        The model in words, for a caption.
    unit_of_inference : str
        To which raters and prompts the p-values and intervals speak, in words, for a caption.
    method : str
        How it was fitted.
    coefficients, thresholds, variances : tuple of Estimate
        Standard error, test statistic and degrees of freedom stand in ``details``.
    tests : tuple of Estimate
        Tests made with this model (likelihood-ratio, joint F); the estimate is the statistic.
    predictions : tuple of PredictedDistribution
    log_likelihood : float or None
        Restricted log-likelihood where ``method`` says REML.
    n_parameters : int
        Free parameters, variances included.
    converged : bool
        False also when nothing was fitted.
    undefined_because : str
        Empty, or why this model does not exist for these data.
    notes : tuple of str
        What a reader must know: a variance at zero, unused points, few raters.
    """

    model: str
    title: str
    unit_of_inference: str
    method: str
    coefficients: tuple[Estimate, ...] = ()
    thresholds: tuple[Estimate, ...] = ()
    variances: tuple[Estimate, ...] = ()
    tests: tuple[Estimate, ...] = ()
    predictions: tuple[PredictedDistribution, ...] = ()
    log_likelihood: float | None = None
    n_parameters: int = 0
    n: int = 0
    n_missing: int = 0
    n_raters: int = 0
    n_prompts: int = 0
    converged: bool = False
    undefined_because: str = ""
    notes: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    details: Mapping[str, Any] = field(default_factory=lambda: _NO_DETAILS)

    def find(self, statistic: str, level: str | None = None) -> Estimate:
        """The estimate of that name (and, for a comparison, of that level).

        Raises
        ------
        KeyError
            This model has no such estimate.
        """
        for found in (*self.coefficients, *self.thresholds, *self.variances, *self.tests):
            if found.statistic == statistic and level in (None, found.details.get("level")):
                return found
        raise KeyError(f"{self.model} has no estimate {statistic!r} for level {level!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form with full precision."""
        return {
            "model": self.model,
            "title": self.title,
            "unit_of_inference": self.unit_of_inference,
            "method": self.method,
            "coefficients": [e.to_dict() for e in self.coefficients],
            "thresholds": [e.to_dict() for e in self.thresholds],
            "variances": [e.to_dict() for e in self.variances],
            "tests": [e.to_dict() for e in self.tests],
            "predictions": [p.to_dict() for p in self.predictions],
            "log_likelihood": self.log_likelihood,
            "n_parameters": self.n_parameters,
            "n": self.n,
            "n_missing": self.n_missing,
            "n_raters": self.n_raters,
            "n_prompts": self.n_prompts,
            "converged": self.converged,
            "undefined_because": self.undefined_because,
            "notes": list(self.notes),
            "assumptions": [vars(a) for a in self.assumptions],
            "details": dict(self.details),
        }


def wald_estimate(
    statistic: str,
    estimate: float,
    std_error: float,
    *,
    df: float | None = None,
    ci_level: float = 0.95,
    ci_method: str = "Wald",
    n: int = 0,
    n_missing: int = 0,
    unit: str = "",
    **details: Any,
) -> Estimate:
    """Estimate with a Wald interval and p-value: normal without ``df``, Student's t with it."""
    from scipy import stats

    reference = stats.norm if df is None else stats.t(df)
    if not std_error > 0:
        ratio, p_value, half = None, None, None
        details["no_test_because"] = "the standard error is zero"
    else:
        ratio = estimate / std_error
        p_value = float(2 * reference.sf(abs(ratio)))
        half = float(reference.ppf(0.5 + ci_level / 2)) * std_error
    name = "z_value" if df is None else "t_value"
    more = {"std_error": std_error, name: ratio, **({} if df is None else {"df": df}), **details}
    return Estimate(
        statistic,
        float(estimate),
        ci_low=None if half is None else float(estimate - half),
        ci_high=None if half is None else float(estimate + half),
        ci_level=ci_level,
        ci_method=ci_method,
        p_value=p_value,
        n=n,
        n_missing=n_missing,
        unit=unit,
        details=MappingProxyType(more),
    )
