"""Seeded answers about several responses, or parts of one, for the tests of the report."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from study.entities import Named
from study.report_view.data import ReportData, ReportItem


def _item(kind: str, **fields: object) -> ReportItem:
    return ReportItem(kind, kind.capitalize(), f"{kind}?", "own", (), kind, **fields)  # type: ignore[arg-type]


def with_comparisons(plain: ReportData) -> ReportData:
    """Comparisons, rankings, marks and conversations of everybody about five prompts, systems a to c."""
    rng, rows, orders, marks, talks = np.random.default_rng(9), [], [], [], []
    for rater, group in zip(plain.raters["rater"], plain.raters["group"], strict=True):
        for prompt in [f"p{k:02d}" for k in range(1, 6)]:
            where = {"rater": rater, "group": group, "simulated": True, "position": 1,
                     "prompt": prompt, "topic": prompt}  # fmt: skip
            for pair in (("a", "b"), ("b", "c"), ("c", "a")):
                a, b = pair if rng.random() < 0.5 else pair[::-1]
                value = int(rng.choice([1, 2, 0], p=[0.5, 0.3, 0.2]))
                chosen = {1: a, 2: b, 0: "tie"}[value]
                rows.append({**where, "item": "pairwise", "place_a": a, "place_b": b,
                             "value": value, "chosen": chosen})  # fmt: skip
            scores = np.array([0.8, 0.4, 0.0]) + rng.normal(0, 0.7, 3)
            ranks = (-scores).argsort().argsort() + 1.0
            if rng.random() < 0.2:
                ranks = np.array([1.5, 1.5, 3.0])
            for place, (system, rank) in enumerate(zip("abc", ranks, strict=True), start=1):
                orders.append({**where, "item": "ranking", "system": system, "place": place,
                               "rank": float(rank)})  # fmt: skip
                start = int(rng.integers(0, 4))
                label = str(rng.choice(["warm", ""]))
                marks.append({**where, "item": "spans", "system": system, "start": start,
                              "end": start + 5 if label else start, "length": 12,
                              "label": label})  # fmt: skip
                ended = str(rng.choice(["rater", "turns", ""]))
                talks.append({**where, "system": system, "ended_by": ended,
                              "seconds": float(rng.integers(60, 600)) if ended else None,
                              "rater_turns": int(rng.integers(1, 9)), "rater_words": 40,
                              "replies_complete": 3, "replies_failed": 0})  # fmt: skip
    labels = (Named("warm", "Warm"), Named("cold", "Cold"))
    return dataclasses.replace(
        plain,
        compared=(_item("pairwise"), _item("ranking"), _item("spans", labels=labels)),
        comparisons=pd.DataFrame(rows),
        rankings=pd.DataFrame(orders),
        spans=pd.DataFrame(marks),
        conversations=pd.DataFrame(talks),
    )
