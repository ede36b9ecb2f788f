"""The fixed studies whose report, and the fixed tables whose `analyse`, `test_pins.py` pins."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from study.protocol.analysis_plan import AnalysisPlan
from study.report_view.data import ReportAttention, ReportData, ReportItem, ReportScore
from tests.simulated_comparisons import with_comparisons
from tests.simulated_judge import simulated_judge
from tests.simulated_report_data import protocol_with, simulated_report_data

_OPTIONS = ((0, "joy"), (1, "fear"), (2, "anger"))


def full_study() -> ReportData:
    """Every chapter of the report, under blind codes: gaps, two groups, three systems, a judge.

    Of four items on points one becomes a slider; a nominal item, a score, attention checks, comparisons,
    rankings, marked parts and conversations are added; the plan declares all that a plan can.
    """
    plain = simulated_report_data(
        raters=8, prompts=5, n_systems=3, items=4, groups=("student", "professional"), missing=0.3
    )
    rng = np.random.default_rng(6)
    ratings = plain.ratings.copy()
    slider = ratings["item"] == "item4"
    places = ratings["value"] * 18 + rng.integers(0, 10, len(ratings))
    ratings.loc[slider, "value"] = places[slider]
    ends = ((0, "no"), (100, "yes"))
    items = (*plain.items[:3], dataclasses.replace(plain.items[3], points=ends, kind="numeric"))
    plan = {
        **plain.plan.model_dump(exclude_none=True),
        "equivalence": {"low": -10, "high": 10, "reason": "A tenth of the range."},
        "families": [{"name": "main", "adjustment": "holm", "tests": ["primary", "gender"]}],
        "exclusions": {"minimum_seconds": 30, "failed_attention_checks": 1, "incomplete": True},
        "automatic_measures": ["length"],
    }
    about_all = with_comparisons(
        dataclasses.replace(
            plain,
            ratings=ratings,
            items=items,
            scores=(ReportScore("warmth", "Warmth", "eai", ("item1", "item3"), "mean"),),
            protocol=protocol_with(plain, analysis=AnalysisPlan.model_validate(plan)),
            attention=_attention(plain),
        )
    )
    return dataclasses.replace(with_choices(about_all), judge=simulated_judge(about_all))


def two_raters_study() -> ReportData:
    """What only a small unblinded study without gaps shows: two raters by name, complete designs."""
    plain = simulated_report_data(raters=2, prompts=6, items=2, unblinded=True, simulated=False)
    return with_choices(plain)


def with_choices(data: ReportData) -> ReportData:
    """An answer of everybody to a nominal item about every response, seven in ten the response's own."""
    rng = np.random.default_rng(4)
    about = data.ratings[data.ratings["item"] == "item1"]
    own = {key: rng.integers(0, 3) for key, _ in about.groupby(["system", "prompt"], sort=True)}
    guess, keep = rng.integers(0, 3, len(about)), rng.random(len(about)) < 0.7
    truth = [own[key] for key in zip(about["system"], about["prompt"], strict=True)]
    value = np.where(about["value"].isna(), np.nan, np.where(keep, truth, guess))
    item = ReportItem("emotion", "Emotion", "Which emotion?", "nile", _OPTIONS, "nominal")
    answers = about.assign(item="emotion", value=value)
    return dataclasses.replace(data, choices=(item,), choice_ratings=answers)


def _attention(data: ReportData) -> ReportAttention:
    answers = data.raters[["rater"]].merge(
        data.ratings[["item"]].drop_duplicates().head(2).replace({"item1": "c1", "item2": "c2"}),
        how="cross",
    )
    value = np.where(np.arange(len(answers)) % 7 == 0, 1.0, 4.0)
    return ReportAttention(answers.assign(value=value), {"c1": (4.0,), "c2": (4.0, 5.0)})


def _given(name: str) -> str:
    return str(Path(__file__).parent / "reference" / "pins" / "given" / name)


# Name of the pin -> what `evenhand analyse` is given. Every command stands here, and every branch of
# what it prints: gaps and none, long and wide, by dimension, undefined.
ANALYSES: dict[str, list[str]] = {
    "agreement": ["agreement", _given("ratings.csv"), "--points", "1-5", "--unit", "unit"],
    "agreement_complete": ["agreement", _given("ratings_complete.csv"), "--points", "1-5"],
    "agreement_two_raters": ["agreement", _given("two_raters.csv"), "--points", "1-5"],
    "agreement_constant": ["agreement", _given("constant.csv"), "--points", "1-5"],
    "agreement_averaged": [
        "agreement", _given("dimensions.csv"), "--unit", "conversation", "--rater", "rater",
        "--value", "value", "--by", "dimension", "--points", "1-5", "--points", "m_*=1-7", "--averaged",
    ],
    "agreement_pairs": [
        "agreement", _given("long.csv"), "--unit", "topic", "--rater", "rater", "--value", "y",
        "--by", "model", "--points", "1-5", "--pairs", "--confidence", "0.9",
    ],
    "compare_by_rater": [
        "compare", _given("long.csv"), "--value", "y", "--by", "gender", "--rater", "rater",
    ],
    "compare_within_raters": [
        "compare", _given("long.csv"), "--value", "y", "--by", "model", "--rater", "rater",
    ],
    "compare_rows": [
        "compare", _given("long.csv"), "--value", "y", "--by", "gender", "--rows-independent",
        "--planned", "student",
    ],
    "compare_counts": ["compare", _given("counts.csv"), "--value", "y", "--by", "gender", "--weight", "n"],
    "paired": ["paired", _given("paired.csv"), "--columns", "eai,phi4", "--bounds", "-40,40"],
    "paired_by_rater": ["paired", _given("paired_by_topic.csv"), "--columns", "EAI,Phi4", "--rater", "rater"],
    "groups": ["groups", _given("groups.csv"), "--planned", "student"],
    "frequencies": [
        "frequencies", _given("long.csv"), "--value", "y", "--by", "model", "--points", "1-5",
        "--rater", "rater",
    ],
    "frequencies_counts": [
        "frequencies", _given("counts.csv"), "--value", "y", "--points", "1-5", "--weight", "n",
    ],
    "eai": ["eai", _given("long.csv"), "--group", "gender"],
    "eai_counts": ["eai", str(Path(__file__).parent / "reference" / "papers" / "eai_table3_phi4.csv")],
    "reliability": ["reliability", _given("scale.csv"), "--points", "1-5", "--unit", "person"],
    "reliability_two_items": ["reliability", _given("two_items.csv"), "--points", "1-5"],
    "mixed": [
        "mixed", _given("long.csv"), "--value", "y", "--effect", "model", "--reference", "Phi4",
        "--rater", "rater", "--prompt", "topic",
    ],
    "mixed_profile": [
        "mixed", _given("few.csv"), "--value", "y", "--effect", "model", "--rater", "rater",
        "--prompt", "topic", "--points", "1-5", "--profile",
    ],
    "texts": [
        "texts", _given("dialogues.csv"), "--response", "reply", "--reference", "human", "--by", "model",
        "--prompt", "dialogue", "--against", "base",
    ],
    "emotion": ["emotion", _given("labels.csv"), "--unit", "dialogue"],
    "emotion_without_reference": [
        "emotion", _given("labels_without.csv"), "--unit", "dialogue", "--labels", "joy,fear,anger",
    ],
}  # fmt: skip
