"""Pools of workers behind ``concurrent.futures``: this process, or several on this machine."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

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
        self._executor = self._started()

    @property
    def width(self) -> int:
        """One task a worker."""
        return self._workers

    def submit(self, task: Callable[[Any], T], argument: Any) -> Future[T]:
        """Hand one task out (see :class:`Pool`)."""
        try:
            return self._executor.submit(task, argument)
        except BrokenProcessPool:
            self._executor = self._started()
            return self._executor.submit(task, argument)

    def loss(self, error: BaseException) -> Loss | None:
        """A pool of processes breaks as a whole when one of them ends, so any task may go again."""
        if not isinstance(error, BrokenProcessPool):
            return None
        return Loss("its worker process ended in the middle of it, often for want of memory", True)

    def check(self) -> None:
        """Nothing to check: broken processes are replaced."""

    def close(self) -> None:
        """End the processes; a task that has begun in one of them is waited for."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> Executor:
        if self._workers == 1:
            return _SameProcess()
        # Not forked: a copy of this process would share its database connection and its threads.
        return ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_end_quietly_on_ctrl_c,
        )


def _end_quietly_on_ctrl_c() -> None:
    # The terminal sends it to all processes; Python would print a traceback for each.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
