"""Workers on many machines, through Dask's distributed scheduler."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar
from urllib.parse import urlsplit

from models.generation.task import ResponseTask, refuse_other_files
from models.workers.pools import Loss
from study.errors import ModelError
from study.installation import install_command

T = TypeVar("T")

CONNECT_S = 15.0
# A worker that was lost is usually started again by its nanny within seconds.
WAIT_FOR_WORKERS_S = 60.0
COMPARED = ("python", "evenhand", "distributed")


def open_client(address: str, *, asynchronous: bool = False) -> Any:
    """A client of the scheduler at ``address``; asynchronous ones are still to be awaited.

    Raises
    ------
    ModelError
        When the address is not one, Dask is not installed, or nothing answers there.
    """
    parts = urlsplit(address)
    try:
        known = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:
        known = None
    if not known:
        raise ModelError(
            f"The cluster's address is {address!r}; expected the scheduler's, such as "
            "tcp://192.168.1.10:8786."
        )
    try:
        from distributed import Client
    except ImportError as error:
        raise ModelError(
            f"--cluster needs the package 'distributed'. Install it with: {install_command('models')}"
        ) from error
    # What goes wrong is told in one sentence; Dask would log tracebacks of its own.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    _refuse_wrong_encryption(address)
    with warnings.catch_warnings():
        # Versions are compared below, where a difference is an error and not a warning.
        warnings.simplefilter("ignore")
        try:
            return Client(
                address, timeout=CONNECT_S, set_as_default=False, asynchronous=asynchronous
            )
        except (OSError, TimeoutError, RuntimeError, ValueError) as error:
            raise unreachable(address, error) from error


def _refuse_wrong_encryption(address: str) -> None:
    # Dask finds this out too late: its half-made client then hangs for 30 s when it is thrown away.
    from distributed.security import Security

    try:
        settings = Security().get_connection_args("client")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"Dask's certificates cannot be read ({first_line(error)}). Correct the settings "
            "distributed.comm.tls (docs/clusters.md)."
        ) from error
    if address.startswith("tls:") and settings.get("ssl_context") is None:
        raise ModelError(
            f"The address {address} is encrypted, but Dask has no certificate of this machine. Set "
            "distributed.comm.tls (docs/clusters.md)."
        )
    if address.startswith("tcp:") and settings.get("require_encryption"):
        raise ModelError(
            f"The address {address} is not encrypted, but Dask's settings require it here. Use tls:// or "
            "change distributed.comm.require-encryption."
        )


def unreachable(address: str, error: BaseException) -> ModelError:
    """That no scheduler answers, in words."""
    return ModelError(
        f"No Dask scheduler answers at {address} ({first_line(error)}). Start one with `dask "
        "scheduler` and workers with `dask worker`, or correct the address."
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".")


def refuse_other_versions(found: Mapping[str, Any]) -> None:
    """Refuse workers whose versions differ from this process's.

    Parameters
    ----------
    found : mapping
        What ``Client.get_versions(packages=["evenhand"])`` gave.

    Raises
    ------
    ModelError
        Naming each worker with its versions and those expected.
    """
    here = _versions(found["client"])
    faults = []
    for where, described in {"the scheduler": found["scheduler"], **found["workers"]}.items():
        there = _versions(described)
        # A scheduler hands tasks on unread, so it needs no evenhand.
        names = [n for n in COMPARED if n != "evenhand" or where != "the scheduler"]
        faults += [
            f"{where} has {name} {there[name] or 'not installed'}, expected {here[name]}"
            for name in names
            if there[name] != here[name]
        ]
    if faults:
        raise ModelError(
            "The versions on the cluster differ from those here, so responses could differ, too:\n"
            + "\n".join(f"  - {fault}" for fault in faults)
            + "\nInstall the same versions everywhere and start the workers anew."
        )


def _versions(described: Mapping[str, Any]) -> dict[str, str | None]:
    python = ".".join(str(described["host"]["python"]).split(".")[:3])
    packages = described["packages"]
    return {
        "python": python,
        "evenhand": packages.get("evenhand"),
        "distributed": packages.get("distributed"),
    }


class ClusterPool:
    """Workers of a Dask cluster. Dask itself gives a lost worker's tasks to others.

    Parameters
    ----------
    address : str
        Of the scheduler, ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
    tasks : sequence of ResponseTask
        One for each system; each worker is asked before the run whether it has their files.

    Raises
    ------
    ModelError
        When nothing answers, no worker comes, or a worker's versions or files differ.
    """

    def __init__(self, address: str, tasks: Sequence[ResponseTask]) -> None:
        self._address = address
        self._tasks = list(tasks)
        self._known: set[str] = set()
        self._threads = 0
        self._seen_at = time.monotonic()
        self._client = open_client(address)
        try:
            self._wait_for_workers()
            self.check()
        except BaseException:
            self._client.close()
            raise
        self._executor = self._client.get_executor(pure=False)

    @property
    def width(self) -> int:
        """Two tasks a thread, so that the next one is there when one has ended."""
        return max(2 * self._threads, 1)

    def submit(self, task: Callable[[Any], T], argument: Any) -> Future[T]:
        """Hand one task out (see :class:`models.workers.pools.Pool`)."""
        from distributed.client import ClosedClientError

        try:
            future: Future[T] = self._executor.submit(task, argument)
        except ClosedClientError as error:
            raise self._scheduler_lost() from error
        return future

    def loss(self, error: BaseException) -> Loss | None:
        """Dask gives up a task when the workers that had it were lost again and again."""
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        if isinstance(error, KilledWorker):
            return Loss(
                f"{error.allowed_failures + 1} workers were lost in the middle of it, the last at "
                f"{error.last_worker.address}; look at that worker's log and memory",
                again=False,
            )
        if isinstance(error, CancelledError | CommClosedError):
            raise self._scheduler_lost() from error
        return None

    def check(self) -> None:
        """Look whether the scheduler answers and has workers, and whether new ones are fit.

        Raises
        ------
        ModelError
            When the scheduler is gone, no worker was there for a minute, or a worker that has come
            has other versions or files.
        """
        if self._client.status not in ("running", "connecting"):
            raise self._scheduler_lost()
        try:
            workers = dict(self._client.nthreads())
            self._refuse_unfit(workers.keys() - self._known)
        except (OSError, TimeoutError, CancelledError) as error:
            raise self._scheduler_lost() from error
        self._known = set(workers)
        self._threads = sum(workers.values())
        now = time.monotonic()
        if workers:
            self._seen_at = now
        elif now - self._seen_at > WAIT_FOR_WORKERS_S:
            raise ModelError(
                f"The scheduler at {self._address} has had no worker for {WAIT_FOR_WORKERS_S:.0f} s. "
                "What was written before is saved. Start workers with `dask worker "
                f"{self._address}` and run the command again."
            )

    def close(self) -> None:
        """Take back what has not begun and leave the cluster as it was."""
        if self._client.status == "running":
            self._executor.shutdown(wait=False)
        self._client.close()

    def _scheduler_lost(self) -> ModelError:
        return ModelError(
            f"The scheduler at {self._address} was lost in the middle of the run. What was written "
            "before is saved. Start it again with its workers and run the command again."
        )

    def _wait_for_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
        except (OSError, TimeoutError) as error:
            raise ModelError(
                f"The scheduler at {self._address} has no worker. Start one on each machine with `dask "
                f"worker {self._address} --nthreads 1`."
            ) from error

    def _refuse_unfit(self, workers: Set[str]) -> None:
        if not workers:
            return
        refuse_other_versions(self._client.get_versions(packages=["evenhand"]))
        answers = self._client.run(
            faults_of, self._tasks, workers=sorted(workers), on_error="return"
        )
        lines = [
            f"  - worker {worker}: {fault}"
            for worker, answer in sorted(answers.items())
            for fault in ([first_line(answer)] if isinstance(answer, Exception) else answer)
        ]
        if lines:
            raise ModelError(
                "Not every worker can do the work:\n"
                + "\n".join(lines)
                + "\nMend or stop these workers and run the command again."
            )


async def faults_of(tasks: Sequence[ResponseTask]) -> list[str]:
    """What keeps this worker from carrying tasks out, a sentence each; runs on the worker."""
    # In a thread: a file of some GB takes seconds, and the worker must go on answering.
    return await asyncio.to_thread(_faults_of, tasks)


def _faults_of(tasks: Sequence[ResponseTask]) -> list[str]:
    faults = []
    for task in tasks:
        try:
            refuse_other_files(task)
        except ModelError as error:
            faults.append(str(error))
    return faults
