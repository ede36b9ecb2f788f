"""The batch API: all missing calls in one file, answered by the endpoint when it has time."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.endpoint.connection import endpoint_of_judge, known_certificates, open_async_client
from models.endpoint.words import words_of_endpoint
from models.judge.asking.calls import RawReply
from models.judge.asking.limits import Budget
from models.judge.asking.running import JudgeStep, Pending, RunOptions, RunSummary, pending
from models.judge.verdicts.parsing import read_reply
from models.judge.verdicts.readings import call_result
from models.judge.wording.plan import JudgeCall
from study.errors import ModelError
from study.protocol.judge import Judge
from study.store.exclusive import only_judge
from study.store.judge.verdicts import read_calls, record_batch, record_results, record_sent
from study.store.study import Study

MARK = "evenhand_requests"
# Bytes of one call's line in a batch's file, on average.
LONGEST_BODY_OF_CALL = 2**18
ENDED = ("completed", "failed", "expired", "cancelled")


async def run_batch(
    study: Study,
    judge: Judge,
    calls: Sequence[JudgeCall],
    options: RunOptions,
    *,
    poll_s: float = 15.0,
) -> RunSummary:
    """Make the calls that the ledger lacks through the endpoint's batch API.

    Can be stopped while the endpoint works: a later run finds the batch again, by its id in the
    ledger, or by the mark that it carries when the run was lost before the id came back.

    Parameters
    ----------
    options : RunOptions
    poll_s : float
        Seconds between two looks at a batch.

    Raises
    ------
    ModelError
        When the endpoint has no batch API or refuses the batch.
    """
    import openai

    left = pending(study, calls, again=options.again, price=judge.price)
    summary = RunSummary(len({c.planned.cache_key for c in calls}), left.already, left.in_doubt)
    budget = Budget(options.max_cost, left.spent)
    # A batch's file holds the answers to all of its calls.
    longest_body = LONGEST_BODY_OF_CALL * max(len(calls), 64)
    client = open_async_client(
        endpoint_of_judge(judge), known_certificates(), longest_body=longest_body
    )
    try:
        with only_judge(study):
            batches = await _batches(client, study, left, budget, summary)
            for batch_id, members in batches:
                answers = await _answers(client, batch_id, poll_s)
                _keep(study, judge, members, answers, summary)
                if options.on_step is not None:
                    options.on_step(JudgeStep(summary.asked, len(left.todo), left.spent))
    except openai.APIError as error:
        raise ModelError(
            f"The batch API of {judge.endpoint} did not do what was asked: {error}. Set judge.batch to "
            "false when the endpoint has none."
        ) from error
    finally:
        await client.close()
    summary.not_asked = len(left.todo) - summary.asked
    summary.spent = sum(call.cost or 0.0 for call in read_calls(study)) if judge.price else None
    return summary


async def _batches(
    client: Any, study: Study, left: Pending, budget: Budget, summary: RunSummary
) -> list[tuple[str, list[JudgeCall]]]:
    """The batches that hold the missing calls; a new one only for what was never sent."""
    sent = {c.cache_key: c.batch_id for c in read_calls(study) if c.state == "sent"}
    by_id: dict[str, list[JudgeCall]] = {}
    new, lost = [], []
    for call in left.todo:
        key = call.planned.cache_key
        if sent.get(key):
            by_id.setdefault(str(sent[key]), []).append(call)
        elif key in sent:
            lost.append(call)
        else:
            new.append(call)
    if lost:
        found = await _find(client, _mark(lost, left.rounds))
        if found is None:
            new += lost
        else:
            _note(study, lost, found)
            by_id.setdefault(found, []).extend(lost)
    affordable = [call for call in new if budget.reserve(call.planned.cost_at_most)]
    if len(affordable) < len(new):
        summary.stopped = f"the cap of {budget.cap:g} leaves no room for the others"
    if affordable:
        record_sent(study, [call.planned for call in affordable])
        made = await _make(client, affordable, _mark(affordable, left.rounds))
        _note(study, affordable, made)
        by_id[made] = affordable
    return list(by_id.items())


def _note(study: Study, calls: Iterable[JudgeCall], batch_id: str) -> None:
    keys = {call.planned.cache_key for call in calls}
    rows = [c.id for c in read_calls(study) if c.state == "sent" and c.cache_key in keys]
    record_batch(study, rows, batch_id)


def _mark(calls: Iterable[JudgeCall], rounds: Mapping[str, int]) -> str:
    """What tells a batch from every other one; ``rounds`` counts the answers that a key has already.

    A call that is asked again would otherwise be found in the batch of its first round, and the old
    answer be read for the new one.
    """
    asked = (call.planned.cache_key for call in calls)
    keys = sorted(f"{key}-{rounds[key] + 1}" if rounds.get(key) else key for key in asked)
    return hashlib.sha256("".join(keys).encode()).hexdigest()


async def _find(client: Any, mark: str) -> str | None:
    """The batch of a run that was lost before it could note the batch's id."""
    async for batch in client.batches.list():
        if (batch.metadata or {}).get(MARK) == mark:
            return str(batch.id)
    return None


async def _make(client: Any, calls: Sequence[JudgeCall], mark: str) -> str:
    lines = [
        json.dumps(
            {
                "custom_id": call.planned.cache_key,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": dict(call.planned.request),
            },
            ensure_ascii=False,
        )
        for call in calls
    ]
    content = "\n".join(lines).encode()
    file = await client.files.create(file=("requests.jsonl", content), purpose="batch")
    batch = await client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={MARK: mark},
    )
    return str(batch.id)


async def _answers(client: Any, batch_id: str, poll_s: float) -> dict[str, RawReply]:
    """Cache key -> answer, once the batch has ended."""
    batch = await client.batches.retrieve(batch_id)
    while batch.status not in ENDED:
        await asyncio.sleep(poll_s)
        batch = await client.batches.retrieve(batch_id)
    answers: dict[str, RawReply] = {}
    for file_id in (batch.output_file_id, batch.error_file_id):
        if file_id:
            content = await client.files.content(file_id)
            answers.update(_read_lines(content.content))
    answers[""] = _failed("batch", f"the batch {batch_id} ended as {batch.status} without it")
    return answers


def _read_lines(content: bytes) -> Iterator[tuple[str, RawReply]]:
    """The answers of a batch's file; a line that cannot be read spoils no other.

    Lines end with a line feed alone: JSON may hold other ends of lines within a text.
    """
    for line in filter(bytes.strip, content.split(b"\n")):
        try:
            entry = json.loads(line.decode("utf-8-sig"))
            name, response = str(entry["custom_id"]), entry.get("response") or {}
            status, body = response.get("status_code"), response.get("body")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            # Whose line it was, nobody knows: the call counts as one without an answer.
            continue
        if status == 200 and read_reply(body) is not None:
            yield name, RawReply({"body": json.dumps(body)}, None, 1, 0, 0.0)
        elif status == 200:
            said = words_of_endpoint(json.dumps(body))
            message = f"the endpoint's answer is no chat completion: {said}"
            yield name, dataclasses.replace(_failed("no completion", message), in_doubt=1)
        else:
            said = words_of_endpoint(json.dumps(entry.get("error") or body))
            yield name, _failed("status", f"status {status}: {said}")


def _failed(kind: str, message: str) -> RawReply:
    return RawReply(None, {"kind": kind, "message": message[:500]}, 1, 0, 0.0)


def _keep(
    study: Study,
    judge: Judge,
    calls: Sequence[JudgeCall],
    answers: dict[str, RawReply],
    summary: RunSummary,
) -> None:
    rows = {c.cache_key: c.id for c in read_calls(study) if c.state == "sent"}
    results = []
    for call in calls:
        key = call.planned.cache_key
        answer = answers.get(key, answers[""])
        result = call_result(judge, call, rows[key], answer)
        summary.count(result, answer)
        results.append(result)
    record_results(study, results)
