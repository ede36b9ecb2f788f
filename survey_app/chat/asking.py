"""Asks the systems of a study for whole replies, without a page: for rehearsals."""

from __future__ import annotations

import asyncio

import httpx2

from study.conversation import Message, Reply, ReplySource, declared_chat
from study.errors import ModelError
from study.store.study import Study
from survey_app.chat.reply_stream import ReplyStream
from survey_app.chat.systems import ChatSystem, chat_systems


def reply_source(study: Study, chat_address: str) -> ReplySource:
    """The systems at their addresses, over the same stream that the pages read.

    Raises
    ------
    ModelError
        When it is not known where they answer.
    """
    systems = chat_systems(study, chat_address)
    patience_s = declared_chat(study).longest_wait_s

    def ask(system_id: str, messages: list[Message], seed: int) -> Reply:
        return asyncio.run(_ask(systems[system_id], messages, seed, patience_s))

    return ask


async def _ask(system: ChatSystem, messages: list[Message], seed: int, patience_s: float) -> Reply:
    async with httpx2.AsyncClient(trust_env=False) as client:
        stream = ReplyStream(client, system, messages, seed, patience_s)
        try:
            async with asyncio.timeout(patience_s):
                text = "".join([piece async for piece in stream.pieces()])
        except TimeoutError:
            raise ModelError(
                f"A system gave no reply within {patience_s:g} s. Look whether its address answers."
            ) from None
    return Reply(text.strip(), stream.provenance)
