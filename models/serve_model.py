"""A system behind an OpenAI-compatible chat address.

``/v1/chat/completions`` (streamed or not), ``/v1/models`` and ``/healthz``. One reply is written
at a time, because a model on this machine gains nothing from two at once; the others wait in one
queue of bounded length, and when it is full a client is told when to come back.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from models.backends.interface import Backend
from models.decoding import DecodingSettings, Generated
from models.serving.replies import ReplyEnvelope, error_body
from models.serving.reply_queue import Piece, QueueFullError, ReplyQueue
from models.serving.requests import RefusedRequest, read_request
from models.serving.sockets import listening_socket
from study.errors import EvenhandError, GenerationError, ModelError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MAX_BODY_BYTES = 1_000_000


def create_app(
    backend: Backend,
    *,
    model_name: str,
    queue_size: int = 8,
    defaults: DecodingSettings | None = None,
    system_prompt: str = "",
    close_backend: bool = False,
) -> Starlette:
    """The ASGI application for one backend.

    Parameters
    ----------
    backend : Backend
        Loaded.
    model_name : str
        The name that clients ask for.
    queue_size : int
        Requests that may wait beside the one being answered.
    defaults : DecodingSettings or None
        Used for what a request leaves open.
    system_prompt : str
        Put first when a conversation brings no system message.
    close_backend : bool
        Close the backend when the application shuts down; else the caller does.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route

    queue = ReplyQueue(backend, queue_size)
    server = _ChatServer(queue, model_name, defaults or DecodingSettings(), system_prompt)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        queue.close()
        if close_backend:
            backend.close()

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
    backend: Backend,
    *,
    model_name: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    queue_size: int = 8,
    defaults: DecodingSettings | None = None,
    system_prompt: str = "",
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted, then close the backend.

    Parameters
    ----------
    host, port : str, int
        Port 0 takes a free one.
    started : callable or None
        Told the base address (ending in ``/v1``) once connections are accepted.
    backend, model_name, queue_size, defaults, system_prompt
        See :func:`create_app`.

    Raises
    ------
    ModelError
        When starlette or uvicorn is not installed, or the port is taken.
    """
    try:
        import uvicorn

        app = create_app(
            backend,
            model_name=model_name,
            queue_size=queue_size,
            defaults=defaults,
            system_prompt=system_prompt,
            close_backend=True,
        )
    except ImportError as error:
        raise ModelError(
            f"serve-model needs the package {error.name!r}. "
            f'Install it with: pip install "evenhand[models]"'
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

    def __init__(
        self,
        queue: ReplyQueue,
        model_name: str,
        defaults: DecodingSettings,
        system_prompt: str,
    ) -> None:
        self._queue = queue
        self._model_name = model_name
        self._defaults = defaults
        self._system_prompt = system_prompt
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

        chat = read_request(
            await _body(request), self._model_name, self._defaults, self._system_prompt
        )
        replies = self._queue.reply(chat)
        # A status can only be sent before the first text, so that is waited for.
        first = await _unless_gone(request, anext(replies))
        if first is None:
            return Response(status_code=499)
        envelope = ReplyEnvelope(
            f"chatcmpl-{secrets.token_hex(12)}", self._model_name, int(time.time())
        )
        if chat.stream:
            return StreamingResponse(
                envelope.events(first, replies, chat.include_usage),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-cache"},
            )
        return JSONResponse(envelope.completion(await _whole(first, replies)))

    async def models(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        del request
        return JSONResponse({"object": "list", "data": [self._entry()]})

    async def model(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        name = request.path_params["name"]
        if name != self._model_name:
            return _error(404, f"There is no model {name!r} here.", "model_not_found", "model")
        return JSONResponse(self._entry())

    async def health(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        del request
        return JSONResponse({"status": "ok", "model": self._model_name, "taken": self._queue.taken})

    def _entry(self) -> dict[str, Any]:
        return {
            "id": self._model_name,
            "object": "model",
            "created": self._created,
            "owned_by": "evenhand",
        }


async def _unless_gone(
    request: Request, event: Awaitable[Piece | Generated]
) -> Piece | Generated | None:
    """The first event of a reply, or None when the client goes away before it."""
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
    return _error(500, f"The server failed: {type(error).__name__}.", "internal_error")


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
