"""Any address that speaks the OpenAI chat protocol, as a system."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.backends.decoding import DecodingSettings, Generated, StopReason
from models.backends.interface import Message
from models.backends.model_files import library_versions
from models.endpoint.connection import Endpoint, open_client
from models.endpoint.failures import AttemptFailed, Failure, failure_of, retry_rules
from models.endpoint.words import words_of_endpoint
from study.errors import GenerationError, ModelError
from study.protocol.endpoint_address import request_settings

# Settings outside the OpenAI protocol and the value that means "off".
_BEYOND_PROTOCOL: dict[str, float] = {"top_k": 0, "repetition_penalty": 1.0}


def refuse_unhonoured(settings: DecodingSettings, accepts: frozenset[str]) -> None:
    """Refuse settings that the OpenAI chat protocol does not have.

    Parameters
    ----------
    settings : DecodingSettings
    accepts : frozenset of str
        Settings beyond the protocol that this endpoint is known to honour under the same name
        (vLLM and ``evenhand serve-model``: ``top_k``, ``repetition_penalty``).

    Raises
    ------
    ModelError
        When a setting is switched on that the endpoint is not known to honour.
    """
    for name, off in _BEYOND_PROTOCOL.items():
        value = getattr(settings, name)
        if value != off and name not in accepts:
            raise ModelError(
                f"The decoding setting {name} is {value}; the OpenAI chat protocol has no such "
                f"setting and the endpoint might ignore it. Set it to {off} (off), or list it "
                f"in the system's 'endpoint_accepts' when the endpoint is known to honour it."
            )


class OpenAIBackend:
    """Asks an OpenAI-compatible endpoint; the only backend that uses the network.

    Replies are streamed, which gives the time to the first token and lets the time limit end a
    reply. The seed is sent; whether the endpoint keeps to it is the endpoint's promise, not ours.

    Parameters
    ----------
    endpoint : Endpoint

    Raises
    ------
    ModelError
        When the client is not installed or the address is not one.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client, self._transport = open_client(endpoint)
        self._reported: dict[str, Any] = {}

    def provenance(self) -> dict[str, Any]:
        """Endpoint, model asked for, and what the endpoint reported of the latest reply.

        User name, password and query of the address are left out: they can hold secrets.
        """
        left_out = self._endpoint.leave_out
        return {
            "backend": "openai",
            "model": self._endpoint.model,
            "endpoint": self._endpoint.shown,
            "seed_honoured": "not sent" if "seed" in left_out else "as far as the endpoint does",
            **({"left_out": list(left_out)} if left_out else {}),
            "peak_memory_missing": "the endpoint does not tell",
            "libraries": library_versions("openai"),
            **self._reported,
        }

    def generate(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        """Ask for one reply (see :class:`models.backends.interface.Backend`)."""
        import tenacity

        refuse_unhonoured(settings, self._endpoint.accepts)
        self._reported = {}
        attempts = tenacity.Retrying(**retry_rules(self._endpoint.retries))
        try:
            reply = attempts(self._stream, messages, settings, on_text)
        except AttemptFailed as failed:
            raise failed.failure.error(self._endpoint) from failed.__cause__
        self._reported = reply.reported()
        return reply.finished(self._endpoint.model)

    def _stream(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        on_text: Callable[[str], None] | None,
    ) -> _Reply:
        reply = _Reply(on_text=on_text)
        try:
            with self._client.chat.completions.create(
                **self._request(messages, settings)
            ) as stream:
                for chunk in stream:
                    reply.add(chunk)
                    if reply.reached(settings.time_limit_s):
                        break
        except ModelError:
            raise
        except Exception as error:
            failure = failure_of(error, self._endpoint)
            # Once a piece has come, somebody may have read it: no other reply can follow.
            again = failure.again and not reply.pieces
            raise AttemptFailed(dataclasses.replace(failure, again=again)) from error
        if not reply.pieces:
            # A good status with no piece of a reply in it is no better than a 502.
            said = words_of_endpoint(bytes(self._transport.beginning)).rstrip(".")
            message = f"the answer came without any piece of a reply: {said}"
            raise AttemptFailed(Failure("no completion", message, again=True, in_doubt=True))
        return reply

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _request(self, messages: Sequence[Message], settings: DecodingSettings) -> dict[str, Any]:
        sampling = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": settings.seed,
        }
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [dict(message) for message in messages],
            **request_settings(
                sampling,
                settings.max_new_tokens,
                length_parameter=self._endpoint.length_parameter,
                leave_out=self._endpoint.leave_out,
            ),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if settings.stop:
            request["stop"] = list(settings.stop)
        beyond = {name: getattr(settings, name) for name in sorted(self._endpoint.accepts)}
        if beyond:
            request["extra_body"] = beyond
        return request


@dataclass
class _Reply:
    """What came so far of a streamed reply."""

    on_text: Callable[[str], None] | None
    started: float = field(default_factory=time.perf_counter)
    text: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    first_token_s: float | None = None
    returned_model: str | None = None
    fingerprint: str | None = None
    usage: tuple[int, int] | None = None
    timed_out: bool = False
    pieces: int = 0

    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    def reached(self, time_limit_s: float | None) -> bool:
        """Whether the time is up in the middle of the text."""
        if time_limit_s is not None and self.text and self.finish_reason is None:
            self.timed_out = self.elapsed() >= time_limit_s
        return self.timed_out

    def add(self, chunk: Any) -> None:
        self.pieces += 1
        self.returned_model = chunk.model or self.returned_model
        self.fingerprint = getattr(chunk, "system_fingerprint", None) or self.fingerprint
        if chunk.usage is not None:
            self.usage = (chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
        for choice in chunk.choices or ():
            self.finish_reason = choice.finish_reason or self.finish_reason
            if choice.delta is None:
                continue
            self.refusal += getattr(choice.delta, "refusal", None) or ""
            piece = choice.delta.content
            if piece:
                if self.first_token_s is None:
                    self.first_token_s = self.elapsed()
                self.text += piece
                if self.on_text is not None:
                    self.on_text(piece)

    def reported(self) -> dict[str, Any]:
        return {
            "returned_model": self.returned_model,
            "system_fingerprint": self.fingerprint,
            "usage_reported": self.usage is not None,
        }

    def finished(self, model: str) -> Generated:
        """The reply as a whole, or why it is not usable."""
        if self.refusal or self.finish_reason == "content_filter":
            raise GenerationError(
                f"The endpoint refused to answer as {model!r}: "
                f"{self.refusal or 'its content filter cut the reply'}. "
                f"Change the prompt, or ask the endpoint's provider about its filter."
            )
        if not self.text.strip():
            raise GenerationError(
                f"The endpoint answered as {model!r} with an empty text (finish reason "
                f"{self.finish_reason!r}). Raise max_new_tokens if the model thinks before it "
                f"writes, or try another seed."
            )
        if self.finish_reason is None and not self.timed_out:
            raise GenerationError(
                f"The reply of {model!r} broke off in the middle, without a finish reason. "
                f"Run the command again; if it happens again, look at the endpoint's log."
            )
        reason: StopReason = "length" if self.finish_reason == "length" else "stop_token"
        prompt_tokens, completion_tokens = self.usage or (0, 0)
        elapsed = self.elapsed()
        text = _whole(self.text)
        return Generated(
            text=text.strip(),
            raw_text=text,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            latency_s=elapsed,
            first_token_s=elapsed if self.first_token_s is None else self.first_token_s,
            stop_reason="time" if self.timed_out else reason,
        )


def _whole(text: str) -> str:
    """With surrogate pairs joined, and U+FFFD for halves and NULs, which no database holds.

    A stream may bring the halves of one character in two pieces.
    """
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\x00", "\N{REPLACEMENT CHARACTER}")
