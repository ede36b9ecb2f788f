"""One call of the judge: bounded retries within the limits, and no fallback."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from models.endpoint.failures import AttemptFailed, Failure, retry_rules
from models.judge.asking.limits import RateLimits
from models.judge.asking.sending import Sender
from study.errors import ModelError
from study.protocol.endpoint_address import request_settings
from study.protocol.judge import Judge


@dataclass(frozen=True)
class RawReply:
    """How one request to the judge ended: with a reply as it came, or with what went wrong.

    Attributes
    ----------
    reply : dict or None
        ``{"body": text}`` as it came, when the endpoint answered with a success.
    failure : dict or None
        ``kind``, ``message`` and, for a status, ``status``, as in
        :class:`models.endpoint.failures.Failure`.
    attempts : int
        Requests that were sent and that the ledger does not know of yet.
    in_doubt : int
        Of those, the ones that ended without an answer and may still have been charged.
    latency_s : float
        Of the last attempt.
    ends_run : str
        Why no other request would fare better; empty when one might.
    """

    reply: dict[str, Any] | None
    failure: dict[str, Any] | None
    attempts: int
    in_doubt: int
    latency_s: float
    ends_run: str = ""


# Whether a request may be sent once more although its last attempt may have been charged; notes that
# attempt in the ledger first.
AskAgain = Callable[[], Awaitable[bool]]


class Asker(Protocol):
    """What answers the judge's requests: an endpoint, or a model on this machine."""

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        idempotency_key: str,
        tokens: int,
        again: AskAgain | None = None,
    ) -> RawReply:
        """Answer one request; ``tokens`` is the most that it can take.

        ``again`` is asked before each attempt that follows one that may have been charged.
        """

    async def close(self) -> None:
        """Give connections or memory back."""


@dataclass
class _Attempts:
    """Those of one request that the ledger does not know of yet."""

    again: AskAgain | None
    number: int = 0
    in_doubt: int = 0
    latency_s: float = 0.0
    last: Failure | None = None

    async def note(self) -> None:
        """Have the last attempt counted before another one goes out.

        Raises
        ------
        AttemptFailed
            With the last failure, when the cap on the cost leaves no room for another attempt.
        """
        if not self.in_doubt or self.last is None or self.again is None:
            return
        if not await self.again():
            message = f"{self.last.message} (not asked again: the cap on the cost could be passed)"
            raise AttemptFailed(dataclasses.replace(self.last, message=message, again=False))
        self.number -= self.in_doubt
        self.in_doubt = 0


class EndpointAsker:
    """Asks an OpenAI-compatible endpoint.

    Each request carries an ``Idempotency-Key``; an endpoint that knows such keys gives the same
    answer to the same key and charges it once. Limits, pauses and retries are decided here, so they
    hold over all places that the sender sends from.

    Parameters
    ----------
    judge : Judge
    limits : RateLimits
    sender : Sender
    """

    def __init__(self, judge: Judge, limits: RateLimits, sender: Sender) -> None:
        self._judge = judge
        self._limits = limits
        self._sender = sender
        self._has_answered = False

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        idempotency_key: str,
        tokens: int,
        again: AskAgain | None = None,
    ) -> RawReply:
        """Answer one request (see :class:`Asker`)."""
        import tenacity

        attempts = _Attempts(again)
        retrying = tenacity.AsyncRetrying(**retry_rules(self._judge.retries))
        reply: dict[str, Any] | None = None
        failure = None
        ends_run = ""
        try:
            reply = {
                "body": await retrying(self._attempt, request, idempotency_key, tokens, attempts)
            }
            self._has_answered = True
        except AttemptFailed as failed:
            failure = failed.failure.plain()
            # After an answer it is this request that was refused, and not the key or the model.
            if failed.failure.ends_run and not self._has_answered:
                ends_run = failed.failure.sentence(self._judge.model, self._judge.endpoint)
        except ModelError as error:
            ends_run = str(error)
            failure = {"kind": "refused", "message": ends_run}
        return RawReply(
            reply, failure, attempts.number, attempts.in_doubt, attempts.latency_s, ends_run
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    async def _attempt(
        self,
        request: Mapping[str, Any],
        idempotency_key: str,
        tokens: int,
        attempts: _Attempts,
    ) -> str:
        # First the place, then the limits: a request that was let through must not wait any more.
        async with self._sender.turn() as send:
            await self._limits.admit(tokens)
            await attempts.note()
            attempts.number += 1
            started = time.perf_counter()
            try:
                return await send(request, idempotency_key)
            except AttemptFailed as failed:
                attempts.in_doubt += failed.failure.in_doubt
                attempts.last = failed.failure
                if failed.failure.wait_s is not None:
                    self._limits.pause(failed.failure.wait_s)
                raise
            finally:
                attempts.latency_s = time.perf_counter() - started


def chat_request(
    judge: Judge,
    messages: tuple[dict[str, str], ...],
    schema: Mapping[str, Any] | None,
    *,
    seed: int,
) -> dict[str, Any]:
    """The body of a chat request, without credentials."""
    sampling = {
        "temperature": judge.sampling.temperature,
        "top_p": judge.sampling.top_p,
        "seed": seed,
    }
    request: dict[str, Any] = {
        "model": judge.model,
        "messages": [dict(message) for message in messages],
        **request_settings(
            sampling,
            judge.sampling.max_tokens,
            length_parameter=judge.length_parameter,
            leave_out=judge.leave_out,
        ),
    }
    if judge.scoring == "probability":
        return request | {judge.length_parameter: 1, "logprobs": True, "top_logprobs": 20}
    if schema is not None and judge.structured_output:
        described = {"name": "verdict", "strict": True, "schema": json.loads(json.dumps(schema))}
        request["response_format"] = {"type": "json_schema", "json_schema": described}
    return request
