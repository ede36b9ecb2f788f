"""The judge on a cluster: real worker processes, a counting endpoint, a worker that is killed.

The endpoint's own books are the oracle.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.judge.asking.running import JudgeStep, RunSummary
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.session import JudgeSession, open_session
from study.errors import ModelError
from study.store.events import chain_faults
from study.store.judge.verdicts import LedgerCall, read_calls, read_verdicts
from study.store.responses import read_responses
from study.store.study import Study
from tests.fixtures_cluster import Cluster, kill, running_cluster
from tests.fixtures_judge import make_study

THREADS = 4
PRICE = {"input_per_million": 1.0, "output_per_million": 2.0}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), nthreads=THREADS) as running:
        running.wait_for(2)
        yield running


def judged_study(folder: Path, address: str, **judge: Any) -> Study:
    fields = {"rubrics": ["eai"], "concurrency": 12, "price": PRICE} | judge
    return make_study(folder, backend="openai", endpoint=address, model="m", **fields)


def readings(study: Study) -> dict[tuple[str, str, str], tuple[str, float | None]]:
    """Prompt, text and criterion -> outcome and score."""
    texts = {response.id: response.text for response in read_responses(study)}
    return {
        (stored.call.prompt_id, texts[stored.call.response_ids[0]], stored.verdict.criterion): (
            str(stored.verdict.outcome),
            stored.verdict.value,
        )
        for stored in read_verdicts(study)
    }


@pytest.mark.parametrize("knows_idempotency", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_worker_killed_in_mid_run_is_in_the_ledger_and_nothing_is_lost(
    cluster: Cluster, tmp_path: Path, knows_idempotency: bool
) -> None:
    """72 calls by hand: 3 prompts by 3 systems by 8 items; what was lost counts at its most."""
    judge = ScriptedJudge(latency_s=0.08, knows_idempotency=knows_idempotency)
    victim = cluster.start_worker(nthreads=THREADS)
    cluster.wait_for(3)
    with serving(judge) as address:
        study = judged_study(tmp_path / "s", address, retries=3)
        session = open_session(study)

        def on_step(step: JudgeStep) -> None:
            if step.done == 20 and victim.poll() is None:
                kill(victim)

        summary = session.run(session.calls(), on_step=on_step, cluster=cluster.address)
        time.sleep(0.2)
    calls = read_calls(study)
    assert (summary.asked, summary.not_asked, len(calls)) == (72, 0, 72)
    assert {call.state for call in calls} == {"answered"}
    assert set(judge.charged) == {f"{call.cache_key}-1" for call in calls}
    lost = [call for call in calls if call.attempts > 1]
    assert 1 <= len(lost) <= THREADS
    assert all(call.cost_is_bound for call in lost)
    twice = {key.rpartition("-")[0] for key, times in judge.charged.items() if times > 1}
    assert twice <= {call.cache_key for call in lost}
    assert not (knows_idempotency and twice)
    assert_costs_hold(session, calls, summary)
    with study.reading() as connection:
        assert chain_faults(connection, study) == []
    with serving(ScriptedJudge()) as address:
        here = judged_study(tmp_path / "t", address)
        open_session(here).run(open_session(here).calls())
    assert readings(study) == readings(here)
    here.close()
    study.close()


def assert_costs_hold(session: JudgeSession, calls: list[LedgerCall], summary: RunSummary) -> None:
    """A call that was lost once costs what its answer did and the most that a call can."""
    at_most = {c.planned.cache_key: c.planned.cost_at_most or 0.0 for c in session.calls()}
    for call in calls:
        assert call.cost is not None
        bounds = at_most[call.cache_key] * (call.attempts - 1)
        assert bounds < call.cost < bounds + at_most[call.cache_key]
    assert summary.spent == pytest.approx(sum(call.cost or 0.0 for call in calls))


@pytest.mark.slow
def test_limits_and_cap_hold_over_the_whole_cluster(cluster: Cluster, tmp_path: Path) -> None:
    """Arithmetic: 1,200 a minute let 60 start at once and 19 a second after them; 72 take 0.63 s.

    Without the limit, 8 places of 5 ms would do it in 0.05 s.
    """
    judge = ScriptedJudge(latency_s=0.005)
    with serving(judge) as address:
        study = judged_study(tmp_path / "s", address, requests_per_minute=1200)
        session = open_session(study)
        calls = session.calls()
        started = time.monotonic()
        session.run(calls, cluster=cluster.address)
        assert time.monotonic() - started > 12 / 19
        assert judge.requests == 72
        study.close()
        capped = judged_study(tmp_path / "t", address)
        session = open_session(capped)
        calls = session.calls()
        cap = 5.5 * max(call.planned.cost_at_most or 0.0 for call in calls)
        summary = session.run(calls, max_cost=cap, cluster=cluster.address)
        assert "the cap of" in summary.stopped
        assert 5 <= summary.asked == judge.requests - 72 < 72
        assert summary.spent is not None
        assert summary.spent <= cap
        capped.close()


@pytest.mark.slow
def test_refusals_and_waits_come_back_through_the_workers(cluster: Cluster, tmp_path: Path) -> None:
    """Oracle: the endpoint's own schedule; it asks once for a wait of a second, once for an hour's."""
    judge = ScriptedJudge(faults={1: "429 with Retry-After", 3: "429 with a long Retry-After"})
    with serving(judge) as address:
        study = judged_study(tmp_path / "s", address, concurrency=1)
        session = open_session(study)
        started = time.monotonic()
        summary = session.run(session.calls()[:3], cluster=cluster.address)
        assert time.monotonic() - started > 1.0
    assert summary.outcomes == {"scored": 2, "endpoint failure": 1}
    assert judge.requests == 4
    waited, refused, other = read_calls(study)
    assert [call.attempts for call in (waited, refused, other)] == [2, 1, 1]
    assert refused.failure is not None
    assert (refused.failure["kind"], refused.failure["status"]) == ("refused wait", 429)
    assert (waited.cost_is_bound, refused.cost) == (False, 0.0)
    study.close()


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_run_and_the_next_one_asks_for_the_rest(
    cluster: Cluster, tmp_path: Path
) -> None:
    """72 calls by hand; what was under way may have been charged, and is asked again."""
    judge = ScriptedJudge(latency_s=0.05)
    with serving(judge) as address:
        study = judged_study(tmp_path / "s", address)
        session = open_session(study)
        with running_cluster(tmp_path / "doomed", nthreads=THREADS) as doomed:
            doomed.wait_for(2)

            def on_step(step: JudgeStep) -> None:
                if step.done == 20:
                    kill(doomed.processes[0])

            with pytest.raises(ModelError, match=r"The scheduler at tcp://.* was lost"):
                session.run(session.calls(), on_step=on_step, cluster=doomed.address)
        answered = sum(call.state == "answered" for call in read_calls(study))
        assert 20 <= answered < 72
        summary = session.run(session.calls(), cluster=cluster.address)
        assert summary.asked == 72 - answered
    calls = read_calls(study)
    assert {call.state for call in calls} == {"answered"}
    assert len(calls) == 72
    # The endpoint knows the keys again, so what was asked twice is charged once.
    assert sum(judge.charged.values()) == 72
    study.close()


def test_a_key_that_only_the_coordinator_has_does_not_travel(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENHAND_TEST_KEY", "top-secret")
    judge = ScriptedJudge()
    with serving(judge) as address:
        study = judged_study(tmp_path / "s", address, api_key_variable="EVENHAND_TEST_KEY")
        session = open_session(study)
        with pytest.raises(
            ModelError, match=r"worker tcp://127\.0\.0\.1:.*EVENHAND_TEST_KEY is not"
        ):
            session.run(session.calls(), cluster=cluster.address)
    assert judge.requests == 0
    assert {call.state for call in read_calls(study)} == {"failed"}
    assert sum(call.cost or 0.0 for call in read_calls(study)) == 0
    study.close()


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"backend": "scripted"}, "scored"),
        # What the demo model says is no score here, too (tests/test_models_judge_local.py).
        pytest.param(
            {
                "backend": "transformers",
                "model": "shipped:demo-tuned",
                "scoring": "probability",
                "concurrency": 1,
            },
            "unparseable",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_scripted_judge_and_a_checkpoint_answer_on_the_workers(
    cluster: Cluster, tmp_path: Path, fields: dict[str, Any], outcome: str
) -> None:
    """By hand: 3 responses to one prompt by 4 criteria."""
    study = make_study(tmp_path / "s", prompts=1, rubrics=["nile"], **fields)
    session = open_session(study)
    summary = session.run(session.calls(), cluster=cluster.address)
    assert summary.outcomes == {outcome: 12}
    assert {call.simulated for call in read_calls(study)} == {fields["backend"] == "scripted"}
    study.close()


def test_a_batch_has_no_use_for_workers(tmp_path: Path) -> None:
    study = judged_study(tmp_path / "s", "http://127.0.0.1:9/v1", batch=True)
    with pytest.raises(ModelError, match="--cluster has nothing to do"):
        open_session(study).run([], cluster="tcp://127.0.0.1:9")
    study.close()
