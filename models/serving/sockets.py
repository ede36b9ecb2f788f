"""The listening socket of the chat address, opened before the server starts."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from study.errors import ModelError


@contextmanager
def listening_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A listening TCP socket; connections wait in it until the server takes them.

    Raises
    ------
    ModelError
        When the address is not of this machine or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ModelError(_reason(host, port, error)) from error
        listener.listen(128)
        yield listener


def _reason(host: str, port: int, error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is already in use, perhaps by another `evenhand serve-model`. Stop "
            f"that one, or choose another port, for example --port {port + 1 if port < 65535 else 8000}."
        )
    if number == errno.EACCES:
        return (
            f"Port {port} needs an administrator's rights. Choose one from 1024, e.g. --port 8000."
        )
    if isinstance(error, OverflowError):
        return f"There is no port {port}. Expected a number from 0 to 65535."
    return (
        f"This machine cannot listen on {host!r}. Use --host 127.0.0.1 for this machine only, or "
        "--host 0.0.0.0 for all its networks."
    )
