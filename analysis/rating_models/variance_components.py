"""How much raters, prompts and responses differ, and what a fit on the edge of the model means.

A variance cannot be negative and a correlation cannot exceed 1. A maximum on that edge (a boundary or
singular fit) is a maximum like others, but it is easily misread: a variance estimated at zero does not
show that there is none, and a correlation estimated at 1 is no variance of zero at all.

References
----------
1. Self SG, Liang KY. Asymptotic properties of maximum likelihood estimators and likelihood ratio
   tests under nonstandard conditions. J Am Stat Assoc 1987;82:605-610.
2. Stram DO, Lee JW. Variance components testing in the longitudinal mixed effects model.
   Biometrics 1994;50:1171-1177.
3. Perlman MD. One-sided testing problems in multivariate analysis. Ann Math Stat 1969;40:549-567.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from analysis.rating_models.ratings import CrossedRatings, Floats
from analysis.rating_models.results import (
    Coefficient,
    CoefficientDetails,
    LikelihoodRatio,
    LikelihoodRatioDetails,
    ModelFit,
    Prediction,
    Sample,
    Variance,
    VarianceDetails,
)
from analysis.results import D, Estimate, undefined

# A relative SD below this is what the optimizer leaves of a variance that wants to be zero; lme4's
# isSingular has the same bound.
_ZERO_SD = 1e-4
# With two raters the spread between raters rests on one degree of freedom.
FEWEST_RATERS = 3


@dataclass(frozen=True)
class VarianceComponents:
    """Variances and covariances of the random effects.

    Parameters
    ----------
    estimates : tuple of Variance
    tests : tuple of LikelihoodRatio
        Likelihood-ratio tests of the effects that lie on the edge; see `chi_bar_squared`.
    notes : tuple of str
        What a reader must know of those effects.
    """

    estimates: tuple[Variance, ...]
    tests: tuple[LikelihoodRatio, ...]
    notes: tuple[str, ...]


def chi_bar_squared(ratio: float, df: int) -> float:
    """Chance of a likelihood ratio this large where a variance is zero under the null hypothesis.

    Half a chi-square with ``df - 1`` and half one with ``df`` degrees of freedom [1]_ [2]_: exact in
    large samples for one further variance and its ``df - 1`` covariances. For several variances it
    is the largest that any mixture for so many parameters gives, so that p is never too small [3]_.

    Parameters
    ----------
    ratio : float
        0 or more.
    df : int
        Parameters that the larger model has more, 1 or more.

    Examples
    --------
    >>> round(chi_bar_squared(2.7055, 1), 4)
    0.05
    """
    from scipy import stats

    # A chi-square without degrees of freedom is zero: it reaches a ratio of zero and no other.
    below = float(ratio <= 0) if df == 1 else float(stats.chi2.sf(ratio, df - 1))
    return 0.5 * below + 0.5 * float(stats.chi2.sf(ratio, df))


def with_mixture(test: LikelihoodRatio) -> LikelihoodRatio:
    """A likelihood-ratio test with ``p_value_mixture`` of `chi_bar_squared` in its details."""
    if test.estimate is None:
        return test
    mixture = chi_bar_squared(test.estimate, test.details.df)
    return replace(test, details=replace(test.details, p_value_mixture=mixture))


def variance_components(
    ratings: CrossedRatings,
    covariance_of: Callable[[str], Floats | None],
    no_prompt: str,
    log_likelihood: float,
    without_slopes: Callable[[], float | None],
    residual: float | None = None,
) -> VarianceComponents:
    """Variances, SDs and covariances of the random effects, and what lies on the edge.

    Parameters
    ----------
    covariance_of : callable
        Covariance matrix of a term's effects by its name, None where the model has no such term.
    no_prompt : str
        Why prompts are not random; empty when they are.
    log_likelihood : float
        Of this fit.
    without_slopes : callable
        Log-likelihood of the model without the raters' own differences, None when that does not
        converge; called only for a fit on the edge.
    residual : float, optional
        Variance of the errors, where the model has one.
    """
    n, n_missing = ratings.n, ratings.n_missing
    found: list[Variance] = []
    tests: list[LikelihoodRatio] = []
    notes: list[str] = []
    labels = ("intercept", *ratings.levels[1:])
    sizes = {
        "rater": len(ratings.raters),
        "prompt": len(ratings.prompts),
        "response": ratings.n_responses,
    }
    floor = _ZERO_SD**2 * (1.0 if residual is None else residual)
    for term, size in sizes.items():
        matrix = covariance_of(term)
        if matrix is None and term == "response":
            continue
        if matrix is None:
            nothing = VarianceDetails()
            found.append(
                undefined(
                    "prompt_variance",
                    no_prompt,
                    n=n,
                    n_missing=n_missing,
                    unit="prompt",
                    details=nothing,
                )
            )
            notes.append(f"no random prompt in the model: {no_prompt}")
            continue
        # What the optimizer leaves of a variance that wants to be zero is not a figure.
        flat = np.diag(matrix) < floor
        cleaned = np.where(flat[:, None] | flat[None, :], 0.0, matrix)
        for row in range(matrix.shape[0]):
            for column in range(row + 1):
                sample = Sample(size, n_missing, term)
                found.append(_variance(labels, cleaned, (row, column), sample))
        if np.linalg.eigvalsh(cleaned)[0] < floor:
            smaller = log_likelihood if len(matrix) == 1 else without_slopes()
            test = _edge_test(len(matrix), smaller, log_likelihood, ratings.sample(term))
            tests.append(test)
            notes.append(_edge_note(term, size, ratings.levels, cleaned, test))
    if residual is not None:
        details = VarianceDetails(std_dev=float(np.sqrt(residual)))
        found.append(
            Estimate(
                "residual_variance",
                residual,
                n=n,
                n_missing=n_missing,
                unit="rating",
                details=details,
            )
        )
    return VarianceComponents(tuple(found), tuple(tests), tuple(notes))


def _variance(
    labels: tuple[str, ...], matrix: Floats, place: tuple[int, int], sample: Sample
) -> Variance:
    row, column = place
    value, term = float(matrix[row, column]), sample.unit
    level = labels[row] if row > 0 else None
    if row == column:
        name = f"{term}_variance" if row == 0 else f"{term}_slope_variance"
        details = VarianceDetails(effect=labels[row], std_dev=float(np.sqrt(value)), level=level)
    else:
        name = f"{term}_slope_covariance"
        scale = float(np.sqrt(matrix[row, row] * matrix[column, column]))
        details = VarianceDetails(
            effects=f"{labels[column]}, {labels[row]}",
            correlation=value / scale if scale > 0 else "undefined, because a variance is zero",
            level=level,
        )
    return Estimate(name, value, n=sample.n, n_missing=sample.n_missing, unit=term, details=details)


def _edge_test(width: int, smaller: float | None, larger: float, sample: Sample) -> LikelihoodRatio:
    """Test of the one variance, or of the slopes with their variances and covariances."""
    from scipy import stats

    term = sample.unit
    name = f"likelihood_ratio_{term}_" + ("slopes" if width > 1 else "variance")
    if smaller is None:
        said = f"the model without the {term}s' own differences did not converge"
        return undefined(name, said, n=sample.n, n_missing=sample.n_missing, unit=term)
    ratio = max(0.0, 2.0 * (larger - smaller))
    # The slopes' variances, and their covariances with one another and with the intercept.
    df = width * (width + 1) // 2 - 1 if width > 1 else 1
    details = LikelihoodRatioDetails(
        df=df,
        log_likelihood_smaller=smaller,
        log_likelihood_larger=larger,
        reference_distribution=f"even mixture of chi-squares with {df - 1} and {df} df"
        + (", an upper bound" if width > 2 else ""),
        p_value_chi_square=float(stats.chi2.sf(ratio, df)),
        null_hypothesis=f"{term}s do not differ" + (" in the effect" if width > 1 else ""),
    )
    return Estimate(
        name,
        ratio,
        p_value=chi_bar_squared(ratio, df),
        n=sample.n,
        n_missing=sample.n_missing,
        unit=term,
        details=details,
    )


def _edge_note(
    term: str, size: int, levels: tuple[str, ...], matrix: Floats, test: LikelihoodRatio
) -> str:
    """What lies on the edge, what that is not, and the test."""
    deviations = np.sqrt(np.diag(matrix))
    names = (f"{term} intercepts", *(f"{term}s' own effects of {level}" for level in levels[1:]))
    named = [f"{name} {sd:.2g}" for name, sd in zip(names, deviations, strict=False)]
    zero = [names[i] for i in np.flatnonzero(deviations == 0.0)]
    others = [named[i] for i in np.flatnonzero(deviations > 0.0)]
    if zero:
        what = (
            f"the variance of the {' and of the '.join(zero)} is estimated at zero, the edge of what "
            f"a variance can be (boundary or singular fit); with {size} {term}s that does not show "
            "that it is zero" + (f"; SD of the {', of the '.join(others)}" if others else "")
        )
    else:
        how = "correlations of theirs are at the edge"
        if len(matrix) == 2:
            sign = "1" if matrix[1, 0] > 0 else "-1"
            how = f"their correlation is estimated at {sign}, the edge of what a correlation can be"
        what = (
            f"the {term}s differ (SD of the {', of the '.join(named)}), but {how} (boundary or "
            f"singular fit): {size} {term}s do not tell these effects apart; it does not mean that a "
            "variance is zero"
        )
    if test.estimate is None or test.p_value is None:
        return f"{what}; no likelihood-ratio test, because {test.undefined_because}"
    return (
        f"{what}; likelihood-ratio test that {test.details.null_hypothesis}: {test.estimate:.2f}, "
        f"p = {test.p_value:.3f} ({test.details.reference_distribution}; Self and Liang 1987, "
        "Stram and Lee 1994)"
    )


def few_raters(ratings: CrossedRatings) -> str:
    """Why nothing can be said about other raters; empty when something can."""
    if len(ratings.raters) >= FEWEST_RATERS:
        return ""
    return (
        f"{len(ratings.raters)} raters are no sample of raters: how much raters differ rests on one "
        "degree of freedom, and those of the ratings say nothing about other raters"
    )


def for_these_raters_only(fit: ModelFit, because: str) -> ModelFit:
    """The fit without what would speak to other raters: intervals, tests, degrees of freedom.

    Satterthwaite's degrees of freedom become those of the ratings where the raters' variance is
    estimated at zero, which two raters make likely: dozens, where there is one.

    Parameters
    ----------
    fit : ModelFit
    because : str
        As `few_raters` gives it.
    """

    def coefficient(e: Coefficient) -> Coefficient:
        bare = _without_interval(e, because)
        return replace(bare, details=_without_test(e.details, because))

    def prediction(e: Prediction) -> Prediction:
        bare = _without_interval(e, because)
        return replace(bare, details=replace(e.details, no_test_because=because))

    def gone(e: Estimate) -> Estimate:
        # Tests of the model's form and of its random effects do not speak of other raters' effects.
        if not e.statistic.endswith("_effect"):
            return e
        return undefined(e.statistic, because, n=e.n, n_missing=e.n_missing, unit=e.unit)

    return replace(
        fit,
        unit_of_inference="these two raters (no interval or test: they are no sample of raters)",
        coefficients=tuple(coefficient(e) for e in fit.coefficients),
        thresholds=tuple(coefficient(e) for e in fit.thresholds),
        tests=tuple(gone(e) for e in fit.tests),
        predictions=tuple(
            replace(
                p, probabilities=tuple(map(prediction, p.probabilities)), mean=prediction(p.mean)
            )
            for p in fit.predictions
        ),
        notes=(*fit.notes, f"no interval and no test of the effect, because {because}"),
    )


def _without_interval(e: Estimate[D], because: str) -> Estimate[D]:
    return replace(e, ci_low=None, ci_high=None, ci_method=f"none: {because}", p_value=None)


def _without_test(details: CoefficientDetails, because: str) -> CoefficientDetails:
    error, reason = details.kenward_roger_std_error, details.kenward_roger_undefined_because
    return replace(
        details,
        z_value=None,
        t_value=None,
        df=None,
        kenward_roger_std_error=None,
        kenward_roger_df=None,
        kenward_roger_p_value=None,
        kenward_roger_undefined_because=None if error is None and reason is None else because,
        no_test_because=because,
        profile=None,
    )
