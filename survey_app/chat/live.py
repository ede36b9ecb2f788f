"""Replies that are being written now: who asks the systems, and who is told when something changes.

Every reply is one task of the server's event loop, so a slow system blocks nobody. The database is
written when a reply begins, every few seconds while it grows, and when it ends; pages read the
replies in hand from here, never from the database word by word.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.concurrency import run_in_threadpool

from study import blinding, conversation
from study.entities import Rater, TurnOutcome
from study.errors import EvenhandError, ModelError
from study.store import conversations
from study.store.conversations import Written
from study.store.study import Study
from survey_app.chat.pacing import PacedReply
from survey_app.chat.reply_stream import ReplyStream, made_by
from survey_app.chat.systems import ChatSystem

_log = logging.getLogger("survey_app")

_GROW_EVERY_S = 2.0
# Above this, replies wait for each other; the rater sees the typing indicator meanwhile.
_REPLIES_AT_ONCE = 128


@dataclass
class LiveReply:
    """One reply in hand."""

    rater: Rater
    assignment_id: str
    number: int
    paced: PacedReply
    provenance: dict[str, Any] = field(default_factory=dict)
    outcome: TurnOutcome | None = None
    keeping: asyncio.Future[bool] | None = None
    task: asyncio.Task[None] | None = None


class LiveConversations:
    """All conversations that this process serves.

    Parameters
    ----------
    study : Study
    systems : mapping
        System id -> where it answers.
    clock : callable
        Seconds; tests let it run faster.
    """

    def __init__(
        self,
        study: Study,
        systems: dict[str, ChatSystem],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._study = study
        self._systems = systems
        self._clock = clock
        self._replies: dict[str, LiveReply] = {}
        self._asking: set[str] = set()
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._models: dict[str, dict[str, Any]] = {}
        self._client: httpx2.AsyncClient | None = None
        self._turnstile = asyncio.Semaphore(_REPLIES_AT_ONCE)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def now(self) -> float:
        """The present time of the pace, in seconds."""
        return self._clock()

    def reply_in_hand(self, assignment_id: str) -> LiveReply | None:
        """The reply of a conversation that is being written or shown."""
        return self._replies.get(assignment_id)

    async def ask(self, rater: Rater, assignment_id: str) -> None:
        """Begin the reply that is due, unless it is begun already.

        Raises
        ------
        RatingError
            When none is due.
        """
        # Between the first look and the row, a double tap may ask again.
        if assignment_id in self._replies or assignment_id in self._asking:
            return
        self._asking.add(assignment_id)
        try:
            number = await run_in_threadpool(
                conversations.begin_reply, self._study, rater, assignment_id
            )
        finally:
            self._asking.discard(assignment_id)
        chat = conversation.declared_chat(self._study)
        seed = blinding.seed(self._study.key, "pace", assignment_id, number)
        paced = PacedReply(chat.pace, seed, self.now())
        live = LiveReply(rater, assignment_id, number, paced)
        self._replies[assignment_id] = live
        self._loop = asyncio.get_running_loop()
        live.task = self._loop.create_task(self._carry_out(live))
        self.tell(assignment_id)

    async def _carry_out(self, live: LiveReply) -> None:
        try:
            async with self._turnstile:
                await self._write(live)
            await self._show_to_its_end(live)
        except EvenhandError as error:
            _log.error("%s", error)
        except Exception:  # noqa: BLE001 - whatever it is, the server and the page go on
            # The row stays without an outcome, so the page offers to ask again.
            _log.exception("A reply of a conversation failed")
        finally:
            if self._replies.get(live.assignment_id) is live:
                del self._replies[live.assignment_id]
            self.tell(live.assignment_id)

    async def _write(self, live: LiveReply) -> None:
        chat, paced = conversation.declared_chat(self._study), live.paced
        try:
            # A system that keeps silent, and one that is too slow to begin, are the same to a rater.
            async with asyncio.timeout(chat.longest_wait_s) as limit:
                async for piece in self._stream(live, chat.longest_wait_s):
                    paced.receive(piece, self.now())
                    if paced.ready:
                        limit.reschedule(asyncio.get_running_loop().time() + chat.longest_wait_s)
                        self.tell(live.assignment_id)
            if not paced.text.strip():
                raise ModelError("A system gave an empty reply.")
            live.outcome = TurnOutcome.COMPLETE
        except (ModelError, TimeoutError) as error:
            live.outcome = TurnOutcome.FAILED
            live.provenance["failure"] = str(error) or "The reply did not come in time."
            _log.warning("A reply of a conversation failed: %s", live.provenance["failure"])
        paced.close(self.now(), failed=live.outcome is TurnOutcome.FAILED)
        await self._keep(live, paced.text.strip())
        self.tell(live.assignment_id)

    async def _stream(self, live: LiveReply, patience_s: float) -> AsyncIterator[str]:
        talk = await run_in_threadpool(conversations.read, self._study, live.assignment_id)
        system_id = await run_in_threadpool(
            conversations.system_of, self._study, live.assignment_id
        )
        system = self._systems[system_id]
        chat = conversation.declared_chat(self._study)
        seed = conversation.reply_seed(self._study, live.assignment_id, live.number)
        messages = conversation.messages_for(talk, chat)
        stream = ReplyStream(self._connections(), system, messages, seed, patience_s)
        live.provenance = stream.provenance
        grown_at = time.monotonic()
        async for piece in stream.pieces():
            yield piece
            if time.monotonic() - grown_at >= _GROW_EVERY_S:
                grown_at = time.monotonic()
                await run_in_threadpool(
                    conversations.grow_reply,
                    self._study,
                    live.assignment_id,
                    live.number,
                    live.paced.text,
                )
        live.provenance["made_by"] = await self._made_by(system_id, system, stream.provenance)

    async def _made_by(
        self, system_id: str, system: ChatSystem, provenance: dict[str, Any]
    ) -> dict[str, Any]:
        # Asked again only when the address says that something else answers there now.
        known = f"{system_id} {provenance.get('fingerprint')}"
        if known not in self._models:
            self._models[known] = await made_by(self._connections(), system)
        return self._models[known]

    def _connections(self) -> httpx2.AsyncClient:
        if self._client is None:
            # No proxy of the environment: it could read conversations, and pace would be its own.
            self._client = httpx2.AsyncClient(
                trust_env=False, limits=httpx2.Limits(max_connections=2 * _REPLIES_AT_ONCE)
            )
        return self._client

    async def _keep(self, live: LiveReply, text: str) -> None:
        if live.outcome is None:
            return
        live.keeping = asyncio.ensure_future(
            run_in_threadpool(
                conversations.finish_reply,
                self._study,
                live.rater,
                live.assignment_id,
                live.number,
                Written(text, live.outcome, dict(live.provenance), live.paced.pace_missed),
            )
        )
        # A stop may cancel this task; its own record must come after this one.
        await asyncio.shield(live.keeping)

    async def _show_to_its_end(self, live: LiveReply) -> None:
        end = live.paced.ends_at
        while end is not None and (left := end - self.now()) > 0:
            await asyncio.sleep(left)

    async def stop(self, assignment_id: str, number: int) -> bool:
        """Stop a reply at what is shown of it now. Returns whether it was still in hand."""
        live = self._replies.get(assignment_id)
        if live is None or live.number != number:
            return False
        shown = live.paced.shown(self.now())
        del self._replies[assignment_id]
        if live.task is not None:
            live.task.cancel()
            await asyncio.wait({live.task})
        if live.keeping is not None:
            await live.keeping
        live.outcome = TurnOutcome.STOPPED
        live.provenance["written"] = live.paced.text
        await self._keep(live, shown)
        self.tell(assignment_id)
        return True

    def tell(self, assignment_id: str) -> None:
        """Tell the pages of a conversation that something changed."""
        for event in self._watchers.get(assignment_id, ()):
            event.set()

    def watch(self, assignment_id: str) -> asyncio.Event:
        """An event that is set at every change, until ``unwatch``."""
        event = asyncio.Event()
        self._watchers.setdefault(assignment_id, set()).add(event)
        self._loop = asyncio.get_running_loop()
        return event

    def unwatch(self, assignment_id: str, event: asyncio.Event) -> None:
        """Forget a watcher."""
        own = self._watchers.get(assignment_id, set())
        own.discard(event)
        if not own:
            self._watchers.pop(assignment_id, None)

    def close(self) -> None:
        """Let all pages go, for the end of the server; may be called from a signal handler."""
        self.closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell_everybody)

    def _tell_everybody(self) -> None:
        for assignment_id in list(self._watchers):
            self.tell(assignment_id)
