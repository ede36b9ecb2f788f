"""A seeded study of the EAI shape for the tests of the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.entities import Named
from study.protocol.analysis_plan import AnalysisPlan
from study.protocol.raters import DemographicField, DemographicOption, Group
from study.protocol.schema import Design, Protocol, Topic
from study.report_view.data import ReportData, ReportItem

POINTS = ((1, "very poor"), (2, "poor"), (3, "acceptable"), (4, "good"), (5, "very good"))
ITEMS = (
    "Clarity", "Professionalism", "Depth", "Perceived empathy", "Overall comfort", "Usefulness",
    "Long-term impact", "Immediate soothing",
)  # fmt: skip


def _plan() -> AnalysisPlan:
    return AnalysisPlan.model_validate(
        {
            "primary": {"system": "a", "against": "b", "test": "paired-t"},
            "subgroups": [
                {"by": "gender", "declared": "welch"},
                {"by": "major", "declared": "student"},
            ],
        }
    )


def _question(identity: str, text: str, *options: str) -> DemographicField:
    """A question with options, each ``value Label``; without any, one for a number."""
    pairs = [option.split() for option in options]
    return DemographicField(
        id=identity,
        question=text,
        kind="choice" if options else "integer",
        options=tuple(DemographicOption(value=value, label=label) for value, label in pairs),
    )


def protocol_with(data: ReportData, **changes: object) -> Protocol:
    """The protocol of these data with other fields, such as its ``analysis``."""
    return data.protocol.model_copy(update=changes)


def simulated_report_data(
    *,
    raters: int = 36,
    prompts: int = 10,
    n_systems: int = 2,
    items: int = 8,
    groups: tuple[str, ...] = ("student",),
    missing: float = 0.0,
    constant: int | None = None,
    seed: int = 1,
    **changes: object,
) -> ReportData:
    """Ratings from latent traits of raters, prompts and systems, cut into five points.

    ``missing`` is the share of raters who stop early and skip some answers; ``constant`` gives
    every answer that value.
    """
    rng = np.random.default_rng(seed)
    shape = (raters, n_systems, prompts, items)
    answers = _answers(rng, shape, missing, constant)
    codes = [chr(ord("a") + i) for i in range(n_systems)]
    rater_ids = np.array([f"R{k:03d}" for k in range(1, raters + 1)], dtype=object)
    group_of = np.array([groups[k % len(groups)] for k in range(raters)], dtype=object)
    prompt_ids = np.array([f"p{k:02d}" for k in range(1, prompts + 1)], dtype=object)
    seconds = np.round(rng.gamma(6, 8, shape[:3]), 1)
    r, s, p, i = (x.ravel() for x in np.indices(shape))
    ratings = pd.DataFrame(
        {
            "rater": rater_ids[r], "group": group_of[r], "position": answers.position[r, s, p],
            "prompt": prompt_ids[p], "topic": prompt_ids[p],
            "system": np.array(codes, dtype=object)[s],
            "item": np.array([f"item{k}" for k in range(1, items + 1)], dtype=object)[i],
            "value": answers.values.ravel(), "missing_reason": answers.reason.ravel(),
            "seconds": seconds[r, s, p],
        }
    )  # fmt: skip
    settings: dict[str, object] = {
        "protocol": _protocol(groups, raters, prompt_ids, seed),
        "summary": "Students rate the responses of two systems.",
        "ratings": ratings,
        "raters": _people(rng, rater_ids, group_of, answers.stopped),
        "responses": _responses(prompt_ids, codes),
        "systems": tuple(Named(c, f"System {c.upper()}") for c in codes),
        "items": tuple(
            ReportItem(
                f"item{k + 1}", ITEMS[k % 8], f"How good was {ITEMS[k % 8].lower()}?", "eai", POINTS
            )
            for k in range(items)
        ),
        "unblinded": False,
        "simulated": True,
        "lock": {"plan": "ab" * 32, "protocol": "cd" * 32},
        "locked_at": "2025-01-02",
        "versions": {"evenhand": "0.1.0"},
    }
    return ReportData(**{**settings, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Answers:
    """Raters by systems by prompts by items, the page of each response, and who stopped early."""

    values: np.ndarray
    reason: np.ndarray
    position: np.ndarray
    stopped: np.ndarray


def _answers(
    rng: np.random.Generator,
    shape: tuple[int, int, int, int],
    missing: float,
    constant: int | None,
) -> _Answers:
    raters, n_systems, prompts, _ = shape
    latent = (
        rng.normal(0, 0.7, (raters, 1, 1, 1)) + rng.normal(0, 0.4, (1, 1, prompts, 1))
        + np.linspace(0.6, 0.1, n_systems)[None, :, None, None] + rng.normal(0, 0.9, shape)
    )  # fmt: skip
    values = np.digitize(latent, [-1.6, -0.8, 0.1, 1.0]).astype(float) + 1
    if constant is not None:
        values[:] = constant
    stops = np.where(
        rng.random(raters) < missing, rng.integers(1, n_systems * prompts + 1, raters), 999
    )
    order = np.argsort(rng.random((raters, n_systems * prompts)), axis=1)
    position = np.argsort(order, axis=1).reshape(raters, n_systems, prompts) + 1
    unreached = np.broadcast_to((position > stops[:, None, None])[..., None], shape)
    skipped = (rng.random(shape) < 0.02) & (stops < 999)[:, None, None, None]
    reason = np.where(unreached, "not reached", np.where(skipped, "skipped", ""))
    values[reason != ""] = np.nan
    return _Answers(values, reason, position, stops < 999)


def _people(
    rng: np.random.Generator, rater_ids: np.ndarray, group_of: np.ndarray, stopped: np.ndarray
) -> pd.DataFrame:
    place = np.arange(rater_ids.size)
    return pd.DataFrame(
        {
            "rater": rater_ids, "group": group_of, "simulated": True,
            "status": np.where(stopped, "rating", "finished"),
            "gender": np.where(place % 12 < 7, "man", "woman"),
            "major": np.where(place % 18 < 13, "stem", "other"),
            "age": rng.integers(18, 26, rater_ids.size),
        }
    )  # fmt: skip


def _responses(prompt_ids: np.ndarray, codes: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"prompt": q, "topic": q, "system": c, "text": f"It sounds hard, {q}. <b>Rest</b> & talk.",
             "completion_tokens": 20 + k, "latency_s": 0.5 + 0.01 * k}
            for k, (q, c) in enumerate((q, c) for q in prompt_ids for c in codes)
        ],
        columns=["prompt", "topic", "system", "text", "completion_tokens", "latency_s"],
    )  # fmt: skip


def _protocol(groups: tuple[str, ...], raters: int, prompt_ids: np.ndarray, seed: int) -> Protocol:
    return Protocol.model_construct(
        id="eai-2025",
        version="1.0",
        title="Responses of a support chatbot, rated by students",
        groups=tuple(Group(id=g, title=f"{g.capitalize()}s", planned=raters) for g in groups),
        topics=tuple(Topic(id=q, title=f"Topic {q[1:]}") for q in prompt_ids),
        demographics=(
            _question("gender", "What is your gender?", "man Man", "woman Woman"),
            _question("major", "What do you study?", "stem STEM", "other Other"),
            _question("age", "How old are you?"),
        ),
        design=Design(seed=seed),
        analysis=_plan(),
    )
