"""Pools of workers behind ``concurrent.futures``: this process, or several on this machine."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, ParamSpec, Protocol, TypeVar

from models.separate_process import start_process

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Loss:
    """A worker ended in the middle of a task.

    Attributes
    ----------
    reason : str
        One clause for the user.
    again : bool
        Whether the task may be handed out again; False when the pool has already tried.
    """

    reason: str
    again: bool


class Pool(Protocol):
    """Carries out tasks; what a task returns is the only thing that comes back."""

    @property
    def width(self) -> int:
        """How many tasks are worth handing out at the same time, at least 1."""

    def submit(self, task: Callable[[Any], T], argument: Any) -> Future[T]:
        """Hand one task out."""

    def loss(self, error: BaseException) -> Loss | None:
        """What a failed task's error says about its worker; None when the worker is fine."""

    def check(self) -> None:
        """Raise ModelError when no worker is left that could go on."""

    def close(self) -> None:
        """Let the workers go; tasks that have not begun are dropped."""


class _SameProcess(Executor):
    """Carries a task out at once, so that Ctrl-C ends it and nothing is started for one worker."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (it is raised where the result is read)
            future.set_exception(error)
        return future


class LocalPool:
    """Workers on this machine.

    Parameters
    ----------
    workers : int
        1 is this process; more are processes of their own, each with its own copy of a model.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._executor = _SameProcess() if workers == 1 else _SeveralProcesses(workers)

    @property
    def width(self) -> int:
        """One task a worker."""
        return self._workers

    def submit(self, task: Callable[[Any], T], argument: Any) -> Future[T]:
        """Hand one task out (see :class:`Pool`)."""
        return self._executor.submit(task, argument)

    def loss(self, error: BaseException) -> Loss | None:
        """The process that ended is replaced, so its task may go again."""
        return Loss(str(error), True) if isinstance(error, _ProcessEndedError) else None

    def check(self) -> None:
        """Nothing to check: a process that ended is replaced."""

    def close(self) -> None:
        """End the processes; a task that has begun in one of them is waited for."""
        self._executor.shutdown(wait=True, cancel_futures=True)


class _ProcessEndedError(Exception):
    """The process of a task ended before the task did."""

    def __init__(self) -> None:
        super().__init__("its worker process ended in the middle of it, often for want of memory")


class _SeveralProcesses(Executor):
    """Processes behind pipes, a thread for each task under way.

    Not ``ProcessPoolExecutor``: it forks this process with its database connection, or runs its main
    script again, and when one process ends it loses the tasks of all.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)
        self._idle: SimpleQueue[_WorkerProcess] = SimpleQueue()
        for _ in range(workers):
            self._idle.put(_WorkerProcess())

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.submit(self._carry_out, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        while not self._idle.empty():
            self._idle.get().close()

    def _carry_out(self, fn: Callable[..., T], args: tuple[Any, ...], named: dict[str, Any]) -> T:
        worker = self._idle.get()
        try:
            return worker.carry_out(fn, args, named)
        finally:
            self._idle.put(worker)


class _WorkerProcess:
    """One process, started with its first task and again after it ended."""

    def __init__(self) -> None:
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def carry_out(self, fn: Callable[..., T], args: tuple[Any, ...], named: dict[str, Any]) -> T:
        if self._running is None:
            self._running = start_process("models.workers.pools", "serve_tasks")
        pipe = self._running[1]
        try:
            pipe.send((fn, args, named))
            done, result = pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise _ProcessEndedError from None
        if not done:
            raise result
        answer: T = result
        return answer

    def close(self) -> None:
        if self._running is not None:
            process, pipe = self._running
            pipe.close()
            process.wait()
            self._running = None


def serve_tasks(pipe: Connection) -> None:
    """Entry point of a worker process: carries out what comes until the other end is closed."""
    # The terminal sends Ctrl-C to all processes; Python would go on with the next task.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            fn, args, named = pipe.recv()
            try:
                answer = True, fn(*args, **named)
            except Exception as error:  # noqa: BLE001 (it is raised where the result is read)
                answer = False, error
            pipe.send(answer)
