"""What every chapter needs: the shaped data, the names and what the lock covers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from analysis.chapters.decisions import REPLICATES, SEED
from analysis.chapters.shaping import BoolArray, FloatArray, ShapedRatings
from analysis.description.frequencies import RaterTotal, rater_totals
from analysis.resampling import Bootstrap
from study.report_view.data import ReportData, ReportItem

Standing = Literal["declared", "exploratory", "descriptive"]


@dataclass(frozen=True)
class ReportContext:
    """The study as chapters and sections see it."""

    data: ReportData
    shaped: ShapedRatings

    @property
    def locked(self) -> bool:
        """Whether the plan was frozen; without a lock nothing counts as declared."""
        return bool(self.data.lock)

    @property
    def declared(self) -> Standing:
        """Standing of what the plan names: declared only when the plan is locked."""
        return "declared" if self.locked else "exploratory"

    @property
    def level(self) -> float:
        """Confidence level of the plan."""
        return self.data.plan.confidence

    @property
    def bootstrap(self) -> Bootstrap:
        """How a chapter draws again."""
        return Bootstrap(REPLICATES, self.level, SEED)

    @cached_property
    def kept(self) -> dict[bytes, Any]:
        """Models that several chapters ask for, by the raters whom they are of; see `declared`."""
        return {}

    @cached_property
    def system_labels(self) -> tuple[str, ...]:
        """Labels of the systems in the order of the axis."""
        return tuple(s.label for s in self.data.systems)

    def system_index(self, system: str) -> int | None:
        """Place of a system on its axis; None when the study does not have it."""
        return next((i for i, s in enumerate(self.data.systems) if s.id == system), None)

    @cached_property
    def rater_totals(self) -> tuple[RaterTotal, ...]:
        """Total of each rater for each system, or why there is none."""
        items, places = self.data.items, self.shaped.total_places
        ratings = self.data.ratings
        if len(places) < len(items):
            ratings = ratings[ratings["item"].isin([items[i].id for i in places])]
        return rater_totals(ratings) if len(ratings) else ()

    @cached_property
    def totals(self) -> FloatArray:
        """The same as an array, shape (raters, systems); nan where a rater has no total."""
        raters = {r: i for i, r in enumerate(self.shaped.rater_ids)}
        systems = {s.id: i for i, s in enumerate(self.data.systems)}
        found = np.full((len(raters), len(systems)), np.nan)
        for total in self.rater_totals:
            if total.total is not None:
                found[raters[total.rater], systems[total.system]] = total.total
        return found

    @cached_property
    def samples(self) -> tuple[tuple[str, str, BoolArray], ...]:
        """All raters, then each group when there are several: (key, label, mask of raters)."""
        everybody = ("all", "All raters", self.shaped.in_group(None))
        groups = self.shaped.groups_with_raters
        if len(groups) < 2:
            return (everybody,)
        return (everybody, *((g.id, g.title, self.shaped.in_group(g.id)) for g in groups))

    @cached_property
    def group_samples(self) -> tuple[tuple[str, str, BoolArray], ...]:
        """Each group with raters; the only one when there is one."""
        groups = self.shaped.groups_with_raters
        return tuple((g.id, g.title, self.shaped.in_group(g.id)) for g in groups)

    def points(self, item: ReportItem) -> list[int]:
        """All points of an item's scale."""
        return [value for value, _ in item.points]

    @cached_property
    def scales(self) -> tuple[tuple[tuple[tuple[int, str], ...], tuple[int, ...]], ...]:
        """Each different scale of points with the places of the items that are answered on it."""
        found: dict[tuple[tuple[int, str], ...], list[int]] = {}
        for place, item in enumerate(self.data.items):
            if item.kind != "points":
                continue
            found.setdefault(item.points, []).append(place)
        return tuple((points, tuple(places)) for points, places in found.items())

    def rater_values(self, demographic: str) -> list[str]:
        """Answer of each rater on the axis to a demographic question; empty when not given."""
        table = self.data.raters
        if demographic not in table.columns:
            return ["" for _ in self.shaped.rater_ids]
        answers = table.set_index("rater")[demographic]
        found = [answers[r] for r in self.shaped.rater_ids]
        return ["" if _blank(a) else str(a) for a in found]

    @cached_property
    def numeric_places(self) -> tuple[int, ...]:
        """Places of the items that are answered with any number between two ends."""
        return tuple(i for i, item in enumerate(self.data.items) if item.kind == "numeric")

    def item_matrix(self, item: int, raters: BoolArray) -> FloatArray:
        """Ratings of one item, responses by raters."""
        return self.shaped.units_by_raters(item, raters)


def _blank(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and bool(np.isnan(value)))
