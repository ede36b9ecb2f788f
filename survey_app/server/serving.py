"""Serving: runs the survey app in this process until it is stopped."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from study.errors import EvenhandError
from study.listening import why_not_listening
from survey_app.server.settings import Settings

GRACE_SECONDS = 3


class ServingError(EvenhandError):
    """The survey app cannot listen on the given address."""


def serve(
    study_folder: Path,
    host: str = "127.0.0.1",
    port: int = 8501,
    *,
    address: str | None = None,
    chat_address: str | None = None,
    when_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve a study until Ctrl-C, SIGTERM or SIGHUP; then the database is one file that holds everything.

    Parameters
    ----------
    study_folder : Path
    host : str
        Where to listen; ``"0.0.0.0"`` for all networks of this machine.
    port : int
        0 takes any free port.
    address : str, optional
        The address under which raters reach the server, for links on the coordinator's page, for
        example ``"https://study.example.org"``.
    chat_address : str, optional
        In a study of conversations: where ``evenhand serve-model --all`` answers.
    when_listening : callable, optional
        Called with the port once the study is open and the port is taken.

    Raises
    ------
    ServingError
        When the port is in use or the host is not this machine's.
    EvenhandError
        When the study cannot be opened or is not locked.
    """
    # Before the libraries load, so that a wrong address is told at once.
    listening = _listen(host, port)
    try:
        _run(Settings(study_folder, address, chat_address), listening, when_listening)
    finally:
        listening.close()


def _run(
    settings: Settings, listening: socket.socket, when_listening: Callable[[int], None] | None
) -> None:
    import uvicorn

    from survey_app.server.application import close_study, create_app
    from survey_app.server.study_in_force import close_conversations

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # Open chat pages would otherwise be waited for.
            close_conversations()
            super().handle_exit(sig, frame)

    try:
        with _quiet(logging.getLogger("streamlit")):
            server = Server(
                uvicorn.Config(
                    create_app(settings),
                    access_log=False,
                    log_level="warning",
                    server_header=False,
                    lifespan="on",
                    # Open pages keep their connection for ever; stopping does not wait for them.
                    timeout_graceful_shutdown=GRACE_SECONDS,
                )
            )
            if when_listening is not None:
                when_listening(listening.getsockname()[1])
            with _signals_end_in_order(), contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listening])
    finally:
        close_study()


@contextlib.contextmanager
def _signals_end_in_order() -> Iterator[None]:
    """SIGTERM and a closed terminal (SIGHUP) stop the server as Ctrl-C does, and the study is closed.

    uvicorn raises the signal that stopped it once more when it has shut down; by default that would end
    the process there and then, with the last answers in the write-ahead log only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def hang_up(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGTERM)

    wanted = {signal.SIGTERM: stop, signal.SIGHUP: hang_up}
    # nohup asks for SIGHUP to be ignored; that holds.
    before = {s: was for s in wanted if (was := signal.getsignal(s)) is not signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, wanted[number])
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)


@contextlib.contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    """Only errors of a library's log; afterwards the process is as it was before."""
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a wrong address is known before anything else is done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        raise ServingError(
            why_not_listening(host, port, error, other="survey server", usual=8501)
        ) from None
    return listening
