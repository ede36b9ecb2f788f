"""Starts a function of this project in a fresh interpreter, with a pipe to it.

Unlike ``multiprocessing``'s spawn this does not run the caller's main script again, so it works
from a notebook, from standard input and inside a web server, and without a main guard.
"""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection

_PROGRAM = (
    "import importlib, sys; from multiprocessing.connection import Connection; "
    "module, function, fd, *rest = sys.argv[1:]; "
    "getattr(importlib.import_module(module), function)(Connection(int(fd)), *rest)"
)


def start_process(
    module: str, function: str, *arguments: str
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Run ``module.function(connection, *arguments)`` in a new process without any output.

    Returns
    -------
    tuple
        The process, and this side's end of the pipe. When the process ends, reading from the pipe
        raises EOFError.
    """
    ours, theirs = Pipe()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(part for part in sys.path if part),
        # Model libraries look at it when they load: nothing is looked up in the network.
        "HF_HUB_OFFLINE": "1",
    }
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and names from this project
        [sys.executable, "-c", _PROGRAM, module, function, str(theirs.fileno()), *arguments],
        pass_fds=(theirs.fileno(),),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # With their end open here too, the end of the process would go unnoticed.
    theirs.close()
    return process, ours
