"""The chat address over real HTTP: the official client, our own backend, and raw requests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
import uvicorn

from models.backends.decoding import DecodingSettings, Generated
from models.backends.openai_backend import OpenAIBackend
from models.backends.scripted import ScriptedBackend
from models.endpoint.connection import Endpoint
from models.serving.application import ServedModel, create_app, serve
from models.serving.replies import StrippedStream
from models.serving.sockets import listening_socket
from study.errors import GenerationError, ModelError

WORRY = [{"role": "user", "content": "I worry about my exams."}]


@dataclass
class HeldBackend:
    """Answers only when let go; remembers what it was asked."""

    go: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    closed: bool = False
    error: Exception | None = None
    error_after: str = ""

    def provenance(self) -> dict[str, Any]:
        return {"backend": "held", "model": "held"}

    def generate(
        self,
        messages: Sequence[Any],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        self.asked.append(messages[-1]["content"])
        assert self.go.wait(20)
        if on_text is not None and self.error_after:
            on_text(self.error_after)
        if self.error is not None:
            raise self.error
        if on_text is not None:
            on_text("  done\n")
        return Generated("done", "  done\n", 3, 1, 0.01, 0.01, "length")

    def close(self) -> None:
        self.closed = True


@contextmanager
def served(backend: Any, **options: Any) -> Iterator[str]:
    """A real server on loopback; gives the base address."""
    model = ServedModel(
        options.get("model_name", "floor"),
        backend,
        options.get("defaults", DecodingSettings()),
        options.get("system_prompt", ""),
    )
    with served_app(create_app([model], queue_size=options.get("queue_size", 1))) as address:
        yield address


@contextmanager
def served_app(app: Any) -> Iterator[str]:
    """A real server of an application on loopback; gives the base address."""
    with listening_socket("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def official(address: str, **options: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address, api_key="none", **({"max_retries": 0} | options)) as it:
        yield it


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end, "did not happen within 120 s"
        time.sleep(0.01)


def raw(address: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
    host = address.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(host, timeout=20)
    payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, payload, {"Content-Type": "application/json"} | headers)
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), json.loads(response.read())
    connection.close()
    return answer


def test_the_official_client_unchanged_streamed_and_not() -> None:
    """Oracle: the backend itself, asked directly with the same settings."""
    direct = ScriptedBackend().generate(WORRY, DecodingSettings(seed=5, temperature=1.0))
    asked: dict[str, Any] = {"model": "floor", "messages": WORRY, "seed": 5, "temperature": 1.0}
    with served(ScriptedBackend()) as address, official(address) as client:
        whole = client.chat.completions.create(**asked)
        assert whole.choices[0].message.content == direct.text
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert whole.usage.prompt_tokens == direct.prompt_tokens
        assert whole.usage.completion_tokens == direct.completion_tokens
        assert whole.usage.total_tokens == direct.prompt_tokens + direct.completion_tokens
        assert whole.model == "floor"

        with client.chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        ) as stream:
            chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == direct.text
        assert len(chunks) > 10
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage == whole.usage
        assert len({c.id for c in chunks}) == 1

        with client.chat.completions.create(**asked, stream=True) as stream:
            assert all(c.usage is None for c in stream)

        assert [model.id for model in client.models.list()] == ["floor"]
        assert client.models.retrieve("floor").id == "floor"
        with pytest.raises(openai.NotFoundError, match="no model 'other'"):
            client.models.retrieve("other")
        assert raw(address, "GET", "/healthz")[2] == {"status": "ok", "model": "floor", "taken": 0}


def test_our_own_endpoint_backend_gives_the_same_reply() -> None:
    """Oracle: the backend asked directly; top-k 1 and the penalty cross the wire too."""
    settings = DecodingSettings(seed=9, temperature=1.3, top_k=2, repetition_penalty=1.4)
    direct = ScriptedBackend().generate(WORRY, settings)
    pieces: list[str] = []
    with served(ScriptedBackend()) as address:
        accepts = frozenset({"top_k", "repetition_penalty"})
        backend = OpenAIBackend(Endpoint(address, "floor", accepts=accepts, retries=0))
        reply = backend.generate(WORRY, settings, on_text=pieces.append)
        assert backend.provenance()["returned_model"] == "floor"
        backend.close()
    assert (reply.text, reply.stop_reason) == (direct.text, "stop_token")
    assert (reply.prompt_tokens, reply.completion_tokens) == (
        direct.prompt_tokens,
        direct.completion_tokens,
    )
    assert "".join(pieces) == direct.text


def test_defaults_and_system_prompt_are_the_systems_own() -> None:
    class Echo(HeldBackend):
        def generate(self, messages: Any, settings: Any, *, on_text: Any = None) -> Generated:
            text = json.dumps([[m["role"] for m in messages], settings.max_new_tokens])
            return Generated(text, text, 1, 1, 0.0, 0.0, "length")

    defaults = DecodingSettings(max_new_tokens=33)
    with (
        served(Echo(), defaults=defaults, system_prompt="Be kind.") as address,
        official(address) as client,
    ):

        def roles_and_limit(**asked: Any) -> Any:
            reply = client.chat.completions.create(model="floor", **asked).choices[0]
            assert reply.finish_reason == "length"
            return json.loads(reply.message.content or "")

        assert roles_and_limit(messages=WORRY) == [["system", "user"], 33]
        own = [{"role": "developer", "content": "Be brief."}, *WORRY]
        assert roles_and_limit(messages=own, max_tokens=4) == [["system", "user"], 4]
        assert roles_and_limit(messages=WORRY, max_completion_tokens=5)[1] == 5


def test_a_full_queue_says_when_to_come_back() -> None:
    """Hand count: one place in hand, one in the queue; the third is refused, then served."""
    backend = HeldBackend()
    replies: list[str] = []
    with served(backend, queue_size=1) as address, official(address) as client:

        def ask(text: str) -> None:
            reply = client.chat.completions.create(
                model="floor", messages=[{"role": "user", "content": text}]
            )
            replies.append(str(reply.choices[0].message.content))

        threads = [threading.Thread(target=ask, args=(text,)) for text in ("a", "b")]
        for thread in threads:
            thread.start()
        wait_until(lambda: raw(address, "GET", "/healthz")[2]["taken"] == 2)
        assert len(backend.asked) == 1
        body = {"model": "floor", "messages": WORRY}
        code, headers, error = raw(address, "POST", "/v1/chat/completions", body)
        assert code == 429
        assert int(headers["retry-after"]) >= 1
        assert error["error"]["code"] == "queue_full"
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="floor", messages=WORRY)  # type: ignore[arg-type]
        backend.go.set()
        for thread in threads:
            thread.join()
        assert replies == ["done", "done"]
        wait_until(lambda: raw(address, "GET", "/healthz")[2]["taken"] == 0)
        assert raw(address, "POST", "/v1/chat/completions", body)[0] == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_the_queue_gives_its_place_back(stream: bool) -> None:
    backend = HeldBackend()
    with served(backend, queue_size=1) as address:
        host, port = address.removeprefix("http://").removesuffix("/v1").split(":")

        def leave_after_asking(text: str) -> socket.socket:
            turn = {"role": "user", "content": text}
            body = json.dumps({"model": "floor", "messages": [turn], "stream": stream}).encode()
            line = socket.create_connection((host, int(port)))
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            line.sendall(head.encode() + body)
            return line

        first = leave_after_asking("first")
        wait_until(lambda: backend.asked == ["first"])
        second = leave_after_asking("second")
        wait_until(lambda: raw(address, "GET", "/healthz")[2]["taken"] == 2)
        second.close()
        wait_until(lambda: raw(address, "GET", "/healthz")[2]["taken"] == 1)
        # A reply without any text yet cannot be interrupted, so its place stays taken until then.
        first.close()
        time.sleep(0.1)
        assert raw(address, "GET", "/healthz")[2]["taken"] == 1
        backend.go.set()
        wait_until(lambda: raw(address, "GET", "/healthz")[2]["taken"] == 0)
    assert backend.asked == ["first"]


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (ModelError("The prompt has 900 tokens."), openai.BadRequestError, "has 900 tokens"),
        (GenerationError("The worker ended."), openai.InternalServerError, "worker ended"),
        (ZeroDivisionError("secret detail"), openai.InternalServerError, "The server failed"),
    ],
)
def test_what_the_backend_cannot_do_becomes_a_status(
    error: Exception, kind: type[openai.APIStatusError], said: str
) -> None:
    backend = HeldBackend(error=error)
    backend.go.set()
    with served(backend) as address, official(address) as client:
        for stream in (False, True):
            with pytest.raises(kind, match=said) as caught:
                client.chat.completions.create(
                    model="floor",
                    messages=WORRY,  # type: ignore[arg-type]
                    stream=stream,
                )
            assert "secret" not in str(caught.value)
            # The server closes the connection after a defect, and the client is told, lest its next
            # request goes into the closing one.
            closes = caught.value.response.headers.get("connection") == "close"
            assert closes == isinstance(error, ZeroDivisionError)
        assert raw(address, "GET", "/healthz")[2]["taken"] == 0


def test_an_error_in_mid_stream_reaches_the_client() -> None:
    backend = HeldBackend(error=GenerationError("The worker ended."), error_after="I hear")
    backend.go.set()
    with served(backend) as address:
        with official(address) as client:
            stream = client.chat.completions.create(
                model="floor",
                messages=WORRY,  # type: ignore[arg-type]
                stream=True,
            )
            with pytest.raises(openai.APIError, match="The worker ended"):
                list(stream)
        ours = OpenAIBackend(Endpoint(address, "floor", retries=0))
        with pytest.raises(GenerationError, match=r"error in mid-reply: The worker ended"):
            ours.generate(WORRY, DecodingSettings())
        ours.close()


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"model": "other"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages[0]"),
        ({"messages": [{"role": "user", "content": None}]}, 400, "messages[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "messages[0]",
        ),
        ({"n": 2}, 400, "n"),
        ({"presence_penalty": 0.5}, 400, "presence_penalty"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"no_such_field": 1}, 400, "no_such_field"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"max_tokens": True}, 400, "max_tokens"),
        ({"temperature": -1}, 400, None),
        ({"max_tokens": 0}, 400, None),
        ({"stop": [1]}, 400, "stop"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    change: dict[str, Any], code: int, param: str | None
) -> None:
    from models.serving.requests import RefusedRequest, asked_model, read_request

    body = {"model": "floor", "messages": WORRY} | change
    with pytest.raises(RefusedRequest) as caught:
        asked_model(body, ["floor"])
        read_request(body, DecodingSettings(), "")
    assert (caught.value.status, caught.value.param) == (code, param)


def test_malformed_requests_get_a_status_and_not_a_crash() -> None:
    with served(ScriptedBackend()) as address:
        path = "/v1/chat/completions"
        good = {"model": "floor", "messages": WORRY}
        parts = [{"type": "text", "text": "I worry "}, {"type": "text", "text": "a lot."}]
        in_parts = good | {"messages": [{"role": "user", "content": parts}]}
        assert raw(address, "POST", path, in_parts)[0] == 200
        assert raw(address, "POST", path, good | {"user": "u", "n": 1, "stop": None})[0] == 200
        assert raw(address, "POST", path, b"{ no json")[0] == 400
        assert raw(address, "POST", path, b"[]")[0] == 400
        assert raw(address, "POST", path, b"x" * 1_000_100)[0] == 413
        other_type = raw(address, "POST", path, good, **{"Content-Type": "text/plain"})
        assert other_type[0] == 415
        assert other_type[2]["error"]["message"]


SERVE = """
from models.backends.scripted import ScriptedBackend
from models.endpoint.connection import Endpoint
from models.serving.application import ServedModel, serve

class Closing(ScriptedBackend):
    def close(self):
        print("closed", flush=True)

serve([ServedModel("floor", Closing())], port=0, started=lambda at: print(at, flush=True))
print("returned", flush=True)
"""


@pytest.mark.parametrize(
    ("how", "last"), [(signal.SIGINT, "closed\nreturned\n"), (signal.SIGTERM, "closed\n")]
)
def test_serve_until_interrupted_closes_the_backend(how: signal.Signals, last: str) -> None:
    """Whole processes and real signals; no traceback is shown."""
    root = str(Path(__file__).resolve().parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert raw(address, "GET", "/healthz")[0] == 200
        process.send_signal(how)
        out, err = process.communicate(timeout=30)
    assert (out, err) == (last, "")


def test_a_taken_or_impossible_port_is_named() -> None:
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ModelError, match=rf"^Port {port} on .* in use.*--port {port + 1}\.$"):
            serve([ServedModel("floor", ScriptedBackend())], port=port)
    with pytest.raises(ModelError, match=r"There is no port 70000"):
        serve([ServedModel("floor", ScriptedBackend())], port=70_000)


def test_the_application_closes_the_backend_only_where_told() -> None:
    for close in (False, True):
        backend = HeldBackend()
        app = create_app([ServedModel("floor", backend)], close_backends=close)
        with served_app(app):
            assert not backend.closed
        assert backend.closed is close


@dataclass
class EndlessBackend(HeldBackend):
    """Writes a word every few milliseconds until its reader is gone."""

    words: int = 0

    def generate(
        self,
        messages: Sequence[Any],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        assert on_text is not None
        while True:
            on_text("word ")
            self.words += 1
            time.sleep(0.005)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_stops_a_begun_reply(stream: bool) -> None:
    """Oracle: the count of words stands still once the place is free again."""
    backend = EndlessBackend()
    with served(backend) as address:
        host, port = address.removeprefix("http://").removesuffix("/v1").split(":")
        body = json.dumps({"model": "floor", "messages": WORRY, "stream": stream}).encode()
        with socket.create_connection((host, int(port))) as line:
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            line.sendall(head.encode() + body)
            wait_until(lambda: backend.words > 5)
        wait_until(lambda: raw(address, "GET", "/healthz")[2]["taken"] == 0)
        written = backend.words
        time.sleep(0.1)
        assert backend.words == written


def test_several_systems_at_one_address_each_with_its_own_settings() -> None:
    """Oracle: the backend asked directly with each system's own seed."""
    models = [
        ServedModel(name, ScriptedBackend(), DecodingSettings(seed=seed, temperature=2.0))
        for name, seed in (("m-1", 3), ("m-2", 8))
    ]
    with served_app(create_app(models)) as address, official(address) as client:
        assert [model.id for model in client.models.list()] == ["m-1", "m-2"]
        for model in models:
            reply = client.chat.completions.create(model=model.name, messages=WORRY)  # type: ignore[arg-type]
            direct = ScriptedBackend().generate(WORRY, model.defaults)
            assert reply.choices[0].message.content == direct.text
            assert reply.system_fingerprint is not None
        entry = raw(address, "GET", "/v1/models/m-2")[2]
        assert entry["provenance"]["scripted"] is True
        with pytest.raises(openai.NotFoundError, match="'m-3' is not served here"):
            client.chat.completions.create(model="m-3", messages=WORRY)  # type: ignore[arg-type]


def test_streamed_pieces_are_the_stripped_text() -> None:
    """Hand example: outer white space goes, inner white space stays, whatever the cuts."""
    text = " \n I hear\n\nyou.  \n "
    for size in range(1, len(text) + 1):
        stream = StrippedStream()
        pieces = [stream.pass_on(text[i : i + size]) for i in range(0, len(text), size)]
        assert "".join(pieces) == "I hear\n\nyou."
