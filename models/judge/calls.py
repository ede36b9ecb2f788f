"""One request to an endpoint through the official client, with bounded retries and no fallback."""

from __future__ import annotations

import email.utils
import json
import math
import os
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from models.backends.model_files import INSTALL_COMMAND
from models.backends.openai_backend import _without_ambient_settings
from models.judge.limits import RateLimits
from study.errors import ModelError
from study.protocol.schema import Judge

if TYPE_CHECKING:
    import tenacity

LONGEST_BACKOFF_S = 30.0
POOL_SIZE = 8


@dataclass(frozen=True)
class Answer:
    """How one request ended.

    Attributes
    ----------
    reply : dict or None
        ``{"body": text}`` as it came, when the endpoint answered with a success.
    failure : dict or None
        ``kind`` (``status``, ``no connection``, ``silent``, ``broken off``, ``refused wait``),
        ``message`` and, for a status, ``status``.
    attempts : int
        Requests that were sent, at least 1.
    in_doubt : int
        Requests that ended without an answer and may still have been charged.
    latency_s : float
        Of the last attempt.
    """

    reply: dict[str, Any] | None
    failure: dict[str, Any] | None
    attempts: int
    in_doubt: int
    latency_s: float


class Asker(Protocol):
    """What answers the judge's requests: an endpoint, or a model on this machine."""

    async def ask(self, request: Mapping[str, Any], *, idempotency_key: str, tokens: int) -> Answer:
        """Answer one request; ``tokens`` is the most that it can take."""

    async def close(self) -> None:
        """Give connections or memory back."""


class _Failed(Exception):  # noqa: N818 (how an attempt ended; never leaves this file)
    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        again: bool,
        in_doubt: bool = False,
        wait_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind, self.status, self.again = kind, status, again
        self.in_doubt, self.wait_s = in_doubt, wait_s

    def plain(self) -> dict[str, Any]:
        status = {} if self.status is None else {"status": self.status}
        return {"kind": self.kind, "message": str(self)[:500], **status}


@dataclass
class _Attempts:
    number: int = 0
    in_doubt: int = 0
    latency_s: float = 0.0
    last: dict[str, Any] = field(default_factory=dict)


class EndpointAsker:
    """Asks an OpenAI-compatible endpoint.

    Each request carries an ``Idempotency-Key``; an endpoint that knows such keys gives the same
    answer to the same key and charges it once.

    Parameters
    ----------
    judge : Judge
    limits : RateLimits

    Raises
    ------
    ModelError
        When the client is not installed, the address is not one, or the key is not set.
    """

    def __init__(self, judge: Judge, limits: RateLimits) -> None:
        self._judge = judge
        self._limits = limits
        # A pool looks at all of its connections for every request, so many small ones are faster.
        pools = math.ceil(judge.concurrency / POOL_SIZE)
        known = certificates()
        self._clients = [open_client(judge, known) for _ in range(pools)]
        self._free = deque(self._clients * POOL_SIZE)

    async def ask(self, request: Mapping[str, Any], *, idempotency_key: str, tokens: int) -> Answer:
        """Answer one request (see :class:`Asker`).

        Raises
        ------
        ModelError
            When the endpoint refuses the key, the address or the model: no other request would
            fare better.
        """
        import tenacity

        attempts = _Attempts()
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self._judge.retries + 1),
            wait=self._wait(),
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, _Failed) and e.again),
            reraise=True,
        )
        try:
            reply: dict[str, Any] = await retrying(
                self._attempt, request, idempotency_key, tokens, attempts
            )
        except _Failed as failed:
            return Answer(
                None, failed.plain(), attempts.number, attempts.in_doubt, attempts.latency_s
            )
        return Answer(reply, None, attempts.number, attempts.in_doubt, attempts.latency_s)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.close()

    def _wait(self) -> Callable[[tenacity.RetryCallState], float]:
        import tenacity

        backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_BACKOFF_S)

        def wait(state: tenacity.RetryCallState) -> float:
            failed = state.outcome.exception() if state.outcome else None
            asked = failed.wait_s if isinstance(failed, _Failed) else None
            return asked if asked is not None else float(backoff(state))

        return wait

    async def _attempt(
        self,
        request: Mapping[str, Any],
        idempotency_key: str,
        tokens: int,
        attempts: _Attempts,
    ) -> dict[str, Any]:
        import httpx2

        await self._limits.admit(tokens)
        attempts.number += 1
        client = self._free.popleft()
        started = time.perf_counter()
        try:
            # The typed method would walk through the whole request before it sends it as it is.
            response = await client.post(
                "/chat/completions",
                body=dict(request),
                cast_to=httpx2.Response,
                options={"headers": {"Idempotency-Key": idempotency_key}},
            )
            return {"body": response.text}
        except Exception as error:
            failed = self._failure(error)
            if failed is None:
                raise
            attempts.in_doubt += failed.in_doubt
            raise failed from error
        finally:
            self._free.append(client)
            attempts.latency_s = time.perf_counter() - started

    def _failure(self, error: Exception) -> _Failed | None:
        import httpx2
        import openai

        if isinstance(error, openai.APITimeoutError):
            # A connection that never came about cannot have been charged.
            silent = not isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout)
            message = f"no answer within {self._judge.timeout_s:g} s"
            return _Failed("silent", message, again=True, in_doubt=silent)
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            if isinstance(cause, httpx2.ConnectError):
                return _Failed("no connection", f"no connection: {cause}", again=True)
            return _Failed("broken off", f"broken off: {cause}", again=True, in_doubt=True)
        if isinstance(error, httpx2.TimeoutException):
            message = f"the reply stopped for {self._judge.timeout_s:g} s"
            return _Failed("broken off", message, again=True, in_doubt=True)
        if isinstance(error, httpx2.TransportError):
            # The body is read after the client has given the response out.
            return _Failed("broken off", f"broken off: {error}", again=True, in_doubt=True)
        if isinstance(error, openai.APIStatusError):
            return self._by_status(error.status_code, _said(error), error.response.headers)
        return None

    def _by_status(self, status: int, said: str, headers: Mapping[str, str]) -> _Failed:
        judge = self._judge
        if status in (401, 403):
            raise ModelError(
                f"The judge's endpoint {judge.endpoint} refused the key (status {status}: {said}). "
                f"Set {judge.api_key_variable or 'judge.api_key_variable'} to a valid key."
            )
        if status == 404:
            raise ModelError(
                f"The judge's endpoint {judge.endpoint} does not know the address or the model "
                f"{judge.model!r} (status 404: {said}). Correct judge.endpoint or judge.model."
            )
        message = f"status {status}: {said}"
        if status not in (408, 409, 429) and status < 500:
            return _Failed("status", message, status=status, again=False)
        wait = retry_after(headers, time.time())
        if wait is not None and wait > judge.longest_wait_s:
            message += (
                f"; it asks to wait {wait:.0f} s, longer than judge.longest_wait_s "
                f"({judge.longest_wait_s:g} s)"
            )
            return _Failed("refused wait", message, status=status, again=False)
        if wait is not None:
            self._limits.pause(wait)
        return _Failed("status", message, status=status, again=True, wait_s=wait)


def _said(error: Any) -> str:
    said = error.body.get("message") if isinstance(error.body, dict) else None
    lines = str(said or error.message).strip().splitlines()
    return lines[0][:300] if lines else "no message"


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that ``Retry-After`` asks to wait (a number or an HTTP date), or None."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None


def certificates() -> ssl.SSLContext:
    """The known certificates, read once for all clients."""
    try:
        import httpx2
    except ImportError as error:
        raise ModelError(
            f"The judge needs the package 'openai'. Install it with: {INSTALL_COMMAND}"
        ) from error
    context: ssl.SSLContext = httpx2.create_ssl_context()
    return context


def open_client(judge: Judge, known: ssl.SSLContext) -> Any:
    """The official asynchronous client: no settings from the environment, no redirects, no retries.

    Retries are ours, so that the ledger knows of each.
    """
    import httpx2
    import openai

    parts = urlsplit(judge.endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelError(
            f"judge.endpoint is {judge.endpoint!r}; expected an address such as "
            "http://127.0.0.1:8000/v1."
        )
    timeout = openai.Timeout(judge.timeout_s, connect=min(10.0, judge.timeout_s), pool=None)
    limits = httpx2.Limits(max_connections=POOL_SIZE, max_keepalive_connections=POOL_SIZE)
    with _without_ambient_settings():
        return openai.AsyncOpenAI(
            api_key=_key_of(judge) or "none",
            base_url=judge.endpoint,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False, timeout=timeout, limits=limits, verify=known
            ),
        )


def _key_of(judge: Judge) -> str | None:
    if not judge.api_key_variable:
        return None
    key = os.environ.get(judge.api_key_variable, "").strip()
    if not key:
        raise ModelError(
            f"The environment variable {judge.api_key_variable} is not set; expected the key of "
            f"{judge.endpoint}. Set it in the shell that runs `evenhand judge`, or remove "
            "judge.api_key_variable when the endpoint needs no key."
        )
    return key


def endpoint_name(judge: Judge) -> str:
    """The address without user name, password and query, which can hold secrets."""
    parts = urlsplit(judge.endpoint)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}".rstrip("/")


def chat_request(
    judge: Judge,
    messages: tuple[dict[str, str], ...],
    schema: Mapping[str, Any] | None,
    *,
    seed: int,
) -> dict[str, Any]:
    """The body of a chat request, without credentials."""
    request: dict[str, Any] = {
        "model": judge.model,
        "messages": [dict(message) for message in messages],
        "temperature": judge.sampling.temperature,
        "top_p": judge.sampling.top_p,
        "seed": seed,
        "max_tokens": judge.sampling.max_tokens,
    }
    if judge.scoring == "probability":
        return request | {"max_tokens": 1, "logprobs": True, "top_logprobs": 20}
    if schema is not None and judge.structured_output:
        described = {"name": "verdict", "strict": True, "schema": json.loads(json.dumps(schema))}
        request["response_format"] = {"type": "json_schema", "json_schema": described}
    return request
