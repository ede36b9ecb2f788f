"""From the judge's ledger to the tables that the statistics take, with systems under given names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from study.report_view.data import ReportCriterion, ReportJudge

if TYPE_CHECKING:
    from study.protocol.judge import StandInConditions
    from study.store.judge.verdicts import StoredVerdict

VERDICT_COLUMNS = (
    "rubric", "criterion", "prompt", "system", "shown", "winner", "replicate", "outcome", "value",
    "low", "high",
)  # fmt: skip
PROBE_COLUMNS = ("probe", "rubric", "criterion", "prompt", "before", "after", "changed")
# Scores by probability are sums of floats: what differs by less is the same score.
_SAME = 1e-9


def report_judge(
    verdicts: Iterable[StoredVerdict],
    probes: Mapping[str, Iterable[StoredVerdict]],
    system_of_response: Mapping[str, str],
    *,
    stand_in_only_if: StandInConditions | None = None,
    reversed_items: Collection[str] = (),
    model_changes: Sequence[str] = (),
) -> ReportJudge | None:
    """The judge as the report may see it; None when there is no verdict at all.

    Parameters
    ----------
    verdicts : iterable of StoredVerdict
        On the study's responses (``read_verdicts(study)``).
    probes : mapping
        Probe -> its verdicts (``read_verdicts(study, probe=...)``).
    system_of_response : mapping
        Response id -> the system's name in the report: its blind code before unblinding.
    stand_in_only_if : StandInConditions, optional
    reversed_items : collection of str
        Items whose ratings the report turns round; verdicts on them are turned round too.
    model_changes : sequence of str
        What changed behind the judge's name, in words (``study.store.judge.models``).
    """
    study = list(verdicts)
    probing = {name: list(found) for name, found in probes.items()}
    everything = [*study, *(v for found in probing.values() for v in found)]
    if not everything:
        return None
    reading = _Reading(system_of_response, frozenset(reversed_items))
    pairs = [row for name, found in probing.items() for row in reading.pairs(name, study, found)]
    pairs += reading.swapped(study)
    return ReportJudge(
        models=tuple(sorted({v.call.model for v in everything})),
        criteria=_criteria(everything),
        verdicts=pd.DataFrame([reading.row(v) for v in study], columns=list(VERDICT_COLUMNS)),
        probes=pd.DataFrame(pairs, columns=list(PROBE_COLUMNS)),
        stand_in_only_if=stand_in_only_if,
        simulated=any(v.call.simulated for v in everything),
        model_changes=tuple(model_changes),
    )


def _criteria(verdicts: Sequence[StoredVerdict]) -> tuple[ReportCriterion, ...]:
    found: dict[tuple[str, str], ReportCriterion] = {}
    for v in verdicts:
        for c in v.call.plan.get("criteria", ()):
            points = tuple(float(point["value"]) for point in c["points"])
            key = (v.call.rubric_id, str(c["id"]))
            found.setdefault(key, ReportCriterion(*key, str(c["label"]), points))
    return tuple(found.values())


class _Reading:
    """Verdicts under the report's names of systems."""

    def __init__(self, system_of_response: Mapping[str, str], reversed_items: frozenset[str]):
        self.system_of_response = system_of_response
        self.reversed_items = reversed_items

    def value(self, v: StoredVerdict) -> float:
        """The score, turned round like the ratings of its item; nan without one."""
        value, low, high = v.verdict.value, v.verdict.low, v.verdict.high
        if value is None:
            return float("nan")
        if v.verdict.criterion in self.reversed_items and low is not None and high is not None:
            return low + high - value
        return value

    def row(self, v: StoredVerdict) -> dict[str, Any]:
        systems = tuple(self.system_of_response[r] for r in v.call.response_ids)
        winner = v.winner if len(systems) > 1 else None
        single = len(systems) == 1
        return {
            "rubric": v.call.rubric_id,
            "criterion": v.verdict.criterion,
            "prompt": v.call.prompt_id,
            "system": systems[0] if single else "",
            "shown": () if single else systems,
            "winner": self.system_of_response.get(winner, winner) if winner else None,
            "replicate": v.call.replicate,
            "outcome": str(v.verdict.outcome),
            "value": self.value(v),
            "low": np.nan if v.verdict.low is None else v.verdict.low,
            "high": np.nan if v.verdict.high is None else v.verdict.high,
        }

    def pairs(
        self, probe: str, study: Sequence[StoredVerdict], probing: Sequence[StoredVerdict]
    ) -> list[dict[str, Any]]:
        """Verdicts of a probe, each with the first replicate on the unchanged responses."""
        originals = {
            (v.call.rubric_id, v.verdict.criterion, v.call.response_ids): v
            for v in study
            if v.call.replicate == 1
        }
        rows = []
        for v in probing:
            key = (v.call.rubric_id, v.verdict.criterion, v.call.response_ids)
            beside_itself = len(v.call.response_ids) > len(set(v.call.response_ids))
            if beside_itself:
                label = v.verdict.label
                rows.append(self._pair(probe, v, np.nan, None if label is None else label != "tie"))
            elif key in originals:
                rows.append(self._compared(probe, originals[key], v))
        return rows

    def swapped(self, study: Sequence[StoredVerdict]) -> list[dict[str, Any]]:
        """The first order of the same responses with every other order of them."""
        orders: dict[tuple[str, str, frozenset[str]], list[StoredVerdict]] = {}
        for v in study:
            if len(v.call.response_ids) > 1 and v.call.replicate == 1:
                key = (v.call.rubric_id, v.verdict.criterion, frozenset(v.call.response_ids))
                orders.setdefault(key, []).append(v)
        return [
            self._compared("swapped", first, other)
            for first, *others in orders.values()
            for other in others
        ]

    def _compared(self, probe: str, before: StoredVerdict, after: StoredVerdict) -> dict[str, Any]:
        one, two = self.value(before), self.value(after)
        changed: bool | None = None
        if len(before.call.response_ids) > 1:
            if before.winner is not None and after.winner is not None:
                changed = before.winner != after.winner
        elif not np.isnan(one + two):
            changed = abs(two - one) > _SAME
        return self._pair(probe, after, one, changed)

    def _pair(
        self, probe: str, after: StoredVerdict, before: float, changed: bool | None
    ) -> dict[str, Any]:
        return {
            "probe": probe,
            "rubric": after.call.rubric_id,
            "criterion": after.verdict.criterion,
            "prompt": after.call.prompt_id,
            "before": before,
            "after": self.value(after),
            "changed": changed,
        }
