"""Maximum of the Laplace likelihood of a cumulative-link mixed model, from the fit without effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.rating_models.crossed_effects import RandomTerm
from analysis.rating_models.laplace import LaplaceLikelihood
from analysis.rating_models.maximum import Maximum, maximise
from analysis.rating_models.ordinal_likelihood import fit_counts, level_counts
from analysis.rating_models.ratings import CrossedRatings, Floats

# Not zero: the likelihood is even in every entry of Lambda, so its slope there is zero too.
_START_SD = 0.5


@dataclass(frozen=True)
class LaplaceFit:
    """Parameters at the maximum, with the likelihood that was maximised."""

    likelihood: LaplaceLikelihood
    maximum: Maximum

    @property
    def settled(self) -> bool:
        """Converged, with every threshold and slope determined by the data."""
        flat = self.maximum.flat[: self.likelihood.n_fixed]
        return self.maximum.converged and bool(np.all(np.abs(flat) < 1e-3))

    def covariance(self, term: str) -> Floats | None:
        """Covariance matrix of a term's random effects; None when the term is not in the model.

        Responses ("response") are further columns of the prompts' term, all with one variance.
        """
        name = "prompt" if term == "response" else term
        factors = self.likelihood.factors(self.maximum.parameters)
        for known, factor in zip(self.likelihood.terms, factors, strict=True):
            if known.name != name:
                continue
            whole = np.asarray(factor @ factor.T)
            if not known.tied:
                return None if term == "response" else whole
            return whole[1:2, 1:2] if term == "response" else whole[:1, :1]
        return None


def fit_laplace(ratings: CrossedRatings, x: Floats, terms: list[RandomTerm]) -> LaplaceFit:
    """Fit with given fixed columns (n, p) and random terms, from the fit without random effects.

    Parameters
    ----------
    x : ndarray
        The contrasts of the levels, or no column at all for the model without an effect.
    """
    counts = level_counts(ratings)
    if x.shape[1] == 0:
        counts = counts.sum(axis=0, keepdims=True)
    first = fit_counts(counts)
    likelihood = LaplaceLikelihood(ratings.category, x, terms)
    lambdas = [t.start(_START_SD) for t in likelihood.terms]
    start = np.concatenate([first.thresholds, first.slopes, *lambdas])
    scale = np.diag(
        np.concatenate([np.ones(first.covariance.shape[0]), *guessed_spread(likelihood)])
    )
    fixed = likelihood.n_fixed
    scale[:fixed, :fixed] = first.covariance
    return LaplaceFit(likelihood, maximise(likelihood, start, scale))


def guessed_spread(likelihood: LaplaceLikelihood) -> list[Floats]:
    """Rough sampling variance of each entry of Lambda: an SD from so many levels, about 1 / 2."""
    return [np.full(t.n_parameters, 0.5 / t.n_levels) for t in likelihood.terms]
