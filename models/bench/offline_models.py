"""The benchmark of the models: the offline file beside transformers and llama.cpp, same weights."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.bench.bandwidth import CACHE_BYTES, copy_bandwidth, share_of_bandwidth, weight_bytes
from models.bench.contenders import Contender, Measured, Task, measure, missing_packages
from models.bench.gguf_file import write_gguf
from models.bench.random_checkpoint import write_random_checkpoint
from models.offline.export import manifest_path, quantize, read_manifest
from models.shipped import shipped_path
from study.errors import ModelError

Rows = list[dict[str, Any]]
Tell = Callable[[str], None]

PROMPT_TOKENS = 64
LARGE = "llama-1b-random"
# Checkpoint 2.5 GB, offline file 1.0 GB, GGUF 0.7 GB, and what the export writes for a while.
_DISK_BYTES = 12_000_000_000

FASTER_THAN_TRANSFORMERS = 3.0
FASTER_THAN_LLAMA = 1.0
SHARE_OF_BANDWIDTH = 0.7
MEMORY_BEYOND_FILE = 600e6


@dataclass
class _Runs:
    """All runs of one contender, or why there are none."""

    model: str
    contender: Contender
    file_bytes: int
    measured: list[Measured] = field(default_factory=list)
    missing_because: str = ""

    def middle(self, what: str) -> float:
        return float(statistics.median(getattr(m, what) for m in self.measured))


def bench_models(
    folder: Path,
    *,
    demo_only: bool = False,
    threads: int = 2,
    tokens: int = 64,
    rounds: int = 3,
    tell: Tell = lambda message: None,
) -> dict[str, Rows]:
    """Decode speed, time to first token and peak memory, and the share of the memory's bandwidth.

    Every contender runs in a fresh process in every round, the contenders in turn, so that what else
    the machine does falls on all of them; medians over the rounds count. All write the same number of
    tokens greedily after the same prompt through the same loop, on as many threads. The copy of memory
    is measured before every round; the fastest is the limit.

    Parameters
    ----------
    folder : Path
        Where the large model and the GGUF files lie or are made; kept for the next time. Making them
        takes a quarter of an hour and 10 GB of memory.
    demo_only : bool
        Leave the large model out.
    threads, tokens, rounds : int
    tell : callable
        Gets a line for every step.

    Returns
    -------
    dict
        ``models``: a row for each model and contender; ``models-goals``: what was aimed at and
        reached; ``models-machine``: where and how.

    Raises
    ------
    ModelError
        When the file of the large model cannot be made, or a contender fails.
    """
    if tokens < 2 or rounds < 1 or threads < 1:
        raise ModelError(
            f"Found {tokens} tokens, {rounds} rounds and {threads} threads; expected at least 2 tokens, "
            f"1 round and 1 thread."
        )
    folder.mkdir(parents=True, exist_ok=True)
    models = ["demo"] if demo_only else ["demo", LARGE]
    runs = [run for model in models for run in _contenders(model, folder, tell)]
    copies: list[float] = []
    loads: list[float] = []
    for number in range(1, rounds + 1):
        copies.append(copy_bandwidth(threads))
        loads.append(os.getloadavg()[0])
        for run in runs:
            if run.missing_because:
                continue
            tell(f"round {number} of {rounds}: {run.model}, {run.contender.name}")
            run.measured.append(measure(run.contender, Task(_prompt(), tokens, threads)))
    bandwidth = max(copies)
    rows = [_row(run, bandwidth) for run in runs]
    processors = os.cpu_count() or 1
    # The benchmark's own threads count in the later rounds.
    busy = loads[0] >= processors or max(loads) > processors + threads
    machine = {
        "processor": _processor(),
        "processors": processors,
        "threads": threads,
        "load_at_start": round(loads[0], 2),
        "busy": busy,
        "prompt_tokens": PROMPT_TOKENS,
        "tokens": tokens,
        "rounds": rounds,
        "copy_gb_per_second": round(bandwidth / 1e9, 2),
    }
    return {"models": rows, "models-goals": goal_rows(rows, busy=busy), "models-machine": [machine]}


def _processor() -> str:
    """The processor's name as the system gives it; empty where it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), ""
    )


def _prompt() -> tuple[int, ...]:
    """Tokens that every vocabulary here has; which ones makes no difference to the speed."""
    return tuple(3 + (37 * place) % 1900 for place in range(PROMPT_TOKENS))


def _contenders(model: str, folder: Path, tell: Tell) -> list[_Runs]:
    """The three contenders of a model, their files made where they are not there."""
    if model == "demo":
        checkpoint, pte = shipped_path("demo-tuned"), shipped_path("demo-tuned.pte")
    else:
        checkpoint, pte = _large_model(folder, tell)
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    manifest = read_manifest(pte)
    offline = Contender(
        "executorch",
        f"offline file ({manifest.scheme})",
        pte,
        weight_bytes(config, manifest.scheme, manifest.group_size),
    )
    reference = Contender(
        "transformers", "transformers fp32", checkpoint, weight_bytes(config, "fp32")
    )
    # The demo's weights may change from one version to the next, and their hash with them.
    gguf = folder / f"{model}-{manifest.sha256[:12]}-Q4_0.gguf"
    peer = Contender("llama.cpp", "llama.cpp Q4_0", gguf, weight_bytes(config, "Q4_0"))
    missing = missing_packages("llama.cpp")
    if not missing and not gguf.is_file():
        tell(f"{model}: writing the GGUF file")
        write_gguf(checkpoint, gguf)
    weights = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors"))
    return [
        _Runs(model, offline, pte.stat().st_size),
        _Runs(model, reference, weights),
        _Runs(
            model,
            peer,
            gguf.stat().st_size if gguf.is_file() else 0,
            missing_because=f"not installed: {', '.join(missing)}" if missing else "",
        ),
    ]


def _large_model(folder: Path, tell: Tell) -> tuple[Path, Path]:
    checkpoint, pte = folder / LARGE, folder / f"{LARGE}.pte"
    # The manifest is written last.
    finished = pte.is_file() and manifest_path(pte).is_file()
    if not finished and shutil.disk_usage(folder).free < _DISK_BYTES:
        raise ModelError(
            f"{folder} has {shutil.disk_usage(folder).free / 1e9:.1f} GB free; making the large model "
            f"needs {_DISK_BYTES / 1e9:.0f} GB for a while. Name another folder, or leave the large "
            f"model out with --demo-only."
        )
    tell(f"{LARGE}: {'found' if finished else 'making'} {pte.name}")
    write_random_checkpoint(checkpoint)
    if not finished:
        last = ""

        def told(message: str, share: float) -> None:
            nonlocal last
            line = f"{LARGE}: {message}, {10 * int(10 * share)} %"
            if line != last:
                tell(line)
            last = line

        quantize(checkpoint, pte, progress=told)
    return checkpoint, pte


def _row(run: _Runs, bandwidth: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": run.model,
        "contender": run.contender.name,
        "rounds": len(run.measured),
        "tokens_per_second": None,
        "slowest": None,
        "fastest": None,
        "cpu_ms_per_token": None,
        "first_token_s": None,
        "peak_memory_mb": None,
        "file_mb": round(run.file_bytes / 1e6, 1) if run.file_bytes else None,
        "weight_mb_per_token": round(run.contender.weight_bytes / 1e6, 1),
        "share_of_bandwidth": None,
        "note": run.missing_because,
    }
    if not run.measured:
        return row
    speeds = [m.tokens_per_second for m in run.measured]
    speed = run.middle("tokens_per_second")
    peaks = [m.peak_memory_bytes for m in run.measured if m.peak_memory_bytes is not None]
    share = share_of_bandwidth(run.contender.weight_bytes, speed, bandwidth)
    return row | {
        "tokens_per_second": round(speed, 2),
        "slowest": round(min(speeds), 2),
        "fastest": round(max(speeds), 2),
        "cpu_ms_per_token": round(1000 * run.middle("cpu_s_per_token"), 3),
        "first_token_s": round(run.middle("first_token_s"), 4),
        "peak_memory_mb": round(max(peaks) / 1e6, 1) if peaks else None,
        "share_of_bandwidth": None if share is None else round(share, 4),
        "note": "" if run.contender.weight_bytes >= CACHE_BYTES else "weights may fit in the cache",
    }


def goal_rows(rows: Sequence[Mapping[str, Any]], *, busy: bool = False) -> Rows:
    """What was aimed at for the offline file, what was reached, and whether that is enough.

    Parameters
    ----------
    rows : sequence of dict
        The rows of `bench_models`: for each model the offline file, transformers, llama.cpp.
    busy : bool
        Whether other programs took part of the machine: then no goal of speed is called met or missed.
        Threads that wait for one another lose most, so the ratios are of another machine.

    Returns
    -------
    list of dict
        ``model``, ``goal``, ``aim``, ``reached`` (None when it could not be measured) and ``met``
        (None when that is not known).
    """
    goals: Rows = []
    for model in dict.fromkeys(row["model"] for row in rows):
        offline, reference, peer = (row for row in rows if row["model"] == model)
        memory, file = offline["peak_memory_mb"], offline["file_mb"]
        beyond = None if memory is None or file is None else memory - file
        reached = [
            ("times transformers fp32", FASTER_THAN_TRANSFORMERS, _times(offline, reference)),
            ("times llama.cpp", FASTER_THAN_LLAMA, _times(offline, peer)),
            ("share of the bandwidth", SHARE_OF_BANDWIDTH, offline["share_of_bandwidth"]),
        ]
        goals += [
            {
                "model": model,
                "goal": goal,
                "aim": f"at least {aim:g}",
                "reached": value,
                "met": None if value is None or busy else value >= aim,
            }
            for goal, aim, value in reached
        ]
        goals.append(
            {
                "model": model,
                "goal": "memory beyond the file, MB",
                "aim": f"at most {MEMORY_BEYOND_FILE / 1e6:g}",
                "reached": beyond,
                "met": None if beyond is None else beyond <= MEMORY_BEYOND_FILE / 1e6,
            }
        )
    return goals


def _times(one: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    ours, theirs = one["tokens_per_second"], other["tokens_per_second"]
    return None if ours is None or theirs is None else float(ours / theirs)
