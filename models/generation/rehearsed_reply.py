"""What answers for the systems in a rehearsal of a study of conversations."""

from __future__ import annotations

from models.backends.decoding import DecodingSettings
from models.backends.scripted import ScriptedBackend
from study.conversation import Message, Reply


def scripted_reply(system_id: str, messages: list[Message], seed: int) -> Reply:
    """A ``study.conversation.ReplySource``: the scripted system, whichever system is asked."""
    del system_id
    backend = ScriptedBackend()
    reply = backend.generate(messages, DecodingSettings(seed=seed, temperature=1.0))
    made_by = {"rehearsed": True, "made_by": backend.provenance()}
    return Reply(reply.text, made_by)
