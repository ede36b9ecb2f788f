"""The judge's calls against a misbehaving HTTP server on loopback, with the official client."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from models.endpoint.failures import retry_after
from models.judge.asking.running import RunSummary
from models.judge.scripted.scripted_endpoint import ScriptedJudge, serving
from models.judge.scripted.scripted_faults import FAULTS
from models.judge.session import open_session
from study.errors import ModelError
from study.store.judge.verdicts import LedgerCall, Outcome, StoredVerdict, read_calls, read_verdicts
from tests.fixtures_judge import ODD_REPLIES, make_study

# What has to come out when an endpoint misbehaves on every attempt at one call.
TYPED = {
    "malformed JSON": Outcome.UNPARSEABLE,
    "prose": Outcome.UNPARSEABLE,
    "out of range": Outcome.UNPARSEABLE,
    "wrong type": Outcome.UNPARSEABLE,
    "missing field": Outcome.UNPARSEABLE,
    "extra field": Outcome.UNPARSEABLE,
    "abstention": Outcome.ABSTAINED,
    "refusal": Outcome.REFUSED,
    "refusal in prose": Outcome.REFUSED,
    "content filter": Outcome.REFUSED,
    "cut off": Outcome.TRUNCATED,
    "no completion": Outcome.ENDPOINT_FAILURE,
    "429 with Retry-After": Outcome.ENDPOINT_FAILURE,
    "429 with a long Retry-After": Outcome.ENDPOINT_FAILURE,
    "429": Outcome.ENDPOINT_FAILURE,
    "500": Outcome.ENDPOINT_FAILURE,
    "400": Outcome.ENDPOINT_FAILURE,
    "hang": Outcome.ENDPOINT_FAILURE,
    "truncated stream": Outcome.TRUNCATED,
    "closed": Outcome.TRUNCATED,
    # A good status with anything but a completion is no better than a bad one.
    "error in a 200": Outcome.ENDPOINT_FAILURE,
    "error beside a reply": Outcome.ENDPOINT_FAILURE,
    "HTML": Outcome.ENDPOINT_FAILURE,
    "cut-off body": Outcome.ENDPOINT_FAILURE,
    "empty body": Outcome.ENDPOINT_FAILURE,
    "not UTF-8": Outcome.ENDPOINT_FAILURE,
    "nested body": Outcome.ENDPOINT_FAILURE,
    "no choices": Outcome.ENDPOINT_FAILURE,
    "422 list": Outcome.ENDPOINT_FAILURE,
    "400 detail": Outcome.ENDPOINT_FAILURE,
    "400 error text": Outcome.ENDPOINT_FAILURE,
    "400 text": Outcome.ENDPOINT_FAILURE,
    "500 HTML": Outcome.ENDPOINT_FAILURE,
    "endless": Outcome.ENDPOINT_FAILURE,
    "endless error": Outcome.ENDPOINT_FAILURE,
    "packed": Outcome.ENDPOINT_FAILURE,
    "packed badly": Outcome.TRUNCATED,
    "packed oddly": Outcome.TRUNCATED,
    "trickle": Outcome.ENDPOINT_FAILURE,
    "charset that is none": Outcome.ENDPOINT_FAILURE,
    "date out of range": Outcome.ENDPOINT_FAILURE,
    "long Retry-After": Outcome.ENDPOINT_FAILURE,
}

# What the message says of a fault: the endpoint's own reason, or what was wrong with its answer.
TOLD = {
    "no completion": "no chat completion: out of order",
    "error in a 200": "no chat completion: upstream overloaded",
    "error beside a reply": "no chat completion: upstream overloaded",
    "HTML": "no chat completion: an HTML page: Bad Gateway",
    "empty body": "no chat completion: an empty answer",
    "not UTF-8": "it is not UTF-8 (byte 0xff",
    "422 list": "status 422: body.seed: extra fields not permitted",
    "400 detail": "status 400: seed is not supported",
    "400 error text": "status 400: seed is not supported",
    "400 text": "status 400: seed is not supported",
    "400": "status 400: scripted: 400",
    "500": "status 500: scripted: 500",
    "500 HTML": "status 500: an HTML page: Out of order",
    "hang": "silent for 3 s",
    "endless": "longer than 8 MiB",
    "packed": "longer than 8 MiB",
    "packed oddly": "packed as 'br'",
    "trickle": "not complete after 4 s",
}

# The first reply alone is paid for or final; the others are asked for again.
ASKED_ONCE = {
    *("malformed JSON", "prose", "out of range", "wrong type", "missing field", "extra field"),
    *("abstention", "refusal", "refusal in prose", "content filter", "cut off"),
    *("400", "429 with a long Retry-After", "422 list", "400 detail", "400 error text", "400 text"),
    *("endless", "packed", "long Retry-After"),
}


ONE_CRITERION = """\
id: one
version: "1"
title: One
kind: single
licence: own
source: own
task: Rate.
criteria:
  - id: clarity
    label: Clarity
    question: How clear?
    kind: points
    points:
      - {value: 1, label: a}
      - {value: 2, label: b}
      - {value: 3, label: c}
      - {value: 4, label: d}
      - {value: 5, label: e}
"""


def judged(
    folder: Path, judge: ScriptedJudge, number: int = 1, **block: object
) -> tuple[RunSummary, list[LedgerCall], list[StoredVerdict]]:
    """So many calls, one after the other, each on one criterion with points 1 to 5."""
    rubric = folder / "one.yaml"
    rubric.write_text(ONE_CRITERION, encoding="utf-8")
    with serving(judge) as address:
        fields: dict[str, object] = {
            "backend": "openai",
            "endpoint": address,
            "model": "m",
            "rubrics": [str(rubric)],
            "concurrency": 1,
            "replicates": 10,
            "timeout_s": 3,
            "longest_call_s": 4,
            "price": {"input_per_million": 1.0, "output_per_million": 1.0},
        }
        study = make_study(folder / "study", **(fields | block))
        try:
            session = open_session(study)
            summary = session.run(session.calls()[:number])
            return summary, read_calls(study), read_verdicts(study)
        finally:
            study.close()


Ended = dict[str, tuple[LedgerCall, StoredVerdict]]


def _with_faults(folder: Path, faults: list[str], attempts: dict[str, int]) -> Ended:
    """One call for each fault, which meets it in its first so many attempts, and a good call after.

    A row of failures would end the run.
    """
    schedule: dict[int, str] = {}
    request = 1
    for fault in faults:
        for _ in range(attempts[fault]):
            schedule[request] = fault
            request += 1
        request += attempts[fault] == 1 and fault not in ASKED_ONCE
        request += 1
    judge = ScriptedJudge(faults=schedule)
    summary, calls, verdicts = judged(folder, judge, 2 * len(faults))
    assert judge.requests == request - 1
    assert summary.asked == 2 * len(faults)
    assert summary.outcomes == Counter(str(v.verdict.outcome) for v in verdicts)
    assert {v.verdict.outcome for v in verdicts[1::2]} == {Outcome.SCORED}
    return {f: (c, v) for f, c, v in zip(faults, calls[::2], verdicts[::2], strict=True)}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every fault on every attempt."""
    attempts = {f: 1 if f in ASKED_ONCE else 2 for f in TYPED}
    return _with_faults(tmp_path_factory.mktemp("failed"), list(TYPED), attempts)


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every fault that may pass, on the first attempt only."""
    order = [f for f in TYPED if f not in ASKED_ONCE]
    return _with_faults(tmp_path_factory.mktemp("passed"), order, dict.fromkeys(order, 1))


def test_every_misbehaviour_of_the_scripted_endpoint_is_tried() -> None:
    assert set(TYPED) | set(ODD_REPLIES) | {"401"} == set(FAULTS)


@pytest.mark.parametrize("fault", TYPED)
def test_each_misbehaviour_ends_in_its_typed_outcome(fault: str, failed: Ended) -> None:
    call, stored = failed[fault]
    assert stored.verdict.outcome == TYPED[fault]
    assert (stored.verdict.value, stored.verdict.label) == (None, None)
    assert stored.verdict.detail or fault == "abstention"
    assert call.attempts == (1 if fault in ASKED_ONCE else 2)


@pytest.mark.parametrize("fault", TOLD)
def test_the_message_says_why(fault: str, failed: Ended) -> None:
    call, stored = failed[fault]
    assert call.failure is not None
    assert TOLD[fault] in call.failure["message"]
    assert stored.verdict.detail["problem"] == call.failure["message"]


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    """The endpoint's own count of what it could send of 150 MB before the connection was closed."""
    judge = ScriptedJudge(faults=dict.fromkeys(range(1, 4), "endless"))
    _, calls, _ = judged(tmp_path, judge, 3)
    assert [c.state for c in calls] == ["failed"] * 3
    # What the sockets' buffers hold comes on top of 8 MiB for each.
    assert judge.streamed < 3 * 64 * 2**20


@pytest.mark.parametrize("fault", [f for f in TYPED if f not in ASKED_ONCE])
def test_what_passes_is_asked_again_and_scored(fault: str, passed: Ended) -> None:
    call, stored = passed[fault]
    assert stored.verdict.outcome == Outcome.SCORED
    assert call.attempts == 2


def test_the_raw_request_and_reply_are_in_the_ledger(tmp_path: Path) -> None:
    judge = ScriptedJudge(keeps_bodies=True)
    _, (call,), _ = judged(tmp_path, judge)
    assert call.request == judge.bodies[0]
    assert call.reply is not None
    assert '"chatcmpl-scripted"' in call.reply["body"]
    assert call.returned_model == "evenhand-scripted-judge-1"
    assert call.simulated
    assert call.prompt_tokens and call.completion_tokens and call.latency_s
    # Hand arithmetic: both prices are 1 per million.
    assert call.cost == pytest.approx((call.prompt_tokens + call.completion_tokens) / 1e6)
    assert not call.cost_is_bound
    assert list(judge.charged.values()) == [1]


def test_an_answer_that_was_lost_counts_at_the_most_that_it_can_have_cost(tmp_path: Path) -> None:
    judge = ScriptedJudge(faults={1: "truncated stream"})
    _, (call,), _ = judged(tmp_path, judge)
    assert call.prompt_tokens and call.completion_tokens
    counted = (call.prompt_tokens + call.completion_tokens) / 1e6
    # A token for each byte of the texts and of the schema, 16 around each text; 400 and one to end.
    schema = len(json.dumps(call.request["response_format"]).encode())
    texts = sum(len(m["content"].encode()) + 16 for m in call.request["messages"])
    at_most = (texts + schema + 401) / 1e6
    assert call.cost == pytest.approx(counted + at_most)
    assert call.cost_is_bound
    # Both attempts carried the same idempotency key, so this endpoint charged once.
    assert (judge.requests, list(judge.charged.values())) == (2, [1])


def test_retry_after_is_kept_to(tmp_path: Path) -> None:
    judge = ScriptedJudge(faults={1: "429 with Retry-After"})
    started = time.perf_counter()
    judged(tmp_path, judge)
    assert time.perf_counter() - started > 1.0


def test_retry_after_in_numbers_and_dates() -> None:
    """RFC 9110, 10.2.3: seconds or an HTTP date."""
    assert retry_after({"retry-after": "7"}, 0.0) == 7
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 20.0) == 40
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 90.0) == 0
    assert retry_after({"retry-after": "soon"}, 0.0) is None
    assert retry_after({}, 0.0) is None


def test_a_refused_key_ends_the_run_and_is_no_outcome(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="refused the key"):
        judged(tmp_path, ScriptedJudge(faults={1: "401"}))


def test_a_refusal_after_an_answer_is_one_of_that_request(tmp_path: Path) -> None:
    """A provider's filter may answer 403 to one text; the key was good a moment ago."""
    judge = ScriptedJudge(faults={3: "401", 5: "401"})
    summary, calls, verdicts = judged(tmp_path, judge, 6)
    assert summary.asked == 6
    assert [v.verdict.outcome for v in verdicts].count(Outcome.SCORED) == 4
    assert [c.failure["status"] for c in calls if c.failure] == [401, 401]


def test_an_endpoint_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        _, (call,), (stored,) = judged(tmp_path, ScriptedJudge(), endpoint=address)
    assert stored.verdict.outcome == Outcome.ENDPOINT_FAILURE
    assert call.failure is not None
    assert call.failure["kind"] == "no connection"
    assert call.cost in (None, 0.0)


def test_an_endpoint_that_always_fails_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    judge = ScriptedJudge(faults=dict.fromkeys(range(1, 200), "400"))
    with serving(judge) as address:
        study = make_study(
            tmp_path / "s", backend="openai", endpoint=address, model="m", rubrics=["eai"]
        )
        session = open_session(study)
        with pytest.raises(ModelError, match="times in a row, the last time: status 400"):
            session.run(session.calls())
        study.close()
    assert judge.requests < 20
