"""The ASGI application: links that become cookies, security headers, and Streamlit behind them."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.starlette import App

from study.blinding import is_coordinator_token
from study.completion import redirect_address
from study.errors import EvenhandError, LinkError, StoreError
from study.store.locking import read_lock
from study.store.panels import take_place
from study.store.raters import choose_language, find_by_token, note_opened
from survey_app.chat.addresses import PAGE, ChatAddresses, is_talking
from survey_app.identity import COORDINATOR_VIEW, VIEW
from survey_app.languages import language_of
from survey_app.messages import Messages, load_messages
from survey_app.routing import show_failure
from survey_app.server import documents, draft_address, static_files
from survey_app.server.first_message import UntoldServer
from survey_app.server.settings import (
    COOKIE_SECONDS,
    COORDINATOR_COOKIE,
    RATER_COOKIE,
    Settings,
    apply_streamlit_options,
)
from survey_app.server.study_in_force import (
    close_study,
    conversations_in_force,
    put_in_force,
    study_in_force,
)

_log = logging.getLogger("survey_app")
_SCRIPT = Path(__file__).parents[1] / "main.py"


def create_app(settings: Settings | None = None) -> App:
    """The survey app of one study, for any ASGI server.

    Parameters
    ----------
    settings : Settings, optional
        Without it, ``EVENHAND_STUDY`` and its sisters in the environment say what is served.

    Raises
    ------
    EvenhandError
        When the study cannot be opened, is not locked, or speaks a language without a catalogue.
    """
    if settings is not None:
        put_in_force(settings)
    apply_streamlit_options()
    _load_pages()
    mask_secrets_in_logs()
    routes = [
        Route("/", _shell),
        *ChatAddresses(conversations_in_force()).routes(),
        Route(draft_address.ADDRESS, draft_address.keep_draft, methods=["POST"]),
        Route("/healthz", _health),
        Route("/j/{token}", _join),
        Route("/panel", _join_from_panel),
        Route("/leave", _leave),
        Route("/language/{code}", _choose_language),
        Route("/coordinator/{token}", _open_coordinator_page),
        Route("/evenhand/{name}", _browser_file),
    ]
    return App(
        _SCRIPT,
        routes=routes,
        middleware=[Middleware(Guard), Middleware(UntoldServer)],
        on_script_error=show_failure,
    )


def _load_pages() -> None:
    # pandas' first use costs 0.6 s and 86 MB: not in a rater's first page.
    import pandas  # noqa: F401

    protocol = study_in_force().protocol
    for language in protocol.languages or (protocol.language,):
        static_files.prepare(documents.shell(language))


def _words() -> Messages:
    return load_messages(study_in_force().protocol.language)


def _shell(request: Request) -> Response:
    coordinator = request.query_params.get(VIEW) == COORDINATOR_VIEW
    if not coordinator and is_talking(request):
        return RedirectResponse(PAGE, status_code=303)
    study, token = study_in_force(), request.cookies.get(RATER_COOKIE)
    language = None if coordinator or not token else language_of(study, token)
    language = language or study.protocol.language
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding, Cookie"}
    if not static_files.takes_gzip(request):
        return HTMLResponse(documents.shell(language), headers=headers)
    # Streamlit's own packing leaves this address out.
    headers["Content-Encoding"] = "gzip"
    return HTMLResponse(documents.packed_shell(language), headers=headers)


def _health(_: Request) -> Response:
    try:
        read_lock(study_in_force())
    except EvenhandError:
        return JSONResponse({"status": "database not available"}, status_code=503)
    return JSONResponse({"status": "ok"})


def _join(request: Request) -> Response:
    """Take the secret of a rater's link out of the address, into a cookie that no script reads."""
    token = request.path_params["token"]
    try:
        study = study_in_force()
        note_opened(study, find_by_token(study, token))
    except LinkError:
        return _notice("link.title", "link.unknown", 404)
    except EvenhandError:
        return _notice("failure.title", "failure.page", 503)
    return _with_cookie(request, "/", RATER_COOKIE, token)


def _join_from_panel(request: Request) -> Response:
    """Give a panel's participant a place of this study: always the same one."""
    study = study_in_force()
    panel = study.protocol.completion.panel
    if panel is None:
        return _notice("link.not_found_title", "link.not_found", 404)
    try:
        token = take_place(study, request.query_params.get(panel.participant_parameter, ""))
    except LinkError:
        return _notice("panel.title", "panel.no_id", 400)
    except StoreError as error:
        _log.error("%s", error)
        return _notice("panel.title", "panel.no_place", 503)
    return _with_cookie(request, "/", RATER_COOKIE, token)


def _choose_language(request: Request) -> Response:
    """Keep the language that was tapped; the page is loaded anew, in it and in its direction."""
    study = study_in_force()
    try:
        rater = find_by_token(study, request.cookies.get(RATER_COOKIE, ""))
        choose_language(study, rater, request.path_params["code"])
    except LinkError:
        return _notice("link.missing_title", "link.missing", 404)
    except EvenhandError as error:
        _log.error("%s", error)
        return _notice("link.not_found_title", "link.not_found", 404)
    return RedirectResponse("/", status_code=303)


def _leave(request: Request) -> Response:
    """Send who has come to an end where the locked protocol says; no request can name an address."""
    study = study_in_force()
    try:
        rater = find_by_token(study, request.cookies.get(RATER_COOKIE, ""))
        target = redirect_address(study, rater)
    except LinkError:
        return _notice("link.missing_title", "link.missing", 404)
    except EvenhandError as error:
        _log.error("%s", error)
        return _notice("failure.title", "failure.page", 503)
    return RedirectResponse(target or "/", status_code=303)


def _open_coordinator_page(request: Request) -> Response:
    token = request.path_params["token"]
    if not is_coordinator_token(study_in_force().key, token):
        return _notice("link.title", "link.unknown", 404)
    return _with_cookie(request, f"/?{VIEW}={COORDINATOR_VIEW}", COORDINATOR_COOKIE, token)


def _with_cookie(request: Request, target: str, cookie: str, token: str) -> Response:
    response = RedirectResponse(target, status_code=303)
    # Lax and not strict: a strict cookie is not sent when the link was opened from a mail.
    response.set_cookie(
        cookie,
        token,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def _notice(title: str, text: str, status: int) -> Response:
    words = _words()
    return HTMLResponse(documents.notice(words, words(title), words(text)), status_code=status)


_BROWSER_FILES = {
    "answers.js": "text/javascript",
    "drafts.js": "text/javascript",
    "quiet.js": "text/javascript",
    "survey.css": "text/css",
    "survey.js": "text/javascript",
    "reading.js": "text/javascript",
    "fields.js": "text/javascript",
    "marking.js": "text/javascript",
    "waiting.js": "text/javascript",
    "chat.css": "text/css",
    "chat.js": "text/javascript",
}


def _browser_file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _BROWSER_FILES:
        return _notice("link.not_found_title", "link.not_found", 404)
    return FileResponse(
        documents.BROWSER_FILES / name,
        media_type=_BROWSER_FILES[name],
        headers={"Cache-Control": "no-cache"},
    )


_ALLOWED_PATH = re.compile(
    r"/|/draft|/chat(/(events|turn|again|stop|end))?|/healthz|/panel|/leave|/language/[a-z]{2}|/j/[^/]+|/coordinator/[^/]+|/evenhand/[^/]+|/favicon\.png|/manifest\.json"
    r"|/_stcore/(health|host-config|stream)"
)
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?")


class Guard:
    """Lets through what raters and coordinators need, and puts security headers on every answer.

    Streamlit's other addresses (metrics, uploads, media, components, sign-in, agents) and any unknown
    one, for which Streamlit would give its start document, answer 404.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = _security_headers(scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        if scope["path"].startswith("/static/"):
            # Here, because Streamlit lets no route of ours begin like its own.
            files = await run_in_threadpool(static_files.answer, Request(scope))
            await files(scope, receive, send_guarded)
        elif _ALLOWED_PATH.fullmatch(scope["path"]):
            await self.app(scope, receive, send_guarded)
        else:
            response = _notice("link.not_found_title", "link.not_found", 404)
            await response(scope, receive, send_guarded)


def _security_headers(scope: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    host = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"host"), "")
    # Old Safari does not count a WebSocket of the same host as 'self'.
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        f"connect-src 'self'{sockets}; worker-src 'self' blob:; object-src 'none'; "
        "frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    )
    headers = [
        (b"content-security-policy", policy.encode("latin-1")),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        (b"x-robots-tag", b"noindex, nofollow"),
    ]
    if scope["path"].startswith(("/j/", "/coordinator/", "/panel", "/leave", "/language/")):
        headers.append((b"cache-control", b"no-store"))
    return headers


_SECRET_PATH = re.compile(r"(/(?:j|coordinator)/)[^/?\s\"]+")
_QUERY = re.compile(r"\?[^\s\"]*")


class _Masked(logging.Filter):
    """Takes links' secrets and all queries out of the lines of the server's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(mask(a) if isinstance(a, str) else a for a in record.args)
        record.msg = mask(record.msg) if isinstance(record.msg, str) else record.msg
        return True


def mask(line: str) -> str:
    """A line of a log, without the secrets of links and without queries."""
    return _QUERY.sub("?***", _SECRET_PATH.sub(r"\1***", line))


def mask_secrets_in_logs() -> None:
    """Have the server's logs masked, also when another program than ours runs the application."""
    for name in ("uvicorn.access", "uvicorn.error", "uvicorn"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, _Masked) for known in logger.filters):
            logger.addFilter(_Masked())


__all__ = ["close_study", "create_app", "mask"]
