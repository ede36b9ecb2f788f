"""Sending one request to an endpoint, once: the official client, and how an attempt can fail."""

from __future__ import annotations

import asyncio
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
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from models.backends.endpoint_words import words_of_endpoint
from models.backends.openai_backend import forget_ambient_settings
from models.judge.verdicts.parsing import read_reply
from study.errors import ModelError
from study.installation import install_command
from study.protocol.endpoint_address import proxy_fault, proxy_hint
from study.protocol.judge import Judge

if TYPE_CHECKING:
    import openai

POOL_SIZE = 8

# Characters of an answer without a chat completion that the ledger keeps.
KEPT_BODY = 2000

# Sends a request with its idempotency key and gives the body of a successful answer.
Send = Callable[[Mapping[str, Any], str], Awaitable[str]]


@dataclass(frozen=True)
class Failure:
    """How one attempt failed.

    Attributes
    ----------
    kind, message : str
        See :class:`models.judge.asking.calls.Answer`.
    status : int or None
        Of the endpoint's answer.
    again : bool
        Whether another attempt may fare better.
    in_doubt : bool
        Whether it may have been charged although no answer was read.
    wait_s : float or None
        Seconds that the endpoint asked to wait.
    body : str
        How the answer began that was no chat completion.
    ends_run : bool
        Whether no other request would fare better, unless one has before.
    """

    kind: str
    message: str
    status: int | None = None
    again: bool = False
    in_doubt: bool = False
    wait_s: float | None = None
    body: str = ""
    ends_run: bool = False

    def plain(self) -> dict[str, Any]:
        """As the ledger holds it."""
        status = {} if self.status is None else {"status": self.status}
        body = {"body": self.body} if self.body else {}
        return {"kind": self.kind, "message": self.message[:500], **status, **body}


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
            # The client's own limit is on silence: an answer that trickles in would never end.
            async with asyncio.timeout(longest_call_s(self._judge)):
                response = await client.post(**post_arguments(request, idempotency_key))
            return completion_of(response.content)
        except AttemptFailed:
            raise
        except Exception as error:
            raise AttemptFailed(failure_of(error, self._judge)) from error
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


def longest_call_s(judge: Judge) -> float:
    """Seconds that one request may take in all."""
    return 5 * judge.timeout_s if judge.longest_call_s is None else judge.longest_call_s


def completion_of(content: bytes) -> str:
    """The text of an answer with a chat completion.

    Raises
    ------
    AttemptFailed
        When it is none: an error with a good status, a page of a proxy, a body that was cut off. The
        endpoint may have charged for it, and another attempt may fare better, as after a 502.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = content.decode("utf-8", "backslashreplace")
        said = f"it is not UTF-8 (byte 0x{content[error.start]:02x} at {error.start})"
    else:
        if read_reply(text) is not None:
            return text
        said = words_of_endpoint(text)
    raise AttemptFailed(
        Failure(
            "no completion",
            f"the endpoint's answer is no chat completion: {said}",
            again=True,
            in_doubt=True,
            body=text[:KEPT_BODY],
        )
    )


def failure_of(error: Exception, judge: Judge) -> Failure:
    """How an attempt failed, by what the client raised."""
    import httpx2
    import openai

    from models.backends.bounded_transport import BodyTooLong

    if isinstance(error, openai.APIStatusError):
        return _by_status(judge, error.status_code, _said(error, judge), error.response.headers)
    # The client wraps what the connection raises; the body may also be read after it gave it out.
    cause = (error.__cause__ or error) if isinstance(error, openai.APIConnectionError) else error
    if isinstance(cause, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        # A connection that never came about cannot have been charged.
        return Failure("silent", f"no answer within {judge.timeout_s:g} s", again=True)
    if isinstance(cause, httpx2.TimeoutException):
        message = f"the endpoint was silent for {judge.timeout_s:g} s"
        return Failure("silent", message, again=True, in_doubt=True)
    if isinstance(cause, TimeoutError):
        message = f"the answer was not complete after {longest_call_s(judge):g} s"
        return Failure("too slow", message, again=True, in_doubt=True)
    if isinstance(cause, BodyTooLong):
        message = f"{cause}, so it was cut off unread"
        return Failure("too long", message, again=False, in_doubt=True)
    if isinstance(cause, httpx2.ConnectError | httpx2.ProxyError):
        hint = proxy_hint(judge.endpoint, field="judge.proxy")
        return Failure("no connection", f"no connection: {cause}.{hint}".rstrip("."), again=True)
    if isinstance(cause, httpx2.HTTPError | OSError | openai.OpenAIError):
        return Failure("broken off", f"broken off: {cause}", again=True, in_doubt=True)
    # Whatever an answer makes the client raise, such as a charset that is none.
    message = f"the answer cannot be read ({type(cause).__name__}: {cause})"
    return Failure("unreadable", message, again=True, in_doubt=True)


def _by_status(judge: Judge, status: int, said: str, headers: Mapping[str, str]) -> Failure:
    if status in (401, 403):
        refusal = (
            f"The judge's endpoint {judge.endpoint} refused the key (status {status}: {said}). "
            f"Set {judge.api_key_variable or 'judge.api_key_variable'} to a valid key."
        )
        return Failure("refused", refusal, status=status, ends_run=True)
    if status == 404:
        refusal = (
            f"The judge's endpoint {judge.endpoint} does not know the address or the model "
            f"{judge.model!r} (status 404: {said}). Correct judge.endpoint or judge.model."
        )
        return Failure("refused", refusal, status=status, ends_run=True)
    message = f"status {status}: {said}"
    # Behind a gateway that gave up, the model may have written its reply to the end.
    in_doubt = status >= 500 or status == 408
    if status not in (408, 409, 429) and status < 500:
        return Failure("status", message, status=status, again=False)
    wait = retry_after(headers, time.time())
    if wait is not None and wait > judge.longest_wait_s:
        message += (
            f"; it asks to wait {wait:.0f} s, longer than judge.longest_wait_s "
            f"({judge.longest_wait_s:g} s)"
        )
        return Failure("refused wait", message, status=status, in_doubt=in_doubt)
    return Failure("status", message, status=status, again=True, in_doubt=in_doubt, wait_s=wait)


def _said(error: Any, judge: Judge) -> str:
    said = words_of_endpoint(error.response.content)
    key = os.environ.get(judge.api_key_variable, "").strip() if judge.api_key_variable else ""
    # Some endpoints repeat the key that they refuse.
    return said.replace(key, "(the key)") if key else said


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
        except (ValueError, TypeError, OverflowError, OSError):
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


def open_client(
    judge: Judge, known: ssl.SSLContext, *, longest_body: int | None = None
) -> openai.AsyncOpenAI:
    """The official client: no settings from the environment, no redirects, no retries.

    Retries are ours, so that the ledger knows of each. A proxy is used where the protocol names one.

    Parameters
    ----------
    longest_body : int, optional
        Bytes of an answer that are read; `LONGEST_BODY` by default.
    """
    import httpx2
    import openai

    from models.backends.bounded_transport import LONGEST_BODY, AsyncBoundedTransport

    parts = urlsplit(judge.endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelError(
            f"judge.endpoint is {judge.endpoint!r}; expected an address such as "
            "http://127.0.0.1:8000/v1."
        )
    if fault := proxy_fault(judge.proxy, judge.endpoint, field="judge.proxy", resolve=True):
        raise ModelError(fault)
    timeout = openai.Timeout(judge.timeout_s, connect=min(10.0, judge.timeout_s), pool=None)
    limits = httpx2.Limits(max_connections=POOL_SIZE, max_keepalive_connections=POOL_SIZE)
    transport = AsyncBoundedTransport(
        longest_body=longest_body or LONGEST_BODY,
        verify=known,
        limits=limits,
        proxy=judge.proxy or None,
    )
    client = openai.AsyncOpenAI(
        api_key=_key_of(judge) or "none",
        base_url=judge.endpoint,
        timeout=timeout,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            follow_redirects=False, timeout=timeout, transport=transport
        ),
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
