"""The OpenAI-compatible backend against real HTTP servers on loopback, good and bad ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from models.backends.decoding import DecodingSettings
from models.backends.openai_backend import OpenAIBackend
from models.backends.opening import open_backend
from models.endpoint.connection import Endpoint
from study.errors import GenerationError, ModelError
from study.protocol.systems import System

MESSAGES = [{"role": "user", "content": "I worry."}]


class ScriptedEndpoint(ThreadingHTTPServer):
    """Answers each request by the next of ``answers`` (the last one again and again)."""

    daemon_threads = True

    def __init__(self, answers: list[Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.stopped = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedEndpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((headers, json.loads(body)))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, *args: object) -> None:
        del args


def status(code: int, message: str = "no", **headers: str) -> Any:
    def answer(handler: _Handler) -> None:
        body = json.dumps({"error": {"message": message}}).encode()
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def chunk(content: str | None = None, finish: str | None = None, **extra: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    delta |= extra.pop("delta", {})
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "real-7b-0101"} | (
        {"choices": [choice]} | extra
    )


def events(*chunks: dict[str, Any] | str | float, done: bool = True) -> Any:
    """Server-sent events; a number waits that many seconds, a string is sent as it is."""

    def answer(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        try:
            for data in (*chunks, *(("data: [DONE]\n\n",) if done else ())):
                if isinstance(data, float):
                    handler.server.stopped.wait(data)
                    continue
                text = data if isinstance(data, str) else f"data: {json.dumps(data)}\n\n"
                handler.wfile.write(text.encode())
                handler.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass
        handler.close_connection = True

    return answer


# Of silence: a test that waited for its end would never end.
AN_HOUR = 3600.0
USAGE = chunk(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9})
GOOD = events(chunk("I hear"), chunk(" you. "), chunk(finish="stop"), USAGE)


@contextmanager
def endpoint(*answers: Any) -> Iterator[ScriptedEndpoint]:
    server = ScriptedEndpoint(list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def backend_for(server: ScriptedEndpoint, **options: Any) -> Iterator[OpenAIBackend]:
    chosen = {"timeout_s": 60.0, "retries": 0} | options
    backend = OpenAIBackend(Endpoint(server.base_url, "real-7b", **chosen))
    try:
        yield backend
    finally:
        backend.close()


def failure(*answers: Any, **options: Any) -> ModelError:
    with endpoint(*answers) as server, backend_for(server, **options) as backend:
        with pytest.raises(ModelError) as caught:
            backend.generate(MESSAGES, DecodingSettings())
        return caught.value


def test_a_good_reply_with_its_provenance() -> None:
    """Hand-written events: text, counts, finish reason and the model that really answered."""
    pieces: list[str] = []
    with endpoint(GOOD) as server, backend_for(server, key="sk-test") as backend:
        settings = DecodingSettings(
            max_new_tokens=9, temperature=0.4, top_p=0.8, seed=3, stop=("END",)
        )
        reply = backend.generate(MESSAGES, settings, on_text=pieces.append)
        provenance = backend.provenance()
        headers, request = server.requests[0]
    assert (reply.text, reply.raw_text, pieces) == (
        "I hear you.",
        "I hear you. ",
        ["I hear", " you. "],
    )
    assert (reply.prompt_tokens, reply.completion_tokens) == (5, 4)
    assert reply.stop_reason == "stop_token"
    assert 0 < reply.first_token_s <= reply.latency_s
    assert provenance["model"] == "real-7b"
    assert provenance["returned_model"] == "real-7b-0101"
    assert provenance["usage_reported"] is True
    assert "sk-test" not in json.dumps(provenance)
    assert headers["authorization"] == "Bearer sk-test"
    assert request == {
        "model": "real-7b",
        "messages": MESSAGES,
        "max_tokens": 9,
        "temperature": 0.4,
        "top_p": 0.8,
        "seed": 3,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_settings_beyond_the_protocol_are_sent_only_where_declared() -> None:
    with endpoint(GOOD) as server:
        accepts = frozenset({"top_k", "repetition_penalty"})
        with backend_for(server, accepts=accepts) as backend:
            backend.generate(MESSAGES, DecodingSettings(top_k=7, repetition_penalty=1.3))
        with backend_for(server) as backend, pytest.raises(ModelError, match="top_k is 7"):
            backend.generate(MESSAGES, DecodingSettings(top_k=7))
        assert len(server.requests) == 1
        request = server.requests[0][1]
    assert (request["top_k"], request["repetition_penalty"]) == (7, 1.3)


def test_nothing_of_the_environment_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client alone would send all four of these to any address."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ambient")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ambient")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-ambient")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: ambient")
    with endpoint(GOOD) as server, backend_for(server) as backend:
        backend.generate(MESSAGES, DecodingSettings())
        assert "ambient" not in json.dumps(server.requests)
    monkeypatch.setenv("STUDY_KEY", "sk-named")
    with endpoint(GOOD) as server:
        declared = System(
            id="remote",
            title="Remote",
            backend="openai",
            model="real-7b",
            endpoint=server.base_url,
            api_key_variable="STUDY_KEY",
        )
        backend_of_study = open_backend(declared, study_folder=None)  # type: ignore[arg-type]
        backend_of_study.generate(MESSAGES, DecodingSettings())
        backend_of_study.close()
        assert server.requests[0][0]["authorization"] == "Bearer sk-named"


def test_a_redirect_does_not_carry_the_prompt_elsewhere() -> None:
    with endpoint(GOOD) as other:
        error = failure(status(307, Location=f"{other.base_url}/chat/completions"))
        assert other.requests == []
    assert "status 307" in str(error)


def test_retries_are_bounded_and_keep_to_retry_after() -> None:
    """Two refusals and a reply with two retries; one retry gives up after two requests."""
    busy = status(429, "busy", Retry_After="0.05")
    with endpoint(busy, status(500, "oops", Retry_After="0.05"), GOOD) as server:
        with backend_for(server, retries=2) as backend:
            assert backend.generate(MESSAGES, DecodingSettings()).text == "I hear you."
        assert len(server.requests) == 3
    with endpoint(busy) as server, backend_for(server, retries=1) as backend:
        with pytest.raises(GenerationError, match=r"429: busy.*wait, then run the command again"):
            backend.generate(MESSAGES, DecodingSettings())
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(500, "out of memory"), r"status 500: out of memory\. Look at the endpoint"),
        (status(401, "bad key"), r"refused the key \(status 401: bad key\)\. Set api_key_variable"),
        (status(404, "no such model"), r"404: no such model\)\. Correct endpoint"),
        (status(400, "seed unknown"), r"400: seed unknown"),
        (events(chunk(finish="stop")), r"empty text \(finish reason 'stop'\)"),
        (events(chunk(" \n "), chunk(finish="length")), r"empty text \(finish reason 'length'\)"),
        (events(), r"without any piece of a reply"),
        (
            events("<html>hello</html>", done=False),
            r"without any piece of a reply: an HTML page: hello",
        ),
        (events("data: {broken\n\n"), r"not the OpenAI chat protocol"),
        (events(chunk(delta={"refusal": "I cannot."}), chunk(finish="stop")), r"refused.*I cannot"),
        (events(chunk("I h"), chunk(finish="content_filter")), r"refused.*content filter"),
        (events(chunk("I hear"), done=False), r"broke off in the middle"),
        (
            events(chunk("I hear"), {"error": {"message": "GPU on fire"}}),
            r"error in mid-reply: GPU on fire",
        ),
    ],
)
def test_each_misbehaviour_is_a_sentence(answer: Any, message: str) -> None:
    error = failure(answer)
    with pytest.raises(ModelError, match=message):
        raise error


def raw(code: int, body: bytes, **headers: str) -> Any:
    """An answer of these very bytes."""

    def answer(handler: _Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    return answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (raw(400, b'{"detail": "seed unknown"}'), r"status 400: seed unknown\. A setting"),
        (
            raw(422, b'{"detail": [{"loc": ["body", "top_p"], "msg": "too small"}]}'),
            r"status 422: body\.top_p: too small\.",
        ),
        (raw(500, b'{"error": "out of memory"}'), r"status 500: out of memory\."),
        (raw(503, b"busy\nwith others"), r"status 503: busy with others\."),
        (raw(502, b"<html><title>Bad Gateway</title></html>"), r"an HTML page: Bad Gateway\."),
        (raw(500, b""), r"status 500: an empty answer\."),
        (raw(500, b"x" * 20 * 2**20), r"status 500: x{300}\. Look"),
        (raw(400, b"\x1b[31mred\x1b[0m"), r"status 400:  ?\[31mred \[0m\."),
        # A reply is read as long as it has an end.
        (
            raw(200, b"data: " + b" " * 20 * 2**20, Content_Type="text/event-stream"),
            r"longer than 8 MiB",
        ),
        (
            raw(200, b"data: " + b"[" * 5000 + b"\n\n", Content_Type="text/event-stream"),
            r"not the OpenAI chat protocol",
        ),
        (raw(200, b"no gzip", Content_Encoding="gzip"), r"cannot be unpacked"),
        (raw(200, b"x", Content_Encoding="zstd, br"), r"packed as 'zstd, br'"),
    ],
)
def test_each_kind_of_reason_and_every_odd_body_is_a_sentence(answer: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        raise failure(answer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "upstream overloaded"}}', r"reply: upstream overloaded\. Run"),
        (b'{"detail": "no such route"}', r"reply: no such route\."),
        (b"<html><title>Sign in</title></html>", r"reply: an HTML page: Sign in\."),
        (b"", r"reply: an empty answer\."),
    ],
)
def test_a_good_status_without_a_reply_is_asked_again_and_told(body: bytes, message: str) -> None:
    wrong = raw(200, body)
    with endpoint(wrong, GOOD) as server, backend_for(server, retries=1) as backend:
        assert backend.generate(MESSAGES, DecodingSettings()).text == "I hear you."
        assert len(server.requests) == 2
    with endpoint(wrong) as server, backend_for(server, retries=1) as backend:
        with pytest.raises(GenerationError, match=message):
            backend.generate(MESSAGES, DecodingSettings())
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("I hear ", "\ud83d", "\ude00", "."), "I hear \U0001f600."),
        (("I hear \ud83d.",), "I hear \N{REPLACEMENT CHARACTER}."),
        (("I hear\x00 you.",), "I hear\N{REPLACEMENT CHARACTER} you."),
        (("\U0001f600 äß",), "\U0001f600 äß"),
    ],
)
def test_what_no_database_holds_does_not_come_out_of_a_reply(
    pieces: tuple[str, ...], text: str
) -> None:
    answer = events(*(chunk(piece) for piece in pieces), chunk(finish="stop"), USAGE)
    with endpoint(answer) as server, backend_for(server) as backend:
        reply = backend.generate(MESSAGES, DecodingSettings())
    assert (reply.text, reply.raw_text) == (text, text)
    reply.text.encode()


def test_a_reply_that_trickles_in_ends_by_the_time_for_the_whole_of_it() -> None:
    """Never silent for long, never finished: the server goes on until the connection is closed."""
    slow = events(chunk("I"), *([": still here\n\n", 0.05] * 2000))
    assert "not complete after 0.5 s" in str(failure(slow, longest_s=0.5))


def test_a_silent_endpoint_times_out_and_a_dead_one_is_named() -> None:
    error = failure(events(chunk("I"), AN_HOUR, chunk(finish="stop")), timeout_s=0.3)
    assert "silent for 0.3 s" in str(error)
    with endpoint(GOOD) as server:
        address = server.base_url
    backend = OpenAIBackend(Endpoint(address, "m", retries=0))
    with pytest.raises(ModelError, match=r"no connection: .*Start it or correct endpoint"):
        backend.generate(MESSAGES, DecodingSettings())
    backend.close()


def test_the_time_limit_ends_a_slow_reply_and_counts_stay_unknown() -> None:
    """By hand: the second piece comes after the limit, the third is not waited for."""
    slow = events(chunk("I hear"), 0.4, chunk(" you"), AN_HOUR, chunk(finish="stop"), USAGE)
    with endpoint(slow) as server, backend_for(server) as backend:
        reply = backend.generate(MESSAGES, DecodingSettings(time_limit_s=0.3))
        assert backend.provenance()["usage_reported"] is False
    assert (reply.text, reply.stop_reason) == ("I hear you", "time")
    assert 0.4 <= reply.latency_s < AN_HOUR


def test_secrets_in_the_address_are_not_kept() -> None:
    backend = OpenAIBackend(Endpoint("http://me:pw@host.example:81/v1?token=x", "m"))
    assert backend.provenance()["endpoint"] == "http://host.example:81/v1"
    backend.close()
