"""The judge's ledger: every request and its raw reply, and the verdicts read from them.

A call's row is committed as ``sent`` before the request leaves, and becomes ``answered`` in one
transaction with the raw reply and its verdicts. A row that is still ``sent`` after its run has ended
belongs to a request whose answer, if there was one, was lost with the run.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Update, bindparam, func, insert, select, update

from study.clock import now
from study.errors import LockError
from study.store import events, tables
from study.store.study import Study


class Outcome(StrEnum):
    """How one criterion of one call ended. Only ``scored`` has a value or a label."""

    SCORED = "scored"
    ABSTAINED = "abstained"
    REFUSED = "refused"
    UNPARSEABLE = "unparseable"
    TRUNCATED = "truncated"
    ENDPOINT_FAILURE = "endpoint failure"


# Calls on changed texts or orders, whose right answer is known; reports list them in this order.
Probe = Literal["identical", "longer", "degraded", "swapped", "paraphrased"]
PROBES: tuple[Probe, ...] = get_args(Probe)


@dataclass(frozen=True)
class PlannedCall:
    """One request as it goes into the ledger before it is sent.

    Parameters
    ----------
    cache_key : str
        SHA-256 (hex) over everything that can change the reply.
    probe : str
        Name of the probe that the call belongs to; empty for verdicts on the study's responses.
    response_ids : sequence of str
        The responses in the order in which the judge saw them.
    criteria : sequence of str
    plan : mapping
        Further facts that reading the reply needs; plain JSON values.
    request : mapping
        What is sent, without credentials.
    cost_at_most : float or None
        The most that one attempt can cost; None without a price.
    """

    cache_key: str
    probe: str
    rubric_id: str
    rubric_version: str
    rubric_sha256: str
    mode: str
    scoring: str
    prompt_id: str
    response_ids: Sequence[str]
    criteria: Sequence[str]
    plan: Mapping[str, Any]
    replicate: int
    model: str
    endpoint: str
    seed: int
    request: Mapping[str, Any]
    cost_at_most: float | None = None
    simulated: bool = False


@dataclass(frozen=True)
class VerdictRecord:
    """One criterion's outcome; ``value`` or ``label`` only when the outcome is ``scored``."""

    criterion: str
    outcome: str
    value: float | None = None
    label: str | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallResult:
    """How one call ended: with a raw reply, or with what went wrong.

    ``reply`` is the endpoint's answer as it came, or None when there was none that can be read.
    """

    call_id: int
    reply: Mapping[str, Any] | None
    failure: Mapping[str, Any] | None
    returned_model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    cost_is_bound: bool
    latency_s: float
    attempts: int
    simulated: bool
    parser_version: int
    verdicts: Sequence[VerdictRecord]
    # Why the counts of tokens are missing; not kept, since the raw reply says it.
    usage_fault: str = ""


@dataclass(frozen=True)
class CallFacts:
    """One row of the ledger without its request, its reply and its failure.

    Attributes
    ----------
    fingerprint : str
        The system fingerprint that the raw reply names; empty when it names none.
    """

    id: int
    cache_key: str
    round: int
    state: str
    probe: str
    rubric_id: str
    rubric_version: str
    rubric_sha256: str
    mode: str
    scoring: str
    prompt_id: str
    response_ids: tuple[str, ...]
    criteria: tuple[str, ...]
    plan: Mapping[str, Any]
    replicate: int
    model: str
    endpoint: str
    returned_model: str | None
    fingerprint: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    cost_is_bound: bool
    latency_s: float | None
    attempts: int
    simulated: bool
    batch_id: str | None
    sent_at: dt.datetime
    answered_at: dt.datetime | None


@dataclass(frozen=True)
class LedgerCall(CallFacts):
    """One whole row of the ledger."""

    request: Mapping[str, Any]
    reply: Mapping[str, Any] | None
    failure: Mapping[str, Any] | None


@dataclass(frozen=True)
class StoredVerdict:
    """A verdict with the call that it comes from; the newest parser's reading of that call."""

    call: CallFacts
    parser_version: int
    verdict: VerdictRecord

    @property
    def response_id(self) -> str | None:
        """The response that was scored, or None when several were compared."""
        return self.call.response_ids[0] if len(self.call.response_ids) == 1 else None

    @property
    def winner(self) -> str | None:
        """The response that a comparison preferred, ``"tie"``, or None without a result."""
        label = self.verdict.label
        if label is None or label == "tie":
            return label
        return self.call.response_ids["ABCDEFGH".index(label)]


def record_sent(study: Study, calls: Sequence[PlannedCall]) -> list[int]:
    """Put requests into the ledger before they are sent; gives their ids, in order.

    A call that is in the ledger as ``sent`` or ``failed`` keeps its row, so that asking again after
    a crash uses the same row and idempotency key. One that was ``sent`` may have been charged for an
    answer that nobody read: the most that it can have cost is added to its cost.

    Raises
    ------
    LockError
        When the study is not locked: its responses could still change under the verdicts.
    """
    table = tables.verdict_call
    ids: dict[str, int] = {}
    with study.writing() as connection:
        if not connection.execute(select(tables.study.c.locked_at)).scalar_one():
            raise LockError(
                "The study is not locked, so its responses can still change. Run `evenhand lock` "
                "before `evenhand judge`."
            )
        keys = [call.cache_key for call in calls]
        rounds: dict[str, list[Any]] = {}
        for row in connection.execute(
            select(table.c.id, table.c.cache_key, table.c.state).where(table.c.cache_key.in_(keys))
        ):
            rounds.setdefault(row.cache_key, []).append(row)
        new = []
        for call in calls:
            known = rounds.get(call.cache_key, [])
            open_row = next((row for row in known if row.state != "answered"), None)
            if open_row is not None:
                _send_again(connection, call, open_row.id, lost=open_row.state == "sent")
                ids[call.cache_key] = int(open_row.id)
            else:
                new.append(_columns(call) | {"round": len(known) + 1})
        if new:
            made = insert(table).returning(table.c.cache_key, table.c.id)
            ids.update((row.cache_key, int(row.id)) for row in connection.execute(made, new))
    return [ids[call.cache_key] for call in calls]


def _send_again(connection: Connection, call: PlannedCall, call_id: int, *, lost: bool) -> None:
    table = tables.verdict_call
    values: dict[str, Any] = {"state": "sent", "sent_at": now(), "batch_id": None}
    if lost:
        values["attempts"] = table.c.attempts + 1
        if call.cost_at_most is not None:
            values |= {
                "cost": func.coalesce(table.c.cost, 0.0) + call.cost_at_most,
                "cost_is_bound": True,
            }
    connection.execute(update(table).where(table.c.id == call_id).values(**values))


def record_batch(study: Study, call_ids: Sequence[int], batch_id: str) -> None:
    """Note to which batch of the endpoint these requests went."""
    table = tables.verdict_call
    with study.writing() as connection:
        connection.execute(
            update(table).where(table.c.id.in_(list(call_ids))).values(batch_id=batch_id)
        )


def _columns(call: PlannedCall) -> dict[str, Any]:
    plan = {
        "responses": list(call.response_ids),
        "criteria": list(call.criteria),
        "facts": dict(call.plan),
    }
    return {
        "cache_key": call.cache_key,
        "state": "sent",
        "probe": call.probe,
        "rubric_id": call.rubric_id,
        "rubric_version": call.rubric_version,
        "rubric_sha256": call.rubric_sha256,
        "mode": call.mode,
        "scoring": call.scoring,
        "prompt_id": call.prompt_id,
        "response_id": call.response_ids[0] if len(call.response_ids) == 1 else None,
        "plan": _json(plan),
        "replicate": call.replicate,
        "model": call.model,
        "endpoint": call.endpoint,
        "seed": call.seed,
        "request": _json(call.request),
        "cost_is_bound": False,
        "attempts": 0,
        "simulated": call.simulated,
        "sent_at": now(),
    }


def record_results(study: Study, results: Sequence[CallResult]) -> None:
    """Keep replies and their verdicts; all of them in one transaction."""
    with study.writing() as connection:
        # One statement for many rows: written anew for each, it took as long as the disk did.
        for costs, bound in ((False, False), (True, False), (True, True)):
            rows = [
                _result_columns(result)
                for result in results
                if (result.cost is not None) == costs and (costs and result.cost_is_bound) == bound
            ]
            if rows:
                connection.execute(_update_result(costs=costs, bound=bound), rows)
        for version in sorted({result.parser_version for result in results}):
            read = {r.call_id: r.verdicts for r in results if r.parser_version == version}
            _insert_verdicts(connection, version, read)


_RESULT = (
    "state", "reply", "failure", "returned_model", "prompt_tokens", "completion_tokens", "latency_s",
    "simulated", "answered_at", "system_fingerprint",
)  # fmt: skip


def _update_result(*, costs: bool, bound: bool) -> Update:
    """What an attempt adds to its row: its cost comes on top of what earlier ones may have cost."""
    table = tables.verdict_call
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _RESULT}
    values["attempts"] = table.c.attempts + bindparam("new_attempts")
    if costs:
        values["cost"] = func.coalesce(table.c.cost, 0.0) + bindparam("new_cost")
    if bound:
        values["cost_is_bound"] = True
    return update(table).where(table.c.id == bindparam("call_id")).values(**values)


def _result_columns(result: CallResult) -> dict[str, Any]:
    return {
        "call_id": result.call_id,
        "new_state": "failed" if result.reply is None else "answered",
        "new_reply": None if result.reply is None else _json(result.reply),
        "new_failure": None if result.failure is None else _json(result.failure),
        "new_returned_model": _storable(result.returned_model),
        "new_prompt_tokens": result.prompt_tokens,
        "new_completion_tokens": result.completion_tokens,
        "new_latency_s": result.latency_s,
        "new_simulated": result.simulated,
        "new_answered_at": now(),
        "new_system_fingerprint": _storable(_fingerprint(result.reply)),
        "new_attempts": result.attempts,
        "new_cost": result.cost,
    }


def _fingerprint(reply: Mapping[str, Any] | None) -> str | None:
    try:
        found = json.loads(str((reply or {}).get("body"))).get("system_fingerprint")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) and found else None


def record_reading(
    study: Study, call_id: int, parser_version: int, verdicts: Sequence[VerdictRecord]
) -> None:
    """Keep what a parser reads in a reply that is in the ledger; an older reading stays."""
    with study.writing() as connection:
        _insert_verdicts(connection, parser_version, {call_id: verdicts})


def _insert_verdicts(
    connection: Connection, parser_version: int, read: Mapping[int, Sequence[VerdictRecord]]
) -> None:
    verdict = tables.verdict.c
    # A call that failed before and is answered now: its outcome is the new one.
    connection.execute(
        tables.verdict.delete().where(
            verdict.call_id.in_(list(read)), verdict.parser_version == parser_version
        )
    )
    at = now()
    rows = [
        {
            "call_id": call_id,
            "parser_version": parser_version,
            "criterion": record.criterion,
            "outcome": record.outcome,
            "value": record.value,
            "label": _storable(record.label),
            "low": record.low,
            "high": record.high,
            "reason": _storable(record.reason),
            "detail": _json(record.detail),
            "parsed_at": at,
        }
        for call_id, verdicts in read.items()
        for record in verdicts
    ]
    if rows:
        connection.execute(insert(tables.verdict), rows)


def read_calls(study: Study) -> list[LedgerCall]:
    """The whole ledger, oldest first."""
    with study.reading() as connection:
        rows = connection.execute(
            select(tables.verdict_call).order_by(tables.verdict_call.c.id)
        ).all()
    return [
        LedgerCall(
            **_facts(row),
            request=json.loads(row.request),
            reply=_loaded(row.reply),
            failure=_loaded(row.failure),
        )
        for row in rows
    ]


def _loaded(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _facts(row: Any) -> dict[str, Any]:
    plan = json.loads(row.plan)
    return {
        "id": row.id,
        "cache_key": row.cache_key,
        "round": row.round,
        "state": row.state,
        "probe": row.probe,
        "rubric_id": row.rubric_id,
        "rubric_version": row.rubric_version,
        "rubric_sha256": row.rubric_sha256,
        "mode": row.mode,
        "scoring": row.scoring,
        "prompt_id": row.prompt_id,
        "response_ids": tuple(plan["responses"]),
        "criteria": tuple(plan["criteria"]),
        "plan": plan["facts"],
        "replicate": row.replicate,
        "model": row.model,
        "endpoint": row.endpoint,
        "returned_model": row.returned_model,
        "fingerprint": row.system_fingerprint or "",
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "cost": row.cost,
        "cost_is_bound": row.cost_is_bound,
        "latency_s": row.latency_s,
        "attempts": row.attempts,
        "simulated": row.simulated,
        "batch_id": row.batch_id,
        "sent_at": row.sent_at,
        "answered_at": row.answered_at,
    }


@dataclass(frozen=True)
class Ledger:
    """The ledger without bodies, read once for the verdicts of the study and of every probe.

    Attributes
    ----------
    calls : tuple of CallFacts
        Oldest first.
    readings : mapping
        (call id, criterion) -> the parser's version and its verdict, by the newest parser.
    """

    calls: tuple[CallFacts, ...]
    readings: Mapping[tuple[int, str], tuple[int, VerdictRecord]]

    def verdicts(self, probe: str = "") -> list[StoredVerdict]:
        """The verdicts on the study's responses, or of one probe, each by the newest parser.

        Of a call that was made again, the newest answered round counts. Not for pages: the responses'
        ids lead to the systems.
        """
        newest = {c.cache_key: c for c in self.calls if c.probe == probe and c.state != "sent"}
        by_id = {call.id: call for call in newest.values()}
        return [
            StoredVerdict(by_id[call], version, verdict)
            for (call, _), (version, verdict) in sorted(self.readings.items(), key=lambda e: e[0])
            if call in by_id
        ]


def read_ledger(study: Study) -> Ledger:
    """The ledger and what the newest parser read in it, in two statements."""
    call, verdict = tables.verdict_call, tables.verdict.c
    columns = [c for c in call.c if c.name not in ("request", "reply", "failure")]
    with study.reading() as connection:
        calls = [
            CallFacts(**_facts(row))
            for row in connection.execute(select(*columns).order_by(call.c.id))
        ]
        rows = connection.execute(select(tables.verdict).order_by(verdict.parser_version)).all()
    readings = {
        (row.call_id, row.criterion): (
            row.parser_version,
            VerdictRecord(
                row.criterion,
                row.outcome,
                row.value,
                row.label,
                row.low,
                row.high,
                row.reason,
                json.loads(row.detail),
            ),
        )
        for row in rows
    }
    return Ledger(tuple(calls), readings)


def read_verdicts(study: Study, *, probe: str = "") -> list[StoredVerdict]:
    """``Ledger.verdicts`` of the ledger as it stands now."""
    return read_ledger(study).verdicts(probe)


def read_readings(study: Study) -> dict[int, dict[str, tuple[str, float | None, str | None]]]:
    """Call id -> criterion -> (outcome, value, label), each by the newest parser."""
    readings: dict[int, dict[str, tuple[str, float | None, str | None]]] = {}
    with study.reading() as connection:
        for row in connection.execute(
            select(tables.verdict).order_by(tables.verdict.c.parser_version)
        ):
            found = (row.outcome, row.value, row.label)
            readings.setdefault(row.call_id, {})[row.criterion] = found
    return readings


def log_judge_run(study: Study, payload: Mapping[str, Any]) -> None:
    """One line of the audit log for one run of the judge."""
    with study.writing() as connection:
        events.append(connection, study, "judge_run", "coordinator", payload)


# Neither database holds a half of a surrogate pair, and PostgreSQL no NUL.
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(text: str | None) -> str | None:
    """What an endpoint said, with U+FFFD for each character that no database can hold."""
    return None if text is None else _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _json(value: Any) -> str:
    # A NUL becomes six plain characters here; a half of a surrogate pair would stay what it is.
    return _storable(json.dumps(value, ensure_ascii=False, sort_keys=True)) or ""
