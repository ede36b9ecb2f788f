"""Sending one request to an endpoint, once: the official client, and how an attempt can fail."""

from __future__ import annotations

import contextlib
import email.utils
import math
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from models.backends.openai_backend import forget_ambient_settings
from study.errors import ModelError
from study.installation import install_command
from study.protocol.judge import Judge

POOL_SIZE = 8

# Sends a request with its idempotency key and gives the body of a successful answer.
Send = Callable[[Mapping[str, Any], str], Awaitable[str]]


@dataclass(frozen=True)
class Failure:
    """How one attempt failed.

    Attributes
    ----------
    kind, message : str
        See :class:`models.judge.calls.Answer`.
    status : int or None
        Of the endpoint's answer.
    again : bool
        Whether another attempt may fare better.
    in_doubt : bool
        Whether it may have been charged although no answer was read.
    wait_s : float or None
        Seconds that the endpoint asked to wait.
    """

    kind: str
    message: str
    status: int | None = None
    again: bool = False
    in_doubt: bool = False
    wait_s: float | None = None

    def plain(self) -> dict[str, Any]:
        """As the ledger holds it."""
        status = {} if self.status is None else {"status": self.status}
        return {"kind": self.kind, "message": self.message[:500], **status}


class AttemptFailed(Exception):  # noqa: N818 (how an attempt ended; the retries read it)
    """Carries a :class:`Failure` to who decides on another attempt."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Sender(Protocol):
    """Sends requests from this process or from others."""

    def turn(self) -> AbstractAsyncContextManager[Send]:
        """Wait for a free place to send from, and hold it until the block ends.

        Within the block ``Send`` raises AttemptFailed when there is no answer, and ModelError when
        no other request would fare better.
        """

    async def close(self) -> None:
        """Give connections back."""


class LocalSender:
    """Sends from this process.

    Raises
    ------
    ModelError
        When the client is not installed, the address is not one, or the key is not set.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        # A pool looks at all of its connections for every request, so many small ones are faster.
        pools = math.ceil(judge.concurrency / POOL_SIZE)
        known = certificates()
        self._clients = [open_client(judge, known) for _ in range(pools)]
        self._free = deque(self._clients * POOL_SIZE)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Send]:
        """There is a place for each call at the same time (see :class:`Sender`)."""
        yield self._send

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.close()

    async def _send(self, request: Mapping[str, Any], idempotency_key: str) -> str:
        client = self._free.popleft()
        try:
            response = await client.post(**post_arguments(request, idempotency_key))
            return str(response.text)
        except Exception as error:
            failure = failure_of(error, self._judge)
            if failure is None:
                raise
            raise AttemptFailed(failure) from error
        finally:
            self._free.append(client)


def post_arguments(request: Mapping[str, Any], idempotency_key: str) -> dict[str, Any]:
    """What the client's ``post`` is called with.

    The typed method would walk through the whole request before it sends it as it is.
    """
    import httpx2

    return {
        "path": "/chat/completions",
        "body": dict(request),
        "cast_to": httpx2.Response,
        "options": {"headers": {"Idempotency-Key": idempotency_key}},
    }


def failure_of(error: Exception, judge: Judge) -> Failure | None:
    """How an attempt failed, by what the client raised; None when that is no failure of the endpoint.

    Raises
    ------
    ModelError
        When the endpoint refuses the key, the address or the model: no other request would
        fare better.
    """
    import httpx2
    import openai

    if isinstance(error, openai.APITimeoutError):
        # A connection that never came about cannot have been charged.
        silent = not isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout)
        message = f"no answer within {judge.timeout_s:g} s"
        return Failure("silent", message, again=True, in_doubt=silent)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        if isinstance(cause, httpx2.ConnectError):
            return Failure("no connection", f"no connection: {cause}", again=True)
        return Failure("broken off", f"broken off: {cause}", again=True, in_doubt=True)
    if isinstance(error, httpx2.TimeoutException):
        message = f"the reply stopped for {judge.timeout_s:g} s"
        return Failure("broken off", message, again=True, in_doubt=True)
    if isinstance(error, httpx2.TransportError):
        # The body is read after the client has given the response out.
        return Failure("broken off", f"broken off: {error}", again=True, in_doubt=True)
    if isinstance(error, openai.APIStatusError):
        return _by_status(judge, error.status_code, _said(error), error.response.headers)
    return None


def _by_status(judge: Judge, status: int, said: str, headers: Mapping[str, str]) -> Failure:
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
        return Failure("status", message, status=status, again=False)
    wait = retry_after(headers, time.time())
    if wait is not None and wait > judge.longest_wait_s:
        message += (
            f"; it asks to wait {wait:.0f} s, longer than judge.longest_wait_s "
            f"({judge.longest_wait_s:g} s)"
        )
        return Failure("refused wait", message, status=status, again=False)
    return Failure("status", message, status=status, again=True, wait_s=wait)


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
            f"The judge needs the package 'openai'. Install it with: {install_command('models')}"
        ) from error
    context: ssl.SSLContext = httpx2.create_ssl_context()
    return context


def open_client(judge: Judge, known: ssl.SSLContext, *, asynchronous: bool = True) -> Any:
    """The official client: no settings from the environment, no redirects, no retries.

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
    kind: Any = openai.AsyncOpenAI if asynchronous else openai.OpenAI
    http: Any = openai.DefaultAsyncHttpxClient if asynchronous else openai.DefaultHttpxClient
    client = kind(
        api_key=_key_of(judge) or "none",
        base_url=judge.endpoint,
        timeout=timeout,
        max_retries=0,
        http_client=http(follow_redirects=False, timeout=timeout, limits=limits, verify=known),
    )
    forget_ambient_settings(client)
    return client


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
