"""How many calls a second the judge makes, against an endpoint of fixed latency."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.judge.session import JudgeSession
from study.errors import ModelError
from study.protocol.endpoint_address import shown_address
from study.protocol.judge import Judge
from study.store.study import Study

GOAL = 0.95
SECONDS_EACH = 5.0


def bench_judge(
    concurrencies: Sequence[int] = (1, 8, 32, 128), latency_s: float = 0.2
) -> dict[str, Any]:
    """Calls per second at several concurrencies, each row committed before it counts.

    The endpoint is the scripted judge in a process of its own on this machine, so it takes a share
    of the same processors. The whole path is measured: plan, ledger on disk, official client,
    parsing. Starting (imports, connections) is not: each measurement begins after a few calls.

    Parameters
    ----------
    concurrencies : sequence of int
    latency_s : float
        Seconds between request and answer in the endpoint.

    Returns
    -------
    dict
        ``rows``: concurrency, calls, seconds, calls_per_second, ceiling (concurrency / latency) and
        share of the ceiling, and ``peer_calls_per_second`` of bare httpx2 clients that keep nothing,
        measured right after on the same machine; ``goal``; ``holds_to``: the largest concurrency up
        to which every share reaches the goal; ``bends_at``: the first below it, or None.
    """
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="evenhand-bench-") as folder,
        _endpoint(latency_s) as address,
    ):
        for concurrency in concurrencies:
            rows.append(_measure(Path(folder) / str(concurrency), address, concurrency, latency_s))
    below = [row["concurrency"] for row in rows if row["share"] < GOAL]
    bends_at = min(below, default=None)
    holding = [c for c in concurrencies if bends_at is None or c < bends_at]
    return {
        "name": "judge",
        "latency_s": latency_s,
        "goal": GOAL,
        "rows": rows,
        "holds_to": max(holding, default=None),
        "bends_at": bends_at,
    }


@contextmanager
def _endpoint(latency_s: float) -> Iterator[str]:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "models.judge.scripted.scripted_endpoint", "--port", str(port)]
    process = subprocess.Popen([*command, "--latency", str(latency_s)])  # noqa: S603
    try:
        _wait_until_it_answers(port, process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_until_it_answers(port: int, process: subprocess.Popen[bytes]) -> None:
    # Without the environment's proxies, which know nothing of this machine's loopback.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            with direct.open(f"http://127.0.0.1:{port}/v1/models", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise ModelError(
        f"The scripted endpoint did not start on port {port}. Run the benchmark again."
    )


def _measure(folder: Path, address: str, concurrency: int, latency_s: float) -> dict[str, Any]:
    study = _study(folder)
    try:
        session = _session(study, address, concurrency)
        wanted = round(SECONDS_EACH * concurrency / latency_s)
        # Full rounds only: the last round of a run is as long with one call as with all.
        wanted -= wanted % concurrency
        calls = session.calls()
        warm, timed = calls[:concurrency], calls[concurrency : concurrency + wanted]
        times: list[float] = []
        session.run([*warm, *timed], on_step=lambda _step: times.append(time.perf_counter()))
    finally:
        study.close()
    peer = asyncio.run(_bare(address, calls[0].planned.request, concurrency, latency_s))
    seconds = times[-1] - times[concurrency - 1]
    rate, ceiling = len(timed) / seconds, concurrency / latency_s
    return {
        "concurrency": concurrency,
        "calls": len(timed),
        "seconds": round(seconds, 3),
        "calls_per_second": round(rate, 2),
        "ceiling": ceiling,
        "share": round(rate / ceiling, 4),
        "peer_calls_per_second": round(peer, 2),
    }


async def _bare(
    address: str, request: Mapping[str, Any], concurrency: int, latency_s: float
) -> float:
    """Calls per second of clients without ledger, retries or parsing."""
    import httpx2

    certificates = httpx2.create_ssl_context()
    clients = [
        httpx2.AsyncClient(verify=certificates, trust_env=False)
        for _ in range(math.ceil(concurrency / 8))
    ]

    async def ask(worker: int, number: int) -> None:
        client = clients[worker % len(clients)]
        for _ in range(number):
            await client.post(f"{address}/chat/completions", json=dict(request))

    await asyncio.gather(*(ask(worker, 1) for worker in range(concurrency)))
    number = max(round(SECONDS_EACH / 2 / latency_s), 1)
    started = time.perf_counter()
    await asyncio.gather(*(ask(worker, number) for worker in range(concurrency)))
    seconds = time.perf_counter() - started
    for client in clients:
        await client.aclose()
    return number * concurrency / seconds


def _study(folder: Path) -> Study:
    from protocols import shipped_protocols
    from study.store.locking import lock_study
    from study.store.responses import save_response
    from study.store.study import create_study

    study = create_study(folder, shipped_protocols()["demo"])
    for prompt in study.protocol.prompts:
        for number, system in enumerate(study.protocol.systems):
            text = f"That sounds hard. What would help you with it? ({number})"
            save_response(study, prompt.id, system.id, text, {})
    lock_study(study)
    return study


def _session(study: Study, address: str, concurrency: int) -> JudgeSession:
    from models.judge.wording.plan import JudgeIdentity
    from models.judge.wording.rubrics import load_rubrics

    judge = Judge(
        backend="openai",
        model="bench",
        endpoint=address,
        rubrics=("eai",),
        concurrency=concurrency,
        # 9 responses by 8 items by 60 replicates: enough calls for 128 at a time.
        replicates=60,
    )
    rubrics = load_rubrics(judge.rubrics, study.protocol, study_folder=study.folder)
    return JudgeSession(
        study, judge, rubrics, JudgeIdentity("bench", shown_address(judge.endpoint))
    )
