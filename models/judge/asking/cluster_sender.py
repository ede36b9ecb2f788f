"""Sends the judge's requests from the workers of a Dask cluster.

Dask would give a lost worker's task to another worker without a word, and the request would be paid
twice unseen. So each request is bound to one worker process; when that is lost, the request comes
back as a failure that may have been charged, and the retries, the limits and the ledger see it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from models.endpoint.failures import AttemptFailed
from models.judge.asking.sending import Send
from models.judge.asking.worker_side import RemoteRequest, Sent, lost, send_from_worker
from models.workers.cluster import (
    WAIT_FOR_WORKERS_S,
    first_line,
    open_client,
    refuse_other_versions,
    unreachable,
)
from study.errors import ModelError
from study.protocol.judge import Judge

LOOK_EVERY_S = 0.5


@dataclass
class _Place:
    """One worker process: how many requests it can have under way, and how many it has."""

    address: str
    worker_id: str
    threads: int
    busy: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class ClusterSender:
    """Sends from workers; make one with :meth:`connect`."""

    def __init__(self, address: str, judge: Judge, study_folder: Path, files: str) -> None:
        self._address = address
        self._judge = judge
        self._study_folder = study_folder.absolute()
        self._files = files
        self._places: dict[str, _Place] = {}
        self._changed = asyncio.Condition()
        self._broken: ModelError | None = None
        self._client: Any = None
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls, address: str, judge: Judge, *, study_folder: Path, files: str = ""
    ) -> ClusterSender:
        """Connect to a scheduler and wait for its first worker.

        Parameters
        ----------
        address : str
            ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
        judge : Judge
        study_folder : Path
            Where a relative model path starts.
        files : str
            SHA-256 (hex) over the files of a judge that is a checkpoint.

        Raises
        ------
        ModelError
            When nothing answers, no worker comes, or the versions of one differ.
        """
        sender = cls(address, judge, study_folder, files)
        sender._client = open_client(address, asynchronous=True)
        try:
            await sender._client
        except (OSError, TimeoutError) as error:
            raise unreachable(address, error) from error
        try:
            await sender._client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS_S / 4)
            await sender._look()
        except (OSError, TimeoutError) as error:
            await sender._client.close()
            raise ModelError(
                f"The scheduler at {address} has no worker. Start one on each machine with `dask "
                f"worker {address}`."
            ) from error
        except BaseException:
            await sender._client.close()
            raise
        sender._watch = asyncio.create_task(sender._keep_looking())
        return sender

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[Send]:
        """A thread of the worker with the most free ones (see ``Sender``)."""
        place = await self._free_place()
        place.busy += 1
        try:
            yield partial(self._send, place)
        finally:
            place.busy -= 1
            await self._tell()

    async def close(self) -> None:
        """Leave the cluster as it was."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._client.close()

    async def _free_place(self) -> _Place:
        async with self._changed:
            while True:
                if self._broken is not None:
                    raise self._broken
                free = [p for p in self._places.values() if p.busy < p.threads]
                if free:
                    return max(free, key=lambda place: place.threads - place.busy)
                await self._changed.wait()

    async def _send(self, place: _Place, request: Mapping[str, Any], idempotency_key: str) -> str:
        task = RemoteRequest(
            place.worker_id, self._judge, self._study_folder, self._files, request, idempotency_key
        )
        from distributed.client import ClosedClientError

        try:
            future = self._client.submit(
                send_from_worker,
                task,
                workers=[place.address],
                allow_other_workers=False,
                # Two requests alike are two answers; of pure ones Dask would send one for both.
                pure=False,
            )
        except ClosedClientError as error:
            raise self._scheduler_lost(error) from error
        # Bound to one worker: without a look at whether that is gone, Dask would keep the task for it.
        answer = asyncio.ensure_future(_result(future))
        gone = asyncio.ensure_future(place.gone.wait())
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise AttemptFailed(lost(place.address))
            sent = answer.result()
        finally:
            for waiting in (answer, gone):
                waiting.cancel()
            future.release()
        if sent is None:
            raise AttemptFailed(lost(place.address))
        if sent.refused:
            raise ModelError(sent.refused)
        if sent.failure is not None:
            raise AttemptFailed(sent.failure)
        return str(sent.body)

    async def _keep_looking(self) -> None:
        loop = asyncio.get_running_loop()
        seen = loop.time()
        while self._broken is None:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look()
            except ModelError as error:
                await self._break(error)
            except (OSError, TimeoutError) as error:
                await self._break(self._scheduler_lost(error))
            if self._places:
                seen = loop.time()
            elif loop.time() - seen > WAIT_FOR_WORKERS_S:
                await self._break(
                    ModelError(
                        f"The scheduler at {self._address} has had no worker for "
                        f"{WAIT_FOR_WORKERS_S:.0f} s. What was answered is kept. Start workers and run "
                        "`evenhand judge` again."
                    )
                )

    async def _look(self) -> None:
        """Compare the workers with those known: some may be gone, some may have come."""
        if self._client.status != "running":
            raise OSError("the connection is closed")
        found = (await self._client.scheduler.identity())["workers"]
        for address in self._places.keys() - found.keys():
            self._places.pop(address).gone.set()
        new = found.keys() - self._places.keys()
        if new:
            refuse_other_versions(await self._client.get_versions(packages=["evenhand"]))
            told = await self._client.scheduler.broadcast(
                msg={"op": "identity"}, workers=sorted(new), on_error="ignore"
            )
            for address, identity in told.items():
                threads = int(found[address]["nthreads"])
                self._places[address] = _Place(address, str(identity["id"]), threads)
        await self._tell()

    async def _break(self, error: ModelError) -> None:
        self._broken = error
        for place in self._places.values():
            place.gone.set()
        await self._tell()

    def _scheduler_lost(self, error: Exception) -> ModelError:
        return ModelError(
            f"The scheduler at {self._address} was lost ({first_line(error)}). What was answered is kept. "
            "Start it again with its workers and run `evenhand judge` again."
        )

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _result(future: Any) -> Sent | None:
    """What a worker sent back, or None when Dask lost the worker or the scheduler with the task."""
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        sent: Sent = await future
    except (KilledWorker, CommClosedError, concurrent.futures.CancelledError):
        return None
    except asyncio.CancelledError:
        if not future.cancelled():
            raise
        return None
    return sent
