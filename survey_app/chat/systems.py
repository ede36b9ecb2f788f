"""Where the systems of a study answer. Nothing of this ever reaches a browser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from study.blinding import chat_model_name
from study.errors import ModelError
from study.protocol.endpoint_address import (
    base_address,
    is_web_address,
    key_in,
    request_settings,
)
from study.protocol.systems import System
from study.store.study import Study
from survey_app.server.settings import CHAT_KEY_VARIABLE


@dataclass(frozen=True)
class ChatSystem:
    """How one system is asked.

    Parameters
    ----------
    address : str
        Base address, ending in ``/v1``.
    model : str
        The name that it answers to there.
    settings : mapping
        Fields of a request, from the declared decoding.
    system_prompt : str
    key : str or None
        Secret for the address.
    seeded : bool
        Whether a seed is sent.
    """

    # Not in the printed form: a log line of ours must not tell systems apart.
    address: str = field(repr=False)
    model: str = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)
    system_prompt: str = field(repr=False)
    key: str | None = field(repr=False)
    seeded: bool = field(default=True, repr=False)


def chat_systems(study: Study, chat_address: str | None) -> dict[str, ChatSystem]:
    """System id -> how it is asked; empty for a study without conversations.

    A system with an endpoint of its own is asked there; all others at ``chat_address``, under blind
    names, as ``evenhand serve-model --all`` offers them.

    Raises
    ------
    ModelError
        When an address or a key is missing.
    """
    if study.protocol.design.shows != "conversation":
        return {}
    return {
        system.id: _chat_system(study, system, chat_address) for system in study.protocol.systems
    }


def _chat_system(study: Study, system: System, chat_address: str | None) -> ChatSystem:
    left_out = system.leave_out if system.endpoint else ()
    settings = request_settings(
        {"temperature": system.decoding.temperature, "top_p": system.decoding.top_p},
        system.decoding.max_new_tokens,
        length_parameter=system.length_parameter if system.endpoint else "max_tokens",
        leave_out=left_out,
    )
    if system.decoding.stop:
        settings["stop"] = list(system.decoding.stop)
    beyond = {
        "top_k": system.decoding.top_k,
        "repetition_penalty": system.decoding.repetition_penalty,
    }
    if system.endpoint:
        settings |= {name: beyond[name] for name in system.endpoint_accepts}
        # Not the address itself: the message would tell systems apart.
        key = key_in(system.api_key_variable, "a system's endpoint", field="api_key_variable")
        address, seeded = base_address(system.endpoint), "seed" not in left_out
        return ChatSystem(address, system.model, settings, system.system_prompt, key, seeded)
    settings |= beyond
    if system.decoding.time_limit_s is not None:
        settings["time_limit_s"] = system.decoding.time_limit_s
    key = os.environ.get(CHAT_KEY_VARIABLE, "").strip() or None
    name = chat_model_name(study.key, system.id)
    return ChatSystem(_checked(chat_address), name, settings, system.system_prompt, key)


def _checked(chat_address: str | None) -> str:
    address = base_address(chat_address or "")
    if not is_web_address(address):
        raise ModelError(
            f"The systems of this study answer people, and where is not known: found {address!r} as "
            "the chat address, expected something like http://127.0.0.1:8000/v1. Start `evenhand "
            "serve-model --all` and give its address: evenhand serve --chat-address URL"
        )
    return address
