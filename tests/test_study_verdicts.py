"""The judge's ledger in the store: what is there before and after a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select

from protocols import shipped_protocols
from study.clock import now
from study.errors import LockError
from study.store import tables
from study.store.database import migrate, open_engine
from study.store.events import chain_faults
from study.store.judge.verdicts import (
    CallResult,
    PlannedCall,
    VerdictRecord,
    log_judge_run,
    read_calls,
    read_verdicts,
    record_reading,
    record_results,
    record_sent,
)
from study.store.locking import lock_study
from study.store.responses import read_responses, save_response
from study.store.study import Study, create_study
from tests.fixtures_study import drop_tables


@pytest.fixture
def study(store_url: str, tmp_path: Path) -> Iterator[Study]:
    """Locked by nobody yet, with all responses; on SQLite and on PostgreSQL."""
    del store_url
    made = create_study(tmp_path / "s", shipped_protocols()["demo"])
    for prompt in made.protocol.prompts:
        for number, system in enumerate(made.protocol.systems):
            save_response(made, prompt.id, system.id, f"I hear you, reply {number}.", {})
    yield made
    made.close()


def planned(study: Study, **changes: Any) -> PlannedCall:
    response = read_responses(study)[0]
    values: dict[str, Any] = {
        "cache_key": "a" * 64,
        "probe": "",
        "rubric_id": "safety",
        "rubric_version": "1.0",
        "rubric_sha256": "b" * 64,
        "mode": "one-criterion",
        "scoring": "stated",
        "prompt_id": response.prompt_id,
        "response_ids": (response.id,),
        "criteria": ("safety",),
        "plan": {},
        "replicate": 1,
        "model": "m",
        "endpoint": "e",
        "seed": 1,
        "request": {"messages": [{"role": "user", "content": "ä"}]},
    }
    return PlannedCall(**(values | changes))


def result(call_id: int, *verdicts: VerdictRecord, **changes: Any) -> CallResult:
    values: dict[str, Any] = {
        "call_id": call_id,
        "reply": {"text": "raw"},
        "failure": None,
        "returned_model": "m-1",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cost": 0.1,
        "cost_is_bound": False,
        "latency_s": 0.2,
        "attempts": 1,
        "simulated": False,
        "parser_version": 1,
        "verdicts": verdicts,
    }
    return CallResult(**(values | changes))


def test_migrations_make_the_declared_tables(tmp_path: Path) -> None:
    """Oracle: alembic's own comparison of the migrated schema with the tables in the code."""
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    migrate(engine, "0001")
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_a_ledger_from_before_has_the_fingerprints_that_its_replies_name(
    store_url: str, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    drop_tables(store_url)
    engine = open_engine(store_url)
    bodies = {
        "named": '{"system_fingerprint": "fp_1", "choices": []}',
        "not named": "{}",
        "no text": '{"system_fingerprint": 7}',
        "half": '{"system_fingerprint": "fp_\\ud800"}',
        "no object": "[]",
        "no JSON": "<html>busy",
    }
    row = dict.fromkeys(_TEXTS, "x") | {"replicate": 1, "seed": 1, "round": 1, "attempts": 1}
    row |= {"cost_is_bound": False, "simulated": False, "sent_at": now()}
    replies = {name: json.dumps({"body": body}) for name, body in bodies.items()}
    migrate(engine, "0009")
    with engine.begin() as connection:
        for name, reply in replies.items():
            answered = {"cache_key": name, "state": "answered", "reply": reply}
            connection.execute(insert(tables.verdict_call).values(row | answered))
        sent = row | {"cache_key": "no reply", "state": "sent"}
        connection.execute(insert(tables.verdict_call).values(sent))
    migrate(engine)
    call = tables.verdict_call.c
    with engine.connect() as connection:
        rows = connection.execute(select(call.cache_key, call.system_fingerprint, call.reply)).all()
    named = {"named": "fp_1", "half": "fp_\N{REPLACEMENT CHARACTER}"}
    assert {r.cache_key: r.system_fingerprint for r in rows if r.system_fingerprint} == named
    assert {r.cache_key: r.reply for r in rows} == replies | {"no reply": None}
    engine.dispose()


_TEXTS = (
    "probe", "rubric_id", "rubric_version", "rubric_sha256", "mode", "scoring", "prompt_id", "plan", "model",
    "endpoint", "request",
)  # fmt: skip


def test_nothing_is_judged_before_the_lock(study: Study) -> None:
    with pytest.raises(LockError, match="evenhand lock"):
        record_sent(study, [planned(study)])
    assert read_calls(study) == []


def test_a_request_is_in_the_ledger_before_its_answer(study: Study) -> None:
    lock_study(study)
    (call_id,) = record_sent(study, [planned(study)])
    (call,) = read_calls(study)
    assert (call.state, call.reply, call.request["messages"][0]["content"]) == ("sent", None, "ä")
    assert read_verdicts(study) == []
    record_results(study, [result(call_id, VerdictRecord("safety", "scored", 0.25, reason="why"))])
    (call,) = read_calls(study)
    (stored,) = read_verdicts(study)
    assert (call.state, call.reply, call.attempts) == ("answered", {"text": "raw"}, 1)
    assert (stored.verdict.value, stored.response_id) == (0.25, call.response_ids[0])


def test_asking_again_after_a_crash_or_failure_uses_the_same_row(study: Study) -> None:
    """One row for one key, so that the idempotency key stays the same; a new round gets its own."""
    lock_study(study)
    first = record_sent(study, [planned(study, cost_at_most=2.0)])
    assert record_sent(study, [planned(study, cost_at_most=2.0)]) == first
    failed = VerdictRecord("safety", "endpoint failure")
    record_results(study, [result(first[0], failed, reply=None, failure={"status": 500})])
    assert record_sent(study, [planned(study)]) == first
    record_results(study, [result(first[0], VerdictRecord("safety", "scored", 1.0))])
    assert [v.verdict.value for v in read_verdicts(study)] == [1.0]
    (call,) = read_calls(study)
    # One lost (at most 2.0), one failed and one answered (0.1 each).
    assert (call.attempts, call.cost_is_bound) == (3, True)
    assert call.cost == pytest.approx(2.2)
    second = record_sent(study, [planned(study)])
    assert [c.round for c in read_calls(study)] == [1, 2]
    assert second != first


def test_a_new_reading_counts_and_the_old_one_stays(study: Study) -> None:
    lock_study(study)
    (call_id,) = record_sent(study, [planned(study)])
    record_results(study, [result(call_id, VerdictRecord("safety", "unparseable"))])
    record_reading(study, call_id, 2, [VerdictRecord("safety", "scored", 0.5)])
    (stored,) = read_verdicts(study)
    assert (stored.parser_version, stored.verdict.value) == (2, 0.5)
    with study.reading() as connection:
        rows = connection.execute(tables.verdict.select()).all()
    assert len(rows) == 2


def test_probes_stay_out_of_the_study_s_verdicts_and_the_chain_holds(study: Study) -> None:
    lock_study(study)
    (call_id,) = record_sent(study, [planned(study, probe="longer")])
    record_results(study, [result(call_id, VerdictRecord("safety", "scored", 1.0))])
    log_judge_run(study, {"answered": 1})
    assert read_verdicts(study) == []
    assert len(read_verdicts(study, probe="longer")) == 1
    with study.reading() as connection:
        assert chain_faults(connection, study) == []
