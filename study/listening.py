"""Why a server cannot listen at an address, in words; the same for every server of ours."""

from __future__ import annotations

import errno


def why_not_listening(
    host: str, port: int, error: OSError | OverflowError, *, other: str, usual: int
) -> str:
    """Say what is wrong with an address and what to do.

    Parameters
    ----------
    host, port
        What was asked for.
    error : OSError or OverflowError
        What ``bind`` or ``listen`` raised.
    other : str
        What may hold the port already.
    usual : int
        The port to fall back on, named where no other is at hand.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is already in use, perhaps by another {other}. Stop that one, or "
            f"choose another port, for example --port {port + 1 if port < 65535 else usual}."
        )
    if number == errno.EACCES:
        return f"Port {port} needs an administrator's rights. Choose one from 1024, e.g. --port {usual}."
    if isinstance(error, OverflowError):
        return f"There is no port {port}. Expected a number from 0 to 65535."
    return (
        f"This machine cannot listen on {host!r}. Use --host 127.0.0.1 for this machine only, or "
        "--host 0.0.0.0 for all its networks."
    )
