"""How a call ended: its raw reply, its cost and the typed outcome of each criterion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.judge.asking.calls import RawReply
from models.judge.asking.limits import cost_of
from models.judge.verdicts.parsing import (
    PARSER_VERSION,
    JudgeReply,
    judge_outcomes,
    no_reply,
    read_reply,
)
from models.judge.wording.plan import JudgeCall
from models.judge.wording.rubrics import Criterion
from study.protocol.judge import Judge
from study.store.judge.verdicts import (
    CallResult,
    LedgerCall,
    Outcome,
    VerdictRecord,
    read_calls,
    read_readings,
    record_reading,
)
from study.store.study import Study

# Begins the name under which the scripted judge answers, so that its verdicts are always marked.
SCRIPTED_MODEL = "evenhand-scripted-judge"


def call_result(judge: Judge, call: JudgeCall, call_id: int, answer: RawReply) -> CallResult:
    """What goes into the ledger when a call has ended."""
    planned = call.planned
    reply = read_reply(answer.reply["body"]) if answer.reply is not None else None
    usage = counted_usage(call, reply) if reply else None
    tokens = usage.tokens if usage else None
    cost, is_bound = _cost(judge, call, answer, usage)
    returned = reply.returned_model if reply else None
    return CallResult(
        call_id=call_id,
        reply=answer.reply,
        failure=answer.failure,
        returned_model=returned,
        prompt_tokens=tokens[0] if tokens else None,
        completion_tokens=tokens[1] if tokens else None,
        cost=cost,
        cost_is_bound=is_bound,
        latency_s=round(answer.latency_s, 6),
        attempts=answer.attempts,
        simulated=planned.simulated or (returned or "").startswith(SCRIPTED_MODEL),
        parser_version=PARSER_VERSION,
        verdicts=read_safely(call.criteria, call.letters, planned.scoring, answer),
        usage_fault=usage.fault if usage else "",
    )


@dataclass(frozen=True)
class CountedUsage:
    """The tokens of a reply, or why what the endpoint says of them cannot be.

    Attributes
    ----------
    tokens : tuple of int or None
        Prompt and completion; None when ``fault`` says what is wrong.
    fault : str
        Empty when nothing is.
    """

    tokens: tuple[int, int] | None
    fault: str = ""


def counted_usage(call: JudgeCall, reply: JudgeReply) -> CountedUsage:
    """What a reply took, as far as it can be believed.

    No request takes more tokens than it has bytes, no reply more than it was allowed, and none of
    them takes nothing.
    """
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return CountedUsage(None, reply.usage_fault or "no usage")
    if not reply.prompt_tokens or not reply.completion_tokens:
        return CountedUsage(None, "a usage of 0 tokens")
    if (
        reply.prompt_tokens > call.prompt_tokens_at_most
        or reply.completion_tokens > call.completion_tokens_at_most
    ):
        return CountedUsage(None, "a usage of more tokens than the call can take")
    return CountedUsage((reply.prompt_tokens, reply.completion_tokens))


def _cost(
    judge: Judge, call: JudgeCall, answer: RawReply, usage: CountedUsage | None
) -> tuple[float | None, bool]:
    """What the attempts cost that the ledger does not know of yet, and whether that is a bound."""
    at_most = call.planned.cost_at_most
    if at_most is None:
        return None, False
    cost, is_bound = answer.in_doubt * at_most, answer.in_doubt > 0
    if answer.reply is not None:
        counted = cost_of(judge.price, *usage.tokens) if usage and usage.tokens else None
        cost, is_bound = cost + (at_most if counted is None else counted), counted is None
    return cost, is_bound or answer.in_doubt > 0


def read_safely(
    criteria: Sequence[Criterion], letters: str, scoring: str, answer: RawReply
) -> list[VerdictRecord]:
    """As :func:`read_verdict`, but a reply on which the parser itself fails is unparseable.

    One reply must never end a run that has paid for others; the raw text stays in the ledger for a
    later parser.
    """
    try:
        return read_verdict(criteria, letters, scoring, answer)
    except Exception as error:  # noqa: BLE001 (whatever a reply makes the parser raise)
        problem = f"the parser failed on this reply ({type(error).__name__})"
        return no_reply(criteria, Outcome.UNPARSEABLE, problem)


def read_verdict(
    criteria: Sequence[Criterion], letters: str, scoring: str, answer: RawReply
) -> list[VerdictRecord]:
    """The typed outcome of every criterion of a call."""
    if answer.reply is None:
        failure = answer.failure or {"kind": "no answer", "message": "no answer"}
        broken = failure["kind"] == "broken off"
        outcome = Outcome.TRUNCATED if broken else Outcome.ENDPOINT_FAILURE
        return no_reply(criteria, outcome, str(failure["message"]))
    reply = read_reply(answer.reply["body"])
    if reply is None:
        problem = "the endpoint's answer is no chat completion"
        return no_reply(criteria, Outcome.ENDPOINT_FAILURE, problem)
    return judge_outcomes(reply, criteria, letters, scoring=scoring)


def reparse(study: Study) -> dict[str, int]:
    """Read every raw reply of the ledger again with the present parser; nothing is asked.

    Returns
    -------
    dict
        ``read``: replies read; ``changed``: criteria whose outcome, value or label is new.
    """
    before = read_readings(study)
    read = changed = 0
    for call in read_calls(study):
        if call.state != "answered":
            continue
        read += 1
        verdicts = _read_again(call)
        old = before.get(call.id, {})
        new = {v.criterion: (str(v.outcome), v.value, v.label) for v in verdicts}
        changed += sum(old.get(criterion) != reading for criterion, reading in new.items())
        if new != old:
            record_reading(study, call.id, PARSER_VERSION, verdicts)
    return {"read": read, "changed": changed}


def _read_again(call: LedgerCall) -> list[VerdictRecord]:
    criteria = [Criterion.model_validate(fields) for fields in call.plan["criteria"]]
    answer = RawReply(dict(call.reply or {}), None, call.attempts, 0, call.latency_s or 0.0)
    return read_safely(criteria, call.plan["letters"], call.scoring, answer)
