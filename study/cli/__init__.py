"""The command line: wires the rooms together."""

from __future__ import annotations

import io
import os
import sys

from study.cli.group import run


def main() -> None:
    """Entry point of the console script ``evenhand``."""
    _write_output_whole()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        # The command has said so; Python would say it again at its own end, with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _write_output_whole() -> None:
    """Put a buffer behind the output where there is none (``PYTHONUNBUFFERED``, ``python -u``).

    Without one, Python does not look whether all of a text was taken: on a full disk, an export would
    end after 4,096 characters with exit code 0.
    """
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase) and isinstance(sys.stdout, io.TextIOWrapper):
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(sys.stdout.detach()),
            encoding,
            errors,
            line_buffering=True,
        )
