"""What a worker of a cluster does for the judge: one request, sent once, and how that ended.

Nothing is decided here: limits, cost, retries and the ledger stay with the coordinating process.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from models.backends.model_files import locate_checkpoint, sha256_of_folder, sha256_of_hashes
from models.endpoint.failures import AttemptFailed, Failure
from models.judge.asking.sending import LocalSender
from models.workers.held import Held
from study.errors import ModelError
from study.protocol.judge import Judge
from study.protocol.systems import System

# What the connection or the loaded model depends on.
_OPENED_BY = {
    *("backend", "model", "endpoint", "proxy", "api_key_variable", "timeout_s", "longest_call_s"),
    *("longest_wait_s", "concurrency"),
}

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class RemoteRequest:
    """One request for one worker; plain data without any key.

    Attributes
    ----------
    worker_id : str
        Of the worker process that it is meant for.
    judge : Judge
    study_folder : Path
        Where a relative model path starts, on the worker's machine.
    files : str
        SHA-256 (hex) over the files of a judge on this machine; empty for an endpoint.
    request : mapping
    idempotency_key : str
    """

    worker_id: str
    judge: Judge = field(repr=False)
    study_folder: Path = field(repr=False)
    files: str = field(repr=False)
    request: Mapping[str, Any] = field(repr=False)
    idempotency_key: str = field(repr=False)


@dataclass(frozen=True)
class Sent:
    """How it ended.

    Attributes
    ----------
    body : str or None
        Of a successful answer.
    failure : Failure or None
    refused : str
        Why no other request would fare better; empty when one might.
    """

    body: str | None = field(default=None, repr=False)
    failure: Failure | None = field(default=None, repr=False)
    refused: str = field(default="", repr=False)


class _Sender(Protocol):
    def send(self, task: RemoteRequest) -> str:
        """The body of the answer; raises AttemptFailed or ModelError."""

    def close(self) -> None: ...


class _EndpointSender:
    """The connections to the endpoint, kept for all requests of this process.

    They live in an event loop of their own, so that a request is sent by the same code, and ends by
    the same deadline, as in the process that runs `evenhand judge`.
    """

    def __init__(self, judge: Judge) -> None:
        self._sender = LocalSender(judge)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="judge-endpoint", daemon=True
        )
        self._thread.start()

    def send(self, task: RemoteRequest) -> str:
        return self._wait(self._send(task))

    async def _send(self, task: RemoteRequest) -> str:
        async with self._sender.turn() as send:
            return await send(task.request, task.idempotency_key)

    def _wait(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        self._wait(self._sender.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _ModelSender:
    """A checkpoint on this machine, loaded once."""

    def __init__(self, task: RemoteRequest) -> None:
        from models.judge.asking.local import LocalAsker

        system = System(id="judge", title="Judge", backend="transformers", model=task.judge.model)
        folder = locate_checkpoint(system, task.study_folder)
        if sha256_of_hashes(sha256_of_folder(folder)) != task.files:
            raise ModelError(
                f"the judge's checkpoint at {folder} differs from the one of the machine that runs "
                "`evenhand judge`. Copy it there anew."
            )
        self._asker = LocalAsker(task.judge, task.study_folder)

    def send(self, task: RemoteRequest) -> str:
        answer = self._asker.answer(task.request)
        if answer.reply is None:
            failure = answer.failure or {"kind": "model", "message": "no reply"}
            raise AttemptFailed(Failure(str(failure["kind"]), str(failure["message"])))
        return str(answer.reply["body"])

    def close(self) -> None:
        asyncio.run(self._asker.close())


class _ScriptSender:
    """The scripted judge; it needs no connection."""

    def send(self, task: RemoteRequest) -> str:
        from models.judge.scripted.scripted_endpoint import ScriptedJudge

        return json.dumps(ScriptedJudge().complete(task.request))

    def close(self) -> None:
        """Nothing is held."""


def _open(task: RemoteRequest) -> _Sender:
    match task.judge.backend:
        case "transformers":
            return _ModelSender(task)
        case "scripted":
            return _ScriptSender()
    return _EndpointSender(task.judge)


_HELD: Held[_Sender] = Held()


def send_from_worker(task: RemoteRequest) -> Sent:
    """Send one request once; runs on the worker. What it raises would be logged with the request."""
    from distributed import get_worker

    worker = get_worker()
    if worker.id != task.worker_id:
        # A new process under the address of one that was lost: the request may have been sent.
        return Sent(failure=lost(worker.address))
    key = (task.judge.model_dump_json(include=_OPENED_BY), str(task.study_folder), task.files)
    try:
        return Sent(body=_HELD.get(key, lambda: _open(task)).send(task))
    except AttemptFailed as failed:
        return Sent(failure=failed.failure)
    except ModelError as error:
        return Sent(refused=f"worker {worker.address}: {error}")


def lost(address: str) -> Failure:
    """The worker ended while a request was under way; nobody knows whether it was charged."""
    message = f"the worker {address} was lost while the request was under way"
    return Failure("worker lost", message, again=True, in_doubt=True)
