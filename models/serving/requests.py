"""Reading a chat request: what it asks for, and a refusal of what cannot be honoured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.backends.decoding import DecodingSettings
from models.backends.interface import Message
from study.errors import ModelError

# Fields that change nothing about the text, or that are read below.
_HARMLESS = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
_READ = {"model", "messages", "stream", "stream_options", "n", "stop", "max_tokens"}
_NUMBERS: dict[str, type] = {
    "max_completion_tokens": int,
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "repetition_penalty": float,
    "seed": int,
    "time_limit_s": float,
}
# Fields of the protocol with the value that asks for nothing.
_OFF: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logprobs": (False,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "logit_bias": ({},),
    "modalities": (["text"],),
}


class RefusedRequest(Exception):  # noqa: N818 - the refusal is the answer, not a failure
    """A request that is not answered, with HTTP status and the field that is in the way."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_request_error",
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


@dataclass(frozen=True)
class ChatRequest:
    """What a client asks for."""

    messages: tuple[Message, ...]
    settings: DecodingSettings
    stream: bool
    include_usage: bool


def asked_model(body: Any, served: Sequence[str]) -> str:
    """The model that a request asks for.

    Raises
    ------
    RefusedRequest
        When it is not JSON's object, or the model is not served.
    """
    if not isinstance(body, dict):
        raise RefusedRequest("Expected a JSON object.")
    asked = body.get("model")
    if asked not in served:
        expected = " or ".join(repr(name) for name in served)
        raise RefusedRequest(
            f"The model {asked!r} is not served here; expected {expected}.",
            status=404,
            code="model_not_found",
            param="model",
        )
    return str(asked)


def read_request(
    body: dict[str, Any], defaults: DecodingSettings, system_prompt: str
) -> ChatRequest:
    """Turn a request's JSON into messages and settings.

    Raises
    ------
    RefusedRequest
        When it is malformed, or asks for something that cannot be honoured.
    """
    fields = {name: value for name, value in body.items() if value is not None}
    _refuse_unhonoured(fields)
    options = fields.get("stream_options", {})
    return ChatRequest(
        messages=_messages(fields.get("messages"), system_prompt),
        settings=_settings(fields, defaults),
        stream=bool(fields.get("stream", False)),
        include_usage=isinstance(options, dict) and bool(options.get("include_usage")),
    )


def _refuse_unhonoured(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if name in _OFF:
            if value not in _OFF[name]:
                raise RefusedRequest(
                    f"{name} = {value!r} cannot be honoured here; leave it out.", param=name
                )
        elif name not in _HARMLESS | _READ | _NUMBERS.keys():
            raise RefusedRequest(f"The field {name!r} is not known here; leave it out.", param=name)


def _settings(fields: dict[str, Any], defaults: DecodingSettings) -> DecodingSettings:
    given: dict[str, Any] = {}
    for name, kind in (_NUMBERS | {"max_tokens": int}).items():
        if name in fields:
            given[name] = _number(name, fields[name], kind)
    tokens = [given.pop(name) for name in ("max_completion_tokens", "max_tokens") if name in given]
    if tokens:
        given["max_new_tokens"] = tokens[0]
    if "stop" in fields:
        stop = fields["stop"]
        stops = [stop] if isinstance(stop, str) else stop
        if not isinstance(stops, list) or not all(isinstance(end, str) for end in stops):
            raise RefusedRequest("stop must be a string or a list of strings.", param="stop")
        given["stop"] = tuple(stops)
    try:
        return DecodingSettings(**({**_as_fields(defaults), **given}))
    except ModelError as error:
        raise RefusedRequest(str(error)) from error


def _as_fields(settings: DecodingSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


def _number(name: str, value: Any, kind: type) -> Any:
    fits = isinstance(value, int) or (kind is float and isinstance(value, float))
    if not fits or isinstance(value, bool):
        expected = "a whole number" if kind is int else "a number"
        raise RefusedRequest(f"{name} is {value!r}; expected {expected}.", param=name)
    return value


def _messages(value: Any, system_prompt: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise RefusedRequest("messages must be a list with at least one turn.", param="messages")
    messages: list[Message] = [_message(turn, number) for number, turn in enumerate(value)]
    if not any(message["role"] == "user" for message in messages):
        raise RefusedRequest("messages has no turn with the role 'user'.", param="messages")
    if system_prompt.strip() and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system_prompt})
    return tuple(messages)


def _message(turn: Any, number: int) -> Message:
    where = f"messages[{number}]"
    if not isinstance(turn, dict):
        raise RefusedRequest(f"{where} must be an object with role and content.", param=where)
    role = {"developer": "system"}.get(str(turn.get("role")), turn.get("role"))
    if role not in {"system", "user", "assistant"}:
        raise RefusedRequest(
            f"{where}.role is {turn.get('role')!r}; expected system, user or assistant.",
            param=where,
        )
    content = turn.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        if not all(isinstance(part, str) for part in parts):
            raise RefusedRequest(f"{where} has a part that is not text.", param=where)
        content = "".join(str(part) for part in parts)
    if not isinstance(content, str):
        raise RefusedRequest(f"{where}.content must be text.", param=where)
    return {"role": role, "content": content}
