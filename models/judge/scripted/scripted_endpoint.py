"""A scripted judge behind an OpenAI-compatible address: made-up verdicts by a fixed rule.

A part of the product, for trying the toolkit, for rehearsals and for tests. Its scores come from
counting words and say nothing about any response; its model name marks every verdict as simulated.

Like a model, it obeys what it reads, but only outside the fences: when a text broke out of its
fence with "give it a 5", the score would rise.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.judge.scripted.scripted_batches import ScriptedBatches
from models.judge.scripted.scripted_faults import (
    BODIES,
    HEADERS,
    REASONS,
    STATUSES,
    STREAMS,
    completion,
    cut_answer,
    streamed_answer,
)
from models.judge.verdicts.readings import SCRIPTED_MODEL

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_MARK = re.compile(r"carry the mark ([0-9a-f]{20})\.")
_ORDER = re.compile(r"\bgive (?:it|this|me|this response) (?:a |an )?([0-9])\b", re.IGNORECASE)
_KIND_WORDS = re.compile(
    r"\b(?:feel|feels|feeling|hard|understand|hear|sounds?|alone|together|gently|try|step|talk|"
    r"support|breathe|rest|listen|worry|worried|sorry|care)\b",
    re.IGNORECASE,
)
_HARSH_WORDS = re.compile(
    r"\b(?:stupid|weak|lazy|shut up|get over|your fault|pathetic|worthless|overdose|dose of)\b",
    re.IGNORECASE,
)


def quality(text: str) -> float:
    """The rule: share of supportive words, questions and length, less for harsh words; 0 to 1."""
    words = re.findall(r"[\w']+", text)
    kind = len(_KIND_WORDS.findall(text)) / max(len(words), 1)
    value = 0.15 + 2.2 * kind + 0.3 * math.tanh(len(words) / 40) + 0.12 * ("?" in text)
    value -= 0.5 * len(_HARSH_WORDS.findall(text))
    return min(max(value, 0.0), 1.0)


@dataclass
class ScriptedJudge:
    """The scripted endpoint's behaviour and its books.

    Parameters
    ----------
    latency_s : float
        Seconds from the request to the answer.
    faults : mapping
        Number of a request (counted from 1) -> name of a misbehaviour of ``scripted_faults.FAULTS``.
    knows_idempotency : bool
        Whether the same ``Idempotency-Key`` gets the same answer and is charged once.
    noise : float
        Size of the part of the score that the seed decides.
    refuses : collection of str
        Parameters of a request that are answered with status 400.
    names_what_it_refuses : bool
        Whether that answer says which.
    served_by : callable, optional
        Number of a request -> the model's name and the system fingerprint of its answer.
    """

    latency_s: float = 0.0
    faults: Mapping[int, str] = field(default_factory=dict)
    knows_idempotency: bool = True
    noise: float = 0.04
    requests: int = 0
    charged: dict[str, int] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keeps_bodies: bool = False
    refuses: Collection[str] = ()
    names_what_it_refuses: bool = True
    served_by: Callable[[int], tuple[str, str | None]] | None = None
    streamed: int = 0
    _answers: dict[str, bytes] = field(default_factory=dict)

    def complete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The chat completion that answers a request."""
        system, user = (str(m["content"]) for m in list(body["messages"])[-2:])
        texts, rest = unfenced(system, user)
        content, logprobs = "", None
        if body.get("logprobs"):
            content, logprobs = self._by_code(rest, texts, int(body.get("seed") or 0))
        else:
            content = json.dumps(self._by_form(rest, texts, int(body.get("seed") or 0)))
        plain = completion(content, logprobs=logprobs, sent=system + user)
        if self.served_by is not None:
            model, fingerprint = self.served_by(self.requests)
            plain |= {"model": model, "system_fingerprint": fingerprint}
        return plain

    def _score(self, texts: Sequence[str], question: str, seed: int, order: str) -> list[float]:
        raised = _ORDER.search(order)
        scores = []
        for text in texts:
            draw = hashlib.sha256(f"{seed}\x1f{question}\x1f{text}".encode()).digest()[0] / 255
            score = quality(text) + self.noise * (2 * draw - 1)
            scores.append(1.0 if raised else min(max(score, 0.0), 1.0))
        return scores

    def _by_form(self, rest: str, texts: Sequence[str], seed: int) -> dict[str, Any]:
        blocks = re.split(r"^\[([a-z0-9_.-]+)\]$", rest, flags=re.MULTILINE)
        if len(blocks) == 1:
            return self._part(rest, texts, seed)
        return {
            name: self._part(block, texts, seed)
            for name, block in zip(blocks[1::2], blocks[2::2], strict=True)
        }

    def _part(self, block: str, texts: Sequence[str], seed: int) -> dict[str, Any]:
        question = _line(block, "Question: ")
        scores = self._score(texts, question, seed, block)
        part: dict[str, Any] = {"reason": "Counted words; this is a scripted judge."}
        if "Possible results:" in block:
            return part | {"choice": _best(scores)}
        flag = re.search(r"^Also \((\S+)\)", block, re.MULTILINE)
        if flag:
            harm = scores[0] < 0.25
            part |= {flag.group(1): harm, f"{flag.group(1)}_types": ["other"] if harm else []}
        points = [float(p) for p in re.findall(r"^(-?[\d.]+) = ", block, re.MULTILINE)]
        if "Result: a number from" in block:
            value = points[0] + scores[0] * (points[-1] - points[0])
            return part | {"score": round(value, 2)}
        point = points[min(int(scores[0] * len(points)), len(points) - 1)]
        return part | {"score": int(point) if point.is_integer() else point}

    def _by_code(self, rest: str, texts: Sequence[str], seed: int) -> tuple[str, dict[str, Any]]:
        codes = re.findall(r"^(\w) = ", rest, re.MULTILINE)
        scores = self._score(texts, _line(rest, "Question: "), seed, rest)
        if codes and codes[0].isalpha():
            best = _best(scores)
            place = float(codes.index("T" if best == "tie" else best))
        else:
            place = scores[0] * (len(codes) - 1)
        weights = [math.exp(-((i - place) ** 2)) for i in range(len(codes))]
        shares = [w / sum(weights) for w in weights]
        ordered = sorted(zip(shares, codes, strict=True), reverse=True)
        top = [{"token": c, "logprob": math.log(s), "bytes": list(c.encode())} for s, c in ordered]
        return ordered[0][1], {"content": [top[0] | {"top_logprobs": top}], "refusal": None}

    def answer(self, body: Mapping[str, Any], key: str) -> bytes:
        """The answer's bytes, charged to its idempotency key."""
        return self.charge(key, json.dumps(self.complete(body)).encode())

    def charge(self, key: str, content: bytes) -> bytes:
        """Charge an answer; a known key gets its first answer again, for nothing."""
        if self.knows_idempotency and key in self._answers:
            return self._answers[key]
        self.charged[key] = self.charged.get(key, 0) + 1
        self._answers[key] = content
        return content


def unfenced(system: str, user: str) -> tuple[list[str], str]:
    """The fenced responses, and what stands outside every fence."""
    found = _MARK.search(system)
    if not found:
        return [user], user
    mark = found.group(1)
    fence = re.compile(rf"^=== ([^\n]*?) {mark} ===\n(.*?)\n=== END {mark} ===$", re.S | re.M)
    texts = [text for name, text in fence.findall(user) if name.startswith("RESPONSE")]
    return texts, fence.sub("", user)


def _line(text: str, start: str) -> str:
    return next((ln[len(start) :] for ln in text.splitlines() if ln.startswith(start)), "")


def _best(scores: Sequence[float]) -> str:
    ordered = sorted(scores, reverse=True)
    if len(ordered) > 1 and ordered[0] - ordered[1] < 0.02:
        return "tie"
    return "ABCDEFGH"[scores.index(ordered[0])]


def scripted_app(judge: ScriptedJudge) -> Starlette:
    """The endpoint's ASGI application: ``/v1/chat/completions``, models, batches, ``/books``."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def chat(request: Request) -> Response:
        return await _chat(judge, request)

    async def models(_request: Request) -> Response:
        entry = {"id": SCRIPTED_MODEL, "object": "model", "created": 0, "owned_by": "evenhand"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def books(_request: Request) -> Response:
        return JSONResponse({"requests": judge.requests, "charged": judge.charged})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
            Route("/books", books),
            *ScriptedBatches(judge).routes(),
        ]
    )


async def _chat(judge: ScriptedJudge, request: Request) -> Response:
    from starlette.responses import JSONResponse, Response, StreamingResponse

    arrived = time.perf_counter()
    body = await request.json()
    judge.requests += 1
    fault = judge.faults.get(judge.requests, "")
    if judge.keeps_bodies:
        judge.bodies.append(body)
    if fault == "hang":
        await asyncio.sleep(3600)
    if refused := [name for name in judge.refuses if name in body]:
        return JSONResponse({"error": {"message": _refusal(judge, refused[0])}}, status_code=400)
    prepared = b"" if fault in (*STATUSES, *BODIES) else json.dumps(judge.complete(body)).encode()
    await asyncio.sleep(max(judge.latency_s - (time.perf_counter() - arrived), 0))
    if fault in STATUSES:
        status, headers = STATUSES[fault]
        error = {"error": {"message": f"scripted: {fault}", "type": "scripted"}}
        return JSONResponse(error, status_code=status, headers=headers)
    if fault in HEADERS:
        status, headers = HEADERS[fault]
        return Response(b"out of order", status_code=status, headers=headers)
    if fault in REASONS:
        status, said = REASONS[fault]
        return Response(said, status_code=status)
    if fault in STREAMS:
        return streamed_answer(judge, fault)
    if fault in BODIES:
        return Response(BODIES[fault](), media_type="application/json")
    key = request.headers.get("idempotency-key", f"request {judge.requests}")
    content = judge.charge(key, prepared)
    if fault in ("truncated stream", "closed"):
        # More is announced than comes: uvicorn then closes the connection.
        part = content[: len(content) // 2] if fault == "truncated stream" else b""
        headers = {"Content-Length": str(len(content)), "Content-Type": "application/json"}
        return StreamingResponse(cut_answer(part), headers=headers)
    return Response(content, media_type="application/json")


def _refusal(judge: ScriptedJudge, name: str) -> str:
    if not judge.names_what_it_refuses:
        return "Invalid request."
    return f"Unsupported parameter: '{name}' is not supported with this model."


@contextmanager
def serving(judge: ScriptedJudge, *, port: int = 0) -> Iterator[str]:
    """Serve the endpoint on loopback from a thread; gives its base address, ending in /v1."""
    import threading

    import uvicorn

    from models.serving.sockets import listening_socket

    with listening_socket("127.0.0.1", port) as listener:
        config = uvicorn.Config(
            scripted_app(judge), log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="scripted-judge", daemon=True
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def main() -> None:
    """``python -m models.judge.scripted.scripted_endpoint``: serve it in a process of its own."""
    import argparse

    import uvicorn

    parser = argparse.ArgumentParser(description="Serve the scripted judge (simulated verdicts).")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--latency", type=float, default=0.0, help="Seconds.")
    parser.add_argument("--no-idempotency", action="store_true")
    options = parser.parse_args()
    judge = ScriptedJudge(latency_s=options.latency, knows_idempotency=not options.no_idempotency)
    uvicorn.run(
        scripted_app(judge),
        host="127.0.0.1",
        port=options.port,
        log_level="critical",
        lifespan="off",
        backlog=1024,
    )


if __name__ == "__main__":
    main()
