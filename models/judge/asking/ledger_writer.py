"""Writes the ledger from many calls at once: whatever waits is committed together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from study.store.judge.verdicts import CallResult, PlannedCall, record_results, record_sent
from study.store.study import Study


@dataclass
class _Waiting:
    entry: PlannedCall | CallResult
    done: asyncio.Future[int]


class LedgerWriter:
    """Commits rows in groups; a row counts only when its commit has returned.

    While one commit is on its way to the disk, others gather for the next, so the number of commits
    does not grow with the number of calls at the same time.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._write())

    async def sent(self, call: PlannedCall) -> int:
        """Commit that a request is about to be sent; gives the row's id."""
        return await self._put(call)

    async def ended(self, result: CallResult) -> None:
        """Commit how a call ended."""
        await self._put(result)

    async def close(self) -> None:
        """Stop; nothing may wait any more."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _put(self, entry: PlannedCall | CallResult) -> int:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entry, done))
        self._wake.set()
        # A commit is not called off when the run ends: the row must say what happened.
        return await asyncio.shield(done)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            group, self._waiting = self._waiting, []
            # Results first: a call that is asked again must find its row as the answer left it.
            await self._commit([w for w in group if isinstance(w.entry, CallResult)])
            await self._commit([w for w in group if isinstance(w.entry, PlannedCall)])

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        """Commit rows of one kind together; each for itself when that fails.

        One row that cannot be written must not take the answers of others with it.
        """
        if not group:
            return
        try:
            ids = await asyncio.to_thread(_record, self._study, [w.entry for w in group])
        except Exception as error:  # noqa: BLE001 (it is raised where the row was written)
            if len(group) == 1:
                group[0].done.set_exception(error)
                return
            for waiting in group:
                await self._commit([waiting])
            return
        for waiting, call_id in zip(group, ids, strict=True):
            waiting.done.set_result(call_id)


def _record(study: Study, entries: Sequence[PlannedCall | CallResult]) -> list[int]:
    results = [entry for entry in entries if isinstance(entry, CallResult)]
    if results:
        record_results(study, results)
        return [result.call_id for result in results]
    return record_sent(study, [entry for entry in entries if isinstance(entry, PlannedCall)])
