"""One queue per model: one reply at a time, a bounded number of waiting requests."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from models.backends.decoding import Generated
from models.backends.interface import Backend
from models.serving.requests import ChatRequest

LONGEST_WAIT_S = 120.0


@dataclass(frozen=True)
class Piece:
    """Some text of a reply that is being written."""

    text: str


class _ClientGone(Exception):  # noqa: N818 - nothing failed: nobody waits for the rest
    """Raised inside the backend when the client of the reply in hand went away."""


class QueueFullError(Exception):
    """No place in the queue; ``retry_after_s`` says when to try again, in whole seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class ReplyQueue:
    """Gives one backend's replies to many clients.

    Parameters
    ----------
    backend : Backend
    queue_size : int
        How many requests may wait beside the one being answered; 0 or more.
    """

    def __init__(self, backend: Backend, queue_size: int) -> None:
        self._backend = backend
        self._places = queue_size + 1
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reply")
        self._taken = 0
        self._usual_latency_s = 1.0

    @property
    def taken(self) -> int:
        """Requests that are being answered or wait."""
        return self._taken

    async def reply(self, request: ChatRequest) -> AsyncIterator[Piece | Generated]:
        """Give the pieces of text as they come, then the whole reply.

        A client that goes away while it waits gives its place back; a reply that has begun stops
        at its next piece of text, so the next client does not wait for words that nobody reads.

        Raises
        ------
        QueueFullError
            At once, when there is no place.
        ModelError
            What the backend raised.
        """
        if self._taken >= self._places:
            wait = min(self._taken * self._usual_latency_s, LONGEST_WAIT_S)
            raise QueueFullError(max(1, math.ceil(wait)))
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece | None] = asyncio.Queue()

        gone = threading.Event()

        def put(piece: Piece | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def take(text: str) -> None:
            if gone.is_set():
                raise _ClientGone
            put(Piece(text))

        def write() -> Generated:
            try:
                return self._backend.generate(request.messages, request.settings, on_text=take)
            finally:
                put(None)

        self._taken += 1
        job = self._worker.submit(write)
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._give_place_back))
        generated = None
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            generated = await asyncio.wrap_future(job)
        finally:
            if generated is None:
                gone.set()
                job.cancel()
        self._usual_latency_s += 0.3 * (generated.latency_s - self._usual_latency_s)
        yield generated

    def _give_place_back(self) -> None:
        self._taken -= 1

    def close(self) -> None:
        """Drop what waits, wait for the reply in hand and end the worker."""
        self._worker.shutdown(wait=True, cancel_futures=True)
