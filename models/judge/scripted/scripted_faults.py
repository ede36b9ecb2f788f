"""Every way in which the scripted endpoint can misbehave, by name.

Replies that no endpoint should send, statuses with their reasons in the words of several kinds of
servers, headers that make clients fail, and answers without an end.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from models.judge.verdicts.readings import SCRIPTED_MODEL

if TYPE_CHECKING:
    from starlette.responses import Response


class Streaming(Protocol):
    """What counts the bytes of endless answers."""

    streamed: int


def completion(
    content: str | None,
    *,
    finish: str = "stop",
    refusal: str | None = None,
    logprobs: Mapping[str, Any] | None = None,
    sent: str = "",
) -> dict[str, Any]:
    """A chat completion with plausible usage: a token for four characters."""
    usage = {"prompt_tokens": len(sent) // 4 + 1, "completion_tokens": len(content or "") // 4 + 1}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": f"{SCRIPTED_MODEL}-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "finish_reason": finish,
                "logprobs": logprobs,
            }
        ],
        "usage": usage | {"total_tokens": sum(usage.values())},
    }


def _said(content: str | None, **parts: Any) -> Callable[[], bytes]:
    return lambda: json.dumps(completion(content, **parts)).encode()


def _used(prompt: object, answer: object) -> Callable[[], bytes]:
    """A verdict whose usage says something else than what was used."""
    usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": 0}
    return _odd(usage=usage)


def _odd(choice: Mapping[str, Any] | None = None, **parts: object) -> Callable[[], bytes]:
    """A verdict in a completion with parts that no endpoint should send."""
    plain = completion('{"reason": "Fine.", "score": 4}')
    plain["choices"][0] |= dict(choice or {})
    return lambda: json.dumps(plain | parts).encode()


BODIES: dict[str, Callable[[], bytes]] = {
    "malformed JSON": _said('{"reason": "It is warm", "score": 4'),
    "prose": _said("I would say that this deserves a four."),
    "out of range": _said('{"reason": "Superb.", "score": 9}'),
    "wrong type": _said('{"reason": "Fine.", "score": "4"}'),
    "missing field": _said('{"score": 4}'),
    "extra field": _said('{"reason": "Fine.", "score": 4, "confidence": 1}'),
    "abstention": _said('{"reason": "There is nothing to judge.", "score": null}'),
    "refusal": _said(None, refusal="I cannot help with that."),
    "refusal in prose": _said("I'm sorry, but I cannot rate this message."),
    "content filter": _said("", finish="content_filter"),
    "cut off": _said('{"reason": "It begins w', finish="length"),
    "no completion": lambda: b'{"object": "error", "message": "out of order"}',
    "error in a 200": lambda: b'{"error": {"message": "upstream overloaded", "code": 502}}',
    "error beside a reply": _odd(error={"message": "upstream overloaded"}),
    "HTML": lambda: b"<!DOCTYPE html><html><title>Bad Gateway</title><p>Sorry</p></html>",
    "cut-off body": lambda: json.dumps(completion("A four.")).encode()[:-40],
    "empty body": lambda: b"",
    "not UTF-8": lambda: json.dumps(completion("A four.")).encode().replace(b"four", b"f\xffur"),
    "nested body": lambda: b"[" * 5000 + b"]" * 5000,
    "no choices": _odd(choices=[]),
    "half a surrogate pair": _said('{"reason": "A half: \\ud83d.", "score": 4}'),
    "NUL": _said('{"reason": "It stops\\u0000here.", "score": 4}'),
    "nested reply": _said("[" * 5000 + "]" * 5000),
    "nested schema fault": _said('{"reason": "Deep.", "score": ' + "[" * 900 + "]" * 900 + "}"),
    "huge usage": _used(10**30, 10**30),
    "negative usage": _used(-5, -1),
    "usage in words": _used("many", "few"),
    "zero usage": _used(0, 0),
    "absurd usage": _used(2_000_000_000, 1),
    "no usage": _odd(usage=None),
    "odd parts": _odd(model={"name": "m"}, usage=[1, 2], system_fingerprint=7),
    "huge log probability": _odd(
        choice={"logprobs": {"content": [{"token": "4", "logprob": 9**999}]}}
    ),
}
# Status and body of faults in the words of several kinds of servers.
REASONS: dict[str, tuple[int, bytes]] = {
    "422 list": (
        422,
        b'{"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted", "type": "x"}]}',
    ),
    "400 detail": (400, b'{"detail": "seed is not supported"}'),
    "400 error text": (400, b'{"error": "seed is not supported"}'),
    "400 text": (400, b"seed is not supported\n"),
    "500 HTML": (500, b"<html><head><title>Out of order</title></head><body>x</body></html>"),
}
# Headers that make clients fail in their own ways.
HEADERS: dict[str, tuple[int, dict[str, str]]] = {
    "charset that is none": (500, {"Content-Type": "text/plain; charset=zlib_codec"}),
    "date out of range": (503, {"Retry-After": "Mon, 01 Jan 0001 00:00:00 +2359"}),
    "long Retry-After": (503, {"Retry-After": "9" * 5000}),
}
STATUSES: dict[str, tuple[int, dict[str, str]]] = {
    "429 with Retry-After": (429, {"Retry-After": "1"}),
    "429 with a long Retry-After": (429, {"Retry-After": "86400"}),
    "429": (429, {}),
    "500": (500, {}),
    "400": (400, {}),
    "401": (401, {}),
}
_CONNECTIONS = ("hang", "truncated stream", "closed")
STREAMS = ("endless", "endless error", "packed", "packed badly", "packed oddly", "trickle")
FAULTS = (*BODIES, *STATUSES, *HEADERS, *REASONS, *_CONNECTIONS, *STREAMS)


def streamed_answer(judge: Streaming, fault: str) -> Response:
    """Answers whose length nobody announces."""
    from starlette.responses import Response, StreamingResponse

    if fault == "trickle":
        return StreamingResponse(_trickle(), media_type="application/json")
    if fault.startswith("packed"):
        spaces = b" " * 2**20
        packed = (
            gzip.compress(spaces * 20, compresslevel=1) if fault == "packed" else b"no gzip at all"
        )
        kind = "br" if fault == "packed oddly" else "gzip"
        return Response(packed, headers={"Content-Encoding": kind})
    status = 500 if fault == "endless error" else 200
    return StreamingResponse(_endless(judge), status_code=status, media_type="application/json")


async def _endless(judge: Streaming) -> Any:
    """150 MB of white space, which JSON allows before a value."""
    for _ in range(150):
        judge.streamed += 2**20
        yield b" " * 2**20
        await asyncio.sleep(0)


async def _trickle() -> Any:
    while True:
        yield b" "
        await asyncio.sleep(0.05)


async def cut_answer(part: bytes) -> Any:
    if part:
        yield part
    raise ConnectionAbortedError("scripted: the connection breaks off")
