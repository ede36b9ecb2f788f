"""What a fitted model of ratings returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from analysis.results import NO_DETAILS, Assumption, Details, Estimate


@dataclass(frozen=True)
class Sample:
    """What one estimate rests on: units that entered, units left out, and what a unit is."""

    n: int
    n_missing: int
    unit: str


@dataclass(frozen=True)
class Ends(Details):
    """Limits of a further interval; one that the likelihood does not set is None.

    Parameters
    ----------
    of : str
        What they are printed as: ``"profile_ci"`` for ``profile_ci_low`` and ``profile_ci_high``.
    low, high : float or None
    """

    of: str
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, Any]:
        """Both limits, an open one as None: it says that the interval has no end there."""
        return {f"{self.of}_low": self.low, f"{self.of}_high": self.high}


@dataclass(frozen=True, kw_only=True)
class CoefficientDetails(Details):
    """Error and test of one coefficient, and what it compares.

    Parameters
    ----------
    std_error : float or None
    z_value, t_value, df : float or None
        Wald statistic: t with its degrees of freedom, z without. None where there is no test.
    term : str
        As R names it.
    level, reference : str or None
        What is compared with what; a mean has no reference, a threshold neither.
    odds_ratio : float or None
    kenward_roger_std_error, kenward_roger_df, kenward_roger_p_value : float or None
    kenward_roger_undefined_because : str or None
    mancl_derouen_std_error, mancl_derouen_df, mancl_derouen_p_value : float or None
    no_test_because : str or None
    profile : Ends or None
        Profile-likelihood interval.
    """

    std_error: float | None = None
    z_value: float | None = None
    t_value: float | None = None
    df: float | None = None
    term: str
    level: str | None = None
    reference: str | None = None
    odds_ratio: float | None = None
    kenward_roger_std_error: float | None = None
    kenward_roger_df: float | None = None
    kenward_roger_p_value: float | None = None
    kenward_roger_undefined_because: str | None = None
    mancl_derouen_std_error: float | None = None
    mancl_derouen_df: int | None = None
    mancl_derouen_p_value: float | None = None
    no_test_because: str | None = None
    profile: Ends | None = None


@dataclass(frozen=True, kw_only=True)
class VarianceDetails(Details):
    """What varies, by how much.

    Parameters
    ----------
    effect : str or None
        Of a variance: which effect of a rater, prompt or response it is.
    effects : str or None
        Of a covariance: which two.
    std_dev : float or None
    correlation : float or str or None
        Of a covariance; in words where there is none.
    level : str or None
        The compared level whose effect varies.
    std_error : float or None
        Of a correlation.
    profile : Ends or None
        Profile-likelihood interval of the standard deviation.
    """

    effect: str | None = None
    effects: str | None = None
    std_dev: float | None = None
    correlation: float | str | None = None
    level: str | None = None
    std_error: float | None = None
    profile: Ends | None = None


@dataclass(frozen=True, kw_only=True)
class LikelihoodRatioDetails(Details):
    """A likelihood-ratio test of two nested models.

    Parameters
    ----------
    df : int
        Parameters that the larger model has more.
    log_likelihood_smaller, log_likelihood_larger : float
    reference_distribution : str or None
        In words, where it is no single chi-square.
    p_value_chi_square : float or None
        By one chi-square, where the test's own p is that of a mixture.
    null_hypothesis : str
    p_value_mixture : float or None
        By a mixture of chi-squares, where the test's own p is that of one.
    """

    df: int
    log_likelihood_smaller: float
    log_likelihood_larger: float
    reference_distribution: str | None = None
    p_value_chi_square: float | None = None
    null_hypothesis: str
    p_value_mixture: float | None = None


@dataclass(frozen=True)
class FTestDetails(Details):
    """Degrees of freedom of a joint F test."""

    df1: int
    df2: float


@dataclass(frozen=True, kw_only=True)
class PredictionDetails(Details):
    """One point's predicted probability, or the mean of all.

    Parameters
    ----------
    point : str or None
    std_error : float or None
        By the delta method.
    note : str or None
        Why the probability is 0.
    no_test_because : str or None
        Why there is no interval.
    """

    point: str | None = None
    std_error: float | None = None
    note: str | None = None
    no_test_because: str | None = None


Coefficient = Estimate[CoefficientDetails]
Variance = Estimate[VarianceDetails]
LikelihoodRatio = Estimate[LikelihoodRatioDetails]
Prediction = Estimate[PredictionDetails]


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
    probabilities : tuple of Prediction
        One for each point of the full scale, in the scale's order; they add up to 1.
    mean : Prediction
        Mean of the predicted distribution, in points.
    """

    level: str
    kind: str
    caption: str
    probabilities: tuple[Prediction, ...]
    mean: Prediction

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
    coefficients, thresholds : tuple of Coefficient
    variances : tuple of Variance
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
    details : Details
        How the fit itself came about.
    """

    model: str
    title: str
    unit_of_inference: str
    method: str
    coefficients: tuple[Coefficient, ...] = ()
    thresholds: tuple[Coefficient, ...] = ()
    variances: tuple[Variance, ...] = ()
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
    details: Details = NO_DETAILS

    def find(self, statistic: str, level: str | None = None) -> Estimate:
        """The estimate of that name (and, for a comparison, of that level).

        Raises
        ------
        KeyError
            This model has no such estimate.
        """
        leveled: list[tuple[Estimate, str | None]]
        leveled = [(e, e.details.level) for e in self.coefficients]
        leveled += [(e, None) for e in self.thresholds]
        leveled += [(e, e.details.level) for e in self.variances]
        leveled += [(e, None) for e in self.tests]
        for found, of in leveled:
            if found.statistic == statistic and level in (None, of):
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
            "details": self.details.to_dict(),
        }


def wald_estimate(
    statistic: str,
    estimate: float,
    details: CoefficientDetails,
    sample: Sample,
    *,
    ci_level: float = 0.95,
    ci_method: str = "Wald",
) -> Coefficient:
    """Estimate with a Wald interval and p-value: normal without degrees of freedom, Student's t with.

    Parameters
    ----------
    details : CoefficientDetails
        With the standard error, and with ``df`` for Student's t; the statistic is added here.
    """
    from scipy import stats

    df, std_error = details.df, details.std_error or 0.0
    reference = stats.norm if df is None else stats.t(df)
    p_value: float | None = None
    half: float | None = None
    if not std_error > 0:
        details = replace(details, no_test_because="the standard error is zero")
    else:
        ratio = estimate / std_error
        p_value = float(2 * reference.sf(abs(ratio)))
        half = float(reference.ppf(0.5 + ci_level / 2)) * std_error
        z, t = (ratio, None) if df is None else (None, ratio)
        details = replace(details, z_value=z, t_value=t)
    return Estimate(
        statistic,
        float(estimate),
        ci_low=None if half is None else float(estimate - half),
        ci_high=None if half is None else float(estimate + half),
        ci_level=ci_level,
        ci_method=ci_method,
        p_value=p_value,
        n=sample.n,
        n_missing=sample.n_missing,
        unit=sample.unit,
        details=details,
    )


def likelihood_ratio(
    statistic: str,
    smaller: float,
    larger: float,
    df: int,
    sample: Sample,
    null_hypothesis: str,
) -> LikelihoodRatio:
    """Likelihood-ratio chi-square of two nested models from their log-likelihoods."""
    from scipy import stats

    # Two fits to the same maximum may differ by rounding: a ratio below zero is then zero.
    ratio = max(0.0, 2.0 * (larger - smaller))
    return Estimate(
        statistic,
        ratio,
        p_value=float(stats.chi2.sf(ratio, df)),
        n=sample.n,
        n_missing=sample.n_missing,
        unit=sample.unit,
        details=LikelihoodRatioDetails(
            df=df,
            log_likelihood_smaller=smaller,
            log_likelihood_larger=larger,
            null_hypothesis=null_hypothesis,
        ),
    )
