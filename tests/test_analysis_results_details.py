"""Oracle: the definition of `Details`: figures lie flat, in the order of the fields, None left out."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results import Details, Estimate, undefined


@dataclass(frozen=True)
class _Kappa(Details):
    z: float
    class_: str = ""
    standard_error: float | None = None


@dataclass(frozen=True)
class _Resampled(Details):
    of: _Kappa
    replicates: int


def test_figures_of_the_step_within_stand_in_its_place() -> None:
    details = _Resampled(_Kappa(2.5, "calm"), 2000)
    assert list(details.to_dict().items()) == [("z", 2.5), ("class", "calm"), ("replicates", 2000)]
    estimate: Estimate[_Resampled] = Estimate("cohen_kappa", 0.5, details=details)
    assert estimate.details.of.z == 2.5
    assert estimate.to_dict()["details"] == {"z": 2.5, "class": "calm", "replicates": 2000}


def test_what_does_not_exist_may_still_say_what_is_known() -> None:
    e = undefined("cohen_kappa", "all ratings are equal", details=_Kappa(0.0, "calm", 0.25))
    assert e.to_dict()["details"] == {"z": 0.0, "class": "calm", "standard_error": 0.25}
