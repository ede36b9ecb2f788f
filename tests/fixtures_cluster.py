"""A real Dask scheduler and real worker processes on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of its own."""

    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, *, nthreads: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """One more worker process, without a nanny that would start it again."""
        number = len(self.processes)
        return self._start(
            "dask_worker",
            *(self.address, "--nthreads", str(nthreads), "--no-nanny", "--no-dashboard"),
            *("--memory-limit", "0", "--local-directory", str(self.folder / str(number))),
            **environment,
        )

    def start_scheduler(self) -> None:
        file = self.folder / "scheduler.json"
        self._start(
            "dask_scheduler",
            *("--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", str(file)),
            DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1",
        )
        deadline = time.monotonic() + 60
        while not self.address:
            assert time.monotonic() < deadline, "no scheduler after 60 s"
            time.sleep(0.05)
            with contextlib.suppress(OSError, json.JSONDecodeError):
                self.address = json.loads(file.read_text())["address"]

    def wait_for(self, workers: int) -> None:
        """Until so many workers have reported to the scheduler."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            deadline = time.monotonic() + 60
            while len(client.nthreads()) != workers:
                assert time.monotonic() < deadline, f"not {workers} workers after 60 s"
                time.sleep(0.05)

    def stop(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait(timeout=20)

    def _start(self, module: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{module}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=os.environ | environment,
            )
        self.processes.append(process)
        return process


@contextlib.contextmanager
def running_cluster(folder: Path, *, workers: int = 2, nthreads: int = 1) -> Iterator[Cluster]:
    """A cluster that is stopped when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder)
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker(nthreads=nthreads)
        yield cluster
    finally:
        cluster.stop()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as if its machine had lost power."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
