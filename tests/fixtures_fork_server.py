"""Survey servers that need no interpreter of their own: forked from a process that has imported it all.

Importing Streamlit, pandas and the pages takes 2 s of processor time, for each of some fifty servers of
a run. Here one process for each test worker imports them and then only forks: nothing of a study, no
thread and no open connection is there before the fork, so a forked server is what a fresh one is.

Run as a script, this file is that process. It reads one order a line, as JSON, and answers each with one
line: ``{"start": {...}}`` with the server's process id; ``{"poll": id}`` with its exit status or null;
at ``{"end": null}`` or when nobody can order any more, it kills what it started and ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]


class _ForkServer:
    """The process of this test worker from which servers are forked, started at the first order."""

    process: subprocess.Popen[str] | None = None

    def ask(self, order: dict[str, Any]) -> Any:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                # Ctrl-C is for pytest, which closes the pipe and so ends all of it.
                start_new_session=True,
            )
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def close(self) -> None:
        """End it, with every server that still runs."""
        if self.process is not None:
            # Said, too: a process that a test forked may hold the pipe open.
            self.process.communicate(json.dumps({"end": None}) + "\n")
            self.process = None


FORK_SERVER = _ForkServer()


@dataclass
class ForkedServer:
    """A server process, with what the tests need of ``subprocess.Popen``."""

    pid: int
    status: int | None = None

    @classmethod
    def start(cls, study: Path, port: int, log: Path, environment: dict[str, str]) -> ForkedServer:
        """Fork one that serves a study at a port and writes into a log.

        Parameters
        ----------
        environment : dict
            Of the server alone; ``EVENHAND_CHAT_ADDRESS`` says where its systems answer.
        """
        order = {
            "study": str(study),
            "port": port,
            "log": str(log),
            "environment": dict(os.environ) | environment,
        }
        return cls(FORK_SERVER.ask({"start": order}))

    def poll(self) -> int | None:
        """Its exit status, a signal's number negative, or None while it runs."""
        if self.status is None:
            self.status = FORK_SERVER.ask({"poll": self.pid})
        return self.status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; only its parent takes its id out of use, so it is no other's."""
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Wait for its end."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            assert time.monotonic() < deadline, f"the server did not end within {timeout} s"
            time.sleep(0.02)  # on purpose: between two looks
        return status


def _take_orders() -> None:
    """The loop of the fork server; a forked server leaves it and ends as any program does."""
    running: set[int] = set()
    for line in sys.stdin:
        ((what, value),) = json.loads(line).items()
        answer: int | None
        if what == "end":
            break
        if what == "start":
            answer = os.fork()
            if answer == 0:
                _serve(value)
                return
            running.add(answer)
        else:
            ended, status = os.waitpid(value, os.WNOHANG)
            running.discard(ended)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for left in running:
        os.kill(left, signal.SIGKILL)
        os.waitpid(left, 0)


def _serve(order: dict[str, Any]) -> None:
    from survey_app.server.serving import serve

    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    # A run that was started with nohup ignores this one, and what it starts inherits that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(order["environment"])
    serve(
        Path(order["study"]),
        port=order["port"],
        chat_address=os.environ.get("EVENHAND_CHAT_ADDRESS"),
    )


def _import_all() -> None:
    import threading

    # As with `python -c`: what is served is the code of the folder in which the tests run.
    sys.path[0] = str(_ROOT)
    import pandas  # noqa: F401
    import uvicorn.lifespan.on
    import uvicorn.loops.auto
    import uvicorn.protocols.http.auto
    import uvicorn.protocols.websockets.auto  # noqa: F401

    import survey_app.routing
    import survey_app.server.application
    import survey_app.server.serving  # noqa: F401
    from survey_app.messages import available_languages
    from survey_app.server import documents, static_files

    # Packing Streamlit's 2.2 MB of scripts takes a second and depends on no study.
    for language in available_languages():
        static_files.prepare(documents.shell(language))
    assert threading.active_count() == 1, "a process with threads must not be forked"


if __name__ == "__main__":
    _import_all()
    _take_orders()
