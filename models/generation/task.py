"""What a worker does for ``generate``: one response, with a model that it loads once and keeps."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.backends.interface import Backend
from models.backends.opening import files_sha256, open_backend
from models.generation.response import GeneratedResponse, write_response
from models.workers.held import Held
from study.errors import ModelError
from study.protocol.schema import Prompt
from study.protocol.systems import System

# What a loaded model does not depend on, so that two systems can share one.
_NOT_LOADED = {"id", "title", "system_prompt", "decoding"}


@dataclass(frozen=True)
class ResponseTask:
    """One response that is to be written. Plain data without any key.

    Attributes
    ----------
    system, prompt
        Not in the printed form: a worker's log may be read by people who are blind.
    study_folder : Path
        Where relative model paths start, on the worker's machine.
    files : mapping
        File name -> SHA-256 (hex) that the model must have on the worker; empty when the worker
        reads the very same files.
    """

    system: System = field(repr=False)
    prompt: Prompt = field(repr=False)
    study_folder: Path = field(repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class TaskOutcome:
    """How a task ended.

    Attributes
    ----------
    response : GeneratedResponse or None
    failure : str
        Why there is no response; empty when there is one.
    loaded : bool
        False when the model could not even be loaded.
    """

    response: GeneratedResponse | None = field(default=None, repr=False)
    failure: str = field(default="", repr=False)
    loaded: bool = True

    @classmethod
    def failed(cls, error: ModelError, *, loaded: bool) -> TaskOutcome:
        """A failure that names the worker, where it is one of a cluster."""
        worker = cluster_worker()
        return cls(failure=f"worker {worker}: {error}" if worker else str(error), loaded=loaded)


_LOADED: Held[Backend] = Held()
# One reply at a time: a worker may have several threads, a model has one state.
_TURN = threading.Lock()


def carry_out(task: ResponseTask) -> TaskOutcome:
    """Write one response; a failure comes back as its reason and not as an exception.

    A worker's log prints what raised with all arguments, and would name the system.
    """
    loading = task.system.model_dump_json(exclude=_NOT_LOADED)
    key = (loading, str(task.study_folder), tuple(sorted(task.files.items())))
    with _TURN:
        try:
            backend = _LOADED.get(key, lambda: _open(task))
        except ModelError as error:
            return TaskOutcome.failed(error, loaded=False)
        try:
            return TaskOutcome(write_response(task.system, backend, task.prompt))
        except ModelError as error:
            return TaskOutcome.failed(error, loaded=True)


def _open(task: ResponseTask) -> Backend:
    refuse_other_files(task)
    return open_backend(task.system, study_folder=task.study_folder)


def release() -> None:
    """Let go of the model that this process holds."""
    with _TURN:
        _LOADED.close()


def cluster_worker() -> str:
    """Address of the Dask worker in which this runs, or an empty text elsewhere."""
    if "distributed" not in sys.modules:
        return ""
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""


def refuse_other_files(task: ResponseTask) -> None:
    """Refuse a model whose files are not the coordinator's.

    Raises
    ------
    ModelError
        When a file is missing here or has another hash.
    """
    if not task.files:
        return
    here = files_sha256(task.system, task.study_folder)
    differing = sorted(
        name for name in {*here, *task.files} if here.get(name) != task.files.get(name)
    )
    if differing:
        raise ModelError(
            f"System {task.system.id!r}: {', '.join(differing)} at {task.study_folder} differs from the "
            "file of the machine that runs `evenhand generate`. Copy the model there anew."
        )
