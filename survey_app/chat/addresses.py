"""The chat page's addresses: the page, its events, and what a rater can do.

The page is a document of its own and no Streamlit page: words come as events over one HTTP
connection, so that their times are the pace's and nothing else's, and a message that is sent twice
is kept once. Who asks is read from the cookie each time.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from study import conversation, drafts, participation
from study.clock import now
from study.entities import Conversation
from study.errors import EvenhandError, LinkError, RatingError, StoreError
from study.participation import Place, Step
from study.store import conversations
from study.store.raters import any_simulated
from study.store.ratings import mark_shown
from survey_app.chat import document
from survey_app.chat.live import LiveConversations
from survey_app.chat.states import page_state, reply_state
from survey_app.drawing.safe_text import printable
from survey_app.server.request_body import is_of_own_page, json_object
from survey_app.server.settings import RATER_COOKIE
from survey_app.server.study_in_force import settings_in_force, study_in_force

_log = logging.getLogger("survey_app")

PAGE = "/chat"
_BEAT_S = 5.0


class _Elsewhere(Exception):  # noqa: N818 (no failure: the rater is at another place by now)
    """The rater is not in the conversation that the page shows."""


class ChatAddresses:
    """The answers of the chat page's addresses."""

    def __init__(self, live: LiveConversations) -> None:
        self._live = live

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route(PAGE, self.page),
            Route(f"{PAGE}/events", self.events),
            Route(f"{PAGE}/turn", self._action(self._say), methods=["POST"]),
            Route(f"{PAGE}/again", self._action(self._ask_again), methods=["POST"]),
            Route(f"{PAGE}/stop", self._action(self._stop), methods=["POST"]),
            Route(f"{PAGE}/end", self._action(self._end), methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The document; whoever is not in a conversation is sent to the other pages."""
        try:
            place = await _place(request)
            talk = _talk_of(place)
            await run_in_threadpool(mark_shown, study_in_force(), talk.assignment_id)
            draft = await run_in_threadpool(_draft, place)
            # Anybody, and not only this rater, as on the other pages: the study's data are not all real.
            simulated = await run_in_threadpool(any_simulated, study_in_force())
        except (_Elsewhere, EvenhandError):
            return RedirectResponse("/", status_code=303)
        study = study_in_force()
        body = document.chat_page(
            study.in_language(place.rater.language), place, talk, draft=draft, simulated=simulated
        )
        return HTMLResponse(body, headers={"Cache-Control": "no-store"})

    async def events(self, request: Request) -> Response:
        """The states of a conversation as server-sent events, until the page is closed."""
        try:
            talk = _talk_of(await _place(request))
        except (_Elsewhere, LinkError, RatingError):
            return _stream(_once("gone"))
        except EvenhandError:
            return Response(status_code=503)
        if talk.assignment_id != request.query_params.get("page"):
            return _stream(_once("gone"))
        return _stream(self._follow(talk.assignment_id))

    async def _follow(self, assignment_id: str) -> AsyncIterator[str]:
        live, study = self._live, study_in_force()
        chat = conversation.declared_chat(study)
        changed = live.watch(assignment_id)
        told: Any = None
        try:
            while not live.closed:
                changed.clear()
                reply = live.reply_in_hand(assignment_id)
                talk = await run_in_threadpool(conversations.read, study, assignment_id)
                reply = reply and live.reply_in_hand(assignment_id)
                state = page_state(talk, chat, reply, live.now())
                lasting = {**state, "seconds_left": None}
                if lasting != told:
                    yield _event("state", state)
                    told = lasting
                if talk.ended_at is not None:
                    return
                number = reply.number if reply else None
                async for event in self._words(assignment_id, number, changed):
                    yield event
        except StoreError as error:
            # The page opens its events again by itself.
            _log.error("%s", error)
        finally:
            live.unwatch(assignment_id, changed)

    async def _words(
        self, assignment_id: str, number: int | None, changed: asyncio.Event
    ) -> AsyncIterator[str]:
        """Beats and the words of the reply that the page knows of, until something else changes."""
        live, last = self._live, None
        beat = asyncio.get_running_loop().time()
        while not live.closed:
            reply = live.reply_in_hand(assignment_id)
            if (reply.number if reply else None) != number:
                return
            if reply is not None:
                shown = reply_state(reply, live.now())
                if shown["html"] and shown != last:
                    yield _event("reply", shown)
                    last = shown
            due = reply.paced.next_change(live.now()) if reply else None
            wait = _BEAT_S if due is None else min(_BEAT_S, max(0.0, due - live.now()))
            try:
                await asyncio.wait_for(changed.wait(), wait)
            except TimeoutError:
                if asyncio.get_running_loop().time() - beat >= _BEAT_S:
                    beat = asyncio.get_running_loop().time()
                    yield _event("beat", {})
                    if reply is None:
                        return  # the time budget may be used up by now
                continue
            if reply is None:
                return  # something was saved, here or in another window
            # How far the system has come changes nothing here but when the next word is due.
            changed.clear()

    def _action(
        self, act: Callable[[Place, Conversation, dict[str, Any]], Awaitable[None]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not is_of_own_page(request, settings_in_force().address):
                return JSONResponse({"saved": False}, status_code=403)
            try:
                body = await json_object(request)
                place = await _place(request)
                talk = _talk_of(place)
                if talk.assignment_id != body.get("page"):
                    raise _Elsewhere
                await act(place, talk, body)
            except (_Elsewhere, RatingError):
                return JSONResponse({"saved": False}, status_code=409)
            except LinkError:
                return JSONResponse({"saved": False}, status_code=403)
            except EvenhandError as error:
                _log.error("%s", error)
                return JSONResponse({"saved": False}, status_code=503)
            except ValueError:
                return JSONResponse({"saved": False}, status_code=400)
            self._live.tell(talk.assignment_id)
            return JSONResponse({"saved": True})

        return answer

    async def _say(self, place: Place, talk: Conversation, body: dict[str, Any]) -> None:
        study = study_in_force()
        chat = conversation.declared_chat(study)
        text, number = str(body.get("text", "")).strip(), int(body.get("number", 0))
        if not text or len(text) > chat.longest_message:
            raise ValueError("a message has at least one and not too many characters")
        known = number <= len(talk.turns)
        if not known and conversation.phase(talk, chat, now()) is not conversation.Phase.WRITE:
            raise RatingError("No message can be written now.")
        await run_in_threadpool(
            conversations.say, study, place.rater, talk.assignment_id, number, text
        )
        if number >= len(talk.turns):
            await self._live.ask(place.rater, talk.assignment_id)

    async def _ask_again(self, place: Place, talk: Conversation, body: dict[str, Any]) -> None:
        del body
        await self._cut_off_what_nobody_writes(place, talk)
        await self._live.ask(place.rater, talk.assignment_id)

    async def _cut_off_what_nobody_writes(self, place: Place, talk: Conversation) -> None:
        last = talk.turns[-1] if talk.turns else None
        if last is None or last.outcome or self._live.reply_in_hand(talk.assignment_id):
            return
        await run_in_threadpool(
            conversations.cut_off, study_in_force(), talk.assignment_id, last.number
        )

    async def _stop(self, place: Place, talk: Conversation, body: dict[str, Any]) -> None:
        del place
        await self._live.stop(talk.assignment_id, int(body.get("number", 0)))

    async def _end(self, place: Place, talk: Conversation, body: dict[str, Any]) -> None:
        del body
        if self._live.reply_in_hand(talk.assignment_id) is not None:
            raise RatingError("A reply is being written.")
        await self._cut_off_what_nobody_writes(place, talk)
        ended = await run_in_threadpool(
            conversation.end, study_in_force(), place.rater, talk.assignment_id
        )
        if not ended:
            raise RatingError("The conversation cannot be ended yet.")


def is_talking(request: Request) -> bool:
    """Whether the rater of this browser is in a conversation now."""
    token = request.cookies.get(RATER_COOKIE)
    study = study_in_force()
    if not token or study.protocol.design.shows != "conversation":
        return False
    try:
        return participation.find_place(study, token).step is Step.CONVERSATION
    except EvenhandError:
        return False


async def _place(request: Request) -> Place:
    token = request.cookies.get(RATER_COOKIE)
    if not token:
        raise _Elsewhere
    return await run_in_threadpool(participation.find_place, study_in_force(), token)


def _draft(place: Place) -> str:
    """What was being written when the page was left, on whatever device."""
    study = study_in_force()
    page = drafts.page_of(study, place)
    text = drafts.open_page(study, place.rater, page).get("text") if page else None
    return printable(text) if isinstance(text, str) else ""


def _talk_of(place: Place) -> Conversation:
    if place.step is not Step.CONVERSATION or place.conversation is None:
        raise _Elsewhere
    return place.conversation


def _stream(events: AsyncIterator[str]) -> Response:
    # nginx would hold events back until its buffer is full.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _once(name: str) -> AsyncIterator[str]:
    yield _event(name, {})


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
