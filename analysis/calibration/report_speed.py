"""How long a full report of a million ratings takes, and how much memory."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study.entities import Named
from study.protocol.analysis_plan import AnalysisPlan
from study.protocol.raters import Group
from study.protocol.schema import Design, Protocol, Topic
from study.report_view.data import ReportData, ReportItem

_RATERS, _PROMPTS, _SYSTEMS, _ITEMS = 1250, 50, 2, 8
_GOAL_SECONDS, _GOAL_GIGABYTES = 60.0, 2.0
_POINTS = tuple((k, str(k)) for k in range(1, 6))


def million_ratings(seed: int = 0) -> ReportData:
    """A seeded, simulated study of 1,250 raters, 50 prompts, 2 systems and 8 items."""
    rng = np.random.default_rng(seed)
    shape = (_RATERS, _SYSTEMS, _PROMPTS, _ITEMS)
    level = rng.normal(0, 0.7, (_RATERS, 1, 1, 1)) + np.array([0.1, 0.5])[:, None, None]
    values = np.digitize(level + rng.normal(0, 1, shape), [-1.6, -0.8, 0.1, 1.0]) + 1.0
    values[rng.random(_RATERS) < 0.05, :, _PROMPTS // 2 :] = np.nan
    raters = np.array([f"R{k:04d}" for k in range(_RATERS)], dtype=object)
    prompts = np.array([f"p{k:02d}" for k in range(_PROMPTS)], dtype=object)
    systems, groups = np.array(["a", "b"], dtype=object), np.array(["g1", "g2"], dtype=object)
    items = np.array([f"i{k}" for k in range(_ITEMS)], dtype=object)
    r, s, p, i = (axis.ravel() for axis in np.indices(shape))
    ratings = pd.DataFrame(
        {
            "rater": raters[r], "group": groups[r % 2], "position": p * _SYSTEMS + s + 1,
            "prompt": prompts[p], "topic": prompts[p], "system": systems[s], "item": items[i],
            "value": values.ravel(), "seconds": 30.0,
            "missing_reason": np.where(np.isnan(values.ravel()), "not reached", ""),
        }
    )  # fmt: skip
    people = {"rater": raters, "group": groups[np.arange(_RATERS) % 2], "status": "finished"}
    responses = [
        {"prompt": q, "topic": q, "system": c, "text": f"Reply {c} {q}", "completion_tokens": 3,
         "latency_s": 0.1}
        for q in prompts for c in systems
    ]  # fmt: skip
    # Nobody answers this questionnaire, so the blocks of a protocol about its pages are left out.
    protocol = Protocol.model_construct(
        id="benchmark",
        version="1.0",
        title="A million simulated ratings",
        groups=tuple(Group(id=g, title=g, planned=_RATERS // 2) for g in groups),
        topics=tuple(Topic(id=q, title=q) for q in prompts),
        design=Design(seed=0),
        analysis=AnalysisPlan.model_validate({"primary": {"system": "a", "against": "b"}}),
    )
    return ReportData(
        protocol=protocol,
        summary="",
        ratings=ratings,
        raters=pd.DataFrame({**people, "simulated": True}),
        responses=pd.DataFrame(responses),
        systems=tuple(Named(c, c.upper()) for c in systems),
        items=tuple(ReportItem(c, c, c, "benchmark", _POINTS) for c in items),
        unblinded=False,
        simulated=True,
    )


def bench_report() -> dict[str, Any]:
    """Write the report in a process of its own, so that its peak memory is its own.

    Returns
    -------
    dict
        ``seconds`` (wall), ``cpu_seconds``, ``gigabytes`` (peak), the goals and ``within``.
    """
    run = subprocess.run(
        [sys.executable, "-m", "analysis.calibration.report_speed"],
        check=True,
        capture_output=True,
        text=True,
    )
    measured: dict[str, Any] = json.loads(run.stdout)
    within = measured["seconds"] <= _GOAL_SECONDS and measured["gigabytes"] <= _GOAL_GIGABYTES
    return {
        "benchmark": "full report of 1,000,000 ratings",
        **measured,
        "goal": f"{_GOAL_SECONDS:g} s, {_GOAL_GIGABYTES:g} GB",
        "within": within,
    }


def _measure() -> dict[str, float]:
    import resource

    from analysis.report import write_report

    data = million_ratings()
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        write_report(data, Path(folder), created=dt.date(2025, 1, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts in bytes, Linux in units of 1,024 bytes.
    scale = 1e9 if sys.platform == "darwin" else 1e9 / 1024
    return {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "gigabytes": peak / scale,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure()))
