"""One reply of a system, as it comes: the OpenAI chat protocol, streamed over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2

from study.conversation import Message, without_oldest
from study.errors import ModelError
from survey_app.chat.systems import ChatSystem

_BUSY = (429, 503)
_TOO_LONG = (400, 413)
_BUSY_WAIT_S = 1.0
_CONNECT_S = 5.0
_NO_REPLY = "A system sent something that is no reply."


class ReplyStream:
    """Asks for one reply and gives its text in pieces; afterwards ``provenance`` tells of it.

    Parameters
    ----------
    client : httpx2.AsyncClient
    system : ChatSystem
    messages : list of dict
        The conversation so far, oldest first, without the system prompt.
    seed : int
    patience_s : float
        How long the system may be silent, in seconds.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        system: ChatSystem,
        messages: list[Message],
        seed: int,
        patience_s: float,
    ) -> None:
        self._client = client
        self._system = system
        self._messages = messages
        self._patience_s = patience_s
        self._asked = time.monotonic()
        self._finished = False
        self.provenance: dict[str, Any] = {
            "model": system.model,
            "settings": dict(system.settings),
            "system_prompt": system.system_prompt,
            "seed": seed,
        }

    async def pieces(self) -> AsyncIterator[str]:
        """The reply's text, piece by piece.

        A busy system is asked again after a moment; one that finds the conversation too long is given
        less of it, oldest messages first. The caller bounds the time of all this.

        Raises
        ------
        ModelError
            When there is no reply, or it broke off.
        """
        try:
            while True:
                async with self._request() as response:
                    if response.status_code == httpx2.codes.OK:
                        async for piece in self._read(response):
                            yield piece
                        return
                    await self._prepare_next_try(response)
        except httpx2.SSEError:
            raise ModelError(_NO_REPLY) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ModelError(
                f"A system did not answer ({type(error).__name__}). Is `evenhand serve-model --all` "
                "running for this study, at the address given as --chat-address?"
            ) from None

    def _request(self) -> Any:
        prompt = self._system.system_prompt.strip()
        first = [{"role": "system", "content": prompt}] if prompt else []
        self.provenance["messages_sent"] = len(self._messages)
        body = {
            "model": self._system.model,
            "messages": [*first, *self._messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"seed": self.provenance["seed"]} if self._system.seeded else {}),
            **self._system.settings,
        }
        key = self._system.key
        return self._client.stream(
            "POST",
            f"{self._system.address}/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(self._patience_s, connect=_CONNECT_S),
        )

    async def _prepare_next_try(self, response: httpx2.Response) -> None:
        await response.aread()
        shorter = without_oldest(self._messages)
        if response.status_code in _BUSY:
            await asyncio.sleep(_BUSY_WAIT_S)
        elif response.status_code in _TOO_LONG and len(shorter) < len(self._messages):
            self._messages = shorter
        else:
            raise ModelError(
                f"A system answered with the status {response.status_code}. With 404, the address "
                "serves another study: the names of the systems there come from its study.key."
            )

    async def _read(self, response: httpx2.Response) -> AsyncIterator[str]:
        async for event in httpx2.EventSource(response):
            if event.data.strip() == "[DONE]":
                break
            piece = self._take(_fields(event))
            if piece:
                self.provenance.setdefault("first_text_s", time.monotonic() - self._asked)
                yield piece
        self.provenance["latency_s"] = time.monotonic() - self._asked
        if not self._finished:
            raise ModelError("A system's reply broke off.")

    def _take(self, event: dict[str, Any]) -> str:
        if "error" in event:
            raise ModelError("A system failed while it wrote a reply.")
        for name, field in (("returned_model", "model"), ("fingerprint", "system_fingerprint")):
            if event.get(field):
                self.provenance[name] = event[field]
        usage = event.get("usage")
        if isinstance(usage, dict):
            for field in ("prompt_tokens", "completion_tokens"):
                self.provenance[field] = usage.get(field)
        text = ""
        for choice in event.get("choices") or []:
            text += (choice.get("delta") or {}).get("content") or ""
            if choice.get("finish_reason"):
                self._finished = True
                self.provenance["finish_reason"] = choice["finish_reason"]
        return text


def _fields(event: httpx2.ServerSentEvent) -> dict[str, Any]:
    try:
        fields = event.json()
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ModelError(_NO_REPLY)
    return fields


async def made_by(client: httpx2.AsyncClient, system: ChatSystem) -> dict[str, Any]:
    """What an address of ours says of the model itself (files, hashes, libraries); else nothing."""
    try:
        answer = await client.get(
            f"{system.address}/models/{system.model}",
            headers={"Authorization": f"Bearer {system.key}"} if system.key else {},
            timeout=_CONNECT_S,
        )
        told = answer.json()
    except (httpx2.HTTPError, ValueError):
        return {}
    found = told.get("provenance") if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}
