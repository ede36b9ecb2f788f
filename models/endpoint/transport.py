"""Connections to an endpoint that may say anything: how much is read of it, and by which way.

Neither `openai` nor `httpx2` limits an answer's size, and the body of an error is read as a whole
before anybody can look at it. So the limit sits below both, where the bytes arrive.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2

# Of an answer: many times the longest reply that a protocol may ask for, its thoughts included.
LONGEST_BODY = 8 * 2**20
# Of an error's body: what stands in it is for one sentence.
LONGEST_ERROR_BODY = 2**16
# Of the latest answer, for one that turns out to be something else than was asked for.
KEPT_BEGINNING = 2**12


class BodyTooLong(httpx2.TransportError):
    """An answer that goes on beyond the limit; it is cut off and not read."""


class TooSlow(httpx2.ReadTimeout):
    """An answer that trickles on beyond the time for the whole of it."""


class _Count:
    """Takes an answer's bytes as they arrive, unpacks them, and stops at the limit."""

    def __init__(self, response: httpx2.Response, longest: int) -> None:
        self._is_error = response.status_code >= 400
        self._left = LONGEST_ERROR_BODY if self._is_error else longest
        self._longest = longest
        self.full = False
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed in ("gzip", "x-gzip", "deflate"):
            # 47: gzip or zlib, by the first bytes.
            self._unpack: Any = zlib.decompressobj(47)
        elif packed in ("", "identity"):
            self._unpack = None
        else:
            raise httpx2.DecodingError(
                f"the answer is packed as {packed!r}, although it was asked for unpacked"
            )

    def take(self, chunk: bytes) -> bytes:
        """What may be read of a chunk."""
        if self._unpack is not None:
            # Never more than the limit at once: 100 kB can unpack to 100 MB.
            try:
                chunk = self._unpack.decompress(chunk, self._left + 1)
            except zlib.error as error:
                raise httpx2.DecodingError(f"the answer cannot be unpacked: {error}") from error
        if len(chunk) <= self._left:
            self._left -= len(chunk)
            return chunk
        if not self._is_error:
            raise BodyTooLong(f"the answer is longer than {self._longest // 2**20} MiB")
        self.full = True
        return chunk[: self._left]


class _AsyncBody(httpx2.AsyncByteStream):
    def __init__(self, stream: Any, count: _Count) -> None:
        self._stream = stream
        self._count = count

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._count.take(chunk)
            if self._count.full:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Body(httpx2.SyncByteStream):
    def __init__(
        self, stream: Any, count: _Count, ends: float | None, beginning: bytearray
    ) -> None:
        self._stream = stream
        self._count = count
        self._ends = ends
        self._beginning = beginning

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if self._ends is not None and time.monotonic() > self._ends:
                raise TooSlow("the answer went on beyond the time for the whole of it")
            taken = self._count.take(chunk)
            self._beginning += taken[: KEPT_BEGINNING - len(self._beginning)]
            yield taken
            if self._count.full:
                return

    def close(self) -> None:
        self._stream.close()


class AsyncBoundedTransport(httpx2.AsyncBaseTransport):
    """As :class:`BoundedTransport`, for an event loop, which has deadlines of its own."""

    def __init__(self, *, longest_body: int = LONGEST_BODY, **options: Any) -> None:
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False, **options)
        self._longest_body = longest_body

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; the answer's body is read within the limit."""
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        try:
            body = _AsyncBody(response.stream, _Count(response, self._longest_body))
        except httpx2.DecodingError:
            await response.aclose()
            raise
        return _unpacked(response, body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class BoundedTransport(httpx2.BaseTransport):
    """HTTP without any setting of the environment, and with an end to every answer.

    Parameters
    ----------
    longest_body : int
        Bytes of an answer, unpacked; one that goes on raises :class:`BodyTooLong`. The body of an
        error status is cut at ``LONGEST_ERROR_BODY`` without a word.
    longest_s : float or None
        Seconds for the whole answer; one that trickles on raises :class:`TooSlow`.
    beginning : bytearray
        The first bytes of the latest answer.
    options
        Of ``httpx2.HTTPTransport``: ``verify``, ``limits``, ``proxy``.
    """

    def __init__(
        self, *, longest_body: int = LONGEST_BODY, longest_s: float | None = None, **options: Any
    ) -> None:
        self._inner = httpx2.HTTPTransport(trust_env=False, **options)
        self._longest_body = longest_body
        self._longest_s = longest_s
        self.beginning = bytearray()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; the answer's body is read within the limits."""
        request.headers["accept-encoding"] = "identity"
        self.beginning = bytearray()
        ends = None if self._longest_s is None else time.monotonic() + self._longest_s
        response = self._inner.handle_request(request)
        try:
            count = _Count(response, self._longest_body)
            body = _Body(response.stream, count, ends, self.beginning)
        except httpx2.DecodingError:
            response.close()
            raise
        return _unpacked(response, body)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _unpacked(response: httpx2.Response, body: Any) -> httpx2.Response:
    gone = {b"content-encoding", b"content-length"}
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in gone]
    return httpx2.Response(
        response.status_code, headers=headers, stream=body, extensions=response.extensions
    )
