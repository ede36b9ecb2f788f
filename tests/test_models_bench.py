"""The benchmark of the models: hand arithmetic of its shares, the same weights in every runtime."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from models.backends.decoding import DecodingSettings
from models.backends.opening import open_backend
from models.bench.bandwidth import copy_bandwidth, share_of_bandwidth, weight_bytes
from models.bench.contenders import Contender, Task, measure
from models.bench.offline_models import goal_rows
from models.bench.random_checkpoint import SHAPE, write_random_checkpoint
from models.shipped import shipped_path
from study.cli.group import run
from study.protocol.systems import System

TINY = SHAPE | {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 4,
    "intermediate_size": 16,
    "vocab_size": 10,
}


def test_weights_read_for_a_token_by_hand() -> None:
    """Output 10 x 8; queries and output of attention 8 x 8, keys and values 4 x 8; three of 16 x 8.

    80 + 2 * 64 + 2 * 32 + 3 * 128 = 656 weights: 4 bytes each; 4.5 bits each in groups of 32; 4.25 in
    groups of 64.
    """
    assert weight_bytes(TINY, "fp32") == 656 * 4
    assert weight_bytes(TINY, "8da4w", 32) == weight_bytes(TINY, "Q4_0") == 656 * 4.5 / 8
    assert weight_bytes(TINY, "8da4w", 64) == 656 * 4.25 / 8


def test_the_large_shape_has_the_published_number_of_weights() -> None:
    """Llama-3.2-1B has 1,235,814,400 parameters, of which 33 norms of 2,048 are no matrix."""
    assert weight_bytes(SHAPE, "fp32") / 4 == 1_235_814_400 - 33 * 2048


def test_share_of_bandwidth_by_hand() -> None:
    """0.7 GB a token, 20 tokens a second, 28 GB/s: 14 of 28. A megabyte lives in the cache."""
    assert share_of_bandwidth(0.7e9, 20.0, 28e9) == pytest.approx(0.5)
    assert share_of_bandwidth(1e6, 3000.0, 28e9) is None
    assert copy_bandwidth(2, size=2**24, repeats=2) > 0


def _row(speed: float | None, **changes: Any) -> dict[str, Any]:
    row = {"model": "m", "tokens_per_second": speed, "share_of_bandwidth": None}
    return row | {"peak_memory_mb": 1500.0, "file_mb": 950.0} | changes


def test_goals_by_hand() -> None:
    """18 tokens a second against 6 and 20; 14 of 20 GB/s; 1,500 - 950 MB; a peer that is not there."""
    rows = [_row(18.0, share_of_bandwidth=0.7), _row(6.0), _row(20.0)]
    found = [(goal["reached"], goal["met"]) for goal in goal_rows(rows)]
    assert found == [(3.0, True), (0.9, False), (0.7, True), (550.0, True)]
    without = goal_rows([_row(18.0, peak_memory_mb=1600.0), _row(6.5), _row(None)])
    assert [goal["met"] for goal in without] == [False, None, None, False]
    busy = goal_rows(rows, busy=True)
    assert [goal["met"] for goal in busy] == [None, None, None, True]


def test_random_checkpoint_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    """transformers refuses a checkpoint with a tensor too many or too few; same seed, same bytes."""
    from models.backends.transformers_backend import TransformersBackend

    shape = TINY | {"vocab_size": 2048, "head_dim": 8, "hidden_size": 16}
    first = write_random_checkpoint(tmp_path / "first", shape)
    second = write_random_checkpoint(tmp_path / "second", shape)
    weights = "model.safetensors"
    assert (first / weights).read_bytes() == (second / weights).read_bytes()
    reply = TransformersBackend(first).generate(
        [{"role": "user", "content": "Hello"}], DecodingSettings(max_new_tokens=3, temperature=0)
    )
    assert reply.completion_tokens >= 1
    assert reply.peak_memory_bytes is not None
    assert reply.peak_memory_bytes > (first / weights).stat().st_size


@pytest.mark.offline_model
def test_the_offline_file_tells_the_peak_of_its_own_process(tmp_path: Path) -> None:
    system = System(id="s", title="S", backend="executorch", model="shipped:demo-tuned.pte")
    opened = open_backend(system, study_folder=tmp_path)
    reply = opened.generate(
        [{"role": "user", "content": "I am tired."}], DecodingSettings(max_new_tokens=2)
    )
    opened.close()
    assert reply.peak_memory_bytes is not None
    assert reply.peak_memory_bytes > 50e6


@pytest.mark.skipif(find_spec("llama_cpp") is None, reason="llama-cpp-python is an optional peer")
def test_gguf_holds_the_same_weights(tmp_path: Path) -> None:
    """Unquantized, llama.cpp writes the same 24 tokens greedily as transformers."""
    from models.bench.gguf_file import write_gguf

    checkpoint = shipped_path("demo-tuned")
    gguf = write_gguf(checkpoint, tmp_path / "demo.gguf", "F32")
    task = Task(tuple(range(40, 60)), tokens=24, threads=1)
    reference = measure(Contender("transformers", "transformers", checkpoint, 1.0), task)
    peer = measure(Contender("llama.cpp", "llama.cpp", gguf, 1.0), task)
    assert len(peer.tokens) == 23
    assert peer.tokens == reference.tokens


@pytest.mark.slow
@pytest.mark.offline_model
def test_bench_models_on_the_demo_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each contender, and shares that follow from the rows."""
    options = ["--demo-only", "--rounds", "1", "--tokens", "6", "--threads", "1"]
    assert run(["bench", "models", *options, "--reuse", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["contender"]: row for row in found["models"]}
    assert list(rows) == ["offline file (8da4w)", "transformers fp32", "llama.cpp Q4_0"]
    for row in rows.values():
        assert row["rounds"] == (0 if row["note"].startswith("not installed") else 1)
        if row["rounds"]:
            assert row["tokens_per_second"] > 0
            assert row["first_token_s"] > 0
            assert row["peak_memory_mb"] > row["file_mb"]
    goals = {goal["goal"]: goal for goal in found["models-goals"]}
    offline, reference = rows["offline file (8da4w)"], rows["transformers fp32"]
    assert goals["times transformers fp32"]["reached"] == pytest.approx(
        offline["tokens_per_second"] / reference["tokens_per_second"]
    )
    assert goals["share of the bandwidth"]["reached"] is None
