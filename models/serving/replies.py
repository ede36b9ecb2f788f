"""A reply in the OpenAI chat protocol: as one object, or as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from models.backends.decoding import Generated
from models.serving.reply_queue import Piece
from study.errors import EvenhandError

_FINISH_REASONS = {"length": "length", "context": "length", "time": "length"}


class StrippedStream:
    """Pieces of text without the white space at the ends of the whole.

    So a streamed reply, put together, is the text of the reply that is not streamed.
    """

    def __init__(self) -> None:
        self._begun = False
        self._held = ""

    def pass_on(self, piece: str) -> str:
        """What of ``piece``, and of what was held back, can be sent now."""
        text = self._held + piece
        if not self._begun:
            text = text.lstrip()
        body = text.rstrip()
        self._held = text[len(body) :]
        self._begun = self._begun or bool(body)
        return body


@dataclass(frozen=True)
class ReplyEnvelope:
    """What stands around one reply.

    Parameters
    ----------
    id : str
    model_name : str
    created : int
        Seconds since 1970.
    fingerprint : str
        Stands for the files and libraries that write the reply.
    """

    id: str
    model_name: str
    created: int
    fingerprint: str

    def completion(self, generated: Generated) -> dict[str, Any]:
        """The reply as one ``chat.completion``."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": generated.text, "refusal": None},
            "finish_reason": _finish_reason(generated),
            "logprobs": None,
        }
        envelope = self._envelope("chat.completion")
        return envelope | {"choices": [choice], "usage": _usage(generated)}

    async def events(
        self,
        first: Piece | Generated,
        rest: AsyncIterator[Piece | Generated],
        include_usage: bool,
    ) -> AsyncIterator[str]:
        """The reply as server-sent events, ending in ``[DONE]`` or in an error event."""
        stream = StrippedStream()
        yield self._chunk({"role": "assistant", "content": ""})
        event = first
        try:
            while isinstance(event, Piece):
                text = stream.pass_on(event.text)
                if text:
                    yield self._chunk({"content": text})
                event = await anext(rest)
        except EvenhandError as error:
            yield _sse({"error": error_body(str(error), "model_error")})
            return
        yield self._chunk({}, _finish_reason(event))
        if include_usage:
            envelope = self._envelope("chat.completion.chunk")
            yield _sse(envelope | {"choices": [], "usage": _usage(event)})
        yield "data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return _sse(self._envelope("chat.completion.chunk") | {"choices": [choice]})

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model_name,
            "system_fingerprint": self.fingerprint,
        }


def error_body(message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """An error as the protocol writes it."""
    return {"message": message, "type": code, "param": param, "code": code}


def _finish_reason(generated: Generated) -> str:
    return _FINISH_REASONS.get(generated.stop_reason, "stop")


def _usage(generated: Generated) -> dict[str, int]:
    return {
        "prompt_tokens": generated.prompt_tokens,
        "completion_tokens": generated.completion_tokens,
        "total_tokens": generated.prompt_tokens + generated.completion_tokens,
    }


def _sse(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
