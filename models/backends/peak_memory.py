"""The most memory that a process has held so far."""

from __future__ import annotations

import contextlib
from pathlib import Path


def peak_memory_bytes(pid: int | None = None) -> int | None:
    """Peak resident memory of a process in bytes; None where the system does not tell.

    Parameters
    ----------
    pid : int or None
        None means this process.
    """
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def restart_peak_memory() -> None:
    """Count this process's peak from now on, so that one system's is not taken for the next one's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
