"""The cap on the judge's cost is hard: retries, many calls at once, lost runs, usage that cannot be.

Oracle: the endpoint's own list of what it was sent, each at the most that it can have cost, worked out
here from the bytes.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.judge.asking.limits import Budget
from models.judge.asking.running import CallsFailedError, RunSummary
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.session import JudgeSession, open_session
from study.store.judge.verdicts import Outcome, read_calls, read_verdicts, record_sent
from study.store.study import opened
from tests.fixtures_judge import make_study

PRICE = {"input_per_million": 100.0, "output_per_million": 300.0}
# After each of these nobody knows whether the reply was written and charged.
IN_DOUBT = ("500", "closed", "truncated stream", "error in a 200", "HTML", "cut-off body")
# Refused before anything was written.
FREE = ("429", "400")


def worst(request: Mapping[str, Any]) -> float:
    """The most that one attempt can cost: a token a byte, 16 around a text, one to end the reply."""
    texts = sum(len(m["content"].encode()) + 16 for m in request["messages"])
    schema = len(json.dumps(request["response_format"]).encode())
    return ((texts + schema) * 100.0 + (request["max_tokens"] + 1) * 300.0) / 1e6


def bill(judge: ScriptedJudge) -> float:
    """What the endpoint may charge for all that reached it: replies that came through by their usage."""
    sums = []
    for number, body in enumerate(judge.bodies, start=1):
        fault = judge.faults.get(number, "")
        if not fault:
            usage = judge.complete(body)["usage"]
            sums.append(usage["prompt_tokens"] * 1e-4 + usage["completion_tokens"] * 3e-4)
        elif fault not in FREE:
            sums.append(worst(body))
    return sum(sums)


def run_to_the_end(session: JudgeSession, cap: float) -> RunSummary | None:
    try:
        return session.run(session.calls(), max_cost=cap)
    except CallsFailedError:
        return None


@settings(max_examples=300, deadline=None)
@given(
    st.floats(0, 50),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.floats(0, 7)), max_size=80),
)
def test_a_budget_never_passes_its_cap(cap: float, steps: list[tuple[int, int, float]]) -> None:
    """Property: whatever starts, is sent again and ends in which order, the sum stays in the cap."""
    budget = Budget(cap)
    under_way: list[float] = []
    for kind, which, amount in steps:
        if kind == 0 and budget.reserve(amount):
            under_way.append(amount)
        elif kind == 1 and under_way:
            budget.charge(under_way[which % len(under_way)])
        elif kind == 2 and under_way:
            ended = under_way.pop(which % len(under_way))
            budget.settle(ended, min(amount, ended))
        assert budget.reserved == pytest.approx(sum(under_way), abs=1e-9)
        assert budget.spent + budget.reserved <= cap + 1e-9


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_failing_calls_at_once_never_pass_the_cap(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)  # noqa: S311 (which request meets which fault)
    kinds = (*IN_DOUBT, *IN_DOUBT, *FREE, "")
    faults = {n: kind for n in range(1, 400) if (kind := draw.choice(kinds))}
    judge = ScriptedJudge(faults=faults, knows_idempotency=False, keeps_bodies=True)
    with serving(judge) as address:
        study = make_study(
            tmp_path / "s",
            backend="openai",
            model="m",
            endpoint=address,
            rubrics=["eai"],
            price=PRICE,
            concurrency=12,
            retries=2,
        )
        session = open_session(study)
        cap = 15 * max(call.planned.cost_at_most or 0 for call in session.calls())
        for _ in range(2):
            run_to_the_end(session, cap)
            ledger = sum(call.cost or 0 for call in read_calls(study))
            assert bill(judge) <= cap + 1e-9
            assert ledger <= cap + 1e-9
        assert judge.requests >= 12
        study.close()


@pytest.mark.parametrize("fault", IN_DOUBT)
def test_a_call_that_may_have_been_charged_is_not_sent_beyond_the_cap(
    fault: str, tmp_path: Path
) -> None:
    """Hand arithmetic: a cap of 2.5 calls has room for two attempts, although nine are allowed."""
    judge = ScriptedJudge(faults=dict.fromkeys(range(1, 99), fault), keeps_bodies=True)
    with serving(judge) as address:
        study = make_study(
            tmp_path / "s",
            prompts=1,
            backend="openai",
            model="m",
            endpoint=address,
            price=PRICE,
            concurrency=1,
            retries=9,
        )
        session = open_session(study)
        (first, *_) = session.calls()
        at_most = first.planned.cost_at_most or 0
        summary = session.run([first], max_cost=2.5 * at_most)
        (call,) = read_calls(study)
        study.close()
    assert at_most == pytest.approx(worst(judge.bodies[0]))
    assert (judge.requests, call.attempts) == (2, 2)
    assert call.cost == summary.spent == pytest.approx(2 * at_most)
    assert call.cost_is_bound
    assert call.failure is not None
    assert "not asked again: the cap" in call.failure["message"]


def test_a_refusal_costs_nothing_and_takes_no_room(tmp_path: Path) -> None:
    judge = ScriptedJudge(faults={1: "429", 2: "429"}, keeps_bodies=True)
    with serving(judge) as address:
        study = make_study(
            tmp_path / "s", prompts=1, backend="openai", model="m", endpoint=address, price=PRICE,
            concurrency=1, retries=2,
        )  # fmt: skip
        session = open_session(study)
        (first, *_) = session.calls()
        summary = session.run([first], max_cost=1.01 * (first.planned.cost_at_most or 0))
        (call,) = read_calls(study)
        study.close()
    assert (judge.requests, call.attempts, call.cost_is_bound) == (3, 3, False)
    assert summary.spent == pytest.approx(sum(judge_cost(call)))


def judge_cost(call: Any) -> tuple[float, float]:
    return (call.prompt_tokens * 100.0 / 1e6, call.completion_tokens * 300.0 / 1e6)


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to this")


def test_what_may_have_been_charged_is_on_disk_before_the_next_attempt(tmp_path: Path) -> None:
    """Seen by another connection while the second attempt hangs, as a kill would leave it."""
    judge = ScriptedJudge(faults={1: "500", 2: "hang"})
    with serving(judge) as address:
        study = make_study(
            tmp_path / "s", prompts=1, backend="openai", model="m", endpoint=address, price=PRICE,
            concurrency=1, retries=1, timeout_s=5,
        )  # fmt: skip
        session = open_session(study)
        (first, *_) = session.calls()
        thread = threading.Thread(target=session.run, args=([first],))
        thread.start()
        wait_for(lambda: judge.requests == 2)
        with opened(study.folder) as other:
            (call,) = read_calls(other)
            spent = open_session(other).estimate([first]).spent
        thread.join()
        at_most = first.planned.cost_at_most or 0
        assert (call.state, call.attempts, call.cost_is_bound) == ("sent", 1, True)
        assert call.cost == pytest.approx(at_most)
        # And the one that is under way counts, too.
        assert spent == pytest.approx(2 * at_most)
        study.close()


def test_a_lost_request_counts_although_the_plan_has_changed(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", prompts=1, price=PRICE)
    session = open_session(study)
    first, *others = session.calls()
    record_sent(study, [first.planned])
    assert session.estimate(others).spent == pytest.approx(first.planned.cost_at_most)
    study.close()


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("no usage", "no usage"),
        ("zero usage", "a usage of 0 tokens"),
        ("negative usage", "a usage that is no count of tokens"),
        ("usage in words", "a usage that is no count of tokens"),
        ("huge usage", "a usage that is no count of tokens"),
        ("absurd usage", "a usage of more tokens than the call can take"),
        ("odd parts", "no usage"),
    ],
)
def test_a_usage_that_cannot_be_is_counted_at_the_most_and_named(
    fault: str, named: str, tmp_path: Path
) -> None:
    judge = ScriptedJudge(faults={1: fault, 2: fault}, keeps_bodies=True)
    rubric = tmp_path / "one.yaml"
    rubric.write_text(
        "id: one\nversion: '1'\ntitle: One\nkind: single\nlicence: own\nsource: own\ntask: Rate.\n"
        "criteria:\n  - id: c\n    label: C\n    question: How?\n    kind: points\n"
        "    points: [{value: 1, label: a}, {value: 4, label: d}]\n",
        encoding="utf-8",
    )
    with serving(judge) as address:
        study = make_study(
            tmp_path / "s", prompts=1, backend="openai", model="m", endpoint=address, price=PRICE,
            concurrency=1, rubrics=[str(rubric)],
        )  # fmt: skip
        session = open_session(study)
        summary = session.run(session.calls())
        *odd, good = read_calls(study)
        assert [v.verdict.outcome for v in read_verdicts(study)] == [Outcome.SCORED] * 3
        estimate = session.estimate(session.calls())
        study.close()
    assert summary.usage_faults == {named: 2}
    for call, body in zip(odd, judge.bodies, strict=False):
        assert call.cost == pytest.approx(worst(body))
        assert (call.cost_is_bound, call.prompt_tokens, call.completion_tokens) == (
            True,
            None,
            None,
        )
    assert good.cost == pytest.approx(sum(judge_cost(good)))
    assert not good.cost_is_bound
    assert estimate.spent == pytest.approx(summary.spent)
