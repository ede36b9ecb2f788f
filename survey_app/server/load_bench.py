"""The benchmark of the survey app: simulated raters over the WebSocket of a real server."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

from study.store.study import Study


def bench_survey() -> list[dict[str, Any]]:
    """Waiting times of simulated raters at one server process on this machine.

    A throw-away study is made, served by a process of its own on a free port of the loopback address,
    and deleted afterwards.
    """
    rows = []
    for raters, thinking_s in ((1, 0.0), (25, 0.0), (60, 5.0)):
        with tempfile.TemporaryDirectory(prefix="evenhand-bench-") as folder:
            rows.append(_measured(Path(folder) / "study", raters, thinking_s))
    return rows


def _measured(folder: Path, raters: int, thinking_s: float) -> dict[str, Any]:
    from survey_app.server.load import measure_load, prepare_raters

    study = _study(folder)
    try:
        tokens = prepare_raters(study, raters)
    finally:
        study.close()
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    server = context.Process(target=_serve, args=(folder, sending), daemon=True)
    server.start()
    try:
        port = receiving.recv() if receiving.poll(60) else 0
        result = measure_load(
            f"http://127.0.0.1:{port}", tokens, responses=9, thinking_s=thinking_s
        )
    finally:
        server.terminate()
        server.join(10)
    return {
        "raters": result.raters,
        "thinking_s": thinking_s,
        "submissions": result.submissions,
        "p50_ms": result.p50_ms,
        "p95_ms": result.p95_ms,
        "per_second": result.per_second,
        "errors": len(result.errors),
    }


def _study(folder: Path) -> Study:
    from protocols import shipped_protocols
    from study.store.locking import lock_study
    from study.store.responses import save_response
    from study.store.study import create_study

    study = create_study(folder, shipped_protocols()["demo"])
    for prompt in study.protocol.prompts:
        for system in study.protocol.systems:
            text = "That sounds hard. " + "What would help you a little today? " * 5
            save_response(study, prompt.id, system.id, text, {})
    lock_study(study)
    return study


def _serve(folder: Path, sending: Any) -> None:
    from survey_app.server.serving import serve

    serve(folder, port=0, when_listening=sending.send)
