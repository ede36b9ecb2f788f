"""A seeded ledger of a judge for the tests of the report."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from study.protocol.judge import StandInConditions
from study.report_view.data import ReportCriterion, ReportData, ReportJudge
from study.report_view.judge import PROBE_COLUMNS, VERDICT_COLUMNS

POINTS = (1.0, 2.0, 3.0, 4.0, 5.0)


def simulated_judge(data: ReportData, **changes: Any) -> ReportJudge:
    """Verdicts near people's means plus half a point, one in twelve refused, and comparisons."""
    rng = np.random.default_rng(3)
    items = [item.id for item in data.items[:2]]
    means = data.ratings.groupby(["system", "prompt", "item"])["value"].mean()
    rows = []
    for (system, prompt, item), mean in means.items():
        if item in items:
            for replicate in (1, 2):
                value = float(np.clip(np.round(mean + 0.5 + rng.normal(0, 0.5)), 1, 5))
                refused = rng.random() < 1 / 12
                rows.append(
                    ("eai", item, prompt, system, (), None, replicate,
                     "refused" if refused else "scored", np.nan if refused else value, 1.0, 5.0)
                )  # fmt: skip
    prompts = sorted({p for _, p, _ in means.index})
    for prompt, shown in itertools.product(prompts, (("a", "b"), ("b", "a"))):
        winner = rng.choice([shown[0], shown[1], "tie"], p=[0.5, 0.3, 0.2])
        rows.append(("pairwise", "overall", prompt, "", shown, str(winner), 1, "scored",
                     np.nan, np.nan, np.nan))  # fmt: skip
    probes = [
        ("longer", "eai", items[0], p, 3.0, 3.0 + k % 2, bool(k % 2)) for k, p in enumerate(prompts)
    ]
    fields: dict[str, Any] = {
        "models": ("a-model",),
        "criteria": (
            *(ReportCriterion("eai", item, item, POINTS) for item in items),
            ReportCriterion("pairwise", "overall", "Overall", ()),
        ),
        "verdicts": pd.DataFrame(rows, columns=list(VERDICT_COLUMNS)),
        "probes": pd.DataFrame(probes, columns=list(PROBE_COLUMNS)),
        "stand_in_only_if": StandInConditions.model_validate(
            {"group": "student", "weighted_kappa_at_least": 0.9}
        ),
    }
    return ReportJudge(**{**fields, **changes})
