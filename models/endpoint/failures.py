"""How asking an endpoint can fail: what was raised, in which words, and whether to ask again."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.endpoint.connection import Endpoint
from models.endpoint.words import words_of_endpoint
from study.errors import GenerationError, ModelError
from study.protocol.endpoint_address import proxy_hint, shown_address

_LONGEST_BACKOFF_S = 30.0
_MESSAGE_KEPT = 500


@dataclass(frozen=True)
class Failure:
    """How one attempt failed.

    Attributes
    ----------
    kind : str
        ``status``, ``refused wait``, ``refused``, ``no connection``, ``silent``, ``too slow``, ``too
        long``, ``broken off``, ``error``, ``unreadable``, ``no completion``; of a cluster, ``worker
        lost``; of a model on this machine, ``model``.
    message : str
        A clause that says what happened.
    remedy : str
        A sentence that says what to do.
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
    remedy: str = "Run the command again; if it happens again, look at the endpoint's log."
    status: int | None = None
    again: bool = False
    in_doubt: bool = False
    wait_s: float | None = None
    body: str = ""
    ends_run: bool = False

    def plain(self) -> dict[str, Any]:
        """As the judge's ledger holds it."""
        status = {} if self.status is None else {"status": self.status}
        body = {"body": self.body} if self.body else {}
        return {"kind": self.kind, "message": self.message[:_MESSAGE_KEPT], **status, **body}

    @property
    def told(self) -> str:
        """What happened and what to do."""
        return f"{self.message.rstrip('.')}. {self.remedy}"

    def sentence(self, model: str, address: str) -> str:
        """What happened where, and what to do."""
        return f"Asking {model!r} at {shown_address(address)} failed: {self.told}"

    def error(self, endpoint: Endpoint) -> ModelError:
        """A GenerationError where another request might fare better, else a ModelError."""
        of_request = self.status in (None, 400, 422, 429) or (self.status or 0) >= 500
        kind = GenerationError if of_request and self.kind != "no connection" else ModelError
        return kind(self.sentence(endpoint.model, endpoint.address))


class AttemptFailed(Exception):  # noqa: N818 (how an attempt ended; the retries read it)
    """Carries a :class:`Failure` to who decides on another attempt."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def retry_rules(retries: int) -> dict[str, Any]:
    """Arguments of tenacity's ``Retrying`` and ``AsyncRetrying``: when to ask again, and how often.

    Waits as long as the endpoint asked for, else a random time that grows with each attempt (J.
    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter).
    """
    import tenacity

    backoff = tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST_BACKOFF_S)

    def wait(state: tenacity.RetryCallState) -> float:
        failed = state.outcome.exception() if state.outcome else None
        asked = failed.failure.wait_s if isinstance(failed, AttemptFailed) else None
        return asked if asked is not None else float(backoff(state))

    def again(error: BaseException) -> bool:
        return isinstance(error, AttemptFailed) and error.failure.again

    return {
        "stop": tenacity.stop_after_attempt(retries + 1),
        "wait": wait,
        "retry": tenacity.retry_if_exception(again),
        "reraise": True,
    }


def failure_of(error: Exception, endpoint: Endpoint) -> Failure:
    """How an attempt failed, by what the client raised."""
    import httpx2
    import openai

    from models.endpoint.transport import BodyTooLong, TooSlow

    if isinstance(error, openai.APIStatusError):
        return _by_status(
            endpoint, error.status_code, _said(error, endpoint), error.response.headers
        )
    # The client wraps what the connection raises; the body may also be read after it gave it out.
    cause = (error.__cause__ or error) if isinstance(error, openai.APIConnectionError) else error
    busy = "See whether it is busy or stuck, then run the command again."
    if isinstance(cause, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        # A connection that never came about cannot have been charged.
        return Failure("silent", f"no answer within {endpoint.timeout_s:g} s", busy, again=True)
    if isinstance(cause, TooSlow | TimeoutError):
        message = f"the answer was not complete after {endpoint.longest_s:g} s"
        return Failure("too slow", message, busy, again=True, in_doubt=True)
    if isinstance(cause, httpx2.TimeoutException):
        message = f"the endpoint was silent for {endpoint.timeout_s:g} s"
        return Failure("silent", message, busy, again=True, in_doubt=True)
    if isinstance(cause, BodyTooLong):
        return Failure("too long", f"{cause}, so it was cut off unread", in_doubt=True)
    if isinstance(cause, httpx2.ConnectError | httpx2.ProxyError):
        hint = proxy_hint(endpoint.address, field=f"{endpoint.prefix}proxy")
        start = f"Start it or correct {endpoint.prefix}endpoint, then run the command again."
        message = f"no connection: {cause}.{hint}".rstrip(".")
        return Failure("no connection", message, start, again=True)
    if isinstance(cause, httpx2.HTTPError | OSError):
        return Failure("broken off", f"broken off: {cause}", again=True, in_doubt=True)
    if isinstance(cause, openai.OpenAIError):
        # What a stream with a good status says of itself in the middle.
        return Failure("error", f"error in mid-reply: {cause}", again=True, in_doubt=True)
    # Whatever an answer makes the client raise, such as a charset that is none.
    message = f"the answer is not the OpenAI chat protocol ({type(cause).__name__}: {cause})"
    remedy = f"Check that {endpoint.prefix}endpoint is the base address, usually ending in /v1."
    return Failure("unreadable", message, remedy, again=True, in_doubt=True)


def _by_status(endpoint: Endpoint, status: int, said: str, headers: Mapping[str, str]) -> Failure:
    prefix = endpoint.prefix
    if status in (401, 403):
        message = f"the endpoint refused the key (status {status}: {said})"
        named = endpoint.key_variable or f"{prefix}api_key_variable"
        remedy = f"Set {named} to a valid key with a right to this model."
        return Failure("refused", message, remedy, status=status, ends_run=True)
    if status == 404:
        message = f"the endpoint does not know the address or the model (status 404: {said})"
        remedy = f"Correct {prefix}endpoint (usually ending in /v1) or {prefix}model."
        return Failure("refused", message, remedy, status=status, ends_run=True)
    message = f"status {status}: {said}"
    if status in (400, 422):
        remedy = "A setting or the prompt does not suit this endpoint: change it."
    elif status == 429:
        remedy = "It is busy or the quota is used up: wait, then run the command again."
    else:
        remedy = "Look at the endpoint's log, then run the command again."
    if status not in (408, 409, 429) and status < 500:
        return Failure("status", message, remedy, status=status)
    # Behind a gateway that gave up, the model may have written its reply to the end.
    doubt = status >= 500 or status == 408
    wait = retry_after(headers, time.time())
    if wait is not None and wait > endpoint.longest_wait_s:
        message += (
            f"; it asks to wait {wait:.0f} s, longer than {prefix}longest_wait_s "
            f"({endpoint.longest_wait_s:g} s)"
        )
        return Failure("refused wait", message, remedy, status=status, in_doubt=doubt)
    return Failure("status", message, remedy, status, again=True, in_doubt=doubt, wait_s=wait)


def _said(error: Any, endpoint: Endpoint) -> str:
    said = words_of_endpoint(error.response.content)
    # Some endpoints repeat the key that they refuse.
    return said.replace(endpoint.key, "(the key)") if endpoint.key else said


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that ``Retry-After`` asks to wait (a number or an HTTP date), or None.

    Parameters
    ----------
    now : float
        Seconds since 1970, which a date is compared with (RFC 9110, 10.2.3).
    """
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
