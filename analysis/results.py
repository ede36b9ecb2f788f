"""Frozen results: what every statistic in this room returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, Never, overload

from typing_extensions import TypeVar


@dataclass(frozen=True)
class Details:
    """Further figures of one computation: each method has its own frozen subclass.

    A field is a number, a string, None where this computation has no such figure, or the `Details`
    of a step that it builds on (a bootstrap keeps those of the estimate that it resampled). Fields
    stand in the order in which they are printed. A figure whose name is a Python keyword takes an
    underscore at its end (``class_``), which is not printed.
    """

    def to_dict(self) -> dict[str, Any]:
        """The figures under their names, those of the steps within laid flat in their place.

        None is left out: it says that there is no such figure, not that it is missing.
        """
        flat: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Details):
                flat |= value.to_dict()
            elif value is not None:
                flat[one.name.removesuffix("_")] = value
        return flat


NO_DETAILS = Details()
# Covariant, as a frozen result is only read: an Estimate[WelchDetails] is an Estimate.
D = TypeVar("D", bound=Details, default=Any, covariant=True)
E = TypeVar("E", bound=Details)


@dataclass(frozen=True)
class Assumption:
    """One assumption of a method and what the data say about it.

    Parameters
    ----------
    name : str
        What is assumed, in words, for example ``"normality of System A"``.
    holds : bool or None
        False when the figure speaks against it, True when it does not, None when it cannot be
        checked with these data.
    evidence : str
        The figure behind ``holds``, for example ``"Shapiro-Wilk W = 0.970, p = .410"``, or why
        there is none.
    """

    name: str
    holds: bool | None
    evidence: str


@dataclass(frozen=True)
class Estimate(Generic[D]):
    """One statistic with its interval, its n and the reason when it is undefined.

    Parameters
    ----------
    statistic : str
        Snake-case name, for example ``"cohen_kappa_quadratic"``.
    estimate : float or None
        None exactly when ``undefined_because`` is given.
    ci_low, ci_high : float or None
        Ends of the interval; None when the method gives none.
    ci_level : float
        Between 0 and 1.
    ci_method : str
        How the interval was made, in words; empty when there is none.
    p_value : float or None
        Two-sided unless ``details`` says otherwise.
    n : int
        Units that entered the estimate (what a unit is: ``unit``).
    n_missing : int
        Units left out because of missing values.
    unit : str
        The unit of inference: ``"rater"``, ``"item"``, ``"rating"``, ...
    undefined_because : str
        Empty, or the reason why the statistic does not exist for these data.
    assumptions : tuple of Assumption
    details : Details
        Further figures of the same computation (test statistic, degrees of freedom, ...): what a
        function returns says which, ``Estimate[WelchDetails]``.
    """

    statistic: str
    estimate: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    ci_level: float = 0.95
    ci_method: str = ""
    p_value: float | None = None
    n: int = 0
    n_missing: int = 0
    unit: str = ""
    undefined_because: str = ""
    assumptions: tuple[Assumption, ...] = ()
    details: D = NO_DETAILS  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in ("estimate", "ci_low", "ci_high", "p_value"):
            value = getattr(self, name)
            if value is not None and math.isnan(value):
                raise ValueError(
                    f"{self.statistic}: {name} is nan; give None and say why in undefined_because"
                )
        if (self.estimate is None) != bool(self.undefined_because):
            raise ValueError(
                f"{self.statistic}: estimate {self.estimate!r} and undefined_because "
                f"{self.undefined_because!r} contradict each other"
            )

    def with_details(self, details: E, **changes: Any) -> Estimate[E]:
        """The same result with the figures of another step, and other fields where named."""
        changed: Estimate[Any] = self
        return replace(changed, details=details, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-ready form with full precision."""
        return {
            "statistic": self.statistic,
            "estimate": self.estimate,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "ci_level": self.ci_level,
            "ci_method": self.ci_method,
            "p_value": self.p_value,
            "n": self.n,
            "n_missing": self.n_missing,
            "unit": self.unit,
            "undefined_because": self.undefined_because,
            "assumptions": [vars(a) for a in self.assumptions],
            "details": self.details.to_dict(),
        }


@overload
def undefined(
    statistic: str, because: str, *, n: int = 0, n_missing: int = 0, unit: str = ""
) -> Estimate[Never]: ...


@overload
def undefined(
    statistic: str,
    because: str,
    *,
    n: int = 0,
    n_missing: int = 0,
    unit: str = "",
    details: E,
) -> Estimate[E]: ...


def undefined(
    statistic: str,
    because: str,
    *,
    n: int = 0,
    n_missing: int = 0,
    unit: str = "",
    details: Details = NO_DETAILS,
) -> Estimate[Any]:
    """An estimate that does not exist for these data, with the reason and what is still known.

    To a type checker it has the details that it is given. Without any it is an `Estimate[Never]`: it stands
    where an estimate with any details is expected, since nobody reads details of what does not exist.
    """
    return Estimate(
        statistic,
        None,
        n=n,
        n_missing=n_missing,
        unit=unit,
        undefined_because=because,
        details=details,
    )
