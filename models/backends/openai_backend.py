"""Any address that speaks the OpenAI chat protocol, through the official client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from models.backends.decoding import DecodingSettings, Generated, StopReason
from models.backends.endpoint_words import words_of_endpoint
from models.backends.interface import Message
from models.backends.model_files import library_versions
from study.errors import GenerationError, ModelError
from study.installation import install_command
from study.protocol.endpoint_address import proxy_hint

if TYPE_CHECKING:
    import openai

    from models.backends.bounded_transport import BoundedTransport

DEFAULT_TIMEOUT_S = 120.0
# The longest reply that a protocol may ask for, at three tokens a second.
DEFAULT_LONGEST_S = 2700.0
DEFAULT_RETRIES = 2
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0

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
    model : str
        The name under which the endpoint serves it.
    endpoint : str
        Base address, usually ending in ``/v1``.
    api_key : str or None
        Sent as bearer token; None where the endpoint needs none.
    accepts : frozenset of str
        See :func:`refuse_unhonoured`.
    length_parameter : str
        Under which name the endpoint takes the longest length of a reply.
    leave_out : sequence of str
        Of ``temperature``, ``top_p`` and ``seed``: what is not sent.
    proxy : str
        Address of an HTTP proxy; empty to ask directly, whatever the environment says.
    timeout_s : float
        Seconds that the endpoint may be silent, to the first and between two pieces of text.
    longest_s : float
        Seconds that one reply may take in all.
    retries : int
        Further attempts after a refused connection, a time-out, 408, 409, 429 or a 5xx status;
        ``Retry-After`` is kept to.

    Raises
    ------
    ModelError
        When the client is not installed or the address is not one.
    """

    def __init__(
        self,
        *,
        model: str,
        endpoint: str,
        api_key: str | None = None,
        proxy: str = "",
        accepts: frozenset[str] = frozenset(),
        length_parameter: str = "max_tokens",
        leave_out: Sequence[str] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
        longest_s: float = DEFAULT_LONGEST_S,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ModelError(
                f"The endpoint is {endpoint!r}; expected an address such as "
                f"http://127.0.0.1:8000/v1."
            )
        self._model = model
        self._endpoint = endpoint
        self._accepts = accepts
        self._length_parameter = length_parameter
        self._leave_out = tuple(leave_out)
        self._timeout_s = timeout_s
        self._retries = retries
        self._transport = _transport(proxy, longest_s)
        self._client = _client(endpoint, api_key, timeout_s, retries, self._transport)
        self._reported: dict[str, Any] = {}

    def provenance(self) -> dict[str, Any]:
        """Endpoint, model asked for, and what the endpoint reported of the latest reply.

        User name, password and query of the address are left out: they can hold secrets.
        """
        parts = urlsplit(self._endpoint)
        port = f":{parts.port}" if parts.port else ""
        return {
            "backend": "openai",
            "model": self._model,
            "endpoint": f"{parts.scheme}://{parts.hostname}{port}{parts.path}",
            "seed_honoured": "not sent"
            if "seed" in self._leave_out
            else "as far as the endpoint does",
            **({"left_out": list(self._leave_out)} if self._leave_out else {}),
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
        refuse_unhonoured(settings, self._accepts)
        self._reported = {}
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S))
            reply = self._stream(messages, settings, on_text)
            # A good status with no piece of a reply in it is no better than a 502.
            if reply.pieces:
                break
        else:
            raise GenerationError(
                f"The endpoint answered as {self._model!r} without any piece of a reply: "
                f"{words_of_endpoint(bytes(self._transport.beginning)).rstrip('.')}. Run the command "
                "again; if it happens again, look at the endpoint's log."
            )
        self._reported = reply.reported()
        return reply.finished(self._model)

    def _stream(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        on_text: Callable[[str], None] | None,
    ) -> _Reply:
        reply = _Reply(on_text=on_text)
        with self._errors_in_words():
            stream = self._client.chat.completions.create(**self._request(messages, settings))
            with stream:
                for chunk in stream:
                    reply.add(chunk)
                    if reply.reached(settings.time_limit_s):
                        break
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
            "model": self._model,
            "messages": [dict(message) for message in messages],
            self._length_parameter: settings.max_new_tokens,
            **{name: value for name, value in sampling.items() if name not in self._leave_out},
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if settings.stop:
            request["stop"] = list(settings.stop)
        beyond = {name: getattr(settings, name) for name in sorted(self._accepts)}
        if beyond:
            request["extra_body"] = beyond
        return request

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        import httpx2
        import openai

        from models.backends.bounded_transport import TooSlow

        where = f"The endpoint {self.provenance()['endpoint']} (model {self._model!r})"
        try:
            yield
        except openai.APITimeoutError as error:
            cause = error.__cause__
            silent = f"sent nothing for {self._timeout_s:g} seconds"
            raise GenerationError(
                f"{where} {f'was too slow: {cause}' if isinstance(cause, TooSlow) else silent}. "
                f"See whether it is busy or stuck, then run the command again."
            ) from error
        except openai.APIConnectionError as error:
            raise ModelError(
                f"{where} cannot be reached or broke off: {error.__cause__ or error}. "
                f"Start it or correct 'endpoint' in the protocol, then run the command again."
                f"{proxy_hint(self._endpoint, field='proxy')}"
            ) from error
        except openai.APIStatusError as error:
            raise _status_error(where, error.status_code, _said(error)) from error
        except openai.APIError as error:
            raise GenerationError(
                f"{where} reported an error in mid-reply: {error.message}. "
                f"Run the command again; if it happens again, look at the endpoint's log."
            ) from error
        except httpx2.HTTPError as error:
            # The body is read after the client has given the answer out.
            raise GenerationError(
                f"{where} broke off in mid-reply: {error}. Run the command again; if it happens again, "
                "look at the endpoint's log."
            ) from error
        except (ValueError, RecursionError) as error:
            raise GenerationError(
                f"{where} sent something that is not the OpenAI chat protocol: {error}. "
                f"Check that 'endpoint' is the base address, usually ending in /v1."
            ) from error


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


def _said(error: Any) -> str:
    """What the endpoint itself said, without the client's frame around it."""
    return words_of_endpoint(error.response.content)


def _status_error(where: str, status: int, message: str) -> ModelError:
    remedies = {
        400: "A setting or the prompt does not suit this endpoint: change it.",
        401: "Check the key in the variable that 'api_key_variable' names.",
        403: "The key has no right to this model: check the account.",
        404: "Check 'endpoint' (usually ending in /v1) and 'model'.",
        422: "A setting does not suit this endpoint: change it.",
        429: "It is busy or the quota is used up: wait, then run the command again.",
    }
    remedy = remedies.get(status, "Look at the endpoint's log, then run the command again.")
    kind = GenerationError if status in {400, 422, 429} or status >= 500 else ModelError
    return kind(f"{where} answered with HTTP status {status}: {message.rstrip('.')}. {remedy}")


def _transport(proxy: str, longest_s: float) -> BoundedTransport:
    try:
        import httpx2
        import openai  # noqa: F401 - of the same extra, and the first to be used

        from models.backends.bounded_transport import BoundedTransport
    except ImportError as error:
        raise ModelError(
            f"The openai backend needs the package 'openai'. Install it with: {install_command('models')}"
        ) from error
    known = httpx2.create_ssl_context()
    return BoundedTransport(longest_s=longest_s, verify=known, proxy=proxy or None)


def _client(
    endpoint: str, api_key: str | None, timeout_s: float, retries: int, transport: BoundedTransport
) -> openai.OpenAI:
    """The official client, with nothing taken from the environment and no redirects.

    The client would send an OPENAI_API_KEY, an organisation or headers from the environment to
    whatever address it is given, and follow a redirect with the prompt to another host.
    """
    import openai

    timeout = openai.Timeout(timeout_s, connect=min(10.0, timeout_s))
    client = openai.OpenAI(
        api_key=api_key or "none",
        base_url=endpoint,
        timeout=timeout,
        max_retries=retries,
        http_client=openai.DefaultHttpxClient(
            follow_redirects=False, timeout=timeout, transport=transport
        ),
    )
    forget_ambient_settings(client)
    return client


def forget_ambient_settings(client: openai.OpenAI | openai.AsyncOpenAI) -> None:
    """Take out of a new client what it read from ``OPENAI_...`` variables of the environment.

    The constructor reads them wherever an argument is None, and there is no value that means "none".
    Hiding the variables meanwhile would change the environment of every other thread.
    """
    client.organization = client.project = None
    client.admin_api_key = client.webhook_secret = None
    # From OPENAI_CUSTOM_HEADERS. Private, so a test sends a request and looks at its headers.
    client._custom_headers = {}
    client._ambient_authorizations = frozenset()
