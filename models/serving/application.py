"""Systems behind an OpenAI-compatible chat address.

``/v1/chat/completions`` (streamed or not), ``/v1/models`` and ``/healthz``. Each system writes one
reply at a time, because a model on this machine gains nothing from two at once; the others wait in
its queue of bounded length, and when it is full a client is told when to come back.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from models.backends.decoding import DecodingSettings, Generated
from models.backends.interface import Backend
from models.serving.replies import ReplyEnvelope, error_body
from models.serving.reply_queue import Piece, QueueFullError, ReplyQueue
from models.serving.requests import RefusedRequest, asked_model, read_request
from models.serving.sockets import listening_socket
from study.errors import EvenhandError, GenerationError, ModelError
from study.installation import install_command

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MAX_BODY_BYTES = 1_000_000

_Event = TypeVar("_Event", bound=Piece | Generated)


@dataclass(frozen=True)
class ServedModel:
    """One system at the address.

    Parameters
    ----------
    name : str
        The name that clients ask for.
    backend : Backend
        Loaded.
    defaults : DecodingSettings
        Used for what a request leaves open.
    system_prompt : str
        Put first when a conversation brings no system message.
    """

    name: str
    backend: Backend
    defaults: DecodingSettings = field(default_factory=DecodingSettings)
    system_prompt: str = ""


def create_app(
    models: Sequence[ServedModel], *, queue_size: int = 8, close_backends: bool = False
) -> Starlette:
    """The ASGI application for one or more systems.

    Parameters
    ----------
    models : sequence of ServedModel
        With different names.
    queue_size : int
        Requests that may wait, for each system, beside the one being answered.
    close_backends : bool
        Close the backends when the application shuts down; else the caller does.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    queues = {model.name: ReplyQueue(model.backend, queue_size) for model in models}
    server = _ChatServer({model.name: model for model in models}, queues)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        for queue in queues.values():
            queue.close()
        if close_backends:
            for model in models:
                model.backend.close()

    return Starlette(
        routes=[
            Route("/v1/chat/completions", server.chat, methods=["POST"]),
            Route("/v1/models", server.models, methods=["GET"]),
            Route("/v1/models/{name:path}", server.model, methods=["GET"]),
            Route("/healthz", server.health, methods=["GET"]),
        ],
        exception_handlers={Exception: _unexpected},
        lifespan=lifespan,
    )


def serve(
    models: Sequence[ServedModel],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    queue_size: int = 8,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted, then close the backends.

    Parameters
    ----------
    host, port : str, int
        Port 0 takes a free one.
    started : callable or None
        Told the base address (ending in ``/v1``) once connections are accepted.
    models, queue_size
        See :func:`create_app`.

    Raises
    ------
    ModelError
        When starlette or uvicorn is not installed, or the port is taken.
    """
    try:
        import uvicorn

        app = create_app(models, queue_size=queue_size, close_backends=True)
    except ImportError as error:
        raise ModelError(
            f"serve-model needs the package {error.name!r}. "
            f"Install it with: {install_command('models')}"
        ) from error
    with listening_socket(host, port) as listener:
        if started is not None:
            shown = f"[{host}]" if ":" in host else host
            started(f"http://{shown}:{listener.getsockname()[1]}/v1")
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        # uvicorn shuts down in order, then raises the interrupt again.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


class _ChatServer:
    """The addresses' answers."""

    def __init__(self, models: dict[str, ServedModel], queues: dict[str, ReplyQueue]) -> None:
        self._models = models
        self._queues = queues
        self._created = int(time.time())

    async def chat(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except RefusedRequest as refused:
            return _error(refused.status, str(refused), refused.code, refused.param)
        except QueueFullError as full:
            return _error(
                429,
                f"All places in the queue are taken; try again in {full.retry_after_s} s.",
                "queue_full",
                headers={"Retry-After": str(full.retry_after_s)},
            )
        except GenerationError as error:
            return _error(500, str(error), "generation_error")
        except EvenhandError as error:
            return _error(400, str(error), "model_error")

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import JSONResponse, Response, StreamingResponse

        body = await _body(request)
        model = self._models[asked_model(body, list(self._models))]
        chat = read_request(body, model.defaults, model.system_prompt)
        replies = self._queues[model.name].reply(chat)
        # A status can only be sent before the first text, so that is waited for.
        first = await _unless_gone(request, anext(replies))
        if first is None:
            return Response(status_code=499)
        envelope = ReplyEnvelope(
            f"chatcmpl-{secrets.token_hex(12)}",
            model.name,
            int(time.time()),
            _fingerprint(model.backend.provenance()),
        )
        if chat.stream:
            return StreamingResponse(
                envelope.events(first, replies, chat.include_usage),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-cache"},
            )
        whole = await _unless_gone(request, _whole(first, replies))
        if whole is None:
            return Response(status_code=499)
        return JSONResponse(envelope.completion(whole))

    async def models(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        del request
        return JSONResponse(
            {"object": "list", "data": [self._entry(model) for model in self._models.values()]}
        )

    async def model(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        name = request.path_params["name"]
        if name not in self._models:
            return _error(404, f"There is no model {name!r} here.", "model_not_found", "model")
        # What is needed to make a reply again, beside the settings, which each request brings.
        model = self._models[name]
        made_by = {"provenance": model.backend.provenance(), "system_prompt": model.system_prompt}
        return JSONResponse(self._entry(model) | made_by)

    async def health(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        del request
        taken = sum(queue.taken for queue in self._queues.values())
        return JSONResponse({"status": "ok", "model": ", ".join(self._models), "taken": taken})

    def _entry(self, model: ServedModel) -> dict[str, Any]:
        return {
            "id": model.name,
            "object": "model",
            "created": self._created,
            "owned_by": "evenhand",
        }


def _fingerprint(provenance: dict[str, Any]) -> str:
    text = json.dumps(provenance, sort_keys=True, default=str)
    return f"fp_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


async def _unless_gone(request: Request, event: Awaitable[_Event]) -> _Event | None:
    """What is awaited, or None when the client goes away before it."""
    first = asyncio.ensure_future(event)
    gone = asyncio.ensure_future(_client_gone(request))
    try:
        await asyncio.wait({first, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await first if first.done() else None
    finally:
        for task in (first, gone):
            task.cancel()


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _whole(first: Piece | Generated, rest: AsyncIterator[Piece | Generated]) -> Generated:
    event = first
    while isinstance(event, Piece):
        event = await anext(rest)
    return event


async def _body(request: Request) -> Any:
    # A page of another origin can post text/plain without asking; JSON it cannot.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedRequest("Expected the content type application/json.", status=415)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise RefusedRequest(f"The request has more than {MAX_BODY_BYTES} bytes.", status=413)
    try:
        return json.loads(body)
    except ValueError as error:
        raise RefusedRequest(f"The request is not JSON: {error}.") from error


async def _unexpected(request: Request, error: Exception) -> Response:
    del request
    # uvicorn closes a connection after a defect; a client that is not told sends its next request into it.
    closing = {"Connection": "close"}
    said = f"The server failed: {type(error).__name__}."
    return _error(500, said, "internal_error", headers=closing)


def _error(
    status: int,
    message: str,
    code: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(
        {"error": error_body(message, code, param)}, status_code=status, headers=headers
    )
