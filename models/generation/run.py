"""Writing the responses of a study: every prompt by every system, resumable, by any pool of workers.

Workers write texts; only the process that runs this hands them to the store. A response that a lost
worker had under way is written by another one, from the same seed, so the text is the same.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.backends.opening import files_sha256
from models.generation.response import GeneratedResponse
from models.generation.task import ResponseTask, TaskOutcome, carry_out, release
from models.workers.pools import LocalPool, Pool
from study.errors import GenerationError, ModelError
from study.protocol.schema import Prompt, Protocol
from study.protocol.systems import System
from study.wording import summed_up

# A system that fails this often in a row is broken, and the rest of its prompts would only wait.
FAILURES_IN_A_ROW = 3
# After so many lost workers it is likely to be the response that ends them.
TRIES_AFTER_LOSS = 3
CHECK_EVERY_S = 1.0

State = Literal["loading", "writing", "saved", "failed"]


@dataclass(frozen=True)
class GenerationStep:
    """Where the generation is.

    Attributes
    ----------
    state : str
        ``loading`` (a system, no prompt yet), ``writing``, ``saved`` or ``failed``.
    done, total : int
        Responses that exist, of all that the protocol asks for.
    system_id, prompt_id : str
        ``prompt_id`` is empty while loading.
    """

    state: State
    done: int
    total: int
    system_id: str
    prompt_id: str = ""


@dataclass(frozen=True)
class GenerationSummary:
    """What one run did: numbers of responses by system id."""

    written: dict[str, int]
    skipped: dict[str, int]


def generate_responses(
    protocol: Protocol,
    *,
    existing: Iterable[tuple[str, str]],
    study_folder: Path,
    save: Callable[[GeneratedResponse], None],
    progress: Callable[[GenerationStep], None] | None = None,
    workers: int = 1,
    cluster: str = "",
) -> GenerationSummary:
    """Write every response that the study lacks.

    Parameters
    ----------
    protocol : Protocol
    existing : iterable of (prompt_id, system_id)
        Responses that are there; they are not written again.
    study_folder : Path
        Where relative model paths start, on every machine.
    save : callable
        Stores one response; called in this thread as soon as the response is there. What it raises
        ends the run.
    progress : callable or None
        Told of every step.
    workers : int
        Processes on this machine; 1 is this process.
    cluster : str
        Address of a Dask scheduler, whose workers are used instead.

    Raises
    ------
    GenerationError
        When responses failed: one error that names each, after all others were saved.
    ModelError
        When the cluster cannot be used.
    """
    there = set(existing)
    declared = {(p.id, s.id) for s in protocol.systems for p in protocol.prompts}
    run = _Run(
        protocol,
        study_folder.absolute(),
        save,
        progress,
        there,
        alone=workers == 1 and not cluster,
        done=len(declared & there),
    )
    missing = {
        system.id: [p for p in protocol.prompts if (p.id, system.id) not in there]
        for system in protocol.systems
    }
    if any(missing.values()):
        first = run.first_tasks(missing, with_files=bool(cluster))
        with _pool(workers, cluster, first) as pool:
            run.work(pool, run.tasks(missing, first))
    if run.failures:
        lines = "\n".join(f"  - {failure}" for failure in summed_up(run.failures))
        raise GenerationError(
            f"{len(declared) - run.done} of {len(declared)} responses are missing; "
            f"{run.written.total()} new ones are saved. Failed:\n{lines}\n"
            f"Mend this and run 'evenhand generate' again: it writes only what is missing."
        )
    written = {system.id: run.written[system.id] for system in protocol.systems}
    return GenerationSummary(
        written, {name: len(protocol.prompts) - len(left) for name, left in missing.items()}
    )


@contextlib.contextmanager
def _pool(workers: int, cluster: str, first: Iterable[ResponseTask]) -> Iterator[Pool]:
    pool: Pool
    if cluster:
        from models.workers.cluster import ClusterPool

        pool = ClusterPool(cluster, list(first))
    else:
        pool = LocalPool(workers)
    try:
        yield pool
    finally:
        pool.close()
        release()


@dataclass
class _Run:
    """The state of one run."""

    protocol: Protocol
    study_folder: Path
    save: Callable[[GeneratedResponse], None]
    progress: Callable[[GenerationStep], None] | None
    there: set[tuple[str, str]]
    alone: bool
    done: int
    failures: list[str] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)
    in_a_row: Counter[str] = field(default_factory=Counter)
    losses: Counter[tuple[str, str]] = field(default_factory=Counter)
    given_up: dict[str, str] = field(default_factory=dict)

    def first_tasks(
        self, missing: dict[str, list[Prompt]], *, with_files: bool
    ) -> list[ResponseTask]:
        """A task of each system whose files are here."""
        first = []
        for system in self.protocol.systems:
            if not missing[system.id]:
                continue
            try:
                files = files_sha256(system, self.study_folder) if with_files else {}
            except ModelError as error:
                self._give_up(system, f", all {len(missing[system.id])} prompts: {error}")
                self._tell("failed", system.id)
                continue
            first.append(ResponseTask(system, missing[system.id][0], self.study_folder, files))
        return first

    def tasks(
        self, missing: dict[str, list[Prompt]], first: Iterable[ResponseTask]
    ) -> Iterator[ResponseTask]:
        """All tasks, system by system, so that a worker seldom has to load another model."""
        for task in first:
            system, prompts = task.system, missing[task.system.id]
            self._tell("loading", system.id)
            for number, prompt in enumerate(prompts):
                if system.id in self.given_up:
                    if why := self.given_up[system.id]:
                        left = len(prompts) - number
                        self.failures.append(f"system {system.id}: the other {left} prompts {why}")
                    break
                self._tell("writing", system.id, prompt.id)
                yield ResponseTask(system, prompt, self.study_folder, task.files)

    def work(self, pool: Pool, tasks: Iterator[ResponseTask]) -> None:
        """Hand tasks out and save what comes back, until all have ended."""
        under_way: dict[Future[TaskOutcome], ResponseTask] = {}
        checked = time.monotonic()
        while True:
            while len(under_way) < pool.width and (task := next(tasks, None)) is not None:
                under_way[pool.submit(carry_out, task)] = task
            if not under_way:
                return
            ended, _ = wait(under_way, CHECK_EVERY_S, FIRST_COMPLETED)
            if time.monotonic() - checked >= CHECK_EVERY_S:
                pool.check()
                checked = time.monotonic()
            for future in ended:
                task = under_way.pop(future)
                outcome = self._outcome(pool, future, task)
                if outcome is None:
                    under_way[pool.submit(carry_out, task)] = task
                else:
                    self._ended(task, outcome)

    def _outcome(
        self, pool: Pool, future: Future[TaskOutcome], task: ResponseTask
    ) -> TaskOutcome | None:
        """How a task ended; None when its worker was lost and another one shall try."""
        error = future.exception() if not future.cancelled() else None
        if error is None and not future.cancelled():
            return future.result()
        loss = pool.loss(error or CancelledError())
        if loss is None:
            raise error if error is not None else CancelledError()
        place = (task.prompt.id, task.system.id)
        self.losses[place] += 1
        if loss.again and self.losses[place] <= TRIES_AFTER_LOSS:
            return None
        return TaskOutcome(failure=loss.reason)

    def _ended(self, task: ResponseTask, outcome: TaskOutcome) -> None:
        system, prompt = task.system, task.prompt
        if outcome.response is not None:
            self.save(outcome.response)
            self.written[system.id] += 1
            self.in_a_row[system.id] = 0
            self.done += 1
            self._tell("saved", system.id, prompt.id)
            return
        if system.id in self.given_up and not outcome.loaded:
            return
        self._tell("failed", system.id, prompt.id)
        if self.alone and not outcome.loaded:
            # The only worker: the model will not load for the next prompt either.
            left = sum((p.id, system.id) not in self.there for p in self.protocol.prompts)
            self._give_up(system, f", all {left} prompts: {outcome.failure}")
            return
        self.failures.append(f"system {system.id}, prompt {prompt.id}: {outcome.failure}")
        self.in_a_row[system.id] += 1
        if self.in_a_row[system.id] >= FAILURES_IN_A_ROW:
            self.given_up.setdefault(
                system.id, f"were not tried after {self.in_a_row[system.id]} failures in a row"
            )

    def _give_up(self, system: System, failure: str) -> None:
        self.failures.append(f"system {system.id}{failure}")
        self.given_up[system.id] = ""

    def _tell(self, state: State, system_id: str, prompt_id: str = "") -> None:
        if self.progress is not None:
            total = len(self.protocol.prompts) * len(self.protocol.systems)
            self.progress(GenerationStep(state, self.done, total, system_id, prompt_id))
