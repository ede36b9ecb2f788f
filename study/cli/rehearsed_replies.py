"""What answers for the systems in a rehearsal of a study of conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.conversation import Message, Reply, ReplySource

if TYPE_CHECKING:
    from study.store.study import Study


def reply_source(study: Study, chat_address: str | None) -> ReplySource | None:
    """The systems at their addresses or, without an address, the scripted system in this process.

    None in a study without conversations.
    """
    if study.protocol.design.shows != "conversation":
        return None
    if chat_address:
        from survey_app.chat.asking import reply_source as at_addresses

        return at_addresses(study, chat_address)
    return _scripted


def _scripted(system_id: str, messages: list[Message], seed: int) -> Reply:
    from models.backends.decoding import DecodingSettings
    from models.backends.scripted import ScriptedBackend

    del system_id
    backend = ScriptedBackend()
    reply = backend.generate(messages, DecodingSettings(seed=seed, temperature=1.0))
    made_by = {"rehearsed": True, "made_by": backend.provenance()}
    return Reply(reply.text, made_by)
