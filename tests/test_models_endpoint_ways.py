"""By which way the judge and generation ask an endpoint: a real proxy and real servers on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models.backends.decoding import DecodingSettings
from models.backends.opening import open_backend
from models.judge.scripted.scripted_faults import completion
from models.judge.session import open_session
from models.judge.wording.declaration import hard_faults, judge_faults
from protocols import shipped_protocols
from study.errors import ModelError, ProtocolError
from study.protocol import load_protocol
from study.protocol.contradictions.protocol import contradictions
from study.protocol.endpoint_address import is_own_network, proxy_fault
from study.protocol.judge import Judge
from study.protocol.systems import System
from study.store.judge.verdicts import read_calls
from survey_app.chat.reply_stream import ReplyStream
from survey_app.chat.systems import chat_systems
from tests.fixtures_judge import make_study

# RFC 6761: no server ever has a name under this one.
ELSEWHERE = "http://judge.invalid/v1"


class _Answering(BaseHTTPRequestHandler):
    """Answers a judge's request with a verdict and a stream's with a reply, and notes what it was asked."""

    server: Noting

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(self.path)
        self.server.bodies.append(asked)
        if asked.get("stream"):
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            delta = {"index": 0, "delta": {"content": self.server.says}, "finish_reason": "stop"}
            event = json.dumps(chunk | {"choices": [delta]}, ensure_ascii=False)
            body = f"data: {event}\n\ndata: [DONE]\n\n".encode()
        else:
            verdict = '{"reason": "r", "harm": false, "harm_types": [], "score": 1}'
            body = json.dumps(completion(verdict)).encode()
        self.send_response(200)
        kind = "text/event-stream" if asked.get("stream") else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        del args


class Noting(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.says = "I hear you."

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def noting() -> Iterator[Noting]:
    server = Noting()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _judge(folder: Path, **fields: Any) -> None:
    study = make_study(folder, prompts=1, backend="openai", model="m", retries=0, **fields)
    try:
        session = open_session(study)
        session.run(session.calls())
        failures = [c.failure["message"] for c in read_calls(study) if c.failure]
    finally:
        study.close()
    if failures:
        raise ModelError(str(failures[0]))


def _generate(folder: Path, **fields: Any) -> None:
    system = System(id="remote", title="Remote", backend="openai", model="m", **fields)
    backend = open_backend(system, study_folder=folder)
    try:
        backend.generate([{"role": "user", "content": "I worry."}], DecodingSettings())
    finally:
        backend.close()


WAYS: tuple[Callable[..., None], ...] = (_judge, _generate)


@pytest.mark.parametrize("ask", WAYS)
def test_the_environment_s_proxies_are_never_used(
    ask: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with noting() as proxy, noting() as endpoint:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.address)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        ask(tmp_path / "s", endpoint=f"{endpoint.address}/v1")
        assert endpoint.asked
        # Neither is an address elsewhere; the message says what could be done.
        with pytest.raises(ModelError, match=r"environment names a proxy.*proxy if"):
            ask(tmp_path / "t", endpoint=ELSEWHERE)
        assert proxy.asked == []


@pytest.mark.parametrize("ask", WAYS)
def test_the_protocol_s_proxy_is_used_for_an_address_elsewhere(
    ask: Callable[..., None], tmp_path: Path
) -> None:
    with noting() as proxy:
        ask(tmp_path / "s", endpoint=ELSEWHERE, proxy=proxy.address)
        assert set(proxy.asked) == {f"{ELSEWHERE}/chat/completions"}


@pytest.mark.parametrize("ask", WAYS)
def test_a_private_endpoint_is_refused_a_proxy(ask: Callable[..., None], tmp_path: Path) -> None:
    with noting() as proxy, noting() as endpoint:
        with pytest.raises((ModelError, ProtocolError), match="never asked through a proxy"):
            ask(tmp_path / "s", endpoint=f"{endpoint.address}/v1", proxy=proxy.address)
        assert (proxy.asked, endpoint.asked) == ([], [])


OWN = (
    "http://localhost:8000/v1", "http://LOCALHOST./v1", "http://gpu.localhost/v1",
    "http://127.0.0.1/v1", "http://127.8.9.1/v1", "http://127.1/v1", "http://2130706433/v1",
    "http://0x7f000001/v1", "http://0.0.0.0/v1", "http://[::1]/v1", "http://[::ffff:127.0.0.1]/v1",
    "http://10.1.2.3/v1", "http://172.16.0.9/v1", "http://172.31.255.1/v1", "http://192.168.1.20/v1",
    "http://169.254.1.1/v1", "http://100.64.0.1/v1", "http://[fd00::1]/v1", "http://[fe80::1%25eth0]/v1",
    "http://gpu-box:8000/v1", "http://judge.local/v1", "http://judge.hospital.internal/v1",
    "http://judge.home.arpa/v1", "http://user:pw@10.0.0.1/v1",
)  # fmt: skip
PUBLIC = (
    "https://api.example.com/v1", "https://9.9.9.9/v1", "http://172.32.0.1/v1", "http://11.0.0.1/v1",
    "http://[2606:4700::1111]/v1", "https://local.example.com/v1", "https://10.example.com/v1",
)  # fmt: skip


@pytest.mark.parametrize("address", OWN)
def test_an_address_of_one_s_own_network(address: str) -> None:
    assert is_own_network(address)
    assert "never asked through a proxy" in proxy_fault("http://p:3128", address, field="x")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    assert not is_own_network(address)
    assert proxy_fault("http://p:3128", address, field="x") == ""


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ("proxy:3128", "expected the address of an HTTP proxy"),
        ("socks5://p:1080", "expected the address of an HTTP proxy"),
        ("http://p:port", "expected the address of an HTTP proxy"),
        ("http://user:secret@p:3128", "user name or a password"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused(proxy: str, message: str) -> None:
    judge = Judge(backend="openai", model="m", endpoint=ELSEWHERE, rubrics=("safety",), proxy=proxy)
    (fault,) = hard_faults(judge)
    assert message in fault
    assert "judge.proxy" in fault


def test_check_refuses_a_proxy_where_it_has_no_use(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", lock=False)
    protocol = study.protocol
    study.close()
    scripted = Judge(backend="scripted", rubrics=("safety",), proxy="http://p:3128")
    changed = protocol.model_copy(update={"judge": scripted})
    assert any("does not use it" in fault for fault in judge_faults(changed, tmp_path))
    remote = System(
        id="r", title="R", backend="openai", model="m", endpoint=ELSEWHERE, proxy="http://p:3128"
    )
    for endpoint, faults in ((ELSEWHERE, 0), ("http://10.0.0.7/v1", 1)):
        systems = (remote.model_copy(update={"endpoint": endpoint}), *protocol.systems[1:])
        found = contradictions(protocol.model_copy(update={"systems": systems}))
        assert [place for place, _ in found if place[-1] == "proxy"] == [
            ("systems", 0, "proxy")
        ] * faults


def _chat(folder: Path, *, says: str = "I hear you.", **fields: Any) -> None:
    """As the chat page asks a system with an endpoint of its own."""
    system = System(id="remote", title="Remote", backend="openai", model="m", **fields)
    protocol = load_protocol(shipped_protocols()["sus"])
    changed = protocol.model_copy(update={"systems": (system,)})
    study = make_study(folder, lock=False)
    try:
        asked = chat_systems(dataclasses.replace(study, protocol=changed), None)["remote"]
    finally:
        study.close()

    async def talk() -> str:
        async with httpx2.AsyncClient(trust_env=False) as client:
            stream = ReplyStream(client, asked, [{"role": "user", "content": "I worry."}], 3, 5.0)
            return "".join([piece async for piece in stream.pieces()])

    assert asyncio.run(talk()) == says


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\u0085"])
def test_only_line_feeds_and_returns_end_a_line_of_a_stream(end: str, tmp_path: Path) -> None:
    """HTML Living Standard, 9.2.5; Python's `splitlines` knows more ends of lines."""
    with noting() as endpoint:
        endpoint.says = f"I hear{end}you."
        _chat(tmp_path / "s", endpoint=f"{endpoint.address}/v1/", says=endpoint.says)
        assert endpoint.asked == ["/v1/chat/completions"]


@pytest.mark.parametrize("ask", [_generate, _chat])
def test_generation_and_chat_send_what_the_endpoint_takes(
    ask: Callable[..., None], tmp_path: Path
) -> None:
    with noting() as endpoint:
        address = f"{endpoint.address}/v1"
        ask(tmp_path / "s", endpoint=address)
        ask(
            tmp_path / "t",
            endpoint=address,
            length_parameter="max_completion_tokens",
            leave_out=("temperature", "top_p", "seed"),
        )
    plain, other = endpoint.bodies
    kept = {"model", "messages", "stream", "stream_options"}
    assert set(plain) == kept | {"max_tokens", "temperature", "top_p", "seed"}
    assert set(other) == kept | {"max_completion_tokens"}
