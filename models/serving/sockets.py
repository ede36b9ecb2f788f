"""The listening socket of the chat address, opened before the server starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from study.errors import ModelError
from study.listening import why_not_listening


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
            raise ModelError(
                why_not_listening(host, port, error, other="`evenhand serve-model`", usual=8000)
            ) from error
        listener.listen(128)
        yield listener
