"""From a raw reply to a typed outcome for each criterion. Nothing is guessed and nothing dropped.

A reply is kept in the ledger in the form of an OpenAI chat completion, so that it can be read again
by a later version of this parser without asking again.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.judge.verdicts.reply_text import declines, read_json
from models.judge.wording.prompts import TIE, criterion_schema, probability_codes
from models.judge.wording.rubrics import Criterion
from study.store.judge.verdicts import Outcome, VerdictRecord

# 2: thoughts without an opening, fences of any layout, raw line breaks, refusals in four languages.
PARSER_VERSION = 2

# Below this share of probability on the scale's own tokens, their mean says nothing.
LEAST_MASS = 0.5

# The ledger's columns hold 32 bits on PostgreSQL.
LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True)
class JudgeReply:
    """What a chat completion says, as far as the judge needs it.

    Counts of tokens are None where ``usage_fault`` says what is wrong with them.
    """

    text: str
    refusal: str
    finish_reason: str
    top_tokens: tuple[tuple[str, float], ...] | None
    returned_model: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    usage_fault: str = ""


def read_reply(body: Any) -> JudgeReply | None:
    """The parts of a chat completion's body (text or parsed), or None when it is none."""
    try:
        if isinstance(body, str):
            body = json.loads(body.removeprefix("\ufeff"))
        choice = body["choices"][0]
        if body.get("error") or choice.get("error"):
            return None
        message = choice["message"]
        usage = body.get("usage")
        counts = usage if isinstance(usage, Mapping) else {}
        tokens = (choice.get("logprobs") or {}).get("content") or None
        model = body.get("model")
        return JudgeReply(
            text=_text(message.get("content")),
            refusal=str(message.get("refusal") or ""),
            finish_reason=str(choice.get("finish_reason") or ""),
            top_tokens=_top_tokens(tokens) if tokens else None,
            returned_model=model if isinstance(model, str) else None,
            prompt_tokens=_count(counts.get("prompt_tokens")),
            completion_tokens=_count(counts.get("completion_tokens")),
            usage_fault=_usage_fault(counts),
        )
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError):
        return None


def _text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, list):
        # Some endpoints give a text in parts.
        return "".join(str(part["text"]) for part in content if part.get("type") == "text")
    if not isinstance(content, str):
        raise TypeError("content is not text")
    return content


def _count(value: Any) -> int | None:
    """A count that the ledger can hold; what it may cost is judged elsewhere."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= LARGEST_COUNT else None


def _usage_fault(counts: Mapping[str, Any]) -> str:
    for name in ("prompt_tokens", "completion_tokens"):
        value = counts.get(name)
        if value is None:
            return "no usage"
        if _count(value) is None:
            return "a usage that is no count of tokens"
    return ""


def _top_tokens(tokens: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    """Token and log probability of every candidate for the first token that is not white space."""
    place = next((t for t in tokens if str(t["token"]).strip()), tokens[0])
    candidates = place.get("top_logprobs") or [place]
    return tuple((str(c["token"]), float(c["logprob"])) for c in candidates)


def judge_outcomes(
    reply: JudgeReply, criteria: Sequence[Criterion], letters: str, *, scoring: str
) -> list[VerdictRecord]:
    """One outcome for each criterion.

    Parameters
    ----------
    letters : str
        The letters under which the responses were shown, in order.
    scoring : {"stated", "probability"}
        How the request asked for the score; the one is never read in place of the other.
    """
    if reply.refusal or reply.finish_reason == "content_filter":
        said = reply.refusal or "the endpoint's content filter stopped the reply"
        return [_without(c, Outcome.REFUSED, said, reply.text) for c in criteria]
    if scoring == "probability":
        return [_by_probability(reply, criterion, letters) for criterion in criteria]
    if reply.finish_reason == "length":
        problem = "the reply reached judge.sampling.max_tokens"
        return [_without(c, Outcome.TRUNCATED, problem, reply.text) for c in criteria]
    return _by_statement(reply.text, criteria, letters)


def no_reply(criteria: Sequence[Criterion], outcome: Outcome, problem: str) -> list[VerdictRecord]:
    """The outcome of every criterion of a call that brought no reply."""
    return [_without(criterion, outcome, problem) for criterion in criteria]


def _without(criterion: Criterion, outcome: Outcome, problem: str, text: str = "") -> VerdictRecord:
    detail = {"problem": problem} | ({"text": text[:200]} if text else {})
    return VerdictRecord(
        criterion.id, outcome, low=criterion.low, high=criterion.high, detail=detail
    )


def _by_statement(text: str, criteria: Sequence[Criterion], letters: str) -> list[VerdictRecord]:
    try:
        value = read_json(text)
    except ValueError as error:
        if declines(text):
            return [_without(c, Outcome.REFUSED, "the reply declines", text) for c in criteria]
        said = str(error)
        problem = said if said.startswith("the reply is empty") else f"not one JSON object: {said}"
        return [_without(c, Outcome.UNPARSEABLE, problem, text) for c in criteria]
    if len(criteria) == 1:
        return [_one_criterion(value, criteria[0], letters, text)]
    if not isinstance(value, dict):
        problem = "expected an object with one part for each criterion"
        return [_without(c, Outcome.UNPARSEABLE, problem, text) for c in criteria]
    unknown = sorted(set(value) - {c.id for c in criteria})
    if unknown:
        problem = f"parts that were not asked for: {', '.join(unknown)[:160]}"
        return [_without(c, Outcome.UNPARSEABLE, problem, text) for c in criteria]
    return [_one_criterion(value.get(c.id), c, letters, text) for c in criteria]


@functools.lru_cache(maxsize=256)
def _validator(criterion: Criterion, letters: str) -> Any:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    return Draft202012Validator(criterion_schema(criterion, letters))


def _one_criterion(value: Any, criterion: Criterion, letters: str, text: str) -> VerdictRecord:
    if problem := _schema_fault(value, criterion, letters):
        return _without(criterion, Outcome.UNPARSEABLE, problem, text)
    detail: dict[str, Any] = {}
    if criterion.flag:
        flag, kinds = value[criterion.flag.id], value[f"{criterion.flag.id}_types"]
        if flag != bool(kinds):
            problem = f"{criterion.flag.id} is {json.dumps(flag)}, but its kinds are {kinds}"
            return _without(criterion, Outcome.UNPARSEABLE, problem, text)
        detail = {criterion.flag.id: flag, f"{criterion.flag.id}_types": sorted(set(kinds))}
    result = value["choice" if criterion.kind == "comparison" else "score"]
    reason = str(value["reason"])
    if result is None:
        return VerdictRecord(
            criterion.id,
            Outcome.ABSTAINED,
            low=criterion.low,
            high=criterion.high,
            reason=reason,
            detail=detail,
        )
    return _scored(criterion, result, reason, detail)


def _schema_fault(value: Any, criterion: Criterion, letters: str) -> str:
    """The first way in which a part of a reply differs from its schema; empty when none."""
    try:
        faults = sorted(
            _validator(criterion, letters).iter_errors(value),
            key=lambda e: [str(p) for p in e.absolute_path],
        )
        if not faults:
            return ""
        where = ".".join(str(part) for part in faults[0].absolute_path) or "the object"
        return f"{where}: {faults[0].message[:160]}"
    except RecursionError:
        # Python's JSON reader follows brackets a little deeper than the schema and `repr` do.
        return "brackets within brackets, too deep to read"


def _scored(
    criterion: Criterion, result: float | str, reason: str, detail: dict[str, Any]
) -> VerdictRecord:
    label = str(result) if isinstance(result, str) else None
    return VerdictRecord(
        criterion.id,
        Outcome.SCORED,
        value=None if label is not None else float(result),
        label=label,
        low=criterion.low,
        high=criterion.high,
        reason=reason,
        detail=detail,
    )


def _by_probability(reply: JudgeReply, criterion: Criterion, letters: str) -> VerdictRecord:
    r"""Mean of the scale under the probabilities of its own tokens.

    With :math:`p_k` the summed probability of the first tokens that read as the code of point
    :math:`v_k`, the score is :math:`\sum p_k v_k / \sum p_k` [1]_. A token outside the candidates
    that the endpoint reports counts as 0. The mass :math:`\sum p_k` is kept beside the score; below
    ``LEAST_MASS`` there is no score.

    References
    ----------
    .. [1] Y. Liu and others (2023), G-Eval: NLG evaluation using GPT-4 with better human alignment,
       EMNLP.
    """
    if reply.top_tokens is None:
        problem = "the endpoint gave no log probabilities; use judge.scoring: stated"
        return _without(criterion, Outcome.ENDPOINT_FAILURE, problem, reply.text)
    codes = probability_codes(criterion, letters)
    mass = dict.fromkeys(codes, 0.0)
    for token, logprob in reply.top_tokens:
        if token.strip() in mass and not math.isnan(logprob):
            mass[token.strip()] += math.exp(min(logprob, 0.0))
    total = sum(mass.values())
    if total < LEAST_MASS:
        problem = f"only {total:.3f} of the probability lies on the scale's own tokens"
        return _without(criterion, Outcome.UNPARSEABLE, problem, reply.text)
    shares = {code: part / total for code, part in mass.items()}
    detail = {"mass": round(total, 6), "probabilities": {c: round(p, 6) for c, p in shares.items()}}
    if criterion.kind == "comparison":
        best = max(shares, key=lambda code: shares[code])
        return _scored(criterion, TIE if codes[best] == TIE else best, "", detail)
    mean = sum(share * float(codes[code]) for code, share in shares.items())
    return _scored(criterion, mean, "", detail)
