"""The judge through a batch API, a real HTTP server on loopback with the official client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models.judge.asking import batches
from models.judge.asking.running import RunOptions
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.session import open_session
from study.errors import ModelError
from study.store.judge.verdicts import Outcome, read_calls, read_verdicts, record_sent
from tests.fixtures_judge import make_study

PRICE = {"input_per_million": 1.0, "output_per_million": 1.0}


def test_a_batch_is_found_again_after_a_lost_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs: one is lost before it noted the batch, one while it waited, the last ends it."""
    judge = ScriptedJudge()
    with serving(judge) as address:
        study = make_study(
            tmp_path / "s", backend="openai", endpoint=address, model="m", batch=True, price=PRICE
        )
        session = open_session(study)
        calls = session.calls()

        def run() -> int:
            return asyncio.run(
                batches.run_batch(study, session.judge, calls, RunOptions(), poll_s=0.01)
            ).asked

        with monkeypatch.context() as patch:
            patch.setattr(batches, "_note", _lost)
            with pytest.raises(KeyboardInterrupt):
                run()
        assert {c.batch_id for c in read_calls(study)} == {None}
        with monkeypatch.context() as patch:
            patch.setattr(batches, "_answers", _lost)
            with pytest.raises(KeyboardInterrupt):
                run()
        assert {c.batch_id for c in read_calls(study)} == {"batch-1"}
        assert (run(), run()) == (9, 0)
        assert {v.verdict.outcome for v in read_verdicts(study)} == {Outcome.SCORED}
        assert len(read_verdicts(study)) == 9
        study.close()
    assert sorted(judge.charged.values()) == [1] * 9


def _lost(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_batch_asks_again_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new round is a batch of its own, also after a run that was lost before it noted it."""
    with serving(ScriptedJudge()) as address:
        study = make_study(
            tmp_path / "s", backend="openai", endpoint=address, model="m", batch=True
        )
        session = open_session(study)
        calls = session.calls()
        key = calls[0].planned.cache_key

        def run(*again: str) -> int:
            options = RunOptions(again=frozenset(again))
            return asyncio.run(
                batches.run_batch(study, session.judge, calls, options, poll_s=0.01)
            ).asked

        assert (run(), run(), run(key)) == (9, 0, 1)
        with monkeypatch.context() as patch:
            patch.setattr(batches, "_note", _lost)
            with pytest.raises(KeyboardInterrupt):
                run(key)
        assert run(key) == 1
        rounds = [c for c in read_calls(study) if c.cache_key == key]
        assert [(c.round, c.state, c.batch_id) for c in rounds] == [
            (1, "answered", "batch-1"),
            (2, "answered", "batch-2"),
            (3, "answered", "batch-3"),
        ]
        study.close()


def test_a_batch_keeps_to_the_cap(tmp_path: Path) -> None:
    with serving(ScriptedJudge()) as address:
        study = make_study(
            tmp_path / "s", backend="openai", endpoint=address, model="m", batch=True, price=PRICE
        )
        session = open_session(study)
        calls = session.calls()
        each = max(c.planned.cost_at_most or 0 for c in calls)
        summary = asyncio.run(
            batches.run_batch(
                study, session.judge, calls, RunOptions(max_cost=4 * each), poll_s=0.01
            )
        )
        assert summary.asked == 4
        assert summary.not_asked == 5
        assert summary.spent is not None
        assert summary.spent <= 4 * each
        assert record_sent(study, []) == []
        study.close()


def test_an_endpoint_without_a_batch_api(tmp_path: Path) -> None:
    import http.server
    import threading

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/v1"
        study = make_study(
            tmp_path / "s", prompts=1, backend="openai", endpoint=address, model="m", batch=True
        )
        session = open_session(study)
        with pytest.raises(ModelError, match=r"Set judge\.batch to false"):
            session.run(session.calls())
        study.close()
        server.shutdown()
