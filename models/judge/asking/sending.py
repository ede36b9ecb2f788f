"""Sending one request of the judge to its endpoint, once."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from models.endpoint.connection import (
    POOL_SIZE,
    endpoint_of_judge,
    known_certificates,
    open_async_client,
)
from models.endpoint.failures import AttemptFailed, Failure, failure_of
from models.endpoint.words import words_of_endpoint
from models.judge.verdicts.parsing import read_reply
from study.protocol.judge import Judge

# Characters of an answer without a chat completion that the ledger keeps.
KEPT_BODY = 2000

# Sends a request with its idempotency key and gives the body of a successful answer.
Send = Callable[[Mapping[str, Any], str], Awaitable[str]]


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
        self._endpoint = endpoint_of_judge(judge)
        # A pool looks at all of its connections for every request, so many small ones are faster.
        pools = math.ceil(judge.concurrency / POOL_SIZE)
        known = known_certificates()
        self._clients = [open_async_client(self._endpoint, known) for _ in range(pools)]
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
            async with asyncio.timeout(self._endpoint.longest_s):
                response = await client.post(**post_arguments(request, idempotency_key))
            return completion_of(response.content)
        except AttemptFailed:
            raise
        except Exception as error:
            raise AttemptFailed(failure_of(error, self._endpoint)) from error
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
